import librosa
import numpy as np
import pytest
import torch

from nst_lib import CQT, STFT
from nst_lib.inversion import griffin_lim


def spectral_convergence(transform, y, S) -> float:
    target = np.expm1(S)
    return np.linalg.norm(transform.amplitude(torch.from_numpy(y)).numpy() - target) / (
        np.linalg.norm(target)
    )


@pytest.mark.parametrize("momentum", [0.0, 0.99])
def test_steps_are_librosas(dataset, momentum):
    y = dataset.pairs()[0].content.load(duration=0.5)
    transform = STFT()
    S = transform(torch.from_numpy(y)).numpy()
    settings = {"n_iter": 4, "momentum": momentum}
    ours = griffin_lim(S, transform, length=len(y), seed=3, **settings)
    theirs = librosa.griffinlim(
        np.expm1(S),
        hop_length=128,
        n_fft=1024,
        length=len(y),
        pad_mode="reflect",
        random_state=3,
        **settings,
    )
    assert np.linalg.norm(ours - theirs) < 1e-3 * np.linalg.norm(theirs)


@pytest.mark.parametrize(
    ("transform", "n_iter", "bound"),
    [
        # librosa's own round trips of a real or synthetic clip, measured, with a margin.
        (STFT(), 32, 0.15),
        (CQT(), 8, 0.3),
    ],
)
def test_round_trip_is_bounded(dataset, transform, n_iter, bound):
    y = dataset.pairs()[0].content.load(duration=2.0)
    S = transform(torch.from_numpy(y)).numpy()
    inverted = griffin_lim(S, transform, length=len(y), n_iter=n_iter)
    assert inverted.shape == y.shape
    assert inverted.dtype == np.float32
    assert spectral_convergence(transform, inverted, S) < bound


def test_seed_decides_the_phase(dataset):
    transform = STFT()
    y = dataset.pairs()[0].content.load(duration=0.5)
    S = transform(torch.from_numpy(y)).numpy()
    first, again, other = (
        griffin_lim(S, transform, length=len(y), n_iter=2, seed=seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_more_iterations_come_nearer(dataset):
    transform = STFT()
    y = dataset.pairs()[0].content.load(duration=1.0)
    S = transform(torch.from_numpy(y)).numpy()
    errors = [
        spectral_convergence(transform, griffin_lim(S, transform, length=len(y), n_iter=n), S)
        for n in (1, 8, 64)
    ]
    assert errors[0] > errors[1] > errors[2]


def test_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"shape \(512, 10\); accepted: \(513, time\)"):
        griffin_lim(np.zeros((512, 10), "float32"), STFT(), length=1000)
