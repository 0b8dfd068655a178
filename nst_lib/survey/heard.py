"""Check that a participant can have heard a sound before rating it.

A participant hears one sound at a time. A rating is too early if less than `WHOLE` of the sound's
duration has passed since the page first requested the sound, or since the participant's last
rating of another sound. The times are kept in memory only. After a restart, the server knows of no
request; the page then requests the sound again, and waits.

A participant who is simulated has to request a sound, but need not wait.
"""

import threading
import time
from collections.abc import Callable

#: The share of a sound that must have been played. The page uses the same number.
WHOLE = 0.9


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
        self._fetched: dict[tuple[int, int], float] = {}
        self._rated: dict[int, tuple[int | None, float]] = {}

    def fetch(self, who: int, k: int) -> None:
        """Remember that participant `who` requested sound `k`. Only the first time counts."""
        with self._lock:
            self._fetched.setdefault((who, k), self._clock())

    def wait(self, who: int, k: int, seconds: float) -> float | None:
        """Return how many seconds too early a rating is.

        Parameters
        ----------
        who, k : int
            The participant, and the place of the sound.
        seconds : float
            Duration of the sound.

        Returns
        -------
        float or None
            0 if the rating is accepted; None if the participant never requested the sound.
        """
        with self._lock:
            now = self._clock()
            since = self._fetched.get((who, k))
            if since is None:
                return None
            last, at = self._rated.get(who, (None, since))
            begun = since if last == k else max(since, at)
            left = max(0.0, begun + WHOLE * seconds - now)
            if not left and last != k:
                self._rated[who] = (k, now)
            return left
