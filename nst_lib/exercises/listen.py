"""Checks of the answers to the exercises of lesson 1, listen."""

import math

import numpy as np

from nst_lib import metrics
from nst_lib.exercises.verdict import Verdict, array, exercise, number, right, wrong
from nst_lib.sound import audio
from nst_lib.sound.audio import Audio
from nst_lib.sound.datasets import Dataset

#: Exercise 1: the frequencies of the two sines, in Hz.
REFERENCE, LOW = 997, 50


@exercise
def a_ruler(answer: object, *, sr: int) -> Verdict:
    """Check exercise 1: how much lower the loudness of a low sine is, in dB.

    Parameters
    ----------
    answer : float
        The difference.
    sr : int
        Sampling rate in Hz.
    """
    found = number(answer, "a difference in dB")
    t = np.arange(2 * sr) / sr
    high, low = (
        audio.loudness(np.sin(2 * np.pi * f * t).astype(np.float32), sr=sr, measure="lufs")
        for f in (REFERENCE, LOW)
    )
    if abs(found - (high - low)) < 0.3:
        return right(
            "The filter of BS.1770 imitates the ear, which is less sensitive to low frequencies. "
            f"At {REFERENCE} Hz loudness and RMS have the same value, {high:.2f}: the mean of sin² "
            "is 1/2."
        )
    if abs(found + (high - low)) < 0.3:
        return wrong("The size is right. The question asks how much *lower*, as a positive number.")
    if found == 0:
        return wrong("The RMS levels are equal, but LUFS weighs frequencies as the ear does.")
    if abs(found - abs(low)) < 0.3:
        return wrong("This is the loudness of the second sine. How far is it below the first?")
    return wrong("Make both sines with the same amplitude, two seconds long, and measure both.")


@exercise
def a_baseline(answer: object, *, content: Audio, style: Audio, sr: int) -> Verdict:
    """Check exercise 2: the style under the envelope of the content.

    Parameters
    ----------
    answer : np.ndarray, shape=(samples,)
        The sound.
    content, style : np.ndarray, shape=(samples,)
        The clips of the pair.
    sr : int
        Sampling rate in Hz.
    """
    y = array(answer, "the samples of a sound", content.shape).astype(np.float32)
    if not y.any():
        return wrong("This sound is silent.")
    roles = {
        "content": audio.level(content, sr=sr, measure="rms"),
        "style": audio.level(style, sr=sr, measure="rms"),
    }
    level = audio.level(y, sr=sr, measure="rms")
    found, before = (metrics.scores(x, **roles, sr=sr) for x in (level, roles["style"]))
    said = f"(Its rhythm score is {found.rhythm:.2f}, its timbre score {found.timbre:.2f}.)"
    if found.timbre < 0.4:
        return wrong(f"It sounds like the content. {said} Which of the two is multiplied?")
    if found.rhythm < before.rhythm + 0.05:
        return wrong(
            f"It does not rise and fall with the content: the style alone has {before.rhythm:.2f}. "
            f"{said} Which envelope does the style lose, and which one does it get?"
        )
    return right(
        f"{said} It rises and falls with the content and has the spectrum of the style, so it "
        "satisfies both measures of this lesson. But nothing *new* is made: it is the same "
        "recording with someone at the volume control. A transfer has to do better."
    )


@exercise
def another_draw(answer: object, *, clips: Dataset, seed: int) -> Verdict:
    """Check exercise 3: how many clips change with the seed.

    Parameters
    ----------
    answer : float
        The number of clips.
    clips : Dataset
        The clips of the lesson.
    seed : int
        The first of the two seeds.
    """
    found = number(answer, "a number of clips")
    both = [
        [clip for pair in clips.pairs(seed=s) for clip in (pair.style, pair.content)]
        for s in (seed, seed + 1)
    ]
    changed = sum(a != b for a, b in zip(*both, strict=True))
    if found == changed:
        share = len(clips.categories) / len(clips)
        return right(
            "Each category is drawn independently from its clips, so a clip stays the same with "
            f"a probability of about {share:.0%}."
        )
    if found == len(both[0]) - changed:
        return wrong("This is how many stay the same.")
    if not math.isclose(found, round(found)) or not 0 <= found <= len(both[0]):
        return wrong(f"There are {len(both[0])} clips: style and content of each pair.")
    return wrong("Compare style and content of each pair, one by one: `clips.pairs(seed=...)`.")
