import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from nst_lib import ESC50, STFT
from nst_lib.core import moments
from nst_lib.core.kernel import InfiniteCNN
from nst_lib.core.moments import NODE, Pairs, _Curvature, arc_cosine, max_pooled


def covariances(rng, n: int, m: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Covariances of two sounds of n and m positions: Q_aa, Q_bb, Q_ab."""
    A, B = torch.from_numpy(rng.random((6, n))), torch.from_numpy(rng.random((6, m)))
    return A.mT @ A, B.mT @ B, A.mT @ B


@pytest.mark.parametrize(
    ("cosine", "expected"), [(1.0, 0.5), (0.0, 1 / (2 * math.pi)), (-1.0, 0.0)]
)
def test_arc_cosine_at_known_angles(cosine, expected):
    # E[relu(g)^2] = 1/2 for a standard normal, E[relu(g)]^2 = 1/(2 pi) for independent ones.
    q = torch.tensor([4.0], dtype=torch.float64), torch.tensor([9.0], dtype=torch.float64)
    K = arc_cosine(torch.tensor([[6.0 * cosine]], dtype=torch.float64), *q)
    assert K.item() == pytest.approx(6 * expected, abs=1e-12)


def test_arc_cosine_is_the_mean_over_gaussians(rng):
    Q, q_a, q_b = 0.7, 1.5, 2.0
    draws = rng.multivariate_normal([0, 0], [[q_a, Q], [Q, q_b]], size=400_000).clip(0)
    products = draws.prod(axis=1)
    exact = arc_cosine(*(torch.tensor(v) for v in ([[Q]], [q_a], [q_b]))).item()
    assert exact == pytest.approx(
        products.mean(), abs=4 * products.std() / math.sqrt(len(products))
    )


def test_maximum_of_two_is_the_mean_over_gaussians(rng):
    Q_aa, Q_bb, Q_ab = covariances(rng, 2, 2)
    joint = torch.cat([torch.cat([Q_aa, Q_ab], 1), torch.cat([Q_ab.mT, Q_bb], 1)])
    h = rng.multivariate_normal(np.zeros(4), joint.numpy(), size=1_000_000).clip(0)
    products = h[:, :2].max(1) * h[:, 2:].max(1)
    moment = max_pooled(Q_ab, Pairs.of(Q_aa), Pairs.of(Q_bb)).item()
    assert moment == pytest.approx(products.mean(), abs=4 * products.std() / 1000)


def test_mean_of_a_maximum_and_chances_to_win(rng):
    Q = covariances(rng, 2, 2)[0]
    pairs = Pairs.of(Q)
    h = rng.multivariate_normal(np.zeros(2), Q.numpy(), size=1_000_000)
    highest = h.max(1).clip(0)
    assert pairs.mean.item() == pytest.approx(highest.mean(), abs=4 * highest.std() / 1000)
    for i, wins in enumerate(pairs.wins.mT):
        share = ((h[:, i] > 0) & (h[:, i] >= h[:, 1 - i])).mean()
        assert wins.item() == pytest.approx(share, abs=0.002)


def test_independent_sounds_multiply_their_means(rng):
    Q_aa, Q_bb, Q_ab = covariances(rng, 6, 4)
    a, b = Pairs.of(Q_aa), Pairs.of(Q_bb)
    moment = max_pooled(torch.zeros_like(Q_ab), a, b)
    torch.testing.assert_close(moment, a.mean[:, None] * b.mean, rtol=1e-5, atol=0)


def test_neighbours_that_are_one_leave_the_arc_cosine(rng):
    Q = covariances(rng, 5, 5)[0]
    twice = Q.repeat_interleave(2, 0).repeat_interleave(2, 1)
    pairs = Pairs.of(twice)
    q = Q.diagonal()
    torch.testing.assert_close(
        max_pooled(twice, pairs, pairs), arc_cosine(Q, q, q), rtol=3e-3, atol=0
    )


def exact(Q: np.ndarray, node: float | None = None) -> float:
    """The module's integral for one pair with one pair, by adaptive quadrature; Q is 4 x 4.

    With a node, asin(rho) is linear through its value there.
    """
    aa, bb, ab = Q[:2, :2], Q[2:, 2:], Q[:2, 2:]
    a, b = (Pairs.of(torch.from_numpy(x.copy())) for x in (aa, bb))
    moment = float(a.mean * b.mean) + (a.wins[0].numpy() @ ab @ b.wins[0].numpy())
    kinks = [((1, 0), (0, -1)), ((0, 1), (-1, 0)), ((1, -1), (0.5, 0.5))]
    for zero_a, rest_a in kinks:
        for zero_b, rest_b in kinks:
            x = np.zeros((4, 4))  # rows: what vanishes in a and b, what must be positive in a and b
            x[0, :2], x[1, 2:], x[2, :2], x[3, 2:] = zero_a, zero_b, rest_a, rest_b

            def covariance(s, x=x):
                scaled = Q.copy()
                scaled[:2, 2:] *= s
                scaled[2:, :2] *= s
                return x @ scaled @ x.T

            def angle(s, covariance=covariance):
                C = covariance(s)
                given = C[2:, 2:] - C[2:, :2] @ np.linalg.solve(C[:2, :2], C[:2, 2:])
                rho = given[0, 1] / math.sqrt(given[0, 0] * given[1, 1])
                return math.asin(np.clip(rho, -1, 1))

            slope = node and angle(node) / node

            def integrand(s, covariance=covariance, angle=angle, slope=slope):
                chance = 0.25 + (angle(s) if slope is None else slope * s) / (2 * math.pi)
                c = covariance(1)[0, 1]
                root = math.sqrt(np.linalg.det(covariance(s)[:2, :2]))
                return (1 - s) * c**2 * chance / (2 * math.pi * root)

            moment += quad(integrand, 0, 1 - 1e-9)[0]
    return moment


def test_kinks_condition_as_gaussians_do(rng):
    for _ in range(3):
        Q_aa, Q_bb, Q_ab = covariances(rng, 2, 2)
        Q = torch.cat([torch.cat([Q_aa, Q_ab], 1), torch.cat([Q_ab.mT, Q_bb], 1)]).numpy()
        moment = max_pooled(Q_ab, Pairs.of(Q_aa), Pairs.of(Q_bb)).item()
        assert moment == pytest.approx(exact(Q, NODE), rel=1e-7)


def test_one_node_does_for_the_integral_on_recordings(esc50_root):
    network = InfiniteCNN(n_freq=513)
    for name in ("4-180337-A-28", "4-158653-A-32"):
        S = STFT()(torch.from_numpy(ESC50(esc50_root)[name].load(duration=1.0))).double()
        Q = network.convolve(S.mT @ S, 0)
        pairs = Pairs.of(Q)
        moment = max_pooled(Q, pairs, pairs)
        for i, j in ((3, 3), (10, 11), (20, 60), (5, 80), (40, 41), (70, 12)):
            rows = [2 * i, 2 * i + 1, 2 * j, 2 * j + 1]
            value = exact(Q[rows][:, rows].numpy() * (1 + 1e-9 * np.eye(4)))
            assert moment[i, j].item() == pytest.approx(value, rel=1e-3)


def curvature(c: torch.Tensor, rho: float) -> torch.Tensor:
    """The integral for correlations c, from rho at the node."""
    return _Curvature.apply(c, rho * ((1 - (NODE * c) ** 2) / (1 - rho**2)).sqrt())


@pytest.mark.parametrize("rho", [-0.6, 0.0, 0.3])
@pytest.mark.parametrize("c", [-0.9, -0.2, 0.01, 0.5, 0.99, 1.0])
def test_integral_in_closed_form(c, rho):
    def integrand(s):
        chance = 0.25 + math.asin(rho) * s / NODE / (2 * math.pi)
        return (1 - s) * c**2 / (2 * math.pi * math.sqrt(1 - s**2 * c**2)) * chance

    value = curvature(torch.tensor(c, dtype=torch.float64), rho).item()
    assert value == pytest.approx(quad(integrand, 0, 1)[0], rel=1e-5)


def test_slope_of_the_integral():
    c = torch.linspace(-0.95, 0.95, 20, dtype=torch.float64, requires_grad=True)
    n = torch.linspace(-0.9, 0.8, 20, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(_Curvature.apply, (c, n))


def test_slope_of_the_integral_vanishes_with_the_correlation():
    c = torch.tensor([-1e-5, 0, 1e-5, 1e-2], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(curvature(c, 0.4).sum(), c)
    torch.testing.assert_close(slope[:3], slope[3] * c[:3] / c[3], rtol=1e-3, atol=0)


def test_blocks_do_not_show(rng, monkeypatch):
    Q_aa, Q_bb, Q_ab = covariances(rng, 10, 14)
    Q_ab.requires_grad_()

    def moment_and_gradient():
        moment = max_pooled(Q_ab, Pairs.of(Q_aa), Pairs.of(Q_bb))
        return moment, *torch.autograd.grad(moment.square().sum(), Q_ab)

    whole = moment_and_gradient()
    monkeypatch.setattr(moments, "_BLOCK", 8)  # of 9 x 5 x 7 pairs of kinks
    torch.testing.assert_close(moment_and_gradient(), whole, rtol=1e-12, atol=1e-14)


def test_an_odd_last_position_is_left(rng):
    Q_aa, Q_bb, Q_ab = covariances(rng, 7, 5)
    even = max_pooled(Q_ab[:6, :4], Pairs.of(Q_aa[:6, :6]), Pairs.of(Q_bb[:4, :4]))
    assert even.shape == (3, 2)
    torch.testing.assert_close(max_pooled(Q_ab, Pairs.of(Q_aa), Pairs.of(Q_bb)), even)


def test_gradients(rng):
    A, B = (torch.from_numpy(rng.random((8, n)) + 0.1).requires_grad_() for n in (6, 10))

    def moment(A, B):
        return max_pooled(A.mT @ B, Pairs.of(A.mT @ A), Pairs.of(B.mT @ B))

    assert torch.autograd.gradcheck(moment, (A, B))


def test_gradient_is_finite_where_a_sound_meets_itself(rng):
    A = torch.from_numpy(rng.random((4, 8))).requires_grad_()
    Q = A.mT @ A
    pairs = Pairs.of(Q)
    (gradient,) = torch.autograd.grad(max_pooled(Q, pairs, pairs).sum(), A)
    assert gradient.isfinite().all()


def test_gradient_is_finite_where_neighbours_are_one(rng):
    A = torch.from_numpy(rng.random((4, 4))).float().repeat_interleave(4, 1).requires_grad_()
    Q = A.mT @ A
    pairs = Pairs.of(Q)
    moment = max_pooled(Q, pairs, pairs)
    (gradient,) = torch.autograd.grad(moment.sum(), A)
    assert moment.isfinite().all()
    assert gradient.isfinite().all()
