import librosa
import numpy as np
import pytest
import torch

from nst_lib import CQT, CWT, STFT
from nst_lib.core.inversion import griffin_lim, spectral_convergence

TRANSFORMS = {
    "stft": STFT(),
    "stft, mirrored": STFT(pad_mode="reflect"),
    "cqt": CQT(),
    "cqt, residual": CQT(residual=True),
    "cwt": CWT(),
}


@pytest.fixture(params=TRANSFORMS)
def transform(request):
    return TRANSFORMS[request.param]


@pytest.fixture
def y(dataset) -> torch.Tensor:
    return torch.from_numpy(dataset.pairs()[0].content.load(duration=1.0))


def test_spectral_convergence_of_known_sounds(transform, y):
    S = transform(y)
    assert spectral_convergence(y, S, transform) == pytest.approx(0, abs=1e-6)
    assert spectral_convergence(0 * y, S, transform) == pytest.approx(1)
    assert spectral_convergence(0.7 * y.numpy(), S.numpy(), transform) == pytest.approx(
        0.3, rel=1e-4
    )
    with pytest.raises(ValueError, match="samples"):
        spectral_convergence(y[: len(y) // 2], S, transform)


@pytest.mark.parametrize("momentum", [0.0, 0.99])
def test_steps_on_the_stft_are_librosas(y, momentum):
    S = STFT()(y)
    settings = {"n_iter": 4, "momentum": momentum}
    ours = griffin_lim(S, STFT(), length=len(y), seed=3, **settings)
    theirs = librosa.griffinlim(
        S.expm1().numpy(),
        hop_length=128,
        n_fft=1024,
        length=len(y),
        random_state=3,
        **settings,
    )
    assert np.linalg.norm(ours.y.numpy() - theirs) < 1e-4 * np.linalg.norm(theirs)


def test_reports_how_near_it_came(transform, y):
    S = transform(y)
    heard = []
    inversion = griffin_lim(
        S, transform, length=len(y), n_iter=16, callback=lambda *report: heard.append(report)
    )
    assert inversion.y.shape == y.shape
    assert inversion.y.dtype == torch.float32
    last = float(inversion.convergence[-1])
    assert last == pytest.approx(spectral_convergence(inversion.y, S, transform), rel=1e-3)
    assert last < 0.4 * float(inversion.convergence[0])
    assert last < 0.25
    assert [iteration for iteration, _ in heard] == list(range(17))
    np.testing.assert_allclose([value for _, value in heard], inversion.convergence, rtol=1e-6)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:n_fft=.* is too large for input signal")
def test_nearer_than_librosa_on_the_cqt(dataset):
    y = dataset.pairs()[0].content.load(duration=2.0)
    S = CQT()(torch.from_numpy(y))
    settings = {"n_iter": 16, "length": len(y)}
    ours = griffin_lim(S, CQT(), **settings)
    theirs = librosa.griffinlim_cqt(
        S.expm1().numpy(), hop_length=128, bins_per_octave=64, random_state=0, **settings
    )
    assert float(ours.convergence[-1]) < spectral_convergence(theirs, S, CQT())


def test_seed_decides_the_phase(y):
    S = STFT()(y)
    first, again, other = (
        griffin_lim(S, STFT(), length=len(y), n_iter=2, seed=seed).y for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert (first - other).abs().max() > 1e-3


def test_the_right_phase_is_the_end(transform, y):
    S = transform(y)
    inversion = griffin_lim(S, transform, length=len(y), n_iter=0, phase_of=y)
    assert float(inversion.convergence[0]) < 0.15
    random = griffin_lim(S, transform, length=len(y), n_iter=0)
    assert float(random.convergence[0]) > 0.5


def test_momentum_helps(y):
    S = CQT()(y)
    plain, fast = (
        griffin_lim(S, CQT(), length=len(y), momentum=momentum).convergence[-1]
        for momentum in (0.0, 0.99)
    )
    assert fast < 0.8 * plain


def test_batches_are_the_sounds_one_by_one(dataset):
    clips = [pair.content.load(duration=0.5) for pair in dataset.pairs()[:2]]
    transform = CQT(n_bins=96, bins_per_octave=12)
    S = transform(torch.from_numpy(np.stack(clips)))
    together = griffin_lim(S, transform, length=len(clips[0]), n_iter=3)
    assert together.y.shape == (2, len(clips[0]))
    assert together.convergence.shape == (2, 4)
    first = griffin_lim(S[0], transform, length=len(clips[0]), n_iter=3)
    torch.testing.assert_close(together.y[0], first.y, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("settings", [{"hop_length": 512}, {"n_bins": 96, "bins_per_octave": 12}])
def test_stays_bounded_where_the_coefficients_are_too_few(y, settings):
    transform = CQT(**settings)
    S = transform(y)
    inversion = griffin_lim(S, transform, length=len(y), n_iter=32)
    assert inversion.convergence[-1] < inversion.convergence[0]
    assert inversion.y.abs().max() < 10 * y.abs().max()


def test_double_precision_and_numpy(y):
    S = STFT()(y.double()).numpy()
    assert griffin_lim(S, STFT(), length=len(y), n_iter=1).y.dtype == torch.float64


def test_silence(transform):
    S = torch.zeros(transform.n_freq, transform.n_frames(22050))
    inversion = griffin_lim(S, transform, length=22050, n_iter=2)
    assert not inversion.y.any()
    assert not inversion.convergence.any()


def test_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"shape \(512, 10\); accepted: \(..., 513, 8\) for 1000"):
        griffin_lim(np.zeros((512, 10), "float32"), STFT(), length=1000)
