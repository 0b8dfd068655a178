"""Ratings of listeners, one a row.

Columns of a table: `listener`, `item` (the sound), `rating`; and where they are there

    question         what was asked; each question is an analysis of its own
    pair             the recordings that an item is made from, the same under several conditions
    presentation     1, 2, ...: how often the listener has rated the item; only the first counts
    lowest, highest  answers that are right where the item is a catch trial, which has no opinion
    simulated        "yes": nobody has listened

All others are factors of the experiment, or what else is known of a rating. Levels of a factor have
one order everywhere: the declared one, else sorted. Rows are counted as a spreadsheet does: the
header is row 1.
"""

import math
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nst_lib.base.validation import hint
from nst_lib.opinions import p808, tables, webmushra
from nst_lib.opinions.p808 import ACR as ACR
from nst_lib.opinions.tables import RatingsError as RatingsError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("listener", "item", "rating")
YES, NO = "yes", "no"
#: Columns that are no factors.
KNOWN = (*COLUMNS, "question", "presentation", "lowest", "highest", "simulated")


@dataclass(frozen=True)
class Ratings:
    """Ratings that were checked.

    Attributes
    ----------
    table : pd.DataFrame
        One rating a row; see the module. The index is the row in the file.
    scale : (low, high)
        Range of ratings.
    source : str
        Where they come from.
    notes : tuple of str
        What was found of their file that a reader may not expect.
    """

    table: "pd.DataFrame"
    scale: tuple[float, float] = ACR
    source: str = "ratings"
    notes: tuple[str, ...] = ()

    @property
    def simulated(self) -> bool:
        """Whether any of them is simulated."""
        return "simulated" in self.table and bool((self.table["simulated"] == YES).any())

    @cached_property
    def opinions(self) -> "pd.DataFrame":
        """The rows that count: no catch trials, and of repeated items the first presentation."""
        table = self.table
        table = table[~_catches(table)]
        if "presentation" in table:
            table = table[table["presentation"] == 1]
        return table

    @property
    def listeners(self) -> list[str]:
        """Who rated, in order of appearance."""
        return list(self.table["listener"].unique())

    @property
    def questions(self) -> list[str]:
        """What was asked; one empty name where there is no such column."""
        return list(self.table["question"].unique()) if "question" in self.table else [""]

    @property
    def unit(self) -> str:
        """What, beside listeners, is a sample of all that there might be: pairs, else items."""
        return "pair" if "pair" in self.table else "item"

    @property
    def units(self) -> tuple[str, str]:
        """The two columns of samples, listeners first."""
        return "listener", self.unit

    def of(self, question: str) -> "Ratings":
        """Return the ratings of one question."""
        if not question and "question" not in self.table:
            return self
        if question not in self.questions:
            raise RatingsError(
                f"{self.source}: no question {question!r}; {hint(question, self.questions)}"
            )
        return replace(self, table=self.table[self.table["question"] == question])

    def without(self, listeners: Collection[str]) -> "Ratings":
        """Return the ratings of all other listeners."""
        return replace(self, table=self.table[~self.table["listener"].isin(list(listeners))])

    def ordered(self, order: Mapping[str, Sequence[Any]]) -> "Ratings":
        """Return the same ratings with a declared order of the levels of factors.

        It is the order of all tables and figures, and differences are later - earlier. Factors that
        are not named keep the order of :func:`levels`.

        Parameters
        ----------
        order : mapping of str to sequence
            Factor -> all its levels.

        Raises
        ------
        RatingsError
            If there is no such factor, or its levels are others.
        """
        import pandas as pd

        table = self.table
        for name, wanted in order.items():
            if name not in self.factors:
                raise RatingsError(
                    f"{self.source}: order of {name!r}; {hint(name, self.factors or ['none'])}"
                )
            there = {_text(level): level for level in levels(self.opinions[name])}
            given = [_text(level) for level in wanted]
            if sorted(given) != sorted(there):
                raise RatingsError(
                    f"{self.source}: order of {name}: {', '.join(given)}; accepted: each of its "
                    f"levels once: {', '.join(there)}"
                )
            kinds = pd.CategoricalDtype([there[level] for level in given], ordered=True)
            table = table.assign(**{name: table[name].astype(kinds)})
        return replace(self, table=table)

    def design(self, factors: Sequence[str]) -> "pd.DataFrame":
        """Return the opinions, with factors as ordered categories, so that they group in order."""
        import pandas as pd

        table = self.opinions
        kinds = {name: pd.CategoricalDtype(levels(table[name]), ordered=True) for name in factors}
        return table.astype(kinds)

    @property
    def factors(self) -> list[str]:
        """Columns that may be factors."""
        return [str(name) for name in self.table if name not in KNOWN]

    def need(self, factors: Sequence[str]) -> None:
        """Raise RatingsError unless these columns tell items apart: two levels or more."""
        table = self.opinions
        for name in factors:
            if name in KNOWN or name not in table:
                others = self.factors
                accepted = hint(name, others) if others else "accepted: none, it has no factors"
                raise RatingsError(f"{self.source}: no factor {name!r}; {accepted}")
        for name in dict.fromkeys((*factors, *(["pair"] if "pair" in table else []))):
            first: dict[str, Any] = {}
            bare = table.index[table[name].isna() | (table[name].astype(str).str.strip() == "")]
            if len(bare):
                raise RatingsError(f"{self.source}: row {bare[0]}, column {name}: empty")
            for row, item, value in zip(table.index, table["item"], table[name], strict=True):
                seen = first.setdefault(item, (value, row))
                if seen[0] != value:
                    raise RatingsError(
                        f"{self.source}: row {row}, column {name}: {value!r}, but item {item!r} "
                        f"has {seen[0]!r} in row {seen[1]}; accepted: one value for an item"
                    )
        for name in factors:
            if table[name].nunique() < 2:
                raise RatingsError(
                    f"{self.source}: column {name} is {table[name].iloc[0]!r} throughout; "
                    "accepted: factors with two levels or more"
                )


def levels(column: "pd.Series[Any]") -> list[Any]:
    """Return the levels of a factor: in the order that was declared, else sorted.

    What looks like a number is sorted as one and comes first; numbers within names count as such,
    so that "system 2" comes before "system 10".
    """
    import pandas as pd

    there = list(column.unique())
    if isinstance(column.dtype, pd.CategoricalDtype):
        return sorted(there, key=list(column.cat.categories).index)
    return sorted(there, key=_rank)


def condition(table: "pd.DataFrame", factors: Sequence[str]) -> "pd.Series[Any]":
    """Return the name of each row's condition: "stft, max"."""
    return table[list(factors)].astype(str).agg(", ".join, axis=1)


def cells(table: "pd.DataFrame", factors: Sequence[str]) -> list[str]:
    """Return the names of the conditions that there are, in the order of their levels."""
    import pandas as pd

    there = table[list(factors)].drop_duplicates(ignore_index=True)
    places = {name: there[name].map(levels(there[name]).index).astype(int) for name in factors}
    order = pd.DataFrame(places).sort_values(list(factors)).index
    return condition(there.loc[order], factors).tolist()


def _rank(level: Any) -> tuple[bool, float, list[Any]]:
    parts: list[Any] = re.split(r"(\d+)", str(level))
    parts[1::2] = map(int, parts[1::2])
    try:
        number = float(level)
    except ValueError:
        return True, 0.0, parts
    return (True, 0.0, parts) if math.isnan(number) else (False, number, parts)


def _text(level: Any) -> str:
    return f"{level:g}" if isinstance(level, float) else str(level)


def read(
    source: str | os.PathLike[str],
    *,
    items: str | os.PathLike[str] | None = None,
    pattern: str | None = None,
    scale: tuple[float, float] | None = None,
) -> Ratings:
    """Read ratings.

    Parameters
    ----------
    source : path
        A CSV file with the columns of this module, or of webMUSHRA or the P.808 toolkit.
    items : path, URL or None
        What is known of the items: a CSV file with a column `item` (or `id`), or the folder of a
        batch. Its columns are added, and every rated item must be in it.
    pattern : str or None
        Regular expression whose named groups, in the names of the items, are columns too.
    scale : (low, high) or None
        Range of ratings; None is that of the format, 1 to 5 for our own.

    Raises
    ------
    RatingsError
        If there is no such file, or something in it is wrong: file, row, column, what is accepted.
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
    """Check a table of ratings: nothing missing, in range, and no rating given twice.

    Raises
    ------
    RatingsError
        With source, row, column and what is accepted; of several faults the first.
    """
    low, high = scale
    if not low < high:
        raise RatingsError(f"scale {low:g} to {high:g}; accepted: the lower end first")
    for name in COLUMNS:
        if name not in table:
            raise RatingsError(
                f"{source}: no column {name!r}; accepted: one rating a row, with "
                f"{', '.join(COLUMNS)} and factors, or a file of webMUSHRA or the P.808 toolkit; "
                f"it has {_listed(map(str, table))}"
            )
    if table.empty:
        raise RatingsError(f"{source}: has no ratings; accepted: one a row")
    rows = list(table.index)
    table = table.reset_index(drop=True)
    faults: list[tuple[int, str, str]] = []
    for name in ("listener", "item", *(name for name in ("question", "pair") if name in table)):
        table[name] = table[name].where(table[name].notna(), "").astype(str)
        bare = table.index[table[name].str.strip() == ""]
        faults += [(k, name, "empty; accepted: a name") for k in bare]
    within = f"accepted: a number from {low:g} to {high:g}"
    faults += _numbers(table, "rating", low, high, within)
    for name in ("lowest", "highest"):
        if name in table:
            faults += _numbers(table, name, low, high, f"{within}, or nothing", optional=True)
    if "presentation" in table:
        wrong = _numbers(table, "presentation", 1, 1e6, "accepted: 1, 2, ...")
        if not wrong:
            parts = table.index[table["presentation"] % 1 != 0]
            wrong = [(k, "presentation", "accepted: 1, 2, ...") for k in parts]
        faults += wrong
    if "simulated" in table:
        odd = ~table["simulated"].isin([YES, NO])
        faults += [(k, "simulated", "accepted: yes or no") for k in table.index[odd]]
    if not faults:
        key = [n for n in ("listener", "item", "question", "presentation") if n in table]
        for k in table.index[table.duplicated(key)]:
            first = table.index[(table[key] == table.loc[k, key]).all(axis=1)][0]
            what = ", ".join(f"{name} {table.loc[k, name]}" for name in key[:2])
            faults.append((k, "item", f"{what} is in row {rows[first]} already"))
    if faults:
        k, name, text = min(faults)
        given = table.loc[k, name]
        value = f"{given:g}" if isinstance(given, float) else str(given).strip()
        shown = f"{value!r}, " if value and text.startswith("accepted") else ""
        more = f" ({len(faults) - 1} more faults)" if len(faults) > 1 else ""
        raise RatingsError(f"{source}: row {rows[k]}, column {name}: {shown}{text}{more}")
    return Ratings(table.set_axis(rows), scale, source)


def describe(ratings: Ratings) -> list[str]:
    """Return what is worth knowing of ratings before they are analysed, a line each."""
    table = ratings.opinions
    items = table[["item"] + (["question"] if "question" in table else [])].drop_duplicates()
    counts = table.groupby("listener", sort=False).size()
    parts = {"rating": len(table), "listener": len(counts), "item": table["item"].nunique()}
    lines = [", ".join(_count(*part) for part in parts.items())]
    short = counts[counts < len(items)]
    if len(short):
        lines.append(
            f"missing: {_count('rating', len(items) * len(counts) - len(table))} of "
            f"{_count('listener', len(short))}; {short.idxmin()} gave {short.min()} of {len(items)}"
        )
    spread = table.groupby("listener", sort=False)["rating"].nunique()
    same = spread[(spread == 1) & (counts > 1)].index
    if len(same):
        lines.append(f"always the same rating from {', '.join(map(str, same))}")
    return lines


def _listed(names: Iterable[str]) -> str:
    """Return some names of columns, in a line."""
    shown = [name if len(name) <= 24 else f"{name[:20]} ..." for name in names]
    more = [f"{len(shown) - 8} more"] if len(shown) > 8 else []
    return ", ".join([repr(name)[1:-1] for name in shown[:8]] + more)


def _count(name: str, count: int) -> str:
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def _numbers(
    table: "pd.DataFrame", name: str, low: float, high: float, text: str, *, optional: bool = False
) -> list[tuple[int, str, str]]:
    """Make a column numeric where it is, and return where it is not, or out of range."""
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


def _match(table: "pd.DataFrame", pattern: str, source: str) -> "pd.DataFrame":
    """Add the named groups of a pattern as columns."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise RatingsError(f"pattern {pattern!r}: {error}") from error
    if not compiled.groupindex:
        raise RatingsError(f"pattern {pattern!r}: accepted: named groups, as in (?P<pooling>...)")
    if "item" not in table:
        return table
    for row, item in table["item"][~_catches(table)].items():
        if compiled.search(item) is None:
            raise RatingsError(f"{source}: row {row}, column item: {item!r} has no {pattern}")
    found = table["item"].str.extract(compiled)
    return table.assign(**{name: found[name].to_numpy() for name in compiled.groupindex})


def _catches(table: "pd.DataFrame") -> "pd.Series[bool]":
    """Return which rows are catch trials."""
    answers = table.reindex(columns=["lowest", "highest"])
    return (answers.notna() & (answers.astype(str) != "")).any(axis=1)


def _join(
    table: "pd.DataFrame", items: str | os.PathLike[str], text: tables.Text
) -> "pd.DataFrame":
    """Add what is known of the items."""
    import pandas as pd

    from nst_lib.opinions import claims

    if Path(items).is_dir() or "://" in str(items):
        known = claims.load(items)
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
        raise RatingsError(f"{items}: no column 'item' or 'id'; accepted: one row for each item")
    twice = known["item"][known["item"].duplicated()]
    if len(twice):
        raise RatingsError(f"{items}: item {twice.iloc[0]!r} twice; accepted: one row for each")
    if "item" in table:
        names = set(known["item"])
        for row, item in table["item"][~_catches(table)].items():
            if item not in names:
                raise RatingsError(
                    f"{text.source}: row {row}, column item: {item!r} is not in {items}; "
                    f"{hint(item, known['item'])}"
                )
        new = known[["item", *(name for name in known if name not in table)]]
        words = new.select_dtypes(exclude="number").columns
        new = new.assign(**{name: new[name].where(new[name].notna(), "none") for name in words})
        return table.join(new.set_index("item"), on="item")
    return table
