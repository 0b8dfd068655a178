"""Log-magnitude spectrogram to waveform."""

from typing import Any

import numpy as np
import numpy.typing as npt

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

    Runs librosa's implementation of N. Perraudin, P. Balazs, P. L. Sondergaard, "A fast
    Griffin-Lim algorithm", WASPAA 2013, which the study used.

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
    import librosa

    amplitude = np.expm1(S)
    settings: dict[str, Any] = {
        "n_iter": n_iter,
        "momentum": momentum,
        "random_state": seed,
        "length": length,
    }
    if isinstance(transform, STFT):
        y = librosa.griffinlim(
            amplitude,
            hop_length=transform.hop_length,
            n_fft=transform.n_fft,
            pad_mode="reflect",
            **settings,
        )
    elif isinstance(transform, CQT):
        with quiet_short_signals():
            y = librosa.griffinlim_cqt(amplitude, **transform.librosa_arguments, **settings)
    else:
        raise ValueError(f"transform {type(transform).__name__}; accepted: STFT, CQT")
    return np.asarray(y, dtype=np.float32)
