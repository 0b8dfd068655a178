"""Auditory bands: the ERB-rate scale, and filters that overlap by half on any scale."""

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def erb_rate(frequency: npt.NDArray[Any]) -> FloatArray:
    """Number of equivalent rectangular bandwidths below a frequency in Hz.

    B. R. Glasberg and B. C. J. Moore, Hearing Research 47, 1990, equation 4.
    """
    return 21.4 * np.log10(1 + 0.00437 * frequency)


def erb_frequency(rate: npt.NDArray[Any]) -> FloatArray:
    """Frequency in Hz of an ERB rate: the inverse of :func:`erb_rate`."""
    return (10 ** (rate / 21.4) - 1) / 0.00437


def half_cosines(x: FloatArray, low: float, high: float, *, n: int) -> FloatArray:
    """Amplitude gains of `n` half-cosine filters whose squares add up to 1 between their centres.

    Parameters
    ----------
    x : np.ndarray, shape=(points,)
        Where to evaluate them, on the scale on which they are equally spaced.
    low, high : float
        Where the first begins and the last ends.
    n : int > 0
        Number of filters.

    Returns
    -------
    np.ndarray, shape=(n, points)
        0 to 1.
    """
    edges = np.linspace(low, high, n + 2)
    distance = np.minimum(np.abs(x - edges[1:-1, None]) / (edges[1] - edges[0]), 1)
    return np.where(distance < 1, np.cos(np.pi / 2 * distance), 0.0)
