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
import torch
from torch import Tensor

from nst_lib.study.mos.mixed import Contrast, Effect

Array = npt.NDArray[np.float64]
_NEWTON = 50
#: So small that the determinant, which is of before the last step, is that of the mode.
_TOLERANCE = 1e-20
_STEP = 1e-4
#: Standard deviations below this are zero.
_ZERO = 1e-3
_TINY = 1e-300


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
        self._codes, self._cuts = torch.from_numpy(codes), len(levels) - 1
        self._X = torch.from_numpy(X)
        parts = [effect.matrix() for effect in effects]
        Z = sparse.hstack(parts).tocsr()
        entries = (len(codes), -1)  # each row has as many as any other
        self._where = torch.from_numpy(Z.indices).long().view(entries)
        self._entries = torch.from_numpy(Z.data).view(entries)
        sizes = torch.tensor([part.shape[1] for part in parts])
        self._owner = torch.repeat_interleave(torch.arange(len(parts)), sizes)
        self._v = self._X.new_zeros(Z.shape[1])
        share = np.cumsum(np.bincount(codes))[:-1] / len(codes)
        cuts = np.log(share / (1 - share))
        start = np.concatenate(
            [cuts[:1], np.log(np.diff(cuts)), np.zeros(X.shape[1]), np.full(len(parts), 0.5)]
        )
        fixed = len(start) - len(parts)
        found = optimize.minimize(
            self._deviance,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(None, None)] * fixed + [(0.0, None)] * len(parts),
            options={"ftol": 1e-14, "gtol": 1e-6, "maxiter": 1000},
        )
        free = np.array([k for k in range(len(start)) if k < fixed or found.x[k] > _ZERO])
        x = np.where(np.isin(np.arange(len(start)), free), found.x, 0.0)
        thresholds, b, tau = (part.numpy() for part in self._split(torch.from_numpy(x)))
        self.thresholds, self.b = thresholds, b
        self.sd = dict(zip([effect.name for effect in effects], tau.tolist(), strict=True))
        self.log_likelihood = -self._deviance(x)[0]
        steps = _STEP * np.eye(len(x))[free]
        slopes = [self._deviance(x + h)[1] - self._deviance(x - h)[1] for h in steps]
        hessian = np.stack(slopes)[:, free] / (2 * _STEP)
        of_b = slice(self._cuts, fixed)
        self.covariance = np.linalg.inv((hessian + hessian.T) / 2)[of_b, of_b]

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

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return thresholds, b and tau of the numbers that are searched for."""
        steps = torch.cat([x.new_zeros(1), x[1 : self._cuts].exp().cumsum(0)])
        end = self._cuts + self._X.shape[1]
        return x[0] + steps, x[self._cuts : end], x[end:]

    def _deviance(self, values: Array) -> tuple[float, Array]:
        """Return -log of the likelihood, and its gradient.

        The mode of u = tau v is found by Newton's method. One more step, seen as a function of what
        is searched for, is how the mode moves with it.
        """
        x = torch.from_numpy(values).requires_grad_()
        with torch.no_grad():
            v, factor = self._mode(x)
        gradient, _ = self._slope(x, v)
        v = v - torch.cholesky_solve(gradient[:, None], factor)[:, 0]
        deviance = self._penalised(x, v) + self._slope(x, v)[1].logdet() / 2
        (slope,) = torch.autograd.grad(deviance, x)
        return deviance.item(), slope.numpy()

    def _mode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mode v, and the Cholesky factor of the Hessian there."""
        v, best = self._v, self._penalised(x, self._v)
        for _ in range(_NEWTON):
            gradient, hessian = self._slope(x, v)
            factor = torch.linalg.cholesky(hessian)
            step = torch.cholesky_solve(gradient[:, None], factor)[:, 0]
            if gradient @ step < _TOLERANCE:
                break
            size = 1.0
            while (trial := self._penalised(x, v - size * step)) > best and size > _STEP:
                size /= 2
            v, best = v - size * step, trial
        self._v = v
        return v, factor

    def _penalised(self, x: Tensor, v: Tensor) -> Tensor:
        """Return -log of the probability of ratings and v together, but for a constant."""
        upper, lower = self._cumulative(x, v)
        return v @ v / 2 - (upper - lower).clamp_min(_TINY).log().sum()

    def _slope(self, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Return gradient and Hessian of that with respect to v."""
        F, G = self._cumulative(x, v)
        P = (F - G).clamp_min(_TINY)
        f, g = F * (1 - F), G * (1 - G)
        score = (f - g) / P
        weight = score**2 - (f * (1 - 2 * F) - g * (1 - 2 * G)) / P
        Z, q = self._scaled(x), len(v)
        gradient = v.index_add(0, self._where.ravel(), (Z * score[:, None]).ravel())
        pairs = self._where[:, :, None] * q + self._where[:, None]
        products = weight[:, None, None] * Z[:, :, None] * Z[:, None]
        hessian = torch.eye(q, dtype=v.dtype).ravel()
        return gradient, hessian.index_add(0, pairs.ravel(), products.ravel()).view(q, q)

    def _cumulative(self, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Return the probabilities of at most this rating, and of less."""
        thresholds, b, _ = self._split(x)
        ends = x.new_full((1,), torch.inf)
        edges = torch.cat([-ends, thresholds, ends])
        eta = self._X @ b + (self._scaled(x) * v[self._where]).sum(1)
        return (edges[self._codes + 1] - eta).sigmoid(), (edges[self._codes] - eta).sigmoid()

    def _scaled(self, x: Tensor) -> Tensor:
        """Return what is not zero in Z, times tau; `_where` has the columns."""
        return self._entries * self._split(x)[2][self._owner[self._where]]
