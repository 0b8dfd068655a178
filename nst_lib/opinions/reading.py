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
from nst_lib.opinions.ratings import ACR, COLUMNS, NO, ROLES, TRIAL, YES, Ratings, catch_trials
from nst_lib.opinions.tables import RatingsError

if TYPE_CHECKING:
    import pandas as pd

#: Row (position in the table), column and what is wrong there.
_Fault = tuple[int, str, str]
_NAME = "give a name"
_COUNTS = "accepted: 1, 2, ..."
#: A range in the column `scale`, as in "0,100".
_RANGE = r" *-?\d+(\.\d+)? *, *-?\d+(\.\d+)? *"


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
        Range of the ratings; None means that in the column `scale`, or else the range that belongs
        to the format (1 to 5 for our own).

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
    table = with_factors(table, text, items=items, pattern=pattern)
    own = None if _ranges(table) else usual
    checked = check(table, scale=scale or own, source=text.source)
    return replace(checked, notes=tuple(text.notes))


def with_factors(
    table: "pd.DataFrame",
    text: tables.Text,
    *,
    items: str | os.PathLike[str] | None = None,
    pattern: str | None = None,
) -> "pd.DataFrame":
    """Return a table with the columns that a pattern or a table of items has for its items.

    Parameters
    ----------
    table : pd.DataFrame
        Table with the column `item`.
    text : Text
        The table as it was read, for messages and notes.
    items : path, URL or None
        Table with more columns for each item; see :func:`read`.
    pattern : str or None
        Regular expression whose named groups become columns; see :func:`read`.

    Raises
    ------
    RatingsError
        If an item is not in the table of items or does not match the pattern.
    """
    if pattern is not None:
        table = _match(table, pattern, text.source)
    if items is not None:
        table = _join(table, items, text)
    return table


def check(
    table: "pd.DataFrame", *, scale: tuple[float, float] | None = None, source: str = "ratings"
) -> Ratings:
    """Check a table of ratings: every cell is filled and in range, and no rating is given twice.

    Parameters
    ----------
    table : pd.DataFrame
        Ratings with the columns of :mod:`nst_lib.opinions.ratings`.
    scale : (low, high) or None
        Range of the ratings; None means that in the column `scale`, or else 1 to 5.
    source : str
        Where the ratings come from, for messages.

    Raises
    ------
    RatingsError
        If something is wrong. The message has source, row and column of the first fault.
    """
    import pandas as pd

    if scale is not None and not scale[0] < scale[1]:
        raise RatingsError(f"scale {scale[0]:g} to {scale[1]:g}: give the lower end first")
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
    faults = _empty_names(table)
    if scale is not None or not _ranges(table):
        limits = {"": (scale or ACR, table.index)}
    else:
        limits = _limits(table, rows, source)
    faults += [
        fault
        for (low, high), where in limits.values()
        for fault in _wrong_ratings(table, where, low, high)
    ]
    faults += _wrong_cells(table)
    faults = faults or _given_twice(table, rows)
    if faults:
        raise RatingsError(f"{source}: {_first(faults, table, rows)}")
    for name in ("rating", "lowest", "highest"):
        if name in table:
            table[name] = pd.to_numeric(table[name], errors="coerce")
    if "role" in table and not (table["role"] == TRIAL).any():
        raise RatingsError(f"{source}: no rating has the role {TRIAL}; accepted: one or more")
    scales = {name: limit for name, (limit, _) in limits.items()}
    first = next(iter(scales.values()))
    own = scale is None and _ranges(table)
    return Ratings(table.set_axis(rows), first, source, scales=scales if own else {})


def _empty_names(table: "pd.DataFrame") -> list[_Fault]:
    """Turn names into text, and return those that are empty."""
    faults: list[_Fault] = []
    for name in ("listener", "item", *(name for name in ("question", "pair") if name in table)):
        table[name] = table[name].where(table[name].notna(), "").astype(str)
        bare = table.index[table[name].str.strip() == ""]
        faults += [(k, name, _NAME) for k in bare]
    return faults


def _ranges(table: "pd.DataFrame") -> bool:
    """Return whether the column `scale` has ranges; it may be a factor of other people."""
    return "scale" in table and bool(table["scale"].astype(str).str.fullmatch(_RANGE).all())


def _limits(
    table: "pd.DataFrame", rows: list[int], source: str
) -> dict[str, tuple[tuple[float, float], "pd.Index[int]"]]:
    """Return question -> range of its ratings, and where they are."""
    questions = table["question"] if "question" in table else table["listener"].map(lambda _: "")
    found = {}
    for question, part in table.groupby(questions, sort=False):
        first = part["scale"].iloc[0]
        other = part.index[part["scale"] != first]
        low, high = map(float, str(first).split(","))
        if len(other) or not low < high:
            k = other[0] if len(other) else part.index[0]
            advice = f"the question has {first!r} before" if len(other) else "the lower end first"
            raise RatingsError(
                f"{source}: row {rows[k]}, column scale: {table.loc[k, 'scale']!r}; {advice}"
            )
        found[str(question)] = ((low, high), part.index)
    return found


def _wrong_ratings(
    table: "pd.DataFrame", where: "pd.Index[int]", low: float, high: float
) -> list[_Fault]:
    """Return the ratings and right answers in some rows that are wrong or out of range."""
    within = f"accepted: a number from {low:g} to {high:g}"
    faults = _wrong_numbers(table, "rating", where, low, high, within)
    for name in ("lowest", "highest"):
        if name in table:
            text = f"{within}, or nothing"
            faults += _wrong_numbers(table, name, where, low, high, text, optional=True)
    return faults


def _wrong_cells(table: "pd.DataFrame") -> list[_Fault]:
    """Return the other cells that are wrong, and turn counts into numbers."""
    import pandas as pd

    faults: list[_Fault] = []
    if "presentation" in table:
        wrong = _wrong_numbers(table, "presentation", table.index, 1, 1e6, _COUNTS)
        if not wrong:
            table["presentation"] = pd.to_numeric(table["presentation"])
            parts = table.index[table["presentation"] % 1 != 0]
            wrong = [(k, "presentation", _COUNTS) for k in parts]
        faults += wrong
    for name, accepted in (("simulated", (YES, NO)), ("role", ROLES)):
        if name in table:
            odd = ~table[name].isin(accepted)
            faults += [(k, name, f"accepted: {', '.join(accepted)}") for k in table.index[odd]]
    return faults


def _wrong_numbers(
    table: "pd.DataFrame",
    name: str,
    where: "pd.Index[int]",
    low: float,
    high: float,
    text: str,
    *,
    optional: bool = False,
) -> list[_Fault]:
    """Return the cells of a column, in some rows, that are no numbers in this range."""
    import pandas as pd

    column = table.loc[where, name]
    wrong = ~pd.to_numeric(column, errors="coerce").between(low, high)
    if optional:
        wrong &= column.notna() & (column.map(str).str.strip() != "")
    return [(k, name, text) for k in where[wrong]]


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
