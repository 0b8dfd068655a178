"""The design of a factorial experiment: main effects, interactions and random effects.

A factor of two levels is coded -1/2 and +1/2 in the order of its levels. Its coefficient is then
the difference second - first, and the coefficient of an interaction is a difference of differences.
A factor of more levels has orthonormal contrasts.

Listeners and pairs are samples of all listeners and pairs that there might be (H. H. Clark, 1973),
so each of them has a random intercept, and random effects of each term that varies within it. A
random effect is in the model only if the ratings can tell its variance from the other variances.
For example, if a listener gave two ratings, an effect of two levels that differs among listeners
cannot be told from the residual.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nst_lib.opinions.crossed import Effect
from nst_lib.opinions.mixed import identified
from nst_lib.opinions.ratings import Ratings, cells, levels

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Term:
    """A main effect or an interaction.

    Attributes
    ----------
    name : str
        "pooling", or "transform × pooling".
    label : str
        The difference that the coefficient is, "cqt − stft"; empty if the term has several.
    columns : Array, shape=(rows, df)
        Columns of the design matrix.
    """

    name: str
    label: str
    columns: Array


def terms(table: "pd.DataFrame", factors: Sequence[str]) -> list[Term]:
    """Return the main effects, then the interactions of the factors.

    Parameters
    ----------
    table : pd.DataFrame
        Table of ratings.
    factors : sequence of str
        Names of columns.
    """
    coded = {name: _contrasts(table[name]) for name in factors}
    found = []
    for count in range(1, len(factors) + 1):
        for chosen in combinations(factors, count):
            columns = np.ones((len(table), 1))
            for name in chosen:
                columns = np.einsum("ni,nj->nij", columns, coded[name]).reshape(len(table), -1)
            label = ""
            if columns.shape[1] == 1:
                parts = [levels(table[name]) for name in chosen]
                names = [f"{b} − {a}" for a, b in parts]
                label = names[0] if count == 1 else " × ".join(f"({name})" for name in names)
            found.append(Term(" × ".join(chosen), label, columns))
    return found


def fault(ratings: Ratings, factors: Sequence[str]) -> str:
    """Return a sentence that says why no model can be fitted; empty if a model can be fitted.

    Parameters
    ----------
    ratings : Ratings
        Ratings of one question.
    factors : sequence of str
        Columns that make a condition.
    """
    table = ratings.opinions
    if table["rating"].nunique() == 1:
        value = f"{table['rating'].iloc[0]:g}"
        return f"All ratings are {value}, so there are no differences to test."
    for name in factors:
        if table[name].nunique() == 1:
            return f"All ratings have the {name} {table[name].iloc[0]}: nothing can be compared."
    if table["listener"].nunique() == 1:
        return "There is only one listener, so it is unknown how much listeners differ."
    there = cells(table, factors)
    possible = product(*(levels(table[name]) for name in factors))
    empty = [name for name in (", ".join(map(str, cell)) for cell in possible) if name not in there]
    if empty:
        more = f" and under {len(empty) - 1} more conditions" if len(empty) > 1 else ""
        return (
            f"There are no ratings under {empty[0]}{more}, so the effects of "
            f"{' and '.join(factors)} cannot be separated. You can test a single factor: a column "
            "that names the condition."
        )
    for unit in ratings.units:
        if table.groupby(list(factors))[unit].nunique().max() == 1:
            return (
                f"There is only one {unit} under each condition, so the effect of the {unit} "
                "cannot be separated from the effect of the condition."
            )
    if not random_effects(ratings, factors):
        return (
            f"From {len(table)} ratings it is unknown how much listeners and {ratings.unit}s "
            "differ: there are too few."
        )
    return ""


def fixed_effects(parts: Sequence[Term]) -> Array:
    """Return the design matrix: an intercept and the columns of all terms."""
    return np.column_stack([np.ones(len(parts[0].columns)), *(term.columns for term in parts)])


def random_effects(
    ratings: Ratings, factors: Sequence[str], *, slopes: bool = True
) -> list[Effect]:
    """Return the random effects whose variances the ratings can tell apart.

    Parameters
    ----------
    ratings : Ratings
        Ratings of one question.
    factors : sequence of str
        Columns that make a condition.
    slopes : bool
        Whether effects may differ among listeners and among pairs.
    """
    parts = terms(ratings.opinions, factors)
    return identified(fixed_effects(parts), candidates(ratings, parts if slopes else []))


def candidates(ratings: Ratings, parts: Sequence[Term]) -> list[Effect]:
    """Return intercepts of listeners and pairs, and effects of the terms that vary within them."""
    table = ratings.opinions
    found = []
    for name in ratings.units:
        groups = table[name].tolist()
        found.append(Effect(name, groups, np.ones((len(table), 1))))
        for term in parts:
            if _varies(term.columns, groups):
                found.append(Effect(f"{name} × {term.name}", groups, term.columns))
    return found


def level_contrasts(
    ratings: Ratings, factors: Sequence[str], size: int
) -> Iterator[tuple[str, Any, Array]]:
    """Yield for each level of each factor the contrast that gives the mean at this level.

    Parameters
    ----------
    ratings : Ratings
        Ratings of one question.
    factors : sequence of str
        Columns that make a condition.
    size : int
        Number of coefficients of the model.

    Yields
    ------
    tuple of (str, Any, Array)
        Factor, level, and contrast, shape ``(size,)``.
    """
    before = 1
    for name in factors:
        there = levels(ratings.opinions[name])
        for level, row in zip(there, _code(len(there)), strict=True):
            L = np.zeros(size)
            L[0], L[before : before + len(row)] = 1, row
            yield name, level, L
        before += len(there) - 1


def _contrasts(column: "pd.Series[Any]") -> Array:
    """Return the columns that code a factor; they sum to zero over its levels."""
    there = levels(column)
    where = {level: k for k, level in enumerate(there)}
    return _code(len(there))[[where[value] for value in column]]


def _code(count: int) -> Array:
    """Return the code of a factor with `count` levels, shape ``(count, count - 1)``."""
    if count == 2:
        return np.array([[-0.5], [0.5]])
    return np.linalg.qr(np.column_stack([np.ones(count), np.eye(count)[:, 1:]]))[0][:, 1:]


def _varies(columns: Array, groups: Sequence[Any]) -> bool:
    """Return whether an effect varies within any group."""
    import pandas as pd

    frame = pd.DataFrame(columns).groupby(np.asarray(groups)).nunique()
    return bool((frame > 1).to_numpy().any())
