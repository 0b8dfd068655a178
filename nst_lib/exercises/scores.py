"""Checks of the answers to the exercises of lesson 10, scores."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nst_lib import metrics
from nst_lib.exercises.verdict import Verdict, array, exercise, number, right, wrong
from nst_lib.recordings import load
from nst_lib.sound.datasets import Clip, Dataset
from nst_lib.system import System

Scored = Callable[[NDArray[np.float32]], dict[str, float]]

#: Exercises 1 and 3: the rhythm score that is asked for.
HALF = 0.5
#: Exercise 3: largest correlation with a recording, at any shift, that noise may have.
BY_CHANCE = 0.1
#: Exercise 4: rise of the noise score, and how near to it is right, in dB.
RISE, NEAR = 6.0, 1.0


@exercise
def late(answer: object, *, onsets: Tensor) -> Verdict:
    """Check exercise 1: the longest delay up to which the rhythm stays at one half.

    Parameters
    ----------
    answer : float
        The delay in ms.
    onsets : Tensor, shape=(frames,)
        Onset strength of the content.
    """
    found = number(answer, "a delay in ms")
    o = onsets.numpy()
    frames = next(n for n in range(1, len(o)) if np.corrcoef(o, np.roll(o, n))[0, 1] < HALF) - 1
    step = 1000 / metrics.ONSET_RATE
    expected = frames * step
    if math.isclose(found, expected):
        return right(
            "The smoothing of the onset strength decides this: a rhythm may be late by about its "
            "50 ms. At the periods of the content, the score rises again. A result that is late "
            "by a whole stroke would score well."
        )
    if math.isclose(found, frames) or math.isclose(found, expected / 1000):
        return wrong("The question asks for milliseconds. How long is a frame?")
    if math.isclose(found, expected + step):
        return wrong("There the score is below 0.5 for the first time.")
    if math.isclose(found, 2 * expected):
        return wrong("This is the whole width of the peak, early and late together.")
    if found > expected:
        return wrong(
            "Before this delay the score falls below 0.5. It may rise again, but the question asks "
            "up to where it *stays* there."
        )
    return wrong("At this delay the score is still 0.5 or more, and one frame later, too.")


@exercise
def same_kind(
    answer: object, *, clips: Dataset, style: Clip, config: System, scored: Scored
) -> Verdict:
    """Check exercise 2: the timbre score of another clip of the style's category.

    Parameters
    ----------
    answer : float
        The score.
    clips : Dataset
        The clips of the lesson.
    style : Clip
        The style.
    config : System
        The settings with which the lesson loads its clips.
    scored : callable
        The function that returns the scores of a sound.
    """
    found = number(answer, "a timbre score")
    other = next(clip for clip in clips.clips(category=style.category) if clip != style)
    scores = scored(load(other, config))
    if math.isclose(found, scores["timbre"], abs_tol=0.006):
        return right(
            "The scores describe *this recording*, including its microphone and its room, and not "
            "its category. Another recording that you would give the same name may be hardly "
            "closer than the content. Simulated clips come from one recipe and are closer."
        )
    if math.isclose(found, 1, abs_tol=0.006):
        return wrong("Only the style itself has this score. Take another clip of its category.")
    for name in ("texture", "rhythm", "noise"):
        if math.isclose(found, scores[name], abs_tol=0.006):
            return wrong(f"This is the {name} score. The question asks for timbre.")
    return wrong(
        "Load the first other clip with `load(clip, config)`, and pass it to `scored`. Is it the "
        "style's category, and not the content's?"
    )


@exercise
def out_of_nothing(
    answer: object, *, content: NDArray[np.float32], style: NDArray[np.float32], sr: int
) -> Verdict:
    """Check exercise 3: a sound of noise with the rhythm of the content.

    Parameters
    ----------
    answer : np.ndarray or Tensor, shape=(samples,)
        The sound.
    content, style : np.ndarray, shape=(samples,)
        The recordings.
    sr : int
        Sampling rate in Hz.
    """
    y = array(answer, "the samples of a sound", shape=content.shape).astype(np.float32)
    if not y.any():
        return wrong("The sound is silent.")
    for name, recording in (("content", content), ("style", style)):
        if _match(y, recording) > BY_CHANCE:
            return wrong(f"There are samples of the {name} in this sound. Use noise only.")
    rhythm = metrics.scores(y, content=content, style=style, sr=sr).rhythm
    if rhythm >= HALF:
        return right(
            f"The rhythm is {rhythm:.2f}, and there is nothing in this sound but noise and the "
            "loudness of the content. The score hears *when*, and never *what*."
        )
    return wrong(
        f"The rhythm is {rhythm:.2f}. Steady noise has no onsets: it must become louder when the "
        "content does. The lesson computes such a curve for the sound *volume*."
    )


@exercise
def how_much_noise(
    answer: object, *, result: NDArray[np.float32], white: NDArray[np.float64], scored: Scored
) -> Verdict:
    """Check exercise 4: the signal-to-noise ratio that raises the noise score by `RISE`.

    Parameters
    ----------
    answer : float
        The ratio in dB.
    result : np.ndarray, shape=(samples,)
        The result of the transfer.
    white : np.ndarray, shape=(samples,)
        White noise that is as strong as the result.
    scored : callable
        The function that returns the scores of a sound.
    """
    snr = number(answer, "a signal-to-noise ratio in dB")

    def rise(snr: float) -> float:
        noisy = (result + white * 10 ** (-snr / 20)).astype(np.float32)
        return scored(noisy)["noise"] - scored(result)["noise"]

    if not -100 < snr < 200:
        return wrong("No sound has such a signal-to-noise ratio. Look at the right panel.")
    reached = rise(snr)
    if abs(reached - RISE) <= NEAR:
        return right(
            "The quieter the background of the recordings, the less noise is needed. Far above "
            "this ratio, noise costs nothing: it lies below a background that is there anyway."
        )
    if abs(rise(-snr) - RISE) <= NEAR:
        return wrong("The size is right. Is the noise weaker or stronger than the result?")
    if abs(rise(2 * snr) - RISE) <= NEAR:
        return wrong("Amplitudes are divided by 10 to the power of SNR / 20, not of SNR / 10.")
    return wrong(
        f"There, the score rises by {reached:.1f} dB. Use "
        f"{'more' if reached < RISE else 'less'} noise, or read the value off the right panel."
    )


def _match(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return the largest correlation of two sounds over all shifts."""
    n = len(a) + len(b)
    spectra = [np.fft.rfft(y.astype(np.float64), n) for y in (a, b)]
    products = np.fft.irfft(spectra[0].conj() * spectra[1], n)
    return float(np.abs(products).max() / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12))
