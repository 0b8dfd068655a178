"""Check that a participant can have heard the sounds of a screen before answering it.

A participant sees one screen at a time. An answer is too early if less time has passed than its
block demands, since the page first requested one of the sounds, or since the participant's
last answer to another screen, whichever is later. The times are kept in memory only. After a
restart, the server knows of no request; the page then requests the sounds again, and waits.

A participant who is simulated has to request the sounds, but need not wait.
"""

import threading
import time
from collections.abc import Callable


class Heard:
    """The times at which participants requested and rated sounds.

    Parameters
    ----------
    clock : callable
        Clock in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._fetched: dict[tuple[int, int], dict[int, float]] = {}
        self._answered: dict[int, tuple[int | None, float]] = {}

    def fetch(self, who: int, k: int, n: int = 0) -> None:
        """Remember that participant `who` requested sound `n` of screen `k`, for the first time."""
        with self._lock:
            self._fetched.setdefault((who, k), {}).setdefault(n, self._clock())

    def wait(self, who: int, k: int, seconds: float, *, sounds: int = 1) -> float | None:
        """Return how many seconds too early an answer is.

        Parameters
        ----------
        who, k : int
            The participant, and the place of the screen.
        seconds : float
            How long it takes at least to hear its sounds.
        sounds : int
            Number of its sounds.

        Returns
        -------
        float or None
            0 if the answer is accepted; None if the participant never requested one of the sounds.
        """
        with self._lock:
            now = self._clock()
            fetched = self._fetched.get((who, k), {})
            if len(fetched) < sounds:
                return None
            since = min(fetched.values(), default=now)
            last, at = self._answered.get(who, (None, since))
            begun = since if last == k else max(since, at)
            left = max(0.0, begun + seconds - now)
            if not left and last != k:
                self._answered[who] = (k, now)
            return left
