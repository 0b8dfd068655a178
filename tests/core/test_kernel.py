import math

import numpy as np
import pytest
import torch

from nst_lib import ESC50, STFT, RandomCNN
from nst_lib.core.kernel import InfiniteCNN, _DiagonalSum
from nst_lib.core.objective import TradeOff, WeightedSum, transfer_loss

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


def finite(sounds, channels: int, seed: int, **weights) -> WeightedSum | TradeOff:
    """A finite network whose weights and biases are Gaussian, with the limit's variances."""
    style, content, _ = sounds
    network = RandomCNN(channels=channels, stacks=2, pooling="average", **SIZE).double()
    generator = torch.Generator().manual_seed(seed)
    for name in ("conv1", "conv2"):
        layer = network.layers[name]
        std = 1 / math.sqrt(3 * layer.weight[0].numel())
        layer.weight.normal_(0, std, generator=generator)
        layer.bias.normal_(0, std, generator=generator)
    return transfer_loss(network, style=style, content=content, **LAYERS, **weights)


def infinite(sounds, channels: int = 64, **weights) -> WeightedSum | TradeOff:
    style, content, _ = sounds
    network = InfiniteCNN(channels=channels, stacks=2, **SIZE)
    return transfer_loss(network, style=style, content=content, **LAYERS, **weights)


NORMAL = {"n_freq": 24, "kernel": 5, "init": "ulyanov2016", "stacks": 2, "batch_norm": False}


def unbiased(kind, *, pooling="average", padding="same", dtype=torch.float64, **drawn):
    """A network of 2048 channels without biases, or its limit."""
    return kind(channels=2048, pooling=pooling, padding=padding, **NORMAL, **drawn).to(dtype)


def assert_mean_of_drawn(values, x, settings, **network):
    """Losses of the limit are about the means of three drawn networks."""
    drawn = [
        transfer_loss(unbiased(RandomCNN, seed=seed, **network), **settings)(x).values()
        for seed in range(3)
    ]
    for name, value in values.items():
        assert np.mean([one[name] for one in drawn]) == pytest.approx(value, rel=0.12), name


@pytest.mark.long
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("normalisation", ["code", "report", "gatys", "sum", "raw", "relative"])
def test_other_paddings_draws_and_normalisations_in_the_limit(sounds, padding, normalisation):
    style, content, x = sounds
    settings = {"style": style, "content": content, "normalisation": normalisation, **LAYERS}
    limit = transfer_loss(unbiased(InfiniteCNN, padding=padding), **settings)
    assert_mean_of_drawn(limit(x).values(), x, settings, padding=padding)


@pytest.mark.long
@pytest.mark.parametrize("normalisation", ["code", "relative"])
def test_several_styles_in_the_limit(sounds, normalisation):
    style, content, x = sounds
    styles = [style, content.flip(0)]
    settings = {"style": styles, "content": content, "normalisation": normalisation, **LAYERS}
    limit = transfer_loss(unbiased(InfiniteCNN), **settings)
    assert_mean_of_drawn(limit(x).values(), x, settings)


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_digital_silence_without_biases(sounds, pooling):
    style, content, x = (S.clone() for S in sounds)
    style[:, 10:31], content[:, 5:28], x[:, 20:44] = 0, 0, 0
    settings = {"style": style, "content": content, **LAYERS}
    limit = transfer_loss(unbiased(InfiniteCNN, pooling=pooling), **settings)
    x.requires_grad_()
    losses = limit(x)
    losses.total.backward()
    assert x.grad.isfinite().all()
    assert x.grad.abs().sum() > 0
    assert_mean_of_drawn(losses.values(), x, settings, pooling=pooling)
    single = transfer_loss(
        unbiased(InfiniteCNN, pooling=pooling, dtype=torch.float32),
        **{**settings, "style": style.float(), "content": content.float()},
    )
    y = x.detach().float().requires_grad_()
    losses_of_single = single(y)
    losses_of_single.total.backward()
    for name, value in losses_of_single.values().items():
        assert value == pytest.approx(losses.values()[name], rel=1e-3), name
    torch.testing.assert_close(y.grad.double(), x.grad, rtol=1e-2, atol=1e-3 * x.grad.abs().max())


def test_too_short_for_valid_padding(sounds):
    network = InfiniteCNN(padding="valid", stacks=3, **{**SIZE, "kernel": 21})
    with pytest.raises(ValueError, match="the filters span 21 positions, but"):
        network(sounds[0].float(), depth=3)


@pytest.mark.parametrize(("style", "content", "relu1", "relu2"), PUBLISHED)
def test_published_start_of_each_layer(esc50_root, style, content, relu1, relu2):
    dataset = ESC50(esc50_root)
    S_s, S_c = (STFT()(torch.from_numpy(dataset[name].load())) for name in (style, content))
    loss = transfer_loss(
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


@pytest.mark.long
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
    loss = transfer_loss(
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
    loss = transfer_loss(
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
    np.testing.assert_allclose(_DiagonalSum.apply(P, radius, 0, 1).detach(), expected, atol=1e-12)
    assert torch.autograd.gradcheck(lambda P: _DiagonalSum.apply(P, radius, 0, 1), P)


@pytest.mark.parametrize(
    ("orientation", "pooling"),
    [
        ("freq", "max"),
        ("freq", "none"),
        ("time", "average"),
        ("time", "max"),
        ("2d", "average"),
        ("2d", "none"),
    ],
)
def test_every_engine_is_the_mean_over_wide_draws(rng, orientation, pooling):
    shape = (9, 12) if orientation == "2d" else (20, 24)
    style, content, x = (torch.from_numpy(3 * rng.random(shape) ** 2) for _ in range(3))
    settings = {
        "n_freq": shape[0],
        "n_frames": shape[1],
        "orientation": orientation,
        "pooling": pooling,
        "kernel": 3,
        "stacks": 3,
        "init": "pytorch",
        "channels": 256,
    }
    terms = {"style": style, "content": content, "beta": 1.0}
    layers = {"style_layers": ("relu1", "relu2", "relu3"), "content_layers": ("relu3",)}

    def values(network) -> dict[str, float]:
        return transfer_loss(network, **terms, **layers)(x).values()

    exact = values(InfiniteCNN(**settings))
    draws = []
    for seed in range(24):
        network = RandomCNN(**settings).double()
        generator = torch.Generator().manual_seed(seed)
        for name in ("conv1", "conv2", "conv3"):
            layer = network.layers[name]
            std = 1 / math.sqrt(3 * layer.weight[0].numel())
            layer.weight.normal_(0, std, generator=generator)
            layer.bias.normal_(0, std, generator=generator)
        draws.append(values(network))
    for name, value in exact.items():
        sample = [draw[name] for draw in draws]
        error = np.std(sample, ddof=1) / math.sqrt(len(sample))
        # A finite Gram distance is biased upwards by a share of order 1/channels.
        assert np.mean(sample) == pytest.approx(value, abs=4 * error + 0.03 * value), name


@pytest.mark.parametrize("pooling", ["max", "average", "none"])
@pytest.mark.parametrize("orientation", ["freq", "time", "2d"])
def test_gradients_of_every_engine(rng, orientation, pooling):
    if (orientation, pooling) == ("2d", "max"):
        pytest.skip("has no closed form")
    style, content, x = (torch.from_numpy(rng.random((5, 7))) for _ in range(3))
    network = InfiniteCNN(
        n_freq=5,
        n_frames=7,
        orientation=orientation,
        pooling=pooling,
        stacks=2,
        channels=16,
        kernel=3,
        init="pytorch",
    )
    loss = transfer_loss(network, style=style, content=content, **LAYERS, alpha=2.0, beta=3.0)
    assert torch.autograd.gradcheck(lambda S: loss(S).total, x.requires_grad_())


def test_one_stack_is_the_same_along_time_of_the_transposed(sounds):
    layers = {"style_layers": ("relu1",), "content_layers": (), "beta": 1.0}
    style, x = sounds[1], sounds[2]
    settings = {"stacks": 1, "kernel": 5, "init": "pytorch"}
    along = InfiniteCNN(n_freq=24, **settings)
    across = InfiniteCNN(n_freq=50, n_frames=24, orientation="time", **settings)
    one = transfer_loss(along, style=style, content=None, **layers)(x)
    other = transfer_loss(across, style=style.mT, content=None, **layers)(x.mT)
    assert one.total.item() == pytest.approx(other.total.item(), rel=1e-12)


def test_max_pooling_on_recordings_against_wide_networks(esc50_root):
    # The issue's bound is 2 % of the loss; the draws' own standard error is the larger part here.
    dataset = ESC50(esc50_root)
    names = ("4-180337-A-28", "4-102844-A-49")
    style, content = (STFT()(torch.from_numpy(dataset[n].load(duration=1.0))) for n in names)
    layers = {"style_layers": ("relu1", "relu2"), "content_layers": ()}
    settings = {"n_freq": 513, "stacks": 2, "pooling": "max", "channels": 1024}
    arguments = {"style": style, "content": content, **layers}
    with torch.no_grad():
        exact = transfer_loss(InfiniteCNN(**settings), **arguments)(content).values()
        draws = [
            transfer_loss(RandomCNN(**settings, seed=seed), **arguments)(content).values()
            for seed in range(6)
        ]
        average = transfer_loss(InfiniteCNN(**{**settings, "pooling": "average"}), **arguments)
    for name in ("style relu1", "style relu2"):
        sample = [draw[name] for draw in draws]
        error = np.std(sample, ddof=1) / math.sqrt(len(sample))
        assert np.mean(sample) == pytest.approx(exact[name], abs=3 * error + 0.01 * exact[name])
    gap = abs(average(content).values()["style relu2"] / exact["style relu2"] - 1)
    assert gap > 0.1, "average pooling is not max pooling"


def test_float32_agrees_with_float64(sounds):
    exact = infinite(sounds, beta=1.0)(sounds[2]).values()
    style, content, x = (S.float() for S in sounds)
    single = infinite((style, content, x), beta=1.0)(x).values()
    for name, value in exact.items():
        assert single[name] == pytest.approx(value, rel=1e-4, abs=1e-9), name


def test_what_is_not_tractable_is_refused(sounds):
    with pytest.raises(ValueError, match="pooling 'max' has no closed form for orientation '2d'"):
        InfiniteCNN(orientation="2d", pooling="max")
    with pytest.raises(ValueError, match="orientation 'both'; accepted: freq, time, 2d"):
        InfiniteCNN(orientation="both")
    with pytest.raises(ValueError, match=r"442206 positions .*; accepted: 8192 or fewer"):
        InfiniteCNN(orientation="2d")(torch.zeros(513, 862), depth=1)
    with pytest.raises(ValueError, match="sounds of 40 and 50 frames, which are the network"):
        transfer_loss(
            InfiniteCNN(n_frames=50, orientation="time", stacks=1),
            style=sounds[0],
            content=sounds[1],
            style_layers=("relu1",),
            content_layers=(),
        )(sounds[1])
    network = InfiniteCNN(stacks=3, **SIZE)
    with pytest.raises(
        ValueError, match="pooling needs 2 positions, but the spectrogram leaves only 1"
    ):
        network(torch.ones(24, 3, dtype=torch.float64), depth=3)
    arguments = {"style": sounds[0], "content": None, "content_layers": ()}
    with pytest.raises(ValueError, match="unknown layer conv1; accepted: relu1, relu2, relu3"):
        transfer_loss(network, **arguments, style_layers=("conv1",))
    with pytest.raises(ValueError, match="nothing to match"):
        transfer_loss(network, **arguments, style_layers=())
