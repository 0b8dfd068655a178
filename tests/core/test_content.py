import numpy as np
import pytest
import torch
from torch import Tensor

from nst_lib import CQT, STFT, metrics
from nst_lib.core.content import CORRELATIONS, OnsetStrength, correlation_term
from nst_lib.sound.synth import synthesise

SR = 22050
TRANSFORMS = {
    "stft": STFT(hop_length=256, pad_mode="reflect"),
    "cqt": CQT(hop_length=256, n_bins=256, bins_per_octave=32),
}


@pytest.fixture(params=TRANSFORMS)
def transform(request):
    return TRANSFORMS[request.param]


@pytest.fixture
def small() -> STFT:
    return STFT(sr=8000, n_fft=64, hop_length=64)


def drops(seconds: float = 2.0) -> Tensor:
    return torch.from_numpy(synthesise("water_drops", seed=0, sr=SR, duration=seconds))


def noises(n: int, *, seconds: float = 3.0) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(n, round(seconds * SR), generator=generator)


def bursts(times: np.ndarray, y: Tensor) -> Tensor:
    """Let a sound through in bursts that decay with 50 ms."""
    t = torch.arange(len(y)) / SR
    since = t - torch.from_numpy(times).float()[:, None]
    return y * torch.where(since > 0, torch.exp(-since / 0.05), 0).sum(0)


@pytest.mark.parametrize("name", CORRELATIONS)
def test_0_at_the_content(name, transform, dataset):
    for pair in dataset.pairs()[:2]:
        S = transform(torch.from_numpy(pair.content.load()))
        assert float(correlation_term(name, S, transform)(S)) == pytest.approx(0, abs=2e-5)


@pytest.mark.parametrize("name", CORRELATIONS)
def test_about_1_for_unrelated_noise(name):
    transform = TRANSFORMS["stft"]
    spectrograms = [transform(y) for y in noises(8)]
    distances = [
        float(correlation_term(name, a, transform)(b))
        for a, b in zip(spectrograms[::2], spectrograms[1::2], strict=True)
    ]
    assert np.mean(distances) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize(("gain", "most"), [(0.5, 0.01), (2.0, 0.01), (0.1, 0.1), (10.0, 0.1)])
def test_onset_is_nearly_blind_to_level(transform, gain, most):
    # What counts as silence is an absolute level, taken from the content.
    term = correlation_term("onset", transform(drops()), transform)
    assert float(term(transform(gain * drops()))) < most


def test_spectrogram_is_blind_to_contrast_and_offset():
    S = TRANSFORMS["stft"](drops())
    term = correlation_term("spectrogram", S, TRANSFORMS["stft"])
    for scaled in (3 * S, 0.01 * S, S + 5):
        assert float(term(scaled)) == pytest.approx(0, abs=1e-4)
    assert float(term(-S)) == pytest.approx(2, abs=1e-4)


@pytest.mark.parametrize(("gain", "most"), [(0.5, 0.01), (2.0, 0.01), (0.1, 0.1), (10.0, 0.1)])
def test_spectrogram_is_nearly_blind_to_level(transform, gain, most):
    # log1p of an amplitude is neither its logarithm nor the amplitude.
    term = correlation_term("spectrogram", transform(drops()), transform)
    assert 0 < float(term(transform(gain * drops()))) < most


def test_onset_hears_when_and_not_what(transform):
    times = np.array([0.2, 0.75, 0.95, 1.8, 2.3])
    t = torch.arange(3 * SR) / SR
    noise, tones = noises(1)[0], sum(torch.sin(f * t) for f in (1000, 2500, 9000, 20000))
    term = correlation_term("onset", transform(bursts(times, noise)), transform)
    same, late, other = (
        float(term(transform(bursts(times + shift, tones))))
        for shift in (0, 0.05, np.array([0.3, -0.25, 0.4, -0.3, 0.2]))
    )
    assert same < 0.15
    assert same < late < other


def test_onset_strength_of_a_step_is_the_kernel(small):
    amplitude = torch.ones(small.n_freq, 101, dtype=torch.float64)
    amplitude[:, 50:] = 10
    S = amplitude.log1p()
    strength = OnsetStrength(small, S)(S)
    std = 0.05 * 8000 / 64
    expected = torch.exp(-0.5 * ((torch.arange(100).double() - 49) / std).square())
    expected *= np.log(100) / expected.sum()
    torch.testing.assert_close(strength, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("level", [-60, -80, -100])
def test_silence_is_80_db_below_the_loudest(small, level):
    amplitude = torch.zeros(small.n_freq, 101, dtype=torch.float64)
    amplitude[:, 0] = 1
    amplitude[:, 60:] = 10 ** (level / 20)
    S = amplitude.log1p()
    strength = OnsetStrength(small, S)(S)
    rise = np.log(1 + 10 ** ((level + 80) / 10))
    assert float(strength.sum()) == pytest.approx(rise, rel=1e-3)


def test_white_noise_is_equally_loud_in_all_bands(transform):
    white = torch.ones(transform.n_freq)
    torch.testing.assert_close(
        OnsetStrength(transform, white[:, None]).weights @ white, torch.ones(30)
    )


def test_steady_sounds_have_no_onsets(small):
    S = torch.rand(small.n_freq, 1, generator=torch.Generator().manual_seed(0)).repeat(1, 50)
    S[:, 25:] *= torch.linspace(1, 0, 25)  # falls are none either
    assert float(OnsetStrength(small, S)(S).abs().max()) == pytest.approx(0, abs=1e-6)


def test_onset_strength_agrees_with_the_score(dataset):
    transform = TRANSFORMS["stft"]
    for pair in dataset.pairs()[:3]:
        y = torch.from_numpy(pair.content.load())
        S = transform(y)
        ours = OnsetStrength(transform, S)(S).numpy()
        E = metrics.envelopes(y.double(), sr=SR)
        theirs = metrics.onset_strength(E).numpy()
        at = transform.times(len(ours) + 1)[:-1] + 0.5 * 256 / SR
        theirs = np.interp(at, np.arange(len(theirs)) / metrics.ONSET_RATE, theirs)
        assert np.corrcoef(ours, theirs)[0, 1] > 0.9


@pytest.mark.parametrize("name", CORRELATIONS)
def test_gradients_are_right(name, small):
    generator = torch.Generator().manual_seed(0)
    S, x = 0.5 + torch.rand(2, small.n_freq, 12, dtype=torch.float64, generator=generator)
    term = correlation_term(name, S, small)
    assert torch.autograd.gradcheck(term, x.requires_grad_())


@pytest.mark.parametrize("name", CORRELATIONS)
def test_gradients_are_finite_where_there_is_silence(name):
    transform = TRANSFORMS["stft"]
    y = torch.zeros(SR)
    y[8000:12000] = torch.sin(0.1 * torch.arange(4000))
    term = correlation_term(name, transform(y), transform)
    S = transform(y.roll(5000)).requires_grad_()
    term(S).backward()
    assert torch.isfinite(S.grad).all()
    assert 0 < float(S.grad.abs().max()) < 100
