"""Cumulative link models with crossed random effects: categories as categories, not as numbers.

    P(rating <= j) = 1 / (1 + exp(eta - theta_j)),    eta = X b + sum_k Z_k u_k,
    u_k ~ N(0, tau_k^2)

with thresholds theta_1 < theta_2 < ... between the categories (P. McCullagh, 1980). The integral
over u is Laplace's approximation at its mode, as in R's ordinal::clmm (R. H. B. Christensen, 2019);
standard errors are those of the observed information, tests are Wald's.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nst_lib.study.mos.mixed import Contrast, Effect

Array = npt.NDArray[np.float64]
_NEWTON = 50
_TOLERANCE = 1e-12
#: Entries up to which a dense matrix is faster than a sparse one.
_DENSE = 100_000


class OrdinalModel:
    """A model that was fitted.

    Parameters
    ----------
    y : Array, shape=(rows,)
        Categories, numbers in their order.
    X : Array, shape=(rows, p)
        Fixed effects, without an intercept, which the thresholds are.
    effects : sequence of Effect
        Random effects.

    Attributes
    ----------
    b : Array, shape=(p,)
        Fixed effects: log odds of a higher category.
    thresholds : Array
        Between the categories that occur.
    sd : dict of str to float
        tau of each random effect.
    log_likelihood : float
        Laplace's approximation.

    Raises
    ------
    ValueError
        If only one category occurs.
    """

    def __init__(self, y: Array, X: Array, effects: Sequence[Effect]) -> None:
        from scipy import optimize, sparse

        levels, codes = np.unique(y, return_inverse=True)
        if len(levels) < 2:
            raise ValueError(f"all ratings are {levels[0]:g}; accepted: two categories or more")
        self._codes, self._cuts, self._X = codes, len(levels) - 1, X
        parts = [effect.matrix() for effect in effects]
        Z = sparse.hstack(parts).tocsr()
        self._Z = Z.toarray() if np.prod(Z.shape) < _DENSE else Z
        self._sizes = [part.shape[1] for part in parts]
        self._v = np.zeros(self._Z.shape[1])
        share = np.cumsum(np.bincount(codes))[:-1] / len(codes)
        cuts = np.log(share / (1 - share))
        start = np.concatenate(
            [cuts[:1], np.log(np.diff(cuts)), np.zeros(X.shape[1]), np.full(len(parts), 0.5)]
        )
        free = len(start) - len(parts)
        bounds = [(None, None)] * free + [(0.0, None)] * len(parts)
        found = optimize.minimize(
            self._deviance,
            start,
            jac="3-point",
            method="L-BFGS-B",
            bounds=bounds,
            options={"ftol": 1e-14, "gtol": 1e-5, "finite_diff_rel_step": 1e-4},
        )
        self._free = np.array([k for k in range(len(start)) if k < free or found.x[k] > 1e-3])
        x = np.where(np.isin(np.arange(len(start)), self._free), found.x, 0.0)
        thresholds, self.b, tau = self._split(x)
        self.thresholds = thresholds
        self.sd = dict(zip([effect.name for effect in effects], tau.tolist(), strict=True))
        self.log_likelihood = -self._deviance(x)
        where = [int(k) for k in np.flatnonzero((self._free >= self._cuts) & (self._free < free))]
        self.covariance = np.linalg.inv(self._hessian(x))[np.ix_(where, where)]

    def test(self, L: Array) -> Contrast:
        """Test that L b is zero: z, or chi square over its degrees of freedom for several rows."""
        from scipy import special

        L = np.atleast_2d(L)
        C = L @ self.covariance @ L.T
        values = L @ self.b
        if len(L) == 1:
            se = float(np.sqrt(C[0, 0]))
            z = float(values[0]) / se
            return Contrast(float(values[0]), se, z, 1, np.inf, 2 * float(special.ndtr(-abs(z))))
        chi2 = float(values @ np.linalg.solve(C, values))
        p = float(special.chdtrc(len(L), chi2))
        return Contrast(np.nan, np.nan, chi2 / len(L), len(L), np.inf, p)

    def _split(self, x: Array) -> tuple[Array, Array, Array]:
        """Return thresholds, b and tau of the numbers that are searched for."""
        steps = np.exp(x[1 : self._cuts])
        thresholds = x[0] + np.concatenate([[0.0], np.cumsum(steps)])
        end = self._cuts + self._X.shape[1]
        return thresholds, x[self._cuts : end], x[end:]

    def _deviance(self, x: Array) -> float:
        """Return -log of the likelihood; the mode of u = tau v is found by Newton's method."""
        from scipy import special

        thresholds, b, tau = self._split(x)
        edges = np.concatenate([[-np.inf], thresholds, [np.inf]])
        fixed = self._X @ b
        scale = np.repeat(tau, self._sizes)
        v = self._v

        def value(v: Array) -> tuple[float, Array, Array]:
            eta = fixed + self._Z @ (scale * v)
            upper, lower = edges[self._codes + 1] - eta, edges[self._codes] - eta
            F, G = special.expit(upper), special.expit(lower)
            f, g = F * (1 - F), G * (1 - G)
            P = np.maximum(F - G, 1e-300)
            score = (f - g) / P
            weight = score**2 - (f * (1 - 2 * F) - g * (1 - 2 * G)) / P
            return float(np.log(P).sum() - v @ v / 2), score, weight

        best, score, weight = value(v)
        for _ in range(_NEWTON):
            gradient = -scale * (self._Z.T @ score) - v
            H = scale[:, None] * self._products(weight) * scale
            H[np.diag_indices_from(H)] += 1
            step = np.linalg.solve(H, gradient)
            if float(gradient @ step) < _TOLERANCE:
                break
            size = 1.0
            while True:
                trial, *rest = value(v + size * step)
                if trial >= best or size < 1e-6:
                    break
                size /= 2
            v, best, (score, weight) = v + size * step, trial, rest
        self._v = v
        return -best + float(np.linalg.slogdet(H)[1]) / 2

    def _products(self, weight: Array) -> Array:
        """Return Z'WZ."""
        from scipy import sparse

        if isinstance(self._Z, np.ndarray):
            found: Array = (self._Z.T * weight) @ self._Z
        else:
            found = (self._Z.T @ sparse.diags_array(weight) @ self._Z).toarray()
        return found

    def _hessian(self, x: Array) -> Array:
        """Return second derivatives with respect to all that is not at its bound."""
        size, step = len(self._free), 1e-3
        units = np.eye(len(x))[self._free] * step
        H = np.empty((size, size))
        for i in range(size):
            for j in range(i + 1):
                a, b = units[i], units[j]
                H[i, j] = H[j, i] = (
                    self._deviance(x + a + b)
                    - self._deviance(x + a - b)
                    - self._deviance(x - a + b)
                    + self._deviance(x - a - b)
                ) / (4 * step**2)
        return H
