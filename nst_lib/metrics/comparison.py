"""Comparisons of two sounds, and of many, to see what a score means."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from nst_lib.metrics.hearing import hear
from nst_lib.metrics.texture import FAMILIES, STILL, statistics
from nst_lib.sound.audio import Audio


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
        E = hear(y, name=name, sr=sr)
        centred.append(E - E.mean(-1, keepdim=True))
    X, S = centred
    n = X.shape[-1] + S.shape[-1] - 1
    products = torch.fft.rfft(X, n).conj() * torch.fft.rfft(S, n)
    match = torch.fft.irfft(products.sum(0), n).max()
    return float(match / (X.norm() * S.norm()).clamp_min(STILL))


def snr(result: Audio, original: Audio, *, sr: int, low: float = 0, high: float = np.inf) -> float:
    """Return the signal-to-noise ratio of a sound that should be the original, sample by sample.

    Parameters
    ----------
    result, original : np.ndarray, shape=(samples,)
        Two sounds of the same length. The noise is their difference.
    sr : int > 0
        Sampling rate in Hz.
    low, high : float
        Lowest and highest frequency in Hz that count. By default, all count.

    Returns
    -------
    float
        Ratio in dB, infinite if both sounds are equal.

    Raises
    ------
    ValueError
        If the sounds differ in shape.
    """
    if result.shape != original.shape:
        raise ValueError(
            f"result of shape {result.shape} and original of shape {original.shape}; "
            "pass two sounds of the same length"
        )
    freqs = np.fft.rfftfreq(original.shape[-1], 1 / sr)
    counted = (freqs >= low) & (freqs <= high)
    signal = original.astype(np.float64)
    noise = result.astype(np.float64) - signal
    energies = [np.linalg.norm(np.fft.rfft(x)[..., counted]) for x in (signal, noise)]
    with np.errstate(divide="ignore"):
        return float(20 * (np.log10(energies[0]) - np.log10(energies[1])))


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
    return _apart(*(statistics(hear(y, name="sound", sr=sr)) for y in (a, b)))


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
            statistics(hear(half, name="half of a sound", sr=sr))
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


def _apart(a: dict[str, Tensor], b: dict[str, Tensor]) -> dict[str, float]:
    return {name: float((a[name] - b[name]).norm()) for name in a}
