"""The study's claims: paired statistics against SciPy and by hand, and what the verdicts say."""

import dataclasses
import json
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nst_lib.batch import results
from nst_lib.opinions import claims, comparison
from nst_lib.opinions.claims import CLAIMS, Claim, Finding, examine, verdicts
from nst_lib.opinions.comparison import difference
from nst_lib.opinions.paired import Difference, holm
from tests.conftest import ROOT

CONDITIONS = ROOT / "notebooks" / "conditions"
PAIRS = ("snoring over hand saw", "hen over car horn", "frog over keyboard", "a over b", "c over d")
VALUES = (0.10, 0.20, 0.30, 0.25, 0.15)
LEVELS = {
    "transform": ["stft", "cqt"],
    "pooling": ["max", "average"],
    "layer_weights": ["published", "balanced"],
}


def make_table(
    *, pairs: int = 5, seeds: int = 1, scale: float = 0.1, drop: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Return a table as a batch writes it, of random scores."""
    rng = np.random.default_rng(0)
    levels = {name: values for name, values in LEVELS.items() if name not in drop}
    rows = []
    for pair, *values, seed in product(PAIRS[:pairs], *levels.values(), range(seeds)):
        scores = {name: scale * rng.standard_normal() for name in claims.MARGINS}
        condition = dict(zip(levels, values, strict=True))
        rows.append({"pair": pair, **condition, "seed": seed, **scores})
    return pd.DataFrame(rows).assign(preset="milacic2020", content_weight=np.nan, device="cpu")


def differences(values: tuple[float, ...] | np.ndarray) -> Difference:
    pairs = {f"pair {k}": float(value) for k, value in enumerate(values)}
    return Difference("pooling", "max", "average", "rhythm", pairs, len(pairs))


def centred(mean: float, half: float, level: float) -> Difference:
    """Return a difference of five pairs whose interval at `level` is mean +- half."""
    shape = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    error = stats.sem(shape) * stats.t.ppf((1 + level) / 2, 4)
    return differences(mean + shape * half / error)


def verdict(found: Difference, *, equal: bool, margin: float = 0.05) -> str:
    claim = Claim("", "pooling", "max", "average", ("rhythm",), equal=equal)
    return Finding(claim, "all", "rhythm", margin, found).verdict


def test_statistics_by_hand():
    found = differences(VALUES)
    assert (found.n, found.mean) == (5, pytest.approx(0.2))
    assert found.sd == pytest.approx(np.sqrt(0.025 / 4))
    # t(4) is 2.776445 at 97.5 % and 2.131847 at 95 % in any printed table.
    half = 2.776445 * np.sqrt(0.025 / 4 / 5)
    assert (found.low, found.high) == pytest.approx((0.2 - half, 0.2 + half), rel=1e-6)
    half = 2.131847 * np.sqrt(0.025 / 4 / 5)
    assert found.interval(0.90) == pytest.approx((0.2 - half, 0.2 + half), rel=1e-6)
    assert found.d == pytest.approx(0.2 / np.sqrt(0.025 / 4))
    # J(4) = gamma(2) / (sqrt(2) gamma(3 / 2)) = 0.797885; Hedges' own table has 0.798.
    assert found.g == pytest.approx(0.797885 * found.d, rel=1e-6)


def test_correction_is_near_hedges_approximation():
    for n in (5, 10, 40):
        found = differences(np.random.default_rng(n).standard_normal(n) + 1)
        assert found.g / found.d == pytest.approx(1 - 3 / (4 * (n - 1) - 1), rel=4e-3)


@pytest.mark.parametrize("seed", range(3))
def test_t_test_is_scipys(seed):
    a, b = np.random.default_rng(seed).standard_normal((2, 7))
    found, reference = differences(a - b), stats.ttest_rel(a, b)
    assert found.p == pytest.approx(reference.pvalue, rel=1e-9)
    for level in (0.90, 0.95):
        interval = reference.confidence_interval(level)
        assert found.interval(level) == pytest.approx((interval.low, interval.high), rel=1e-9)


@pytest.mark.parametrize("mean", [-0.3, 0.0, 0.2])
def test_equivalence_is_the_larger_of_two_one_sided_tests(mean):
    values, margin = np.random.default_rng(1).standard_normal(9) + mean, 0.7
    above = stats.ttest_1samp(values, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(values, margin, alternative="less").pvalue
    assert differences(values).equivalence(margin) == pytest.approx(max(above, below), rel=1e-9)


def test_equivalence_and_the_90_percent_interval_agree():
    for seed in range(50):
        found = differences(0.1 * np.random.default_rng(seed).standard_normal(5))
        low, high = found.interval(0.90)
        assert (found.equivalence(0.1) < 0.05) == (low > -0.1 and high < 0.1)


def test_no_spread():
    same, none = differences([0.1] * 5), differences([0.0] * 5)
    assert (same.low, same.high, same.p, same.d) == (0.1, 0.1, 0, np.inf)
    assert (none.low, none.high, none.p, none.d, none.g) == (0, 0, 1, 0, 0)
    assert (none.equivalence(0.05), same.equivalence(0.05)) == (0, 1)
    assert verdict(none, equal=True) == "supported"
    assert verdict(none, equal=False) == "undecided"
    assert verdict(same, equal=True) == "contradicted"
    assert verdict(same, equal=False) == "supported"


def test_intervals_cover_at_their_level():
    rng = np.random.default_rng(0)
    intervals = [differences(rng.standard_normal(5) + 1).interval(0.90) for _ in range(2000)]
    hits = sum(low < 1 < high for low, high in intervals)
    assert hits / 2000 == pytest.approx(0.90, abs=0.02)  # three standard errors


def test_level_and_margin_are_checked():
    with pytest.raises(ValueError, match=r"level 95; accepted: between 0 and 1"):
        differences(VALUES).interval(95)
    with pytest.raises(ValueError, match=r"margin 0; accepted: more than 0"):
        differences(VALUES).equivalence(0)


@pytest.mark.parametrize(
    ("mean", "half", "expected"),
    [
        (0.0, 0.049, "supported"),
        (0.03, 0.019, "supported"),
        (0.03, 0.021, "undecided"),  # not 0, but as large as the margin perhaps
        (0.0, 0.06, "undecided"),
        (0.06, 0.02, "contradicted"),
        (-0.06, 0.02, "contradicted"),
        (0.06, 0.05, "undecided"),  # the 95 % interval is 1.3 times as wide, and includes 0
        (0.2, 0.01, "contradicted"),
    ],
)
def test_verdict_of_equality(mean, half, expected):
    assert verdict(centred(mean, half, 0.90), equal=True) == expected


@pytest.mark.parametrize(
    ("mean", "half", "expected"),
    [(0.06, 0.05, "supported"), (0.01, 0.009, "supported"), (0.06, 0.07, "undecided")],
)
def test_verdict_of_direction(mean, half, expected):
    assert verdict(centred(mean, half, 0.95), equal=False) == expected
    opposite = {"supported": "contradicted"}.get(expected, expected)
    assert verdict(centred(-mean, half, 0.95), equal=False) == opposite


@pytest.mark.parametrize(
    ("mean", "half", "expected"),
    [(0.1, 0.04, "yes"), (-0.1, 0.04, "yes"), (0.1, 0.06, "open"), (0.01, 0.03, "no")],
)
def test_size_is_told_beside_the_direction(mean, half, expected):
    finding = Finding(CLAIMS[1], "all", "noise", 0.05, centred(mean, half, 0.90))
    assert finding.beyond == expected


def test_difference_is_that_of_pair_means_where_nothing_is_missing():
    table = make_table(seeds=2)
    found = difference(table, "transform", "cqt", "stft", "rhythm")
    means = table.groupby(["pair", "transform"])["rhythm"].mean().unstack()
    reference = stats.ttest_rel(means["cqt"], means["stft"])
    assert found.p == pytest.approx(reference.pvalue)
    assert found.mean == pytest.approx((means["cqt"] - means["stft"]).mean())
    assert (found.n, found.compared) == (5, 5 * 2 * 2 * 2)
    assert tuple(found.values) == PAIRS, "in order of the table"


def test_swapping_the_levels_swaps_the_signs():
    table = make_table()
    one = difference(table, "pooling", "max", "average", "noise")
    other = difference(table, "pooling", "average", "max", "noise")
    assert (other.mean, other.d, other.g) == pytest.approx((-one.mean, -one.d, -one.g))
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low))
    assert other.p == pytest.approx(one.p)
    assert other.equivalence(1) == pytest.approx(one.equivalence(1))


def test_what_pairs_share_and_the_order_of_rows_do_not_matter():
    table = make_table(seeds=2)
    moved = table.sample(frac=1, random_state=1)
    moved["rhythm"] += moved["pair"].map(dict(zip(PAIRS, (3, 1, -4, 1, 5), strict=True)))
    moved["rhythm"] += moved["pooling"].map({"max": 7, "average": 0}) - moved["seed"]
    one, other = (difference(t, "transform", "cqt", "stft", "rhythm") for t in (table, moved))
    assert other.values == pytest.approx(one.values)


def test_copies_of_seeds_do_not_narrow_the_interval():
    table = make_table()
    copies = pd.concat([table.assign(seed=seed) for seed in range(8)])
    one, other = (difference(t, "transform", "cqt", "stft", "rhythm") for t in (table, copies))
    assert (other.low, other.high, other.n) == pytest.approx((one.low, one.high, 5))
    assert other.compared == 8 * one.compared


def test_incomplete_comparisons_are_left_out():
    table = make_table(seeds=2)
    of_pair = table["pair"] == PAIRS[0]
    lost = of_pair & (table["seed"] == 1) & (table["transform"] == "cqt")
    gone = (table["pair"] == PAIRS[1]) & (table["transform"] == "stft")
    table.loc[of_pair & (table["seed"] == 1), "rhythm"] = 1e6  # its partners have no say either
    table.loc[table["pair"] == PAIRS[1], "rhythm"] = 1e6
    found = difference(table[~lost & ~gone], "transform", "cqt", "stft", "rhythm")
    assert tuple(found.values) == (PAIRS[0], *PAIRS[2:])
    assert (found.n, found.compared) == (4, 4 + 3 * 8)
    first = table[of_pair & (table["seed"] == 0)].groupby("transform")["rhythm"].mean()
    assert found.values[PAIRS[0]] == pytest.approx(first["cqt"] - first["stft"])


def test_score_that_is_missing_counts_as_a_missing_sound():
    table = make_table()
    table.loc[0, "rhythm"] = np.nan
    assert difference(table, "transform", "cqt", "stft", "rhythm").compared == 19
    assert difference(table, "transform", "cqt", "stft", "noise").compared == 20


def test_setting_that_is_not_set_is_a_level():
    table = pd.concat([make_table(), make_table().assign(content_weight=0.1)])
    table.loc[table["content_weight"].notna(), "rhythm"] += 0.5
    found = difference(table, "content_weight", 0.1, "none", "rhythm")
    assert list(found.values.values()) == pytest.approx([0.5] * 5)
    assert difference(table, "pooling", "max", "average", "rhythm").compared == 40
    assert comparison.factors(table)["content_weight"] == ["none", 0.1]


def test_where_takes_part_of_the_table():
    table = make_table()
    found = difference(
        table, "pooling", "max", "average", "noise", {"layer_weights": "balanced", "seed": 0}
    )
    part = table[table["layer_weights"] == "balanced"]
    assert found == difference(part, "pooling", "max", "average", "noise")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("poolin", "max", "average", "noise"), "no column 'poolin' .*; did you mean pooling"),
        (("pooling", "max", "average", "noize"), "no column 'noize' .*; did you mean noise"),
        (("pooling", "max", "averag", "noise"), "pooling 'averag' is not .*did you mean average"),
        (("pooling", "zzz", "max", "noise"), "pooling 'zzz' is not .*; accepted: max, average"),
        (("pooling", "max", "average", "noise", {"sed": 0}), "no column 'sed' .*mean seed"),
        (("pooling", "max", "average", "noise", {"seed": 3}), "seed 3 is not .*; accepted: 0"),
    ],
)
def test_unknown_names_are_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        difference(make_table(), *arguments)


def test_one_pair_is_not_enough():
    table = make_table(pairs=1)
    message = "pooling: only 1 pair of recordings has noise of both max and average .*two pairs are"
    with pytest.raises(ValueError, match=message):
        difference(table, "pooling", "max", "average", "noise")
    result = verdicts(table)
    assert set(result["verdict"]) == {"undecided"}
    assert set(result["n"]) == {1}
    assert result["mean"].notna().all()
    assert result[["low", "high", "d_z", "p", "p Holm"]].isna().all(axis=None)


def test_verdicts_have_a_row_for_each_claim_score_and_circumstance():
    result = verdicts(make_table())
    assert len(result) == 2 * (4 + 1 + 2 + 1)
    assert list(result["circumstance"].unique()) == [
        "published layer weights",
        "balanced layer weights",
    ]
    assert list(result["claim"].unique()) == [claim.text for claim in CLAIMS]
    noise = result[result["score"] == "noise"]
    assert set(noise["margin"]) == {1.0}
    assert set(noise["difference"]) == {"max − average", "cqt − stft"}
    assert len(verdicts(make_table(), split=None)) == 8


def test_verdicts_agree_with_difference():
    table = make_table()
    result = verdicts(table).query("score == 'rhythm' and difference == 'cqt − stft'")
    for weights in LEVELS["layer_weights"]:
        where = {"layer_weights": weights}
        found = difference(table, "transform", "cqt", "stft", "rhythm", where)
        columns = ["n", "mean", "low", "high", "d_z", "g", "p"]
        expected = (5, found.mean, found.low, found.high, found.d, found.g, found.p)
        row = result[result["circumstance"] == f"{weights} layer weights"].iloc[0]
        assert tuple(row[columns]) == pytest.approx(expected)


def test_known_answers():
    table = make_table(seeds=2, scale=1e-3)
    cqt, balanced = table["transform"] == "cqt", table["layer_weights"] == "balanced"
    table.loc[cqt, "noise"] += 3.0
    table.loc[cqt, "timbre"] += 0.2  # the other way round
    table.loc[cqt & balanced, "rhythm"] += 0.02
    table.loc[balanced & (table["pooling"] == "max"), "rhythm"] -= 0.2
    result = verdicts(table).set_index(["claim", "score", "circumstance"]).sort_index()
    got = result["verdict"] + ", " + result["beyond margin"]
    published, balanced = "published layer weights", "balanced layer weights"
    pooling, noise, style, content = (claim.text for claim in CLAIMS)
    assert got[pooling, "rhythm", published] == "supported, no"
    assert got[pooling, "rhythm", balanced] == "contradicted, yes"
    assert set(got[pooling, "timbre"]) == {"supported, no"}
    assert set(got[noise, "noise"]) == {"supported, yes"}
    assert set(got[style, "timbre"]) == {"contradicted, yes"}
    assert set(result.loc[(style, "texture"), "beyond margin"]) == {"no"}
    assert got[content, "rhythm", balanced] == "supported, no"
    corrected = result["p Holm"]
    assert (corrected >= result["p"]).all()
    assert result.loc[(pooling, "timbre", published), "p"] < 1e-6, "of equivalence"


def test_noise_alone_supports_little():
    assert "contradicted" not in set(verdicts(make_table(scale=0.01, seeds=3))["verdict"])


@pytest.mark.parametrize(
    ("drop", "missing", "rows"),
    [
        (("layer_weights",), set(), 8),
        (("pooling",), {"Pooling makes no difference"}, 16),
        (("transform",), {claim.text for claim in CLAIMS[1:]}, 16),
        (("rhythm",), {"CQT keeps more of the content"}, 16),
    ],
)
def test_what_a_table_lacks_is_said(drop, missing, rows):
    table = make_table(drop=drop).drop(columns=list(drop), errors="ignore")
    result = verdicts(table)
    assert len(result) == rows
    lacking = result.groupby("claim")["verdict"].agg(lambda v: (v == "not in this table").all())
    assert set(lacking[lacking].index) == missing
    circumstances = {"all"} if drop == ("layer_weights",) else None
    assert circumstances is None or set(result["circumstance"]) == circumstances


def test_level_that_is_not_there_is_said():
    table = make_table()
    table = table[(table["transform"] == "stft") | (table["layer_weights"] == "published")]
    result = verdicts(table).query("difference == 'cqt − stft'")
    said = dict(zip(result["circumstance"], result["verdict"] == "not in this table", strict=True))
    assert said == {"published layer weights": False, "balanced layer weights": True}


def test_margins_and_claims_can_be_changed():
    table = make_table(scale=0.01)
    wide = dict.fromkeys(claims.MARGINS, 100.0)
    assert set(verdicts(table, margins=wide)["beyond margin"]) == {"no"}
    own = Claim("Same weights", "layer_weights", "balanced", "published", ("noise",), equal=True)
    (finding,) = examine(table, split="pooling", claims=[own])[:1]
    assert (finding.circumstance, finding.difference.n) == ("max pooling", 5)
    with pytest.raises(ValueError, match="score 'noise' has no margin; accepted: rhythm"):
        examine(table, margins={"rhythm": 0.1}, claims=[own])
    with pytest.raises(ValueError, match="no column 'pair'"):
        verdicts(table.drop(columns="pair"))


def test_holm_by_hand():
    corrected = holm([0.01, 0.04, float("nan"), 0.03, 0.005])
    assert corrected[:2] + corrected[3:] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert np.isnan(corrected[2])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_summary_has_the_t_interval_over_pairs():
    table = make_table(seeds=3)
    summary = comparison.summarise(table, ["transform", "pooling"])
    assert len(summary) == 2 * 2 * 4
    row = summary.query("transform == 'cqt' and pooling == 'max' and score == 'noise'").iloc[0]
    part = table.query("transform == 'cqt' and pooling == 'max'")
    means = part.groupby("pair")["noise"].mean()
    low, high = stats.t.interval(0.95, 4, means.mean(), stats.sem(means))
    assert (row["mean"], row["low"], row["high"], row["n"]) == pytest.approx(
        (means.mean(), low, high, 5)
    )
    assert comparison.summarise(table, "seed", ["noise"])["seed"].tolist() == [0, 1, 2]


def test_scores_of_the_ear_are_summarised_where_they_are_known():
    table = make_table()
    without = comparison.summarise(table, "transform")
    assert not {"ear", "ear content"} & set(without["score"])
    empty = comparison.summarise(table.assign(ear=np.nan), "transform")
    pd.testing.assert_frame_equal(empty, without)
    half = table.assign(ear=np.where(table["transform"] == "stft", 0.5, np.nan))
    found = comparison.summarise(half, "transform").query("score == 'ear'").set_index("transform")
    assert found["n"].to_dict() == {"stft": 5, "cqt": 0}
    assert found.loc["stft", "mean"] == 0.5
    assert np.isnan(found.loc["cqt", "mean"])
    assert results.settings(half) == results.settings(table)


def test_summary_of_one_pair_has_no_interval():
    summary = comparison.summarise(make_table(pairs=1), ["transform"], ["timbre"])
    assert summary[["low", "high"]].isna().all(axis=None)
    assert summary["n"].tolist() == [1, 1]


def test_summary_of_unknown_columns_is_an_error():
    with pytest.raises(ValueError, match=r"no column 'transfrom' .*mean transform"):
        comparison.summarise(make_table(), ["transfrom"])
    with pytest.raises(ValueError, match=r"no column 'timber' .*mean timbre"):
        comparison.summarise(make_table(), ["transform"], ["timber"])


def test_factors_are_the_settings_that_vary():
    assert comparison.factors(make_table(seeds=2)) == LEVELS
    assert comparison.factors(make_table(drop=("pooling", "layer_weights"))) == {
        "transform": LEVELS["transform"]
    }


def make_incomplete(factor: str, *, cell: tuple[float, str] = (1.0, "average")) -> pd.DataFrame:
    """Return a table of a setting of one system, 0.6 better at 1, with a cell missing everywhere.

    Max is 0.3 worse than average at either level, of which only one has both.
    """
    rows = [
        {"pair": pair, factor: level, "pooling": pooling, "seed": 0, "preset": "antognini2019"}
        | {"rhythm": 0.6 * level - 0.3 * (pooling == "max")}
        for pair, level, pooling in product(PAIRS, (0.0, 1.0), ("max", "average"))
        if (level, pooling) != cell
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("factor", ["diversity", "filters", "log_range", "alpha", "their own"])
@pytest.mark.parametrize("declared", [True, False])
def test_what_only_one_system_has_is_a_factor_too(factor, declared, tmp_path):
    table = make_incomplete(factor)
    if declared:
        table["factors"] = f"{factor}+pooling"
    table.to_csv(tmp_path / "copied.csv", index=False)
    for read in (table, comparison.load(tmp_path / "copied.csv")):
        found = difference(read, "pooling", "max", "average", "rhythm")
        assert list(found.values.values()) == pytest.approx([-0.3] * 5), "not 0: 0.6 / 2 - 0.3"
        assert comparison.factors(read) == {factor: [0.0, 1.0], "pooling": ["max", "average"]}


def test_what_a_table_names_no_setting_is_none():
    table = make_incomplete("diversity").assign(factors="diversity+pooling")
    table["opinion"] = np.random.default_rng(0).integers(1, 6, len(table))
    found = difference(table, "pooling", "max", "average", "rhythm")
    assert (found.mean, found.n) == (pytest.approx(-0.3), 5)
    with pytest.raises(ValueError, match=r"'factors' names 'diversity', and .* no such column"):
        difference(table.drop(columns="diversity"), "pooling", "max", "average", "rhythm")
    message = (
        "column 'opinion' may be a setting or not.*add a column 'factors' that names the settings"
    )
    with pytest.raises(ValueError, match=message):
        difference(table.drop(columns="factors"), "pooling", "max", "average", "rhythm")


def test_what_is_added_to_a_table_that_was_read_is_none(tmp_path):
    make_table().to_csv(tmp_path / "results.csv", index=False)
    table = comparison.load(tmp_path / "results.csv")
    before = verdicts(table)
    table["condition"] = table[list(LEVELS)].agg(", ".join, axis=1)
    pd.testing.assert_frame_equal(verdicts(table), before)
    alone = table.drop(columns="factors")
    with pytest.raises(ValueError, match=r"with all other settings \(.*condition\) equal"):
        difference(alone, "pooling", "max", "average", "rhythm")


def test_joined_tables_have_the_settings_of_both():
    one = make_incomplete("diversity").assign(factors="diversity+pooling")
    other = make_table(drop=("layer_weights",)).assign(factors="transform+pooling")
    joined = pd.concat([one, other], ignore_index=True)
    assert set(comparison.factors(joined)) == {"diversity", "pooling", "transform", "preset"}
    without = pd.concat([one, other.drop(columns="factors")], ignore_index=True)
    assert set(comparison.factors(without)) == set(comparison.factors(joined))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("claims", {"transform", "pooling", "layer_weights"}),
        ("deep", {"style_layers", "pooling"}),
    ],
)
def test_older_tables_are_read(name, expected):
    assert set(comparison.factors(comparison.load(CONDITIONS / f"{name}.csv"))) == expected


def test_a_difference_is_a_value():
    found = differences(VALUES)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.factor = "other"  # type: ignore[misc]


def test_table_is_read_from_a_file_or_a_batch(tmp_path: Path):
    table = make_table()
    table.to_csv(tmp_path / "results.csv", index=False)
    for source in (tmp_path, str(tmp_path / "results.csv"), tmp_path.as_uri()):
        read = comparison.load(source)
        assert set(read.pop("factors")[0].split("+")) == {*LEVELS, "preset", "content_weight"}
        pd.testing.assert_frame_equal(read, table, check_dtype=False)


def test_table_of_a_batch_that_has_none_yet(tmp_path: Path):
    condition = {"id": "one", "pair": PAIRS[0], "style": "s", "content": "c", "seed": 0}
    conditions = [{**condition, "factors": {"pooling": "max"}}]
    (tmp_path / "batch.json").write_text(json.dumps({"conditions": conditions}))
    with pytest.raises(ValueError, match="has no results"):
        comparison.load(tmp_path)
    run = tmp_path / "runs" / "one"
    run.mkdir(parents=True)
    (run / "done").write_text(json.dumps({"seconds": 2.0, "attempts": 1}))
    metrics = {
        "losses": [],
        "best_step": None,
        "config": {"preset": "fast"},
        "scores": {"timbre": 0.5},
        "realised": {},
        "convergence": None,
        "outcome": "finished",
        "seconds": {"total": 1.0},
        "device": "cpu",
    }
    (run / "metrics.json").write_text(json.dumps(metrics))
    table = comparison.load(tmp_path)
    assert (table.loc[0, "pooling"], table.loc[0, "timbre"]) == ("max", 0.5)


@pytest.mark.parametrize("content", [b"", b"x,y\n1,2\n", b"pair\n", b"\xff\xfe\x00bad", b'a,"b\n1'])
def test_what_is_no_table_is_an_error(content, tmp_path: Path):
    path = tmp_path / "results.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"results.csv: has no results; accepted: a results.csv"):
        comparison.load(path)


def test_no_file_and_no_batch_are_errors(tmp_path: Path):
    with pytest.raises(ValueError, match=r"none.csv: cannot read \(No such file .*accepted: a res"):
        comparison.load(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="holds no batch"):
        comparison.load(tmp_path)
