"""Make the noise for setting the volume, and the sounds of the headphone check.

The headphone check comes from K. J. P. Woods, M. H. Siegel, J. Traer and J. H. McDermott, Headphone
screening to facilitate web-based auditory experiments (2017). It asks which of three tones of
200 Hz is the quietest. One tone is 6 dB quieter. Another tone has its two channels in opposite
phase: over loudspeakers they cancel in the air, so that this tone seems the quietest. There are six
questions, and five right answers pass the check.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nst_lib.sound.audio import PEAK

Array = npt.NDArray[np.float32]

CHECKS, ENOUGH = 6, 5
SR = 22050
FREQUENCY = 200.0
#: Durations of a tone, of its ramps, and of the pause between two tones, in seconds.
TONE, RAMP, PAUSE = 1.0, 0.1, 0.5
#: Level of the quieter tone, relative to the others, in dB.
QUIETER = -6.0
#: Durations of the noise and of its fades, in seconds; its lowest frequency in Hz.
NOISE, FADE, LOWEST = 6.0, 0.05, 40.0


@dataclass(frozen=True)
class Check:
    """One question of the headphone check.

    Attributes
    ----------
    quiet : int
        Index of the quietest tone: 0, 1 or 2.
    opposite : int
        Index of the tone whose channels have opposite phase.
    """

    quiet: int
    opposite: int


def checks(seed: int) -> list[Check]:
    """Return the six questions: all combinations of the two indices, in an order from the seed."""
    pairs = [Check(quiet, other) for quiet in range(3) for other in range(3) if quiet != other]
    return [pairs[k] for k in np.random.default_rng([seed, CHECKS]).permutation(CHECKS)]


def passed(answers: list[int], *, seed: int) -> bool:
    """Whether enough answers are right."""
    right = sum(a == one.quiet for a, one in zip(answers, checks(seed), strict=True))
    return right >= ENOUGH


def tones(check: Check, *, level: float) -> Array:
    """Return the sound of a question.

    Parameters
    ----------
    check : Check
        The question.
    level : float
        RMS level of the louder tones in dBFS.

    Returns
    -------
    np.ndarray, shape=(samples, 2), float32
        The tones, sampled at `SR` Hz.
    """
    time = np.arange(round(TONE * SR)) / SR
    amplitude = min(np.sqrt(2) * 10 ** (level / 20), PEAK)
    tone = amplitude * np.sin(2 * np.pi * FREQUENCY * time) * _envelope(len(time), RAMP)
    parts = []
    for place in range(3):
        gain = 10 ** (QUIETER / 20) if place == check.quiet else 1.0
        sides = (1.0, -1.0 if place == check.opposite else 1.0)
        parts += [gain * np.outer(tone, sides), np.zeros((round(PAUSE * SR), 2))]
    return np.concatenate(parts[:-1]).astype(np.float32)


def noise(*, level: float, seed: int) -> Array:
    """Return pink noise for setting the volume.

    Parameters
    ----------
    level : float
        RMS level in dBFS.
    seed : int
        Seed of the noise.

    Returns
    -------
    np.ndarray, shape=(samples,), float32
        The noise, sampled at `SR` Hz.
    """
    n = round(NOISE * SR)
    frequency = np.fft.rfftfreq(n, 1 / SR)
    generator = np.random.default_rng(seed)
    white = generator.standard_normal(len(frequency)) + 1j * generator.standard_normal(
        len(frequency)
    )
    shape = np.where(frequency >= LOWEST, 1 / np.sqrt(np.maximum(frequency, LOWEST)), 0)
    y = np.fft.irfft(white * shape, n)
    y *= 10 ** (level / 20) / np.sqrt(np.mean(y**2))
    y *= min(1.0, PEAK / np.abs(y).max()) * _envelope(n, FADE)
    return y.astype(np.float32)


def _envelope(n: int, ramp: float) -> npt.NDArray[np.float64]:
    """Return an envelope of ones with raised-cosine ramps at both ends."""
    rise = np.sin(np.linspace(0, np.pi / 2, round(ramp * SR))) ** 2
    envelope = np.ones(n)
    envelope[: len(rise)] = rise
    envelope[n - len(rise) :] = rise[::-1]
    return envelope
