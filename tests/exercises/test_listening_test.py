"""Right and wrong answers to the exercises of lesson 11."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from nst_lib.exercises import listening_test as checks
from nst_lib.opinions import simulation
from nst_lib.opinions.reading import check
from nst_lib.survey import order


def test_random_keys() -> None:
    assert checks.random_keys(4).right
    for answer, said in (
        (3, "more than 5%"),
        (5, "fewer trials"),
        (6, "3/5"),
        (2, "How many of the five answers"),
        (3.3, "whole number"),
        ("4", "one number"),
    ):
        verdict = checks.random_keys(answer)
        assert verdict.right is False
        assert said in verdict.why
        assert "4 " not in verdict.why.replace("6.4", "")


def test_five_sounds() -> None:
    square = np.array([order.row(5, r, seed=3) for r in range(10)])
    assert checks.five_sounds(square).right
    assert checks.five_sounds(list(permutations(range(5)))).right
    for answer, said in (
        ([np.roll(np.arange(5), -r) for r in range(5)], "4 times, and others 0 times"),
        (square[:7], "more often at a place"),
        (square + 1, "each of the sounds 0, 1, 2, 3 and 4"),
        (square[:, :4], "(10, 4)"),
        (square[0], "(5,)"),
        ("zigzag", "an array"),
    ):
        verdict = checks.five_sounds(answer)
        assert verdict.right is False
        assert said in verdict.why


def test_too_strict() -> None:
    passes = 0.95**6 + 6 * 0.95**5 * 0.05
    assert checks.too_strict(1 - passes, chance=0.95).right
    for answer, said in (
        (100 * (1 - passes), "percent"),
        (passes, "*passes*"),
        (1 - 0.95**6, "One wrong answer is allowed"),
        (0.05, "six questions"),
        (0.5, "sum of the lesson"),
        ("3 %", "one number"),
    ):
        verdict = checks.too_strict(answer, chance=0.95)
        assert verdict.right is False
        assert said in verdict.why
        assert "0.03" not in verdict.why


@pytest.mark.parametrize("listeners", [3, 5])
def test_what_counts(listeners: int) -> None:
    drawn = simulation.simulate(
        {("a",): 2.0, ("b",): 3.0}, ["system"], listeners=listeners, pairs=4
    )
    drawn = drawn.assign(presentation=1, lowest="", highest="")
    repeats = drawn.groupby("listener").head(2).assign(presentation=2)
    catches = drawn.groupby("listener").head(3).assign(lowest="4")
    catches["item"] = "catch " + catches["item"]
    ratings = check(pd.concat([drawn, repeats, catches], ignore_index=True))
    assert checks.what_counts(8 * listeners, ratings=ratings).right
    for answer, said in (
        (13 * listeners, "all rows"),
        (10 * listeners, "What about repeats"),
        (11 * listeners, "What about catch trials"),
        (8, "number of sounds"),
        (7 * listeners, "`presentation`"),
        (ratings, "one number"),
    ):
        verdict = checks.what_counts(answer, ratings=ratings)
        assert verdict.right is False
        assert said in verdict.why
        assert str(8 * listeners) not in verdict.why
