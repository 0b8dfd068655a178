"""Who hears what, in which order: balanced, and known from a seed and a number alone.

Participant r hears row r of a Williams square (E. J. Williams, Experimental designs balanced for
the estimation of residual effects of treatments, 1949). Over n rows each of n items is once in each
place; over all rows each item also follows every other equally often, once in n rows where n is
even, twice in 2 n rows where it is odd. The first places of the rows are balanced just so, which is
what a listener gets who hears only part of the items.

The seed says which item is which label of the square. Rows come in steps of the golden section, so
that the first few listeners with part of the items each do not all have the same part.

Listeners who hear a part only have blocks that are balanced over pairs and conditions instead; see
:mod:`nst_lib.survey.blocks`. (Surveys of older versions have the first places of the square.)
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nst_lib.survey import blocks
from nst_lib.survey.blocks import Cell


@dataclass(frozen=True)
class Place:
    """One sound in the order of a listener.

    Attributes
    ----------
    index : int
        Of the item, or of the catch trial.
    presentation : int
        1, or 2 where the listener has heard the item before.
    catch : bool
        Whether it is a catch trial.
    """

    index: int
    presentation: int = 1
    catch: bool = False


def rows(n: int) -> int:
    """Return the number of different orders of `n` items."""
    return n if n % 2 == 0 else 2 * n


def row(n: int, r: int, *, seed: int) -> list[int]:
    """Return row `r` of the Williams square of `n` items.

    Parameters
    ----------
    n : int > 0
        Number of items.
    r : int >= 0
        From :func:`rows` on they come again.
    seed : int
        Of the permutation that names the labels of the square.

    Returns
    -------
    list of int, length=n
        Every number from 0 to n - 1.
    """
    half, r = divmod(r % rows(n), n)
    zigzag = [k // 2 if k % 2 == 0 else n - 1 - k // 2 for k in range(n)]
    shifted = [(label + r * _step(n)) % n for label in zigzag]
    names = np.random.default_rng(seed).permutation(n)
    return [int(names[label]) for label in (reversed(shifted) if half else shifted)]


def arrange(
    n: int,
    r: int,
    *,
    seed: int,
    heard: int | None = None,
    cells: Sequence[Cell] | None = None,
    repeats: int = 0,
    catches: int = 0,
) -> list[Place]:
    """Return all that participant `r` hears after the training.

    Parameters
    ----------
    n : int > 0
        Number of items.
    r : int >= 0
        The participant's row.
    seed : int
        Of the permutation of the items.
    heard : int or None
        Items that one participant hears; None is all.
    cells : sequence of Cell or None, length=n
        What the items are, for balanced blocks where a part is heard; None takes the first places.
    repeats : int
        Items that come once more, at least a third of the list after the first time. They are those
        of fixed places, so each item is repeated equally often.
    catches : int
        Catch trials: evenly spread, neither first nor last, and each in turn at each place.

    Raises
    ------
    ValueError
        If more items are to be repeated than are heard.
    """
    if cells is None or heard in (None, n):
        items = row(n, r, seed=seed)[:heard]
    else:
        items = blocks.row(cells, heard, r, seed=seed)
    if not 0 <= repeats <= len(items):
        raise ValueError(f"repeats {repeats!r}; accepted: 0 to {len(items)}, the items")
    order = [Place(item) for item in items]
    for source, target in _repeats(len(items), repeats):
        order.insert(target, Place(items[source], presentation=2))
    total = len(order) + catches
    for c in range(catches):
        place = (c + 1) * total // (catches + 1)
        order.insert(place, Place((c + r) % catches, catch=True))
    return order


def _repeats(n: int, repeats: int) -> list[tuple[int, int]]:
    """Return, for each repeat, the place of the first time and its own, among `n` + `repeats`.

    All first times are in the first half of the list, and all repeats, as densely, in the second.
    """
    first = (n + repeats) // 2
    second = n + repeats - first
    return [(j * first // repeats, first + (j + 1) * second // repeats - 1) for j in range(repeats)]


def _step(n: int) -> int:
    """Return a step that visits all of `n`, near the golden section of it."""
    golden = (math.sqrt(5) - 1) / 2 * n
    coprime: Sequence[int] = [k for k in range(1, n + 1) if math.gcd(k, n) == 1]
    return min(coprime, key=lambda k: abs(k - golden))
