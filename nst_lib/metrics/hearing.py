"""Auditory front end of the scores: compressed envelopes, onset strength, background.

A sound has the shape ``(..., samples)``; the envelopes of its bands have the shape ``(..., N_BANDS,
frames)``. The front end is that of J. H. McDermott and E. P. Simoncelli (Neuron 71, 2011):
`N_BANDS` half-cosine filters, equally spaced in ERBs (B. R. Glasberg and B. C. J. Moore 1990), and
the envelope of each band at `ENVELOPE_RATE` Hz, compressed by the power `COMPRESSION`. All sounds
are brought to the same RMS first, so that nothing depends on level.
"""

import itertools
from functools import lru_cache

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
#: Frames per second of onset strength; standard deviations in seconds of the smoothing of power
#: (close to librosa's window of 93 ms) and of onset strength (our choice).
ONSET_RATE = 100
LEVEL_SMOOTHING = 0.01
ONSET_SMOOTHING = 0.05
#: Share of the time in which the level of a band is at or below its background (our choice).
BACKGROUND = 0.1
#: Length in seconds of the parts in which a longer sound is heard, and what they overlap by.
LONG, OVERLAP = 10, 1
#: Smallest number of samples that can be scored.
MIN_SAMPLES = 1024


def hear(y: Audio, *, name: str, sr: int) -> Tensor:
    """Return the :func:`envelopes` of a sound in double precision.

    Of several channels, the power is averaged in each band, so that nothing cancels. A sound that
    is longer than `LONG` is heard in parts, which changes the envelopes by about 0.1 %.

    Parameters
    ----------
    y : np.ndarray, shape=(samples,) or (channels, samples)
        A sound with at least `MIN_SAMPLES` samples, not silent.
    name : str
        The name of the sound in the error message.
    sr : int > 0
        Sampling rate in Hz.

    Returns
    -------
    Tensor, shape=(N_BANDS, frames)

    Raises
    ------
    AudioError
        If the sound cannot be used.
    """
    valid = torch.from_numpy(audio.validate(y, name=name, min_samples=MIN_SAMPLES, mono=False))
    rms = 10 ** (audio.loudness(valid.numpy(), sr=sr, measure="rms") / 20)
    channels = valid.unsqueeze(0) if valid.ndim == 1 else valid
    parts = []
    for begin, end in _parts(valid.shape[-1], LONG * sr):
        first, last = max(begin - OVERLAP * sr, 0), min(end + OVERLAP * sr, valid.shape[-1])
        E = torch.stack([_compressed(y[first:last].double() / rms, sr=sr) for y in channels])
        frames = [round((at - first) / sr * ENVELOPE_RATE) for at in (begin, end)]
        parts.append(_mean_power(E)[:, frames[0] : frames[1]])
    return torch.cat(parts, dim=-1)


def _parts(samples: int, longest: int) -> list[tuple[int, int]]:
    """Return begin and end of the parts of a sound; all but the last have the same length."""
    begins = range(0, samples, longest) if samples > 1.5 * longest else range(1)
    begins = begins[:-1] if len(begins) > 1 and samples - begins[-1] < longest // 2 else begins
    return [*itertools.pairwise([*begins, samples])]


def _mean_power(E: Tensor) -> Tensor:
    """Return the envelopes of the mean power of channels ``(channels, bands, frames)``."""
    return E[0] if len(E) == 1 else E.pow(2 / COMPRESSION).mean(0).pow(COMPRESSION / 2)


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
    power = y.square().mean(-1, keepdim=True)
    return _compressed(y * power.clamp_min(1e-20).rsqrt(), sr=sr)


def _compressed(y: Tensor, *, sr: int) -> Tensor:
    """Return the compressed envelopes of a sound that has an RMS of 1."""
    n = y.shape[-1]
    spectrum = torch.fft.rfft(y)
    gains, bins = _filters(n, sr)
    bands = spectrum[..., bins] * gains.to(y)
    analytic = torch.fft.ifft(bands, n=2 * bands.shape[-1]) * (4 * bands.shape[-1] / n)
    intensity = analytic.real.square() + analytic.imag.square() + 10 ** (SILENCE / 10)
    compressed = torch.fft.rfft(intensity ** (COMPRESSION / 2))
    frames = max(round(n / sr * ENVELOPE_RATE), 1)
    kept = compressed[..., : frames // 2 + 1]
    resampled: Tensor = torch.fft.irfft(kept, n=frames) * (frames / analytic.shape[-1])
    return resampled.clamp_min(10 ** (SILENCE / 20 * COMPRESSION))


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
