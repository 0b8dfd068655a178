"""The API of a listening test, which its pages use.

No request names a file. A sound is requested by the place of its screen in the order of the
participant, and by its own place on the screen.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path, Response

from nst_lib.survey import channels, export, headphones, messages
from nst_lib.survey.answers import Answer, Participant
from nst_lib.survey.files import LOUDNESS_FILE, channels_file, headphones_file
from nst_lib.survey.identity import pseudonym
from nst_lib.survey.kinds.block import AnswerError, Block
from nst_lib.survey.overview import overview
from nst_lib.survey.state import State, client, newcomer, participant, researcher, state, unknown
from nst_lib.survey.survey import Place, Survey

if TYPE_CHECKING:
    import pandas as pd

NO_CODE = "no participant has this withdrawal code"
NOBODY = (
    "this test needs your identity on the platform: open it with the link of the platform ({}=...)"
)
NOT_REQUESTED = "a sound was never requested; request all sounds and play them before you answer"
TOO_EARLY = "these sounds cannot have been heard yet: they take {:.1f} s; answer after that"
SCREENED_OUT = "this test needs headphones: the headphone check has to be passed first"

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
    language, platform = survey.language, settings.platform
    return messages.About(
        key=survey.key,
        title=settings.title,
        language=messages.PageLanguage(
            code=language.code, direction=language.direction, texts=language.texts
        ),
        consent=settings.consent,
        headphones=settings.headphones,
        channels=settings.channels,
        sounds=bool(survey.sounding),
        minutes=survey.minutes,
        open=settings.open,
        parameter=None if platform is None else platform.parameter,
        no_consent_url=None if platform is None else platform.no_consent_url,
    )


@api.post(
    "/participants",
    status_code=201,
    responses=_problems(403, 422),
    dependencies=[Depends(newcomer)],
)
def join(here: Here, asked: messages.Joining) -> messages.Joined:
    """Add a participant. A person whom the survey knows stays the same participant."""
    platform = here.survey.settings.platform
    person = None
    if platform is not None and here.key is not None and not asked.simulated:
        if asked.person is None:
            raise HTTPException(422, NOBODY.format(platform.parameter))
        person = pseudonym(asked.person, here.key)
    token, code = here.answers.register(
        heard=here.survey.heard,
        length=here.survey.length,
        simulated=asked.simulated,
        person=person,
    )
    return messages.Joined(token=token, code=code)


@api.get("/session", responses=_problems(401))
async def session(here: Here, who: Who) -> messages.ParticipantSession:
    """Return the state of a participant in the test."""
    survey, places = here.survey, here.survey.places(who.row)
    settings, answered = survey.settings, _answered(here, who)
    following = _next(answered, len(places))
    screens = [
        messages.OrderedScreen(
            block=one.block,
            training=one.screen.position == 0,
            sounds=[round(survey.seconds[sound.file], 2) for sound in one.screen.sounds],
            view={"wording": one.screen.wording} if one.screen.wording else {},
        )
        for one in places
    ]
    return messages.ParticipantSession(
        title=settings.title,
        thanks=settings.thanks,
        rest_every=settings.rest_every,
        blocks=[_block(one) for one in settings.blocks],
        screens=screens,
        answered=answered,
        next=following,
        checks=headphones.CHECKS if settings.headphones and who.headphones is None else 0,
        headphones=who.headphones,
        headphones_required=_requires_headphones(here),
        channel_checks=channels.CHECKS if settings.channels and who.channels is None else 0,
        channels=who.channels,
        screened_out=_screened_out(here, who),
        completion=_completion(here) if following is None else None,
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
    """Store whether a participant passes the headphone check. The first time counts.

    Where headphones are required, somebody who fails may try once more before that is stored.
    """
    settings = here.survey.settings
    kind = settings.headphones
    if kind is None:
        raise HTTPException(404)
    right = headphones.right(given.answers, kind=kind, seed=settings.seed)
    passed = right >= headphones.KINDS[kind]
    failed = not passed and who.headphones is None
    if failed and _requires_headphones(here) and here.may_try_again("headphones", who.id):
        return messages.Passed(passed=False, again=True)
    with _known():
        kept = here.answers.check_headphones(who.id, right, passed=passed)
    return messages.Passed(passed=kept)


@api.get("/channels/{k}", response_class=Response, responses=_problems(401, 404, 422) | _WAV)
def sides(here: Here, _who: Who, k: PlaceNumber) -> Response:
    """Return the sound of a question of the check of channels."""
    if not here.survey.settings.channels or k >= channels.CHECKS:
        raise HTTPException(404)
    return _wav(here.survey, channels_file(k))


@api.put("/channels", responses=_problems(401, 404, 422))
def check_channels(here: Here, who: Who, given: messages.Channels) -> messages.Passed:
    """Store whether a participant passes the check of channels. The second time counts."""
    settings = here.survey.settings
    if not settings.channels:
        raise HTTPException(404)
    passed = channels.passed(given.answers, seed=settings.seed)
    failed = not passed and who.channels is None
    if failed and here.may_try_again("channels", who.id):
        return messages.Passed(passed=False, again=True)
    with _known():
        return messages.Passed(passed=here.answers.check_channels(who.id, passed=passed))


@api.get(
    "/screens/{k}/sounds/{n}", response_class=Response, responses=_problems(401, 404, 422) | _WAV
)
def sound(here: Here, who: Who, k: PlaceNumber, n: PlaceNumber) -> Response:
    """Return a sound of the screen at a place in the order of the participant."""
    sounds = _place(here, who, k).screen.sounds
    if n >= len(sounds):
        raise HTTPException(404, f"screen {k} has no sound {n}; it has {len(sounds)}")
    here.heard.fetch(who.id, k, n)
    return _wav(here.survey, sounds[n].file)


@api.put(
    "/screens/{k}/answer",
    responses=_problems(401, 403, 404, 422) | {409: {"model": messages.Conflict}},
)
def answer(here: Here, who: Who, k: PlaceNumber, given: messages.Answering) -> messages.Answered:
    """Store an answer. The first answer to a screen counts."""
    place = _place(here, who, k)
    screen, block = place.screen, here.survey.settings.blocks[place.block]
    read = block.read(screen, given.answer)
    if len(given.plays) != len(screen.sounds):
        raise AnswerError(f"wrong plays; accepted: {len(screen.sounds)} whole numbers")
    _need_headphones(here, who)
    if screen.sounds and k not in _answered(here, who):
        _need_heard(here, who, k)
    with _known():
        kept = here.answers.answer(
            who.id,
            Answer(
                block=block.name,
                screen=screen.name,
                presentation=screen.presentation,
                position=screen.position,
                items=screen.items,
                answer=read,
                plays=given.plays,
                seconds=given.seconds,
            ),
        )
    if kept != read:
        error = "this screen already has another answer; an answer cannot be changed"
        raise HTTPException(409, {"error": error, "answer": kept})
    following = _next(_answered(here, who), len(here.survey.places(who.row)))
    return messages.Answered(answer=kept, next=following)


@api.post("/withdraw", responses=_problems(404, 422))
def withdraw(here: Here, client: Client, given: messages.Withdrawal) -> messages.Withdrawn:
    """Delete a participant and all answers."""
    if not here.answers.withdraw(given.code):
        here.take(("unknown", client), here.rates.unknown)
        raise HTTPException(404, NO_CODE)
    return messages.Withdrawn(withdrawn=True)


@admin.get("")
def counts(here: Here) -> messages.Overview:
    """Return the numbers of participants and answers."""
    return messages.Overview(**overview(here.survey, here.answers))


@admin.get("/{name}.csv", response_class=Response, responses=_problems(404) | _CSV)
def table(here: Here, name: str) -> Response:
    """Return all answers of a table, or with "_columns" after its name, what its columns mean."""
    wanted = name.removesuffix("_columns")
    if wanted not in export.tables(here.survey):
        raise HTTPException(404)
    if name != wanted:
        return _csv(export.dictionary(here.survey, wanted))
    return _csv(export.table(here.survey, here.answers, wanted))


api.include_router(admin)


def _block(block: Block) -> dict[str, Any]:
    return {"name": block.name, "kind": block.kind, **block.about()}


def _screened_out(here: State, who: Participant) -> str | None:
    """Return where a participant goes who is screened out; empty: nowhere; None: nobody is."""
    platform = here.survey.settings.platform
    if platform is None or not platform.require_headphones or who.headphones is not False:
        return None
    return platform.screened_out_url or ""


def _requires_headphones(here: State) -> bool:
    platform = here.survey.settings.platform
    return platform is not None and platform.require_headphones


def _need_headphones(here: State, who: Participant) -> None:
    """Refuse answers before the headphone check is passed, if that is required."""
    if _requires_headphones(here) and not who.headphones and not who.simulated:
        raise HTTPException(403, SCREENED_OUT)


def _completion(here: State) -> messages.Completion | None:
    platform = here.survey.settings.platform
    if platform is None:
        return None
    return messages.Completion(code=platform.completion_code, url=platform.completion_url)


def _place(here: State, who: Participant, k: int) -> Place:
    places = here.survey.places(who.row)
    if k >= len(places):
        raise HTTPException(404, f"there is no screen {k}; accepted: 0 to {len(places) - 1}")
    return places[k]


def _need_heard(here: State, who: Participant, k: int) -> None:
    """Refuse the answer to a screen whose sounds the participant cannot have heard."""
    place = here.survey.places(who.row)[k]
    seconds = [here.survey.seconds[one.file] for one in place.screen.sounds]
    least = here.survey.settings.blocks[place.block].least(seconds)
    left = here.heard.wait(who.id, k, least, sounds=len(seconds))
    if left is None:
        raise HTTPException(403, NOT_REQUESTED)
    if left and not who.simulated:
        raise HTTPException(403, TOO_EARLY.format(least), {"Retry-After": str(math.ceil(left))})


def _answered(here: State, who: Participant) -> list[int]:
    """Return the places of the screens that a participant has answered."""
    given = here.answers.answered(who.id)
    blocks = here.survey.settings.blocks
    return [
        k
        for k, one in enumerate(here.survey.places(who.row))
        if (blocks[one.block].name, one.screen.name, one.screen.presentation) in given
    ]


def _next(answered: list[int], total: int) -> int | None:
    given = {*answered}
    return next((k for k in range(total) if k not in given), None)


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
