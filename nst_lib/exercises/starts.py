"""Checks of the answers to the exercises of lesson 8, starts, width, stalling."""

import math
from collections.abc import Mapping

import torch

from nst_lib.exercises.verdict import Verdict, array, exercise, number, right, wrong
from nst_lib.result import TransferResult


@exercise
def gains_from_noise(answer: object, *, made: Mapping[tuple[str, str], TransferResult]) -> Verdict:
    """Check exercise 1: how much larger the style loss is with gains than with samples, from noise.

    Parameters
    ----------
    answer : float
        The factor.
    made : mapping of (str, str) to TransferResult
        What is optimised and where it starts -> the result, as in the lesson.
    """
    found = number(answer, "a factor")
    gains, samples = (made[what, "noise"].realised["style"] for what in ("gains", "samples"))
    if math.isclose(found, gains / samples, rel_tol=0.1):
        return right(
            "Gains only change how loud bands are, so they cannot make anything that the start "
            "does not contain. They need a start that is made of the style. In return, they cannot "
            "destroy what it is made of."
        )
    if math.isclose(found, samples / gains, rel_tol=0.1):
        return wrong("You have divided the one by the other in the wrong order.")
    if math.isclose(found, gains - samples, rel_tol=0.05):
        return wrong("This is the difference of the two losses. The question asks for the factor.")
    other = (made[what, "mosaic"].realised["style"] for what in ("gains", "samples"))
    if math.isclose(found, next(other) / next(other), rel_tol=0.1):
        return wrong("These are the rows for the mosaic. Look at the start from noise.")
    return wrong("Divide the style losses of the sound in two rows of the first table.")


@exercise
def fold_it(answer: object) -> Verdict:
    """Check exercise 2: a function that folds a picture at zero.

    Parameters
    ----------
    answer : callable
        A function of log-magnitudes, some of them negative.
    """
    if not callable(answer):
        return wrong("The answer is a function of `x`: write it with `def`.")
    x = torch.linspace(-2, 2, 9, dtype=torch.float64).reshape(3, 3)
    try:
        given = answer(x.clone())
    except Exception as problem:  # whatever the student's function raises
        return wrong(f"Your function ends with {type(problem).__name__}: {problem}")
    found = torch.from_numpy(array(given, "the folded picture", (3, 3)))
    faults = {
        "This is the absolute value of x. Which quantity has its magnitude taken?": x.abs(),
        "Values below zero become 0 here. They become positive amplitudes.": x.clamp_min(0),
        "This is the amplitude. The picture has its logarithm.": x.expm1().abs(),
        "Nothing is folded: values below zero stay as they are.": x,
    }
    for why, fault in faults.items():
        if torch.allclose(found, fault):
            return wrong(why)
    if torch.allclose(found, x.expm1().abs().log1p()):
        return right(
            "Above zero nothing changes. Below zero, −2 becomes 0.62: no sound can have what the "
            "optimiser asked for."
        )
    return wrong("For a value below zero, take the amplitude, its magnitude, and the logarithm.")


@exercise
def where_it_is_concave(answer: object) -> Verdict:
    """Check exercise 3: how far below the style the content is where the loss is concave, in dB."""
    found = number(answer, "a number of dB")
    expected = 10 * math.log10(3)
    if math.isclose(found, expected, rel_tol=0.03):
        return right(
            "f'' = 12 x² − 4 s² is negative for x < s / √3. So a difference in level between the "
            "recordings is enough to stall an optimiser without a line search."
        )
    if math.isclose(found, -expected, rel_tol=0.03):
        return wrong("The size is right. The question asks how far *below*, as a positive number.")
    if math.isclose(found, expected / 2, rel_tol=0.03):
        return wrong("An amplitude has 20 dB for each factor of ten.")
    if math.isclose(found, 2 * expected, rel_tol=0.03):
        return wrong("Is the border at a third of s, or at another share?")
    return wrong("Compute the second derivative of f, and find the x at which it becomes 0.")
