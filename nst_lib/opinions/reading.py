"""Read ratings from files and check them.

:mod:`nst_lib.opinions.ratings` describes the columns of a table. Results of webMUSHRA and of the
P.808 toolkit are recognised and converted.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nst_lib.base.validation import hint
from nst_lib.opinions import p808, tables, webmushra
from nst_lib.opinions.ratings import ACR, COLUMNS, NO, YES, Ratings, catch_trials
from nst_lib.opinions.tables import RatingsError

if TYPE_CHECKING:
    import pandas as pd

#: Row (position in the table), column and what is wrong there.
_Fault = tuple[int, str, str]
_NAME = "give a name"
_COUNTS = "accepted: 1, 2, ..."
_ANSWERS = f"accepted: {YES}, {NO}"


def read(
    source: str | os.PathLike[str],
    *,
    items: str | os.PathLike[str] | None = None,
    pattern: str | None = None,
    scale: tuple[float, float] | None = None,
) -> Ratings:
    """Read ratings from a file and check them.

    Parameters
    ----------
    source : path
        CSV file with the columns of :mod:`nst_lib.opinions.ratings`, or results of webMUSHRA or of
        the P.808 toolkit.
    items : path, URL or None
        Table with more columns for each item: a CSV file with a column `item` (or `id`), or the
        folder of a batch. Every rated item must be in it.
    pattern : str or None
        Regular expression that is searched for in the names of the items. Its named groups become
        columns.
    scale : (low, high) or None
        Range of the ratings; None means the range that belongs to the format (1 to 5 for our own).

    Raises
    ------
    RatingsError
        If there is no such file, or if something in it is wrong. The message has file, row and
        column, and says what is accepted.
    """
    text = tables.read_table(Path(source))
    table, usual = text.frame, ACR
    for convert in (webmushra.convert, p808.convert):
        if (found := convert(text)) is not None:
            table, usual = found
    for name in ("rating", "lowest", "highest", "presentation"):
        if name in table and (name == "rating" or name in text.frame):
            table = table.assign(**{name: text.decimals(table[name])})
    if pattern is not None:
        table = _match(table, pattern, text.source)
    if items is not None:
        table = _join(table, items, text)
    checked = check(table, scale=scale or usual, source=text.source)
    return replace(checked, notes=tuple(text.notes))


def check(
    table: "pd.DataFrame", *, scale: tuple[float, float] = ACR, source: str = "ratings"
) -> Ratings:
    """Check a table of ratings: every cell is filled and in range, and no rating is given twice.

    Parameters
    ----------
    table : pd.DataFrame
        Ratings with the columns of :mod:`nst_lib.opinions.ratings`.
    scale : (low, high)
        Range of the ratings.
    source : str
        Where the ratings come from, for messages.

    Raises
    ------
    RatingsError
        If something is wrong. The message has source, row and column of the first fault.
    """
    low, high = scale
    if not low < high:
        raise RatingsError(f"scale {low:g} to {high:g}: give the lower end first")
    for name in COLUMNS:
        if name not in table:
            raise RatingsError(
                f"{source}: no column {name!r}, only {_listed(map(str, table))}; accepted: one "
                f"rating per row, with the columns {', '.join(COLUMNS)} and factors, or results of "
                "webMUSHRA or the P.808 toolkit"
            )
    if table.empty:
        raise RatingsError(f"{source}: has no ratings; add one row for each rating")
    rows = list(table.index)
    table = table.reset_index(drop=True)
    faults = [*_empty_names(table), *_wrong_cells(table, low, high)]
    faults = faults or _given_twice(table, rows)
    if faults:
        raise RatingsError(f"{source}: {_first(faults, table, rows)}")
    return Ratings(table.set_axis(rows), scale, source)


def _empty_names(table: "pd.DataFrame") -> list[_Fault]:
    """Turn names into text, and return those that are empty."""
    faults: list[_Fault] = []
    for name in ("listener", "item", *(name for name in ("question", "pair") if name in table)):
        table[name] = table[name].where(table[name].notna(), "").astype(str)
        bare = table.index[table[name].str.strip() == ""]
        faults += [(k, name, _NAME) for k in bare]
    return faults


def _wrong_cells(table: "pd.DataFrame", low: float, high: float) -> list[_Fault]:
    """Turn numbers into numbers, and return the cells that are wrong or out of range."""
    within = f"accepted: a number from {low:g} to {high:g}"
    faults = _wrong_numbers(table, "rating", low, high, within)
    for name in ("lowest", "highest"):
        if name in table:
            faults += _wrong_numbers(table, name, low, high, f"{within}, or nothing", optional=True)
    if "presentation" in table:
        wrong = _wrong_numbers(table, "presentation", 1, 1e6, _COUNTS)
        if not wrong:
            parts = table.index[table["presentation"] % 1 != 0]
            wrong = [(k, "presentation", _COUNTS) for k in parts]
        faults += wrong
    if "simulated" in table:
        odd = ~table["simulated"].isin([YES, NO])
        faults += [(k, "simulated", _ANSWERS) for k in table.index[odd]]
    return faults


def _wrong_numbers(
    table: "pd.DataFrame", name: str, low: float, high: float, text: str, *, optional: bool = False
) -> list[_Fault]:
    """Turn a column into numbers if all of its cells are right; else return the wrong ones."""
    import pandas as pd

    numbers = pd.to_numeric(table[name], errors="coerce")
    wrong = ~numbers.between(low, high)
    if optional:
        given = table[name].notna() & (table[name].map(str).str.strip() != "")
        wrong &= given
    if wrong.any():
        return [(k, name, text) for k in table.index[wrong]]
    table[name] = numbers
    return []


def _given_twice(table: "pd.DataFrame", rows: list[int]) -> list[_Fault]:
    """Return the ratings that a listener has given before."""
    faults: list[_Fault] = []
    key = [n for n in ("listener", "item", "question", "presentation") if n in table]
    for k in table.index[table.duplicated(key)]:
        first = table.index[(table[key] == table.loc[k, key]).all(axis=1)][0]
        listener, item = table.loc[k, "listener"], table.loc[k, "item"]
        faults.append(
            (
                k,
                "item",
                f"listener {listener} has rated item {item} in row {rows[first]} already; number "
                "repeated ratings in a column 'presentation'",
            )
        )
    return faults


def _first(faults: list[_Fault], table: "pd.DataFrame", rows: list[int]) -> str:
    """Return the first fault in words, and the number of all others."""
    k, name, text = min(faults)
    if text == _NAME or text.startswith("accepted"):
        given = table.loc[k, name]
        value = f"{given:g}" if isinstance(given, float) else str(given).strip()
        text = f"{value!r}; {text}" if value else f"the cell is empty; {text}"
    more = len(faults) - 1
    tail = f" ({more} more {'fault' if more == 1 else 'faults'})" if more else ""
    return f"row {rows[k]}, column {name}: {text}{tail}"


def _listed(names: Iterable[str]) -> str:
    """Return some names of columns, in a line."""
    shown = [name if len(name) <= 24 else f"{name[:20]} ..." for name in names]
    more = [f"{len(shown) - 8} more"] if len(shown) > 8 else []
    return ", ".join([repr(name)[1:-1] for name in shown[:8]] + more)


def _match(table: "pd.DataFrame", pattern: str, source: str) -> "pd.DataFrame":
    """Add the named groups of a pattern as columns."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise RatingsError(f"pattern {pattern!r}: {error}") from error
    if not compiled.groupindex:
        raise RatingsError(
            f"pattern {pattern!r} has no named group; write one for each column, as in "
            "(?P<pooling>...)"
        )
    if "item" not in table:
        return table
    for row, item in table["item"][~catch_trials(table)].items():
        if compiled.search(item) is None:
            raise RatingsError(
                f"{source}: row {row}, column item: {item!r} does not match the pattern {pattern}"
            )
    found = table["item"].str.extract(compiled)
    return table.assign(**{name: found[name].to_numpy() for name in compiled.groupindex})


def _join(
    table: "pd.DataFrame", items: str | os.PathLike[str], text: tables.Text
) -> "pd.DataFrame":
    """Add the columns of a table of items."""
    known = _items(items, text)
    if "item" not in table:
        return table
    names = set(known["item"])
    for row, item in table["item"][~catch_trials(table)].items():
        if item not in names:
            raise RatingsError(
                f"{text.source}: row {row}, column item: {item!r} is not in {items}; "
                f"{hint(item, known['item'])}"
            )
    new = known[["item", *(name for name in known if name not in table)]]
    words = new.select_dtypes(exclude="number").columns
    new = new.assign(**{name: new[name].where(new[name].notna(), "none") for name in words})
    return table.join(new.set_index("item"), on="item")


def _items(items: str | os.PathLike[str], text: tables.Text) -> "pd.DataFrame":
    """Return a table of items, one per row, with their names in the column "item"."""
    import pandas as pd

    from nst_lib.opinions import comparison

    if Path(items).is_dir() or "://" in str(items):
        known = comparison.load(items)
    else:
        other = tables.read_table(Path(items))
        known = other.frame
        for name in known.columns.difference(["item", "id"], sort=False):
            known[name] = other.decimals(known[name])
            numbers = pd.to_numeric(known[name].where(known[name] != ""), errors="coerce")
            if numbers.notna().sum() == (known[name] != "").sum():
                known[name] = numbers
        text.notes.extend(f"{items}: {note}" for note in other.notes)
    if "item" not in known:
        known = known.rename(columns={"id": "item"})
    if "item" not in known:
        raise RatingsError(
            f"{items}: no column 'item' or 'id'; name the items in one of them, one item per row"
        )
    twice = known["item"][known["item"].duplicated()]
    if len(twice):
        raise RatingsError(f"{items}: item {twice.iloc[0]!r} has two rows; keep one row per item")
    return known
