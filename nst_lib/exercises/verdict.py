"""What a check says of an answer, and how it reads answers of different kinds.

A check is a function of the answer and of what the lesson has computed, decorated with
:func:`exercise`. It returns :func:`right` or :func:`wrong`.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Verdict:
    """What a check says of an answer; a notebook shows it as a sentence.

    Parameters
    ----------
    right : bool or None
        Whether the answer is right; None if there is no answer yet.
    why : str
        The reason, in Markdown.
    """

    right: bool | None
    why: str

    def _repr_markdown_(self) -> str:
        mark = {True: "✓ **Right.**", False: "✗ **Not yet.**", None: "○ **No answer yet.**"}
        return f"{mark[self.right]} {self.why}"

    def __repr__(self) -> str:
        return self._repr_markdown_().replace("**", "")


class UnclearError(ValueError):
    """An answer of a kind that the check cannot read."""


def right(why: str) -> Verdict:
    """Return the verdict on a right answer, with what it shows."""
    return Verdict(True, why)


def wrong(why: str) -> Verdict:
    """Return the verdict on a wrong answer, with a reason or a hint."""
    return Verdict(False, why)


def exercise(check: Callable[..., Verdict]) -> Callable[..., Verdict]:
    """Decorate a check: it then also answers to `...`, no answer yet, and to unclear answers."""

    @functools.wraps(check)
    def checked(answer: object, *args: Any, **kwargs: Any) -> Verdict:
        if answer is ...:
            return Verdict(None, "Replace the `...` in the cell above and run both cells.")
        try:
            return check(answer, *args, **kwargs)
        except UnclearError as problem:
            return wrong(str(problem))

    return checked


def number(answer: object, what: str) -> float:
    """Return an answer as a finite number.

    Parameters
    ----------
    answer : object
        A number, or an array or tensor with one element.
    what : str
        What is asked for, such as "a level in dB".

    Raises
    ------
    UnclearError
        If the answer is something else.
    """
    if isinstance(answer, torch.Tensor):
        answer = answer.detach().cpu().numpy()
    if isinstance(answer, np.ndarray) and answer.size == 1:
        answer = answer.item()
    if isinstance(answer, bool | np.bool_) or not isinstance(answer, int | float | np.number):
        raise UnclearError(
            f"The answer is {_kind(answer)}; the question asks for {what}, one number."
        )
    if not np.isfinite(answer):
        raise UnclearError(
            f"The answer is {answer}; the question asks for {what}, a finite number."
        )
    return float(answer)


def choice(answer: object, choices: Sequence[str]) -> str:
    """Return which of the choices an answer is. Case and blanks around it do not matter.

    Raises
    ------
    UnclearError
        If the answer is none of them.
    """
    if isinstance(answer, str):
        for known in choices:
            if answer.strip().casefold() == known.casefold():
                return known
    said = repr(answer) if isinstance(answer, str) else _kind(answer)
    listed = ", ".join(f'"{known}"' for known in choices)
    raise UnclearError(f"The answer is {said}; choose one of {listed}.")


def array(
    answer: object, what: str, shape: Sequence[int] | None = None
) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Return an answer as an array of finite numbers.

    Parameters
    ----------
    answer : object
        An array, a tensor, or a list of numbers.
    what : str
        What is asked for, such as "the samples of a sound".
    shape : sequence of int or None
        The shape that the array must have; None accepts any.

    Raises
    ------
    UnclearError
        If the answer is something else, or has another shape.
    """
    if isinstance(answer, torch.Tensor):
        answer = answer.detach().cpu().numpy()
    try:
        numbers = np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError):
        raise UnclearError(
            f"The answer is {_kind(answer)}; the question asks for {what}, an array."
        ) from None
    if numbers.ndim == 0:
        raise UnclearError(
            f"The answer is {_kind(answer)}; the question asks for {what}, an array."
        )
    if shape is not None and numbers.shape != tuple(shape):
        raise UnclearError(
            f"The answer has the shape {numbers.shape}; the question asks for {what}, "
            f"of the shape {tuple(shape)}."
        )
    if not np.isfinite(numbers).all():
        raise UnclearError("The answer contains values that are not finite (nan or inf).")
    return numbers


def _kind(answer: object) -> str:
    """Return a few words for what an answer is."""
    words = {
        type(None): "None",
        str: "a text",
        bool: "True or False",
        list: "a list",
        dict: "a dict",
    }
    words |= {np.ndarray: "an array", tuple: "a tuple", int: "a number", float: "a number"}
    return words.get(type(answer), f"a {type(answer).__name__}")
