"""Print analyses of choices between two sounds as text for a terminal."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nst_lib.opinions.abx import ALL_TRIALS, Abx
from nst_lib.opinions.analysis import ALL, SIMULATED_CHOICES
from nst_lib.opinions.choices import ABX, describe
from nst_lib.opinions.judgements import Judgements
from nst_lib.opinions.preferences import Preferences
from nst_lib.opinions.summary import (
    first_rows,
    indented,
    known,
    left_out,
    not_analysed,
    p_text,
    rounded,
)

if TYPE_CHECKING:
    import pandas as pd

_INDEPENDENT = (
    "as if all answers were independent; if listeners differ, the p of the likelihood ratios are "
    "too small, and the test over listeners is the one to report"
)
#: Text for a d' that is infinite: all answers are right.
UNBOUND = "no bound"
#: Largest number of listeners whose own ABX results are printed.
_MANY = 20


def summary(judgements: Judgements) -> str:
    """Return the results of each question as text, with and without screening."""
    return "\n".join(_lines(judgements))


def _lines(judgements: Judgements) -> Iterator[str]:
    choices = judgements.choices
    if choices.simulated:
        yield SIMULATED_CHOICES
    what = "ABX trials" if choices.kind == ABX else "preferences"
    yield f"{choices.source}: {what}"
    yield from (f"  {note}" for note in choices.notes)
    for question, variants in judgements.analyses.items():
        yield ""
        yield f"{question or what}: {'; '.join(describe(variants[ALL].choices))}"
        yield from left_out(judgements, question)
        for name, analysis in variants.items():
            yield ""
            full = name == ALL
            if isinstance(analysis, Abx):
                yield from _abx(analysis, name, full=full)
            else:
                yield from _preferences(analysis, name, full=full)
        yield from not_analysed(judgements, question)


def _preferences(analysis: Preferences, name: str, *, full: bool) -> Iterator[str]:
    if analysis.fault:
        yield f"  no model, {name}: {analysis.fault}"
        return
    yield f"  log-worths, {name}{_over(analysis)}; win and tie: against the mean"
    yield indented(_worths(analysis))
    yield from (f"    {remark}" for remark in analysis.remarks)
    if not full:
        return
    yield "  probabilities for every two conditions, and the difference b − a of their log-worths"
    yield from first_rows(_pairs(analysis), signed=True)
    yield f"  tests ({_INDEPENDENT})"
    yield indented(_tests(analysis))
    yield from _order(analysis)
    for one in analysis.heterogeneity:
        yield (
            f"  {one.count} {one.unit}s: their log-worths spread by {one.sd:.2f} around those of "
            f"all, p {p_text(one.p)} (simulated)"
        )


def _over(analysis: Preferences) -> str:
    """Return in words what the interval is over."""
    if analysis.listeners < 2:
        return ", with the 95 % interval over other answers"
    pairs = analysis.answers.shape[1] > 1
    if analysis.n_boot and pairs:
        return ", with the 95 % interval over other listeners and other pairs"
    return ", with the 95 % interval over other listeners"


def _worths(analysis: Preferences) -> "pd.DataFrame":
    table = analysis.conditions.copy()
    boot = analysis.n_boot and analysis.listeners > 1
    ends = ("boot low", "boot high") if boot else ("low", "high")
    table["log-worth"] = [
        f"{w:+.2f} ({low:+.2f} to {high:+.2f})"
        for w, low, high in table[["worth", *ends]].itertuples(index=False)
    ]
    for column in ("win", "tie"):
        table[column] = table[column].map("{:.0%}".format)
    columns = ["condition", "answers", "won", "tied", "log-worth", "win", "tie"]
    if not analysis.model.design.ties:
        columns = [column for column in columns if column not in ("tied", "tie")]
    return table[columns]


def _pairs(analysis: Preferences) -> "pd.DataFrame":
    table = analysis.pairs.copy()
    for column in ("P a", "P tie", "P b"):
        table[column] = table[column].map("{:.0%}".format)
    columns = ["a", "b", "answers", "won a", "tied", "won b", "P a", "P tie", "P b"]
    columns += ["difference", "low", "high", "p", "p Holm"]
    if not analysis.model.design.ties:
        columns = [column for column in columns if column not in ("tied", "P tie")]
    return table[columns]


def _tests(analysis: Preferences) -> "pd.DataFrame":
    table = analysis.tests.copy()
    F = table["statistic"] == "F"
    both = table["df1"].map("{:g}, ".format) + table["df2"].map("{:g}".format)
    table["df"] = np.where(F, both, table["df1"]).astype(str)
    table.loc[table["value"].isna(), "df"] = ""
    return rounded(table[["test", "statistic", "value", "df", "p", "p simulated"]])


def _order(analysis: Preferences) -> Iterator[str]:
    if analysis.model.design.order:
        o = analysis.order
        ties = f", {o['tie']:.0%} ties" if analysis.model.design.ties else ""
        yield (
            f"  order: of two equal sounds, the first is preferred in {o['first']:.0%}, the second "
            f"in {o['second']:.0%}{ties}; log-odds {o['estimate']:+.2f} ({o['low']:+.2f} to "
            f"{o['high']:+.2f})"
        )


def _abx(analysis: Abx, name: str, *, full: bool) -> Iterator[str]:
    table = analysis.comparisons
    if len(table) == 2:
        table = table[table["a"] != ALL_TRIALS]
    yield (
        f"  right answers, {name}, with the exact 95 % interval of single trials and its d' "
        "(independent observations; differencing)"
    )
    yield indented(_trials(table))
    if analysis.choices.opinions["listener"].nunique() < 2:
        yield "  one listener: nothing is known about others"
        return
    yield (
        "  the same over listeners: mean of their proportions, t interval, and p of the t test; "
        "trials of one listener are not independent, so report this too"
    )
    yield indented(_listeners(table))
    differ = analysis.heterogeneity
    p = "unknown" if np.isnan(differ) else p_text(differ)
    yield f"  listeners differ in their proportion: p {p} (permutation)"
    if full and len(analysis.people) <= _MANY:
        yield "  each listener"
        people = analysis.people.drop(columns=["a"])
        yield indented(rounded(_unbounded(people)))


def _trials(table: "pd.DataFrame") -> "pd.DataFrame":
    result = table[["a", "b", "n", "right"]].copy()
    result["proportion"] = _interval(table, "proportion", "low", "high")
    result["p"], result["p Holm"] = table["p"].map(p_text), table["p Holm"].map(p_text)
    for model in ("independent", "differencing"):
        result[f"d' {model}"] = _interval(
            table, *(f"d {model}{end}" for end in ("", " low", " high"))
        )
    return result


def _listeners(table: "pd.DataFrame") -> "pd.DataFrame":
    result = table[["a", "b", "listeners"]].copy()
    result["mean"] = _interval(table, "mean", "t low", "t high")
    result["p"] = table["p listeners"].map(p_text)
    return result


def _interval(table: "pd.DataFrame", *columns: str) -> list[str]:
    """Return numbers with their intervals as text."""
    rows = table[list(columns)].itertuples(index=False)
    texts = [f"{value:.2f} ({low:.2f} to {high:.2f})" for value, low, high in rows]
    return [text.replace("inf", UNBOUND).replace(" (nan to nan)", "") for text in texts]


def _unbounded(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return a table whose d' are text."""
    names = {name: name.replace("d ", "d' ", 1) for name in map(str, table) if name[:2] == "d "}
    texts = {
        name: table[name].map(lambda d: UNBOUND if np.isinf(d) else known(d)) for name in names
    }
    return table.assign(**texts).rename(columns=names)
