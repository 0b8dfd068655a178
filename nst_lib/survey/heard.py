"""Whether a sound can have been heard when its rating comes: in memory, so that no time is written.

A participant hears one sound at a time. So a rating comes no sooner than `WHOLE` of the sound's
length after the sound was first asked for, and after the participant's last rating of another one.
When the server starts anew it knows of no sound; the page asks for it again, and waits.

Who says at the beginning to be a simulation has to ask for a sound, and need not wait.
"""

import threading
import time
from collections.abc import Callable

#: Share of a sound that must have been played; the page has the same number.
WHOLE = 0.9


class Heard:
    """When who asked for which sound.

    Parameters
    ----------
    clock : callable
        Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._fetched: dict[tuple[int, int], float] = {}
        self._rated: dict[int, tuple[int | None, float]] = {}

    def fetch(self, who: int, k: int) -> None:
        """Remember that participant `who` has asked for sound `k`; the first time counts."""
        with self._lock:
            self._fetched.setdefault((who, k), self._clock())

    def wait(self, who: int, k: int, seconds: float) -> float | None:
        """Return how long a rating comes too soon; 0 takes it, None means a sound never asked for.

        Parameters
        ----------
        who, k : int
            The participant, and the place of the sound.
        seconds : float
            How long the sound is.
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
