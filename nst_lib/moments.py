"""Moments of rectified Gaussians: what a random layer computes, averaged over its weights.

Gaussian pre-activations h have mean 0. A matrix Q holds their covariances between the positions of
two sounds a (rows) and b (columns); q_a and q_b are the variances, the diagonals of each sound's
own Q.

- ReLU: E[relu(h_a) relu(h_b)] is Y. Cho and L. K. Saul's arc-cosine kernel (NIPS 2009, equation 4).
- ReLU and max pooling by 2: E[f(h_a) f(h_b)] with f(h1, h2) = max(0, h1, h2), for which we know no
  published form. Ours: scale the covariances between the sounds by s and let s go from 0 to 1. At 0
  the moment is the product of the means, its slope that of the chances to win, and by R. Price's
  theorem (IRE Trans. Inf. Theory 4, 1958) its curvature is a sum over the kinks of f, the lines k
  (for a) and l (for b) where the winner changes:

      E = E[f_a] E[f_b] + sum_ij C_ij P_a(i wins) P_b(j wins)
          + sum_kl integral_0^1 (1 - s) c^2 / (2 pi sqrt(v_k v_l - s^2 c^2)) p_kl(s) ds

  where c is the covariance of the two quantities that vanish on k and l, v their variances, and
  p_kl(s) = 1/4 + asin(rho_kl(s)) / (2 pi) the chance that both kinks count: that what ties is above
  what does not. All of it is exact. The integral has a closed form for p constant or linear in s;
  we take asin(rho(s)) as linear through its value at `NODE`. That errs by less than 0.1 % on the
  kernels of recordings (the tests integrate it numerically).
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

#: Where rho is evaluated; 0.5 to 0.8 do about as well.
NODE = 0.7

#: The kinks of max(0, h1, h2), as combinations of (h1, h2): what vanishes there, and what is
#: positive there. h1 = 0 above h2; h2 = 0 above h1; h1 = h2 above 0.
_KINKS = (((1.0, 0.0), (0.0, -1.0)), ((0.0, 1.0), (-1.0, 0.0)), ((1.0, -1.0), (0.5, 0.5)))


def arc_cosine(Q: Tensor, q_a: Tensor, q_b: Tensor) -> Tensor:
    """Return E[relu(h_a) relu(h_b)], shape ``(n_a, n_b)``."""
    K: Tensor = _ArcCosine.apply(Q, q_a, q_b)  # type: ignore[no-untyped-call]
    return K


@dataclass(frozen=True)
class Pairs:
    """What max pooling needs to know of a sound alone: moments of each pair of neighbours.

    Attributes
    ----------
    mean : Tensor, shape=(pairs,)
        E[max(0, h1, h2)].
    wins : list of 2 Tensor
        Chance that h1, or h2, is the largest of the three.
    kinks : list of 3 (Tensor, Tensor, Tensor)
        Of each kink: the variance of what vanishes, of what is positive, and their covariance.
    """

    mean: Tensor
    wins: list[Tensor]
    kinks: list[tuple[Tensor, Tensor, Tensor]]

    @classmethod
    def of(cls, Q: Tensor) -> "Pairs":
        """Return the pairs of a sound from its own Q, shape ``(n, n)``; an odd last one is left."""
        n = Q.shape[0] // 2 * 2
        q = Q.diagonal()[:n]
        q1, q2, q12 = q[0::2], q[1::2], Q.diagonal(1)[:n:2]
        d = (q1 + q2 - 2 * q12).clamp_min(_LEAST * (q1 + q2))
        mean = (q1.sqrt() + q2.sqrt() + d.sqrt()) / (2 * math.sqrt(2 * math.pi))
        wins = [_both_positive((own - q12) / (own * d).sqrt()) for own in (q1, q2)]
        kinks = []
        for zero, rest in _KINKS:
            combinations = (zero, zero), (rest, rest), (rest, zero)
            v, u, uv = (_form(x, y, q1, q12, q12, q2) for x, y in combinations)
            kinks.append((v.clamp_min(_LEAST * (q1 + q2)), u, uv))
        return cls(mean=mean, wins=wins, kinks=kinks)


#: Least variance of a difference, relative to the variances.
_LEAST = 1e-6


def max_pooled(Q: Tensor, a: Pairs, b: Pairs) -> Tensor:
    """Return E[max(0, h1, h2) max(0, h3, h4)], shape ``(pairs_a, pairs_b)``."""
    n, m = 2 * len(a.mean), 2 * len(b.mean)
    C = [Q[i:n:2, j:m:2] for i in (0, 1) for j in (0, 1)]
    moment = a.mean[:, None] * b.mean
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        moment = moment + C[2 * i + j] * (a.wins[i][:, None] * b.wins[j])
    for (zero_a, rest_a), kink_a in zip(_KINKS, a.kinks, strict=True):
        v_a, u_a, uv_a = (x[:, None] for x in kink_a)
        for (zero_b, rest_b), (v_b, u_b, uv_b) in zip(_KINKS, b.kinks, strict=True):
            c = _form(zero_a, zero_b, *C)
            scale = (v_a * v_b).sqrt()
            constant, linear = _integrals(c / scale)
            # Given that both vanish, at s = NODE: covariances of what must be positive.
            vv, uu = NODE * c, NODE * _form(rest_a, rest_b, *C)
            uv, vu = NODE * _form(rest_a, zero_b, *C), NODE * _form(zero_a, rest_b, *C)
            det = v_a * v_b - vv.square()
            s_a = u_a - (uv_a * (v_b * uv_a - vv * uv) + uv * (v_a * uv - vv * uv_a)) / det
            of_a, of_b = v_b * vu - vv * uv_b, v_a * uv_b - vv * vu
            s_b = u_b - (vu * of_a + uv_b * of_b) / det
            s_ab = uu - (uv_a * of_a + uv * of_b) / det
            rho = s_ab / (s_a.clamp_min(_LEAST * u_a) * s_b.clamp_min(_LEAST * u_b)).sqrt()
            slope = torch.asin(rho.clamp(-_ALMOST, _ALMOST)) / (2 * math.pi * NODE)
            moment = moment + scale * (constant / 4 + linear * slope)
    return moment


_ALMOST = 1 - 1e-6


def _form(
    x: tuple[float, float],
    y: tuple[float, float],
    c11: Tensor,
    c12: Tensor,
    c21: Tensor,
    c22: Tensor,
) -> Tensor:
    """Covariance of two combinations, from those of what they combine."""
    terms = ((x[0] * y[0], c11), (x[0] * y[1], c12), (x[1] * y[0], c21), (x[1] * y[1], c22))
    return sum((weight * c for weight, c in terms if weight), torch.zeros_like(c11))


def _both_positive(correlation: Tensor) -> Tensor:
    """Chance that two Gaussians of mean 0 are both positive."""
    return 0.25 + torch.asin(correlation.clamp(-_ALMOST, _ALMOST)) / (2 * math.pi)


def _integrals(r: Tensor) -> tuple[Tensor, Tensor]:
    """Integrals over s of (1 - s) w and of s (1 - s) w, w = r^2 / (2 pi sqrt(1 - s^2 r^2))."""
    constant, linear = _Integrals.apply(r)  # type: ignore[no-untyped-call]
    return constant, linear


class _ArcCosine(torch.autograd.Function):
    """The arc-cosine kernel; autograd's own gradient is infinite where the angle is 0."""

    @staticmethod
    def forward(ctx: Any, Q: Tensor, q_a: Tensor, q_b: Tensor) -> Tensor:
        norm = q_a.sqrt()[:, None] * q_b.sqrt()
        cosine = (Q / norm).clamp_(-1, 1)
        sine = norm.mul_(
            torch.addcmul(torch.ones_like(Q[:1, :1]), cosine, cosine, value=-1).sqrt_()
        )
        angle = cosine.acos_().neg_().add_(math.pi)
        ctx.save_for_backward(angle, sine, q_a, q_b)
        K: Tensor = torch.addcmul(sine, angle, Q).mul_(1 / (2 * math.pi))
        return K

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        angle, sine, q_a, q_b = ctx.saved_tensors
        weighted = gradient * sine
        return (
            (gradient * angle).mul_(1 / (2 * math.pi)),
            weighted.sum(1) / (4 * math.pi * q_a),
            weighted.sum(0) / (4 * math.pi * q_b),
        )


class _Integrals(torch.autograd.Function):
    """The two integrals; autograd's own gradients are infinite where r = 1."""

    @staticmethod
    def forward(ctx: Any, r: Tensor) -> tuple[Tensor, Tensor]:
        r = r.clamp(-1, 1)
        r = torch.where(r.abs() < _SMALL, _SMALL, r)
        root, arcsine = (1 - r.square()).sqrt_(), torch.asin(r)
        ctx.save_for_backward(r, root, arcsine)
        constant = (r * arcsine + root - 1) / (2 * math.pi)
        linear = (1 - (root + arcsine / r) / 2) / (2 * math.pi)
        return constant, linear

    @staticmethod
    def backward(ctx: Any, of_constant: Tensor, of_linear: Tensor) -> Tensor:
        r, root, arcsine = ctx.saved_tensors
        slope = (arcsine / r - root) / (2 * r)
        gradient: Tensor = (of_constant * arcsine + of_linear * slope) / (2 * math.pi)
        return gradient


#: Correlations below this count as this; they give integrals of 1e-6 or less.
_SMALL = 1e-3
