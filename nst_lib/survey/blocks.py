"""Parts of a list of sounds, one for each listener, balanced over pairs and conditions.

Pairs and conditions are numbered, and the sounds form a sequence that goes round both at once:
pair 0 under condition 0, pair 1 under condition 1, and so on, the next time round from the next
condition on. Whichever sounds follow one another in it, all pairs come equally often, or differ by
one, and so do all conditions. A block is the beginning of the sequence. Its rows come from adding
one pair number and one condition number to all of its sounds, modulo how many there are; that keeps
the balance, and has each sound once at each place of the block over all rows.

Within a block the order is the zigzag of a Williams square: from the middle out, to both sides. So
the same sound seldom comes right after the same other one.

Where the sounds are no complete crossing of pairs and conditions, all sounds are one sequence in
which pairs and conditions come as evenly as they can. Then each sound is still as often at each
place, and pairs and conditions are nearly balanced.
"""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cell:
    """What a sound is.

    Attributes
    ----------
    pair : hashable
        The recordings that it is made from.
    condition : hashable
        How it was made.
    """

    pair: Hashable
    condition: Hashable


def row(cells: Sequence[Cell], k: int, r: int, *, seed: int) -> list[int]:
    """Return the items that listener `r` hears, in order.

    Parameters
    ----------
    cells : sequence of Cell, length=n
        What each item is.
    k : int, 1 to n
        Items that one listener hears.
    r : int >= 0
        The listener. Rows are in such an order that those at the beginning have, together, each
        item equally often, or differ by one, wherever that is possible.
    seed : int
        Of the numbers of items, pairs and conditions.

    Returns
    -------
    list of int, length=k
        Different numbers from 0 to n - 1.
    """
    n = len(cells)
    items = _grid(cells, np.random.default_rng(seed))
    pairs, conditions = items.shape
    sequence = _sequence(pairs, conditions)
    half, r = divmod(r, n)
    p, c = sequence[(r * k + r // (n // math.gcd(n, k))) % n]
    outward = [i // 2 if i % 2 == 0 else -1 - i // 2 for i in range(k)]
    block = [sequence[i - min(outward)] for i in outward]
    found = [int(items[(a + p) % pairs, (b + c) % conditions]) for a, b in block]
    return found[::-1] if half % 2 else found


def _sequence(pairs: int, conditions: int) -> list[tuple[int, int]]:
    """Return all cells of a crossing, going round both numbers at once."""
    around = math.lcm(pairs, conditions)
    return [(i % pairs, (i + i // around) % conditions) for i in range(pairs * conditions)]


def _grid(cells: Sequence[Cell], generator: np.random.Generator) -> np.ndarray:
    """Return the items by pair and condition; several of one cell are conditions of their own.

    Those have numbers that are as far apart as can be. What is no complete crossing is one row.
    """
    shuffled = [int(item) for item in generator.permutation(len(cells))]
    count = Counter(cells)
    pairs = list(dict.fromkeys(cells[item].pair for item in shuffled))
    conditions = list(dict.fromkeys(cells[item].condition for item in shuffled))
    times = len(cells) // (len(pairs) * len(conditions))
    if len(count) < len(pairs) * len(conditions) or set(count.values()) != {times}:
        return np.array([_evenly(cells, shuffled)])
    grid = np.empty((len(pairs), times * len(conditions)), int)
    before: Counter[Cell] = Counter()
    for item in shuffled:
        cell = cells[item]
        column = before[cell] * len(conditions) + conditions.index(cell.condition)
        grid[pairs.index(cell.pair), column] = item
        before[cell] += 1
    return grid


def _evenly(cells: Sequence[Cell], items: Sequence[int]) -> list[int]:
    """Return items in an order in which each pair, and each condition, comes as evenly as it can.

    Next is always the item whose pair and condition are due first, taken together.
    """
    left, found = list(items), list[int]()
    total = Counter(key for cell in cells for key in _keys(cell))
    seen: Counter[Hashable] = Counter()
    while left:
        due = [sum((seen[key] + 0.5) / total[key] for key in _keys(cells[item])) for item in left]
        found.append(left.pop(int(np.argmin(due))))
        seen.update(_keys(cells[found[-1]]))
    return found


def _keys(cell: Cell) -> tuple[tuple[str, Hashable], ...]:
    return ("pair", cell.pair), ("condition", cell.condition)
