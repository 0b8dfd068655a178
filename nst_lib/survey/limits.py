"""How much is asked at a time: buckets of tokens, in memory, keyed by who asks for what.

New participants, and codes that nobody has, are counted by address, so that one who floods the
server keeps nobody else out. Addresses are forgotten when their bucket is full again, and never
written. Listeners of a class share one, and the limits leave room for that; where one of them
floods the server, the others' requests wait for their turn, one after the other.
"""

import ipaddress
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """How many requests are let through.

    Attributes
    ----------
    burst : float
        At once, after a rest.
    per_second : float
        In the long run.
    patience : float
        Longest time that a request waits for its turn, in seconds; what would wait longer is
        refused.
    """

    burst: float
    per_second: float
    patience: float = 0.0


@dataclass(frozen=True)
class Rates:
    """All limits; the numbers are our choice.

    Attributes
    ----------
    participant, admin : Rate
        What one participant, or the admin view, asks for.
    register, unknown : Rate
        New participants, and withdrawals with a code that nobody has, from one address. A code that
        somebody has is never refused.
    """

    participant: Rate = Rate(100, 20)
    admin: Rate = Rate(30, 5)
    register: Rate = Rate(300, 5, patience=20)
    unknown: Rate = Rate(60, 2)


#: How often buckets that are full again are forgotten, in seconds.
FORGET = 60.0


def network(address: str) -> str:
    """Return what stands for a client: its address, or of IPv6 the 64 bits of its network.

    Parameters
    ----------
    address : str
        An IP address; anything else is as good as none.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if found.version == 4:
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))


class Limiter:
    """Buckets that fill with time, one for each key.

    Parameters
    ----------
    clock : callable
        Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        #: When each bucket is full again.
        self._full: dict[object, float] = {}
        self._forget = clock() + FORGET

    def take(self, key: object, rate: Rate) -> float:
        """Take a token from a bucket, if it is there soon enough; return in how many seconds."""
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
