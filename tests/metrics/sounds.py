"""Sounds whose scores are known."""

import numpy as np
import scipy.signal
import torch
from torch import Tensor

from nst_lib import metrics
from nst_lib.core.bands import erb_rate

SR = 22050
#: What 80 dB below the sound is compressed to.
FLOOR = 10 ** (-80 / 20 * 0.3)
EDGES = erb_rate(np.array(metrics.BAND_RANGE))
#: Centres of the bands in Hz: the ERB rate, the other way round.
CENTRES = (10 ** (np.linspace(*EDGES, metrics.N_BANDS + 2)[1:-1] / 21.4) - 1) / 0.00437
#: Irregular onsets in seconds, further apart than the smoothing reaches.
TIMES = np.array([0.3, 1.1, 1.75, 2.7, 3.3])


def time(seconds: float = 4.0) -> np.ndarray:
    return np.arange(round(seconds * SR)) / SR


def noise(seed: int = 0, seconds: float = 4.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(round(seconds * SR))


def clicks(times: np.ndarray = TIMES, seconds: float = 4.0) -> np.ndarray:
    y = np.zeros(round(seconds * SR))
    y[np.round(times * SR).astype(int)] = 1
    return y


def comb(seconds: float = 4.0) -> np.ndarray:
    """Return a tone of amplitude 1 at the centre of every band, where no other band hears it."""
    t = time(seconds)
    return sum(np.sin(2 * np.pi * hz * t + k) for k, hz in enumerate(CENTRES))


def rms(y: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(y))))


def shuffled(y: np.ndarray, seed: int = 1) -> np.ndarray:
    """Return the sound in blocks of half a second, in another order."""
    blocks = np.array_split(y, round(len(y) / SR / 0.5))
    return np.concatenate([blocks[k] for k in np.random.default_rng(seed).permutation(len(blocks))])


def late(y: np.ndarray, seconds: float) -> np.ndarray:
    return np.pad(y, (round(seconds * SR), 0))[: len(y)]


def low_passed(y: np.ndarray, hz: float) -> np.ndarray:
    return scipy.signal.sosfilt(scipy.signal.butter(4, hz, fs=SR, output="sos"), y)


def envelopes(y: np.ndarray) -> Tensor:
    return metrics.envelopes(torch.from_numpy(np.asarray(y, dtype=np.float64)), sr=SR)


def onsets(y: np.ndarray) -> np.ndarray:
    return metrics.onset_strength(envelopes(y)).numpy()
