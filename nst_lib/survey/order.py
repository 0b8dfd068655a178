"""Decide which sounds a participant hears, and in which order.

The orders are balanced. They depend only on a seed and on the number of a row.

A participant with row r hears row r of a Williams square (E. J. Williams, Experimental designs
balanced for the estimation of residual effects of treatments, 1949). In n rows, each of n items is
once at each place. In all rows, each item also follows every other item equally often: once in n
rows if n is even, twice in 2 n rows if n is odd. The first k places of the rows are balanced in the
same way.

The seed decides which item has which label of the square. The rows come in steps of the golden
section. So the first few listeners who hear only some of the items do not all hear the same ones.

Listeners who hear only some of the items hear blocks instead, which are balanced over pairs and
conditions; see :mod:`nst_lib.survey.subsets`. In surveys that older versions built, they hear the
first places of a row of the square.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nst_lib.survey import subsets
from nst_lib.survey.subsets import Cell


@dataclass(frozen=True)
class Place:
    """One sound in the order of a listener.

    Attributes
    ----------
    index : int
        Index of the item, or of the catch trial.
    presentation : int
        1 for the first time, 2 for a repeat.
    catch : bool
        Whether the sound is a catch trial.
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
        Number of the row; after :func:`rows` rows, the first row follows.
    seed : int
        Seed of the permutation that assigns items to labels of the square.

    Returns
    -------
    list of int, length=n
        A permutation of 0 to n - 1.
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
    """Return the sounds that a participant hears after the training.

    Parameters
    ----------
    n : int > 0
        Number of items.
    r : int >= 0
        Row of the participant.
    seed : int
        Seed of the permutation of the items.
    heard : int or None
        Number of items that one participant hears; None is all items.
    cells : sequence of Cell or None, length=n
        Pair and condition of each item, for blocks if `heard` is less than `n`; None takes the
        first places of the row instead.
    repeats : int
        Number of items that are repeated, at least a third of the list later. The places of the
        repeated items are the same in all rows, so each item is repeated equally often.
    catches : int
        Number of catch trials. They are spread evenly, and are neither first nor last. In turn,
        each of them is at each of their places.

    Raises
    ------
    ValueError
        If `repeats` is larger than the number of items that the participant hears.
    """
    if cells is None or heard in (None, n):
        items = row(n, r, seed=seed)[:heard]
    else:
        items = subsets.row(cells, heard, r, seed=seed)
    if not 0 <= repeats <= len(items):
        raise ValueError(f"repeats={repeats!r}; accepted: 0 to {len(items)}, the number of items")
    order = [Place(item) for item in items]
    for source, target in _repeats(len(items), repeats):
        order.insert(target, Place(items[source], presentation=2))
    total = len(order) + catches
    for c in range(catches):
        place = (c + 1) * total // (catches + 1)
        order.insert(place, Place((c + r) % catches, catch=True))
    return order


def _repeats(n: int, repeats: int) -> list[tuple[int, int]]:
    """Return for each repeat the place of the first time and the place of the repeat.

    Places count all `n` + `repeats` sounds. The first times are in the first half of the list. The
    repeats are in the second half, with the same spacing.
    """
    first = (n + repeats) // 2
    second = n + repeats - first
    return [(j * first // repeats, first + (j + 1) * second // repeats - 1) for j in range(repeats)]


def _step(n: int) -> int:
    """Return the step nearest to the golden section of `n` that is coprime to `n`."""
    golden = (math.sqrt(5) - 1) / 2 * n
    coprime: Sequence[int] = [k for k in range(1, n + 1) if math.gcd(k, n) == 1]
    return min(coprime, key=lambda k: abs(k - golden))
