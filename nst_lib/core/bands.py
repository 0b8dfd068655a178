"""Auditory bands: the ERB-rate scale, filters that overlap by half, and smoothing over time."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import conv1d

#: Number of bands that scores and content terms use, and the edges of their range in Hz.
N_BANDS = 30
BAND_RANGE = (20.0, 10_000.0)

FloatArray = npt.NDArray[np.float64]


def erb_rate(frequency: npt.NDArray[Any]) -> FloatArray:
    """Return the number of equivalent rectangular bandwidths below a frequency in Hz.

    B. R. Glasberg and B. C. J. Moore, Hearing Research 47, 1990, equation 4.
    """
    return 21.4 * np.log10(1 + 0.00437 * frequency)


def erb_frequency(rate: npt.NDArray[Any]) -> FloatArray:
    """Return the frequency in Hz of an ERB rate: the inverse of :func:`erb_rate`."""
    return (10 ** (rate / 21.4) - 1) / 0.00437


def half_cosines(x: FloatArray, low: float, high: float, *, n: int) -> FloatArray:
    """Return the amplitude gains of `n` half-cosine filters.

    Their squares add up to 1 between the first and the last centre.

    Parameters
    ----------
    x : np.ndarray, shape=(points,)
        Points at which the gains are computed, on the scale on which the filters are equally
        spaced.
    low, high : float
        Points at which the first filter begins and the last one ends.
    n : int > 0
        Number of filters.

    Returns
    -------
    np.ndarray, shape=(n, points)
        Gains from 0 to 1.
    """
    edges = np.linspace(low, high, n + 2)
    distance = np.minimum(np.abs(x - edges[1:-1, None]) / (edges[1] - edges[0]), 1)
    return np.where(distance < 1, np.cos(np.pi / 2 * distance), 0.0)


def smooth(x: Tensor, std: float) -> Tensor:
    """Smooth along the last axis with a Gaussian.

    Its standard deviation is `std` points. At the ends it is renormalised.
    """
    radius = math.ceil(4 * std)
    reach = torch.arange(-radius, radius + 1, dtype=torch.float64, device=x.device)
    kernel = torch.exp(-0.5 * (reach / std).square())
    kernel = (kernel / kernel.sum()).to(x)[None, None]
    rows = x.reshape(-1, 1, x.shape[-1])
    inside = conv1d(torch.ones_like(rows[:1]), kernel, padding=radius)  # less than 1 at the ends
    return (conv1d(rows, kernel, padding=radius) / inside).reshape(x.shape)
