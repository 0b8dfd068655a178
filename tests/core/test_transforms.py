import librosa
import numpy as np
import pytest
import torch

from nst_lib import CQT, CWT, STFT


@pytest.fixture
def y(rng) -> torch.Tensor:
    return torch.from_numpy(0.1 * rng.standard_normal(22050).astype("float32"))


def test_shapes_at_the_study_settings(dataset):
    y = torch.from_numpy(dataset.pairs()[0].content.load())
    assert STFT()(y).shape == (513, 862)
    assert CQT()(y).shape == (512, 862)


@pytest.mark.parametrize("pad_mode", ["constant", "reflect"])
def test_stft_agrees_with_librosa(y, pad_mode):
    transform = STFT(pad_mode=pad_mode)
    expected = np.abs(librosa.stft(y.numpy(), n_fft=1024, hop_length=128, pad_mode=pad_mode))
    np.testing.assert_allclose(transform(y).numpy(), np.log1p(expected), atol=1e-4)
    np.testing.assert_allclose(transform.amplitude(y).numpy(), expected, atol=1e-3)


@pytest.mark.parametrize(
    ("settings", "tolerance"),
    [
        ({"hop_length": 128, "n_bins": 512, "bins_per_octave": 64}, 0.01),
        ({"hop_length": 64, "n_bins": 320, "bins_per_octave": 64, "fmin": 100.0}, 0.01),
        # librosa's windows are up to half a sample off centre, which shows in short ones.
        ({"hop_length": 128, "n_bins": 160, "bins_per_octave": 24, "sr": 16000}, 0.02),
        ({"hop_length": 256, "n_bins": 96, "bins_per_octave": 12}, 0.03),
    ],
)
def test_cqt_agrees_with_librosa(dataset, settings, tolerance):
    for pair in dataset.pairs()[:3]:
        y = pair.style.load(sr=settings.get("sr", 22050))
        expected = np.abs(librosa.cqt(y, sparsity=0, **settings))
        ours = CQT(**settings).amplitude(torch.from_numpy(y)).numpy()
        assert np.linalg.norm(ours - expected) < tolerance * np.linalg.norm(expected)


def test_bins_are_librosas():
    np.testing.assert_allclose(
        CQT(n_bins=96, bins_per_octave=12).freqs,
        librosa.cqt_frequencies(96, fmin=librosa.note_to_hz("C1")),
    )


def test_residual_bands_go_to_0_hz_and_to_the_nyquist_frequency():
    for transform in (CQT(residual=True), CWT(residual=True)):
        assert transform.freqs[0] == 0
        assert 0.98 * 11025 < transform.freqs[-1] < 11025
        inner = transform.freqs[transform.freqs >= CQT().freqs[0] - 1e-6]
        np.testing.assert_allclose(inner[:512], CQT().freqs)
        np.testing.assert_array_equal(transform.freqs[transform.bins], inner[:512])
        assert len(transform.freqs) == transform.n_freq


@pytest.mark.parametrize("make", [CQT, CWT])
def test_scale_multiplies_the_coefficients(make, y):
    scaled = make(n_bins=96, scale=30.0)
    torch.testing.assert_close(scaled.analyse(y), 30 * make(n_bins=96).analyse(y))
    rebuilt = scaled.synthesise(scaled.analyse(y), length=len(y))
    same = make(n_bins=96).synthesise(make(n_bins=96).analyse(y), length=len(y))
    torch.testing.assert_close(rebuilt, same, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("hz", [100.0, 1000.0])
def test_amplitude_of_a_tone_in_the_cwt(hz):
    """A / 2 times the wavelet's integral, pi^(1/4) sqrt(2 s): Torrence and Compo, table 1."""
    transform = CWT(n_bins=1, voices=12, fmin=hz, w0=20)
    t = torch.arange(22050, dtype=torch.float64) / 22050
    amplitude = transform.amplitude(0.5 * torch.cos(2 * torch.pi * hz * t))
    s = 20 * 22050 / (2 * np.pi * hz)
    expected = 0.25 * np.pi**0.25 * np.sqrt(2 * s)
    middle = amplitude[0, amplitude.shape[1] // 2]
    assert float(middle) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    "transform",
    [
        STFT(),
        CQT(n_bins=256, bins_per_octave=32),
        CQT(n_bins=84, bins_per_octave=12),
        CWT(n_bins=256, voices=32),
        CQT(n_bins=256, bins_per_octave=32, residual=True),
    ],
)
@pytest.mark.parametrize("hz", [110.0, 440.0, 2000.0])
def test_tone_lands_in_its_bin(transform, hz):
    t = torch.arange(22050) / 22050
    S = transform(0.5 * torch.sin(2 * torch.pi * hz * t))
    peak = S[:, S.shape[1] // 2].argmax()
    assert peak == np.abs(transform.freqs - hz).argmin()


@pytest.mark.parametrize(
    "transform",
    [STFT(hop_length=256), CQT(hop_length=256, n_bins=448), CWT(hop_length=256, n_bins=448)],
)
def test_click_lands_in_its_frame(transform):
    y = torch.zeros(22050)
    y[11025] = 1.0
    S = transform(y)
    top = S[-1]
    seconds = transform.times(S.shape[1])[int(top.argmax())]
    assert seconds == pytest.approx(0.5, abs=256 / 22050)
    assert S.shape[1] == transform.n_frames(22050)


def test_batches(y):
    batch = torch.stack([y, 2 * y]).reshape(2, 1, -1)
    for transform in (STFT(), CQT(n_bins=84, bins_per_octave=12), CWT(n_bins=84, voices=12)):
        S = transform(batch)
        assert S.shape[:2] == (2, 1)
        torch.testing.assert_close(S[1, 0], transform(2 * y))


SMALL = [
    STFT(sr=1000, n_fft=16, hop_length=4),
    STFT(sr=1000, n_fft=16, hop_length=8),
    STFT(sr=1000, n_fft=15, hop_length=5),
    STFT(sr=1000, n_fft=16, hop_length=16),
    STFT(sr=1000, n_fft=16, hop_length=5, pad_mode="reflect"),
    STFT(sr=1000, n_fft=15, hop_length=5, pad_mode="reflect"),
    CQT(sr=1000, hop_length=4, n_bins=8, bins_per_octave=4, fmin=80),
    CQT(sr=1000, hop_length=4, n_bins=8, bins_per_octave=4, fmin=80, pad_mode="reflect"),
    CQT(sr=1000, hop_length=4, n_bins=8, bins_per_octave=4, fmin=80, residual=True),
]


@pytest.mark.parametrize("transform", SMALL)
@pytest.mark.parametrize("shape", [(50,), (2, 51)])
def test_gradient_of_the_log_amplitude(rng, transform, shape):
    y = torch.from_numpy(rng.standard_normal(shape)).requires_grad_()
    assert torch.autograd.gradcheck(transform, y)
    weights = torch.from_numpy(rng.random(tuple(transform(y).shape)))
    ours, theirs = (
        torch.autograd.grad((weights * S).sum(), y)[0]
        for S in (transform(y), torch.log1p(transform.amplitude(y)))
    )
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("transform", SMALL)
def test_adjoint(rng, transform):
    y = torch.from_numpy(rng.standard_normal(61))
    coefficients = transform.analyse(y)
    shape = tuple(coefficients.shape)
    other = torch.complex(*(torch.from_numpy(rng.standard_normal(shape)) for _ in range(2)))
    there = (coefficients * other.conj()).real.sum()
    torch.testing.assert_close(there, (y * transform.adjoint(other, length=61)).sum())


@pytest.mark.parametrize("transform", SMALL)
def test_coefficients_of_another_length_are_refused(transform):
    coefficients = transform.analyse(torch.zeros(70))
    frames = transform.n_frames(50)
    message = rf"coefficients of shape .*; accepted: \(..., {transform.n_freq}, {frames}\) for 50"
    for inverse in (transform.adjoint, transform.dual, transform.synthesise):
        with pytest.raises(ValueError, match=message):
            inverse(coefficients, length=50)


@pytest.mark.parametrize("transform", [SMALL[0], SMALL[2], SMALL[4], SMALL[5]])
def test_stft_synthesises_what_it_analysed(rng, transform):
    y = torch.from_numpy(rng.standard_normal((2, 61)))
    torch.testing.assert_close(transform.synthesise(transform.analyse(y), length=61), y)


@pytest.mark.parametrize("transform", [STFT(), CQT(), CWT()])
def test_gradient_of_silence_is_finite(transform):
    y = torch.zeros(4096, requires_grad=True)
    (gradient,) = torch.autograd.grad(transform(y).sum(), y)
    assert gradient.isfinite().all()


def test_bad_settings_and_short_waveforms_are_refused():
    with pytest.raises(ValueError, match="hop_length 0; accepted: more than 0"):
        STFT(hop_length=0)
    with pytest.raises(ValueError, match=r"highest bin at .* does not end below 11025 Hz"):
        CQT(n_bins=640)
    with pytest.raises(ValueError, match=r"1023 samples; accepted: 1024 samples or more"):
        STFT()(torch.zeros(1023))
    with pytest.raises(ValueError, match=r"w0 4; accepted: 5 or more"):
        CWT(w0=4)
    with pytest.raises(ValueError, match=r"pad_mode 'wrap'; accepted: constant, reflect"):
        CQT(pad_mode="wrap")


@pytest.mark.filterwarnings("ignore:n_fft=.* is too large for input signal")
@pytest.mark.parametrize("n_bins", [530, 532, 534, 536, 538, 540])
def test_cqt_refuses_what_librosa_refuses(n_bins, y):
    def accepted(run) -> bool:
        try:
            run()
        except (ValueError, librosa.ParameterError):
            return False
        return True

    ours = accepted(lambda: CQT(n_bins=n_bins))
    assert ours <= accepted(lambda: librosa.cqt(y.numpy(), n_bins=n_bins, bins_per_octave=64))
