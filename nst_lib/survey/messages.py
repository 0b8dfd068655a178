"""The requests and replies of the API as JSON, and the message about a wrong request."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from nst_lib.survey.headphones import CHECKS
from nst_lib.survey.stimuli import SCALE

LOW, HIGH = SCALE
#: What each field of a request accepts.
_ACCEPTED = {
    "consent": "true",
    "simulated": "true or false",
    "answers": f"{CHECKS} whole numbers from 0 to 2",
    "rating": f"a whole number from {LOW} to {HIGH}",
    "plays": "a whole number from 1 to 1000",
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


class Headphones(_Request):
    """The answers of the headphone check: which tone was the quietest, for each question."""

    answers: list[Annotated[int, Field(ge=0, le=2), BeforeValidator(_whole)]] = Field(
        min_length=CHECKS, max_length=CHECKS
    )


class Rating(_Request):
    """The rating of a sound."""

    rating: Annotated[int, Field(ge=LOW, le=HIGH), BeforeValidator(_whole)]
    plays: Annotated[int, Field(ge=1, le=1000), BeforeValidator(_whole)]
    seconds: float = Field(ge=0, le=86400, allow_inf_nan=False)


class Withdrawal(_Request):
    """A request to delete a participant."""

    code: str = Field(min_length=1, max_length=100)


class Problem(BaseModel):
    """What was wrong with a request."""

    error: str


class Conflict(Problem):
    """What was wrong with a rating, and the rating that is stored."""

    rating: int


class About(BaseModel):
    """The public part of a survey. The `key` differs between surveys at the same address."""

    key: str
    title: str
    question: str
    labels: list[str]
    consent: str
    headphones: bool
    minutes: int
    open: bool


class Joined(BaseModel):
    """The secrets of a new participant: the token of the session, and the withdrawal code."""

    token: str
    code: str


class OrderedSound(BaseModel):
    """One sound in the order of a participant."""

    training: bool
    wording: str
    seconds: float


class ParticipantSession(BaseModel):
    """The state of a participant in the test."""

    title: str
    labels: list[str]
    thanks: str
    rest_every: int
    trials: list[OrderedSound]
    answered: list[int]
    next: int | None
    checks: int
    headphones: bool | None


class Passed(BaseModel):
    """Whether a headphone check was passed."""

    passed: bool


class Rated(BaseModel):
    """The rating that is stored, and the place of the next sound."""

    rating: int
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


class Overview(BaseModel):
    """The counts of a running survey; it has no ratings."""

    title: str
    question: str
    participants: Counts
    cells: list[dict[str, str | int]]
    catches_answered: int = Field(alias="catches answered")
    catches_missed: int = Field(alias="catches missed")


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
