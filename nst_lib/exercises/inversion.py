"""Checks of the answers to the exercises of lesson 9, inversion."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nst_lib import metrics
from nst_lib.core.inversion import spectral_convergence
from nst_lib.core.transforms import CQT, Transform
from nst_lib.exercises.verdict import Verdict, array, exercise, number, right, wrong

#: Width of the main lobe of a Hann window in bandwidths f / Q.
LOBE = 4
#: Exercise 3: range of levels in dBFS RMS, and how much quieter the sound must come back, in dB.
LEVELS = (-40.0, -10.0)
UNSEEN = 20.0
#: Exercise 4: lowest frequency of the hiss in Hz, and the largest difference of level in dB.
HISS, NEAR = 9000.0, 2.0


@exercise
def painless(answer: object, *, transform: CQT, study: CQT) -> Verdict:
    """Check exercise 1: the largest hop at which all bands are painless.

    Parameters
    ----------
    answer : int
        The hop in samples.
    transform, study : CQT
        The CQT of the question, and that of the lesson.
    """
    found = number(answer, "a hop in samples")
    expected, other = (bank.sr // (LOBE * max(bank.bank.bandwidths)) for bank in (transform, study))
    width = max(transform.bank.bandwidths)
    if found == expected:
        return right(
            "Fewer bins per octave mean a lower Q and wider bands, and a wider band needs more "
            "frames. This hop is much smaller than the study's 128."
        )
    if found == other:
        return wrong("This is the answer for the study's CQT. Use the bandwidths of the new one.")
    if math.isclose(found, LOBE * width, rel_tol=0.02):
        return wrong("This is a width in Hz. At which hop is the frame rate that high?")
    if int(found) == int(transform.sr // width):
        return wrong("f / Q is the bandwidth. How wide is the whole main lobe?")
    if found != int(found):
        return wrong("A hop is a whole number of samples. Round such that no lobe is too wide.")
    if found > expected:
        return wrong("At this hop, the main lobe of the widest band is wider than the frame rate.")
    return wrong("All bands are painless at this hop, but a larger one would do as well.")


@exercise
def measure(answer: object, *, y: Tensor, transform: Transform) -> Verdict:
    """Check exercise 2: a function that measures the spectral convergence.

    Parameters
    ----------
    answer : callable
        A function of a sound and a spectrogram.
    y : Tensor, shape=(samples,)
        A sound.
    transform : Transform
        The transform of the spectrogram.
    """
    if not callable(answer):
        return wrong("The answer is a function. Write `def name(y, S): ...` and `answer_2 = name`.")
    S = transform(y)
    heard = 0.5 * y.flip(-1)
    try:
        found = number(answer(heard, S), "a function that returns a value in dB")
        half = number(answer(0.5 * y, S), "a function that returns a value in dB")
    except (TypeError, RuntimeError, AttributeError, IndexError, NameError) as problem:
        return wrong(f"The function does not run: {type(problem).__name__}: {problem}")
    share = spectral_convergence(heard, S, transform)
    expected = _decibels(share)
    faults = {
        "This is the ratio itself. The question asks for decibels.": share,
        "This is a ratio of amplitudes. Which factor stands before the logarithm?": expected / 2,
        "The sign is wrong: a smaller error is a smaller number of decibels.": -expected,
        "You compare log-magnitudes. The B of the equation is an amplitude: undo the logarithm.": (
            _decibels(float((transform(heard) - S).norm() / S.norm()))
        ),
        "You compare log-magnitudes with amplitudes: undo the logarithm of S.": (
            _decibels(float((transform.amplitude(heard) - S).norm() / S.norm()))
        ),
        "Divide by the norm of the target B, not by that of the sound's magnitudes.": _decibels(
            share * float(S.expm1().norm() / transform.amplitude(heard).norm())
        ),
    }
    if _near(found, expected) and _near(half, _decibels(0.5)):
        return right(
            "The measure needs magnitudes only. A sound that was played backwards or that has "
            "another phase can be far from the original, sample by sample, and still be measured."
        )
    for said, value in faults.items():
        if _near(found, value):
            return wrong(said)
    return wrong(
        f"For the content at half its amplitude, the function returns {half:.2f}. There, |A y| is "
        "B / 2: what does the equation give?"
    )


@exercise
def unseen(answer: object, *, transform: Transform) -> Verdict:
    """Check exercise 3: a sound of which the transform returns almost nothing.

    Parameters
    ----------
    answer : np.ndarray or Tensor, shape=(samples,)
        A sound.
    transform : CQT
        The transform of the lesson.
    """
    y = array(answer, "the samples of a sound").astype(np.float32)
    if y.ndim != 1 or not 0.9 <= len(y) / transform.sr <= 1.1:
        return wrong(f"The shape is {y.shape}. One second has {transform.sr} samples.")
    level = float(_decibels(float(np.sqrt(np.mean(np.square(y, dtype=np.float64))))))
    if not LEVELS[0] <= level <= LEVELS[1]:
        return wrong(f"The level is {level:.0f} dBFS RMS. Silence would be too easy.")
    sound = torch.from_numpy(y)
    back = transform.synthesise(transform.analyse(sound), length=len(y))
    change = _decibels(float(back.norm() / sound.norm()))
    if change <= -UNSEEN:
        return right(
            "No filter reaches these frequencies. What no filter sees is in no coefficient, and no "
            "inverse can invent it. This is a loss of the transform and not of its inverse."
        )
    return wrong(
        f"The round trip returns this sound with {change:.1f} dB. Look at the left panel of the "
        "first figure: at which frequencies is there no energy? Filters reach a little beyond "
        "their centres, and a sudden beginning contains all frequencies."
    )


@exercise
def hiss(answer: object, *, y: NDArray[np.float32], sr: int) -> Verdict:
    """Check exercise 4: a sound made from magnitudes, with the hiss of the content.

    Parameters
    ----------
    answer : np.ndarray or Tensor, shape=(samples,)
        A sound.
    y : np.ndarray, shape=(samples,)
        The content.
    sr : int
        Sampling rate in Hz.
    """
    sound = array(answer, "the samples of a sound", shape=y.shape).astype(np.float32)
    if not sound.any():
        return wrong("The sound is silent.")
    if metrics.snr(sound, y, sr=sr, low=HISS) > 6:
        return wrong(
            "Above 9 kHz this is the content, sample by sample: you kept its phase. Start from the "
            "spectrogram, which has none."
        )
    if metrics.copying(sound, y, sr=sr) < 0.5:
        return wrong("The envelopes of this sound are not those of the content.")
    change = _decibels(_above(sound, sr) / _above(y, sr))
    if abs(change) <= NEAR:
        return right(
            "With the residual bands, magnitudes are enough for the hiss. Its level and its course "
            "are right, and no sample is: the ear does not need the phase of noise."
        )
    if change < -10:
        return wrong(
            f"Above 9 kHz, the sound is {-change:.0f} dB weaker than the content. The 512 bins of "
            "the study's CQT end below. Which transform has bands there?"
        )
    return wrong(
        f"Above 9 kHz, the level differs from the content's by {change:+.1f} dB. Make more "
        "iterations, and change nothing but the phase."
    )


def _decibels(ratio: float) -> float:
    return 20 * math.log10(max(ratio, 1e-12))


def _near(found: float, expected: float) -> bool:
    return math.isclose(found, expected, rel_tol=1e-3, abs_tol=0.02)


def _above(y: NDArray[np.float32], sr: int) -> float:
    """Return the amplitude of a sound above `HISS`."""
    spectrum = np.fft.rfft(y.astype(np.float64))
    return float(np.linalg.norm(spectrum[np.fft.rfftfreq(len(y), 1 / sr) > HISS]))
