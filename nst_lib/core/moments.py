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
          + sum_kl sqrt(v_k v_l) integral_0^1 (1 - s) c^2 / (2 pi sqrt(1 - s^2 c^2)) p_kl(s) ds

  where v are the variances of the two quantities that vanish on k and l, c their correlation, and
  p_kl(s) = 1/4 + asin(rho_kl(s)) / (2 pi) the chance that both kinks count: that what ties is above
  what does not. All of it is exact. The integral has a closed form for p constant or linear in s;
  we take asin(rho(s)) as linear through its value at `NODE`. That errs by less than 0.1 % on the
  kernels of recordings (the tests integrate it numerically).

  Correlations are easiest in coordinates where the two of a pair are independent, with variance 1.
  There a kink is a ray from 0. Its unit normal z gives what vanishes on it, and its direction, the
  normal turned by 90 degrees, gives what is positive on it; the two are independent. Let K hold the
  covariances of a pair of a with a pair of b in these coordinates, 2 x 2, and M = NODE K. Then

      c = z_k^T K z_l,   rho = n / sqrt(1 - NODE^2 c^2 + n^2)
      n = z_k^T H z_l,   H = (cof(M) - det(M) M) / sqrt(1 - |M|^2 + det(M)^2)

  with cof(M) the cofactors of M and `|M|^2` the sum of its squares.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

#: Least variance. Without biases, digital silence has none, and no correlation with anything; much
#: less than this overflows in gradients.
LEAST_VARIANCE = 1e-12
#: Where rho is evaluated; 0.5 to 0.8 do about as well.
NODE = 0.7


def arc_cosine(Q: Tensor, q_a: Tensor, q_b: Tensor) -> Tensor:
    """Return E[relu(h_a) relu(h_b)], shape ``(n_a, n_b)``."""
    K: Tensor = _ArcCosine.apply(Q, q_a, q_b)  # type: ignore[no-untyped-call]
    return K


@dataclass(frozen=True)
class Pairs:
    """What max pooling needs to know of a sound alone: moments of each pair of neighbours.

    The kinks of max(0, h1, h2) are, in this order: h1 = 0 above h2; h2 = 0 above h1; h1 = h2
    above 0.

    Attributes
    ----------
    mean : Tensor, shape=(pairs,)
        E[max(0, h1, h2)].
    wins : Tensor, shape=(pairs, 2)
        Chance that h1, or h2, is the largest of the three.
    whitening : Tensor, shape=(pairs, 2, 2)
        What brings (h1, h2) to coordinates that are independent, with variance 1.
    sizes : Tensor, shape=(pairs, 3)
        Of each kink: the standard deviation of what vanishes.
    normals : Tensor, shape=(pairs, 3, 2)
        Of each kink: what vanishes, over its size, in those coordinates.
    """

    mean: Tensor
    wins: Tensor
    whitening: Tensor
    sizes: Tensor
    normals: Tensor

    @classmethod
    def of(cls, Q: Tensor) -> "Pairs":
        """Return the pairs of a sound from its own Q, shape ``(n, n)``; an odd last one is left."""
        n = Q.shape[0] // 2 * 2
        q = Q.diagonal()[:n].clamp_min(LEAST_VARIANCE)
        # h1 = x g1 and h2 = y g1 + t g2, where g1 and g2 are the independent coordinates.
        x = q[0::2].sqrt()
        y = Q.diagonal(1)[:n:2] / x
        t = (q[1::2] - y.square()).clamp_min(_LEAST * q[1::2]).sqrt()
        zero = torch.zeros_like(x)
        vanish = torch.stack([-x, zero, y, t, x - y, -t], 1).view(-1, 3, 2)
        sizes = vanish.norm(dim=2)
        angles = torch.atan2(x - y, t), torch.atan2(t.square() - y * (x - y), x * t)
        return cls(
            mean=sizes.sum(1) / math.sqrt(8 * math.pi),
            wins=torch.stack(angles, 1) / (2 * math.pi) + 0.25,
            whitening=torch.stack([1 / x, zero, -y / (x * t), 1 / t], 1).view(-1, 2, 2),
            sizes=sizes,
            normals=vanish / sizes[:, :, None],
        )


#: Least variance of h2 given h1, relative to that of h2.
_LEAST = 1e-6


def max_pooled(Q: Tensor, a: Pairs, b: Pairs) -> Tensor:
    """Return E[max(0, h1, h2) max(0, h3, h4)], shape ``(pairs_a, pairs_b)``."""
    n, m = len(a.mean), len(b.mean)
    rows = Q[: 2 * n, : 2 * m].reshape(n, 2, 2 * m)
    first, second = (a.wins[:, None] @ rows).view(n, m, 2).unbind(2)
    slope = first * b.wins[:, 0] + second * b.wins[:, 1]
    first, second = (a.whitening @ rows).view(n, 2, m, 2).unbind(3)
    to_first, to_second = b.whitening.unbind(1)
    K = torch.stack([first * to_first[:, 0], first * to_second[:, 0] + second * to_second[:, 1]], 2)
    H: Tensor = _Conditioned.apply(NODE * K)  # type: ignore[no-untyped-call]
    curvature: Tensor = _Curvature.apply(  # type: ignore[no-untyped-call]
        _between_kinks(K, a, b), _between_kinks(H, a, b)
    )
    weighted = (a.sizes[:, None] @ curvature).view(n, 3, m) * b.sizes.mT
    return torch.outer(a.mean, b.mean) + slope + weighted.sum(1)


def _between_kinks(K: Tensor, a: Pairs, b: Pairs) -> Tensor:
    """Return z_k^T K z_l from K ``(pairs_a, 2, 2, pairs_b)``; shape ``(pairs_a, 3, 3 pairs_b)``."""
    first, second = b.normals.permute(2, 1, 0).contiguous()
    half = torch.addcmul(K[:, :, 0, None] * first, K[:, :, 1, None], second)
    return a.normals @ half.flatten(2)


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


class _Conditioned(torch.autograd.Function):
    """H from M, shape ``(pairs_a, 2, 2, pairs_b)``."""

    @staticmethod
    def forward(ctx: Any, M: Tensor) -> Tensor:
        (m11, m12), (m21, m22) = (row.unbind(1) for row in M.unbind(1))
        det = torch.addcmul(m11 * m22, m12, m21, value=-1)
        # 1 - |M|^2 + det^2, without cancellation where K = 1.
        square = (1 - det).square_().sub_((m11 - m22).square_()).sub_((m12 + m21).square_())
        scale = square.clamp_min_(_LEAST_SQUARE).rsqrt_()[:, None, None]
        det = det[:, None, None]
        H: Tensor = _cofactors(M).addcmul_(det, M, value=-1).mul_(scale)
        ctx.save_for_backward(M, H, det, scale)
        return H

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        M, H, det, scale = ctx.saved_tensors
        along_M, along_H = ((gradient * x).sum((1, 2), keepdim=True) for x in (M, H))
        inner = torch.addcmul(gradient, along_M, M, value=-1).addcmul_(along_H, H)
        of_M: Tensor = _cofactors(inner).addcmul_(det, gradient, value=-1).mul_(scale)
        return of_M


#: Exact covariances leave (1 - NODE^2)^2 or more; rounding can go below.
_LEAST_SQUARE = (1 - NODE**2) ** 2 / 2


def _cofactors(M: Tensor) -> Tensor:
    cofactors = M.flip((1, 2))
    cofactors[:, 0, 1].neg_()
    cofactors[:, 1, 0].neg_()
    return cofactors


class _Curvature(torch.autograd.Function):
    """The integral over s, from c and n; autograd's own gradient is infinite where c = 1."""

    @staticmethod
    def forward(ctx: Any, c: Tensor, n: Tensor) -> Tensor:
        results = [torch.empty_like(c) for _ in range(3)]
        blocks = (torch.split(x.view(-1), _BLOCK) for x in (c, n, *results))
        for block in zip(*blocks, strict=True):
            _integrate(*block)
        integral, *slopes = results
        ctx.save_for_backward(*slopes)
        return integral

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        by_c, by_n = ctx.saved_tensors
        return gradient * by_c, gradient * by_n


#: Elements at a time, for temporaries that stay in the cache.
_BLOCK = 2**17


def _integrate(c: Tensor, n: Tensor, integral: Tensor, by_c: Tensor, by_n: Tensor) -> None:
    """Write the integral and its derivatives by c and n.

    With r = |c| it is (r asin(r) + root - 1) / (8 pi) + linear asin(rho).
    """
    r = c.abs().clamp_(_SMALL, 1)
    arcsine, square = torch.asin(r), r.square()
    root, ratio = (1 - square).sqrt_(), arcsine / r
    linear = torch.rsub(root + ratio, 2 * _LINEAR, alpha=_LINEAR)
    left = torch.rsub(square, 1, alpha=NODE**2)
    total = torch.addcmul(left, n, n)
    angle = total.rsqrt().mul_(n).asin_()
    torch.addcmul(root, r, arcsine, out=integral).sub_(1).mul_(_CONSTANT).addcmul_(linear, angle)
    torch.mul(linear, left.sqrt(), out=by_n).div_(total)
    slope = ratio.sub(root).div_(square)
    torch.mul(ratio, _CONSTANT, out=by_c).addcmul_(slope, angle, value=_LINEAR)
    by_c.addcmul_(n.div(left), by_n, value=NODE**2).mul_(c)


#: Correlations below this count as this; they give integrals of 1e-6 or less.
_SMALL = 1e-3
_CONSTANT = 1 / (8 * math.pi)
_LINEAR = 1 / (8 * math.pi**2 * NODE)
