"""Connections that get on: each has a time to ask and to take the answer, and there is always room.

uvicorn waits for the rest of a request, and for somebody to take an answer, without end. Here

- a request has `ASKING` seconds to arrive whole, headers and body together;
- an answer that is not taken at `SLOWEST` or faster is broken off;
- if there are `MOST_CONNECTIONS`, a new connection takes the place of another one: of the address
  that has most, the one that has waited longest without being served.

So whoever holds connections without using them loses them, and others get in at once.
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

#: For a request to arrive, in seconds: Apache's mod_reqtimeout has the same for headers and body.
ASKING = 20.0
#: How often it is looked whether an answer moves, in seconds, and how fast it has to (bytes/s).
TAKING, SLOWEST = 20.0, 1000
#: Connections at a time: half of the files that the process may open, and a thousand at most.
MOST_CONNECTIONS = 1000 if FILES < 0 else min(1000, FILES // 2)
#: Connections that may wait to be taken, and are taken at once: all have a file before one goes.
WAITING = 512 if FILES < 0 else min(512, FILES // 10)


class Connection(H11Protocol):
    """uvicorn's connection with a client, with the limits of this module.

    Attributes
    ----------
    network : str
        What stands for the client's address.
    since : float
        When the request began that is under way, or the wait for one.
    """

    network: str
    since: float
    _mark: tuple[float, int] | None  # when was it looked how much of the answer was not taken

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a client in, in the place of another if need be."""
        super().connection_made(transport)
        self.network = network(self.client[0] if self.client else "")
        self._mark = None
        self._begin()
        if len(others := [one for one in self._all() if one is not self]) >= MOST_CONNECTIONS:
            _least(others).transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read what arrives; it begins a request where none was under way."""
        if self.timeout_keep_alive_task is not None:
            self._begin()
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Wait for the next request, as long as a connection is kept."""
        self._begin()
        super().on_response_complete()

    @property
    def served(self) -> bool:
        """Whether a request has arrived whole, and its answer is not taken yet."""
        asked = self.cycle is not None and not self.cycle.more_body
        waits = asked and not self.cycle.response_complete
        return waits or self.transport.get_write_buffer_size() > 0

    def check(self, now: float) -> None:
        """Break off what does not get on."""
        unsent = self.transport.get_write_buffer_size()
        if not unsent:
            self._mark = None
            kept = self.timeout_keep_alive_task is not None  # uvicorn looks after it
            if not kept and not self.served and now - self.since >= ASKING:
                self.transport.abort()
        elif self._mark is None:
            self._mark = (now, unsent)
        elif now - self._mark[0] >= TAKING:
            if self._mark[1] - unsent < SLOWEST * TAKING:
                self.transport.abort()
            self._mark = (now, unsent)

    def _all(self) -> "list[Connection]":
        """Return all connections of the server that are not being closed."""
        found = cast("set[Connection]", self.connections)
        return [one for one in found if not one.transport.is_closing()]

    def _begin(self) -> None:
        """Begin a request, or the wait for one."""
        self.since = time.monotonic()


async def check(connections: Collection[asyncio.Protocol]) -> None:
    """Break off what does not get on; to be called every second."""
    now = time.monotonic()
    for one in list(connections):
        if isinstance(one, Connection):
            one.check(now)


def _least(connections: Sequence[Connection]) -> Connection:
    """Return the connection that can be missed best."""
    count = Counter(one.network for one in connections)
    most = max(count.values())
    crowd = [one for one in connections if count[one.network] == most]
    return min(crowd, key=lambda one: (one.served, one.since))
