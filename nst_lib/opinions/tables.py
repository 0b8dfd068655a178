"""Tables of text as spreadsheet programs and other people write them.

What separates the cells, which encoding the text has and which sign numbers have is found in the
file, and said. Cells are text without blanks around it. Rows are counted as a spreadsheet does.
"""

import csv
import io
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

ACCEPTED = "accepted: a CSV file"
#: What may separate cells, and its name.
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
#: Columns by which a header is known, ours and those of the formats that we read.
_NAMES = {"listener", "item", "id", "rating", "trial_id", "workerid"}
_BLANK = " \t\r\n\xa0"
_MARKS = {  # the longest first: UTF-16's begins UTF-32's
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xef\xbb\xbf": "UTF-8-sig",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_OTHERS = {
    b"PK\x03\x04": "a spreadsheet (.xlsx, .ods) or an archive",
    b"\xd0\xcf\x11\xe0": "a spreadsheet (.xls)",
    b"%PDF": "a PDF document",
}
#: What a spreadsheet runs as a formula (OWASP, CSV Injection), and such a cell made harmless.
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
_HARMLESS = re.compile("'+[=+\\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?(e[+-]?\d+)?", re.IGNORECASE)


class RatingsError(ValueError):
    """A table of ratings that cannot be used, and where it is wrong."""


@dataclass(frozen=True)
class Text:
    """A table of text.

    Attributes
    ----------
    frame : pd.DataFrame
        Of text, empty where there is nothing; the index is the row in the file, the header's is 1.
    source : str
        Where it comes from.
    separator : str
        Between its cells.
    notes : list of str
        What was found of the file that a reader may not expect.
    """

    frame: "pd.DataFrame"
    source: str
    separator: str = ","
    notes: list[str] = field(default_factory=list)

    def decimals(self, column: "pd.Series[str]") -> "pd.Series[str]":
        """Return a column of numbers with decimal points, where it has decimal commas.

        Parameters
        ----------
        column : pd.Series of str
            Of this table or made from it, with its name and index.

        Raises
        ------
        RatingsError
            If commas may also separate thousands: beside points, or each before three digits in a
            file whose cells are not separated by semicolons.
        """
        given = column[column != ""]
        commas = given[given.str.contains(",", regex=False)]
        if commas.empty or not given.str.fullmatch(r"[+-]?[\d.,]+").all():
            return column
        single = given.str.fullmatch(r"[+-]?\d+(,\d+)?").all()
        thousands = commas.str.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}").all()
        if not single or (thousands and self.separator != ";"):
            raise RatingsError(
                f"{self.source}: row {commas.index[0]}, column {column.name}: {commas.iloc[0]!r}: "
                "the comma may be a decimal sign or between thousands; accepted: one decimal sign "
                "throughout, and nothing between thousands"
            )
        self.notes.append(f"decimal commas in column {column.name}")
        return column.str.replace(",", ".", regex=False)


def read_table(path: Path) -> Text:
    """Read a table.

    Raises
    ------
    RatingsError
        If it cannot be read, is no text, has no header, a column twice, or a row with more cells
        than the header.
    """
    import pandas as pd

    text, notes = _decode(path)
    if not text.strip(f'{"".join(SEPARATORS)}"{_BLANK}'):
        raise RatingsError(f"{path}: is empty; {ACCEPTED}")
    separator, text = _separator(text)
    if separator != ",":
        notes.insert(0, f"{SEPARATORS[separator]} between cells")
    header, rows = _rows(text, separator, path)
    columns = zip(*rows.values(), strict=True) if rows else [()] * len(header)
    frame = pd.DataFrame(dict(enumerate(columns)), index=list(rows), dtype=str)
    return Text(_named(frame, header, path, notes), str(path), separator, notes)


def harmless(text: str) -> str:
    """Return the text of a cell so that no spreadsheet runs it; numbers stay.

    The quote before it says "text" to a spreadsheet; :func:`harmful` takes it away.
    """
    return "'" + text if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def harmful(text: str) -> str:
    """Return what :func:`harmless` was given."""
    return text[1:] if _HARMLESS.match(text) else text


def _decode(path: Path) -> tuple[str, list[str]]:
    """Return the text of a file, and what there is to say of its encoding."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RatingsError(f"{path}: cannot read ({error.strerror}); {ACCEPTED}") from error
    for start, what in _OTHERS.items():
        if data.startswith(start):
            raise RatingsError(
                f"{path}: is {what}; {ACCEPTED}, as which a spreadsheet program exports a sheet"
            )
    mark = next((encoding for start, encoding in _MARKS.items() if data.startswith(start)), None)
    for encoding in [mark] if mark else ["UTF-8", "Windows-1252"]:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text, [] if encoding.startswith("UTF-8") else [f"text is {encoding}"]
    raise RatingsError(f"{path}: is no text in UTF-8, UTF-16 or Windows-1252; {ACCEPTED}")


def _separator(text: str) -> tuple[str, str]:
    """Return what separates cells, and the text without a line that says so."""
    said = re.match(r'"?sep=([,;\t|])"?[ \t]*(\r\n|\r|\n)', text, re.IGNORECASE)
    if said:
        return said[1], text[said.end() :]

    def names(separator: str) -> tuple[int, int]:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        try:
            header = next((row for row in rows if any(map(str.strip, row))), [])
        except csv.Error:  # a cell without end
            return 0, 0
        return len(_NAMES & {name.strip().lower() for name in header}), len(header)

    return max(SEPARATORS, key=names), text


def _rows(text: str, separator: str, path: Path) -> tuple[list[str], dict[int, list[str]]]:
    """Return the cells of the header, and of all rows that are not empty, by their number."""
    lines = enumerate(
        csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True), 1
    )
    clean = _Clean()
    rows: dict[int, list[str]] = {}
    header: list[str] = []
    k = 0
    try:
        for k, cells in lines:
            row = [clean[cell] for cell in cells]
            if not header:
                header = row if any(row) else []
            elif len(row) > len(header):
                fault = (
                    f"{path}: row {k} has {len(row)} cells, the header {len(header)}; {ACCEPTED}"
                )
                if separator == ",":
                    fault += ", with cells in quotes where they have commas, decimal commas too"
                raise RatingsError(fault)
            elif any(row):
                rows[k] = row + [""] * (len(header) - len(row))
    except csv.Error as error:
        raise RatingsError(f"{path}: row {k + 1}: {error}; {ACCEPTED}") from error
    return [" ".join(name.split()) for name in header], rows


class _Clean(dict[str, str]):
    """Cells as they stand in the file -> what they say; each is kept once."""

    def __missing__(self, cell: str) -> str:
        self[cell] = harmful(cell.strip(_BLANK))
        return self[cell]


def _named(
    frame: "pd.DataFrame", header: list[str], path: Path, notes: list[str]
) -> "pd.DataFrame":
    """Return the columns that have a name."""
    bare = [k for k, name in enumerate(header) if not name]
    lost = [k for k in bare if (frame[k] != "").any()]
    if lost:
        columns = "1 column" if len(lost) == 1 else f"{len(lost)} columns"
        notes.append(f"{columns} without a name not read")
    kept = [name for name in header if name]
    twice = next((name for name in kept if kept.count(name) > 1), None)
    if twice is not None:
        raise RatingsError(f"{path}: column {twice!r} twice; accepted: each name once")
    return frame.drop(columns=bare).set_axis(kept, axis="columns")
