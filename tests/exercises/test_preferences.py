"""Right and wrong answers to the exercises of lesson 13."""

import math

import numpy as np
import pandas as pd
import pytest

from nst_lib.exercises import preferences as checks
from nst_lib.opinions import choice_simulation, choices
from nst_lib.opinions.preferences import Preferences


def analysed(table: pd.DataFrame) -> Preferences:
    return Preferences(choices.check(table), ("pooling",), 0, 0)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    worths = {("max",): 0.6, ("average",): 0.0, ("none",): -1.5}
    return choice_simulation.preferences(worths, ["pooling"], seed=0)


@pytest.fixture(scope="module")
def analysis(table: pd.DataFrame) -> Preferences:
    return analysed(table)


def test_no_ties(analysis: Preferences) -> None:
    model = analysis.model
    d = model.worths[0] - model.worths[-1]
    expected = 1 / (1 + math.exp(-d))
    assert checks.no_ties(expected, model=model).right
    win = math.exp(d / 2) / (math.exp(d / 2) + math.exp(-d / 2) + model.tie)
    for answer, said in (
        (100 * expected, "percent"),
        (1 - expected, "Which of the two"),
        (win, "v = 0"),
        (math.exp(d), "odds"),
        (d, "difference of the worths"),
        (0.999, "both worths"),
        ("often", "one number"),
    ):
        verdict = checks.no_ties(answer, model=model)
        assert verdict.right is False
        assert said in verdict.why
        assert f"{expected:.2f}" not in verdict.why


def test_sixteen_trials() -> None:
    assert checks.sixteen_trials(12, n=16).right
    for answer, said in (
        (11, "not below 0.05"),
        (8, "not below 0.05"),
        (13, "one less"),
        (0.75, "whole number"),
        (75, "whole number"),
        ("12", "one number"),
    ):
        verdict = checks.sixteen_trials(answer, n=16)
        assert verdict.right is False
        assert said in verdict.why
        assert "12" not in verdict.why


def test_best_of_many() -> None:
    assert checks.best_of_many(7, limit=0.9).right
    for answer, said in (
        (5, "cannot be added"),
        (10, "cannot be added"),
        (6, "less than half"),
        (6.58, "whole number"),
        (50, "You need fewer"),
        (3, "You need more"),
        (np.ones(3), "one number"),
    ):
        verdict = checks.best_of_many(answer, limit=0.9)
        assert verdict.right is False
        assert said in verdict.why
        assert "7 " not in verdict.why.replace("27 ", "")


def test_three_times_the_same(table: pd.DataFrame, analysis: Preferences) -> None:
    tripled = analysed(table)
    vars(tripled)["answers"] = 3 * analysis.answers
    chi2, F = tripled.tests["value"][:2]
    before = analysis.tests["value"]
    assert chi2 == pytest.approx(3 * before[0])
    assert pytest.approx(before[1]) == F
    verdict = checks.three_times_the_same("over listeners", analysis=analysis)
    assert verdict.right
    assert f"to {chi2:.1f}" in verdict.why
    for answer, said in (
        ("neither", "One of them stays"),
        ("both", "each term comes three times"),
        ("likelihood ratio", "each term comes three times"),
        ("F", "choose one of"),
    ):
        verdict = checks.three_times_the_same(answer, analysis=analysis)
        assert verdict.right is False
        assert said in verdict.why
