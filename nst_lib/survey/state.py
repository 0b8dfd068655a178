"""The state that all requests of a listening test share, and the checks of who sends a request."""

import asyncio
import hmac
import math
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from nst_lib.survey.answers import Answers, Participant, hash_secret
from nst_lib.survey.heard import Heard
from nst_lib.survey.limits import Limiter, Rate, Rates, network
from nst_lib.survey.survey import Survey

NO_PARTICIPANT = "no participant has this token; it is wrong, or its participant has withdrawn"
NO_ADMIN = "this is not the token of the admin view; `nst survey serve` prints it at each start"
CLOSED = "this listening test is closed"
TOO_MUCH = "too many requests; try again later"

_PARTICIPANT = HTTPBearer(scheme_name="participant", auto_error=False)
_ADMIN = HTTPBearer(scheme_name="admin", auto_error=False)


@dataclass(frozen=True)
class State:
    """The state that all requests share.

    Parameters
    ----------
    survey : Survey
        The survey.
    answers : Answers
        Its answers.
    admin : str
        SHA-256 of the token of the admin view.
    key : bytes or None
        Key under which the identities of participants are hashed, if they have some.
    rates : Rates
        Limits on requests.
    limiter : Limiter
        Counts the requests.
    heard : Heard
        Knows which participant can have heard which sound.
    failed : set of tuple
        Name of a check and number of a participant who failed it once, and may try again.
    """

    survey: Survey
    answers: Answers
    admin: str
    key: bytes | None = None
    rates: Rates = field(default_factory=Rates)
    limiter: Limiter = field(default_factory=Limiter)
    heard: Heard = field(default_factory=Heard)
    failed: set[tuple[str, int]] = field(default_factory=set)

    def may_try_again(self, check: str, who: int) -> bool:
        """Whether a participant has failed a check for the first time. It counts from now on."""
        first = (check, who) not in self.failed
        self.failed.add((check, who))
        return first

    def take(self, key: object, rate: Rate) -> float:
        """Count a request. Return how long it has to wait (s); refuse it if that is too long."""
        wait = self.limiter.take(key, rate)
        if wait > rate.patience:
            raise HTTPException(429, TOO_MUCH, {"Retry-After": str(math.ceil(wait))})
        return wait


def unknown(text: str = NO_PARTICIPANT) -> HTTPException:
    """Return the refusal of a request with a wrong token or without one."""
    return HTTPException(401, text, {"WWW-Authenticate": "Bearer"})


async def state(request: Request) -> State:
    """Return the state that all requests share."""
    shared: State = request.app.state.survey
    return shared


async def client(request: Request) -> str:
    """Return the network of the client, by which requests are counted."""
    return network(request.client.host if request.client else "")


async def newcomer(
    here: Annotated[State, Depends(state)], client: Annotated[str, Depends(client)]
) -> None:
    """Wait for the turn of a new participant; refuse the request if the test is closed."""
    if not here.survey.settings.open:
        raise HTTPException(403, CLOSED)
    await asyncio.sleep(here.take(("register", client), here.rates.register))


async def participant(
    here: Annotated[State, Depends(state)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_PARTICIPANT)],
) -> Participant:
    """Return the participant who sends the request; refuse it if there is none."""
    found = here.answers.participant(bearer.credentials) if bearer else None
    if found is None:
        raise unknown()
    here.take(found.id, here.rates.participant)
    return found


async def researcher(
    here: Annotated[State, Depends(state)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_ADMIN)],
) -> None:
    """Refuse a request that does not come from the researcher who runs the survey."""
    if not hmac.compare_digest(hash_secret(bearer.credentials if bearer else ""), here.admin):
        raise unknown(NO_ADMIN)
    here.take("admin", here.rates.admin)
