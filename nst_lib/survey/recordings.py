"""Read the sounds of a listening test, make new ones from them, and compare them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.signal import fftconvolve, firwin, kaiserord

from nst_lib.sound import audio
from nst_lib.sound.decoding import probe

#: A function that makes a sound, and returns it with its sampling rate.
Make = Callable[[], tuple[audio.Audio, int]]
#: Signal-to-noise ratio of a degraded sound in dB: our choice.
Q = 5.0
#: Sampling rate for comparisons in Hz; correlation at or above which two sounds are the same.
TRACE, SAME = 8000, 0.99
#: Attenuation of an anchor's high frequencies in dB, and the width of the transition in Hz.
STOP, TRANSITION = 60.0, 500.0


def read(path: Path, sr: int | None = None) -> tuple[audio.Audio, int]:
    """Return a sound and its sampling rate in Hz; by default, the sampling rate of the file."""
    sr = sr or probe(path).sr
    y, _ = audio.guard(audio.read(path, sr=sr))
    return y, sr


def mixture(paths: Sequence[Path]) -> tuple[audio.Audio, int]:
    """Return a mixture of sounds and its sampling rate. All parts get the level of the first."""
    first, sr = read(paths[0])
    parts = [_as_loud(read(path, sr)[0], first, sr) for path in paths]
    length = max(map(len, parts))
    y = np.sum([audio.fit(part, length) for part in parts], axis=0)
    return _as_loud(np.asarray(y, np.float32), first, sr), sr


def degraded(path: Path, *, seed: int) -> tuple[audio.Audio, int]:
    """Return a sound with added noise, at the level of the original, and its sampling rate.

    The noise is multiplied by the sound, as in the modulated noise reference unit of ITU-T P.810
    (without its filters). It is `Q` dB below the sound at every moment.
    """
    y, sr = read(path)
    noise = np.random.default_rng(seed).standard_normal(len(y))
    return _as_loud((y * (1 + 10 ** (-Q / 20) * noise)).astype(np.float32), y, sr), sr


def has_anchor(path: Path, cutoff: float) -> bool:
    """Whether the sampling rate of a sound leaves something above the cutoff of an anchor."""
    return cutoff + TRANSITION < probe(path).sr / 2


def anchor(path: Path, cutoff: float) -> tuple[audio.Audio, int]:
    """Return a sound without its high frequencies, and its sampling rate: an anchor of BS.1534-3.

    Parameters
    ----------
    path : Path
        The sound file.
    cutoff : float > 0
        Highest frequency that is kept, in Hz: 3500 or 7000; see :func:`has_anchor`. The
        recommendation demands 25 dB less at 500 Hz above it, and 50 dB at 1000 Hz; the filter falls
        by 60 dB within 500 Hz. It has linear phase and no delay.
    """
    y, sr = read(path)
    taps, beta = kaiserord(STOP, TRANSITION / (sr / 2))
    filtered = firwin(taps | 1, cutoff + TRANSITION / 2, window=("kaiser", beta), fs=sr)
    kept, _ = audio.guard(fftconvolve(y, filtered, mode="same").astype(np.float32))
    return kept, sr


def trace(path: Path) -> audio.Audio:
    """Return the samples of a sound file for :func:`same`."""
    return audio.read(path, sr=TRACE)


def same(one: audio.Audio, two: audio.Audio) -> bool:
    """Whether two traces are the same sound, up to the shorter length and at any level."""
    length = min(len(one), len(two))
    a, b = one[:length], two[:length]
    return bool(np.dot(a, b) ** 2 >= SAME**2 * np.dot(a, a) * np.dot(b, b))


def _as_loud(y: audio.Audio, other: audio.Audio, sr: int) -> audio.Audio:
    """Return a sound at the RMS level of another one, or as near to it as its peak allows."""
    return audio.level(y, sr=sr, target=audio.loudness(other, sr=sr, measure="rms"))
