"""ABX trials against R, and in closed form."""

import math
import re

import numpy as np
import pandas as pd
import pytest

from nst_lib.opinions import choice_simulation
from nst_lib.opinions.abx import ALL_TRIALS, Abx, binomial, clopper_pearson, d_prime, proportion
from nst_lib.opinions.choices import check
from nst_lib.opinions.tables import RatingsError

#: dprime.ABX(Pc.unb = P, method = "IO") and "diff" of R's psyphy 0.2-3, which follows Macmillan and
#: Creelman; its root finder stops at about four digits.
PSYPHY = {
    0.55: (0.686172558881, 0.761408746156),
    0.6: (1.00194876386, 1.11521917875),
    0.7: (1.52869412249, 1.71530180609),
    0.75: (1.79042492494, 2.02003813442),
    0.8: (2.07257976257, 2.35486030594),
    0.9: (2.8072890545, 3.26310796179),
    0.95: (3.43270557547, 4.07242746144),
    0.99: (4.68718818376, 5.7008662477),
}


def trials(right: dict[str, tuple[int, int]], names: str = "pq") -> pd.DataFrame:
    """Return trials: listener -> number of right answers, number of all."""
    rows = []
    for listener, (hits, n) in right.items():
        for k in range(n):
            a, b = names if k % 2 else names[::-1]
            x = "ab"[k // 2 % 2]
            chosen = x if k < hits else "ba"["ab".index(x)]
            rows.append((listener, a, b, x, chosen))
    return pd.DataFrame(rows, columns=["listener", "a", "b", "x", "chosen"])


@pytest.mark.parametrize("share", PSYPHY)
def test_d_prime_is_that_of_psyphy(share):
    independent, differencing = PSYPHY[share]
    assert d_prime(share, "independent") == pytest.approx(independent, abs=2e-4)
    assert d_prime(share, "differencing") == pytest.approx(differencing, abs=2e-4)


@pytest.mark.parametrize("model", ["independent", "differencing"])
def test_d_prime_of_chance_and_of_certainty(model):
    assert d_prime(0.5, model) == d_prime(0.2, model) == 0
    assert d_prime(1, model) == math.inf
    assert proportion(0, model) == 0.5
    assert d_prime(proportion(1.3, model), model) == pytest.approx(1.3)


def test_bad_proportions_and_models():
    with pytest.raises(ValueError, match=r"proportion 1\.1; accepted: 0 to 1"):
        d_prime(1.1, "independent")
    with pytest.raises(ValueError, match="model 'other'; accepted: independent, differencing"):
        d_prime(0.7, "other")


def test_interval_and_p_are_those_of_binom_test():
    """binom.test(17, 24), and with alternative = "greater"."""
    assert clopper_pearson(17, 24) == pytest.approx((0.4890521861, 0.8738479115))
    assert binomial(17, 24) == pytest.approx(0.03195732832)
    assert clopper_pearson(0, 5)[0] == 0
    assert clopper_pearson(5, 5) == pytest.approx((0.025 ** (1 / 5), 1))
    assert binomial(0, 5) == 1
    assert binomial(5, 5) == pytest.approx(1 / 32)


def test_interval_of_impossible_numbers():
    with pytest.raises(ValueError, match=r"6 of 5, level 0\.95; accepted: 0 to n"):
        clopper_pearson(6, 5)


def test_comparisons_count_both_orders_of_a_and_b():
    table = pd.concat([trials({"ann": (12, 16), "bob": (9, 16)}), trials({"ann": (8, 16)}, "pr")])
    found = Abx(check(table.reset_index(drop=True))).comparisons
    assert found[["a", "b", "n", "right"]].to_numpy().tolist() == [
        ["p", "q", 32, 21],
        ["p", "r", 16, 8],
        [ALL_TRIALS, "", 48, 29],
    ]
    assert found["p"].tolist() == pytest.approx(
        [binomial(21, 32), binomial(8, 16), binomial(29, 48)]
    )
    assert found["p Holm"].tolist()[:2] == pytest.approx([2 * binomial(21, 32), binomial(8, 16)])
    assert math.isnan(found["p Holm"][2])
    assert found["listeners"].tolist() == [2, 1, 2]
    assert found["mean"][0] == pytest.approx((12 + 9) / 32)
    assert math.isnan(found["p listeners"][1])


def test_analysis_of_listeners_is_a_t_test():
    table = trials({"ann": (12, 16), "bob": (9, 16), "cid": (14, 16)})
    row = Abx(check(table)).comparisons.iloc[0]
    shares = np.array([12, 9, 14]) / 16
    error = shares.std(ddof=1) / math.sqrt(3)
    assert row["mean"] == pytest.approx(shares.mean())
    assert row["t high"] - row["mean"] == pytest.approx(4.302653 * error, rel=1e-6)
    t = (shares.mean() - 0.5) / error
    assert row["p listeners"] == pytest.approx(0.5 - t / (2 * math.sqrt(2 + t * t)))


def test_heterogeneity_is_the_exact_permutation():
    """Two listeners: the hypergeometric distribution of the right answers of one of them."""
    found = Abx(check(trials({"ann": (10, 10), "bob": (5, 10)}))).heterogeneity
    ways = [math.comb(10, k) * math.comb(10, 15 - k) for k in range(5, 11)]
    assert found == pytest.approx((ways[0] + ways[-1]) / sum(ways), abs=0.006)
    assert math.isnan(Abx(check(trials({"ann": (7, 10)}))).heterogeneity)
    assert Abx(check(trials({"ann": (7, 10), "bob": (7, 10)}))).heterogeneity == 1


def test_listeners():
    people = Abx(check(trials({"ann": (12, 16), "bob": (16, 16)}))).people
    assert people["right"].tolist() == [12, 16]
    assert people["d independent"].tolist() == pytest.approx(
        [d_prime(0.75, "independent"), math.inf]
    )
    assert people["p Holm"].tolist() == pytest.approx([binomial(12, 16), 2 * binomial(16, 16)])


@pytest.mark.parametrize(
    ("column", "text", "message"),
    [
        ("x", "c", "row 3, column x: 'c'; accepted: a, b"),
        ("chosen", "", "row 3, column chosen: the cell is empty; accepted: a, b"),
        ("listener", " ", "row 3, column listener: the cell is empty; give a name"),
    ],
)
def test_wrong_cells(column, text, message):
    table = trials({"ann": (2, 4)})
    table.loc[3, column] = text
    with pytest.raises(RatingsError, match=re.escape(message)):
        check(table)


def test_simulated_trials_have_the_given_d_prime():
    table = choice_simulation.abx({(("p",), ("q",)): 1.5}, ["factor"], listeners=60, listener_sd=0)
    assert set(table["simulated"]) == {"yes"}
    assert 0.4 < (table["a_factor"] == "p").mean() < 0.6
    assert 0.4 < (table["x"] == "a").mean() < 0.6
    found = Abx(check(table), ("factor",)).comparisons.iloc[0]
    assert found["n"] == 60 * 16
    assert found["low"] < proportion(1.5, "independent") < found["high"]


def test_simulation_refuses_negative_distances():
    with pytest.raises(ValueError, match="accepted: 0 or more"):
        choice_simulation.abx({(("p",), ("q",)): -1}, ["factor"])


@pytest.mark.slow
def test_exact_intervals_cover():
    """Of independent trials."""
    truth = proportion(1.2, "independent")
    inside = 0
    for seed in range(300):
        table = choice_simulation.abx(
            {(("p",), ("q",)): 1.2},
            ["f"],
            listeners=10,
            pairs=1,
            repeats=8,
            listener_sd=0,
            seed=seed,
        )
        row = Abx(check(table), ("f",)).comparisons.iloc[0]
        inside += row["low"] <= truth <= row["high"]
    assert inside / 300 >= 0.93
