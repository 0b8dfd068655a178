"""The API of a listening test, which its pages use.

No request names a file. A sound is requested by its place in the order of the participant.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Response

from nst_lib.survey import export, headphones, messages
from nst_lib.survey.answers import Answer, Participant
from nst_lib.survey.files import LOUDNESS_FILE, headphones_file
from nst_lib.survey.overview import overview
from nst_lib.survey.state import State, client, newcomer, participant, researcher, state, unknown
from nst_lib.survey.survey import Survey, Trial

if TYPE_CHECKING:
    import pandas as pd

NO_CODE = "no participant has this withdrawal code"
NOT_REQUESTED = "this sound was never requested; request it and play it before you rate it"
TOO_EARLY = "this sound of {:.1f} s cannot have been heard yet; rate it after its end"

Here = Annotated[State, Depends(state)]
Who = Annotated[Participant, Depends(participant)]
Client = Annotated[str, Depends(client)]
PlaceNumber = Annotated[int, Path(ge=0)]


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the errors that an endpoint may answer with, for the schema."""
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
    """Return the public part of the survey."""
    survey, settings = here.survey, here.survey.settings
    return messages.About(
        key=survey.key,
        title=settings.title,
        question=settings.question,
        labels=list(settings.labels),
        consent=settings.consent,
        headphones=settings.headphones,
        minutes=survey.minutes,
        open=settings.open,
    )


@api.post(
    "/participants",
    status_code=201,
    responses=_problems(403, 422),
    dependencies=[Depends(newcomer)],
)
def join(here: Here, asked: messages.Joining) -> messages.Joined:
    """Add a participant."""
    token, code = here.answers.register(
        heard=here.survey.heard, length=here.survey.length, simulated=asked.simulated
    )
    return messages.Joined(token=token, code=code)


@api.get("/session", responses=_problems(401))
async def session(here: Here, who: Who) -> messages.ParticipantSession:
    """Return the state of a participant in the test."""
    survey, trials = here.survey, here.survey.trials(who.row)
    settings, answered = survey.settings, _answered(here, who)
    heard = [
        messages.OrderedSound(
            training=trial.position == 0,
            wording=survey.words(trial.stimulus),
            seconds=round(survey.seconds[trial.stimulus.file], 2),
        )
        for trial in trials
    ]
    return messages.ParticipantSession(
        title=settings.title,
        labels=list(settings.labels),
        thanks=settings.thanks,
        rest_every=settings.rest_every,
        trials=heard,
        answered=answered,
        next=_next(answered, len(trials)),
        checks=headphones.CHECKS if settings.headphones else 0,
        headphones=who.headphones,
    )


@api.get("/loudness", response_class=Response, responses=_problems(401) | _WAV)
def loudness(here: Here, _who: Who) -> Response:
    """Return the noise for setting the volume."""
    return _wav(here.survey, LOUDNESS_FILE)


@api.get("/headphones/{k}", response_class=Response, responses=_problems(401, 404, 422) | _WAV)
def tones(here: Here, _who: Who, k: PlaceNumber) -> Response:
    """Return the sound of a question of the headphone check."""
    if not here.survey.settings.headphones or k >= headphones.CHECKS:
        raise HTTPException(404)
    return _wav(here.survey, headphones_file(k))


@api.put("/headphones", responses=_problems(401, 404, 422))
def check(here: Here, who: Who, given: messages.Headphones) -> messages.Passed:
    """Store whether a participant passes the headphone check. The first time counts."""
    settings = here.survey.settings
    if not settings.headphones:
        raise HTTPException(404)
    passed = headphones.passed(given.answers, seed=settings.seed)
    with _known():
        return messages.Passed(passed=here.answers.check_headphones(who.id, passed))


@api.get("/trials/{k}/sound", response_class=Response, responses=_problems(401, 404, 422) | _WAV)
def sound(here: Here, who: Who, k: PlaceNumber) -> Response:
    """Return the sound at a place in the order of the participant."""
    trial = _trial(here, who, k)
    here.heard.fetch(who.id, k)
    return _wav(here.survey, trial.stimulus.file)


@api.put(
    "/trials/{k}/rating",
    responses=_problems(401, 403, 404, 422) | {409: {"model": messages.Conflict}},
)
def rate(here: Here, who: Who, k: PlaceNumber, given: messages.Rating) -> messages.Rated:
    """Store a rating. The first rating of a sound counts."""
    trial = _trial(here, who, k)
    if k not in _answered(here, who):
        _need_heard(here, who, k, here.survey.seconds[trial.stimulus.file])
    answer = Answer(
        item=trial.stimulus.item,
        question=here.survey.settings.question,
        presentation=trial.presentation,
        position=trial.position,
        rating=given.rating,
        plays=given.plays,
        seconds=given.seconds,
    )
    with _known():
        kept = here.answers.rate(who.id, answer)
    if kept != given.rating:
        error = f"this sound already has the rating {kept}; a rating cannot be changed"
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
    """Return the numbers of participants and ratings."""
    return messages.Overview(**overview(here.survey, here.answers))


@admin.get("/ratings.csv", response_class=Response, responses=_CSV)
def ratings(here: Here) -> Response:
    """Return all ratings."""
    return _csv(export.table(here.survey, here.answers))


@admin.get("/columns.csv", response_class=Response, responses=_CSV)
def columns(here: Here) -> Response:
    """Return the meaning of the columns of the ratings."""
    return _csv(export.dictionary(here.survey))


api.include_router(admin)


def _trial(here: State, who: Participant, k: int) -> Trial:
    trials = here.survey.trials(who.row)
    if k >= len(trials):
        raise HTTPException(404, f"there is no sound {k}; accepted: 0 to {len(trials) - 1}")
    return trials[k]


def _need_heard(here: State, who: Participant, k: int, seconds: float) -> None:
    """Refuse a rating of a sound that the participant cannot have heard."""
    left = here.heard.wait(who.id, k, seconds)
    if left is None:
        raise HTTPException(403, NOT_REQUESTED)
    if left and not who.simulated:
        raise HTTPException(403, TOO_EARLY.format(seconds), {"Retry-After": str(math.ceil(left))})


def _answered(here: State, who: Participant) -> list[int]:
    """Return the places of the sounds that a participant has rated."""
    rated = here.answers.rated(who.id)
    trials = enumerate(here.survey.trials(who.row))
    return [k for k, trial in trials if (trial.stimulus.item, trial.presentation) in rated]


def _next(answered: list[int], total: int) -> int | None:
    return next((k for k in range(total) if k not in answered), None)


@contextmanager
def _known() -> Iterator[None]:
    """Refuse a participant who has withdrawn in the meantime like an unknown one."""
    try:
        yield
    except LookupError:
        raise unknown() from None


def _wav(survey: Survey, file: str) -> Response:
    return Response(survey.sound(file).read_bytes(), media_type="audio/wav")


def _csv(frame: "pd.DataFrame") -> Response:
    return Response(export.csv(frame), media_type="text/csv")
