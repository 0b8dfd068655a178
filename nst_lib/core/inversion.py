"""Inversion of log-magnitude spectrograms: fast Griffin-Lim, the same for every transform."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nst_lib.core.shapes import validate_shape
from nst_lib.core.transforms import Transform


@dataclass(frozen=True)
class Inversion:
    """The result of Griffin-Lim.

    Attributes
    ----------
    y : Tensor, shape=(..., samples)
        The waveform; its peak may exceed 1.
    convergence : Tensor, shape=(..., n_iter + 1)
        Spectral convergence after each projection: `|A - B| / |B|` (Frobenius norm), where A holds
        the amplitudes of the waveform and B the target amplitudes. 0 is a perfect match.
    """

    y: Tensor
    convergence: Tensor


def griffin_lim(
    S: Tensor | npt.NDArray[np.float32],
    transform: Transform,
    *,
    length: int,
    n_iter: int = 32,
    momentum: float = 0.99,
    seed: int = 0,
    phase_of: Tensor | None = None,
    callback: Callable[[int, float], None] | None = None,
) -> Inversion:
    """Find a waveform whose spectrogram is near `S`: fast Griffin-Lim.

    N. Perraudin, P. Balazs, P. L. Sondergaard, "A fast Griffin-Lim algorithm", WASPAA 2013. Each
    iteration takes the phase of the sound so far, and combines it with the target amplitudes. It
    moves the sound towards these coefficients, in the direction that the transform's `dual` gives
    for the difference, with the step size that brings it nearest. The direction and the step size
    are our choice. For the STFT, `dual` solves the least squares and the iteration is the published
    one. For other transforms an iteration costs the same and the result is nearer to the target.

    Parameters
    ----------
    S : Tensor or np.ndarray, shape=(..., freq, time)
        log(1 + amplitude). Values below 0, which an optimiser may leave, become negative
        amplitudes, as in the study's code: they invert the phase in the first iteration.
    transform : Transform
        The transform that belongs to `S`.
    length : int > 0
        Number of samples to return.
    n_iter : int >= 0
        Number of iterations after the first projection.
    momentum : float in [0, 1)
        Momentum; 0 is the original Griffin-Lim.
    seed : int
        Seed of the random phase at the start, which is drawn as in librosa.
    phase_of : Tensor or None, shape=(..., length)
        A sound whose phase is used at the start instead of a random phase.
    callback : callable or None
        Called after each projection with its number and the spectral convergence; with several
        sounds, the mean of theirs.

    Returns
    -------
    Inversion

    Raises
    ------
    ValueError
        If `S` does not have the shape that the transform gives for this length.
    """
    target = torch.as_tensor(S).expm1()
    validate_shape(target, (transform.n_freq, transform.n_frames(length)), length=length)
    if phase_of is None:
        turns = np.random.RandomState(seed).random(size=tuple(target.shape))
        phase = torch.from_numpy(2 * np.pi * turns).to(target)
        angles = torch.polar(torch.ones_like(target), phase)
    else:
        angles = _direction(transform.analyse(phase_of.to(target))).expand(target.shape)
    norm = _size(target).clamp_min(torch.finfo(target.dtype).tiny)
    y = torch.zeros(*target.shape[:-2], length).to(target)
    rebuilt = torch.zeros_like(angles)
    convergence = []
    for iteration in range(n_iter + 1):
        missing = target * angles - rebuilt
        step = transform.dual(missing, length=length)
        image = transform.analyse(step)
        share = _dot(image, missing) / _dot(image, image).clamp_min(torch.finfo(y.dtype).tiny)
        y = y + share[..., None] * step
        previous, rebuilt = rebuilt, rebuilt + share[..., None, None] * image
        convergence.append(_size(rebuilt.abs() - target) / norm)
        if callback is not None:
            callback(iteration, float(convergence[-1].mean()))
        angles = _direction(rebuilt + momentum * (rebuilt - previous))
    return Inversion(y, torch.stack(convergence, dim=-1))


def spectral_convergence(
    y: Tensor | npt.NDArray[np.float32],
    S: Tensor | npt.NDArray[np.float32],
    transform: Transform,
) -> float:
    """Return how far the spectrogram of a sound is from a target: `|A - B| / |B|`.

    A holds the amplitudes of the sound and B the target amplitudes (Frobenius norm). 0 is a perfect
    match, and 1 is the value of silence. :func:`griffin_lim` returns this number for every
    iteration, computed from rebuilt coefficients; here it is measured with the sound alone.

    Parameters
    ----------
    y : Tensor or np.ndarray, shape=(samples,)
        The sound.
    S : Tensor or np.ndarray, shape=(freq, time)
        The target, log(1 + amplitude).
    transform : Transform
        The transform that belongs to `S`.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If `S` does not have the shape that the transform gives for this sound.
    """
    sound = torch.as_tensor(y)
    target = torch.as_tensor(S).expm1()
    length = sound.shape[-1]
    validate_shape(target, (transform.n_freq, transform.n_frames(length)), length=length)
    return float(_size(transform.amplitude(sound) - target) / _size(target))


def _direction(c: Tensor) -> Tensor:
    return torch.sgn(torch.where(c == 0, torch.ones_like(c), c))


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Return Re <a, b> over frequency and time."""
    return (torch.view_as_real(a) * torch.view_as_real(b)).sum((-3, -2, -1))


def _size(x: Tensor) -> Tensor:
    size: Tensor = torch.linalg.vector_norm(x, dim=(-2, -1))
    return size
