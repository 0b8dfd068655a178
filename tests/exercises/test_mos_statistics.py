"""Right and wrong answers to the exercises of lesson 12."""

import math

import numpy as np
import pytest

from nst_lib.exercises import mos_statistics as checks
from nst_lib.opinions import simulation
from nst_lib.opinions.ratings import Ratings
from nst_lib.opinions.reading import check
from nst_lib.opinions.screening import Rules
from nst_lib.opinions.simulation import Spread


@pytest.fixture(scope="module")
def survey() -> Ratings:
    return check(simulation.published()).ordered(simulation.ORDER).of("style")


def test_five_differences(survey: Ratings) -> None:
    given = {"ratings": survey, "factor": "transform"}
    pairs = checks._differences(survey, "transform", "pair")
    half = checks._half(pairs)
    assert half == pytest.approx(0.605, abs=0.01), "nearly that of the mixed model"
    assert checks.five_differences(half, **given).right
    for answer, said in (
        (2 * half, "whole width"),
        (1.96 * pairs.std(ddof=1) / math.sqrt(5), "t distribution"),
        (half * math.sqrt(0.8), "n − 1"),
        (half * math.sqrt(5), "√n"),
        (checks._half(checks._differences(survey, "transform", "listener")), "counts listeners"),
        (0.16, "too short"),
        (1.0, "mean of each pair"),
        (pairs, "one number"),
    ):
        verdict = checks.five_differences(answer, **given)
        assert verdict.right is False
        assert said in verdict.why
        assert f"{half:.2f}" not in verdict.why


def test_no_difference() -> None:
    given = {"n_sims": 3, "seed": 7}
    without, slopes = (checks._p_values(range(7, 10), slopes=s) for s in (False, True))
    assert checks.no_difference(without, **given).right
    for answer, said in (
        (slopes, "*with* slopes"),
        ([True, False, False], "the p values themselves"),
        ([without[0]] * 3, "seed of its own"),
        (without[::-1], "the seed `seed + k`"),
        (without[:2], "of the shape (3,)"),
        (0.28, "an array"),
    ):
        verdict = checks.no_difference(answer, **given)
        assert verdict.right is False
        assert said in verdict.why


def test_lucky_keys(survey: Ratings) -> None:
    given = {"ratings": survey, "rules": Rules()}
    verdicts = {seed: checks.lucky_keys(seed, **given) for seed in range(12)}
    assert {verdict.right for verdict in verdicts.values()} == {True, False}
    for verdict in verdicts.values():
        assert verdict.right or "correlation" in verdict.why
    for answer, said in (
        (-1, "no seed"),
        (0.5, "no seed"),
        (np.ones(20), "one number"),
    ):
        verdict = checks.lucky_keys(answer, **given)
        assert verdict.right is False
        assert said in verdict.why


def test_more_pairs() -> None:
    given = {"spread": Spread(), "listeners": 18, "error": 0.15}
    assert checks.more_pairs(12, **given).right
    for answer, said in (
        (11, "Round up"),
        (11.5, "whole pairs"),
        (5, "A *difference* has two means"),
        (2, "Square it"),
        (30, "smaller than it needs to be"),
        (8, "larger than it needs to be"),
        ("12", "one number"),
    ):
        verdict = checks.more_pairs(answer, **given)
        assert verdict.right is False
        assert said in verdict.why
        assert "12" not in verdict.why
    few = given | {"listeners": 4}
    assert "no number of pairs" in checks.more_pairs(12, **few).why
