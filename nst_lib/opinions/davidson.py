"""The Bradley-Terry model of preferences, with ties and with an effect of the order.

Condition i has the log-worth l_i; the log-worths sum to zero. If i is first and j is second,

    P(i preferred) = exp(d / 2) / Z          d = l_i - l_j + o
    P(j preferred) = exp(-d / 2) / Z         Z = exp(d / 2) + exp(-d / 2) + v
    P(tie)         = v / Z

This is the model of R. A. Bradley and M. E. Terry (1952) with the ties of R. R. Davidson (1970) and
the multiplicative effect of the order of R. R. Davidson and R. J. Beaver (1977). Their parameters
are exp(l_i), gamma = exp(-o) and nu = v sqrt(gamma): here v belongs to two equal sounds, whatever
the order. Without ties, v = 0.

The log-likelihood is concave, and Newton's method finds its maximum. There is no finite maximum if
all answers agree with a direction of the parameters, for example if a condition always won (the
data are separated). Half an answer is then added for each outcome of each comparison of two
conditions. For two conditions without ties this is Jeffreys' prior; in general it is our choice.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
#: Answers that are added for each outcome of each comparison if the data are separated.
PRIOR = 0.5
#: Largest log-odds of a fit that counts as finite, and the gradient per answer at a maximum.
_FINITE, _FLAT = 15.0, 1e-9
_STEPS, _LONGEST = 60, 2.0


@dataclass(frozen=True)
class Design:
    """Which conditions were compared, in which order, and which effects the model has.

    Attributes
    ----------
    first, second : arrays of int, shape=(cells,)
        Index of the two conditions of each cell: an ordered pair that was compared.
    count : int
        Number of conditions.
    ties : bool
        Whether ties are possible.
    order : bool
        Whether the model has an effect of the order.
    """

    first: Codes
    second: Codes
    count: int
    ties: bool = True
    order: bool = True
    X: Array = field(init=False, repr=False)
    contrasts: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        eye = np.eye(self.count)
        contrasts = (eye - 1 / self.count)[:, 1:]
        X = (eye[self.first] - eye[self.second]) @ contrasts
        if self.order:
            X = np.column_stack([X, np.ones(len(X))])
        object.__setattr__(self, "contrasts", contrasts)
        object.__setattr__(self, "X", X)

    @property
    def size(self) -> int:
        """Number of parameters."""
        return int(self.X.shape[1]) + self.ties

    def differences(self, parameters: Array) -> Array:
        """Return d of each cell, shape ``(..., cells)``, of parameters of shape ``(..., P)``."""
        worths = parameters[..., : self.count - 1] @ self.contrasts.T
        d = worths[..., self.first] - worths[..., self.second]
        return np.asarray(d + parameters[..., self.count - 1, None] if self.order else d)

    def net(self, values: Array) -> Array:
        """Return sums over cells, + where a condition is first and - where it is second.

        Parameters
        ----------
        values : Array, shape=(..., cells)
            A value for each cell.

        Returns
        -------
        Array, shape=(..., conditions)
        """
        square = self._square(values)
        return np.asarray(square.sum(axis=-1) - square.sum(axis=-2))

    def laplacian(self, values: Array) -> Array:
        """Return the Laplacian of the graph of comparisons with these weights of its cells.

        The shapes are ``(..., cells)`` and ``(..., conditions, conditions)``.
        """
        square = self._square(values)
        square = square + np.swapaxes(square, -1, -2)
        return np.asarray(square.sum(axis=-1)[..., None] * np.eye(self.count) - square)

    def _square(self, values: Array) -> Array:
        square = np.zeros((*values.shape[:-1], self.count, self.count))
        square[..., self.first, self.second] = values
        return square

    @property
    def prior(self) -> Array:
        """The answers that are added to separated data, shape ``(cells, 3)``."""
        low, high = np.minimum(self.first, self.second), np.maximum(self.first, self.second)
        _, where, counts = np.unique(
            low * self.count + high, return_inverse=True, return_counts=True
        )
        added = np.repeat(PRIOR / counts[where][:, None], 3, axis=1)
        added[:, 2] *= self.ties
        return added

    def groups(self) -> list[list[int]]:
        """Return the groups of conditions that are connected by comparisons, the largest first."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        shape = (self.count, self.count)
        graph = coo_array((np.ones(len(self.first)), (self.first, self.second)), shape=shape)
        count, labels = connected_components(graph, directed=False)
        found = [np.flatnonzero(labels == k).tolist() for k in range(count)]
        return sorted(found, key=len, reverse=True)

    def identified(self) -> bool:
        """Whether the comparisons can tell the effect of the order from the worths."""
        return bool(np.linalg.matrix_rank(self.X) == self.X.shape[1])


@dataclass(frozen=True)
class Fit:
    """A fitted model.

    Attributes
    ----------
    design : Design
        What was fitted.
    parameters : Array, shape=(P,)
        Coefficients of the contrasts of the worths, then o and log v if the model has them.
    information : Array, shape=(P, P)
        Their information matrix.
    answers : Array, shape=(cells, 3)
        Answers in each cell: first preferred, second preferred, tie. Added answers are not here.
    separated : Array or None, shape=(conditions,)
        None, or the direction in which the worths have no finite estimate.
    loglik : float
        Largest log-likelihood of the answers, without constants; the supremum if they are
        separated.
    """

    design: Design
    parameters: Array
    information: Array
    answers: Array
    separated: Array | None = None
    loglik: float = field(default=0.0, kw_only=True)

    @property
    def worths(self) -> Array:
        """Log-worths of the conditions; their sum is zero."""
        return np.asarray(self.design.contrasts @ self.parameters[: self.design.count - 1])

    @property
    def order(self) -> float:
        """Log-odds with which the first of two equal sounds is preferred; 0 without the effect."""
        return float(self.parameters[self.design.count - 1]) if self.design.order else 0.0

    @property
    def tie(self) -> float:
        """The parameter v of ties; 0 without ties."""
        return float(np.exp(self.parameters[-1])) if self.design.ties else 0.0

    @property
    def probabilities(self) -> Array:
        """Probabilities of the three outcomes in each cell, shape ``(cells, 3)``."""
        return outcome_probabilities(self.parameters, self.design)

    @property
    def deviance(self) -> float:
        """Twice the log-likelihood ratio to a model with own probabilities for each cell."""
        return 2 * (float(saturated(self.answers)) - self.loglik)

    @property
    def df(self) -> int:
        """Degrees of freedom of the deviance."""
        return len(self.answers) * (1 + self.design.ties) - self.design.size

    def covariance(self, scores: Array | None = None) -> Array:
        """Return the covariance of the parameters.

        Parameters
        ----------
        scores : Array or None, shape=(n, P)
            Scores of n > 1 listeners; see :meth:`scores`. The covariance is then that of the
            sandwich estimator with the factor n / (n - 1). None: as if all answers were
            independent.
        """
        bread = np.linalg.inv(self.information)
        if scores is None:
            return np.asarray(bread, float)
        n = len(scores)
        return np.asarray(bread @ (scores.T @ scores) @ bread * (n / (n - 1)))

    def scores(self, answers: Array) -> Array:
        """Return the gradient of the log-likelihood of parts of the answers.

        Parameters
        ----------
        answers : Array, shape=(n, cells, 3)
            Answers of each part, for example of each listener.

        Returns
        -------
        Array, shape=(n, P)
        """
        return _gradient(answers, self.probabilities, self.design)


def fit(answers: Array, design: Design) -> Fit:
    """Fit the model by maximum likelihood.

    Parameters
    ----------
    answers : Array, shape=(cells, 3)
        Number of answers in each cell: first preferred, second preferred, tie.
    design : Design
        The cells and the effects. All conditions must be connected by comparisons.

    Raises
    ------
    ValueError
        If the conditions are not connected, or if the effect of the order is not identified.
    """
    if len(design.groups()) > 1 or not design.identified():
        raise ValueError("the comparisons do not identify the parameters")
    parameters, information, finite = newton(answers[None], design)
    direction = None if finite[0] else separation(answers, design)
    loglik = float(logliks(answers[None], parameters, design)[0])
    if direction is not None:
        parameters, information, _ = newton((answers + design.prior)[None], design)
    return Fit(design, parameters[0], information[0], answers, direction, loglik=loglik)


def fit_many(answers: "Sequence[Array] | Array", design: Design) -> tuple[Array, int]:
    """Fit the model to many tables of answers.

    Parameters
    ----------
    answers : Array, shape=(n, cells, 3)
        Number of answers in each table.
    design : Design
        The cells and the effects.

    Returns
    -------
    parameters : Array, shape=(n, P)
        Estimates of each table.
    separated : int
        Number of tables without a finite maximum; half answers were added to them.
    """
    answers = np.asarray(answers, float)
    parameters, _, finite = newton(answers, design)
    left = ~finite
    if left.any():
        parameters[left] = newton(answers[left] + design.prior, design)[0]
    return parameters, int(left.sum())


def newton(answers: Array, design: Design) -> tuple[Array, Array, npt.NDArray[np.bool_]]:
    """Maximise the log-likelihoods of n tables of answers by Newton's method.

    Returns
    -------
    parameters : Array, shape=(n, P)
        Estimates.
    information : Array, shape=(n, P, P)
        Information matrices.
    finite : array of bool, shape=(n,)
        Whether the maximum was found, with log-odds that are finite for all practical purposes.
    """
    parameters = np.zeros((len(answers), design.size))
    if design.ties:
        ties, others = answers[..., 2].sum(axis=1), answers[..., :2].sum(axis=(1, 2))
        parameters[:, -1] = np.log((2 * ties + 1) / (others + 1))
    total = answers.sum(axis=(1, 2))
    ridge = 1e-10 * np.eye(design.size)
    for _ in range(_STEPS):
        p = np.exp(_log_probabilities(parameters, design))
        gradient = _gradient(answers, p, design)
        information = _information(answers.sum(axis=-1), p, design)
        if (np.abs(gradient).max(axis=1) <= _FLAT * total).all():
            break
        weighted = (
            information + ridge * (1 + np.trace(information, axis1=1, axis2=2))[:, None, None]
        )
        step = np.linalg.solve(weighted, gradient[..., None])[..., 0]
        step *= np.minimum(1, _LONGEST / np.maximum(np.abs(step).max(axis=1), 1e-300))[:, None]
        parameters = np.clip(parameters + step, -3 * _FINITE, 3 * _FINITE)
    flat = np.abs(gradient).max(axis=1) <= _FLAT * total
    large = np.abs(design.differences(parameters)).max(axis=1)
    regular = np.linalg.cond(information) < 1e9
    finite = flat & (large < _FINITE) & (np.abs(parameters[:, -1]) < _FINITE) & regular
    return parameters, information, finite


def separation(answers: Array, design: Design) -> Array | None:
    """Find out whether the likelihood has no finite maximum (A. Albert, J. A. Anderson, 1984).

    A linear programme looks for a direction of the parameters in which no answer becomes less
    likely relative to the other outcomes, and some answer becomes more likely.

    Returns
    -------
    Array or None, shape=(conditions,)
        How the worths change in this direction; None if there is a finite maximum.
    """
    from scipy import sparse
    from scipy.optimize import linprog

    zero = np.zeros((len(design.X), 1))
    half, tie = design.X / 2, np.ones_like(zero)
    utility = [np.hstack([half, zero]), np.hstack([-half, zero]), np.hstack([0 * half, tie])]
    outcomes = range(2 + design.ties)
    rows = np.vstack(
        [
            (utility[own] - utility[other])[answers[:, own] > 0]
            for own in outcomes
            for other in outcomes
            if own != other
        ]
    )[:, : design.size]
    n, size = rows.shape
    found = linprog(
        np.concatenate([np.zeros(size), -np.ones(n)]),
        A_ub=sparse.hstack([-sparse.csr_array(rows), sparse.eye_array(n)]),
        b_ub=np.zeros(n),
        bounds=[(-n, n)] * size + [(0, 1)] * n,
    )
    if found.fun > -1e-6:
        return None
    return cast(Array, design.contrasts @ found.x[: design.count - 1])


def logliks(answers: Array, parameters: Array, design: Design) -> Array:
    """Return the log-likelihoods of n tables of answers, without constants, shape ``(n,)``."""
    log_p = _log_probabilities(parameters, design)
    return cast(Array, (answers * np.where(answers > 0, log_p, 0.0)).sum(axis=(1, 2)))


def saturated(answers: Array) -> Array:
    """Return the largest log-likelihoods with own probabilities for each cell.

    Parameters
    ----------
    answers : Array, shape=(..., cells, 3)
        Number of answers.

    Returns
    -------
    Array, shape=(...)
    """
    shares = answers / np.maximum(answers.sum(axis=-1, keepdims=True), 1)
    logs = np.log(np.where(answers > 0, shares, 1.0))
    return cast(Array, (answers * logs).sum(axis=(-1, -2)))


def outcome_probabilities(parameters: Array, design: Design) -> Array:
    """Return the probabilities of the three outcomes in each cell, shape ``(..., cells, 3)``."""
    return np.exp(_log_probabilities(parameters, design))


def probabilities(difference: Array, tie: float) -> Array:
    """Return the probabilities of winning, losing and a tie.

    Parameters
    ----------
    difference : Array
        Differences of log-worths.
    tie : float >= 0
        The parameter v.

    Returns
    -------
    Array, shape=(..., 3)
    """
    parts = np.stack([np.exp(difference / 2), np.exp(-difference / 2), 0 * difference + tie], -1)
    return np.asarray(parts / parts.sum(axis=-1, keepdims=True))


def _log_probabilities(parameters: Array, design: Design) -> Array:
    """Return log-probabilities, shape ``(..., cells, 3)``; that of an impossible tie is -inf."""
    d = design.differences(parameters)
    ties = parameters[..., -1:] if design.ties else np.full_like(parameters[..., :1], -np.inf)
    utilities = np.stack([d / 2, -d / 2, np.broadcast_to(ties, d.shape)], axis=-1)
    return np.asarray(utilities - np.logaddexp.reduce(utilities, axis=-1, keepdims=True))


def _gradient(answers: Array, p: Array, design: Design) -> Array:
    """Return gradients by the parameters, shape ``(..., P)``."""
    excess = answers - answers.sum(axis=-1, keepdims=True) * p
    return _by_parameters((excess[..., 0] - excess[..., 1]) / 2, excess[..., 2], design)


def _by_parameters(d: Array, tie: Array, design: Design) -> Array:
    """Return derivatives by the parameters from those by d and by log v, shape ``(..., P)``."""
    parts = [design.net(d)[..., 1:]]
    if design.order:
        parts.append(d.sum(axis=-1, keepdims=True))
    if design.ties:
        parts.append(tie.sum(axis=-1, keepdims=True))
    return np.concatenate(parts, axis=-1)


def _information(n: Array, p: Array, design: Design) -> Array:
    """Return information matrices, shape ``(..., P, P)``, of n answers in each cell."""
    win, lose, tie = np.moveaxis(p, -1, 0)
    variance = n * (win + lose - (win - lose) ** 2) / 4
    both, ties = -n * (win - lose) / 2 * tie, n * tie * (1 - tie)
    k, size = design.count - 1, design.size
    information = np.empty((*n.shape[:-1], size, size))
    information[..., :k, :k] = design.laplacian(variance)[..., 1:, 1:]
    if design.order:
        row = _by_parameters(variance, both, design)
        information[..., k, :] = information[..., :, k] = row
    if design.ties:
        row = _by_parameters(both, ties, design)
        information[..., -1, :] = information[..., :, -1] = row
    return information
