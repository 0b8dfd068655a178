"""Simulate listeners who choose between two sounds. Nobody has listened.

Preferences follow the model of :mod:`nst_lib.opinions.davidson`, with own worths of each listener
and of each pair of recordings:

    worth of condition c for listener i and pair j = l_c + L_ic + P_jc

L and P are normally distributed with the given standard deviations. ABX answers are right with the
chance that belongs to d' of the listener, max(0, d + D_i), for independent observations.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from nst_lib.base.validation import validate_positive
from nst_lib.opinions import davidson
from nst_lib.opinions.abx import proportion
from nst_lib.opinions.choices import TIE
from nst_lib.opinions.ratings import YES

if TYPE_CHECKING:
    import pandas as pd


def preferences(
    worths: Mapping[tuple[str, ...], float],
    factors: Sequence[str],
    *,
    listeners: int = 18,
    pairs: int = 5,
    tie: float = 0.5,
    order: float = 0.0,
    listener_sd: float = 0.5,
    pair_sd: float = 0.0,
    seed: int = 0,
) -> "pd.DataFrame":
    """Simulate preferences: every listener compares every two conditions once for every pair.

    Which of the two sounds is first is drawn at random.

    Parameters
    ----------
    worths : mapping of tuple of str to float
        Levels of a condition -> its log-worth; only differences matter.
    factors : sequence of str
        Names of the factors that these levels belong to.
    listeners, pairs : int > 0
        Numbers of listeners and of pairs of recordings.
    tie : float >= 0
        The parameter v of ties: two equal sounds tie with the probability v / (2 + v).
    order : float
        Log-odds that the first of two equal sounds is preferred.
    listener_sd, pair_sd : float >= 0
        Standard deviations of the log-worths of listeners and of pairs.
    seed : int
        Seed of all draws.

    Returns
    -------
    pd.DataFrame
        Columns: listener; pair; first, second, preferred; the factors of both sounds, as in
        first_pooling; simulated, which is "yes".

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    import pandas as pd

    validate_positive(listeners=listeners, pairs=pairs)
    _not_negative(tie=tie, listener_sd=listener_sd, pair_sd=pair_sd)
    generator = np.random.default_rng(seed)
    names, own = list(worths), np.array(list(worths.values()), float)
    people = listener_sd * generator.standard_normal((listeners, 1, len(own)))
    recordings = pair_sd * generator.standard_normal((1, pairs, len(own)))
    latent = own + people + recordings
    rows: list[dict[str, Any]] = []
    for i, j in np.ndindex(listeners, pairs):
        for both in combinations(range(len(names)), 2):
            first, second = both if generator.random() < 0.5 else both[::-1]
            d = latent[i, j, first] - latent[i, j, second] + order
            chances = davidson.probabilities(np.array(d), tie)
            answer = ("first", "second", TIE)[generator.choice(3, p=chances)]
            row: dict[str, Any] = {"listener": f"simulated {i + 1}", "pair": f"pair {j + 1}"}
            sides = {"first": names[first], "second": names[second]}
            row |= {side: "-".join((*levels, str(j + 1))) for side, levels in sides.items()}
            row["preferred"] = answer
            rows.append({**row, **_factors(sides, factors), "simulated": YES})
    return pd.DataFrame(rows)


def abx(
    distances: Mapping[tuple[tuple[str, ...], tuple[str, ...]], float],
    factors: Sequence[str],
    *,
    listeners: int = 12,
    pairs: int = 4,
    repeats: int = 4,
    listener_sd: float = 0.3,
    seed: int = 0,
) -> "pd.DataFrame":
    """Simulate ABX trials: every listener does every comparison of every pair several times.

    Parameters
    ----------
    distances : mapping of two tuples of str to float >= 0
        Levels of the two conditions -> their d'.
    factors : sequence of str
        Names of the factors that these levels belong to.
    listeners, pairs, repeats : int > 0
        Numbers of listeners, of pairs of recordings, and of trials of each comparison.
    listener_sd : float >= 0
        Standard deviation of what is added to d' for each listener.
    seed : int
        Seed of all draws.

    Returns
    -------
    pd.DataFrame
        Columns: listener; pair; a, b, x, chosen; the factors of both sounds, as in a_pooling;
        presentation; simulated, which is "yes".

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    import pandas as pd

    validate_positive(listeners=listeners, pairs=pairs, repeats=repeats)
    _not_negative(listener_sd=listener_sd, **{str(k): d for k, d in distances.items()})
    generator = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for i in range(listeners):
        better = listener_sd * generator.standard_normal()
        for (one, other), d in distances.items():
            chance = proportion(max(0.0, d + better), "independent")
            for j, k in np.ndindex(pairs, repeats):
                swapped, second, right = generator.random(3) < (0.5, 0.5, chance)
                a, b = (other, one) if swapped else (one, other)
                row: dict[str, Any] = {"listener": f"simulated {i + 1}", "pair": f"pair {j + 1}"}
                sides = {"a": a, "b": b}
                row |= {side: "-".join((*levels, str(j + 1))) for side, levels in sides.items()}
                row |= {"x": "ab"[int(second)], "chosen": "ab"[int(second == right)]}
                row |= {**_factors(sides, factors), "presentation": k + 1}
                rows.append({**row, "simulated": YES})
    return pd.DataFrame(rows)


def _factors(sides: Mapping[str, tuple[str, ...]], factors: Sequence[str]) -> dict[str, str]:
    """Return the cells of the factors of both sounds."""
    return {
        f"{side}_{factor}": level
        for side, levels in sides.items()
        for factor, level in zip(factors, levels, strict=True)
    }


def _not_negative(**numbers: float) -> None:
    for name, value in numbers.items():
        if not 0 <= value < np.inf:
            raise ValueError(f"{name}={value!r}; accepted: 0 or more")
