"""Covariances of the channels of a sound, in auditory bands and over time.

A covariance has the shape ``(frames, bands, channels, channels)``. It is the real part of the
products of the channels' spectra, summed over half-cosine bands on the ERB-rate scale, which
together cover all frequencies, and smoothed over time. The spectra come from a short-time Fourier
transform, block by block, so that a long sound needs little memory.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import irfft, rfft
from scipy.ndimage import gaussian_filter1d
from scipy.signal import oaconvolve

from nst_lib.core.bands import erb_rate, half_cosines
from nst_lib.core.shaping import Waveform
from nst_lib.core.transforms import window_length

#: Length of the window in seconds; the nearest power of two in samples is used. The hop is a
#: quarter of it.
WINDOW = 0.046
#: Standard deviation in seconds of the smoothing of covariances over time.
SMOOTHING = 0.06
#: Number of frames in a block.
BLOCK = 256

Array = npt.NDArray[Any]


class Grid:
    """The frames and the bands of sounds with a given number of samples.

    A sound has the shape ``(channels, samples)``, float32. Each frame overlaps with six others; the
    frames begin before the sound and end after it, so that each sample is in four frames.

    Attributes
    ----------
    frames : int > 0
        Number of frames.
    weights : np.ndarray, shape=(bands, bins)
        Weights of the frequencies in each band. Those of each frequency add up to 1.
    """

    def __init__(self, samples: int, *, sr: int) -> None:
        self.samples = samples
        self.n_fft = window_length(WINDOW, sr=sr)
        self.hop = self.n_fft // 4
        self.frames = -(-samples // self.hop) + 3
        self.std = SMOOTHING * sr / self.hop
        self.window = np.hanning(self.n_fft + 1)[:-1].astype(np.float32)
        high = float(erb_rate(np.array(sr / 2)))
        n = round(high)  # bands about one ERB apart
        step = high / (n + 1)
        scale = erb_rate(np.fft.rfftfreq(self.n_fft, 1 / sr)).clip(step, high - step)
        self.weights = np.square(half_cosines(scale, 0.0, high, n=n)).astype(np.float32)

    def blocks(self) -> Iterator[slice]:
        """Yield the frames block by block."""
        for first in range(0, self.frames, BLOCK):
            yield slice(first, min(first + BLOCK, self.frames))

    def analyse(self, y: Waveform, block: slice, filters: Waveform | None = None) -> Array:
        """Return the spectrum of the (filtered) channels, ``(channels, frames, bins)``."""
        first, last = self._span(block)
        past = 0 if filters is None else filters.shape[1] - 1
        begin, end = max(first - past, 0), max(min(last, self.samples), 0)
        padded = np.pad(y[:, begin:end], ((0, 0), (begin - first + past, last - end)))
        if filters is not None:
            padded = oaconvolve(padded, filters, axes=1)[:, past : past + last - first]
        frames = sliding_window_view(padded, self.n_fft, axis=1)[:, :: self.hop]
        return np.asarray(rfft(frames * self.window, axis=2))

    def add(self, y: Waveform, spectrum: Array, block: slice) -> None:
        """Add the sound of a block of frames to `y`, shape ``(channels, samples)``."""
        frames = irfft(spectrum, self.n_fft, axis=2) * (self.window / 1.5)
        channels, n, _ = frames.shape
        total = np.zeros((channels, n + 3, self.hop), np.float32)
        for part in range(4):
            total[:, part : part + n] += frames[..., part * self.hop : (part + 1) * self.hop]
        first, last = self._span(block)
        begin, end = max(first, 0), min(last, self.samples)
        y[:, begin:end] += total.reshape(channels, -1)[:, begin - first : end - first]

    def spread(self, gains: Array) -> Array:
        """Return gains of bands ``(..., bands)`` as gains of frequencies ``(..., bins)``."""
        return np.asarray(gains.astype(np.float32) @ self.weights)

    def covariances(self, y: Waveform) -> Array:
        """Return smoothed covariances, shape ``(frames, bands, channels, channels)``."""
        channels = len(y)
        result = np.empty((self.frames, len(self.weights), channels, channels), np.float32)
        for block in self.blocks():
            spectrum = self.analyse(y, block)
            for i in range(channels):
                for j in range(i + 1):
                    cross = (spectrum[i] * spectrum[j].conj()).real @ self.weights.T
                    result[block, :, i, j] = result[block, :, j, i] = cross
        return np.asarray(gaussian_filter1d(result, self.std, axis=0))

    def _span(self, block: slice) -> tuple[int, int]:
        """Return the first sample of a block of frames, and the one after its last."""
        first = (block.start - 3) * self.hop
        return first, first + (block.stop - block.start - 1) * self.hop + self.n_fft


def normalised(covariance: Array) -> Array:
    """Return covariances divided by their mean power; without any power, channels are equal."""
    mean = power(covariance)[..., None, None]
    return np.divide(covariance, mean, out=np.ones_like(covariance), where=mean > 0)


def power(covariance: Array) -> Array:
    """Return the mean power of the channels."""
    return np.asarray(diagonal(covariance).mean(-1))


def diagonal(covariance: Array) -> Array:
    """Return the power of each channel, shape ``(..., channels)``."""
    return np.asarray(np.einsum("...ii->...i", covariance))


def correlations(covariance: Array, loudest: Array) -> Array:
    """Return the correlations with the loudest channel, shape ``(frames, bands, channels)``."""
    band = np.arange(len(loudest))
    cross = covariance[:, band, :, loudest].swapaxes(0, 1)
    powers = diagonal(covariance)
    size = np.sqrt(powers * powers[:, band, loudest][..., None])
    return np.asarray(np.divide(cross, size, out=np.ones_like(cross), where=size > 0))
