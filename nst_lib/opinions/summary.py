"""Print analyses of opinions as text for a terminal."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from nst_lib.opinions.analysis import ALL, SIMULATED, UNBIASED, Analysed, Analysis, Opinions
from nst_lib.opinions.conditions import NO_RATINGS, layout
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
P_COLUMNS = ("p", "p Holm", "p simulated", "p listeners")


def summary(opinions: Opinions) -> str:
    """Return tables of MOS and of tests for each question, with and without screening."""
    return "\n".join(_lines(opinions))


def left_out(found: Analysed, question: str) -> Iterator[str]:
    """Yield which listeners the rules leave out of a question, and a warning if they are many."""
    left = found.excluded[question]
    yield f"  left out by the rules: {'nobody' if not left else ''}".rstrip()
    yield from (f"    {name}: {why}" for name, why in left.items())
    if found.warning(question):
        yield f"  WARNING: {found.warning(question)}"


def not_analysed(found: Analysed, question: str) -> Iterator[str]:
    """Yield which variants of a question are not analysed, and why."""
    for name, why in found.missing[question].items():
        yield f"  {name}: not analysed, because {why}"


def _lines(opinions: Opinions) -> Iterator[str]:
    if opinions.ratings.simulated:
        yield SIMULATED
    ranges = {opinions.ratings.of(question).scale: None for question in opinions.analyses}
    yield f"{opinions.ratings.source}: rated from {' and '.join(map(_range, ranges))}"
    yield from (f"  {note}" for note in opinions.ratings.notes)
    for question, variants in opinions.analyses.items():
        everyone = variants[ALL]
        yield ""
        yield f"{question or 'ratings'}: {'; '.join(describe(everyone.ratings))}"
        yield from left_out(opinions, question)
        for name, analysis in variants.items():
            yield ""
            yield f"  MOS, {name}{_over(analysis, name)}"
            yield indented(_narrow(analysis))
            if len(analysis.hidden):
                yield "    hidden reference and anchors, which are in no test"
                yield indented(_hidden(analysis))
        yield from not_analysed(opinions, question)
        yield ""
        yield from _models(variants)
        if len(everyone.wilcoxon) and (everyone.wilcoxon["n"] > 0).any():
            yield "  differences b − a between conditions, by Wilcoxon's signed ranks of listeners"
            yield from first_rows(everyone.wilcoxon, signed=True)
        else:
            yield "  Wilcoxon: no test, because no listener rated under two conditions"
        yield from _agreement(everyone)
        if len(everyone.prediction):
            yield "  correlation of scores with opinion"
            yield indented(rounded(everyone.prediction))


def _range(scale: tuple[float, float]) -> str:
    return f"{scale[0]:g} to {scale[1]:g}"


def _hidden(analysis: Analysis) -> "pd.DataFrame":
    """Return the table of MOS of the hidden reference and the anchors."""
    interval = "boot" if analysis.n_boot else "t"
    return layout(analysis.hidden, ["condition"], interval=interval).reset_index()


def _models(variants: dict[str, Analysis]) -> Iterator[str]:
    fitted = {name: analysis for name, analysis in variants.items() if not analysis.fault}
    if fitted:
        yield "  linear mixed model with random intercepts and effects of listeners and pairs"
        yield indented(tests(fitted))
        yield f"    {NOTE}"
    for name, analysis in variants.items():
        if analysis.fault:
            yield f"  no model, {name}: {analysis.fault}"
    everyone = variants[ALL]
    if everyone.fault or everyone.differences.empty:
        return
    several = everyone.levels["factor"].isin(everyone.differences["factor"])
    yield "  means at each level, estimated by the mixed model for all listeners"
    yield indented(rounded(everyone.levels[several].drop(columns="df2")))
    yield "  differences b − a of these; p Holm is corrected within a factor, intervals are not"
    yield from first_rows(everyone.differences.drop(columns=["df2", "t"]), signed=True)


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
                    "p": p_text(row["p"]),
                    "p Holm": p_text(row["p Holm"]),
                    "p ordinal": p_text(other) or UNBOUNDED * categorical(analysis.ratings),
                    "alike": row["alike"] if tested else "",
                }
            )
    return pd.DataFrame(rows).sort_values("order", kind="stable").drop(columns="order")


def _agreement(analysis: Analysis) -> Iterator[str]:
    f, agreement = analysis.friedman, analysis.agreement
    icc = agreement["icc"]
    ranks = f"chi2({f.df}) = {f.chi2:.1f}, p {p_text(f.p)}, W = {f.W:.2f} ({f.n} listeners)"
    yield f"  Friedman: {f.fault or ranks}"
    alpha, sos = known(agreement["alpha ordinal"]), known(agreement["sos a"])
    single, average = known(icc["single"]), known(icc["average"])
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

    wide = analysis.layout
    if len(wide.columns) <= MOST_COLUMNS:
        return wide.reset_index()
    rows = pd.Series(wide.stack(), name="MOS").reset_index()
    return rows[rows["MOS"] != NO_RATINGS]


def first_rows(table: "pd.DataFrame", *, signed: bool) -> Iterator[str]:
    """Yield the rows with the smallest p, and the number of all others."""
    few = table.sort_values("p", kind="stable").head(MOST_ROWS) if len(table) > MOST_ROWS else table
    yield indented(rounded(few, signed=signed))
    if len(few) < len(table):
        yield f"    ... and {len(table) - len(few)} more with larger p; --json writes all of them"


def known(value: float) -> str:
    """Return a number as text; NaN is unknown."""
    return "unknown" if np.isnan(value) else f"{value:.2f}"


def p_text(p: float) -> str:
    """Return a p as text; NaN is empty."""
    return "" if np.isnan(p) else "< 0.0001" if p < 1e-4 else f"{p:.4f}" if p < 0.01 else f"{p:.3f}"


def rounded(table: "pd.DataFrame", *, signed: bool = False) -> "pd.DataFrame":
    """Return a table with its numbers as text; NaN is empty."""
    columns = {}
    for name in map(str, table):
        if name in P_COLUMNS:
            columns[name] = table[name].map(p_text)
        elif table[name].dtype.kind == "f":
            form = "{:+.2f}" if signed and name != "W" else "{:.2f}"
            columns[name] = table[name].map(form.format).replace(["nan", "+nan"], "")
    return table.assign(**columns)


def indented(table: "pd.DataFrame") -> str:
    """Return the text of a table below a heading."""
    text = table.rename_axis(columns=None).to_string(index=False)
    return "\n".join(f"    {line}" for line in text.splitlines())
