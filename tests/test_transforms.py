import librosa
import numpy as np
import pytest
import torch

from nst_lib import CQT, STFT


@pytest.fixture
def y(rng) -> torch.Tensor:
    return torch.from_numpy(0.1 * rng.standard_normal(22050).astype("float32"))


def test_shapes_at_the_study_settings(dataset):
    y = torch.from_numpy(dataset.pairs()[0].content.load())
    assert STFT()(y).shape == (513, 862)
    assert CQT()(y).shape == (512, 862)


def test_stft_agrees_with_librosa(y):
    expected = np.abs(librosa.stft(y.numpy(), n_fft=1024, hop_length=128, pad_mode="reflect"))
    np.testing.assert_allclose(STFT()(y).numpy(), np.log1p(expected), atol=1e-4)
    np.testing.assert_allclose(STFT().amplitude(y).numpy(), expected, atol=1e-3)


def test_cqt_agrees_with_librosa(y):
    settings = {"hop_length": 256, "n_bins": 96, "bins_per_octave": 12}
    expected = np.abs(librosa.cqt(y.numpy(), pad_mode="reflect", **settings))
    np.testing.assert_allclose(CQT(**settings)(y).numpy(), np.log1p(expected), atol=1e-6)
    np.testing.assert_allclose(
        CQT(**settings).freqs, librosa.cqt_frequencies(96, fmin=librosa.note_to_hz("C1"))
    )


@pytest.mark.parametrize(
    "transform", [STFT(), CQT(n_bins=256, bins_per_octave=32), CQT(n_bins=84, bins_per_octave=12)]
)
@pytest.mark.parametrize("hz", [110.0, 440.0, 2000.0])
def test_tone_lands_in_its_bin(transform, hz):
    t = torch.arange(22050) / 22050
    S = transform(0.5 * torch.sin(2 * torch.pi * hz * t))
    peak = S[:, S.shape[1] // 2].argmax()
    assert peak == np.abs(transform.freqs - hz).argmin()


@pytest.mark.parametrize("transform", [STFT(hop_length=256), CQT(hop_length=256, n_bins=448)])
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
    for transform in (STFT(), CQT(n_bins=84, bins_per_octave=12)):
        S = transform(batch)
        assert S.shape[:2] == (2, 1)
        torch.testing.assert_close(S[1, 0], transform(2 * y))


def test_stft_is_differentiable():
    transform = STFT(n_fft=16, hop_length=4).double()
    y = torch.randn(40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(transform, y.requires_grad_())


def test_cqt_says_that_it_is_not(y):
    with pytest.raises(ValueError, match="CQT is not differentiable"):
        CQT()(y.requires_grad_())


def test_bad_settings_and_short_waveforms_are_refused():
    with pytest.raises(ValueError, match="hop_length 0; accepted: more than 0"):
        STFT(hop_length=0)
    with pytest.raises(ValueError, match=r"highest CQT bin at .* below 11025 Hz"):
        CQT(n_bins=640)
    with pytest.raises(ValueError, match=r"1023 samples; accepted: .* 1024 samples or more"):
        STFT()(torch.zeros(1023))


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


@pytest.mark.parametrize(
    ("n_fft", "hop_length", "shape"),
    [(16, 4, (50,)), (16, 8, (2, 61)), (15, 5, (40,)), (16, 16, (2, 3, 33)), (16, 5, (16,))],
)
def test_gradient_of_the_stft(rng, n_fft, hop_length, shape):
    transform = STFT(sr=1000, n_fft=n_fft, hop_length=hop_length)
    y = torch.from_numpy(rng.standard_normal(shape)).requires_grad_()
    assert torch.autograd.gradcheck(transform, y)
    weights = torch.from_numpy(rng.random(tuple(transform(y).shape)))
    ours, theirs = (
        torch.autograd.grad((weights * S).sum(), y)[0]
        for S in (transform(y), torch.log1p(transform.amplitude(y)))
    )
    torch.testing.assert_close(ours, theirs)


def test_gradient_of_silence_is_finite():
    y = torch.zeros(4096, requires_grad=True)
    (gradient,) = torch.autograd.grad(STFT()(y).sum(), y)
    assert gradient.isfinite().all()
