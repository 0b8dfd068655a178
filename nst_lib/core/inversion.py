"""Log-magnitude spectrogram to waveform: fast Griffin-Lim, the same for every transform."""

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
    """What Griffin-Lim gives.

    Attributes
    ----------
    y : Tensor, shape=(..., samples)
        The waveform; its peak may exceed 1.
    convergence : Tensor, shape=(..., n_iter + 1)
        Spectral convergence after each projection: `|A - B| / |B|` (Frobenius), with A the
        amplitude of the waveform and B the wanted one. 0 is perfect.
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
    iteration takes the phase of the last sound, and moves the sound towards the coefficients with
    that phase and the wanted amplitude. It moves along the transform's `dual` of what is missing,
    as far as brings it nearest (our choice): where the dual is the least squares, as for the STFT,
    this is the published iteration; elsewhere it costs the same and ends nearer.

    Parameters
    ----------
    S : Tensor or np.ndarray, shape=(..., freq, time)
        log(1 + amplitude). Values below 0, which an optimiser may leave, become negative
        amplitudes, as in the study's code: they turn the phase of their first iteration.
    transform : Transform
        What `S` is a spectrogram of.
    length : int > 0
        Samples to return.
    n_iter : int >= 0
        Iterations after the first projection.
    momentum : float in [0, 1)
        0 is the original Griffin-Lim.
    seed : int
        Of the random phase, which is librosa's.
    phase_of : Tensor or None, shape=(..., length)
        A sound whose phase is the start, in place of a random one.
    callback : callable or None
        Called with iteration and spectral convergence (of several sounds, the mean).

    Returns
    -------
    Inversion

    Raises
    ------
    ValueError
        If `S` is no spectrogram of the transform and length.
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


def _direction(c: Tensor) -> Tensor:
    return torch.sgn(torch.where(c == 0, torch.ones_like(c), c))


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Return Re <a, b> over frequency and time."""
    return (torch.view_as_real(a) * torch.view_as_real(b)).sum((-3, -2, -1))


def _size(x: Tensor) -> Tensor:
    size: Tensor = torch.linalg.vector_norm(x, dim=(-2, -1))
    return size
