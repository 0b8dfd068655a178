"""Moments of rectified Gaussians: the output of a random layer, averaged over its weights.

The pre-activations h are Gaussian with mean 0. The matrix Q holds their covariances between the
positions of two sounds a (rows) and b (columns). q_a and q_b are the variances: the diagonals of
each sound's own Q.

- ReLU: E[relu(h_a) relu(h_b)] is Y. Cho and L. K. Saul's arc-cosine kernel (NIPS 2009, equation 4).
- ReLU and max pooling by 2: E[f(h_a) f(h_b)] with f(h1, h2) = max(0, h1, h2). We know of no
  published formula for it. Ours scales the covariances between the sounds by s, and lets s go from
  0 to 1. At s = 0 the moment is the product of the means. Its slope there is the sum of the
  covariances C_ij, each times the probabilities that i and j are the largest (they "win"). By R.
  Price's theorem (IRE Trans. Inf. Theory 4, 1958) its curvature is a sum over the kinks of f, the
  lines k (for a) and l (for b) on which the winner changes:

      E = E[f_a] E[f_b] + sum_ij C_ij P_a(i wins) P_b(j wins)
          + sum_kl sqrt(v_k v_l) integral_0^1 (1 - s) c^2 / (2 pi sqrt(1 - s^2 c^2)) p_kl(s) ds

  v_k and v_l are the variances of the two quantities that vanish on k and l, and c is their
  correlation. p_kl(s) = 1/4 + asin(rho_kl(s)) / (2 pi) is the probability that both kinks count: on
  each kink, the two values that are equal there must be larger than the third. The expression is
  exact. The integral has a closed form if asin(rho(s)) is linear in s, so we replace asin(rho(s))
  by the line from 0 through its value at s = `NODE`. The error is less than 0.1 % on the kernels of
  recordings (the tests integrate numerically).

  Correlations are simplest in coordinates in which the two values of a pair are independent, with
  variance 1. There a kink is a ray from 0. The coordinate along its unit normal z vanishes on it.
  The coordinate along its direction, the normal turned by 90 degrees, is positive on it. The two
  coordinates are independent. Let the 2 x 2 matrix K hold the covariances of a pair of a with a
  pair of b in these coordinates, and let M = NODE K. Then

      c = z_k^T K z_l,   rho = n / sqrt(1 - NODE^2 c^2 + n^2)
      n = z_k^T H z_l,   H = (cof(M) - det(M) M) / sqrt(1 - |M|^2 + det(M)^2)

  where cof(M) is the matrix of the cofactors of M and `|M|^2` is the sum of its squared elements.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

#: The smallest variance that is used. Without biases, digital silence has variance 0, and its
#: correlations are undefined. With a much smaller value gradients overflow.
LEAST_VARIANCE = 1e-12
#: The value of s at which rho is evaluated; values from 0.5 to 0.8 are about as accurate.
NODE = 0.7


def arc_cosine(Q: Tensor, q_a: Tensor, q_b: Tensor) -> Tensor:
    """Return E[relu(h_a) relu(h_b)], shape ``(n_a, n_b)``."""
    K: Tensor = _ArcCosine.apply(Q, q_a, q_b)  # type: ignore[no-untyped-call]
    return K


def arc_cosine_of_pairs(Q: Tensor, q_a: Tensor, q_b: Tensor) -> Tensor:
    """Return E[relu(h_a) relu(h_b)] of pairs of positions; all shapes are ``(pairs,)``."""
    K: Tensor = _ArcCosineOfPairs.apply(Q, q_a, q_b)  # type: ignore[no-untyped-call]
    return K


@dataclass(frozen=True)
class Pairs:
    """Moments of each pair of neighbours in one sound, which max pooling needs.

    The kinks of max(0, h1, h2) are, in this order: h1 = 0 where h2 < 0; h2 = 0 where h1 < 0;
    h1 = h2 where both are above 0.

    Attributes
    ----------
    mean : Tensor, shape=(pairs,)
        E[max(0, h1, h2)].
    wins : Tensor, shape=(pairs, 2)
        Probability that h1 is the largest of 0, h1 and h2, and probability that h2 is.
    whitening : Tensor, shape=(pairs, 2, 2)
        Matrix that maps (h1, h2) to independent coordinates with variance 1.
    sizes : Tensor, shape=(pairs, 3)
        Standard deviation of the quantity that vanishes on each kink.
    normals : Tensor, shape=(pairs, 3, 2)
        Unit normal of each kink in those coordinates.
    """

    mean: Tensor
    wins: Tensor
    whitening: Tensor
    sizes: Tensor
    normals: Tensor

    @classmethod
    def of(cls, Q: Tensor) -> "Pairs":
        """Return the pairs of a sound from its own Q ``(n, n)``; an odd last row is left out."""
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


#: The smallest variance of h2 given h1, as a share of the variance of h2.
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
    """The arc-cosine kernel. The gradient of autograd would be infinite where the angle is 0."""

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


class _ArcCosineOfPairs(torch.autograd.Function):
    """The arc-cosine kernel, element by element."""

    @staticmethod
    def forward(ctx: Any, Q: Tensor, q_a: Tensor, q_b: Tensor) -> Tensor:
        norm = (q_a * q_b).sqrt()
        cosine = (Q / norm).clamp(-1, 1)
        sine, angle = norm * (1 - cosine.square()).sqrt(), math.pi - cosine.acos()
        ctx.save_for_backward(angle, sine, q_a, q_b)
        K: Tensor = (sine + angle * Q) / (2 * math.pi)
        return K

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        angle, sine, q_a, q_b = ctx.saved_tensors
        weighted = gradient * sine / (4 * math.pi)
        return gradient * angle / (2 * math.pi), weighted / q_a, weighted / q_b


class _Conditioned(torch.autograd.Function):
    """Compute H from M, both of shape ``(pairs_a, 2, 2, pairs_b)``."""

    @staticmethod
    def forward(ctx: Any, M: Tensor) -> Tensor:
        (m11, m12), (m21, m22) = (row.unbind(1) for row in M.unbind(1))
        det = torch.addcmul(m11 * m22, m12, m21, value=-1)
        # 1 - |M|^2 + det^2, written so that nothing cancels where K is the identity.
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


#: The smallest value under the root. With exact covariances it is at least twice this value,
#: (1 - NODE^2)^2; rounding can make it smaller.
_LEAST_SQUARE = (1 - NODE**2) ** 2 / 2


def _cofactors(M: Tensor) -> Tensor:
    cofactors = M.flip((1, 2))
    cofactors[:, 0, 1].neg_()
    cofactors[:, 1, 0].neg_()
    return cofactors


class _Curvature(torch.autograd.Function):
    """The integral over s from c and n. The gradient of autograd would be infinite where c = 1."""

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


#: Number of elements that are computed at a time, so that temporaries stay in the cache.
_BLOCK = 2**17


def _integrate(c: Tensor, n: Tensor, integral: Tensor, by_c: Tensor, by_n: Tensor) -> None:
    """Write the integral, and its derivatives by c and by n, into the last three tensors.

    With r = |c| the integral is (r asin(r) + root - 1) / (8 pi) + linear asin(rho).
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


#: Smaller correlations are raised to this value. Their integrals are 1e-6 or less.
_SMALL = 1e-3
_CONSTANT = 1 / (8 * math.pi)
_LINEAR = 1 / (8 * math.pi**2 * NODE)
