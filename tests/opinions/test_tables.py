"""Files of ratings as spreadsheet programs and other people's tools write them."""

import io
import re
import zipfile

import pandas as pd
import pytest

from nst_lib.opinions import tables
from nst_lib.opinions.reading import read
from nst_lib.opinions.tables import RatingsError

GOOD = (
    "listener,item,rating,pair,pooling\n"
    "ann,max-1,4.5,1,größer\n"
    "ann,avg-1,3,1,average\n"
    "bob,max-1,4,1,größer\n"
    'bob,avg-1,2.25,1,"average"\n'
)
SEMICOLONS = GOOD.replace(",", ";").replace(".", ",")


def refused(text: str):
    """Expect RatingsError of one line that has this text in it."""
    return pytest.raises(RatingsError, match=f"^[^\n]*{re.escape(text)}[^\n]*$")


class TestSameTable:
    """However a program writes it, it is the same table, and what was found is said."""

    @pytest.fixture
    def usual(self, write) -> pd.DataFrame:
        return read(write(GOOD, "usual.csv")).table

    @pytest.mark.parametrize(
        ("data", "notes"),
        [
            (GOOD.encode(), []),
            (GOOD.encode("utf-8-sig"), []),
            (GOOD.replace("\n", "\r\n").encode(), []),
            (GOOD.replace("\n", "\r").encode(), []),
            (GOOD.encode("cp1252"), ["the text is in Windows-1252"]),
            (GOOD.encode("utf-16"), ["the text is in UTF-16"]),
            (b"\xfe\xff" + GOOD.encode("utf-16-be"), ["the text is in UTF-16"]),
            (GOOD.encode("utf-32"), ["the text is in UTF-32"]),
            (
                GOOD.replace(",", "\t").encode("utf-16"),
                ["cells are separated by tabs", "the text is in UTF-16"],
            ),
            (GOOD.replace(",", "|").encode(), ["cells are separated by bars"]),
            (GOOD.replace(",", ";").encode(), ["cells are separated by semicolons"]),
            (b"sep=,\r\n" + GOOD.encode(), []),
            (b'"sep=;"\n' + GOOD.replace(",", ";").encode(), ["cells are separated by semicolons"]),
            (
                b"SEP=;\r\n" + SEMICOLONS.encode("cp1252"),
                [
                    "cells are separated by semicolons",
                    "the text is in Windows-1252",
                    "column rating has decimal commas",
                ],
            ),
            (
                SEMICOLONS.encode("utf-8-sig"),
                ["cells are separated by semicolons", "column rating has decimal commas"],
            ),
            (
                GOOD.replace("4.5", '"4,5"').replace("2.25", '"2,25"').encode(),
                ["column rating has decimal commas"],
            ),
            ((GOOD.replace("\n", ",,\n") + ",,,,,,\n" * 3).encode(), []),
            (GOOD.replace("ann,", " ann ,").replace("größer", " größer\xa0").encode(), []),
            (re.sub(r"([^,\n]+)", r'"\1"', GOOD.replace('"', "")).encode(), []),
        ],
    )
    def test_read(self, write, usual, data, notes):
        ratings = read(write(data))
        pd.testing.assert_frame_equal(ratings.table, usual)
        assert list(ratings.notes) == notes

    def test_rows_above_the_header(self, write, usual):
        found = read(write("\n,,\n" + GOOD)).table
        assert found.index.tolist() == [4, 5, 6, 7]
        assert found.to_dict("records") == usual.to_dict("records")

    def test_line_that_says_what_separates_is_no_row(self, write):
        with refused("row 3, column rating: '9'"):
            read(write("sep=;\n" + GOOD.replace(",", ";").replace("avg-1;3", "avg-1;9")))

    def test_rows_end_before_columns_that_are_empty(self, write):
        """As in batch results of Mechanical Turk before anybody has approved them."""
        text = GOOD.replace("pooling\n", "pooling,Approve,Reject\n")
        assert read(write(text)).table["Reject"].tolist() == [""] * 4

    def test_column_without_a_name_is_not_read(self, write, usual):
        """As in a table that pandas wrote with its index."""
        numbered = pd.read_csv(io.StringIO(GOOD)).to_csv()
        ratings = read(write(numbered))
        assert list(ratings.table) == list(usual)
        assert ratings.notes == ("1 column without a name left out",)

    def test_line_breaks_in_cells_are_no_rows(self, write):
        text = 'listener,item,"rating","what did\nyou hear?"\nann,x,3,"a\nb"\nbob,x,9,\n'
        with refused("row 3, column rating: '9'"):
            read(write(text))
        assert list(read(write(text.replace("9", "4"))).table)[-1] == "what did you hear?"

    def test_commas_in_the_header_of_a_file_with_semicolons(self, write):
        text = "listener;item;rating;how good, clear, natural, loud, close\nann;x;3;a\nbob;x;4;b\n"
        assert read(write(text)).table["rating"].tolist() == [3, 4]

    def test_scores_of_items(self, write):
        items = write("item;timbre\nmax-1;0,125\navg-1;1\n".encode("utf-16"), "items.csv")
        ratings = read(write(GOOD), items=items)
        assert ratings.table["timbre"].tolist() == [0.125, 1, 0.125, 1]
        assert ratings.notes == (
            f"{items}: cells are separated by semicolons",
            f"{items}: the text is in UTF-16",
            f"{items}: column timbre has decimal commas",
        )

    def test_names_with_commas_stay(self, write):
        text = GOOD.replace(",", ";").replace("max-1", "1,5").replace("avg-1", "2,5")
        assert set(read(write(text)).table["item"]) == {"1,5", "2,5"}


class TestNumbers:
    @pytest.mark.parametrize("separator", [";", "\t"])
    def test_points_beside_commas(self, write, separator):
        text = GOOD.replace("4.5", '"4,5"').replace(",", separator).replace(f"4{separator}5", "4,5")
        with refused("row 2, column rating: '4,5': the comma may be a decimal sign or separate"):
            read(write(text))

    def test_thousands(self, write):
        text = 'listener,item,rating\na,x,"1,234"\nb,x,2\n'
        with refused("row 2, column rating: '1,234': the comma may be a decimal sign or separate"):
            read(write(text))
        with_semicolons = text.replace(",", ";").replace("1;234", "1,234")
        assert read(write(with_semicolons)).table["rating"].tolist() == [1.234, 2]

    def test_decimal_comma_among_commas(self, write):
        with refused(
            "row 3 has 6 cells, but the header has 5; put cells with commas (also decimal commas) "
            "in quotes, or complete the header"
        ):
            read(write(GOOD.replace("avg-1,3", "avg-1,3,5")))

    def test_answers_to_many_questions_are_no_numbers(self, write):
        text = GOOD.replace("pooling\n", "pooling,heard\n").replace("größer\n", 'größer,"1,2"\n')
        assert set(read(write(text)).table["heard"]) == {"1,2", ""}


class TestRefused:
    def test_other_programs_files(self, write):
        sheet = io.BytesIO()
        with zipfile.ZipFile(sheet, "w") as archive:
            archive.writestr("xl/workbook.xml", "<workbook/>")
        for data, what in (
            (sheet.getvalue(), "is a spreadsheet (.xlsx, .ods) or an archive"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(64), "is a spreadsheet (.xls)"),
            (b"%PDF-1.7\n%\xe2\xe3", "is a PDF document"),
        ):
            with refused(f"{what}; accepted: a CSV file: export the sheet from the"):
                read(write(data, "ratings.xlsx"))

    @pytest.mark.parametrize(
        "data",
        [GOOD.encode("utf-16")[:-1], GOOD.encode("utf-16-le"), bytes(100), b"\x81\x8d,\n"],
        ids=["half a character", "UTF-16 without a mark", "zeros", "in no encoding"],
    )
    def test_no_text(self, write, data):
        with refused("is not text in UTF-8, UTF-16 or Windows-1252; accepted: a CSV file"):
            read(write(data))

    @pytest.mark.parametrize("text", ["\n", " , ,\n,,\n", "\ufeff"])
    def test_nothing_there(self, write, text):
        with refused("is empty; accepted: a CSV file"):
            read(write(text))

    def test_column_twice(self, write):
        with refused("two columns are named 'rating'; give them different names"):
            read(write("listener,item,rating,rating\nann,x,3,4\n"))

    @pytest.mark.parametrize(
        ("cell", "fault"), [('"x"y', "',' expected after '\"'"), ('"x', "unexpected end of data")]
    )
    def test_quote_in_the_middle_and_without_end(self, write, cell, fault):
        with refused(f"row 3: {fault}; accepted: a CSV file"):
            read(write(f"listener,item,rating\nann,x,2\nann,{cell},3\n"))

    @pytest.mark.parametrize(
        ("header", "shown"),
        [
            (  # Qualtrics, "Export values", beside two more rows of headers
                "StartDate,EndDate,Status,IPAddress,Progress,Duration (in seconds),Finished,"
                "RecordedDate,ResponseId,Q1_1,Q1_2",
                "StartDate, EndDate, Status, IPAddress, Progress, Duration (in seconds), Finished, "
                "RecordedDate, 3 more",
            ),
            (  # Google Forms
                '"Timestamp","How good was sound 1, from 1 to 5?","How good was sound 2?"',
                "Timestamp, How good was sound 1 ..., How good was sound 2?",
            ),
            (  # Prolific, its demographic export
                "Submission id,Participant id,Status,Started at,Completed at",
                "Submission id, Participant id, Status, Started at, Completed at",
            ),
        ],
    )
    def test_wide_tables_of_others(self, write, header, shown):
        with refused(
            f"no column 'listener', only {shown}; accepted: one rating per row, with the columns "
            "listener, item, rating and factors, or results of webMUSHRA or the P.808 toolkit"
        ):
            read(write(f"{header}\n1,2,3\n"))


class TestFormulas:
    """Cells that a spreadsheet would run."""

    @pytest.mark.parametrize(
        "cell",
        ["=1+1", "+cmd", "-x", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''-x", "-", "=", "-1-1", "+1+1"],
    )
    def test_made_harmless_and_back(self, cell):
        written = tables.harmless(cell)
        assert written == f"'{cell}"
        assert tables.harmful(written) == cell

    @pytest.mark.parametrize(
        "cell", ["-3", "+2.5", "-1,5", "-1e-3", "3", "", "a=b", "'quoted'", "'3"]
    )
    def test_all_others_stay(self, cell):
        assert tables.harmless(cell) == cell
        assert tables.harmful(cell) == cell

    def test_read_back(self, write):
        text = "listener,item,rating,'=factor\n'@ann,'-x,-3,'=1+1\n'@bob,'-x,3,''=1\n"
        table = read(write(text), scale=(-3, 3)).table
        assert list(table) == ["listener", "item", "rating", "=factor"]
        assert table["listener"].tolist() == ["@ann", "@bob"]
        assert table["item"].tolist() == ["-x", "-x"]
        assert table["rating"].tolist() == [-3, 3]
        assert table["=factor"].tolist() == ["=1+1", "'=1"]
