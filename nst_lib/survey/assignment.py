"""Which row of the order a newcomer gets, so that those who finish are balanced.

A row counts for each participant who has rated everything, and for each who is under way: who has
begun, or rated, less than half an hour ago. Whoever has been silent for longer is taken to have
left, and the row is free for a newcomer. Who comes back even so goes on with the same row, which
two participants then have.

When somebody rated is known while the server runs, and is written nowhere. At a start, all who have
not finished are taken to have been there when the file of answers was last written.
"""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

#: How long a participant may be silent and keep a row, in seconds: our choice.
SILENT = 1800.0


class Presence:
    """Who is under way.

    Parameters
    ----------
    clock : callable
        Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[int, tuple[int | None, float]] = {}

    def note(self, participant: int) -> None:
        """Keep in mind that a participant has just begun, or answered, here."""
        self._seen[participant] = (None, self._clock())

    def present(self, given: Mapping[int, int], *, silent: float = 0.0) -> set[int]:
        """Return who has been silent for less than half an hour.

        Parameters
        ----------
        given : mapping of int to int
            Participant -> how many ratings. Where they became more and nobody noted it here, a
            second server runs, and takes them.
        silent : float
            For how long all who were not seen before have been silent, in seconds.
        """
        now = self._clock()
        for who, count in given.items():
            before, when = self._seen.get(who, (None, now - silent))
            self._seen[who] = (count, when if before in (None, count) else now)
        return {who for who in given if now - self._seen[who][1] < SILENT}


def heard_by(rows: Sequence[Sequence[int]], items: int) -> npt.NDArray[np.int64]:
    """Return which items each row has: 1 or 0, shape=(rows, items)."""
    found = np.zeros((len(rows), items), np.int64)
    for row, heard in zip(found, rows, strict=True):
        row[list(heard)] = 1
    return found


def choose(heard: npt.NDArray[np.int64], taken: Sequence[int]) -> int:
    """Return the row whose items are the least heard; of these, the one that fewest have.

    Parameters
    ----------
    heard : np.ndarray, shape=(rows, items)
        See :func:`heard_by`.
    taken : sequence of int
        The rows that count, one for each participant.
    """
    uses = np.bincount(np.asarray(taken, np.int64), minlength=len(heard))
    return int(np.lexsort((uses, heard @ (uses @ heard)))[0])
