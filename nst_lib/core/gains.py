"""A sound under gains that vary over time and frequency: what domain "gains" optimises.

The gains are natural logarithms of amplitude, one for each of `N_BANDS` auditory bands and each
frame of a short-time Fourier transform. Between the centres of two bands they are interpolated. All
gains 0 leave the sound as it is. Frames overlap and are smooth, so gains make no clicks.

A transfer that optimises samples can make any sound, and much of what it makes is noise that no
loss term hears. Gains can only make parts of a sound louder or softer: its fine structure stays.
"""

import itertools
import math
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from nst_lib.core.bands import BAND_RANGE, N_BANDS, erb_rate, half_cosines
from nst_lib.core.transforms import window_length

#: Length of the window in seconds; the nearest power of two in samples is used. The hop is a
#: quarter of it.
WINDOW = 0.046
#: Unit of the cost: the gain in dB whose mean square costs 1.
UNIT = 10.0
#: Number of frames of the pieces that a long sound is computed in.
PIECE = 1024

_DECIBELS = 20 / math.log(10)


class Gains(nn.Module):
    """A sound as a function of its gains ``(N_BANDS, frames)``, as a whole or piece by piece.

    Parameters
    ----------
    y : Tensor, shape=(samples,)
        The sound.
    sr : int > 0
        Sampling rate in Hz.
    """

    y: Tensor
    window: Tensor
    weights: Tensor

    def __init__(self, y: Tensor, *, sr: int) -> None:
        super().__init__()
        self.samples = len(y)
        self.n_fft = window_length(WINDOW, sr=sr)
        self.hop = self.n_fft // 4
        self.n_frames = 1 + max(len(y), self.n_fft) // self.hop
        self.register_buffer("y", y)
        self.register_buffer("window", torch.hann_window(self.n_fft).to(y))
        self.register_buffer("weights", torch.from_numpy(_interpolation(self.n_fft, sr)).to(y))

    def unchanged(self) -> Tensor:
        """Return the gains that leave the sound as it is: all 0, shape ``(N_BANDS, frames)``."""
        return self.weights.new_zeros(len(self.weights), self.n_frames)

    def forward(self, gains: Tensor) -> Tensor:
        """Return the sound ``(samples,)`` under gains ``(N_BANDS, frames)``."""
        return self._shape(self._spectrum, gains, self.samples)

    def span(self, begin: int, end: int) -> slice:
        """Return the frames of the gains that the samples from `begin` to `end` depend on."""
        return slice(max(begin // self.hop - 4, 0), min(-(-end // self.hop) + 5, self.n_frames))

    def piece(self, part: Tensor, begin: int, end: int) -> Tensor:
        """Return the samples from `begin` to `end`, from the gains of :meth:`span`."""
        span = self.span(begin, end)
        first = span.start * self.hop
        last = self.samples if span.stop == self.n_frames else (span.stop - 1) * self.hop
        y = self._shape(self._analyse(self.y[first:last]), part, last - first)
        return y[begin - first : end - first]

    def long(self, gains: Tensor) -> Tensor:
        """Return the whole sound as :meth:`forward` does, but piece by piece, in little memory."""
        edges = [*range(0, self.samples, PIECE * self.hop), self.samples]
        y = torch.empty_like(self.y)
        for begin, end in itertools.pairwise(edges):
            y[begin:end] = self.piece(gains[:, self.span(begin, end)], begin, end)
        return y

    @cached_property
    def _spectrum(self) -> Tensor:
        return self._analyse(self.y)

    def _analyse(self, y: Tensor) -> Tensor:
        padded = nn.functional.pad(y, (0, max(self.n_fft - len(y), 0)))
        return torch.stft(padded, self.n_fft, window=self.window, return_complex=True)

    def _shape(self, spectrum: Tensor, gains: Tensor, samples: int) -> Tensor:
        length = max(self.hop * (spectrum.shape[-1] - 1), samples)
        shaped = spectrum * (self.weights.mT @ gains).exp()
        y = torch.istft(shaped, self.n_fft, window=self.window, length=length)
        return y[:samples]

    @staticmethod
    def cost(gains: Tensor) -> Tensor:
        """Return the mean square of the gains, 1 for gains of `UNIT` dB."""
        return (gains * (_DECIBELS / UNIT)).square().mean()


def _interpolation(n_fft: int, sr: int) -> np.ndarray:
    """Return the share of each band in the gain of each frequency bin; the shares add up to 1."""
    low, high = erb_rate(np.array([BAND_RANGE[0], min(BAND_RANGE[1], sr / 2)]))
    step = (high - low) / (N_BANDS + 1)
    scale = erb_rate(np.fft.rfftfreq(n_fft, 1 / sr)).clip(low + step, high - step)
    return half_cosines(scale, low, high, n=N_BANDS) ** 2
