"""Choose the row of the order for a new participant, so that the finished tests are balanced.

A row counts once for each participant who has rated everything, and once for each active
participant: one who has begun, or given a rating, in the last half hour. The server assumes that a
participant who has been silent for longer has left, and gives the row to a new participant. If the
first participant comes back, both have the same row.

The times of ratings are known only while the server runs; they are not stored. After a start, the
server assumes that all who have not finished were last active when the answers file was last
written.
"""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

#: How long a silent participant counts as active, in seconds: our choice.
SILENT = 1800.0


class Presence:
    """The participants who are active.

    Parameters
    ----------
    clock : callable
        Clock in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[int, tuple[int | None, float]] = {}

    def note(self, participant: int) -> None:
        """Remember that a participant has just begun or given an answer."""
        self._seen[participant] = (None, self._clock())

    def present(self, given: Mapping[int, int], *, silent: float = 0.0) -> set[int]:
        """Return the participants who have been silent for less than half an hour.

        Parameters
        ----------
        given : mapping of int to int
            Participant -> number of ratings. If it has grown without a call of :meth:`note`, a
            second server stores the ratings of the participant, who then counts as active.
        silent : float
            How long unknown participants have been silent, in seconds.
        """
        now = self._clock()
        for who, count in given.items():
            before, when = self._seen.get(who, (None, now - silent))
            self._seen[who] = (count, when if before in (None, count) else now)
        return {who for who in given if now - self._seen[who][1] < SILENT}


def heard_by(rows: Sequence[Sequence[int]], items: int) -> npt.NDArray[np.int64]:
    """Return an array with 1 where a row has an item, else 0; shape=(rows, items)."""
    found = np.zeros((len(rows), items), np.int64)
    for row, heard in zip(found, rows, strict=True):
        row[list(heard)] = 1
    return found


def choose(heard: npt.NDArray[np.int64], taken: Sequence[int]) -> int:
    """Return the row whose items have the fewest listeners.

    If there are several, return the one that the fewest participants have.

    Parameters
    ----------
    heard : np.ndarray, shape=(rows, items)
        See :func:`heard_by`.
    taken : sequence of int
        The row of each participant who counts.
    """
    uses = np.bincount(np.asarray(taken, np.int64), minlength=len(heard))
    return int(np.lexsort((uses, heard @ (uses @ heard)))[0])
