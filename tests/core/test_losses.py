import numpy as np
import pytest
import torch

from nst_lib import RandomCNN
from nst_lib.core.losses import ContentTerm, StyleTerm, gram_distance, gram_matrix, side_by_side
from nst_lib.core.objective import transfer_loss


def features(rng, channels, positions, dtype="float32") -> torch.Tensor:
    return torch.from_numpy(rng.standard_normal((channels, positions)).clip(0).astype(dtype))


def plain_distance(F, H) -> float:
    F, H = F.double().numpy(), H.double().numpy()
    return float(np.sum((F @ F.T / F.shape[1] - H @ H.T / H.shape[1]) ** 2))


@pytest.mark.parametrize(("channels", "positions"), [(512, 60), (60, 512), (128, 128)])
def test_gram_distance_equals_the_plain_one(rng, channels, positions):
    F, H = features(rng, channels, positions), features(rng, channels, positions)
    assert float(gram_distance(F, H)) == pytest.approx(plain_distance(F, H), rel=1e-5)


@pytest.mark.parametrize(("channels", "positions"), [(512, 60), (60, 512)])
@pytest.mark.parametrize("nearness", [1e-2, 1e-4])
def test_gram_distance_of_near_ones(rng, channels, positions, nearness):
    F = features(rng, channels, positions, "float64")
    shuffled = F[:, torch.from_numpy(rng.permutation(positions))]
    H = shuffled * (1 + nearness * features(rng, channels, positions, "float64"))
    assert float(gram_distance(F, H)) == pytest.approx(plain_distance(F, H), rel=1e-5)
    rounding = 4e-8 * plain_distance(F, torch.zeros_like(F))  # of float32, on any processor
    in_float32 = float(gram_distance(F.float(), H.float()))
    assert in_float32 == pytest.approx(plain_distance(F, H), rel=0, abs=rounding)


@pytest.mark.parametrize("positions", [(40, 60), (200, 60), (40, 200), (200, 300)])
def test_lengths_may_differ(rng, positions):
    F, H = (features(rng, 100, n) for n in positions)
    assert float(gram_distance(F, H)) == pytest.approx(plain_distance(F, H), rel=1e-5)
    term = StyleTerm(H, normalisation="code")
    assert float(term(F)) == pytest.approx(plain_distance(F, H) / 100**2, rel=1e-5)


def test_style_ignores_the_order_of_frames_and_content_does_not(rng):
    F = features(rng, 64, 50)
    shuffled = F[:, torch.from_numpy(rng.permutation(50))]
    style = StyleTerm(F)
    assert abs(float(style(shuffled))) < 1e-12
    assert float(style(0.9 * F)) > 1e-3
    content = ContentTerm(F)
    assert float(content(F)) == 0
    assert float(content(shuffled)) > 0.1


def test_normalisations_differ_by_their_factors(rng):
    F, H = features(rng, 20, 30), features(rng, 20, 30)
    style = {n: float(StyleTerm(H, normalisation=n)(F)) for n in ("code", "report")}
    content = {n: float(ContentTerm(H, normalisation=n)(F)) for n in ("code", "report")}
    assert style["report"] == pytest.approx(20 * style["code"])
    assert content["report"] == pytest.approx(30 * content["code"])
    gram_mse = torch.nn.functional.mse_loss(gram_matrix(F), gram_matrix(H))
    assert style["code"] == pytest.approx(float(gram_mse), rel=1e-5)
    assert content["code"] == pytest.approx(float(torch.nn.functional.mse_loss(F, H)), rel=1e-5)


@pytest.mark.parametrize(("channels", "positions"), [(64, 20), (20, 64)])
def test_normalisations_of_other_sources(rng, channels, positions):
    F, H = (features(rng, channels, positions, "float64") for _ in range(2))
    raw_F, raw_H = F @ F.T, H @ H.T
    style = {
        "gatys": ((raw_F - raw_H) ** 2).sum() / (4 * channels**2 * positions**2),
        "sum": ((raw_F - raw_H) ** 2).sum() / positions**2,
        "raw": ((raw_F - raw_H) ** 2).sum(),
        "relative": ((raw_F - raw_H) ** 2).sum() / (raw_H**2).sum(),
    }
    apart = ((F - H) ** 2).sum()
    content = {"gatys": apart / 2, "sum": apart, "raw": apart, "relative": apart / (H**2).sum()}
    for name in style:
        got = float(StyleTerm(H, normalisation=name)(F))
        assert got == pytest.approx(float(style[name]), rel=1e-9), name
        got = float(ContentTerm(H, normalisation=name)(F))
        assert got == pytest.approx(float(content[name]), rel=1e-9), name


def test_several_styles_have_the_mean_of_their_gram_matrices(rng):
    maps = [features(rng, 16, n, "float64") for n in (30, 50, 8)]
    mean = sum(gram_matrix(F) for F in maps) / 3
    torch.testing.assert_close(gram_matrix(side_by_side(maps)), mean)
    torch.testing.assert_close(side_by_side(maps[:1]), maps[0])


def restated(network, S_c, S_s, S_x, pool, normalisation):
    """The study's equations in NumPy: alpha = 1, beta = 1e8."""
    maps = []
    for x in (S_c, S_s, S_x):
        relus = []
        for k in (1, 2, 3):
            conv = network.layers[f"conv{k}"]
            w, b, pad = conv.weight.numpy(), conv.bias.numpy(), np.pad(x, ((0, 0), (5, 5)))
            h = np.stack(
                [np.tensordot(w, pad[:, t : t + 11], 2) + b for t in range(x.shape[1])], axis=1
            )
            relus.append(np.maximum(h / np.sqrt(1 + 1e-5), 0))
            x = pool(relus[-1][:, : x.shape[1] // 2 * 2].reshape(len(h), -1, 2), axis=2)
        maps.append(relus)
    c, s, x = maps
    n, u = c[2].shape
    factors = {"code": (n**2, n * u), "report": (n, n)}[normalisation]
    grams = [
        (f @ f.T / f.shape[1] - g @ g.T / g.shape[1]) for f, g in zip(s[:2], x[:2], strict=True)
    ]
    return 1e8 * sum((g**2).sum() for g in grams) / factors[0], (
        (c[2] - x[2]) ** 2
    ).sum() / factors[1]


@pytest.mark.parametrize("channels", [24, 80])
@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("normalisation", ["code", "report"])
def test_losses_equal_a_numpy_restatement(rng, channels, pooling, normalisation):
    S_c, S_s, S_x = (3 * rng.random((30, 45)) for _ in range(3))
    network = RandomCNN(n_freq=30, channels=channels, pooling=pooling).double()
    loss = transfer_loss(
        network,
        style=torch.from_numpy(S_s),
        content=torch.from_numpy(S_c),
        style_layers=("relu1", "relu2"),
        content_layers=("relu3",),
        normalisation=normalisation,
    )
    values = loss(torch.from_numpy(S_x)).values()
    pool = {"max": np.max, "average": np.mean}[pooling]
    style, content = restated(network, S_c, S_s, S_x, pool, normalisation)
    assert values["style"] == pytest.approx(style, rel=1e-9)
    assert values["content"] == pytest.approx(content, rel=1e-9)
    assert values["total"] == pytest.approx(style + content, rel=1e-9)
    assert values["style relu1"] + values["style relu2"] == pytest.approx(style, rel=1e-9)


@pytest.mark.parametrize("channels", [5, 40])
@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("orientation", ["freq", "time", "2d"])
def test_gradients(rng, channels, pooling, orientation):
    if orientation == "2d" and channels == 40:
        pytest.skip("as for 5: a map of 2d has more positions than 40 either way")
    size = (8, 12)
    network = RandomCNN(
        n_freq=8,
        n_frames=12,
        channels=channels,
        kernel=3,
        stacks=2,
        pooling=pooling,
        orientation=orientation,
        init="pytorch",
    ).double()
    S_c, S_s, S_x = (torch.from_numpy(rng.random(size)) for _ in range(3))
    loss = transfer_loss(
        network,
        style=S_s,
        content=S_c,
        style_layers=("relu1", "relu2"),
        content_layers=("relu2",),
        alpha=1.0,
        beta=10.0,
    )
    assert torch.autograd.gradcheck(lambda S: loss(S).total, S_x.requires_grad_())


def test_bad_settings(rng):
    S = torch.from_numpy(rng.random((8, 12), dtype="float32"))
    network = RandomCNN(n_freq=8, channels=4, stacks=1)
    arguments = {"style": S, "content": None, "style_layers": ["relu1"], "content_layers": []}
    with pytest.raises(ValueError, match="normalisation 'l2'; accepted: code, report"):
        transfer_loss(network, **arguments, normalisation="l2")
    with pytest.raises(ValueError, match="unknown layer relu2; accepted: conv1, bn1, relu1, pool1"):
        transfer_loss(network, **{**arguments, "style_layers": ["relu2"]})
    with pytest.raises(ValueError, match="nothing to match"):
        transfer_loss(network, **{**arguments, "style_layers": [], "content_layers": ["relu1"]})
