"""Right and wrong answers to the exercises of lesson 14."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nst_lib.batch.results import declare
from nst_lib.exercises import experiment as checks
from nst_lib.opinions import comparison
from nst_lib.opinions.claims import MARGINS, Finding, examine, verdicts

TABLE = Path(__file__).parents[2] / "notebooks" / "conditions" / "claims.csv"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return comparison.load(TABLE)


@pytest.fixture(scope="module")
def findings(table: pd.DataFrame) -> list[Finding]:
    return examine(table)


def test_not_forty_samples(table: pd.DataFrame, findings: list[Finding]) -> None:
    example = findings[-1]
    given = {"table": table, "example": example}
    sides = table.set_index(["pair", "pooling", "layer_weights", "transform"])["rhythm"].unstack()
    every = sides["cqt"] - sides["stft"]
    assert len(every) == 20
    half = stats.t.ppf(0.975, 19) * stats.sem(every)
    assert checks.not_forty_samples(half, **given).right
    found = comparison.difference(table, "transform", "cqt", "stft", "rhythm")
    for answer, said in (
        (2 * half, "whole width"),
        ((found.high - found.low) / 2, "counts pairs"),
        (example.difference.high - example.difference.mean, "counts pairs"),
        (every.std(), "standard deviation"),
        (1.96 * stats.sem(every), "large samples"),
        (0.5, "leave out rows"),
        (every, "one number"),
    ):
        verdict = checks.not_forty_samples(answer, **given)
        assert verdict.right is False
        assert said in verdict.why
        assert f"{half:.2f}" not in verdict.why


def test_smallest_margin(findings: list[Finding]) -> None:
    equal = [finding for finding in findings if finding.claim.equal][1:]
    found = equal[0].difference
    low, high = found.interval(0.90)
    assert checks.smallest_margin(high, findings=equal).right
    for answer, said in (
        (low, "a size"),
        (-low, "other side"),
        (found.high, "95 % interval"),
        (found.mean, "mean is uncertain"),
        ((high - low) / 2, "half the width"),
        (0.2, "a smaller one"),
        (0.04, "not yet supported"),
        ((low, high), "one number"),
    ):
        verdict = checks.smallest_margin(answer, findings=equal)
        assert verdict.right is False
        assert said in verdict.why
        assert f"{high:.3f}" not in verdict.why
    assert "no claim of no difference" in checks.smallest_margin(0.05, findings=[]).why


def test_how_many_pairs(findings: list[Finding]) -> None:
    example = findings[-1]
    sd, margin = example.difference.sd, example.margin
    n = checks._needed(sd, margin)
    assert checks._half(sd, n) <= margin < checks._half(sd, n - 1)
    assert checks.how_many_pairs(n, example=example).right
    for answer, said in (
        (math.ceil((2.776445 * sd / margin) ** 2), "quantile of 5 pairs"),
        (math.ceil((1.96 * sd / margin) ** 2), "1.96 is a little too small"),
        (checks._needed(sd, margin / 2), "*either* side"),
        (n - 1 if n - 1 != math.ceil((1.96 * sd / margin) ** 2) else n - 2, "still reaches"),
        (n + 1, "fewer pairs are enough"),
        (n - 0.5, "whole number"),
        (np.arange(3), "one number"),
    ):
        verdict = checks.how_many_pairs(answer, example=example)
        assert verdict.right is False
        assert said in verdict.why
        assert f" {n} " not in verdict.why


def test_one_pair_less(table: pd.DataFrame) -> None:
    given = {"table": table, "margins": MARGINS}
    before = verdicts(table)["verdict"]
    pairs = list(table["pair"].unique())
    changed = {
        pair: bool((verdicts(table[table["pair"] != pair])["verdict"] != before).any())
        for pair in pairs
    }
    assert any(changed.values())
    for pair in pairs:
        verdict = checks.one_pair_less(pair, **given)
        assert verdict.right is changed[pair]
        assert verdict.right or "all verdicts stay" in verdict.why
    assert "There is such a pair" in checks.one_pair_less("none", **given).why
    assert "choose one of" in checks.one_pair_less(2, **given).why
    steady = table[table["layer_weights"] == "published"]
    steady = declare(steady.drop(columns=["texture", "timbre", "rhythm"]))
    said = checks.one_pair_less("none", table=steady, margins=MARGINS | {"noise": 50.0})
    assert said.right
