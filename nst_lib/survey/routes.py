"""What the page of a listening test asks for, and what it gets.

Nothing in a request names a file: sounds are asked for by their place in a participant's own order.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Response

from nst_lib.survey import export, headphones, messages
from nst_lib.survey.answers import Answer, Participant
from nst_lib.survey.overview import overview
from nst_lib.survey.state import State, client, newcomer, participant, researcher, state, unknown
from nst_lib.survey.survey import LOUDNESS_FILE, Survey, Trial, headphones_file

if TYPE_CHECKING:
    import pandas as pd

NO_CODE = "no participant has this withdrawal code"
NOT_ASKED = "this sound was never asked for; accepted: a rating of what was heard"
TOO_SOON = "this sound of {:.1f} s cannot have been heard yet; accepted: a rating after its end"

Here = Annotated[State, Depends(state)]
Who = Annotated[Participant, Depends(participant)]
Client = Annotated[str, Depends(client)]
PlaceNumber = Annotated[int, Path(ge=0)]


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what an endpoint may answer beside its result, for the schema."""
    return {status: {"model": messages.Problem} for status in (*statuses, 413, 415, 429, 503)}


_WAV: dict[int | str, dict[str, Any]] = {
    200: {"content": {"audio/wav": {"schema": {"type": "string", "format": "binary"}}}}
}
_CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}}
}
api = APIRouter(prefix="/api", responses=_problems())
admin = APIRouter(prefix="/admin", dependencies=[Depends(researcher)], responses=_problems(401))


@api.get("/survey")
async def about(here: Here) -> messages.About:
    """Return what everybody may know."""
    names = messages.About.model_fields
    return messages.About(**{name: getattr(here.survey, name) for name in names})


@api.post(
    "/participants",
    status_code=201,
    responses=_problems(403, 422),
    dependencies=[Depends(newcomer)],
)
def join(here: Here, asked: messages.Joining) -> messages.Joined:
    """Take in a participant."""
    token, code = here.answers.register(
        heard=here.survey.heard, length=here.survey.length, simulated=asked.simulated
    )
    return messages.Joined(token=token, code=code)


@api.get("/session", responses=_problems(401))
async def session(here: Here, who: Who) -> messages.Session:
    """Return where a participant stands."""
    survey, trials = here.survey, here.survey.trials(who.row)
    answered = _answered(here, who)
    heard = [
        messages.OrderedSound(
            training=trial.position == 0,
            wording=survey.words(trial.stimulus),
            seconds=round(here.survey.seconds[trial.stimulus.file], 2),
        )
        for trial in trials
    ]
    return messages.Session(
        title=survey.title,
        labels=list(survey.labels),
        thanks=survey.thanks,
        rest_every=survey.rest_every,
        trials=heard,
        answered=answered,
        next=_next(answered, len(trials)),
        checks=headphones.CHECKS if survey.headphones else 0,
        headphones=who.headphones,
    )


@api.get("/loudness", response_class=Response, responses=_problems(401) | _WAV)
def loudness(here: Here, _who: Who) -> Response:
    """Return the noise to set a level with."""
    return _wav(here.survey, LOUDNESS_FILE)


@api.get("/headphones/{k}", response_class=Response, responses=_problems(401, 404, 422) | _WAV)
def tones(here: Here, _who: Who, k: PlaceNumber) -> Response:
    """Return the sound of a headphone check."""
    if not here.survey.headphones or k >= headphones.CHECKS:
        raise HTTPException(404)
    return _wav(here.survey, headphones_file(k))


@api.put("/headphones", responses=_problems(401, 404, 422))
def check(here: Here, who: Who, given: messages.Headphones) -> messages.Passed:
    """Keep whether a participant wears headphones; the first time counts."""
    if not here.survey.headphones:
        raise HTTPException(404)
    passed = headphones.passed(given.answers, seed=here.survey.seed)
    with _known():
        return messages.Passed(passed=here.answers.check_headphones(who.id, passed))


@api.get("/trials/{k}/sound", response_class=Response, responses=_problems(401, 404, 422) | _WAV)
def sound(here: Here, who: Who, k: PlaceNumber) -> Response:
    """Return the sound at a place in the participant's own order."""
    trial = _trial(here, who, k)
    here.heard.fetch(who.id, k)
    return _wav(here.survey, trial.stimulus.file)


@api.put(
    "/trials/{k}/rating",
    responses=_problems(401, 403, 404, 422) | {409: {"model": messages.Conflict}},
)
def rate(here: Here, who: Who, k: PlaceNumber, given: messages.Rating) -> messages.Rated:
    """Keep a rating; the first counts."""
    trial = _trial(here, who, k)
    if k not in _answered(here, who):
        _need_heard(here, who, k, here.survey.seconds[trial.stimulus.file])
    answer = Answer(
        item=trial.stimulus.item,
        question=here.survey.question,
        presentation=trial.presentation,
        position=trial.position,
        rating=given.rating,
        plays=given.plays,
        seconds=given.seconds,
    )
    with _known():
        kept = here.answers.rate(who.id, answer)
    if kept != given.rating:
        error = f"this sound has the rating {kept} already; accepted: the same again"
        raise HTTPException(409, {"error": error, "rating": kept})
    following = _next(_answered(here, who), len(here.survey.trials(who.row)))
    return messages.Rated(rating=kept, next=following)


@api.post("/withdraw", responses=_problems(404, 422))
def withdraw(here: Here, client: Client, given: messages.Withdrawal) -> messages.Withdrawn:
    """Delete a participant and all ratings."""
    if not here.answers.withdraw(given.code):
        here.take(("unknown", client), here.rates.unknown)
        raise HTTPException(404, NO_CODE)
    return messages.Withdrawn(withdrawn=True)


@admin.get("")
def counts(here: Here) -> messages.Overview:
    """Return how far the survey is."""
    return messages.Overview(**overview(here.survey, here.answers))


@admin.get("/ratings.csv", response_class=Response, responses=_CSV)
def ratings(here: Here) -> Response:
    """Return all ratings."""
    return _csv(export.table(here.survey, here.answers))


@admin.get("/columns.csv", response_class=Response, responses=_CSV)
def columns(here: Here) -> Response:
    """Return what the columns of the ratings mean."""
    return _csv(export.dictionary(here.survey))


api.include_router(admin)


def _trial(here: State, who: Participant, k: int) -> Trial:
    trials = here.survey.trials(who.row)
    if k >= len(trials):
        raise HTTPException(404, f"there is no sound {k}; accepted: 0 to {len(trials) - 1}")
    return trials[k]


def _need_heard(here: State, who: Participant, k: int, seconds: float) -> None:
    """Refuse a rating of what cannot have been heard."""
    left = here.heard.wait(who.id, k, seconds)
    if left is None:
        raise HTTPException(403, NOT_ASKED)
    if left and not who.simulated:
        raise HTTPException(403, TOO_SOON.format(seconds), {"Retry-After": str(math.ceil(left))})


def _answered(here: State, who: Participant) -> list[int]:
    """Return the places that a participant has rated."""
    rated = here.answers.rated(who.id)
    trials = enumerate(here.survey.trials(who.row))
    return [k for k, trial in trials if (trial.stimulus.item, trial.presentation) in rated]


def _next(answered: list[int], total: int) -> int | None:
    return next((k for k in range(total) if k not in answered), None)


@contextmanager
def _known() -> Iterator[None]:
    """Answer who has withdrawn meanwhile as anybody who is unknown."""
    try:
        yield
    except LookupError:
        raise unknown() from None


def _wav(survey: Survey, file: str) -> Response:
    return Response(survey.sound(file).read_bytes(), media_type="audio/wav")


def _csv(frame: "pd.DataFrame") -> Response:
    return Response(export.csv(frame), media_type="text/csv")
