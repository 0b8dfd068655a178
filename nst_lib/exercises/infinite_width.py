"""Checks of the answers to the exercises of lesson 6, infinite width."""

import math

import pandas as pd
import torch

from nst_lib.core.losses import gram_matrix
from nst_lib.exercises.verdict import Verdict, exercise, number, right, wrong

#: The error that exercise 2 asks for.
WANTED = 0.01


@exercise
def products_of_frames(answer: object) -> Verdict:
    """Check exercise 1: the distance of two Gram matrices from products of frames.

    Parameters
    ----------
    answer : callable
        A function of two feature maps of shape=(C, U) and (C, V).
    """
    if not callable(answer):
        return wrong("The answer is a function of `F` and `H`: write it with `def`.")
    draw = torch.Generator().manual_seed(0)
    F, H = (torch.rand(9, frames, generator=draw, dtype=torch.float64) for frames in (4, 5))
    try:
        found = number(answer(F, H), "the squared distance")
    except (TypeError, RuntimeError, IndexError, NameError, AttributeError) as problem:
        return wrong(f"Your function ends with {type(problem).__name__}: {problem}")
    squares = [float(product.square().sum()) for product in (F.T @ F, F.T @ H, H.T @ H)]
    expected = float((gram_matrix(F) - gram_matrix(H)).square().sum())
    faults = {
        squares[0] - 2 * squares[1] + squares[2]: "By which numbers of frames is each divided?",
        squares[0] / 16 + 2 * squares[1] / 20 + squares[2] / 25: "Look at the sign in the middle.",
        squares[0] / 16 - squares[1] / 20 + squares[2] / 25: "The middle term counts twice.",
        expected / 81: "A squared distance has no factor 1/C². The loss has it.",
    }
    for fault, why in faults.items():
        if math.isclose(found, fault, rel_tol=1e-6):
            return wrong(why)
    if math.isclose(found, expected, rel_tol=1e-6):
        return right(
            "‖F Fᵀ‖² = ‖Fᵀ F‖², because the trace of a product does not change when its factors "
            "are moved round. With 4096 channels and 862 frames this is much cheaper."
        )
    return wrong("For random feature maps, the value is not the squared distance.")


@exercise
def one_percent(answer: object, *, errors: pd.DataFrame) -> Verdict:
    """Check exercise 2: how many channels the gradient needs for an error of 1 %.

    Parameters
    ----------
    answer : float
        The number of channels.
    errors : pd.DataFrame
        The relative errors of the lesson, by pooling and width; columns "loss" and "gradient".
    """
    found = number(answer, "a number of channels")
    average = errors.loc["average"]
    width = float(average.index.max())
    times = {name: float(average[name].iloc[-1]) / WANTED for name in ("gradient", "loss")}
    expected = width * times["gradient"] ** 2
    if math.isclose(found, expected, rel_tol=0.1):
        return right(
            "Millions of channels: no drawn network comes near. The limit costs less than one of "
            "512."
        )
    if math.isclose(found, width * times["gradient"], rel_tol=0.1):
        return wrong("Four times as many channels halve the error, not twice as many.")
    if math.isclose(found, width * times["loss"] ** 2, rel_tol=0.1):
        return wrong("This is for the error of the loss. The question is about the gradient.")
    return wrong("By which factor must the error fall? What does C^(-1/2) make of this factor?")


@exercise
def nothing_in_common(answer: object) -> Verdict:
    """Check exercise 3: K of frames with cos u = 0, as a share of K of a frame with itself."""
    found = number(answer, "a share")
    if math.isclose(found, 1 / math.pi, rel_tol=0.01):
        return right(
            "ReLU makes all answers positive, so even frames that have nothing in common get a "
            "third of the kernel. It says that both are loud."
        )
    if found == 0:
        return wrong("Put u = π/2 into the formula: sin u is not 0.")
    if math.isclose(found, 1 / (2 * math.pi), rel_tol=0.01):
        return wrong("This is K for frames of size 1. How large is K of such a frame with itself?")
    if math.isclose(found, 0.5, rel_tol=0.01):
        return wrong("This is K of a frame of size 1 with itself: the number to divide by.")
    return wrong("Compute the formula for u = π/2 and for u = 0, and divide.")
