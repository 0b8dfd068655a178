"""Print analyses of opinions as text for a terminal."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nst_lib.opinions.analysis import ALL, SIMULATED, UNBIASED, Analysis, Opinions
from nst_lib.opinions.conditions import NO_RATINGS
from nst_lib.opinions.factorial import categorical
from nst_lib.opinions.ratings import describe

if TYPE_CHECKING:
    import pandas as pd

#: Text for an odds ratio without bounds.
UNBOUNDED = "none"
NOTE = (
    '"p ordinal" treats the pairs as if there were many, so it is often too small; "none" means '
    'that the odds have no bounds. "alike" says whether the effect was estimated to be the same '
    "for all listeners or all pairs; if that is chance, p is too small."
)


#: Largest numbers of columns of a table of MOS, and of rows of a table of comparisons.
MOST_COLUMNS, MOST_ROWS = 4, 15


def summary(opinions: Opinions) -> str:
    """Return tables of MOS and of tests for each question, with and without screening."""
    return "\n".join(_lines(opinions))


def _lines(opinions: Opinions) -> Iterator[str]:
    low, high = opinions.ratings.scale
    if opinions.ratings.simulated:
        yield SIMULATED
    yield f"{opinions.ratings.source}: rated from {low:g} to {high:g}"
    yield from (f"  {note}" for note in opinions.ratings.notes)
    for question, variants in opinions.analyses.items():
        everyone = variants[ALL]
        yield ""
        yield f"{question or 'ratings'}: {'; '.join(describe(everyone.ratings))}"
        left = opinions.excluded[question]
        yield f"  left out by the rules: {'nobody' if not left else ''}".rstrip()
        yield from (f"    {name}: {why}" for name, why in left.items())
        if opinions.warning(question):
            yield f"  WARNING: {opinions.warning(question)}"
        for name, analysis in variants.items():
            yield ""
            yield f"  MOS, {name}{_over(analysis, name)}"
            yield _text(_narrow(analysis))
        for name, why in opinions.missing[question].items():
            yield f"  {name}: not analysed, because {why}"
        yield ""
        yield from _models(variants)
        if len(everyone.wilcoxon) and (everyone.wilcoxon["n"] > 0).any():
            yield "  differences b − a between conditions, by Wilcoxon's signed ranks of listeners"
            yield from _first(everyone.wilcoxon, signed=True)
        else:
            yield "  Wilcoxon: no test, because no listener rated under two conditions"
        yield from _agreement(everyone)
        if len(everyone.prediction):
            yield "  correlation of scores with opinion"
            yield _text(_rounded(everyone.prediction))


def _models(variants: dict[str, Analysis]) -> Iterator[str]:
    fitted = {name: analysis for name, analysis in variants.items() if not analysis.fault}
    if fitted:
        yield "  linear mixed model with random intercepts and effects of listeners and pairs"
        yield _text(tests(fitted))
        yield f"    {NOTE}"
    for name, analysis in variants.items():
        if analysis.fault:
            yield f"  no model, {name}: {analysis.fault}"
    everyone = variants[ALL]
    if everyone.fault or everyone.differences.empty:
        return
    several = everyone.levels["factor"].isin(everyone.differences["factor"])
    yield "  means at each level, estimated by the mixed model for all listeners"
    yield _text(_rounded(everyone.levels[several].drop(columns="df2")))
    yield "  differences b − a of these; p Holm is corrected within a factor, intervals are not"
    yield from _first(everyone.differences.drop(columns=["df2", "t"]), signed=True)


def tests(variants: dict[str, Analysis]) -> "pd.DataFrame":
    """Return the tests of every variant as text, with the variants of a term together.

    Returns
    -------
    pd.DataFrame
        Columns: term; difference; listeners, the variant; estimate; d; F; p; p Holm; p ordinal, of
        the ordinal model if ratings are categories; alike, see :func:`factorial.mixed_table`.
    """
    import pandas as pd

    rows = []
    for name, analysis in variants.items():
        table = analysis.mixed
        ordinal = [float("nan")] * len(table)
        if categorical(analysis.ratings):
            ordinal = analysis.ordinal["p"].tolist()
        for order, (row, other) in enumerate(zip(table.to_dict("records"), ordinal, strict=True)):
            tested = not np.isnan(row["F"])
            estimate = f"{row['estimate']:+.2f}"
            if tested:
                estimate += f" ({row['low']:+.2f} to {row['high']:+.2f})"
            F = f"F({row['df1']}, {row['df2']:.1f}) = {row['F']:.2f}"
            rows.append(
                {
                    "order": order,
                    "term": row["term"],
                    "difference": row["difference"],
                    "listeners": name,
                    "estimate": estimate if row["difference"] else "",
                    "d": f"{row['d']:+.2f}" if row["difference"] and tested else "",
                    "F": row["untested"] or F,
                    "p": _p(row["p"]),
                    "p Holm": _p(row["p Holm"]),
                    "p ordinal": _p(other) or UNBOUNDED * categorical(analysis.ratings),
                    "alike": row["alike"] if tested else "",
                }
            )
    return pd.DataFrame(rows).sort_values("order", kind="stable").drop(columns="order")


def _agreement(analysis: Analysis) -> Iterator[str]:
    f, agreement = analysis.friedman, analysis.agreement
    icc = agreement["icc"]
    ranks = f"chi2({f.df}) = {f.chi2:.1f}, p {_p(f.p)}, W = {f.W:.2f} ({f.n} listeners)"
    yield f"  Friedman: {f.fault or ranks}"
    alpha, sos = _known(agreement["alpha ordinal"]), _known(agreement["sos a"])
    single, average = _known(icc["single"]), _known(icc["average"])
    yield (
        f"  agreement: Krippendorff's alpha {alpha} (ordinal); ICC {single} for one rating, "
        f"{average} for the mean of {icc['per_item']:.3g}; SOS a {sos}"
    )


def _over(analysis: Analysis, name: str) -> str:
    """Return in words what the interval is over; empty if there is none."""
    table, unit = analysis.conditions, analysis.ratings.unit
    if table["listeners"].max() < 2:
        return ""
    over = "other listeners"
    if analysis.n_boot and table["pairs"].max() > 1:
        over += f" and other {unit}s"
    less = "; only for comparing conditions, because bias is removed"
    return f", with the 95 % interval over {over}{less if name == UNBIASED else ''}"


def _narrow(analysis: Analysis) -> "pd.DataFrame":
    """Return the table of MOS, with one condition per row if there are too many columns."""
    import pandas as pd

    layout = analysis.layout
    if len(layout.columns) <= MOST_COLUMNS:
        return layout.reset_index()
    rows = pd.Series(layout.stack(), name="MOS").reset_index()
    return rows[rows["MOS"] != NO_RATINGS]


def _first(table: "pd.DataFrame", *, signed: bool) -> Iterator[str]:
    """Yield the rows with the smallest p, and the number of all others."""
    few = table.sort_values("p", kind="stable").head(MOST_ROWS) if len(table) > MOST_ROWS else table
    yield _text(_rounded(few, signed=signed))
    if len(few) < len(table):
        yield f"    ... and {len(table) - len(few)} more with larger p; --json writes all of them"


def _known(value: float) -> str:
    return "unknown" if np.isnan(value) else f"{value:.2f}"


def _p(p: float) -> str:
    return "" if np.isnan(p) else "< 0.0001" if p < 1e-4 else f"{p:.4f}" if p < 0.01 else f"{p:.3f}"


def _rounded(table: "pd.DataFrame", *, signed: bool = False) -> "pd.DataFrame":
    columns = {}
    for name in map(str, table):
        if name in ("p", "p Holm"):
            columns[name] = table[name].map(_p)
        elif table[name].dtype.kind == "f":
            form = "{:+.2f}" if signed and name != "W" else "{:.2f}"
            columns[name] = table[name].map(form.format).replace(["nan", "+nan"], "")
    return table.assign(**columns)


def _text(table: "pd.DataFrame") -> str:
    text = table.rename_axis(columns=None).to_string(index=False)
    return "\n".join(f"    {line}" for line in text.splitlines())
