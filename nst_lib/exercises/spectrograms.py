"""Checks of the answers to the exercises of lesson 2, spectrograms."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from nst_lib.core.inversion import griffin_lim
from nst_lib.core.transforms import CQT, Transform
from nst_lib.exercises.verdict import Verdict, array, exercise, number, right, wrong

#: Exercise 4: the number of iterations, and the least error of the magnitudes that counts.
ITERATIONS, FAR = 8, 0.5


@exercise
def turned_down(answer: object, *, spectrogram: npt.NDArray[Any], gain: float) -> Verdict:
    """Check exercise 1: how much the largest compressed value falls if a sound is turned down.

    Parameters
    ----------
    answer : float
        The old maximum over the new one.
    spectrogram : np.ndarray, shape=(n_freq, n_frames)
        log(1 + amplitude) of the sound.
    gain : float
        The factor of the samples.
    """
    found = number(answer, "a factor")
    loudest = float(spectrogram.max())
    expected = loudest / math.log1p(gain * math.expm1(loudest))
    if math.isclose(found, expected, rel_tol=0.02):
        return right(
            f"It falls by less than {1 / gain:.0f}, because the peaks of the loud version were "
            "compressed and those of the quiet one are hardly. So the two pictures are not scaled "
            "copies: loud and soft parts differ more in the quiet one."
        )
    if math.isclose(found, 1 / expected, rel_tol=0.02):
        return wrong("This is the new maximum divided by the old one.")
    if math.isclose(found, 1 / gain, rel_tol=0.02):
        return wrong("This is the factor of the amplitudes. The network gets log(1 + amplitude).")
    return wrong("Undo the logarithm with `expm1`, scale the amplitude, and compress it again.")


@exercise
def tone(answer: object, *, transform: CQT, row: int, amplitude: float) -> Verdict:
    """Check exercise 2: the magnitude of a sine in its row of the CQT.

    Parameters
    ----------
    answer : float
        The magnitude.
    transform : CQT
        The transform of the lesson.
    row : int
        The row whose frequency the sine has.
    amplitude : float
        The amplitude of the sine.
    """
    found = number(answer, "a magnitude")
    length = transform.sr / transform.bank.bandwidths[row]
    expected = amplitude * math.sqrt(length) / 2
    if math.isclose(found, expected, rel_tol=0.02):
        return right(
            f"The window has {length:.0f} samples here. A lower tone of the same amplitude gets a "
            "larger magnitude, because its window is longer."
        )
    if math.isclose(found, 2 * expected, rel_tol=0.02):
        return wrong("A sine consists of two complex exponentials. The row sees one of them.")
    if math.isclose(found, amplitude * length / 4, rel_tol=0.02):
        return wrong("This is the rule of the STFT. The CQT divides by the sum of the window.")
    if math.isclose(found, math.log1p(expected), rel_tol=0.02):
        return wrong("This is the compressed value. The question asks for |C|.")
    return wrong("Find the length of the window in this row, `lengths[300]`, and the rule above.")


@exercise
def window(answer: object, *, sr: int, clicks: float, tones: float) -> Verdict:
    """Check exercise 3: a window that separates two clicks and two tones.

    Parameters
    ----------
    answer : float
        The length of the window in samples.
    sr : int
        Sampling rate in Hz.
    clicks : float
        Distance of the clicks in seconds.
    tones : float
        Distance of the tones in Hz.
    """
    found = number(answer, "a number of samples")
    if found <= 0:
        return wrong("A window has a positive number of samples.")
    if found < 1:
        return wrong("This looks like seconds. The question asks for samples.")
    if found / sr >= clicks:
        return wrong("This window is longer than the time between the clicks: it merges them.")
    if 4 * sr / found >= tones:
        return wrong("The main lobe of this window is wider than the distance of the tones.")
    return right(
        f"It lasts {1000 * found / sr:.0f} ms and its main lobe is {4 * sr / found:.0f} Hz wide. "
        "If the clicks were nearer, no window could separate both."
    )


@exercise
def no_sound(
    answer: object, *, real: npt.NDArray[Any], transform: Transform, length: int
) -> Verdict:
    """Check exercise 4: a picture that no sound comes near.

    Parameters
    ----------
    answer : np.ndarray, shape=(n_freq, n_frames)
        The picture, 0 or more.
    real : np.ndarray, shape=(n_freq, n_frames)
        The spectrogram of a recording, for comparison.
    transform : Transform
        The transform of both.
    length : int
        The number of samples of a sound with this many frames.
    """
    picture = array(answer, "a picture", real.shape).astype(np.float32)
    if picture.min() < 0:
        return wrong("A magnitude cannot be negative, and neither can log(1 + magnitude).")
    if not picture.any():
        return wrong("Silence is a sound: its picture is 0 everywhere.")
    errors = [
        float(griffin_lim(S, transform, length=length, n_iter=ITERATIONS).convergence[-1])
        for S in (picture, real.astype(np.float32))
    ]
    said = f"After {ITERATIONS} iterations the error is {20 * math.log10(errors[0]):.1f} dB"
    if errors[0] > FAR:
        return right(
            f"{said}; for the recording it is {20 * math.log10(errors[1]):.1f} dB. Neighbouring "
            "frames share most of their samples, so they cannot be independent. An optimised "
            "spectrogram lies between the two: nothing forces it to be that of a sound."
        )
    return wrong(
        f"{said}. Neighbouring frames and bins of a real spectrogram resemble each other. Make a "
        "picture in which they do not."
    )
