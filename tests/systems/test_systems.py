"""The systems that need little or nothing beside the core's settings."""

import numpy as np
import pytest
import torch

from nst_lib import RandomCNN, TransferConfig, metrics, transfer
from nst_lib.config import ConfigError
from nst_lib.system import PRESETS

SECOND = {"duration": 1.0}


@pytest.fixture(scope="session")
def waves(pair):
    """Style and content, a second each."""
    return [torch.from_numpy(clip.load(duration=1.0)) for clip in (pair.style, pair.content)]


def loss_of(config, *waves):
    """Return a system's loss towards a style and a content, and what it sees of a sound."""
    transform = config.make_transform()
    view = config.view(transform)
    style, content = (view(y) for y in waves)
    return config.loss(transform, style=style, content=content), view


def test_ulyanov_has_the_published_sizes():
    config = TransferConfig.from_preset("ulyanov2016")
    transform = config.make_transform()
    assert (transform.n_freq, transform.hop_length) == (1025, 512)
    network = config.replace(channels=8).network(n_freq=1025, n_frames=430)
    assert network(torch.rand(1025, 430), ["relu1"])["relu1"].shape == (8, 420), "430 leave 420"
    assert config.n_weights(n_freq=1025, n_frames=430) == 1025 * 4096 * 11


def test_ulyanov_sums_squares_of_one_layer(waves):
    config = TransferConfig.from_preset("ulyanov2016", channels=32)
    loss, view = loss_of(config, *waves)
    network = RandomCNN(
        n_freq=1025, stacks=1, channels=32, batch_norm=False, init="ulyanov2016", padding="valid"
    )
    F_s, F_c, F_x = (
        network(view(y), ["relu1"])["relu1"].double().numpy() for y in (*waves, waves[1].flip(0))
    )
    gram = [F @ F.T / F.shape[1] for F in (F_s, F_x)]
    values = loss(view(waves[1].flip(0))).values()
    assert values["style"] == pytest.approx(np.sum((gram[0] - gram[1]) ** 2), rel=1e-4)
    assert values["content"] == pytest.approx(1e-2 * np.sum((F_c - F_x) ** 2), rel=1e-4)


def test_ulyanov_content_is_first_order_and_style_second_order(waves):
    loss, view = loss_of(TransferConfig.from_preset("ulyanov2016", channels=32), *waves)
    content = view(waves[1])
    at_content = loss(content).values()
    assert at_content["content"] == 0
    assert at_content["style"] > 0
    texture = TransferConfig.from_preset("ulyanov2016", channels=32, alpha=0.0)
    loss, view = loss_of(texture, *waves)
    values = loss(view(waves[0])).values()
    assert values["total"] == pytest.approx(0, abs=1e-6 * at_content["style"])


def test_grinstein_has_no_content_loss_and_starts_from_the_content(pair):
    config = TransferConfig.from_preset("grinstein2018", channels=64, n_iter=4, **SECOND)
    result = transfer(pair.content, pair.style, config.replace(steps=8))
    assert {e.losses["content"] for e in result.evaluations} == {0.0}
    still = transfer(pair.content, pair.style, config.replace(steps=0))
    np.testing.assert_array_equal(still.spectrograms["optimised"], still.spectrograms["content"])
    ulyanov = TransferConfig.from_preset("ulyanov2016", channels=64, steps=1, n_iter=0, **SECOND)
    scaled = transfer(pair.content, pair.style, ulyanov.replace(start="content"))
    n_frames = scaled.spectrograms["style"].shape[1] - 10
    first = [r.evaluations[0].losses["style"] for r in (result, scaled)]
    assert first[0] == pytest.approx(n_frames**2 * first[1], rel=1e-3), "Gram matrices as sums"


def test_texture_statistics_are_those_of_the_scores(pair):
    config = TransferConfig.from_preset("grinstein2018_texture", steps=60, **SECOND)
    result = transfer(pair.content, pair.style, config)
    assert result.convergence is None, "nothing is inverted"
    families = {"timbre", *metrics.FAMILIES}
    assert {name.removeprefix("style ") for name in result.evaluations[0].losses} == families | {
        "style",
        "content",
        "total",
    }
    assert result.scores.texture > 0.4
    assert (
        result.scores.texture
        > metrics.scores(
            result.content, content=result.content, style=result.style, sr=config.sr
        ).texture
    )
    assert result.audio.std() / result.gain == pytest.approx(result.style.std(), rel=1e-3)


def test_texture_statistics_are_relative_and_blind_to_level(waves):
    config = TransferConfig.from_preset("grinstein2018_texture", precision="float64")
    style, content = (y.double() for y in waves)
    loss, view = loss_of(config, style, content)
    assert loss(view(3 * style)).values()["total"] == pytest.approx(0, abs=1e-8)
    E_s, E_x = view(style), view(content)
    values = loss(E_x).values()
    for name, statistic in metrics.STATISTICS.items():
        apart, size = (statistic(E_x) - statistic(E_s)).norm(), statistic(E_s).norm()
        assert values[f"style {name}"] == pytest.approx(min(1, float(apart / size) ** 2)), name
    with pytest.raises(ConfigError, match="sound of 900 samples; accepted: 1024 or more"):
        view(style[:900])


def test_texture_statistics_of_a_steady_style_weigh_alike(waves):
    tone = torch.sin(2 * torch.pi * 440 / 22050 * torch.arange(len(waves[1])))
    loss, view = loss_of(TransferConfig.from_preset("grinstein2018_texture"), tone, waves[1])
    values = loss(view(waves[1])).values()
    families = [value for name, value in values.items() if name.startswith("style ")]
    assert max(families) == pytest.approx(1)
    assert min(families) > 0.5


def test_texture_statistics_of_several_styles(dataset):
    styles = [dataset.choose(name) for name in ("snoring", "water_drops")]
    config = TransferConfig.from_preset("grinstein2018_texture", start="noise", steps=30, **SECOND)
    result = transfer(None, styles, config)
    assert result.evaluations[result.best_step].total < 0.5 * result.evaluations[0].total


def test_chen_is_ulyanov_on_wavelets():
    chen, ulyanov = (PRESETS[name].config.to_dict() for name in ("chen2020", "ulyanov2016"))
    differing = {name for name, value in chen.items() if value != ulyanov[name]}
    analysis = {"transform", "hop_length", "n_bins", "bins_per_octave", "residual", "scale"}
    assert differing == {"preset"} | analysis
    assert PRESETS["chen2020"].source.startswith("inspired by")
    transform = PRESETS["chen2020"].config.make_transform()
    assert type(transform).__name__ == "CWT"
    octave = transform.freqs[transform.bins][48] / transform.freqs[transform.bins][0]
    assert octave == pytest.approx(2)


def test_mital_sees_real_part_imaginary_part_and_magnitude(waves):
    config = TransferConfig.from_preset("mital2017", channels=16)
    transform = config.make_transform()
    V = config.view(transform)(waves[0])
    expected = torch.stft(
        waves[0],
        2048,
        256,
        window=torch.hann_window(2048),
        center=True,
        pad_mode="reflect",
        return_complex=True,
    )
    torch.testing.assert_close(V, torch.cat([expected.real, expected.imag, expected.abs()]))
    assert config.replace(channels=4096).n_weights(n_freq=len(V), n_frames=V.shape[1]) == (
        4096 * 3 * 1025 * 15
    )


def test_mital_style_is_a_linear_magnitude_and_relu1(waves):
    loss, view = loss_of(TransferConfig.from_preset("mital2017", channels=16), *waves)
    losses = loss(view(waves[1]))
    values = losses.values()
    assert values["content"] == 0
    assert values["content input"] == 0
    magnitudes = [view(y)[-1025:].double().numpy() for y in waves]
    gram = [M @ M.T / M.shape[1] for M in magnitudes]
    assert values["style magnitude"] == pytest.approx(np.sum((gram[0] - gram[1]) ** 2), rel=1e-4)
    assert values["style"] == pytest.approx(values["style magnitude"] + values["style relu1"])
    content = loss(view(waves[0])).values()
    apart = (view(waves[0]) - view(waves[1])).double().square().sum()
    assert content["content input"] == pytest.approx(0.05 * float(apart), rel=1e-4)
    assert content["content"] == pytest.approx(
        content["content input"] + content["content relu1"], rel=1e-6
    )


def test_mital_draws_for_one_plane(waves):
    config = TransferConfig.from_preset("mital2017", channels=64)
    (style, content), (loss, view) = waves, loss_of(config, *waves)
    W = loss.features.terms.distances.network.layers["conv1"].weight
    W = W / W.std() * (4 / ((1025 + 64) * 15)) ** 0.5
    relu1 = [torch.relu(torch.nn.functional.conv1d(view(y), W)) for y in (style, content)]
    gram = [F @ F.T / F.shape[1] for F in relu1]
    expected = float((gram[0] - gram[1]).square().sum())
    assert loss(view(content)).values()["style relu1"] == pytest.approx(expected, rel=0.05)


def test_mital_hears_a_phase(waves):
    loss, view = loss_of(TransferConfig.from_preset("mital2017", channels=16), *waves)
    flipped = loss(view(-waves[1])).values()
    assert flipped["content input"] > 1, "a content whose sign is turned is another input"
    assert flipped["style magnitude"] == loss(view(waves[1])).values()["style magnitude"]


@pytest.mark.parametrize("engine", ["finite", "infinite"])
def test_mital_optimises_the_sound(pair, engine):
    config = TransferConfig.from_preset("mital2017", engine=engine, channels=32, **SECOND)
    result = transfer(pair.content, pair.style, config.replace(steps=20))
    assert {e.domain for e in result.evaluations} == {"waveform"}
    assert result.convergence is None
    best = result.evaluations[result.best_step]
    assert best.total < 0.9 * result.evaluations[0].total
    assert result.realised["total"] == pytest.approx(best.total, rel=0.01)
    texture = transfer(None, pair.style, config.replace(steps=2))
    assert texture.realised["content"] == 0


def test_deep_follows_its_stacks():
    config = TransferConfig.from_preset("deep", stacks=4)
    assert config.style_layers == ("relu1", "relu2", "relu3", "relu4")
    chosen = TransferConfig.from_preset("deep", stacks=4, style_layers=["relu4"])
    assert chosen.style_layers == ("relu4",)
    assert TransferConfig.from_dict(config.to_dict()) == config
    with pytest.raises(ConfigError, match=r"stacks=17; accepted: a whole number \[1 to 16\]"):
        config.replace(stacks=17)


def test_a_content_weight_needs_a_content_loss():
    with pytest.raises(
        ConfigError, match=r"content_weight=0\.5: grinstein2018 has no content loss"
    ):
        TransferConfig.from_preset("grinstein2018", content_weight=0.5)
    TransferConfig.from_preset("grinstein2018", content_weight=0.5, content_terms=["onset"])
    TransferConfig.from_preset("grinstein2018", content_weight=0)


def test_deep_signals_do_not_fade(waves):
    config = TransferConfig.from_preset("deep")
    transform = config.make_transform()
    S = transform(torch.from_numpy(np.tile(waves[0].numpy(), 3)))
    depth = {}
    for init in ("ulyanov2016", "milacic2020"):
        network = config.replace(init=init).network(n_freq=1025, n_frames=S.shape[1])
        layers = network(S, depth=8)
        # How much of a kernel is neither bias nor mean: what tells positions apart.
        depth[init] = [float(layer.own.std() / layer.own.mean()) for layer in layers]
    assert depth["ulyanov2016"][-1] > 0.1 * depth["ulyanov2016"][0]
    assert depth["milacic2020"][4] < 0.1 * depth["ulyanov2016"][4]


@pytest.mark.parametrize("stacks", [4, 8])
@pytest.mark.parametrize("pooling", ["average", "max"])
def test_deep_transfers_with_any_depth_and_pooling(pair, stacks, pooling):
    shown = [f"relu{stack}" for stack in range(1, stacks + 1)]
    config = TransferConfig.from_preset("deep", style_layers=shown, pooling=pooling, duration=2.5)
    result = transfer(pair.content, pair.style, config.replace(steps=12))
    names = [name for name in result.realised if name.startswith("style relu")]
    assert names == [f"style {name}" for name in shown]
    assert result.evaluations[result.best_step].total < 0.6 * result.evaluations[0].total
