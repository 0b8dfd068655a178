"""Statistics of sound textures after J. H. McDermott and E. P. Simoncelli (Neuron 71, 2011).

All of them are computed from the envelopes of :mod:`nst_lib.metrics.hearing`, and are
differentiable.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from nst_lib.core.bands import half_cosines
from nst_lib.metrics.hearing import ENVELOPE_RATE

#: Families of texture statistics: McDermott and Simoncelli's without modulation correlations.
FAMILIES = ("mean", "variation", "skew", "correlation", "modulation")
#: Distances in bands between the envelopes that are correlated, as in McDermott and Simoncelli.
CORRELATION_OFFSETS = (1, 2, 3, 5, 8, 11, 16, 21)
#: Number of modulation bands, and range of their centres in Hz, as in McDermott and Simoncelli.
N_MODULATIONS = 20
MODULATION_RANGE = (0.5, 200.0)
#: Variance that counts as none.
STILL = 1e-8


def timbre(E: Tensor) -> Tensor:
    """Return the mean over time of band energy to the power 0.3."""
    return E.square().mean(-1)


def mean(E: Tensor) -> Tensor:
    """Return the mean of the envelope of each band."""
    return E.mean(-1)


def variation(E: Tensor) -> Tensor:
    """Return the variance of the envelope of each band, divided by its squared mean."""
    return E.var(-1, correction=0) / E.mean(-1).square()


def skew(E: Tensor) -> Tensor:
    """Return the skew (third standardised moment) of each envelope; 0 if it is constant."""
    centred = E - E.mean(-1, keepdim=True)
    return centred.pow(3).mean(-1) / (centred.square().mean(-1) + STILL).pow(1.5)


def cross_band(E: Tensor) -> Tensor:
    """Return the correlations of the envelopes of bands that are `CORRELATION_OFFSETS` apart."""
    return torch.cat([correlation(E[..., d:, :], E[..., :-d, :]) for d in CORRELATION_OFFSETS], -1)


def modulation(E: Tensor) -> Tensor:
    """Return the root of the share of each envelope's variance in each modulation band.

    The `N_MODULATIONS` filters are half-cosines over the logarithm of the modulation frequency,
    with constant Q. Bands and modulation bands are flattened into one axis.
    """
    frames = E.shape[-1]
    centred = E - E.mean(-1, keepdim=True)
    power = 2 * torch.fft.rfft(centred).abs().square() / frames**2
    share = power @ _modulation_filters(frames).to(E).mT
    share = share / (centred.square().mean(-1, keepdim=True) + STILL)
    roots: Tensor = (share + 1e-12).sqrt()
    return roots.flatten(-2)


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Return Pearson's correlation over the last axis (the shorter length); 0 for a constant."""
    frames = min(a.shape[-1], b.shape[-1])
    a, b = (x[..., :frames] - x[..., :frames].mean(-1, keepdim=True) for x in (a, b))
    energies = a.square().mean(-1) * b.square().mean(-1)
    return (a * b).mean(-1) / (energies + STILL**2).sqrt()


#: Function that computes each family of statistics from
#: :func:`nst_lib.metrics.hearing.envelopes`.
STATISTICS = dict(zip(FAMILIES, (mean, variation, skew, cross_band, modulation), strict=True))


def statistics(E: Tensor) -> dict[str, Tensor]:
    """Return the "timbre" and each of `FAMILIES`."""
    return {"timbre": timbre(E)} | {name: statistic(E) for name, statistic in STATISTICS.items()}


@lru_cache(maxsize=8)
def _modulation_filters(frames: int) -> Tensor:
    """Return the power gains of the modulation bands ``(N_MODULATIONS, 1 + frames // 2)``."""
    low, high = np.log(MODULATION_RANGE)
    spacing = (high - low) / (N_MODULATIONS - 1)
    frequencies = np.log(np.fft.rfftfreq(frames, 1 / ENVELOPE_RATE).clip(1e-9))
    gains = half_cosines(frequencies, low - spacing, high + spacing, n=N_MODULATIONS)
    return torch.from_numpy(gains**2)
