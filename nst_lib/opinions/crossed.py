"""Crossed random effects, for example of listeners and of pairs, and their equations.

Both models of ratings solve many systems of equations with

    H = I + R Z'WZ R,    R^2 = diag(phi), phi the variances;    W = diag(w), w the weights of rows

A row has the effects of one listener and of no other. H is therefore an arrow: it has a small block
for each group of the unit with more columns (`outer`), and a border for the other unit (`inner`),

    [ A_1        C_1 ]        A_i = I + R G_i R
    [     A_2    C_2 ]        S = D - sum_i C_i' A_i^-1 C_i
    [ C_1' C_2'   D  ]

and only S, the Schur complement, is factored as a whole (D. Bates et al., Fitting linear
mixed-effects models using lme4, 2015, do the same with a sparse factor). Rows are summed first:
rows that differ only in their outer group share a cell, for example all ratings of one item.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

if TYPE_CHECKING:
    from scipy import sparse

Array = npt.NDArray[np.float64]
#: Variances below `ZERO` count as zero. They are computed as `LEAST`, where there is a gradient.
ZERO, LEAST = 1e-6, 1e-10


@dataclass(frozen=True)
class Effect:
    """Random effects that share a variance.

    Attributes
    ----------
    name : str
        Name of the effects: "listener", or "listener × pooling".
    groups : sequence
        Group of each row.
    slopes : Array, shape=(rows, columns)
        Columns whose coefficients differ among the groups; a column of ones for an intercept.
    """

    name: str
    groups: Sequence[Any]
    slopes: Array

    def matrix(self) -> "sparse.csr_array":
        """Return the matrix Z_k of these effects, shape ``(rows, groups * columns)``."""
        from scipy import sparse

        _, codes = np.unique(np.asarray(self.groups, dtype=str), return_inverse=True)
        columns = self.slopes.shape[1]
        rows = np.repeat(np.arange(len(codes)), columns)
        where = (codes[:, None] * columns + np.arange(columns)).ravel()
        shape = (len(codes), (codes.max() + 1) * columns)
        return sparse.csr_array((self.slopes.ravel(), (rows, where)), shape=shape)


@dataclass(frozen=True)
class _Unit:
    """All effects of one grouping: groups of rows, slopes, and effects of columns."""

    codes: npt.NDArray[np.intp]
    slopes: Array
    owner: npt.NDArray[np.intp]

    @property
    def groups(self) -> int:
        return int(self.codes.max()) + 1

    @property
    def columns(self) -> int:
        return self.groups * len(self.owner)


class Crossed:
    """Random effects of one or two groupings.

    In a vector over the columns of Z, the columns of the outer groups come first, group by group.

    Parameters
    ----------
    effects : sequence of Effect
        Random effects, all for the same rows.

    Attributes
    ----------
    owner : array of int
        Index of the effect that each column of Z belongs to.

    Raises
    ------
    ValueError
        If there are more than two groupings.
    """

    def __init__(self, effects: Sequence[Effect]) -> None:
        from scipy import sparse

        outer, inner = sorted(_units(effects), key=lambda unit: -unit.columns)
        self._groups, self._row = outer.groups, outer.codes
        self._shape = (outer.groups, len(outer.owner))
        of_row = np.column_stack([inner.codes, outer.slopes, inner.slopes])
        cells, where = np.unique(of_row, axis=0, return_inverse=True)
        self._cell = where.ravel()
        of_inner = cells[:, 0].astype(np.intp)
        self._x, slopes = np.split(cells[:, 1:], [len(outer.owner)], axis=1)
        width = slopes.shape[1]
        at = of_inner[:, None] * width + np.arange(width)
        ends = np.arange(len(cells) + 1) * width
        shape = (len(cells), inner.columns)
        self._z = sparse.csr_array((slopes.ravel(), at.ravel(), ends), shape=shape)
        self.owner = np.concatenate(
            [np.tile(unit.owner, unit.groups) for unit in (outer, inner)]
        ).astype(np.intp)
        self._count = len(effects)

    def table(self, rows: Array) -> Array:
        """Sum one number per row over each group and cell, shape ``(outer groups, cells)``."""
        shape = (self._groups, len(self._x))
        at = np.ravel_multi_index((self._row, self._cell), shape)
        found = np.bincount(at, rows, minlength=shape[0] * shape[1])
        return found.astype(np.float64, copy=False).reshape(shape)

    def to_columns(self, rows: Array) -> Array:
        """Return Z' times a vector with one number per row."""
        table = self.table(rows)
        return np.concatenate([(table @ self._x).ravel(), self._z.T @ table.sum(axis=0)])

    def to_rows(self, columns: Array) -> Array:
        """Return Z times a vector with one number per column."""
        outer, inner = self._parts(columns)
        found: Array = (outer @ self._x.T + self._z @ inner)[self._row, self._cell]
        return found

    def per_effect(self, columns: Array) -> Array:
        """Sum one number per column of Z over the columns of each effect."""
        found = np.bincount(self.owner, columns, minlength=self._count)
        return found.astype(np.float64, copy=False)

    def products(self, weights: Array) -> "Products":
        """Return Z'WZ, block by block."""
        table = self.table(weights)
        half = table[:, None] * self._x.T
        flat = half.reshape(-1, len(self._x))
        inner = self._z.T @ (self._z * table.sum(axis=0)[:, None])
        border = (self._z.T @ flat.T).T
        shape = (*self._shape, inner.shape[0])
        return Products(half @ self._x, border.reshape(shape), inner.toarray())

    def leverage(self, arrow: "Arrow") -> Array:
        """Return the diagonal of Z R H^-1 R Z', one number per row."""
        root, border = self._parts(arrow.root)
        x, z = self._x * root[0], self._z * border
        corner, edge, blocks = arrow.inverse
        flat = (z @ edge.reshape(self._shape[0] * self._shape[1], edge.shape[2]).T).T
        inner = np.asarray((z @ corner) * z.toarray()).sum(axis=1)
        across = np.einsum("mk,ikm->im", x, flat.reshape(*self._shape, len(x)))
        within = ((x @ blocks) * x).sum(axis=2)
        found: Array = (within + 2 * across + inner)[self._row, self._cell]
        return found

    def _parts(self, columns: Array) -> tuple[Array, Array]:
        size = self._shape[0] * self._shape[1]
        return columns[:size].reshape(self._shape), columns[size:]


@dataclass(frozen=True)
class Products:
    """The matrix Z'WZ in three parts.

    Attributes
    ----------
    outer : Array, shape=(groups, columns, columns)
        Blocks of the outer groups.
    border : Array, shape=(groups, columns, inner)
        Products of outer and inner columns.
    inner : Array, shape=(inner, inner)
        Products of the inner columns.
    """

    outer: Array
    border: Array
    inner: Array


class Arrow:
    """The factored matrix H = I + R Z'WZ R.

    Parameters
    ----------
    products : Products
        The matrix Z'WZ.
    root : Array, shape=(columns,)
        Diagonal of R.
    """

    def __init__(self, products: Products, root: Array) -> None:
        groups, width, _ = products.outer.shape
        self.root = root
        outer, inner = root[:width], root[groups * width :]
        factor = np.linalg.cholesky(np.eye(width) + outer[:, None] * products.outer * outer)
        self._outer = np.linalg.inv(factor)
        border = outer[:, None] * products.border * inner
        self._border = (self._outer @ border).reshape(groups * width, len(inner))
        schur = inner[:, None] * products.inner * inner - self._border.T @ self._border
        schur[np.diag_indices_from(schur)] += 1
        self._corner = np.linalg.cholesky(schur)
        diagonals = [np.diagonal(factor, axis1=1, axis2=2), np.diagonal(self._corner)]
        self.log_det = 2 * float(sum(np.log(diagonal).sum() for diagonal in diagonals))

    def solve(self, right: Array) -> Array:
        """Return H^-1 times a matrix of shape ``(columns of Z, any)``."""
        from scipy import linalg

        size, count = len(self._border), right.shape[1]
        shape = (*self._outer.shape[:2], count)
        outer = self._outer @ right[:size].reshape(shape)
        rest = right[size:] - self._border.T @ outer.reshape(size, count)
        inner = linalg.cho_solve((self._corner, True), rest, check_finite=False)
        outer -= (self._border @ inner).reshape(shape)
        outer = self._outer.transpose(0, 2, 1) @ outer
        return np.concatenate([outer.reshape(size, count), inner])

    @cached_property
    def _root(self) -> Array:
        """The matrix S^-1/2."""
        from scipy import linalg

        found: Array = linalg.solve_triangular(self._corner, np.eye(len(self._corner)), lower=True)
        return found

    @cached_property
    def _edge(self) -> Array:
        """S^-1/2 C_i' A_i^-1 of all outer groups, shape ``(groups, columns, inner)``."""
        half = (self._border @ self._root.T).reshape(*self._outer.shape[:2], len(self._root))
        return self._outer.transpose(0, 2, 1) @ half

    @cached_property
    def diagonal(self) -> Array:
        """The diagonal of H^-1."""
        outer = (self._outer**2).sum(axis=1) + (self._edge**2).sum(axis=2)
        return np.concatenate([outer.ravel(), (self._root**2).sum(axis=0)])

    @cached_property
    def inverse(self) -> tuple[Array, Array, Array]:
        """H^-1 in three parts: inner columns, outer and inner columns, blocks of outer groups."""
        edge = self._edge
        blocks = self._outer.transpose(0, 2, 1) @ self._outer + edge @ edge.transpose(0, 2, 1)
        across = -(edge.reshape(self._border.shape) @ self._root).reshape(edge.shape)
        return self._root.T @ self._root, across, blocks


@cache
def _libraries() -> ThreadpoolController:
    from scipy import linalg  # noqa: F401  # loads a BLAS of its own

    return ThreadpoolController()


def one_thread() -> AbstractContextManager[object]:
    """Limit linear algebra to one thread: with small matrices, more threads only cost time."""
    manager: AbstractContextManager[object] = _libraries().limit(limits=1, user_api="blas")
    return manager


def _units(effects: Sequence[Effect]) -> list[_Unit]:
    """Return the two groupings of the effects; the second one may have no columns."""
    found: list[tuple[npt.NDArray[np.intp], list[int]]] = []
    for k, effect in enumerate(effects):
        _, codes = np.unique(np.asarray(effect.groups, dtype=str), return_inverse=True)
        same = [members for other, members in found if np.array_equal(other, codes)]
        if same:
            same[0].append(k)
        else:
            found.append((codes, [k]))
    if len(found) > 2:
        raise ValueError(f"random effects of {len(found)} groupings; accepted: one or two")
    units = []
    for codes, members in found:
        slopes = [effects[k].slopes for k in members]
        owner = np.repeat(members, [part.shape[1] for part in slopes])
        units.append(_Unit(codes, np.column_stack(slopes), owner))
    if len(units) == 1:
        nothing = np.zeros(len(units[0].codes), dtype=np.intp)
        units.append(_Unit(nothing, np.zeros((len(nothing), 0)), nothing[:0]))
    return units
