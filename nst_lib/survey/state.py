"""What all requests of a listening test share, and who makes them."""

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
    """What all requests share.

    Parameters
    ----------
    survey : Survey
        What is asked.
    answers : Answers
        Where the answers go.
    admin : str
        SHA-256 of what opens the admin view.
    rates : Rates
        Limits on requests.
    limiter : Limiter
        How far they are used.
    heard : Heard
        When who can have heard what.
    """

    survey: Survey
    answers: Answers
    admin: str
    rates: Rates = field(default_factory=Rates)
    limiter: Limiter = field(default_factory=Limiter)
    heard: Heard = field(default_factory=Heard)

    def take(self, key: object, rate: Rate) -> float:
        """Count a request, or refuse it if there were too many; return when its turn is (s)."""
        wait = self.limiter.take(key, rate)
        if wait > rate.patience:
            raise HTTPException(429, TOO_MUCH, {"Retry-After": str(math.ceil(wait))})
        return wait


def unknown(text: str = NO_PARTICIPANT) -> HTTPException:
    """Return the refusal of a token, the same for a missing one."""
    return HTTPException(401, text, {"WWW-Authenticate": "Bearer"})


async def state(request: Request) -> State:
    """Return what all requests share."""
    shared: State = request.app.state.survey
    return shared


async def client(request: Request) -> str:
    """Return what stands for the address of who asks, to count by."""
    return network(request.client.host if request.client else "")


async def newcomer(
    here: Annotated[State, Depends(state)], client: Annotated[str, Depends(client)]
) -> None:
    """Wait until it is the turn of somebody new."""
    if not here.survey.open:
        raise HTTPException(403, CLOSED)
    await asyncio.sleep(here.take(("register", client), here.rates.register))


async def participant(
    here: Annotated[State, Depends(state)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_PARTICIPANT)],
) -> Participant:
    """Return who asks."""
    found = here.answers.participant(bearer.credentials) if bearer else None
    if found is None:
        raise unknown()
    here.take(found.id, here.rates.participant)
    return found


async def researcher(
    here: Annotated[State, Depends(state)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_ADMIN)],
) -> None:
    """Refuse who is not the one who runs the survey."""
    if not hmac.compare_digest(hash_secret(bearer.credentials if bearer else ""), here.admin):
        raise unknown(NO_ADMIN)
    here.take("admin", here.rates.admin)
