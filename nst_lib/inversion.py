"""Log-magnitude spectrogram to waveform."""

import numpy as np
import numpy.typing as npt
import torch

from nst_lib.audio import Audio
from nst_lib.transforms import CQT, STFT, Transform, quiet_short_signals


def griffin_lim(
    S: npt.NDArray[np.float32],
    transform: Transform,
    *,
    length: int,
    n_iter: int = 32,
    momentum: float = 0.99,
    seed: int = 0,
) -> Audio:
    """Find a waveform whose spectrogram is near `S`: fast Griffin-Lim from random phase.

    As in librosa, which the study used: N. Perraudin, P. Balazs, P. L. Sondergaard, "A
    fast Griffin-Lim algorithm", WASPAA 2013.

    Parameters
    ----------
    S : np.ndarray, shape=(freq, time)
        log(1 + amplitude). Values below 0, which an optimiser may leave, become negative
        amplitudes, as in the study's code: they turn the phase of their first iteration.
    transform : STFT or CQT
        What `S` is a spectrogram of.
    length : int > 0
        Samples to return.
    n_iter : int > 0
        Iterations.
    momentum : float in [0, 1)
        0 is the original Griffin-Lim.
    seed : int
        Of the random phase.

    Returns
    -------
    y : np.ndarray, shape=(length,), float32
        The waveform; its peak may exceed 1.

    Raises
    ------
    ValueError
        If the transform has no Griffin-Lim here, or `S` does not have its bins.
    """
    if S.ndim != 2 or S.shape[0] != transform.n_freq:
        raise ValueError(f"spectrogram of shape {S.shape}; accepted: ({transform.n_freq}, time)")
    amplitude = np.expm1(S)
    if isinstance(transform, STFT):
        return _griffin_lim_stft(
            amplitude, transform, length=length, n_iter=n_iter, momentum=momentum, seed=seed
        )
    if not isinstance(transform, CQT):
        raise ValueError(f"transform {type(transform).__name__}; accepted: STFT, CQT")
    import librosa

    with quiet_short_signals():
        y = librosa.griffinlim_cqt(
            amplitude,
            n_iter=n_iter,
            momentum=momentum,
            random_state=seed,
            length=length,
            **transform.librosa_arguments,
        )
    return np.asarray(y, dtype=np.float32)


def _griffin_lim_stft(
    amplitude: npt.NDArray[np.float32],
    transform: STFT,
    *,
    length: int,
    n_iter: int,
    momentum: float,
    seed: int,
) -> Audio:
    """Take librosa's steps, from its random phase, in PyTorch: importing librosa takes seconds."""
    phase = 2 * np.pi * np.random.RandomState(seed).random(size=amplitude.shape)
    angles = torch.polar(torch.ones(amplitude.shape), torch.from_numpy(phase).float())
    target = torch.from_numpy(amplitude)
    stft = STFT(sr=transform.sr, n_fft=transform.n_fft, hop_length=transform.hop_length)
    previous = torch.zeros_like(angles)
    for _ in range(n_iter):
        rebuilt = stft.analyse(stft.synthesise(target * angles, length=length))
        angles = rebuilt - momentum / (1 + momentum) * previous
        angles /= angles.abs() + float(np.finfo(np.float32).tiny)
        previous = rebuilt
    return stft.synthesise(target * angles, length=length).numpy()
