"""Cumulative link models with crossed random effects: ratings are categories, not numbers.

    P(rating <= j) = 1 / (1 + exp(eta - theta_j)),    eta = X b + sum_k Z_k u_k,
    u_k ~ N(0, tau_k^2)

with thresholds theta_1 < theta_2 < ... between the categories (P. McCullagh, 1980). The integral
over u is approximated by Laplace's method at the mode, as in R's ordinal::clmm (R. H. B.
Christensen, 2019). Standard errors come from the observed information, and the tests are Wald's.

The search is over phi_k = tau_k^2 >= 0. As a function of tau, the likelihood is always flat at
zero, and a search could end there by mistake. As a function of phi, it has a slope at zero, and the
search ends there only if a variance above zero makes the likelihood lower.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nst_lib.opinions.crossed import LEAST, ZERO, Arrow, Crossed, Effect, one_thread
from nst_lib.opinions.mixed import Contrast

Array = npt.NDArray[np.float64]
_NEWTON = 50
#: So small that the determinant, computed before the last step, is the one at the mode.
_TOLERANCE = 1e-20
_STEP = 1e-4
#: Least width of a category, because rounding may leave none.
_TINY = 1e-12


class OrdinalModel:
    """A fitted cumulative link mixed model.

    Parameters
    ----------
    y : Array, shape=(rows,)
        Categories, as numbers in their order.
    X : Array, shape=(rows, p)
        Design matrix of the fixed effects without an intercept; the thresholds take its place.
    effects : sequence of Effect
        Random effects.

    Attributes
    ----------
    b : Array, shape=(p,)
        Estimates of the fixed effects: log odds of a higher category.
    thresholds : Array
        Thresholds between the categories that occur.
    sd : dict of str to float
        Standard deviation tau of each random effect.
    log_likelihood : float
        Log likelihood by Laplace's approximation.
    covariance : Array, shape=(p, p)
        Covariance of b; not positive definite if b has no bounds.

    Raises
    ------
    ValueError
        If only one category occurs.
    """

    def __init__(self, y: Array, X: Array, effects: Sequence[Effect]) -> None:
        levels, codes = np.unique(y, return_inverse=True)
        if len(levels) < 2:
            raise ValueError(
                f"all ratings are {levels[0]:g}, and an ordinal model needs two categories"
            )
        self._codes, self._cuts, self._X = codes, len(levels) - 1, X
        self._crossed = Crossed(effects)
        self._v = np.zeros(len(self._crossed.owner))
        with one_thread():
            self._fit([effect.name for effect in effects])

    def _fit(self, names: Sequence[str]) -> None:
        from scipy import optimize

        share = np.cumsum(np.bincount(self._codes))[:-1] / len(self._codes)
        cuts = np.log(share / (1 - share))
        fixed = self._cuts + self._X.shape[1]
        start = np.full(fixed + len(names), 0.25)
        start[:fixed] = 0
        start[: self._cuts] = np.append(cuts[:1], np.log(np.diff(cuts)))
        found = optimize.minimize(
            self._deviance,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(None, None)] * fixed + [(LEAST, None)] * len(names),
            options={"ftol": 1e-14, "gtol": 1e-6, "maxiter": 1000},
        )
        variance = np.arange(len(start)) >= fixed
        x = np.where(variance & (found.x < ZERO), LEAST, found.x)
        free = np.flatnonzero(~variance | (x > LEAST))
        self.thresholds, self.b, phi = self._split(x)
        tau = np.sqrt(np.where(phi > LEAST, phi, 0.0))
        self.sd = dict(zip(names, tau.tolist(), strict=True))
        self.log_likelihood = -self._deviance(x)[0]
        steps = _STEP * np.eye(len(x))[free] * np.where(variance, x, 1.0)[:, None][free]
        slopes = [
            (self._deviance(x + h)[1] - self._deviance(x - h)[1])[free] / (2 * h.sum())
            for h in steps
        ]
        hessian = np.stack(slopes)
        of_b = slice(self._cuts, fixed)
        try:
            self.covariance = np.linalg.inv((hessian + hessian.T) / 2)[of_b, of_b]
        except np.linalg.LinAlgError:
            self.covariance = np.zeros((len(self.b), len(self.b)))

    def test(self, L: Array) -> Contrast:
        """Test that L b is zero.

        The statistic is z, or for several rows chi square divided by its degrees of freedom.
        """
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
        """Return thresholds, b and phi as the vector of the search holds them."""
        steps = np.exp(x[1 : self._cuts]).cumsum()
        end = self._cuts + self._X.shape[1]
        return x[0] + np.append(0.0, steps), x[self._cuts : end], x[end:]

    def _deviance(self, x: Array) -> tuple[float, Array]:
        """Return the negative log likelihood and its gradient.

        kappa is the contribution of the determinant to the score of each row. It has two parts: the
        weights change, and the mode moves.
        """
        thresholds, b, phi = self._split(x)
        root = np.sqrt(phi[self._crossed.owner])
        edges = np.concatenate([[-np.inf], thresholds, [np.inf]])
        fixed = self._X @ b
        upper, lower = edges[self._codes + 1] - fixed, edges[self._codes] - fixed
        v, arrow, rows = self._mode(upper, lower, root)
        lever = self._crossed.leverage(arrow) / 2
        moved = self._crossed.to_columns(lever * rows.third)
        zeta = self._crossed.to_rows(root * arrow.solve((root * moved)[:, None])[:, 0])
        kappa = lever * rows.third - rows.weight * zeta
        t, k = self._crossed.to_columns(rows.score), self._crossed.to_columns(kappa)
        of_phi = self._crossed.per_effect((1 - arrow.diagonal) / root**2 - t**2 - 2 * t * k) / 2
        of_upper, of_lower = rows.edges(lever, zeta)
        of_edges = np.bincount(self._codes + 1, of_upper, minlength=len(edges))
        of_edges += np.bincount(self._codes, of_lower, minlength=len(edges))
        of_cuts = of_edges[1:-1][::-1].cumsum()[::-1]
        of_cuts[1:] *= np.diff(thresholds)
        gradient = np.concatenate([of_cuts, self._X.T @ (rows.score + kappa), of_phi])
        return float(v @ v / 2 + rows.loss + arrow.log_det / 2), gradient

    def _mode(self, upper: Array, lower: Array, root: Array) -> tuple[Array, Arrow, "_Rows"]:
        """Return the mode of v, where u = R v, by Newton's method, and H and the rows there."""

        def at(v: Array) -> tuple[float, _Rows]:
            eta = self._crossed.to_rows(root * v)
            rows = _Rows(upper - eta, lower - eta)
            return float(v @ v) / 2 + rows.loss, rows

        v = self._v
        best, rows = at(v)
        for _ in range(_NEWTON):
            gradient = v + root * self._crossed.to_columns(rows.score)
            arrow = Arrow(self._crossed.products(rows.weight), root)
            step = arrow.solve(gradient[:, None])[:, 0]
            if gradient @ step < _TOLERANCE:
                break
            size = 1.0
            while (trial := at(v - size * step))[0] > best and size > _STEP:
                size /= 2
            v, (best, rows) = v - size * step, trial
        self._v = v
        return v, arrow, rows


class _Rows:
    """Derivatives of -log P of each rating in its latent opinion eta.

    P = F(a) - F(c), where F is the logistic function and a and c are the distances of the upper and
    lower edge of the category from eta. So -log P is the sum of log(1 + e^-a), log(1 + e^c) and
    -log(1 - e^(c - a)).

    Attributes
    ----------
    loss : float
        Sum of -log P over all ratings.
    score, weight, third : Array
        First, second and third derivative of -log P in eta.
    """

    def __init__(self, a: Array, c: Array) -> None:
        from scipy import special

        gap = np.maximum(a - c, _TINY)
        self.F, self.G = special.expit(a), special.expit(c)
        self.f, self.g = self.F * special.expit(-a), self.G * special.expit(-c)
        self._ratio = np.exp(-gap) / -np.expm1(-gap)
        likelihood = special.log_expit(a) + special.log_expit(-c) + np.log(-np.expm1(-gap))
        self.loss = -float(likelihood.sum())
        self.score = 1 - self.F - self.G
        self.weight = self.f + self.g
        self.third = -self.f * (1 - 2 * self.F) - self.g * (1 - 2 * self.G)

    def edges(self, lever: Array, zeta: Array) -> tuple[Array, Array]:
        """Return the derivatives of the deviance in a and in c, one number per row each."""
        upper = self.F - 1 - self._ratio + lever * self.f * (1 - 2 * self.F) + zeta * self.f
        lower = self.G + self._ratio + lever * self.g * (1 - 2 * self.G) + zeta * self.g
        return upper, lower
