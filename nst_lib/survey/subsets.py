"""Choose the sounds of each listener, if listeners hear only some; balanced by pair and condition.

Pairs and conditions are numbered. The sounds form a sequence in which both numbers go up together:
pair 0 with condition 0, pair 1 with condition 1, and so on; each number starts again at 0 after its
end, and each full round starts one condition later. In any stretch of this sequence, all pairs
occur equally often, or their counts differ by one. The same is true for the conditions. A block is
the beginning of the sequence. Each row adds one number to all pair numbers and another one to all
condition numbers of the block, modulo the number of pairs or conditions. This keeps the balance,
and over all rows each sound is once at each place of the block.

The order within a block is the zigzag of a Williams square: from the middle outwards, to both sides
in turn. So a sound seldom comes directly after the same other sound.

If some combinations of pair and condition are missing, all sounds form one sequence in which pairs
and conditions are spread as evenly as possible. Then each sound is still equally often at each
place, and pairs and conditions are nearly balanced.
"""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cell:
    """Pair and condition of a sound.

    Attributes
    ----------
    pair : hashable
        The pair of recordings that the sound is made from.
    condition : hashable
        The levels of all factors.
    """

    pair: Hashable
    condition: Hashable


def row(cells: Sequence[Cell], k: int, r: int, *, seed: int) -> list[int]:
    """Return the items that the listener with row `r` hears, in order.

    Parameters
    ----------
    cells : sequence of Cell, length=n
        Pair and condition of each item.
    k : int, 1 to n
        Number of items that one listener hears.
    r : int >= 0
        Number of the row. Wherever possible, the counts of all items over the first rows are equal
        or differ by one.
    seed : int
        Seed of the numbering of items, pairs and conditions.

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
    """Return all combinations of pair and condition; both numbers go up together."""
    around = math.lcm(pairs, conditions)
    return [(i % pairs, (i + i // around) % conditions) for i in range(pairs * conditions)]


def _grid(cells: Sequence[Cell], generator: np.random.Generator) -> np.ndarray:
    """Return the items as an array of pairs by conditions.

    Several items with the same pair and condition count as different conditions, with numbers as
    far apart as possible. If combinations are missing or unequal, the array has a single row.
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
    """Return items in an order that spreads each pair and each condition as evenly as possible.

    The next item is always the one whose pair and condition together are most overdue.
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
