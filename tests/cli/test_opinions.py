"""The commands `nst mos` and `nst power` as a user runs them, and the figures."""

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from nst_lib.opinions import choice_simulation, plots, simulation
from nst_lib.opinions.analysis import ALL, SIMULATED, SIMULATED_CHOICES, analyse
from nst_lib.opinions.reading import check

MEANS = {("max",): 3.4, ("average",): 2.9}


@pytest.fixture
def ratings() -> pd.DataFrame:
    """Real enough in form; called real, so that nothing is labelled."""
    table = simulation.simulate(MEANS, ["pooling"], listeners=6, pairs=4, seed=1)
    return table.drop(columns="simulated")


@pytest.fixture
def file(ratings, tmp_path):
    ratings.to_csv(tmp_path / "ratings.csv", index=False)
    return tmp_path / "ratings.csv"


def test_tables_numbers_and_figure(nst, ratings, tmp_path):
    """Of a file as a spreadsheet program writes it, and what was found of that."""
    ratings.to_csv(tmp_path / "r.csv", index=False, sep=";", encoding="utf-16")
    result = nst("mos", "r.csv", "--by", "pooling", "--json", "o.json", "--plot", "o.png")
    assert (result.returncode, result.stderr) == (0, "")
    mos = ratings.groupby("pooling")["rating"].mean()
    for level, mean in mos.items():
        assert f"{level} {mean:.2f} (" in " ".join(result.stdout.split())
    assert SIMULATED not in result.stdout
    assert result.stdout.splitlines()[-2:] == ["o.json", "o.png"]
    notes = ["cells are separated by semicolons", "the text is in UTF-16"]
    assert result.stdout.splitlines()[1:3] == [f"  {note}" for note in notes]
    found = json.loads((tmp_path / "o.json").read_text())
    assert found["notes"] == notes
    assert found["factors"] == ["pooling"]
    assert not found["simulated"]
    assert found["rules"]["min_correlation"] == 0.2
    conditions = found["questions"][""][ALL]["conditions"]
    assert [row["mos"] for row in conditions] == pytest.approx(mos.tolist())
    with Image.open(tmp_path / "o.png") as image:
        assert image.width > 500


def test_simulated_ratings_are_called_so_everywhere(nst, tmp_path):
    simulation.published().to_csv(tmp_path / "r.csv", index=False)
    options = ("--by", "transform,pooling", "--boot", 200, "--json", "o.json", "--plot", "o.svg")
    order = ("--order", "transform=stft,cqt", "--order", "pooling=max,average")
    result = nst("mos", "r.csv", *options, *order)
    assert result.returncode == 0
    assert result.stdout.splitlines()[0] == SIMULATED
    assert json.loads((tmp_path / "o.json").read_text())["simulated"]
    assert (tmp_path / "o.svg").read_text().count(SIMULATED) == 2
    assert "4.26 (" in result.stdout
    assert "2.13 (" in result.stdout


def test_the_scores_of_a_batch_are_compared_with_opinion(nst, ratings, file, tmp_path):
    items = ratings[["item", "pooling", "pair"]].drop_duplicates()
    items["timbre"] = np.linspace(0, 1, len(items))
    items.to_csv(tmp_path / "items.csv", index=False)
    ratings[["listener", "item", "rating"]].to_csv(file, index=False)
    result = nst("mos", file, "--by", "pooling", "--items", "items.csv", "--json", "o.json")
    assert result.returncode == 0
    assert "correlation of scores with opinion" in result.stdout
    found = json.loads((tmp_path / "o.json").read_text())["questions"][""][ALL]["prediction"]
    means = ratings.groupby("item", sort=False)["rating"].mean()
    expected = np.corrcoef(items["timbre"], means[items["item"]])[0, 1]
    assert [row["over"] for row in found] == ["conditions", "items"]
    assert found[1]["pearson"] == pytest.approx(expected)
    assert found[0]["pearson"] is None


def test_what_is_lacking_for_a_test_is_said(nst, tmp_path):
    rows = [
        f"{who},{item},{r}"
        for who, pair in zip("abc", ("34", "54", "25"), strict=True)
        for item, r in zip(("i1,stft", "i2,cqt"), pair, strict=True)
    ]
    (tmp_path / "r.csv").write_text("\n".join(["listener,item,transform,rating", *rows]) + "\n")
    options = ("--by", "transform", "--order", "transform=stft,cqt", "--boot", 50)
    result = nst("mos", "r.csv", *options, "--json", "o.json")
    assert (result.returncode, result.stderr) == (0, "")
    assert "stft 3.33 (" in result.stdout
    why = "There is only one item under each condition, so the effect of the item cannot be "
    assert f"no model, all listeners: {why}" in result.stdout
    assert "Friedman: no test, because it needs three conditions or more" in result.stdout
    assert "nan" not in result.stdout
    found = json.loads((tmp_path / "o.json").read_text())["questions"][""][ALL]
    assert found["no models"].startswith(why)
    assert "variances" not in found


def test_rules_that_leave_out_everybody_keep_the_table(nst, ratings, file, tmp_path):
    (tmp_path / "rules.yaml").write_text("min_correlation: 2\n")
    result = nst("mos", file, "--by", "pooling", "--rules", "rules.yaml", "--boot", 50)
    assert (result.returncode, result.stderr) == (0, "")
    mean = ratings.groupby("pooling")["rating"].mean()["max"]
    assert f"max {mean:.2f} (" in result.stdout
    assert "WARNING: The rules leave out 6 of 6 listeners" in result.stdout
    assert "screened: not analysed, because the rules leave out all listeners" in result.stdout


def test_rules_from_a_file(nst, file, tmp_path):
    (tmp_path / "rules.yaml").write_text("listeners: [simulated 2]\nmin_correlation: -1\n")
    result = nst("mos", file, "--by", "pooling", "--rules", "rules.yaml")
    assert "simulated 2: named in the rules" in result.stdout
    assert "MOS, screened" in result.stdout


def test_preferences_are_recognised(nst, tmp_path):
    worths = {("stft", "max"): 0.9, ("stft", "average"): 0.3, ("cqt", "max"): -1.2}
    factors = ["transform", "pooling"]
    table = choice_simulation.preferences(worths, factors, listener_sd=0.0, listeners=20)
    table.assign(question="style").to_csv(tmp_path / "p.csv", index=False, sep=";")
    options = ("--by", "transform,pooling", "--order", "transform=stft,cqt", "--boot", 100)
    result = nst("mos", "p.csv", *options, "--json", "o.json", "--plot", "o.svg")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[:3] == [
        SIMULATED_CHOICES,
        "p.csv: preferences",
        "  cells are separated by semicolons",
    ]
    assert lines[-2:] == ["o.json", "o.svg"]
    assert "interval over other listeners and other pairs" in result.stdout
    found = json.loads((tmp_path / "o.json").read_text())
    assert found["kind"] == "preferences"
    assert found["simulated"]
    conditions = found["questions"]["style"][ALL]["conditions"]
    assert [row["condition"] for row in conditions] == [
        *("stft, average", "stft, max", "cqt, max"),
    ]
    for row, worth in zip(conditions, (0.3, 0.9, -1.2), strict=True):
        assert row["boot low"] < worth < row["boot high"]
        assert f"{row['worth']:+.2f} (" in result.stdout
    drawn = (tmp_path / "o.svg").read_text()
    assert drawn.count(SIMULATED_CHOICES) == 1
    assert "Log-worth (log-odds against the mean condition)" in drawn


def test_abx_trials_are_recognised(nst, tmp_path):
    distances = {(("stft",), ("cqt",)): 2.5, (("stft",), ("wav",)): 0.0}
    table = choice_simulation.abx(distances, ["transform"], listener_sd=0.0)
    table.to_csv(tmp_path / "x.csv", index=False)
    result = nst("mos", "x.csv", "--by", "transform", "--json", "o.json", "--plot", "o.svg")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[:2] == [SIMULATED_CHOICES, "x.csv: ABX trials"]
    assert "trials of one listener are not independent, so report this too" in result.stdout
    found = json.loads((tmp_path / "o.json").read_text())["questions"][""][ALL]["comparisons"]
    first, second, _ = found
    assert (first["a"], first["b"], first["n"]) == ("cqt", "stft", 192)
    assert first["d independent low"] < 2.5 < first["d independent high"]
    assert first["p Holm"] < 1e-6
    assert second["p"] > 0.01
    assert "Proportion of right answers (chance: 0.5)" in (tmp_path / "o.svg").read_text()


def test_mushra_needs_no_scale(nst, tmp_path):
    rows = [
        (who, f"{name} {pair}", rating + i + j, pair, role, level, "0,100", "quality")
        for i, who in enumerate(("ann", "bob", "cid"))
        for j, pair in enumerate("ABC")
        for name, rating, role, level in (
            *(("ref", 95, "reference", ""), ("anchor 7 kHz", 30, "anchor", "")),
            *(("one", 80, "trial", "max"), ("two", 60, "trial", "average")),
        )
    ]
    columns = ["listener", "item", "rating", "pair", "role", "pooling", "scale", "question"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "m.csv", index=False)
    result = nst("mos", "m.csv", "--by", "pooling", "--boot", 50, "--plot", "o.svg")
    assert (result.returncode, result.stderr) == (0, "")
    assert "m.csv: rated from 0 to 100" in result.stdout
    assert "anchor 7 kHz 32.00 (" in " ".join(result.stdout.split())
    assert "anchor 7 kHz" in (tmp_path / "o.svg").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--by", "poling"), "nst: p.csv: no factor 'poling'; did you mean pooling?"),
        ((), "nst: p.csv: Nobody compared the conditions of (a-1, b-1) and (a-2, b-2) and 3 more"),
        (("--by", "pooling", "--scale", "1,5"), "nst: scale 1,5: preferences are not rated on a"),
        (("--by", "pooling", "--order", "pooling=a"), "nst: p.csv: order of pooling: a; name each"),
    ],
)
def test_bad_input_of_preferences_is_one_line(nst, tmp_path, options, message):
    table = choice_simulation.preferences({("a",): 1, ("b",): 0}, ["pooling"], listeners=3)
    table.to_csv(tmp_path / "p.csv", index=False)
    result = nst("mos", "p.csv", *options)
    assert (result.returncode, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--by", "poling"), "nst: ratings.csv: no factor 'poling'; did you mean pooling?"),
        (("--by", ","), "nst: no factors; name the columns that make a condition"),
        (("--by", "pooling", "--json", "o.txt"), "nst: o.txt: cannot write .txt; accepted: .json"),
        (
            ("--by", "pooling", "--scale", "5"),
            "nst: scale '5'; accepted: two numbers, for example 0,100",
        ),
        (
            ("--by", "pooling", "--scale", "1,2"),
            "nst: ratings.csv: row 2, column rating: '3'; accepted: a number from 1 to 2",
        ),
        (("--by", "pooling", "--items", "x.csv"), "nst: x.csv: cannot read (No such file or dir"),
        (("--by", "pooling", "--rules", "x"), "nst: x: cannot read (No such file or directory)"),
        (
            ("--by", "pooling", "--order", "pooling=max"),
            "nst: ratings.csv: order of pooling: max; name each of its levels once: average, ",
        ),
        (("--by", "pooling", "--order", "max"), "nst: order 'max'; accepted: a factor and its lev"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(nst, file, tmp_path, options, message):
    result = nst("mos", "ratings.csv", "--plot", "o.png", *options)
    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(message)
    assert [path.name for path in tmp_path.iterdir()] == ["ratings.csv"]


def test_power_says_what_it_assumes(nst):
    options = ("--listeners", "4,24", "--pairs", 8, "--sims", 12, "--spread", "pair_effect=0")
    result = nst("power", "--difference", 1, *options, "--spread", "residual=0.5")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("simulated tests; standard deviations: listener 0.4, pair 0.4")
    assert "pair_effect 0, residual 0.5" in lines[0]
    assert lines[-2].split()[:2] == ["24", "1.00"]
    assert lines[-1].startswith("power 80%: ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--difference", 9), "difference 9 around MOS 3; accepted: both MOS between 1 and 5"),
        (("--difference", 1, "--spread", "pears=1"), "spread 'pears=1'; did you mean pair?"),
        (("--difference", 1, "--spread", "pair"), "spread 'pair'; accepted: a name and a number"),
        (("--difference", 1, "--spread", "pair=x"), "spread 'pair=x'; accepted: a number"),
        (("--difference", 1, "--listeners", "1"), "listeners=[1], pairs=5; accepted: two or more"),
        (("--difference", 1, "--listeners", "a"), "listeners 'a'; accepted: whole numbers"),
    ],
)
def test_power_refuses_what_cannot_be(nst, options, message):
    result = nst("power", *options)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"nst: {message}")


def test_opinions_are_drawn_where_they_are(ratings):
    (variants,) = analyse(check(ratings), ["pooling"], n_boot=200).analyses.values()
    ax = plots.opinions(Figure().subplots(), variants[ALL], title="style")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["average", "max"]
    assert next(label.get_text() for label in ax.get_yticklabels()) == "1 bad"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("pooling", "Rating")
    mos = ratings.groupby("pooling")["rating"].mean()
    dots = [line for line in ax.get_lines() if line.get_marker() == "o"]
    assert [line.get_ydata()[0] for line in dots] == pytest.approx(mos.tolist())
    widths = np.array([patch.get_width() for patch in ax.patches]).reshape(2, 5)
    counts = pd.crosstab(ratings["pooling"], ratings["rating"]).reindex(columns=range(1, 6))
    shares = counts.fillna(0).loc[["average", "max"]].to_numpy() / 24
    assert widths == pytest.approx(0.8 * shares / shares.max())


def test_a_continuous_scale_has_a_histogram(ratings):
    finer = ratings.assign(rating=19.3 * ratings["rating"] + np.linspace(0, 1, len(ratings)))
    (variants,) = analyse(check(finer, scale=(0, 100)), ["pooling"], n_boot=0).analyses.values()
    ax = plots.opinions(Figure().subplots(), variants[ALL])
    heights = {round(patch.get_height() / 0.9, 9) for patch in ax.patches}
    assert (len(ax.patches), heights) == (40, {5.0})


def test_power_and_scores_have_axes(ratings):
    table = pd.DataFrame({"listeners": [5, 9], "power": [0.2, 0.9], "low": [0, 0.8], "high": 1.0})
    ax = plots.power(Figure().subplots(), table, label="0.5")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Listeners", "Power")
    assert ax.get_title(loc="right") == SIMULATED
    scored = ratings.assign(timbre=ratings["item"].map(lambda name: len(name) / 10))
    (variants,) = analyse(check(scored), ["pooling"], n_boot=0).analyses.values()
    ax = plots.scatter(Figure().subplots(), variants[ALL], "timbre")
    drawn = np.concatenate([line.get_ydata() for line in ax.get_lines()])
    assert sorted(drawn) == pytest.approx(sorted(ratings.groupby("item")["rating"].mean()))
