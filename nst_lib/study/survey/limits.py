"""How much is asked at a time: buckets of tokens, in memory, keyed by what is asked for.

Nothing here knows where a request comes from: listeners of a class share one address, and addresses
are not kept, not even here.
"""

import math
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
    """

    burst: float
    per_second: float


@dataclass(frozen=True)
class Rates:
    """All limits; the numbers are our choice.

    Attributes
    ----------
    participant, admin : Rate
        What one participant, or the admin view, asks for.
    register, withdraw : Rate
        New participants and withdrawals, from everybody together.
    """

    participant: Rate = Rate(100, 20)
    admin: Rate = Rate(30, 5)
    register: Rate = Rate(500, 5)
    withdraw: Rate = Rate(60, 2)


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
        self._buckets: dict[object, tuple[float, float]] = {}

    def take(self, key: object, rate: Rate) -> int:
        """Take a token from a bucket; return 0, or the seconds until there is one."""
        with self._lock:
            now = self._clock()
            level, since = self._buckets.get(key, (rate.burst, now))
            level = min(rate.burst, level + (now - since) * rate.per_second)
            wait = max(0, math.ceil((1 - level) / rate.per_second))
            self._buckets[key] = (level if wait else level - 1, now)
            return wait
