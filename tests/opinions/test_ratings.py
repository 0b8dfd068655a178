"""Tables of ratings, files of other tests, and who is left out."""

import re

import pandas as pd
import pytest

from nst_lib.opinions.ratings import describe
from nst_lib.opinions.reading import check, read
from nst_lib.opinions.screening import Rules
from nst_lib.opinions.tables import RatingsError

GOOD = """listener,item,rating,pair,pooling
ann,max-1,5,1,max
ann,avg-1,3,1,average
bob,max-1,4,1,max
bob,avg-1,2,1,average
"""


def refused(text: str):
    """Expect RatingsError that has this text in it."""
    return pytest.raises(RatingsError, match=re.escape(text))


class TestRead:
    def test_good_file(self, write):
        path = write(GOOD)
        ratings = read(path)
        assert ratings.table["rating"].tolist() == [5, 3, 4, 2]
        assert ratings.table.index.tolist() == [2, 3, 4, 5]
        assert ratings.listeners == ["ann", "bob"]
        assert ratings.questions == [""]
        assert ratings.scale == (1, 5)
        assert ratings.source == str(path)
        assert not ratings.simulated

    def test_byte_order_mark_and_spaces_in_the_header(self, write):
        text = "\ufeff" + GOOD.replace("listener,item,rating", " listener, item ,rating ")
        assert read(write(text)).table.equals(read(write(GOOD, "plain.csv")).table)

    def test_unit_is_pair_where_there_is_one(self, write):
        assert read(write(GOOD)).unit == "pair"
        assert read(write("listener,item,rating\na,x,3\n")).unit == "item"

    def test_no_such_file(self, tmp_path):
        with refused("none.csv: cannot read (No such file or directory); accepted: a CSV file"):
            read(tmp_path / "none.csv")

    def test_folder(self, tmp_path):
        with refused(f"{tmp_path}: cannot read (Is a directory); accepted: a CSV file"):
            read(tmp_path)

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"listener,item,rating\na,x\0,3\n",
            b'listener,item,rating\na,"x,3\n',
        ],
        ids=["empty", "character 0", "open quote"],
    )
    def test_no_csv(self, write, data):
        self._refuse(write(data), "accepted: a CSV file")

    @pytest.mark.parametrize(
        ("data", "advice"),
        [
            (b"a,b\n1,2\n3,4,5\n", "put cells with commas (also decimal commas) in quotes"),
            (b"a;b\n1;2\n3;4;5\n", "complete the header, or shorten the row"),
        ],
    )
    def test_row_longer_than_the_header(self, write, data, advice):
        path = write(data)
        self._refuse(path, f"{path}: row 3 has 3 cells, but the header has 2; {advice}")

    @staticmethod
    def _refuse(path, message):
        with refused(message) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)

    def test_header_alone(self, write):
        with refused("ratings.csv: has no ratings; add one row for each rating"):
            read(write("listener,item,rating\n"))

    @pytest.mark.parametrize(
        ("header", "missing"),
        [("listener,item,score", "rating"), ("who,item,rating", "listener"), ("a,b,c", "listener")],
    )
    def test_missing_column(self, write, header, missing):
        path = write(f"{header}\na,x,3\n")
        with refused(
            f"{path}: no column '{missing}', only {header.replace(',', ', ')}; "
            "accepted: one rating per row, with the columns listener, item, rating"
        ):
            read(path)

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("bob,max-1,4", "bob,max-1,6", "row 4, column rating: '6'; accepted: a number from 1"),
            ("bob,max-1,4", "bob,max-1,0.9", "row 4, column rating: '0.9'; accepted: a number"),
            ("bob,max-1,4", "bob,max-1,good", "row 4, column rating: 'good'; accepted: a number"),
            ("bob,max-1,4", "bob,max-1,nan", "row 4, column rating: 'nan'; accepted: a number"),
            (
                "bob,max-1,4",
                "bob,max-1,",
                "row 4, column rating: the cell is empty; accepted: a number from 1 to 5",
            ),
            ("ann,avg-1", ",avg-1", "row 3, column listener: the cell is empty; give a name"),
            ("ann,avg-1", "  ,avg-1", "row 3, column listener: the cell is empty; give a name"),
            ("bob,avg-1", "bob,", "row 5, column item: the cell is empty; give a name"),
            ("bob,avg-1,2,1", "bob,avg-1,2,", "row 5, column pair: the cell is empty; give a name"),
            (
                "bob,avg-1",
                "bob,max-1",
                "row 5, column item: listener bob has rated item max-1 in row 4 already",
            ),
        ],
    )
    def test_fault_has_row_and_column(self, write, old, new, message):
        path = write(GOOD.replace(old, new))
        with refused(f"{path}: {message}"):
            read(path)

    def test_first_of_several_faults(self, write):
        bad = GOOD.replace("bob,avg-1,2", "bob,avg-1,9").replace("ann,avg-1,3", "ann,avg-1,x")
        with refused("row 3, column rating: 'x'; accepted: a number from 1 to 5 (1 more fault)"):
            read(write(bad))

    def test_blank_line_is_a_row_of_a_spreadsheet(self, write):
        bad = GOOD.replace("bob,max-1,4", "\nbob,max-1,6")
        with refused("row 5, column rating: '6'"):
            read(write(bad))

    def test_ends_of_the_scale_are_in_it(self, write):
        ratings = read(write("listener,item,rating\na,x,1\na,y,5\n"))
        assert ratings.table["rating"].tolist() == [1, 5]

    def test_scale(self, write):
        path = write("listener,item,rating\na,x,-3\na,y,2.5\n")
        ratings = read(path, scale=(-3, 3))
        assert ratings.table["rating"].tolist() == [-3, 2.5]
        assert ratings.scale == (-3, 3)
        with refused("row 2, column rating: '-3'; accepted: a number from -2 to 2"):
            read(path, scale=(-2, 2))

    @pytest.mark.parametrize("scale", [(5, 1), (3, 3)])
    def test_scale_the_wrong_way_round(self, write, scale):
        with refused(f"scale {scale[0]} to {scale[1]}: give the lower end first"):
            read(write(GOOD), scale=scale)


class TestItems:
    RATINGS = "listener,item,rating\nann,a,5\nann,b,3\nbob,a,4\nbob,b,2\n"

    @pytest.mark.parametrize("name", ["item", "id"])
    def test_columns_are_added(self, write, name):
        items = write(
            f"{name},pooling,timbre,pair\nb,avg,0.25,p\nc,avg,1,p\na,max,0.5,p\n", "i.csv"
        )
        table = read(write(self.RATINGS), items=items).table
        assert table["pooling"].tolist() == ["max", "avg", "max", "avg"]
        assert table["timbre"].tolist() == [0.5, 0.25, 0.5, 0.25]
        assert table["pair"].tolist() == ["p"] * 4
        assert table.index.tolist() == [2, 3, 4, 5]

    def test_columns_of_the_ratings_win(self, write):
        items = write("item,rating,listener,pooling\na,1,x,max\nb,1,x,avg\n", "i.csv")
        table = read(write(self.RATINGS), items=items).table
        assert table["rating"].tolist() == [5, 3, 4, 2]
        assert table["listener"].tolist() == ["ann", "ann", "bob", "bob"]

    def test_missing_number_is_missing(self, write):
        items = write("item,timbre\na,0.5\nb,\n", "i.csv")
        table = read(write(self.RATINGS), items=items).table
        assert table["timbre"].isna().tolist() == [False, True, False, True]

    def test_unknown_item_has_a_hint(self, write):
        items = write("item,pooling\nsound-a,max\nsound-b,avg\n", "i.csv")
        path = write("listener,item,rating\nann,sound-a,5\nann,sound-c,3\n")
        with refused(
            f"{path}: row 3, column item: 'sound-c' is not in {items}; did you mean sound-"
        ):
            read(path, items=items)

    def test_id_twice(self, write):
        items = write("item,pooling\na,max\nb,avg\na,max\n", "i.csv")
        with refused(f"{items}: item 'a' has two rows; keep one row per item"):
            read(write(self.RATINGS), items=items)

    def test_no_ids(self, write):
        items = write("sound,pooling\na,max\n", "i.csv")
        with refused(f"{items}: no column 'item' or 'id'; name the items in one of them"):
            read(write(self.RATINGS), items=items)

    def test_no_such_table(self, write, tmp_path):
        with refused("none.csv: cannot read (No such file or directory)"):
            read(write(self.RATINGS), items=tmp_path / "none.csv")

    def test_ids_may_be_numbers(self, write):
        items = write("item,pooling\n1,max\n02,avg\n", "i.csv")
        path = write("listener,item,rating\nann,1,5\nann,02,3\n")
        assert read(path, items=items).table["pooling"].tolist() == ["max", "avg"]

    def test_unknown_number_has_a_hint(self, write):
        items = write("item,pooling\n101,max\n102,avg\n", "i.csv")
        with refused("row 2, column item: '103' is not in"):
            read(write("listener,item,rating\nann,103,5\n"), items=items)


class TestPattern:
    def test_groups_are_columns(self, write):
        table = read(write(GOOD), pattern=r"(?P<what>[a-z]+)-(?P<number>\d)").table
        assert table["what"].tolist() == ["max", "avg", "max", "avg"]
        assert table["number"].tolist() == ["1"] * 4
        assert table.index.tolist() == [2, 3, 4, 5]

    def test_without_groups(self, write):
        with refused("pattern 'max|avg' has no named group; write one for each column, as in (?P<"):
            read(write(GOOD), pattern="max|avg")

    def test_unnamed_group(self, write):
        with refused("pattern '(max|avg)' has no named group"):
            read(write(GOOD), pattern="(max|avg)")

    def test_no_regular_expression(self, write):
        with refused("pattern '(?P<a>': missing )"):
            read(write(GOOD), pattern="(?P<a>")

    def test_item_that_does_not_match(self, write):
        path = write(GOOD)
        with refused(
            f"{path}: row 3, column item: 'avg-1' does not match the pattern (?P<what>max)"
        ):
            read(path, pattern="(?P<what>max)")


class TestNeed:
    def test_good_factors_pass(self, write):
        read(write(GOOD)).validate_factors(["pooling"])

    @pytest.mark.parametrize(
        ("name", "advice"),
        [
            ("polling", "did you mean pooling?"),
            ("transform", "accepted: pair, pooling"),
            ("listener", "accepted: pair, pooling"),
            ("rating", "accepted: pair, pooling"),
        ],
    )
    def test_no_factor(self, write, name, advice):
        path = write(GOOD)
        with refused(f"{path}: no factor '{name}'; {advice}"):
            read(path).validate_factors([name])

    def test_file_without_factors(self, write):
        path = write("listener,item,rating\nann,max-1,3\nbob,max-1,4\n")
        with refused(f"{path}: no factor 'item'; the table has no factors"):
            read(path).validate_factors(["item"])

    def test_factor_that_differs_within_an_item(self, write):
        path = write(GOOD.replace("bob,max-1,4,1,max", "bob,max-1,4,1,average"))
        with refused(
            f"{path}: row 4, column pooling: 'average', but item 'max-1' has 'max' in row 2; "
            "give an item the same value in all rows"
        ):
            read(path).validate_factors(["pooling"])

    def test_pair_that_differs_within_an_item(self, write):
        with refused("row 4, column pair: '2', but item 'max-1' has '1' in row 2"):
            read(write(GOOD.replace("bob,max-1,4,1", "bob,max-1,4,2"))).validate_factors(
                ["pooling"]
            )

    def test_factor_with_one_level(self, write):
        path = write(GOOD.replace("average", "max"))
        with refused(
            f"{path}: column pooling is 'max' in all rows; choose a factor with two or more levels"
        ):
            read(path).validate_factors(["pooling"])

    def test_factor_without_a_value(self, write):
        path = write(GOOD.replace("ann,avg-1,3,1,average", "ann,avg-1,3,1, "))
        with refused(f"{path}: row 3, column pooling: the cell is empty"):
            read(path).validate_factors(["pooling"])


class TestQuestions:
    TEXT = "listener,item,rating,question\na,x,3,style\na,x,4,content\nb,x,5,style\nb,x,1,content\n"

    def test_each_has_its_ratings(self, write):
        ratings = read(write(self.TEXT))
        assert ratings.questions == ["style", "content"]
        assert ratings.of("style").table["rating"].tolist() == [3, 5]
        assert ratings.of("content").table["rating"].tolist() == [4, 1]
        assert ratings.of("content").questions == ["content"]

    @pytest.mark.parametrize(
        ("name", "advice"),
        [("stile", "did you mean style?"), ("", "accepted: style, content")],
    )
    def test_unknown_question(self, write, name, advice):
        with refused(f"no question '{name}'; {advice}"):
            read(write(self.TEXT)).of(name)

    def test_no_questions(self, write):
        ratings = read(write(GOOD))
        assert ratings.of("") is ratings
        with refused("no question 'style'"):
            ratings.of("style")

    def test_same_question_twice(self, write):
        with refused("row 3, column item: listener a has rated item x in row 2 already"):
            read(write(self.TEXT.replace("content", "style")))

    def test_empty_question(self, write):
        with refused("row 3, column question: the cell is empty; give a name"):
            read(write(self.TEXT.replace("a,x,4,content", "a,x,4,")))


class TestWhatCounts:
    def test_first_presentations_only(self, write):
        text = "listener,item,rating,presentation\na,x,3,2\na,x,4,1\na,y,5,1\nb,x,1,1\n"
        opinions = read(write(text)).opinions
        assert opinions["rating"].tolist() == [4, 5, 1]
        assert opinions.index.tolist() == [3, 4, 5]

    @pytest.mark.parametrize("value", ["0", "-1", "first", "", "1.5"])
    def test_presentations_count_from_one(self, write, value):
        text = f"listener,item,rating,presentation\na,x,3,1\na,x,4,{value}\n"
        shown = f"'{value}'; " if value else "the cell is empty; "
        with refused(f"row 3, column presentation: {shown}accepted: 1, 2, ..."):
            read(write(text))

    def test_same_presentation_twice(self, write):
        text = "listener,item,rating,presentation\na,x,3,1\na,x,4,2\na,x,5,2\n"
        with refused("row 4, column item: listener a has rated item x in row 3 already"):
            read(write(text))

    def test_catch_trials_are_no_opinions(self, write):
        text = "listener,item,rating,lowest,highest\na,x,3,,\na,c,4,4,5\na,d,2,,1\na,e,2,5,\n"
        ratings = read(write(text))
        assert ratings.opinions["item"].tolist() == ["x"]
        assert ratings.listeners == ["a"]

    @pytest.mark.parametrize(
        ("cells", "column", "value"), [("6,", "lowest", "6"), (",high", "highest", "high")]
    )
    def test_limits_of_catch_trials_are_on_the_scale(self, write, cells, column, value):
        text = f"listener,item,rating,lowest,highest\na,x,3,,\na,c,4,{cells}\n"
        with refused(
            f"row 3, column {column}: '{value}'; accepted: a number from 1 to 5, or nothing"
        ):
            read(write(text))

    def test_simulated(self, write):
        text = "listener,item,rating,simulated\na,x,3,no\na,y,4,{}\n"
        assert read(write(text.format("yes"))).simulated
        assert not read(write(text.format("no"))).simulated
        with refused("row 3, column simulated: 'maybe'; accepted: yes, no"):
            read(write(text.format("maybe")))

    def test_without_listeners(self, write):
        ratings = read(write(GOOD)).without(["ann"])
        assert ratings.listeners == ["bob"]
        assert ratings.table["rating"].tolist() == [4, 2]


class TestDescribe:
    def test_complete(self, write):
        assert describe(read(write(GOOD))) == ["4 ratings, 2 listeners, 2 items"]

    def test_missing_ratings(self, write):
        text = GOOD + "cyd,max-1,3,1,max\ncyd,new-1,4,1,new\n"
        assert describe(read(write(text))) == [
            "6 ratings, 3 listeners, 3 items",
            "missing: 3 ratings of 3 listeners; ann gave 2 of 3",
        ]

    def test_always_the_same(self, write):
        lines = describe(read(write(GOOD.replace("ann,avg-1,3", "ann,avg-1,5"))))
        assert lines == ["4 ratings, 2 listeners, 2 items", "always the same rating from ann"]

    def test_questions_count_apart(self, write):
        assert describe(read(write(TestQuestions.TEXT))) == ["4 ratings, 2 listeners, 1 item"]


def opinions_of(**ratings: list[float]):
    """Return ratings of items 0, 1, ... by each listener."""
    rows = [
        (listener, f"i{k}", value)
        for listener, values in ratings.items()
        for k, value in enumerate(values)
    ]
    return check(pd.DataFrame(rows, columns=["listener", "item", "rating"]))


USUAL = {"ann": [1, 3, 5, 4], "bob": [2, 3, 5, 5], "cyd": [1, 2, 4, 4]}
LAX = Rules(min_sd=0, min_correlation=-1)


class TestRules:
    def test_nobody(self):
        assert Rules().excluded(opinions_of(**USUAL)) == {}

    def test_named(self):
        rules = Rules(listeners=("bob",))
        assert rules.excluded(opinions_of(**USUAL)) == {"bob": "named in the rules"}

    def test_spread(self):
        ratings = opinions_of(**USUAL, dee=[3, 3, 3, 3])
        assert Rules().excluded(ratings) == {"dee": "standard deviation 0.00 is below 0.25"}
        assert Rules(min_sd=0).excluded(ratings) == {}

    def test_correlation(self):
        ratings = opinions_of(**USUAL, dee=[5, 4, 1, 2])
        (why,) = Rules().excluded(ratings).values()
        assert re.fullmatch(r"correlation -0\.\d\d with the others is below 0\.2", why)
        assert LAX.excluded(ratings) == {}

    @pytest.mark.parametrize(("end", "rating"), [("lowest", 3), ("highest", 5)])
    def test_catch_trials_with_one_end(self, end, rating):
        table = opinions_of(**USUAL).table.assign(**{end: None})
        catch = pd.DataFrame([("bob", "c1", rating, 4)], columns=table.columns)
        ratings = check(pd.concat([table, catch]))
        assert "c1" not in set(ratings.opinions["item"])
        assert Rules().excluded(ratings) == {"bob": "1 catch trial answered wrongly, 0 allowed"}

    def test_catch_trials(self):
        table = opinions_of(**USUAL).table.assign(lowest=None, highest=None)
        catch = [("bob", "c1", 2, 4, 5), ("bob", "c2", 1, 2, None), ("cyd", "c1", 4, 4, 5)]
        ratings = check(pd.concat([table, pd.DataFrame(catch, columns=table.columns)]))
        assert Rules().excluded(ratings) == {"bob": "2 catch trials answered wrongly, 0 allowed"}
        assert Rules(max_missed=1).excluded(ratings).keys() == {"bob"}
        assert Rules(max_missed=2).excluded(ratings) == {}

    def test_all_reasons_are_given(self):
        ratings = opinions_of(**USUAL, dee=[5, 4, 1, 2])
        why = Rules(listeners=("dee",)).excluded(ratings)["dee"]
        assert why.startswith("named in the rules; correlation -0.")

    def test_all_listeners(self):
        found = Rules(listeners=("ann", "bob", "cyd")).excluded(opinions_of(**USUAL))
        assert found == dict.fromkeys(("ann", "bob", "cyd"), "named in the rules")

    def test_single_rating_has_no_spread(self):
        assert LAX.excluded(opinions_of(ann=[3], bob=[3])) == {}
        assert Rules().excluded(opinions_of(ann=[3], bob=[3])) == {}

    def test_file(self, write):
        path = write("max_missed: 2\nlisteners: [bob, 7]\n", "rules.yaml")
        assert Rules.read(path) == Rules(max_missed=2, listeners=("bob", "7"))
        assert Rules.read(write("listeners: bob", "rules.yaml")).listeners == ("bob",)

    def test_empty_file_is_the_default(self, write):
        assert Rules.read(write("", "rules.yaml")) == Rules()

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("min_std: 1", "unknown rule 'min_std'; did you mean min_sd?"),
            (
                "spread: 1",
                "unknown rule 'spread'; accepted: max_missed, min_sd, min_correlation, "
                "max_reference, max_anchor, listeners",
            ),
            ("min_sd: much", "min_sd='much'; accepted: a share of the range"),
            ("min_sd: true", "min_sd=True; accepted: a share of the range"),
            ("min_sd:", "min_sd=None; accepted: a share of the range"),
            ("min_correlation: high", "min_correlation='high'; accepted: a number"),
            ("max_missed: -1", "max_missed=-1; accepted: a whole number [0 or more]"),
            ("listeners: 7", "listeners=7; accepted: a list of names"),
            (
                "- bob",
                "has no rules; accepted: a YAML file with some of max_missed, min_sd",
            ),
            ("min_sd: [", "accepted: a YAML file with some of max_missed, min_sd"),
            ("\x07", "accepted: a YAML file with some of max_missed, min_sd"),
        ],
    )
    def test_fault_in_a_file(self, write, text, message):
        path = write(text, "rules.yaml")
        with refused(message) as caught:
            Rules.read(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)

    def test_no_such_file(self, tmp_path):
        with refused("none.yaml: cannot read (No such file or directory); accepted: a YAML file"):
            Rules.read(tmp_path / "none.yaml")
