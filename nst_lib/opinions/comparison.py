"""Compare levels of a factor in the table of results of a batch, pair by pair.

Two levels are compared at otherwise equal conditions: the same pair of recordings, the same other
settings and the same seed. :mod:`nst_lib.batch.results` says which columns are settings. The
differences are averaged within each pair of recordings, and the *pairs* are the sample:
conclusions are about recordings in general, and the conditions and seeds of one pair are not
independent samples of those. :mod:`nst_lib.opinions.paired` has the statistics.
"""

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nst_lib.base.validation import hint
from nst_lib.batch.results import RESULTS, collect, declare, scores_in, settings
from nst_lib.batch.store import Store
from nst_lib.opinions.paired import Difference, t_interval

if TYPE_CHECKING:
    import pandas as pd

#: Level of a setting that has no value.
_UNSET = "none"


def load(source: str | os.PathLike[str]) -> "pd.DataFrame":
    """Read a table of results.

    Parameters
    ----------
    source : path or URL
        A results.csv, or the folder that `nst batch` writes to. If the folder has no results.csv
        yet, the results of its finished conditions are collected.

    Returns
    -------
    pd.DataFrame
        The table, which remembers its settings: columns that are added later are no settings.

    Raises
    ------
    ValueError
        If there is no such table, or if it is not clear which of its columns are settings.
    """
    accepted = f"accepted: a {RESULTS}, or the folder that `nst batch` wrote it to"
    if Path(source).is_dir() or "://" in str(source):
        store = Store(source)
        table = _parse(store.read(RESULTS)) if store.exists(RESULTS) else collect(store)
    else:
        try:
            table = _parse(Path(source).read_bytes())
        except OSError as error:
            raise ValueError(f"{source}: cannot read ({error.strerror}); {accepted}") from error
    if "pair" not in table or table.empty:
        raise ValueError(f"{source}: has no results; {accepted}")
    try:
        return declare(table)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error


def factors(table: "pd.DataFrame") -> dict[str, list[Any]]:
    """Return the settings that vary within a table and their values, in the order of the table."""
    tidy = without_gaps(table)
    levels = {name: list(tidy[name].unique()) for name in settings(table)}
    return {name: values for name, values in levels.items() if len(values) > 1}


def pair_means(
    table: "pd.DataFrame", by: str | Sequence[str], scores: Sequence[str] | None = None
) -> "pd.DataFrame":
    """Return the mean scores of every pair of recordings under every condition.

    Parameters
    ----------
    table : pd.DataFrame
        Table of results.
    by : str or sequence of str
        Columns that make a condition. Scores are averaged over all other columns, such as seeds.
    scores : sequence of str or None
        Columns to average; None means all scores that the table has.

    Returns
    -------
    pd.DataFrame
        Columns: those of `by`, pair, scores.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    by = [by] if isinstance(by, str) else list(by)
    chosen = list(scores_in(table) if scores is None else scores)
    validate_columns(table, "pair", *by, *chosen)
    rows = without_gaps(table).groupby([*by, "pair"], sort=False, as_index=False)
    return rows[chosen].mean()


def summarise(
    table: "pd.DataFrame", by: str | Sequence[str], scores: Sequence[str] | None = None
) -> "pd.DataFrame":
    """Return the mean of each score under every condition, with a 95 % t interval over pairs.

    Parameters
    ----------
    table : pd.DataFrame
        Table of results.
    by : str or sequence of str
        Columns that make a condition.
    scores : sequence of str or None
        Columns to average; None means all scores that the table has.

    Returns
    -------
    pd.DataFrame
        Columns: those of `by`; score; mean; low, high, the interval, which is NaN if there is only
        one pair; n, the number of pairs.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    by = [by] if isinstance(by, str) else list(by)
    tidy = pair_means(table, by, scores).melt([*by, "pair"], var_name="score", value_name="mean")
    result = tidy.groupby([*by, "score"], sort=False)["mean"].agg(["mean", "std", "count"])
    result["low"], result["high"] = t_interval(result["mean"], result.pop("std"), result["count"])
    return result.assign(n=result.pop("count")).reset_index()


def difference(
    table: "pd.DataFrame",
    factor: str,
    a: Any,
    b: Any,
    score: str,
    where: Mapping[str, Any] | None = None,
) -> Difference:
    """Return the paired difference a - b between two levels of a factor.

    Parameters
    ----------
    table : pd.DataFrame
        Table of results.
    factor : str
        Name of the column.
    a, b : Any
        Two values of the column.
    score : str
        Name of a column of numbers.
    where : mapping of str to Any or None
        Column -> value: only rows with these values are compared.

    Raises
    ------
    ValueError
        If the table has no such column or value, or fewer than two pairs to compare.
    """
    found = paired_difference(rows_where(without_gaps(table), where or {}), factor, a, b, score)
    if found.n < 2:
        same = [name for name in settings(table) if name != factor] or ["none"]
        count = f"only {found.n} pair" if found.n else "no pair"
        raise ValueError(
            f"{factor}: {count} of recordings has {score} of both {a} and {b} with all other "
            f"settings ({', '.join(same)}) equal; at least two pairs are needed"
        )
    return found


def paired_difference(table: "pd.DataFrame", factor: str, a: Any, b: Any, score: str) -> Difference:
    """Return the difference a - b over as many pairs as the table has, which may be none.

    The table must come from :func:`without_gaps`.
    """
    validate_columns(table, "pair", factor, score)
    same = [name for name in (*settings(table), "seed") if name in table and name != factor]
    sides = [
        rows_where(table, {factor: level}).groupby(["pair", *same], sort=False)[score].mean()
        for level in (a, b)
    ]
    found = (sides[0] - sides[1]).dropna()
    means = found.groupby(level="pair").mean().to_dict()
    values = {str(pair): float(means[pair]) for pair in table["pair"].unique() if pair in means}
    return Difference(factor, a, b, score, values, len(found))


def rows_where(table: "pd.DataFrame", where: Mapping[str, Any]) -> "pd.DataFrame":
    """Return the rows that have these values; raise ValueError if there are none."""
    validate_columns(table, *where)
    for name, value in where.items():
        rows = table[table[name] == value]
        if rows.empty:
            levels = [str(level) for level in table[name].unique()]
            raise ValueError(f"{name} {value!r} is not in this table; {hint(str(value), levels)}")
        table = rows
    return table


def without_gaps(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return the table with "none" for settings that are NaN, because NaN does not equal NaN."""
    columns = {name: table[name].astype(object) for name in settings(table)}
    return table.assign(**{name: c.where(c.notna(), _UNSET) for name, c in columns.items()})


def validate_columns(table: "pd.DataFrame", *columns: str) -> None:
    """Raise ValueError unless a table has these columns."""
    for name in columns:
        if name not in table:
            raise ValueError(f"no column {name!r} in this table; {hint(name, map(str, table))}")


def _parse(data: bytes) -> "pd.DataFrame":
    """Read a CSV file; return a table without columns if it is no CSV file."""
    import pandas as pd

    try:
        return pd.read_csv(io.BytesIO(data))
    except ValueError:  # pandas' own errors, and bytes that are no text
        return pd.DataFrame()
