"""Read tables of text as spreadsheet programs and other people write them.

The separator of the cells, the encoding and the decimal sign are found in the file, and notes say
what was found. Cells are text, and blanks around it are removed. Row numbers are those of a
spreadsheet: the header is row 1.
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
#: Separators of cells and their names.
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
#: Columns by which a header is recognised: ours, and those of the formats that we read.
_NAMES = {"listener", "item", "id", "rating", "preferred", "chosen", "trial_id", "workerid"}
_BLANK = " \t\r\n\xa0"
_MARKS = {  # the longest first, because UTF-32 begins like UTF-16
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
#: Cells that a spreadsheet runs as formulas (OWASP, CSV Injection), and such cells with a quote.
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
_HARMLESS = re.compile("'+[=+\\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?(e[+-]?\d+)?", re.IGNORECASE)


class RatingsError(ValueError):
    """A table of ratings cannot be used; the message says where it is wrong."""


@dataclass(frozen=True)
class Text:
    """A table of text.

    Attributes
    ----------
    frame : pd.DataFrame
        The cells as text; an empty cell is an empty text. The index is the row number in the file.
    source : str
        Where the table comes from, for messages.
    separator : str
        Separator of its cells.
    notes : list of str
        Remarks about the file that a reader may not expect.
    """

    frame: "pd.DataFrame"
    source: str
    separator: str = ","
    notes: list[str] = field(default_factory=list)

    def decimals(self, column: "pd.Series[str]") -> "pd.Series[str]":
        """Return a column of numbers with decimal points instead of decimal commas.

        Parameters
        ----------
        column : pd.Series of str
            Column of this table, or one made from it, with its name and index.

        Raises
        ------
        RatingsError
            If the commas may also separate thousands. That is so if there are points too, or if
            three digits follow every comma and cells are not separated by semicolons.
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
                "the comma may be a decimal sign or separate thousands; use one decimal sign in "
                "the whole column, and nothing between thousands"
            )
        self.notes.append(f"column {column.name} has decimal commas")
        return column.str.replace(",", ".", regex=False)


def read_table(path: Path) -> Text:
    """Read a table of text from a file.

    Raises
    ------
    RatingsError
        If the file cannot be read, is not text or has no header, if two columns have one name, or
        if a row has more cells than the header.
    """
    import pandas as pd

    text, notes = _decode(path)
    if not text.strip(f'{"".join(SEPARATORS)}"{_BLANK}'):
        raise RatingsError(f"{path}: is empty; {ACCEPTED}")
    separator, text = _separator(text)
    if separator != ",":
        notes.insert(0, f"cells are separated by {SEPARATORS[separator]}")
    header, rows = _rows(text, separator, path)
    columns = zip(*rows.values(), strict=True) if rows else [()] * len(header)
    frame = pd.DataFrame(dict(enumerate(columns)), index=list(rows), dtype=str)
    return Text(_named(frame, header, path, notes), str(path), separator, notes)


def harmless(text: str) -> str:
    """Return the text of a cell so that no spreadsheet runs it as a formula; numbers stay.

    A quote before the text tells a spreadsheet that it is text. :func:`harmful` removes it.
    """
    return "'" + text if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def harmful(text: str) -> str:
    """Return the text that :func:`harmless` was given."""
    return text[1:] if _HARMLESS.match(text) else text


def _decode(path: Path) -> tuple[str, list[str]]:
    """Return the text of a file, and notes about its encoding."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RatingsError(f"{path}: cannot read ({error.strerror}); {ACCEPTED}") from error
    for start, what in _OTHERS.items():
        if data.startswith(start):
            raise RatingsError(
                f"{path}: is {what}; {ACCEPTED}: export the sheet from the spreadsheet program"
            )
    mark = next((encoding for start, encoding in _MARKS.items() if data.startswith(start)), None)
    for encoding in [mark] if mark else ["UTF-8", "Windows-1252"]:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text, [] if encoding.startswith("UTF-8") else [f"the text is in {encoding}"]
    raise RatingsError(f"{path}: is not text in UTF-8, UTF-16 or Windows-1252; {ACCEPTED}")


def _separator(text: str) -> tuple[str, str]:
    """Return the separator of the cells, and the text without a first line `sep=;`."""
    said = re.match(r'"?sep=([,;\t|])"?[ \t]*(\r\n|\r|\n)', text, re.IGNORECASE)
    if said:
        return said[1], text[said.end() :]

    def names(separator: str) -> tuple[int, int]:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        try:
            header = next((row for row in rows if any(map(str.strip, row))), [])
        except csv.Error:  # a quote that is never closed
            return 0, 0
        return len(_NAMES & {name.strip().lower() for name in header}), len(header)

    return max(SEPARATORS, key=names), text


def _rows(text: str, separator: str, path: Path) -> tuple[list[str], dict[int, list[str]]]:
    """Return the header, and row number -> cells of all rows that are not empty."""
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
                advice = "complete the header, or shorten the row"
                if separator == ",":
                    advice = "put cells with commas (also decimal commas) in quotes, or complete "
                    advice += "the header"
                raise RatingsError(
                    f"{path}: row {k} has {len(row)} cells, but the header has {len(header)}; "
                    f"{advice}"
                )
            elif any(row):
                rows[k] = row + [""] * (len(header) - len(row))
    except csv.Error as error:
        raise RatingsError(f"{path}: row {k + 1}: {error}; {ACCEPTED}") from error
    return [" ".join(name.split()) for name in header], rows


class _Clean(dict[str, str]):
    """Cell as it is written in the file -> its clean text. Each text is stored once."""

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
        notes.append(f"{columns} without a name left out")
    kept = [name for name in header if name]
    twice = next((name for name in kept if kept.count(name) > 1), None)
    if twice is not None:
        raise RatingsError(f"{path}: two columns are named {twice!r}; give them different names")
    return frame.drop(columns=bare).set_axis(kept, axis="columns")
