import math

import numpy as np
import pytest
import torch

from nst_lib import ESC50, STFT, RandomCNN
from nst_lib.kernel import InfiniteCNN, KernelLoss, _ArcCosine, _DiagonalSum
from nst_lib.losses import TransferLoss

SIZE = {"n_freq": 24, "kernel": 5, "init": "pytorch"}
LAYERS = {"style_layers": ("relu1", "relu2"), "content_layers": ("relu2",)}
#: Style over content, and the loss of relu1 and relu2 at the start: closed form, as in DESIGN.
PUBLISHED = [
    ("4-180337-A-28", "4-102844-A-49", 203, 0.103),
    ("4-197103-A-6", "4-175845-A-43", 18.5, 0.0102),
    ("4-99193-A-4", "4-158653-A-32", 30.2, 0.0186),
]


@pytest.fixture
def sounds(rng) -> tuple[torch.Tensor, ...]:
    """A style, a content and a candidate, of 40, 50 and 50 frames."""
    return tuple(torch.from_numpy(3 * rng.random((24, n)) ** 2) for n in (40, 50, 50))


def finite(sounds, channels: int, seed: int, **weights) -> TransferLoss:
    """A finite network whose weights and biases are Gaussian, with the limit's variances."""
    style, content, _ = sounds
    network = RandomCNN(channels=channels, stacks=2, pooling="average", **SIZE).double()
    generator = torch.Generator().manual_seed(seed)
    for name in ("conv1", "conv2"):
        layer = network.layers[name]
        std = 1 / math.sqrt(3 * layer.weight[0].numel())
        layer.weight.normal_(0, std, generator=generator)
        layer.bias.normal_(0, std, generator=generator)
    return TransferLoss(network, style=style, content=content, **LAYERS, **weights)


def infinite(sounds, channels: int = 64, **weights) -> KernelLoss:
    style, content, _ = sounds
    network = InfiniteCNN(channels=channels, stacks=2, **SIZE)
    return KernelLoss(network, style=style, content=content, **LAYERS, **weights)


@pytest.mark.parametrize(("style", "content", "relu1", "relu2"), PUBLISHED)
def test_published_start_of_each_layer(esc50_root, style, content, relu1, relu2):
    dataset = ESC50(esc50_root)
    S_s, S_c = (STFT()(torch.from_numpy(dataset[name].load())) for name in (style, content))
    loss = KernelLoss(
        InfiniteCNN(),
        style=S_s,
        content=S_c,
        style_layers=("relu1", "relu2"),
        content_layers=("relu3",),
    )
    with torch.no_grad():
        values = loss(S_c).values()
    assert values["style relu1"] == pytest.approx(relu1, rel=0.01)
    assert values["style relu2"] == pytest.approx(relu2, rel=0.01)
    assert abs(values["content relu3"]) < 1e-9


@pytest.mark.parametrize("normalisation", ["code", "report"])
def test_mean_over_draws_is_the_limit(sounds, normalisation):
    weights = {"alpha": 3.0, "beta": 5.0, "normalisation": normalisation}
    exact = infinite(sounds, channels=512, **weights)(sounds[2]).values()
    draws = [finite(sounds, 512, seed, **weights)(sounds[2]).values() for seed in range(12)]
    for name, value in exact.items():
        mean = np.mean([draw[name] for draw in draws])
        error = np.std([draw[name] for draw in draws], ddof=1) / math.sqrt(len(draws))
        # A finite Gram distance is biased upwards by a share of order 1/channels.
        assert mean == pytest.approx(value, abs=4 * error + 0.02 * value), name


def test_finite_networks_converge_as_one_over_the_root_of_the_width(sounds):
    x = sounds[2].clone().requires_grad_()
    widths, draws = [32, 128, 512, 2048], 6

    def loss_and_gradient(loss):
        total = loss(x).total
        return np.append(torch.autograd.grad(total, x)[0].numpy().ravel(), total.item())

    errors = []
    for width in widths:
        exact = loss_and_gradient(infinite(sounds, width, beta=1.0, alpha=0.0))
        got = [
            loss_and_gradient(finite(sounds, width, seed, beta=1.0, alpha=0.0))
            for seed in range(draws)
        ]
        gradient = [np.linalg.norm((g - exact)[:-1]) / np.linalg.norm(exact[:-1]) for g in got]
        value = [((g - exact)[-1] / exact[-1]) ** 2 for g in got]
        errors.append((np.mean(gradient), math.sqrt(np.mean(value))))
    slopes = [
        np.polyfit(np.log(widths), np.log(error), 1)[0] for error in zip(*errors, strict=True)
    ]
    assert slopes[0] == pytest.approx(-0.5, abs=0.15), "gradients"
    assert slopes[1] == pytest.approx(-0.5, abs=0.25), "losses"


@pytest.mark.parametrize("with_content", [False, True])
def test_gradients(rng, with_content):
    style, content, x = (torch.from_numpy(rng.random((4, n))) for n in (9, 12, 12))
    loss = KernelLoss(
        InfiniteCNN(n_freq=4, stacks=2, channels=16, kernel=3, init="pytorch"),
        style=style,
        content=content if with_content else None,
        **LAYERS,
        alpha=2.0,
        beta=3.0,
    )
    assert torch.autograd.gradcheck(lambda S: loss(S).total, x.requires_grad_())


def test_gradient_is_finite_where_a_sound_meets_itself(sounds):
    loss = infinite((sounds[1], sounds[1], sounds[1]), beta=1.0)
    x = sounds[1].clone().requires_grad_()
    losses = loss(x)
    assert abs(losses.total.item()) < 1e-12
    (gradient,) = torch.autograd.grad(losses.total, x)
    assert gradient.abs().max() < 1e-6


def test_order_of_distant_frames_does_not_matter(sounds):
    silent = torch.zeros(24, 10, dtype=torch.float64)
    a, b = sounds[0][:, :8], sounds[0][:, 8:16]
    one, other = (torch.cat([silent, p, silent, q, silent], 1) for p, q in ((a, b), (b, a)))
    network = InfiniteCNN(stacks=1, **SIZE)
    loss = KernelLoss(
        network, style=one, content=None, style_layers=("relu1",), content_layers=(), beta=1.0
    )
    assert abs(loss(other).total.item()) < 1e-15
    assert loss(sounds[1]).total.item() > 1e-9


@pytest.mark.parametrize("radius", [0, 1, 2, 5, 8])
def test_diagonal_sum(rng, radius):
    P = torch.from_numpy(rng.standard_normal((9, 13))).requires_grad_()
    expected = np.zeros((9, 13))
    for t, u in np.ndindex(9, 13):
        for d in range(-radius, radius + 1):
            if 0 <= t + d < 9 and 0 <= u + d < 13:
                expected[t, u] += P[t + d, u + d].item()
    np.testing.assert_allclose(_DiagonalSum.apply(P, radius).detach(), expected, atol=1e-12)
    assert torch.autograd.gradcheck(lambda P: _DiagonalSum.apply(P, radius), P)


@pytest.mark.parametrize(
    ("cosine", "expected"), [(1.0, 0.5), (0.0, 1 / (2 * math.pi)), (-1.0, 0.0)]
)
def test_arc_cosine_at_known_angles(cosine, expected):
    # E[relu(g)^2] = 1/2 for a standard normal, E[relu(g)]^2 = 1/(2 pi) for independent ones.
    q = torch.tensor([4.0], dtype=torch.float64), torch.tensor([9.0], dtype=torch.float64)
    K = _ArcCosine.apply(torch.tensor([[6.0 * cosine]], dtype=torch.float64), *q)
    assert K.item() == pytest.approx(6 * expected, abs=1e-12)


def test_arc_cosine_is_the_mean_over_gaussians(rng):
    Q, q_a, q_b = 0.7, 1.5, 2.0
    draws = rng.multivariate_normal([0, 0], [[q_a, Q], [Q, q_b]], size=400_000).clip(0)
    products = draws.prod(axis=1)
    exact = _ArcCosine.apply(*(torch.tensor(v) for v in ([[Q]], [q_a], [q_b]))).item()
    assert exact == pytest.approx(
        products.mean(), abs=4 * products.std() / math.sqrt(len(products))
    )


def test_what_has_no_closed_form_is_refused(sounds):
    with pytest.raises(ValueError, match="pooling 'max' of infinite width; accepted: average"):
        InfiniteCNN(pooling="max")
    with pytest.raises(ValueError, match="orientation '2d' of infinite width; accepted: freq"):
        InfiniteCNN(orientation="2d")
    network = InfiniteCNN(stacks=2, **SIZE)
    arguments = {"style": sounds[0], "content": None, "content_layers": ()}
    with pytest.raises(ValueError, match="layer conv1; accepted: relu1, relu2"):
        KernelLoss(network, **arguments, style_layers=("conv1",))
    with pytest.raises(ValueError, match="nothing to match"):
        KernelLoss(network, **arguments, style_layers=())
