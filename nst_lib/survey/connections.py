"""Close connections that stall, so that there is always room for others.

uvicorn waits without limit for the rest of a request, and for a client to read a reply. Here

- a request has `ASKING` seconds to arrive completely, headers and body together;
- a reply that the client reads more slowly than `SLOWEST` is cut off;
- if there are `MOST_CONNECTIONS`, a new connection takes the place of another one: of the address
  that has most, the one that has waited longest without being served.

So a client who holds connections without using them loses them, and others get in at once.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Sequence
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from nst_lib.survey.limits import network

try:
    from resource import RLIMIT_NOFILE, getrlimit
except ImportError:  # Windows
    FILES = 10000
else:
    FILES = getrlimit(RLIMIT_NOFILE)[0]  # -1: any number

#: Time for a request to arrive, in seconds; Apache's mod_reqtimeout uses the same number.
ASKING = 20.0
#: Time between two checks of the progress of a reply, in seconds, and its least rate (bytes/s).
TAKING, SLOWEST = 20.0, 1000
#: Number of connections: half of the files that the process may open, and at most 1000.
MOST_CONNECTIONS = 1000 if FILES < 0 else min(1000, FILES // 2)
#: Number of connections that may wait for acceptance. All of them are accepted, and so have a file,
#: before the first one is closed.
WAITING = 512 if FILES < 0 else min(512, FILES // 10)


class Connection(H11Protocol):
    """uvicorn's connection with a client, with the limits of this module.

    Attributes
    ----------
    network : str
        Network of the client; see :func:`nst_lib.survey.limits.network`.
    since : float
        The time at which the current request, or the wait for the next one, began.
    """

    network: str
    since: float
    _mark: tuple[float, int] | None  # time of the last check, and bytes that were unsent then

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a client, in the place of another one if there is no room."""
        super().connection_made(transport)
        self.network = network(self.client[0] if self.client else "")
        self._mark = None
        self._begin()
        if len(others := [one for one in self._all() if one is not self]) >= MOST_CONNECTIONS:
            _least(others).transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read data. They begin a new request if the connection was idle."""
        if self.timeout_keep_alive_task is not None:
            self._begin()
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        self._begin()
        super().on_response_complete()

    @property
    def served(self) -> bool:
        """Whether a request has arrived completely, and the client has not read the whole reply."""
        asked = self.cycle is not None and not self.cycle.more_body
        waits = asked and not self.cycle.response_complete
        return waits or self.transport.get_write_buffer_size() > 0

    def check(self, now: float) -> None:
        """Close the connection if it has stalled."""
        unsent = self.transport.get_write_buffer_size()
        if not unsent:
            self._mark = None
            kept = self.timeout_keep_alive_task is not None  # then uvicorn checks the time
            if not kept and not self.served and now - self.since >= ASKING:
                self.transport.abort()
        elif self._mark is None:
            self._mark = (now, unsent)
        elif now - self._mark[0] >= TAKING:
            if self._mark[1] - unsent < SLOWEST * TAKING:
                self.transport.abort()
            self._mark = (now, unsent)

    def _all(self) -> "list[Connection]":
        """Return all connections of the server except those that are closing."""
        found = cast("set[Connection]", self.connections)
        return [one for one in found if not one.transport.is_closing()]

    def _begin(self) -> None:
        """Note the time at which a request, or the wait for one, begins."""
        self.since = time.monotonic()


async def check(connections: Collection[asyncio.Protocol]) -> None:
    """Close all connections that have stalled; the server calls this every second."""
    now = time.monotonic()
    for one in list(connections):
        if isinstance(one, Connection):
            one.check(now)


def _least(connections: Sequence[Connection]) -> Connection:
    """Return the connection to give up.

    It is one of the network with the most connections. Idle connections come before served ones,
    and then the oldest comes first.
    """
    count = Counter(one.network for one in connections)
    most = max(count.values())
    crowd = [one for one in connections if count[one.network] == most]
    return min(crowd, key=lambda one: (one.served, one.since))
