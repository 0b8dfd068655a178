"""Checks of the answers to the exercises of lesson 7, transfer."""

import math

import numpy as np
import torch

from nst_lib.core.gains import Gains
from nst_lib.exercises.verdict import Verdict, exercise, number, right, wrong
from nst_lib.result import TransferResult
from nst_lib.sound.audio import Audio

#: Length of the recording of exercise 2, in seconds.
MINUTE = 60


@exercise
def how_much_content(answer: object, *, result: TransferResult) -> Verdict:
    """Check exercise 1: another content weight that gives more rhythm.

    Parameters
    ----------
    answer : TransferResult
        The new result.
    result : TransferResult
        The result of the lesson.
    """
    if not isinstance(answer, TransferResult):
        return wrong("The answer is the whole result, as `transfer(...)` returns it.")
    before, after = result.config.to_dict(), answer.config.to_dict()
    if "content_weight" not in before:
        return wrong(
            f"The preset {result.config.preset} has no content weight; run the lesson with shaped."
        )
    changed = {n for n in before.keys() | after.keys() if before.get(n) != after.get(n)}
    if not changed:
        return wrong("This transfer has the settings of the lesson. Use `config.replace(...)`.")
    if others := sorted(changed - {"content_weight"}):
        return wrong(
            f"Only the content weight should differ; you have changed {', '.join(others)} too."
        )
    if not _same(answer.content, result.content):
        return wrong("The content of your transfer is another recording.")
    if answer.scores is None or result.scores is None:
        return wrong("These recordings are too short for scores.")
    gain = answer.scores.rhythm - result.scores.rhythm
    if gain <= 0:
        return wrong(
            f"The rhythm score changes by {gain:+.3f}. In which direction does a content weight "
            "shift the balance of the two parts of the loss?"
        )
    cost = answer.scores.timbre - result.scores.timbre
    return right(
        f"The rhythm score rises by {gain:.2f}, and the timbre score changes by {cost:+.2f}. With "
        "gains, more content costs little timbre, because the sound is still made of the style. If "
        "all samples are optimised (`domain=waveform`), it costs far more."
    )


@exercise
def how_many_gains(answer: object, *, sr: int) -> Verdict:
    """Check exercise 2: how many gains a recording of one minute has.

    Parameters
    ----------
    answer : float
        The number of gains.
    sr : int
        Sampling rate of the lesson, in Hz.
    """
    found = number(answer, "a number of gains")
    bands, frames = Gains(torch.zeros(MINUTE * sr), sr=sr).unchanged().shape
    if math.isclose(found, bands * frames, rel_tol=0.02):
        return right(
            f"They are {bands} bands in {frames} frames: one number for "
            f"{MINUTE * sr / bands / frames:.0f} samples. So few numbers cannot destroy what the "
            "start is made of."
        )
    if math.isclose(found, frames, rel_tol=0.02):
        return wrong("This is the number of frames. Each frame has one gain for each band.")
    if math.isclose(found, MINUTE * sr, rel_tol=0.02):
        return wrong("This is the number of samples. The transfer does not optimise samples.")
    return wrong(
        "The lesson says how many gains its own recording has. The number grows in proportion to "
        "the length."
    )


@exercise
def without_a_content(answer: object, *, style: Audio) -> Verdict:
    """Check exercise 3: a texture of the style.

    Parameters
    ----------
    answer : TransferResult
        The result.
    style : np.ndarray of shape=(samples,) or (channels, samples)
        The style of the lesson, as the transfer used it.
    """
    if not isinstance(answer, TransferResult):
        return wrong("The answer is the whole result, as `transfer(...)` returns it.")
    if answer.content is not None:
        return wrong("This transfer has a content. Give `None` instead of the content.")
    if not _same(answer.style, style):
        return wrong(
            "The style is not that of the lesson. Give the same recording, and the same settings "
            "`sr`, `duration` and `mono`."
        )
    losses = [evaluation.losses["style"] for evaluation in answer.evaluations]
    if len(losses) < 2 or min(losses) > 0.9 * losses[0]:
        return wrong("Its style loss has hardly fallen. Does it need more evaluations?")
    return right(
        "You recognise what lies within the reach of the filters, up to a quarter of a second: "
        "colour, roughness, clicks. Nothing longer remains: a cluck becomes a mixture of pieces of "
        "clucks."
    )


def _same(y: Audio | None, other: Audio | None) -> bool:
    return y is not None and other is not None and np.array_equal(y, other)
