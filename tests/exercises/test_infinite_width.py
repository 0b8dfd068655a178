"""Right and wrong answers to the exercises of lesson 6."""

import math
from collections.abc import Callable

import pandas as pd
import pytest
import torch

from nst_lib.exercises import infinite_width


def parts(F: torch.Tensor, H: torch.Tensor) -> list[torch.Tensor]:
    return [product.square().sum() for product in (F.T @ F, F.T @ H, H.T @ H)]


def frames(F: torch.Tensor, H: torch.Tensor, middle: float = -2.0) -> torch.Tensor:
    a, b, c = parts(F, H)
    U, V = F.shape[1], H.shape[1]
    return a / U**2 + middle * b / (U * V) + c / V**2


def test_products_of_frames() -> None:
    assert infinite_width.products_of_frames(frames).right


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda F, H: parts(F, H)[0] - 2 * parts(F, H)[1] + parts(F, H)[2], "numbers of frames"),
        (lambda F, H: frames(F, H, 2.0), "the sign in the middle"),
        (lambda F, H: frames(F, H, -1.0), "counts twice"),
        (lambda F, H: frames(F, H) / len(F) ** 2, "no factor 1/C²"),
        (lambda F, H: (F - H).square().sum(), "RuntimeError"),
        (lambda F, H: F.sum(), "not the squared distance"),
        (lambda F, H: F, "one number"),
        (3.0, "write it with `def`"),
    ],
)
def test_products_that_are_wrong(answer: Callable[..., object], said: str) -> None:
    verdict = infinite_width.products_of_frames(answer)
    assert verdict.right is False
    assert said in verdict.why


def test_one_percent() -> None:
    index = pd.MultiIndex.from_product([["average", "max"], [64, 1024]])
    errors = pd.DataFrame(
        {"loss": [0.4, 0.1, 0.4, 0.1], "gradient": [2.0, 0.5, 3.0, 0.7]}, index=index
    )
    assert infinite_width.one_percent(1024 * 2500, errors=errors).right
    for answer, said in (
        (1024 * 50, "halve the error"),
        (1024 * 100, "the error of the loss"),
        (4096, "By which factor"),
        ("many", "one number"),
    ):
        verdict = infinite_width.one_percent(answer, errors=errors)
        assert verdict.right is False
        assert said in verdict.why
        assert "2560000" not in verdict.why


def test_nothing_in_common() -> None:
    assert infinite_width.nothing_in_common(0.318).right
    for answer, said in (
        (0, "sin u is not 0"),
        (1 / (2 * math.pi), "with itself"),
        (0.5, "the number to divide by"),
        (0.9, "u = π/2 and for u = 0"),
        ("a third", "one number"),
    ):
        verdict = infinite_width.nothing_in_common(answer)
        assert verdict.right is False
        assert said in verdict.why
        assert "1/π" not in verdict.why.replace(" ", "")
