"""Linear mixed models with crossed random effects, by restricted maximum likelihood (REML).

    y = X b + sum_k Z_k u_k + e,        u_k ~ N(0, phi_k s^2 I),    e ~ N(0, s^2 I)

b and s^2 follow from the ratios phi of variances. Over phi >= 0, the fit minimises

    -2 log l = (n - p) log(y'Py) + log|V| + log|X'V^-1 X|,    V = I + sum_k phi_k Z_k Z_k'

(D. Bates et al., Fitting linear mixed-effects models using lme4, 2015). It needs only the cross
products of Z, X and y, block by block (see `crossed`), so that the time of a step does not depend
on the number of rows. Degrees of freedom are Satterthwaite's, as in lmerTest (A. Kuznetsova et al.,
2017).

We do not use statsmodels' MixedLM, because it does not converge if a variance is zero, which is
common with five pairs (in our test it gave 0.18 instead of 0, and twice the standard error).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nst_lib.opinions.crossed import LEAST, ZERO, Arrow, Crossed, Effect, one_thread

Array = npt.NDArray[np.float64]
#: A residual variance below this share of the variance of ratings counts as zero.
_EXACT = 1e-6
#: Degrees of freedom below which there is no test.
LEAST_DF = 1e-6
#: Share of a squared norm that is left of a linearly dependent vector because of rounding.
_SAME = 1e-8
#: Share of y'y that is left of a residual of zero because of rounding.
_TINY = float(np.finfo(float).eps)


def identified(X: Array, effects: Sequence[Effect]) -> list[Effect]:
    """Return the effects whose variances can be told from the residual and from earlier effects.

    Let P be the projection that removes the fixed effects. The variances of the effects k and l can
    be told apart if P Z_k Z_k' P and P Z_l Z_l' P are linearly independent (C. R. Rao, 1971).

    Parameters
    ----------
    X : Array, shape=(rows, p)
        Design matrix of the fixed effects, of full rank.
    effects : sequence of Effect
        Random effects; the ones that are more likely to matter come first.
    """
    Q = np.linalg.qr(X)[0]
    Zs = [effect.matrix() for effect in effects]
    QZ = [(Z.T @ Q) for Z in Zs]
    G = np.empty((len(Zs) + 1, len(Zs) + 1))
    G[0, 0] = len(X) - X.shape[1]
    for k, (Z, A) in enumerate(zip(Zs, QZ, strict=True), start=1):
        G[0, k] = G[k, 0] = Z.power(2).sum() - np.sum(A**2)
        for m in range(k, len(Zs) + 1):
            ZZ, B = Z.T @ Zs[m - 1], QZ[m - 1]
            across = ZZ.power(2).sum() - 2 * np.sum(A * (ZZ @ B))
            G[k, m] = G[m, k] = across + np.sum((A.T @ A) * (B.T @ B))
    kept: list[int] = [0]
    for k in range(1, len(G)):
        part = G[np.ix_(kept, kept)]
        rest = G[k, k] - G[k, kept] @ np.linalg.solve(part, G[kept, k])
        if rest > _SAME * G[k, k] and G[k, k] > _SAME * G[0, 0]:
            kept.append(k)
    return [effects[k - 1] for k in kept[1:]]


@dataclass(frozen=True)
class Contrast:
    """Estimate and test of one linear combination L b, or the test of several at once.

    Attributes
    ----------
    estimate, se : float
        L b and its standard error; NaN if L has several rows.
    statistic : float
        t, or F if L has several rows.
    df1, df2 : float
        Number of rows of L, and Satterthwaite's degrees of freedom.
    p : float
        Two-sided p.
    """

    estimate: float
    se: float
    statistic: float
    df1: int
    df2: float
    p: float

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the t interval of the estimate."""
        from scipy import special

        half = float(special.stdtrit(self.df2, (1 + level) / 2)) * self.se
        return self.estimate - half, self.estimate + half


class MixedModel:
    """A fitted linear mixed model.

    Parameters
    ----------
    y : Array, shape=(rows,)
        Ratings.
    X : Array, shape=(rows, p)
        Design matrix of the fixed effects, with an intercept, of full rank.
    effects : sequence of Effect
        Random effects.

    Attributes
    ----------
    b : Array, shape=(p,)
        Estimates of the fixed effects.
    variances : dict of str to float
        Variance of each random effect, and of the "residual".
    reml : float
        The REML criterion -2 log l, as lme4 gives it.
    exact : bool
        Whether the model explains the ratings exactly (the residual variance is zero), so that no
        test is possible.

    Raises
    ------
    ValueError
        If there are not more rows than fixed effects, or if X is not of full rank.
    """

    def __init__(self, y: Array, X: Array, effects: Sequence[Effect]) -> None:
        self.n, self.p = X.shape
        if np.linalg.matrix_rank(X) < self.p or self.n <= self.p:
            raise ValueError(
                f"{self.n} ratings do not determine {self.p} effects; collect more ratings than "
                "effects, and some under every condition"
            )
        self._crossed = Crossed(effects)
        with one_thread():
            self._fit(y, X, [effect.name for effect in effects])

    def _fit(self, y: Array, X: Array, names: Sequence[str]) -> None:
        from scipy import optimize

        self._ZZ = self._crossed.products(np.ones(self.n))
        fixed = np.column_stack([X, y])
        self._Zf = np.stack([self._crossed.to_columns(column) for column in fixed.T], axis=1)
        self._ff = fixed.T @ fixed
        found = optimize.minimize(
            self._profile,
            np.ones(len(names)),
            jac=True,
            method="L-BFGS-B",
            bounds=[(LEAST, None)] * len(names),
            options={"ftol": 1e-15, "gtol": 1e-7, "maxiter": 500},
        )
        self._phi: Array = np.where(found.x < ZERO, LEAST, found.x)
        state = self._solve(self._phi)
        self.b, self._T = state.b, state.T
        self._inverse = np.linalg.inv(state.XVX)
        self.s2 = state.rest / (self.n - self.p)
        self.exact = bool(self.s2 < _EXACT * np.var(y))
        self._t = state.t
        self.covariance = self.s2 * self._inverse
        self._active = np.flatnonzero(self._phi > LEAST)
        phi = np.where(self._phi > LEAST, self._phi, 0.0)
        self.variances = dict(zip(names, (self.s2 * phi).tolist(), strict=True))
        self.variances["residual"] = float(self.s2)
        rest = (self.n - self.p) * (1 + np.log(2 * np.pi * self.s2))
        self.reml = float(rest + state.log_det + np.linalg.slogdet(state.XVX)[1])
        self._uncertainty = self._of_variances()

    def test(self, L: Array) -> Contrast:
        """Test that L b is zero.

        Parameters
        ----------
        L : Array, shape=(p,) or (rows, p)
            Contrasts.
        """
        from scipy import special

        L = np.atleast_2d(L)
        C = L @ self.covariance @ L.T
        if len(L) == 1:
            estimate, se = float(L[0] @ self.b), float(np.sqrt(C[0, 0]))
            df = self._satterthwaite(L[0])
            t = estimate / se
            return Contrast(estimate, se, t, 1, df, 2 * float(special.stdtr(df, -abs(t))))
        values, vectors = np.linalg.eigh(C)
        rotated = vectors.T @ L
        squares = (rotated @ self.b) ** 2 / values
        F, q = float(squares.mean()), len(L)
        dfs = np.array([self._satterthwaite(row) for row in rotated])
        E = float((dfs / (dfs - 2)).sum()) if dfs.min() > 2 else np.inf
        df = 2 * E / (E - q) if np.isfinite(E) else 2.0 if dfs.min() > LEAST_DF else 0.0
        p = float(special.fdtrc(q, df, F))
        return Contrast(np.nan, np.nan, F, q, df, p)

    def _solve(self, phi: Array) -> "_State":
        root = np.sqrt(phi[self._crossed.owner])
        arrow = Arrow(self._ZZ, root)
        scaled = root[:, None] * self._Zf
        solved = arrow.solve(scaled)
        fVf = self._ff - scaled.T @ solved
        XVX, XVy = fVf[:-1, :-1], fVf[:-1, -1]
        b = np.asarray(np.linalg.solve(XVX, XVy), dtype=np.float64)
        ZVf = solved / root[:, None]
        return _State(
            b=b,
            XVX=XVX,
            rest=max(float(fVf[-1, -1] - XVy @ b), _TINY * self._ff[-1, -1]),
            log_det=arrow.log_det,
            T=ZVf[:, :-1],
            t=ZVf[:, -1] - ZVf[:, :-1] @ b,
            S=(1 - arrow.diagonal) / root**2,
        )

    def _profile(self, phi: Array) -> tuple[float, Array]:
        """Return the deviance without its constants, and its gradient."""
        state = self._solve(phi)
        free = self.n - self.p
        value = free * np.log(state.rest) + state.log_det + np.linalg.slogdet(state.XVX)[1]
        return float(value), self._traces(state) - free * self._squares(state.t) / state.rest

    def _traces(self, state: "_State") -> Array:
        """Return the traces tr(P Z_k Z_k')."""
        fitted = np.einsum("ij,ij->i", state.T @ np.linalg.inv(state.XVX), state.T)
        return self._crossed.per_effect(state.S - fitted)

    def _squares(self, t: Array) -> Array:
        return self._crossed.per_effect(t**2)

    def _of_variances(self) -> Array:
        """Return the covariance of the estimates of s^2 and of all phi that are not zero."""
        active = self._active
        size = len(active) + 1
        H = np.zeros((size, size))

        def gradient(phi: Array) -> Array:
            state = self._solve(phi)
            slope: Array = self._traces(state) - self._squares(state.t) / self.s2
            return slope[active]

        for row, k in enumerate(active):
            step = np.zeros_like(self._phi)
            step[k] = 1e-4 * self._phi[k]
            H[row, :-1] = (gradient(self._phi + step) - gradient(self._phi - step)) / (2 * step[k])
        H[-1, :-1] = H[:-1, -1] = self._squares(self._t)[active] / self.s2**2
        H[-1, -1] = (self.n - self.p) / self.s2**2
        return np.asarray(2 * np.linalg.pinv((H + H.T) / 2), dtype=np.float64)

    def _satterthwaite(self, L: Array) -> float:
        around = self._inverse @ L
        parts = self.s2 * self._squares(self._T @ around)[self._active]
        slope = np.append(parts, L @ around)
        variance = float(L @ self.covariance @ L)
        return 2 * variance**2 / float(slope @ self._uncertainty @ slope)


@dataclass(frozen=True)
class _State:
    """Results for one phi: T is Z'V^-1 X, t is Z'Py, S is the diagonal of Z'V^-1 Z."""

    b: Array
    XVX: Array
    rest: float
    log_det: float
    T: Array
    t: Array
    S: Array
