"""Spectrograms of sounds of any length: an overview of the whole sound, and all of it in detail.

A sound is transformed in blocks, so that memory hardly grows with its length. Neighbouring frames
are averaged, so that the overview of a long sound has few frames and still shows every click.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from nst_lib.core.transforms import STFT, window_length
from nst_lib.sound.audio import Audio

#: The largest number of frames of an overview.
FRAMES = 4000
#: The largest number of frequency bands of the details.
ROWS = 128
#: Length of the analysis window, in seconds: 1024 samples at 22 050 Hz.
_WINDOW = 1024 / 22050
#: The number of frames that are computed at a time.
_BLOCK = 2048

Spectrogram = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Overview:
    """The spectrogram of a sound, log(1 + amplitude), of the mean power over its channels.

    Attributes
    ----------
    S : np.ndarray, shape=(freq, time)
        The spectrogram of the whole sound. It has at most `FRAMES` frames, each of which is the
        mean power of one frame or of several neighbours.
    transform : STFT
        The transform whose times and frequencies are those of `S`.
    detail : np.ndarray, shape=(bands, time), or None
        The same without averages over time, but in at most `ROWS` bands of equal width from 0 Hz
        to half the sampling rate; None if it was not asked for.
    step : float
        Seconds between the frames of `detail`.
    loudest : float
        The largest value of any frame, before averages: the value that is drawn as 0 dB.
    """

    S: Spectrogram
    transform: STFT
    detail: Spectrogram | None
    step: float
    loudest: float


def overview(y: Audio, *, sr: int, detail: bool = False) -> Overview:
    """Compute the spectrogram of a sound for pictures.

    Parameters
    ----------
    y : np.ndarray, shape=(samples,) or (channels, samples)
        The sound. A sound shorter than one analysis window is padded with zeros.
    sr : int > 0
        Sampling rate in Hz.
    detail : bool
        Whether to compute the details, too. The frames are then further apart, by half of the
        analysis window instead of an eighth.

    Returns
    -------
    Overview
    """
    n_fft = window_length(_WINDOW, sr=sr)
    fine = STFT(sr=sr, n_fft=n_fft, hop_length=n_fft // (2 if detail else 8))
    y = np.atleast_2d(y)
    y = np.pad(y, [(0, 0), (0, n_fft - y.shape[1])]) if y.shape[1] < n_fft else y
    merged = -(-fine.n_frames(y.shape[1]) // FRAMES)
    means, details, loudest = [], [], 0.0
    for power in _power(y, fine, block=-(-_BLOCK // merged) * merged):
        loudest = max(loudest, float(power.max()))
        whole = power[:, : power.shape[1] // merged * merged]  # of the last frames, some are left
        means.append(_log(whole.reshape(len(power), -1, merged).mean(2)))
        if detail:
            rows = min(ROWS, n_fft // 2)
            details.append(_log(power[:-1].reshape(rows, -1, power.shape[1]).mean(1)))
    return Overview(
        np.concatenate(means, axis=1),
        STFT(sr=sr, n_fft=n_fft, hop_length=fine.hop_length * merged),
        np.concatenate(details, axis=1) if detail else None,
        fine.hop_length / sr,
        float(np.log1p(np.sqrt(loudest))),
    )


def _power(y: Audio, transform: STFT, *, block: int) -> Iterator[torch.Tensor]:
    """Yield the squared magnitudes ``(freq, frames)`` of blocks of frames, the mean of channels."""
    hop, half = transform.hop_length, transform.n_fft // 2
    n_frames = transform.n_frames(y.shape[1])
    before = -(-half // hop)  # frames that reach into the block
    for first in range(0, n_frames, block):
        start, stop = max(first - before, 0), min(first + block, n_frames)
        piece = np.ascontiguousarray(y[:, start * hop : (stop - 1) * hop + half])
        coefficients = transform.analyse(torch.from_numpy(piece))
        power = coefficients.real.square() + coefficients.imag.square()
        yield power.mean(0)[:, first - start : stop - start]


def _log(power: torch.Tensor) -> Spectrogram:
    return power.sqrt().log1p().numpy()


def loudest_stretch(y: Audio, n_samples: int) -> Audio:
    """Return the part of a sound with the largest power: `n_samples`, or all if it is shorter.

    Parameters
    ----------
    y : np.ndarray, shape=(samples,) or (channels, samples)
        The sound. Parts begin at multiples of half of `n_samples`, and one ends with the sound.
    n_samples : int > 1
        Length of the part.
    """
    last = max(y.shape[-1] - n_samples, 0)
    starts = [*range(0, last, n_samples // 2), last]
    parts = [y[..., start : start + n_samples] for start in starts]
    return np.ascontiguousarray(max(parts, key=np.linalg.norm))
