"""Make the noise for setting the volume, and the sounds of two kinds of headphone check.

Both have six questions with three intervals each. A device that mixes its channels, in the air or
in a wire, gives other answers than headphones do.

    woods    Which of three tones of 200 Hz is the quietest? One tone is 6 dB quieter. Another tone
             has its two channels in opposite phase: over loudspeakers they cancel in the air, so
             that this tone seems the quietest. Five right answers pass. After K. J. P. Woods, M. H.
             Siegel, J. Traer and J. H. McDermott, Headphone screening to facilitate web-based
             auditory experiments (2017).
    huggins  Which of three noises has a faint tone in it? In one of them, a narrow band around 600
             Hz has opposite phase on the right. The tone exists in neither channel, and only both
             ears together hear it (Huggins pitch). After A. E. Milne and others, An online
             headphone screening test based on dichotic pitch (2021). All six answers must be right:
             our choice.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nst_lib.sound.audio import PEAK

Array = npt.NDArray[np.float32]

#: Kinds of the check -> number of right answers that pass.
KINDS = {"woods": 5, "huggins": 6}
CHECKS = 6
SR = 22050
FREQUENCY = 200.0
#: Durations of a tone, of its ramps, and of the pause between two tones, in seconds.
TONE, RAMP, PAUSE = 1.0, 0.1, 0.5
#: Level of the quieter tone, relative to the others, in dB.
QUIETER = -6.0
#: Centre of the band of the Huggins pitch in Hz, and half of its relative width.
PITCH, WIDTH = 600.0, 0.06
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


def right(answers: list[int], *, kind: str, seed: int) -> int:
    """Return the number of right answers, each the index of an interval."""
    wanted = targets(seed) if kind == "huggins" else [one.quiet for one in checks(seed)]
    return sum(a == b for a, b in zip(answers, wanted, strict=True))


def targets(seed: int) -> list[int]:
    """Return the index of the noise with the pitch in each question; each index comes twice."""
    return [int(k) % 3 for k in np.random.default_rng([seed, CHECKS, 2]).permutation(CHECKS)]


def question(k: int, *, kind: str, level: float, seed: int) -> Array:
    """Return the sound of question `k`, shape ``(samples, 2)``, sampled at `SR` Hz."""
    if kind == "woods":
        return tones(checks(seed)[k], level=level)
    return noises(targets(seed)[k], level=level, seed=CHECKS * seed + k)


def noises(target: int, *, level: float, seed: int) -> Array:
    """Return three noises, one of which has a Huggins pitch.

    Parameters
    ----------
    target : {0, 1, 2}
        Index of the noise with the pitch.
    level : float
        RMS level of a channel in dBFS.
    seed : int
        Seed of the noises.

    Returns
    -------
    np.ndarray, shape=(samples, 2), float32
        The noises, sampled at `SR` Hz.
    """
    generator = np.random.default_rng(seed)
    n = round(TONE * SR)
    frequency = np.fft.rfftfreq(n, 1 / SR)
    band = np.abs(frequency / PITCH - 1) <= WIDTH
    parts = []
    for place in range(3):
        left = generator.standard_normal(n)
        spectrum = np.fft.rfft(left)
        turned = np.where(band, -spectrum, spectrum) if place == target else spectrum
        sides = np.stack([left, np.fft.irfft(turned, n)], axis=1)
        sides *= min(10 ** (level / 20), PEAK / np.abs(sides).max()) * _envelope(n, FADE)[:, None]
        parts += [sides, np.zeros((round(PAUSE * SR), 2))]
    return np.concatenate(parts[:-1]).astype(np.float32)


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


def noise(*, level: float, seed: int, seconds: float = NOISE) -> Array:
    """Return pink noise for setting the volume.

    Parameters
    ----------
    level : float
        RMS level in dBFS.
    seed : int
        Seed of the noise.
    seconds : float > 0
        Its duration.

    Returns
    -------
    np.ndarray, shape=(samples,), float32
        The noise, sampled at `SR` Hz.
    """
    n = round(seconds * SR)
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
