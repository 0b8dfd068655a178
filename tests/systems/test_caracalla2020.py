import numpy as np
import pytest
import torch

from nst_lib import TransferConfig, transfer
from nst_lib.config import ConfigError
from nst_lib.core.parallel import ParallelCNN
from nst_lib.systems.caracalla2020 import SIZES, RISpectrogram, TimeGramLoss, time_gram

SMALL = {"filters": 4, "duration": 1.0}


@pytest.fixture(scope="session")
def config():
    return TransferConfig.from_preset("caracalla2020", **SMALL)


@pytest.fixture(scope="session")
def waves(pair):
    return [torch.from_numpy(clip.load(duration=1.0)) for clip in (pair.style, pair.content)]


def test_the_published_sizes(config):
    published = TransferConfig.from_preset("caracalla2020")
    transform = published.make_transform()
    assert (transform.n_fft, transform.hop_length, published.filters) == (512, 256, 128)
    assert (published.steps, published.beta, published.domain) == (5000, 1e9, "waveform")
    network = config.network(n_freq=257, n_frames=431)
    maps = network(torch.rand(2, 257, 431)).values()
    assert [F.shape for F in maps] == [(4, 258 - height, 432 - width) for height, width in SIZES]
    assert published.n_weights(n_freq=257, n_frames=431) > 128 * 2 * sum(
        height * width for height, width in SIZES
    )


def test_weights_have_the_published_spread(config):
    impulse = torch.zeros(2, 257, 60)
    impulse[0, 128, 30] = 1.0
    network = config.replace(filters=64).network(n_freq=257, n_frames=60)
    for F, (height, width) in zip(network(impulse).values(), SIZES, strict=True):
        weights = F[F > 1e-5]
        assert len(weights) == pytest.approx(64 * height * width / 2, rel=0.1), "no bias"
        assert float(weights.max()) == pytest.approx(0.05, rel=0.02)
        assert float(weights.mean()) == pytest.approx(0.025, rel=0.1)


def test_real_and_imaginary_part_are_compressed(config, waves):
    view = config.view(config.make_transform())
    z = torch.stft(
        waves[0],
        512,
        256,
        window=torch.hann_window(512),
        center=True,
        pad_mode="reflect",
        return_complex=True,
    )
    z = z / z.abs().max()
    x = view(waves[0])
    torch.testing.assert_close(x[0], torch.tanh(5 * z.real))
    torch.testing.assert_close(x[1], torch.tanh(5 * z.imag))
    assert 0.5 < float(x.abs().max()) < 1


@pytest.mark.parametrize("gain", [1e-3, 7.0])
def test_the_view_is_blind_to_level(config, waves, gain):
    view = config.view(config.make_transform())
    torch.testing.assert_close(view(gain * waves[0]), view(waves[0]), rtol=1e-4, atol=1e-5)
    assert float((view(-waves[0]) + view(waves[0])).abs().max()) < 1e-5, "and hears a sign"


def test_products_are_averaged_over_time_and_frequency_is_kept(rng):
    F = torch.from_numpy(rng.random((5, 11, 23)))
    H = time_gram(F)
    expected = np.einsum("imn,jmn->ijm", F.numpy(), F.numpy()) / 23
    np.testing.assert_allclose(H.permute(1, 2, 0).numpy(), expected)
    torch.testing.assert_close(time_gram(F[:, :, torch.from_numpy(rng.permutation(23))]), H)
    torch.testing.assert_close(time_gram(F.roll(1, dims=1)), H.roll(1, dims=0))
    assert float((time_gram(F.roll(1, dims=1)) - H).abs().max()) > 0.1


def test_the_loss_equals_an_einsum_restatement(rng):
    sizes = ((5, 2), (3, 3), (1, 4))
    network = ParallelCNN(sizes, shape=(2, 9), filters=6, bound=0.05).double()
    x_s, x = (torch.from_numpy(rng.standard_normal((2, 9, n))) for n in (14, 19))
    values = TimeGramLoss(network, [x_s], beta=1e9)(x).values()
    for name, F in network(x).items():
        H, H_s = (
            np.einsum("imn,jmn->ijm", f.numpy(), f.numpy()) / f.shape[-1]
            for f in (F, network(x_s)[name])
        )
        expected = 1e9 * np.sum((H - H_s) ** 2) / np.sum(H_s**2)
        assert values[f"style {name}"] == pytest.approx(expected)
    assert values["total"] == pytest.approx(sum(values[f"style relu{k}"] for k in (1, 2, 3)))
    assert values["content"] == 0


def test_several_styles_have_their_mean(rng):
    network = ParallelCNN(((3, 3),), shape=(2, 9), filters=6, bound=0.05).double()
    styles = [torch.from_numpy(rng.standard_normal((2, 9, n))) for n in (14, 19)]
    loss = TimeGramLoss(network, styles, beta=1.0)
    mean = sum(time_gram(network(x)["relu1"]) for x in styles) / 2
    torch.testing.assert_close(loss.relu1, mean)


def test_the_gradient_with_respect_to_the_sound(rng):
    config = TransferConfig.from_preset("caracalla2020", n_fft=32, hop_length=16)
    view = RISpectrogram(config.make_transform())
    y_s, y = (torch.from_numpy(rng.standard_normal(240)) for _ in range(2))
    network = ParallelCNN(((7, 2), (3, 5)), shape=(2, 17), filters=3, bound=0.05).double()
    loss = TimeGramLoss(network, [view(y_s)], beta=1.0)
    assert torch.autograd.gradcheck(lambda y: loss(view(y)).total, y.requires_grad_())
    silence = torch.zeros(240, dtype=torch.float64, requires_grad=True)
    loss(view(silence)).total.backward()
    assert silence.grad.isfinite().all()


def test_the_loss_is_zero_at_the_style_and_hears_a_shift_in_frequency(config, waves):
    transform = config.make_transform()
    view = config.view(transform)
    loss = config.loss(transform, style=view(waves[0]), content=view(waves[1]))
    with torch.no_grad():
        at_style = loss(view(waves[0])).values()
        at_content = loss(view(waves[1])).values()
        shifted = loss(view(waves[0]).roll(3, dims=1)).values()
    assert at_style["total"] == pytest.approx(0, abs=1e-6 * at_content["total"])
    assert shifted["total"] > 1e-2 * at_content["total"]
    assert set(at_style) == {"style", "content", "total"} | {f"style relu{k}" for k in range(1, 9)}


def test_a_texture_from_white_noise(pair, config):
    result = transfer(None, pair.style, config.replace(steps=25, texture_duration=0.8))
    first, best = result.evaluations[0], result.evaluations[result.best_step]
    assert best.total < 1e-2 * first.total
    assert result.convergence is None, "nothing is inverted"
    assert result.realised["total"] == pytest.approx(best.total, rel=0.01)
    assert result.audio.shape == (17640,)
    levels = [np.sqrt(np.mean(y**2)) for y in (result.audio / result.gain, result.style)]
    assert levels[0] == pytest.approx(levels[1], rel=1e-3)


def test_from_a_content(pair, config):
    result = transfer(pair.content, pair.style, config.replace(start="content", steps=6))
    assert result.evaluations[result.best_step].total < 0.9 * result.evaluations[0].total
    still = transfer(pair.content, pair.style, config.replace(start="content", steps=0))
    energies = [np.mean(y**2) for y in (still.style, still.content)]
    at_one_level = still.content * np.sqrt(energies[0] / energies[1])
    np.testing.assert_allclose(still.audio, still.gain * at_one_level, rtol=1e-3, atol=1e-5)


def test_bad_input(pair, config):
    with pytest.raises(ConfigError, match=r"domain='hybrid'; accepted: a word \[waveform\]"):
        config.replace(domain="hybrid")
    with pytest.raises(ConfigError, match=r"caracalla2020 has no setting 'content_weight'"):
        config.replace(content_weight=0.5)
    with pytest.raises(ValueError, match=r"18 frames; accepted: 27 or more"):
        transfer(None, pair.style, config.replace(duration=0.2))
    with pytest.raises(ValueError, match="65 frequency bins; accepted: 101 or more"):
        transfer(None, pair.style, config.replace(n_fft=128))
    for huge in ({"filters": 60000}, {"filters": 2000, "texture_duration": 600}):
        with pytest.raises(ValueError, match=r"frames: feature maps .* GB are free; accepted: few"):
            transfer(None, pair.style, config.replace(**huge))
