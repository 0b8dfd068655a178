"""Limit the rate of requests with token buckets.

The buckets are in memory, and each belongs to a client and a kind of request. New participants and
wrong withdrawal codes are counted by address, so that a client who floods the server does not keep
others out. An address is forgotten when its bucket is full again, and is never stored. The
listeners of a class may share one address, and the limits are high enough for that. If one of them
floods the server, the requests of the others wait for their turn.
"""

import ipaddress
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """A limit on the rate of requests.

    Attributes
    ----------
    burst : float
        Number of requests that are accepted at once, if there were none before.
    per_second : float
        Number of requests per second that are accepted in the long run.
    patience : float
        Longest time that a request waits for its turn, in seconds. A request that would have to
        wait longer is refused.
    """

    burst: float
    per_second: float
    patience: float = 0.0


@dataclass(frozen=True)
class Rates:
    """All limits on requests; the numbers are our choice.

    Attributes
    ----------
    participant, admin : Rate
        Requests of one participant, and of the admin view.
    register, unknown : Rate
        New participants, and withdrawals with a wrong code, from one address. A withdrawal with a
        right code is never refused.
    """

    participant: Rate = Rate(100, 20)
    admin: Rate = Rate(30, 5)
    register: Rate = Rate(300, 5, patience=20)
    unknown: Rate = Rate(60, 2)


#: Time between two deletions of the buckets that are full again, in seconds.
FORGET = 60.0


def network(address: str) -> str:
    """Return the network of a client: its IPv4 address, or the first 64 bits of its IPv6 address.

    Parameters
    ----------
    address : str
        An IP address. For anything else, the result is empty.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if found.version == 4:
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))


class Limiter:
    """Token buckets, one for each key.

    Parameters
    ----------
    clock : callable
        Clock in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        #: Key -> the time at which its bucket is full again.
        self._full: dict[object, float] = {}
        self._forget = clock() + FORGET

    def take(self, key: object, rate: Rate) -> float:
        """Take a token from a bucket, and return the seconds until it is available.

        If that is longer than the patience of the rate, no token is taken.
        """
        with self._lock:
            now = self._clock()
            if now >= self._forget:
                self._full = {key: full for key, full in self._full.items() if full > now}
                self._forget = now + FORGET
            missing = max(0.0, self._full.get(key, now) - now) * rate.per_second
            wait = max(0.0, (1 + missing - rate.burst) / rate.per_second)
            if wait <= rate.patience:
                self._full[key] = now + (missing + 1) / rate.per_second
            return wait
