"""The requests and replies of the API as JSON, and the message about a wrong request."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from nst_lib.survey import channels
from nst_lib.survey.headphones import CHECKS

#: What each field of a request accepts.
_ACCEPTED = {
    "consent": "true",
    "simulated": "true or false",
    "person": "a text of 1 to 200 characters",
    "answers": f"{CHECKS} whole numbers from 0 to 2; {channels.CHECKS} for the channels",
    "answer": "an object with the fields of its kind",
    "plays": "a list of whole numbers from 1 to 1000, one for each sound",
    "seconds": "a number from 0 to 86400",
    "code": "a withdrawal code",
    "k": "a whole number from 0",
}


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


def _only_true(value: object) -> object:
    if value is not True:  # 1 equals it
        raise ValueError
    return value


def _whole(value: object) -> object:
    """Return 3 for 3.0, which is the same number in JSON."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Joining(_Request):
    """A request to take part."""

    consent: Annotated[Literal[True], BeforeValidator(_only_true)]
    simulated: bool = False
    person: Annotated[str, Field(pattern=r"\S", max_length=200)] | None = None


class Headphones(_Request):
    """The answers of the headphone check: which tone was the quietest, for each question."""

    answers: list[Annotated[int, Field(ge=0, le=2), BeforeValidator(_whole)]] = Field(
        min_length=CHECKS, max_length=CHECKS
    )


class Channels(_Request):
    """The answers of the check of channels: where the sound was, for each question."""

    answers: list[Annotated[int, Field(ge=0, le=2), BeforeValidator(_whole)]] = Field(
        min_length=channels.CHECKS, max_length=channels.CHECKS
    )


class Answering(_Request):
    """The answer to a screen; its kind says what `answer` has to be."""

    answer: dict[str, Any]
    plays: list[Annotated[int, Field(ge=1, le=1000), BeforeValidator(_whole)]] = Field(
        max_length=20
    )
    seconds: float = Field(ge=0, le=86400, allow_inf_nan=False)


class Withdrawal(_Request):
    """A request to delete a participant."""

    code: str = Field(min_length=1, max_length=100)


class Problem(BaseModel):
    """What was wrong with a request."""

    error: str


class Conflict(Problem):
    """What was wrong with an answer, and the answer that is stored."""

    answer: dict[str, Any]


class PageLanguage(BaseModel):
    """The language of the page, and all that the page says."""

    code: str
    direction: str
    texts: dict[str, Any]


class About(BaseModel):
    """The public part of a survey. The `key` differs between surveys at the same address.

    `parameter` is the parameter of the page's address that has the participant's identity.
    """

    key: str
    title: str
    language: PageLanguage
    consent: str
    headphones: str | None
    channels: bool
    sounds: bool
    minutes: int
    open: bool
    parameter: str | None
    no_consent_url: str | None


class Joined(BaseModel):
    """The secrets of a new participant: the token of the session, and the withdrawal code."""

    token: str
    code: str


class OrderedScreen(BaseModel):
    """One screen in the order of a participant; `sounds` are durations in seconds."""

    block: int
    training: bool
    sounds: list[float]
    view: dict[str, Any]


class Completion(BaseModel):
    """What a participant of a platform needs at the end."""

    code: str | None
    url: str | None


class ParticipantSession(BaseModel):
    """The state of a participant in the test."""

    title: str
    thanks: str
    rest_every: int
    blocks: list[dict[str, Any]]
    screens: list[OrderedScreen]
    answered: list[int]
    next: int | None
    checks: int
    headphones: bool | None
    headphones_required: bool
    channel_checks: int
    channels: bool | None
    screened_out: str | None
    completion: Completion | None


class Passed(BaseModel):
    """Whether a check was passed; whether the participant may try once more."""

    passed: bool
    again: bool = False


class Answered(BaseModel):
    """The answer that is stored, and the place of the next screen."""

    answer: dict[str, Any]
    next: int | None


class Withdrawn(BaseModel):
    """Whether a participant was deleted."""

    withdrawn: bool


class Counts(BaseModel):
    """The numbers of participants."""

    started: int
    finished: int
    simulated: int
    headphones_passed: int


class BlockCounts(BaseModel):
    """The counts of a block."""

    name: str
    kind: str
    cells: list[dict[str, str | int]]
    catches_answered: int
    catches_missed: int


class Overview(BaseModel):
    """The counts of a running survey; it has no answers. `tables` are what can be exported."""

    title: str
    participants: Counts
    blocks: list[BlockCounts]
    tables: list[str]


def complain(errors: Sequence[Mapping[str, Any]]) -> str:
    """Return a message of one line about a request that is not accepted.

    Parameters
    ----------
    errors : sequence of mapping
        The errors of pydantic. The message repeats nothing from the request.
    """
    for error in errors:
        known = [part for part in error["loc"] if part in _ACCEPTED]
        if known and error["type"] != "extra_forbidden":
            return f"wrong {known[0]}; accepted: {_ACCEPTED[known[0]]}"
    return "wrong body; accepted: JSON with the fields of this request and no others"
