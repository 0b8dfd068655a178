"""The style's waveform under the content's envelope, as a whole or in bands, without a network.

Sounds are mono waveforms of shape ``(samples,)``. An envelope is an amplitude: the square root of
the power, smoothed by a Gaussian. The result is as long as the content and has the level of the
style (the same RMS), so the level of the content has no effect. Of a style that is longer than the
content, the beginning is used; a shorter style is repeated (:func:`looped`).

Shaping a sound by the envelope of another is the channel vocoder of H. Dudley, "Remaking speech",
Journal of the Acoustical Society of America 11, 1939, with the style as the carrier. Here each
band of the style keeps its own level, and takes only its course over time from the content.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft

from nst_lib.core.bands import BAND_RANGE, FloatArray, erb_rate

#: Standard deviation in seconds of the Gaussian that smooths the power.
SMOOTHING = 0.01
#: Level below the style's loudest moment at which the style counts as silent (dB). What is quieter
#: is not amplified any further, so that noise between events stays noise between events.
FLOOR = -40.0
#: Level relative to the whole sound below which a band counts as empty (dB). An empty band follows
#: the envelope of the whole sound.
EMPTY = -60.0
#: Number of bands of the vocoder.
N_BANDS = 16
#: Length in seconds over which the end of a short style is blended with its beginning.
FADE = 0.05
#: Number of samples of a long sound that are computed at once.
_PIECE = 2**21

Waveform = npt.NDArray[Any]


def envelope(
    style: Waveform, content: Waveform, *, sr: int, smoothing: float = SMOOTHING
) -> FloatArray:
    """Return the style's waveform under the content's envelope.

    Parameters
    ----------
    style, content : np.ndarray, shape=(samples,)
        The recordings.
    sr : int > 0
        Sampling rate in Hz.
    smoothing : float > 0
        Standard deviation in seconds of the Gaussian that smooths the power of both.

    Returns
    -------
    np.ndarray, shape=(samples of the content,)
        The style times the ratio of the envelopes. It is silent where the content is silent, and it
        is the style if both are the same.
    """
    carrier = looped(style, len(content), sr=sr)
    powers = [power(y, std=smoothing * sr) for y in (carrier, content)]
    return as_loud_as(style, carrier * gain(*powers))


def vocoder(
    style: Waveform,
    content: Waveform,
    *,
    sr: int,
    n_bands: int = N_BANDS,
    smoothing: float = SMOOTHING,
) -> FloatArray:
    """Return the style with each of its bands under the envelope of the same band of the content.

    Parameters
    ----------
    style, content, sr, smoothing
        See :func:`envelope`.
    n_bands : int > 1
        Number of bands, equally spaced on the ERB-rate scale.

    Returns
    -------
    np.ndarray, shape=(samples of the content,)
        The sum of the bands. Each band has the level that it has in the style.
    """
    carrier = looped(style, len(content), sr=sr)
    std = smoothing * sr
    whole = [10 ** (EMPTY / 10) * power(y, std=std) for y in (carrier, content)]
    result = np.zeros(len(content))
    both = (bands(y, sr=sr, n_bands=n_bands) for y in (carrier, content))
    for ours, theirs in zip(*both, strict=True):
        powers = [power(y, std=std) + rest for y, rest in zip((ours, theirs), whole, strict=True)]
        result += ours * gain(*powers)
    return as_loud_as(style, result)


def power(y: Waveform, *, std: float) -> FloatArray:
    """Return the power of a sound at each sample, smoothed by a Gaussian of `std` samples."""
    n, edge = len(y), math.ceil(8 * std)
    least = float(np.abs(y).max(initial=0.0)) ** 2 * 1e-14  # rounding of the transform
    smoothed = np.empty(n)
    for begin in range(0, n, _PIECE):
        first, last = max(begin - edge, 0), min(begin + _PIECE + edge, n)
        length = next_fast_len(last - first + edge, real=True)
        response = np.exp(-0.5 * (2 * np.pi * std * np.arange(length // 2 + 1) / length) ** 2)
        spectrum = rfft(np.square(y[first:last], dtype=np.float64), length)
        piece = irfft(spectrum * response, length)[begin - first :][: min(_PIECE, n - begin)]
        smoothed[begin : begin + len(piece)] = np.where(piece > least, piece, 0.0)
    return smoothed


def gain(style: FloatArray, content: FloatArray) -> FloatArray:
    """Return the factor at each sample that gives the style the content's envelope.

    Where the style is below its `FLOOR`, it counts as being at the floor, or as loud as the content
    if that is quieter still.

    Parameters
    ----------
    style, content : np.ndarray, shape=(samples,)
        Smoothed powers. The content's are brought to the mean of the style's.
    """
    if not content.any():
        return np.zeros_like(content)
    wanted = content * (style.mean() / content.mean())
    floor = style.max() * 10 ** (FLOOR / 10)
    present = np.maximum(style, np.minimum(wanted, floor))
    ratio = np.divide(wanted, present, out=np.zeros_like(wanted), where=present > 0)
    return np.asarray(np.sqrt(ratio))


def bands(y: Waveform, *, sr: int, n_bands: int = N_BANDS) -> Iterator[FloatArray]:
    """Yield the bands of a sound, from low to high. Their sum is the sound.

    Parameters
    ----------
    y : np.ndarray, shape=(samples,)
        The sound.
    sr : int > 0
        Sampling rate in Hz.
    n_bands : int > 1
        Number of bands, equally spaced in ERBs between 20 Hz and 10 kHz. The first one also has
        what lies below its centre, and the last one what lies above.

    Yields
    ------
    np.ndarray, shape=(samples,)
    """
    n, spectrum = len(y), rfft(np.asarray(y, np.float64))
    low, high = erb_rate(np.array([BAND_RANGE[0], min(BAND_RANGE[1], sr / 2)]))
    edges = np.linspace(low, high, n_bands + 2)
    scale = erb_rate(np.fft.rfftfreq(n, 1 / sr)).clip(edges[1], edges[-2])
    for centre in edges[1:-1]:
        distance = np.minimum(np.abs(scale - centre) / (edges[1] - edges[0]), 1)
        band: FloatArray = irfft(spectrum * np.cos(0.5 * np.pi * distance) ** 2, n)
        yield band


def looped(y: Waveform, n: int, *, sr: int) -> FloatArray:
    """Return the first `n` samples of a sound; a shorter one is repeated with crossfades."""
    y = np.asarray(y, np.float64)
    fade = min(round(FADE * sr), len(y) // 2)
    if len(y) >= n or fade == 0:
        return np.resize(y, n)
    rise = np.sin(0.5 * np.pi * (np.arange(fade) + 0.5) / fade) ** 2
    period = y[fade:].copy()
    period[-fade:] = period[-fade:] * rise[::-1] + y[:fade] * rise
    return np.concatenate([y[:fade], np.resize(period, n - fade)])


def as_loud_as(style: Waveform, y: FloatArray) -> FloatArray:
    """Return a sound with the RMS of the style; silence stays silence."""
    return y * level(style, y)


def level(style: Waveform, y: Waveform) -> float:
    """Return the factor that gives a sound the RMS of the style; 1 for silence."""
    ours, theirs = (math.sqrt(_energy(x) / len(x)) for x in (y, style))
    return theirs / ours if ours > 0 else 1.0


def _energy(y: Waveform) -> float:
    pieces = (y[begin : begin + _PIECE] for begin in range(0, len(y), _PIECE))
    return sum(float(np.square(piece, dtype=np.float64).sum()) for piece in pieces)
