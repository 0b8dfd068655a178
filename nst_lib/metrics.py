"""Scores of a transfer, computed from the waveforms alone.

A sound has the shape ``(..., samples)``. All sounds are brought to the same RMS first, so that no
score depends on level. All scores use the front end of J. H. McDermott and E. P. Simoncelli (Neuron
71, 2011): `N_BANDS` half-cosine filters, equally spaced in ERBs (B. R. Glasberg and B. C. J. Moore
1990), and the envelope of each band at `ENVELOPE_RATE` Hz, compressed by the power `COMPRESSION`.

========  ==================================  =================================================
score     from -> to                          what it compares
========  ==================================  =================================================
timbre    0 (as the content) -> 1 (as the     mean band energy to the power 0.3
          style); below 0: further away
texture   as for timbre                       each family of statistics in `FAMILIES`, averaged
rhythm    0 -> 1 (as the content)             correlation of smoothed onset strength
noise     0 dB or less is good                background relative to the louder one of the inputs
========  ==================================  =================================================

Timbre and texture are 1 - d(result, style) / d(content, style), where d is the Euclidean distance.
They have no lower bound. A band that is almost silent in one of the sounds has extreme skew, so a
result without the high frequencies of the style may have a texture score of -2.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from nst_lib.core.bands import BAND_RANGE, N_BANDS, erb_frequency, erb_rate, half_cosines, smooth
from nst_lib.sound import audio
from nst_lib.sound.audio import Audio

#: Sampling rate of the envelopes in Hz, and the power that compresses their amplitude.
ENVELOPE_RATE = 400
COMPRESSION = 0.3
#: Level below which a band counts as silent, in dB relative to the RMS of the sound.
SILENCE = -80.0
#: Families of texture statistics: McDermott and Simoncelli's without modulation correlations.
FAMILIES = ("mean", "variation", "skew", "correlation", "modulation")
#: Distances in bands between the envelopes that are correlated, as in McDermott and Simoncelli.
CORRELATION_OFFSETS = (1, 2, 3, 5, 8, 11, 16, 21)
#: Number of modulation bands, and range of their centres in Hz, as in McDermott and Simoncelli.
N_MODULATIONS = 20
MODULATION_RANGE = (0.5, 200.0)
#: Frames per second of onset strength; standard deviations in seconds of the smoothing of power
#: (close to librosa's window of 93 ms) and of onset strength (our choice).
ONSET_RATE = 100
LEVEL_SMOOTHING = 0.01
ONSET_SMOOTHING = 0.05
#: Share of the time in which the level of a band is at or below its background (our choice).
BACKGROUND = 0.1
#: Smallest number of samples that can be scored.
MIN_SAMPLES = 1024


@dataclass(frozen=True)
class Scores:
    """Scores of one result; see the module.

    Attributes
    ----------
    timbre, texture, rhythm : float <= 1
        Timbre and texture are NaN if content and style are the same sound. Rhythm is 0 if there are
        no onsets.
    families : dict of str to float
        Texture score of each family.
    noise : float
        Noise in dB, averaged over bands.
    """

    timbre: float
    texture: float
    rhythm: float
    noise: float
    families: dict[str, float]

    def __str__(self) -> str:
        return (
            f"timbre {self.timbre:.2f}, texture {self.texture:.2f}, rhythm {self.rhythm:.2f}, "
            f"noise {self.noise:+.1f} dB"
        )

    def to_dict(self) -> dict[str, float]:
        """Return all scores in one dict: "timbre", ..., "texture mean", "texture variation", ..."""
        scores = asdict(self)
        families = scores.pop("families")
        return scores | {f"texture {name}": value for name, value in families.items()}


def scores(result: Audio, *, content: Audio, style: Audio, sr: int) -> Scores:
    """Return the scores of a result, given the two recordings that it was made from.

    Parameters
    ----------
    result, content, style : np.ndarray, shape=(samples,)
        Sounds with at least `MIN_SAMPLES` samples, not silent. If result and content differ in
        length, rhythm compares them over the shorter length.
    sr : int > 0
        Sampling rate in Hz.

    Returns
    -------
    Scores

    Raises
    ------
    AudioError
        If a sound cannot be used.
    """
    heard = {
        name: envelopes(_tensor(y, name=name), sr=sr)
        for name, y in (("result", result), ("content", content), ("style", style))
    }
    x, c, s = heard["result"], heard["content"], heard["style"]
    statistics = [_statistics(E) for E in (x, c, s)]
    reached = {name: _towards(*(one[name] for one in statistics)) for name in statistics[0]}
    families = {name: reached[name] for name in FAMILIES}
    louder = torch.maximum(background(c), background(s))
    return Scores(
        timbre=reached["timbre"],
        texture=float(np.mean(list(families.values()))),
        rhythm=float(correlation(onset_strength(x), onset_strength(c))),
        noise=float((background(x) - louder).mean()),
        families=families,
    )


def envelopes(y: Tensor, *, sr: int) -> Tensor:
    """Return the compressed envelopes of the bands at `ENVELOPE_RATE`; differentiable.

    The analytic signal of a band can be sampled at a low rate, because its spectrum is narrow. All
    bands are sampled at twice the width of the widest band.

    Parameters
    ----------
    y : Tensor, shape=(..., samples)
        Sounds; their level does not matter.
    sr : int > 0
        Sampling rate in Hz.

    Returns
    -------
    Tensor, shape=(..., N_BANDS, frames)
        (amplitude / RMS of the sound) ** COMPRESSION, with `SILENCE` as the lowest level.
    """
    n = y.shape[-1]
    power = y.square().mean(-1, keepdim=True)
    spectrum = torch.fft.rfft(y * power.clamp_min(1e-20).rsqrt())
    gains, bins = _filters(n, sr)
    bands = spectrum[..., bins] * gains.to(y)
    analytic = torch.fft.ifft(bands, n=2 * bands.shape[-1]) * (4 * bands.shape[-1] / n)
    intensity = analytic.real.square() + analytic.imag.square() + 10 ** (SILENCE / 10)
    compressed = torch.fft.rfft(intensity ** (COMPRESSION / 2))
    frames = max(round(n / sr * ENVELOPE_RATE), 1)
    kept = compressed[..., : frames // 2 + 1]
    resampled: Tensor = torch.fft.irfft(kept, n=frames) * (frames / analytic.shape[-1])
    return resampled.clamp_min(10 ** (SILENCE / 20 * COMPRESSION))


def timbre(E: Tensor) -> Tensor:
    """Return the mean over time of band energy to the power 0.3, from :func:`envelopes`."""
    return E.square().mean(-1)


def onset_strength(E: Tensor) -> Tensor:
    """Return the rises of level from frame to frame, averaged over bands and smoothed.

    Parameters
    ----------
    E : Tensor, shape=(..., bands, frames)
        Envelopes from :func:`envelopes`.

    Returns
    -------
    Tensor, shape=(..., frames)
        Onset strength at `ONSET_RATE`, in dB per frame.
    """
    level = _level(E)
    level = level.clamp_min(level.amax((-2, -1), keepdim=True) + SILENCE)
    rises = pad(level.diff(dim=-1).clamp_min(0).mean(-2), (1, 0))
    return smooth(rises, ONSET_SMOOTHING * ONSET_RATE)


def background(E: Tensor) -> Tensor:
    """Return the background of each band in dB: its level at the quantile `BACKGROUND`."""
    return _level(E).quantile(BACKGROUND, dim=-1)


def mean(E: Tensor) -> Tensor:
    """Return the mean of the envelope of each band."""
    return E.mean(-1)


def variation(E: Tensor) -> Tensor:
    """Return the variance of the envelope of each band, divided by its squared mean."""
    return E.var(-1, correction=0) / E.mean(-1).square()


def skew(E: Tensor) -> Tensor:
    """Return the skew (third standardised moment) of each envelope; 0 if it is constant."""
    centred = E - E.mean(-1, keepdim=True)
    return centred.pow(3).mean(-1) / (centred.square().mean(-1) + _STILL).pow(1.5)


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
    share = share / (centred.square().mean(-1, keepdim=True) + _STILL)
    roots: Tensor = (share + 1e-12).sqrt()
    return roots.flatten(-2)


#: Function that computes each family of statistics from :func:`envelopes`.
STATISTICS = dict(zip(FAMILIES, (mean, variation, skew, cross_band, modulation), strict=True))
_STILL = 1e-8


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Return Pearson's correlation over the last axis (the shorter length); 0 for a constant."""
    frames = min(a.shape[-1], b.shape[-1])
    a, b = (x[..., :frames] - x[..., :frames].mean(-1, keepdim=True) for x in (a, b))
    energies = a.square().mean(-1) * b.square().mean(-1)
    return (a * b).mean(-1) / (energies + _STILL**2).sqrt()


def copying(result: Audio, source: Audio, *, sr: int) -> float:
    """Return how much a result copies from a source: the best match over shifts in time.

    A copy of the style has the best statistics, but it is not a transfer. A high texture score
    means more if this number is low. Deep networks and long filters see long stretches of the style
    and can repeat them.

    Parameters
    ----------
    result, source : np.ndarray, shape=(samples,)
        Sounds, not silent. The source is the style or the content.
    sr : int > 0
        Sampling rate in Hz.

    Returns
    -------
    float
        Largest correlation, over all shifts, of the envelopes of all bands without their means. 1
        means that the result is the source itself.

    Raises
    ------
    AudioError
        If a sound cannot be used.
    """
    centred = []
    for y, name in ((result, "result"), (source, "source")):
        E = envelopes(_tensor(y, name=name), sr=sr)
        centred.append(E - E.mean(-1, keepdim=True))
    X, S = centred
    n = X.shape[-1] + S.shape[-1] - 1
    products = torch.fft.rfft(X, n).conj() * torch.fft.rfft(S, n)
    match = torch.fft.irfft(products.sum(0), n).max()
    return float(match / (X.norm() * S.norm()).clamp_min(_STILL))


def distances(a: Audio, b: Audio, *, sr: int) -> dict[str, float]:
    """Return the distances of two sounds: in "timbre", and in each of `FAMILIES`.

    Parameters
    ----------
    a, b : np.ndarray, shape=(samples,)
        Sounds, not silent.
    sr : int > 0
        Sampling rate in Hz.

    Returns
    -------
    dict of str to float
        Euclidean distance for each name, 0 or more.

    Raises
    ------
    AudioError
        If a sound cannot be used.
    """
    return _apart(*(_statistics(envelopes(_tensor(y, name="sound"), sr=sr)) for y in (a, b)))


def bounds(sounds: Sequence[Audio], *, sr: int) -> dict[str, tuple[float, float]]:
    """Return typical distances of sounds with the same texture, and of unrelated sounds.

    Parameters
    ----------
    sounds : sequence of np.ndarray, shape=(samples,)
        Two or more unrelated sounds.
    sr : int > 0
        Sampling rate in Hz.

    Returns
    -------
    dict of str to (float, float)
        For "timbre" and each of `FAMILIES`: the mean distance between the two halves of one sound
        (floor), and between halves of two sounds (ceiling).

    Raises
    ------
    AudioError
        If a sound or one of its halves cannot be used.
    ValueError
        If there are fewer than two sounds.
    """
    if len(sounds) < 2:
        raise ValueError(f"{len(sounds)} sounds; accepted: 2 or more")
    halves = [
        [
            _statistics(envelopes(_tensor(half, name="half of a sound"), sr=sr))
            for half in (y[: len(y) // 2], y[len(y) // 2 :])
        ]
        for y in sounds
    ]
    same = [_apart(*pair) for pair in halves]
    other = [_apart(one[0], two[1]) for one, two in combinations(halves, 2)]
    return {
        name: (
            float(np.mean([d[name] for d in same])),
            float(np.mean([d[name] for d in other])),
        )
        for name in ("timbre", *FAMILIES)
    }


def _statistics(E: Tensor) -> dict[str, Tensor]:
    return {"timbre": timbre(E)} | {name: statistic(E) for name, statistic in STATISTICS.items()}


def _apart(a: dict[str, Tensor], b: dict[str, Tensor]) -> dict[str, float]:
    return {name: float((a[name] - b[name]).norm()) for name in a}


def _tensor(y: Audio, *, name: str) -> Tensor:
    return torch.from_numpy(audio.validate(y, name=name, min_samples=MIN_SAMPLES)).double()


def _towards(result: Tensor, content: Tensor, style: Tensor) -> float:
    """Return 1 at the style, 0 if as far from it as the content; NaN if both are the same."""
    apart = float((content - style).norm())
    same = apart <= 1e-6 * float(style.norm())
    return math.nan if same else 1 - float((result - style).norm()) / apart


def _level(E: Tensor) -> Tensor:
    """Return the level of each band in dB at `ONSET_RATE`."""
    step = ENVELOPE_RATE // ONSET_RATE
    frames = E.shape[-1] // step
    power = E[..., : frames * step].pow(2 / COMPRESSION)
    power = power.reshape(*E.shape[:-1], frames, step).mean(-1)
    return 10 * smooth(power, LEVEL_SMOOTHING * ONSET_RATE).log10()


@lru_cache(maxsize=8)
def _filters(n: int, sr: int) -> tuple[Tensor, Tensor]:
    """Return gains and bins of each band in the spectrum of `n` samples, ``(N_BANDS, width)``."""
    low, high = erb_rate(np.array([BAND_RANGE[0], min(BAND_RANGE[1], sr / 2)]))
    edges = erb_frequency(np.linspace(low, high, N_BANDS + 2))
    first = np.ceil(edges[:-2] * n / sr).astype(int)
    width = max(int((edges[2:] - edges[:-2]).max() * n / sr) + 1, 1)
    bins = np.minimum(first, n // 2 + 1 - width)[:, None] + np.arange(width)
    scale = erb_rate(bins * sr / n)
    gains = [half_cosines(scale[k], low, high, n=N_BANDS)[k] for k in range(N_BANDS)]
    return torch.from_numpy(np.stack(gains)), torch.from_numpy(bins)


@lru_cache(maxsize=8)
def _modulation_filters(frames: int) -> Tensor:
    """Return the power gains of the modulation bands ``(N_MODULATIONS, 1 + frames // 2)``."""
    low, high = np.log(MODULATION_RANGE)
    spacing = (high - low) / (N_MODULATIONS - 1)
    frequencies = np.log(np.fft.rfftfreq(frames, 1 / ENVELOPE_RATE).clip(1e-9))
    gains = half_cosines(frequencies, low - spacing, high + spacing, n=N_MODULATIONS)
    return torch.from_numpy(gains**2)
