"""Concatenative mosaic: stretches of the style, cut so that its course follows the content's.

At each moment of the content, the mosaic plays some moment of the style. The sequence of moments
minimises the sum of two costs: how far level and slope of the style are from those of the content,
and a fixed cost for each jump, so that the style is played on where possible. Dynamic programming
finds the minimum (Viterbi's algorithm). Units are selected in this way by A. J. Hunt and A. W.
Black, "Unit selection in a concatenative speech synthesis system", ICASSP 1996, and by D. Schwarz,
"Corpus-based concatenative synthesis", IEEE Signal Processing Magazine 24, 2007. The features, the
costs and the envelope at the end are ours.

Windows of two hops overlap by half and add up to 1. A stretch that is played on is therefore the
style itself, sample by sample, and a jump is a crossfade of one hop.
"""

import numpy as np
import numpy.typing as npt

from nst_lib.core.bands import FloatArray
from nst_lib.core.shaping import Waveform, as_loud_as, envelope, power

#: Seconds between the moments that can be chosen.
HOP = 0.02
#: Cost of a jump, in squared standard deviations of the features.
JUMP = 4.0
#: Levels below the loudest moment that count as equal (dB).
RANGE = 60.0
#: The least standard deviation of levels, in dB: a steady style has no course to choose by.
STEADY = 3.0


def mosaic(style: Waveform, content: Waveform, *, sr: int, jump: float = JUMP) -> FloatArray:
    """Return stretches of the style in the order of the content, under the content's envelope.

    Parameters
    ----------
    style, content : np.ndarray, shape=(samples,)
        The recordings. The style may be longer or shorter than the content.
    sr : int > 0
        Sampling rate in Hz.
    jump : float >= 0
        Cost of a jump. The higher it is, the longer the stretches are.

    Returns
    -------
    np.ndarray, shape=(samples of the content,)
        The mosaic with the level of the style. It is the style if both are the same.
    """
    hop = max(round(HOP * sr), 1)
    course = [features(y, hop=hop, sr=sr) for y in (style, content)]
    moments = choose(*course, jump=jump)
    played = play(style, moments, hop=hop)[: len(content)]
    return as_loud_as(style, envelope(played, content, sr=sr))


def features(y: Waveform, *, hop: int, sr: int) -> FloatArray:
    """Return standardised level and slope of a sound around each moment, shape ``(2, moments)``.

    Moment m is the sample ``m * hop``. There is one more than the sound has whole hops, so that the
    last window reaches its end.
    """
    n_moments = 2 + (len(y) - 1) // hop
    squared = power(y, std=0.5 * HOP * sr)
    at = np.minimum(np.arange(n_moments) * hop, len(y) - 1)
    level = 10 * np.log10(np.maximum(squared[at], squared.max() * 10 ** (-RANGE / 10)) + 1e-30)
    slope = np.gradient(level)
    return np.stack([(x - x.mean()) / max(x.std(), STEADY) for x in (level, slope)])


def choose(style: FloatArray, content: FloatArray, *, jump: float) -> npt.NDArray[np.intp]:
    """Return the moment of the style for each moment of the content, at the least total cost.

    Parameters
    ----------
    style, content : np.ndarray, shape=(features, moments)
        The features; see :func:`features`.
    jump : float >= 0
        Cost of every step that does not lead from a moment to the next one.

    Returns
    -------
    np.ndarray, shape=(moments of the content,)
    """
    n, m = content.shape[1], style.shape[1]
    went_on, cheapest = np.empty((n, m), bool), np.empty(n, np.intp)
    best = np.zeros(m)
    for t in range(n):
        cheapest[t] = best.argmin()
        onward = np.append(np.inf, best[:-1])
        jumped = best[cheapest[t]] + (jump if t else 0)
        went_on[t] = onward <= jumped
        best = np.minimum(onward, jumped) + np.square(content[:, t, None] - style).sum(0)
    path = np.full(n, best.argmin())
    for t in range(n - 1, 0, -1):
        path[t - 1] = path[t] - 1 if went_on[t, path[t]] else cheapest[t]
    return path


def play(style: Waveform, moments: npt.NDArray[np.intp], *, hop: int) -> FloatArray:
    """Return the style as it sounds around the chosen moments, `hop` samples apart."""
    window = np.sin(0.5 * np.pi * (np.arange(2 * hop) + 0.5) / hop) ** 2
    padded = np.pad(np.asarray(style, np.float64), (hop, 2 * hop))
    result = np.zeros((len(moments) + 1) * hop)
    for t, moment in enumerate(moments):
        piece = padded[moment * hop : (moment + 2) * hop]
        result[t * hop : t * hop + 2 * hop] += window * piece
    return result[hop:]
