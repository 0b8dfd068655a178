"""Concatenative mosaic: pieces of the style, cut so that its course follows the content's.

At each moment of the content, the mosaic plays some moment of the style. The sequence of moments
minimises the sum of two costs: how far loudness and onset strength of the style are from those of
the content, and a fixed cost for each jump, so that the style is played on where possible. Dynamic
programming finds the minimum (Viterbi's algorithm). Units are selected in this way by A. J. Hunt
and A. W. Black, "Unit selection in a concatenative speech synthesis system", ICASSP 1996, and by D.
Schwarz, "Corpus-based concatenative synthesis", IEEE Signal Processing Magazine 24, 2007. The
features and the costs are ours.

The cheapest sequence may play one call of a bird six times. Each moment of the style therefore has
a price. It rises while the moment is played more than `MOST` times, and falls while it is played
less: the subgradient method for the Lagrange multipliers of that limit.

Windows of two hops overlap by half and add up to 1. A piece that is played on is therefore the
style itself, sample by sample, and a jump is a crossfade of one hop. The mosaic fades out where the
content is silent, because a style without pauses has nothing to play there.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter1d

from nst_lib.core.bands import BAND_RANGE, N_BANDS, FloatArray, erb_rate, half_cosines
from nst_lib.core.shaping import Waveform, level, power
from nst_lib.core.transforms import STFT, window_length

#: Length in seconds of the windows in which features are measured; the nearest power of two in
#: samples is used. A quarter of it, the hop, lies between the moments that can be chosen.
WINDOW = 0.046
#: Cost of a jump, in squared standard deviations of the features.
JUMP = 8.0
#: Cost per natural logarithm of a style's share, on a path between styles.
LEANING = 4.0
#: How often a moment of the style is played at most, if the style is as long as the content. One
#: of half the length has twice that limit. The limit is approached and not always reached.
MOST = 2
#: First step of the prices, and number of sequences that are tried.
PRICE_STEP = 0.3
ROUNDS = 40
#: Levels below the loudest moment that count as equal (dB).
RANGE = 60.0
#: The least standard deviation of levels, in dB: a steady sound has no course to choose by.
STEADY = 1.0
#: Standard deviation in seconds of the smoothing of onset strength.
ONSET_SMOOTHING = 0.03
#: Level of the content, relative to its mean (dB), at which the mosaic is 3 dB softer than the
#: style. Further below, it fades as the content does.
SILENCE = -50.0
#: Standard deviation in seconds of the smoothing of the content's power for that.
SMOOTHING = 0.02
#: Number of moments whose spectra are computed at once.
_PIECE = 1024


def mosaic(
    style: Waveform,
    content: Waveform,
    *,
    sr: int,
    jump: float = JUMP,
    ends: Sequence[int] = (),
) -> Waveform:
    """Return pieces of the style in the order of the content.

    Parameters
    ----------
    style : np.ndarray, shape=(samples,) or (rows, samples)
        The style. It may be longer or shorter than the content. Of several rows, the first one
        decides, and all are played.
    content : np.ndarray, shape=(samples,)
        The content.
    sr : int > 0
        Sampling rate in Hz.
    jump : float >= 0
        Cost of a jump. The higher it is, the longer the pieces are.
    ends : sequence of int
        Where each of several styles ends, in samples. If they are given, the mosaic leads from the
        first one at its beginning to the last one at its end.

    Returns
    -------
    np.ndarray, shape=(samples of the content,) or (rows, samples of the content)
        The mosaic with the level of the style. If both sounds are the same, it is the style, but
        for what is near `SILENCE` or below.
    """
    n_fft = window_length(WINDOW, sr=sr)
    transform = STFT(sr=sr, n_fft=n_fft, hop_length=n_fft // 4, pad_mode="constant")
    rows = np.atleast_2d(style)
    described = [features(y, transform=transform) for y in (rows[0], content)]
    path = [round(end / transform.hop_length) for end in ends]
    moments = spread(*described, jump=jump, ends=path)
    heard = power(content, std=SMOOTHING * sr)
    silent = heard.mean() * 10 ** (SILENCE / 10) or 1.0
    fade = np.sqrt(heard / (heard + silent)).astype(np.float32)
    played = np.empty((len(rows), len(content)), np.float32)
    for y, row in zip(rows, played, strict=True):
        np.multiply(play(y, moments, hop=n_fft // 4)[: len(content)], fade, out=row)
    played *= np.float32(level(rows[0], played[0]))
    return played if np.ndim(style) == 2 else played[0]


def features(y: Waveform, *, transform: STFT) -> FloatArray:
    """Return standardised loudness and onset strength around each moment, shape ``(2, moments)``.

    Moment m is the sample m times the hop of the transform.
    """
    bands = _bands(y, transform)
    floor = bands.max() * 10 ** (-RANGE / 10) + 1e-30
    level = 10 * np.log10(bands.sum(0) + floor)
    rises = np.diff(10 * np.log10(bands + floor), axis=1, prepend=0).clip(0).mean(0)
    rises[0] = 0.0
    onsets = gaussian_filter1d(rises, ONSET_SMOOTHING * transform.sr / transform.hop_length)
    return np.stack([_standardise(level, least=STEADY), _standardise(onsets, least=1e-3)])


def spread(
    style: FloatArray, content: FloatArray, *, jump: float, ends: Sequence[int] = ()
) -> npt.NDArray[np.intp]:
    """Return the sequence of moments that exceeds the limit `MOST` least.

    Parameters and the returned array are those of :func:`choose`.
    """
    n, m = content.shape[1], style.shape[1]
    limit = MOST * math.ceil(n / m)
    price, least = np.zeros(m), math.inf
    for trial in range(ROUNDS):
        path = choose(style, content, jump=jump, price=price, ends=ends)
        beyond = np.bincount(path, minlength=m) - limit
        excess = int(beyond.clip(0).sum())
        if excess < least:
            best, least = path, excess
        if not excess:
            break
        step = PRICE_STEP / (1 + trial / 5)
        price = (price + step * beyond.clip(-1)).clip(0)
    return best


def choose(
    style: FloatArray,
    content: FloatArray,
    *,
    jump: float,
    price: FloatArray | None = None,
    ends: Sequence[int] = (),
) -> npt.NDArray[np.intp]:
    """Return the moment of the style for each moment of the content, at the least total cost.

    Parameters
    ----------
    style, content : np.ndarray, shape=(features, moments)
        The features; see :func:`features`.
    jump : float >= 0
        Cost of every step that does not lead from a moment to the next one.
    price : np.ndarray, shape=(moments of the style,), or None
        Cost of playing each moment, besides its distance.
    ends : sequence of int
        The moments at which each of several styles ends, for a path from the first to the last.

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
        best += 0 if price is None else price
        if len(ends) > 1:
            best += _leaning(t / max(n - 1, 1), ends, m)
    path = np.full(n, best.argmin())
    for t in range(n - 1, 0, -1):
        path[t - 1] = path[t] - 1 if went_on[t, path[t]] else cheapest[t]
    return path


def _leaning(progress: float, ends: Sequence[int], moments: int) -> FloatArray:
    """Return the cost of each moment of the style at a share of the path, from 0 to 1.

    Each of several styles has a share of the mosaic that rises and falls linearly along the path.
    """
    away = np.abs(progress * (len(ends) - 1) - np.arange(len(ends)))
    costs = -LEANING * np.log(np.maximum(1 - away, 1e-3))
    which = np.searchsorted(ends[:-1], np.arange(moments), side="right")
    return np.asarray(costs[which])


def play(style: Waveform, moments: npt.NDArray[np.intp], *, hop: int) -> Waveform:
    """Return the style as it sounds around the chosen moments, `hop` samples apart."""
    window = np.float32(np.sin(0.5 * np.pi * (np.arange(2 * hop) + 0.5) / hop) ** 2)
    padded = np.pad(np.asarray(style, np.float32), (hop, 2 * hop))
    result = np.zeros((len(moments) + 1) * hop, np.float32)
    for t, moment in enumerate(moments):
        piece = padded[moment * hop : (moment + 2) * hop]
        result[t * hop : t * hop + 2 * hop] += window * piece
    return result[hop:]


def _bands(y: Waveform, transform: STFT) -> FloatArray:
    """Return the power of `N_BANDS` bands at each moment, computed piece by piece."""
    low, high = erb_rate(np.array(BAND_RANGE))
    gains = half_cosines(erb_rate(transform.freqs), low, high, n=N_BANDS) ** 2
    hop, edge = transform.hop_length, transform.n_fft // 2
    padded = np.pad(
        np.asarray(y, np.float32), (edge, edge + max(transform.min_samples - len(y), 0))
    )
    moments = 1 + (len(padded) - 2 * edge) // hop
    found = []
    for first in range(0, moments, _PIECE):
        last = min(first + _PIECE, moments)
        piece = torch.from_numpy(padded[first * hop : (last - 1) * hop + transform.n_fft])
        frames = piece.unfold(0, transform.n_fft, hop) * transform.window
        found.append(gains @ torch.fft.rfft(frames).abs().double().square().mT.numpy())
    return np.concatenate(found, axis=1)


def _standardise(x: FloatArray, *, least: float) -> FloatArray:
    return np.asarray((x - x.mean()) / max(float(x.std()), least))
