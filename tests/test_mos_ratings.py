"""Tables of ratings, files of other tests, and who is left out."""

import re
from pathlib import Path

import pandas as pd
import pytest

from nst_lib.study.mos.ratings import RatingsError, check, describe, read
from nst_lib.study.mos.screening import Rules

GOOD = """listener,item,rating,pair,pooling
ann,max-1,5,1,max
ann,avg-1,3,1,average
bob,max-1,4,1,max
bob,avg-1,2,1,average
"""


@pytest.fixture
def write(tmp_path: Path):
    """Write a file and return its path."""

    def make(text: str | bytes, name: str = "ratings.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return make


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
            b"\xff\xfe\x00\x01\x80,\n\x81",
            b'listener,item,rating\na,"x,3\n',
            b"a,b\n1,2\n3,4,5\n",
        ],
        ids=["empty", "binary", "open quote", "ragged"],
    )
    def test_no_csv(self, write, data):
        path = write(data)
        with refused("accepted: a CSV file") as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)

    def test_header_alone(self, write):
        with refused("ratings.csv: has no ratings; accepted: one a row"):
            read(write("listener,item,rating\n"))

    @pytest.mark.parametrize(
        ("header", "missing"),
        [("listener,item,score", "rating"), ("who,item,rating", "listener"), ("a,b,c", "listener")],
    )
    def test_missing_column(self, write, header, missing):
        path = write(f"{header}\na,x,3\n")
        with refused(f"{path}: no column '{missing}'; accepted: listener, item, rating and"):
            read(path)

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("bob,max-1,4", "bob,max-1,6", "row 4, column rating: '6', accepted: a number from 1"),
            ("bob,max-1,4", "bob,max-1,0.9", "row 4, column rating: '0.9', accepted: a number"),
            ("bob,max-1,4", "bob,max-1,good", "row 4, column rating: 'good', accepted: a number"),
            ("bob,max-1,4", "bob,max-1,nan", "row 4, column rating: 'nan', accepted: a number"),
            ("bob,max-1,4", "bob,max-1,", "row 4, column rating: accepted: a number from 1 to 5"),
            ("ann,avg-1", ",avg-1", "row 3, column listener: empty; accepted: a name"),
            ("ann,avg-1", "  ,avg-1", "row 3, column listener: empty; accepted: a name"),
            ("bob,avg-1", "bob,", "row 5, column item: empty; accepted: a name"),
            ("bob,avg-1,2,1", "bob,avg-1,2,", "row 5, column pair: empty; accepted: a name"),
            (
                "bob,avg-1",
                "bob,max-1",
                "row 5, column item: listener bob, item max-1 is in row 4 already",
            ),
        ],
    )
    def test_fault_has_row_and_column(self, write, old, new, message):
        path = write(GOOD.replace(old, new))
        with refused(f"{path}: {message}"):
            read(path)

    def test_first_of_several_faults(self, write):
        bad = GOOD.replace("bob,avg-1,2", "bob,avg-1,9").replace("ann,avg-1,3", "ann,avg-1,x")
        with refused("row 3, column rating: 'x', accepted: a number from 1 to 5 (1 more faults)"):
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
        with refused("row 2, column rating: '-3', accepted: a number from -2 to 2"):
            read(path, scale=(-2, 2))

    @pytest.mark.parametrize("scale", [(5, 1), (3, 3)])
    def test_scale_the_wrong_way_round(self, write, scale):
        with refused(f"scale {scale[0]} to {scale[1]}; accepted: the lower end first"):
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
        with refused(f"{items}: item 'a' twice; accepted: one row for each"):
            read(write(self.RATINGS), items=items)

    def test_no_ids(self, write):
        items = write("sound,pooling\na,max\n", "i.csv")
        with refused(f"{items}: no column 'item' or 'id'; accepted: one row for each item"):
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
        with refused("pattern 'max|avg': accepted: named groups, as in (?P<pooling>...)"):
            read(write(GOOD), pattern="max|avg")

    def test_unnamed_group(self, write):
        with refused("pattern '(max|avg)': accepted: named groups"):
            read(write(GOOD), pattern="(max|avg)")

    def test_no_regular_expression(self, write):
        with refused("pattern '(?P<a>': missing )"):
            read(write(GOOD), pattern="(?P<a>")

    def test_item_that_does_not_match(self, write):
        path = write(GOOD)
        with refused(f"{path}: row 3, column item: 'avg-1' has no (?P<what>max)"):
            read(path, pattern="(?P<what>max)")


class TestNeed:
    def test_good_factors_pass(self, write):
        read(write(GOOD)).need(["pooling"])

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
            read(path).need([name])

    def test_file_without_factors(self, write):
        path = write("listener,item,rating\nann,max-1,3\nbob,max-1,4\n")
        with refused(f"{path}: no factor 'item'; accepted: none, it has no factors"):
            read(path).need(["item"])

    def test_factor_that_differs_within_an_item(self, write):
        path = write(GOOD.replace("bob,max-1,4,1,max", "bob,max-1,4,1,average"))
        with refused(
            f"{path}: row 4, column pooling: 'average', but item 'max-1' has 'max' in row 2; "
            "accepted: one value for an item"
        ):
            read(path).need(["pooling"])

    def test_pair_that_differs_within_an_item(self, write):
        with refused("row 4, column pair: '2', but item 'max-1' has '1' in row 2"):
            read(write(GOOD.replace("bob,max-1,4,1", "bob,max-1,4,2"))).need(["pooling"])

    def test_factor_with_one_level(self, write):
        path = write(GOOD.replace("average", "max"))
        with refused(
            f"{path}: column pooling is 'max' throughout; accepted: factors with two levels or more"
        ):
            read(path).need(["pooling"])

    def test_factor_without_a_value(self, write):
        path = write(GOOD.replace("ann,avg-1,3,1,average", "ann,avg-1,3,1, "))
        with refused(f"{path}: row 3, column pooling: empty"):
            read(path).need(["pooling"])


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
        with refused("row 3, column item: listener a, item x is in row 2 already"):
            read(write(self.TEXT.replace("content", "style")))

    def test_empty_question(self, write):
        with refused("row 3, column question: empty; accepted: a name"):
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
        shown = f"'{value}', " if value else ""
        with refused(f"row 3, column presentation: {shown}accepted: 1, 2, ..."):
            read(write(text))

    def test_same_presentation_twice(self, write):
        text = "listener,item,rating,presentation\na,x,3,1\na,x,4,2\na,x,5,2\n"
        with refused("row 4, column item: listener a, item x is in row 3 already"):
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
            f"row 3, column {column}: '{value}', accepted: a number from 1 to 5, or nothing"
        ):
            read(write(text))

    def test_simulated(self, write):
        text = "listener,item,rating,simulated\na,x,3,no\na,y,4,{}\n"
        assert read(write(text.format("yes"))).simulated
        assert not read(write(text.format("no"))).simulated
        with refused("row 3, column simulated: 'maybe', accepted: yes or no"):
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


class TestWebMushra:
    MUSHRA = (
        "session_test_id,email,age,gender,trial_id,rating_stimulus,rating_score,rating_time,"
        "rating_comment\n"
        "music,a@x.org,30,male,trial1,reference,100,2050,\n"
        'music,a@x.org,30,male,trial1,C1,35,1800,"dull, muffled"\n'
        "music,a@x.org,30,male,trial2,C1,42,1700,\n"
        "music,b@x.org,41,female,trial1,reference,96,900,\n"
        "music,b@x.org,41,female,trial1,C1,0,800,\n"
    )
    LSS = (
        "session_test_id,email,age,gender,trial_id,stimuli_rating,stimuli,rating_time\n"
        'music,a@x.org,30,male,trial1," 4 ",C1,2050\n'
        'music,a@x.org,30,male,trial1," 2 ",C2,1800\n'
        'music,b@x.org,41,female,trial1," 5 ",C1,900\n'
    )

    def test_mushra(self, write):
        ratings = read(write(self.MUSHRA, "mushra.csv"))
        table = ratings.table
        assert ratings.scale == (0, 100)
        assert table["listener"].unique().tolist() == ["a@x.org 30 male", "b@x.org 41 female"]
        assert table["item"].tolist()[:3] == ["trial1/reference", "trial1/C1", "trial2/C1"]
        assert table["rating"].tolist() == [100, 35, 42, 96, 0]
        assert table["pair"].tolist() == ["trial1", "trial1", "trial2", "trial1", "trial1"]
        assert table["stimulus"].tolist() == ["reference", "C1", "C1", "reference", "C1"]
        ratings.need(["stimulus"])

    def test_score_off_the_scale(self, write):
        with refused("row 3, column rating: '135', accepted: a number from 0 to 100"):
            read(write(self.MUSHRA.replace("C1,35", "C1,135")))

    def test_single_stimulus(self, write):
        ratings = read(write(self.LSS, "lss.csv"))
        assert ratings.scale == (1, 5)
        assert ratings.table["rating"].tolist() == [4, 2, 5]
        assert ratings.table["item"].tolist() == ["trial1/C1", "trial1/C2", "trial1/C1"]

    def test_seven_points(self, write):
        text = self.LSS.replace(" 5 ", " 7 ")
        with refused("row 4, column rating: '7', accepted: a number from 1 to 5"):
            read(write(text))
        assert read(write(text), scale=(1, 7)).table["rating"].tolist() == [4, 2, 7]

    def test_session_uuid_tells_listeners_apart(self, write):
        rows = self.LSS.splitlines()
        text = rows[0].replace("gender,", "gender,session_uuid,") + "\n"
        for row, who in zip(rows[1:], ("u1", "u1", "u2"), strict=True):
            text += row.replace("male,", f"male,{who},").replace("b@x.org,41,fe", "a@x.org,30,")
            text += "\n"
        assert read(write(text)).table["listener"].tolist() == ["u1", "u1", "u2"]

    def test_two_listeners_of_the_same_answers(self, write):
        text = self.LSS.replace("b@x.org,41,female", "a@x.org,30,male")
        with refused("row 4, column item: listener a@x.org 30 male, item trial1/C1 is in row 2"):
            read(write(text))

    def test_nothing_was_asked(self, write):
        text = "session_test_id,trial_id,stimuli_rating,stimuli,rating_time\nm,t, 4 ,C1,20\n"
        with refused("nothing tells listeners apart; accepted: session_uuid, or columns"):
            read(write(text))

    def test_pattern_is_of_trial_and_stimulus(self, write):
        table = read(write(self.LSS), pattern=r"/(?P<condition>C\d)").table
        assert table["condition"].tolist() == ["C1", "C2", "C1"]


class TestP808:
    HEADER = (
        "HITId,WorkerId,AssignmentStatus,Input.TP,Input.TP_ANS,Input.gold_clip,"
        "Input.gold_clip_ans,Answer.q1,Answer.q1_url,Answer.q2,Answer.q2_url,Answer.q3,"
        "Answer.q3_url,Answer.q4,Answer.q4_url\n"
    )

    def session(self, worker="W1", status="Approved", trap=2, gold=5, opinions=(4, 1)) -> str:
        clips = ("c1.wav", "c2.wav", "trap.wav", "gold.wav")
        answers = ",".join(
            f"{answer},https://x.org/clips/{clip}"
            for answer, clip in zip((*opinions, trap, gold), clips, strict=True)
        )
        trials = "https://x.org/clips/trap.wav,2,https://x.org/clips/gold.wav,5"
        return f"H,{worker},{status},{trials},{answers}\n"

    def test_clips_are_items(self, write):
        ratings = read(write(self.HEADER + self.session()))
        assert ratings.listeners == ["W1"]
        assert ratings.opinions["item"].tolist() == ["c1.wav", "c2.wav"]
        assert ratings.opinions["rating"].tolist() == [4, 1]
        assert ratings.opinions.index.tolist() == [2, 2]
        assert ratings.scale == (1, 5)

    def test_answers_without_a_clip_are_none(self, write):
        text = (self.HEADER + self.session()).replace("Answer.q2_url", "Answer.q2_other")
        assert read(write(text)).opinions["item"].tolist() == ["c1.wav"]

    def test_case_of_the_header_does_not_matter(self, write):
        a = read(write(self.HEADER + self.session()))
        b = read(write(self.HEADER.lower() + self.session(), "lower.csv"))
        assert a.table.equals(b.table)

    def test_trapping_and_gold_clips(self, write):
        table = read(write(self.HEADER + self.session())).table.set_index("item")
        limits = table[["lowest", "highest"]]
        assert limits.loc["trap.wav"].tolist() == [2, 2]
        assert limits.loc["gold.wav"].tolist() == [4, 5]
        assert limits.loc[["c1.wav", "c2.wav"]].isna().all(axis=None)

    @pytest.mark.parametrize(
        ("answers", "why"),
        [
            ({"trap": 2, "gold": 4}, None),
            ({"trap": 3, "gold": 5}, "1 catch trials missed, 0 allowed"),
            ({"trap": 2, "gold": 3}, "1 catch trials missed, 0 allowed"),
            ({"trap": 1, "gold": 1}, "2 catch trials missed, 0 allowed"),
        ],
    )
    def test_missed_clips_leave_a_worker_out(self, write, answers, why):
        text = self.HEADER + self.session() + self.session("W2", **answers)
        excluded = Rules().excluded(read(write(text)))
        assert excluded == ({"W2": why} if why else {})

    def test_rejected_sessions_are_left_out(self, write):
        text = self.HEADER + self.session(status="Rejected") + self.session("W2")
        ratings = read(write(text))
        assert ratings.listeners == ["W2"]
        assert set(ratings.table.index) == {3}

    def test_all_sessions_rejected(self, write):
        path = write(self.HEADER + self.session(status="Rejected"))
        with refused(f"{path}: no sessions; accepted: one that was not rejected, or more"):
            read(path)

    def test_second_session_of_a_worker_is_a_second_presentation(self, write):
        text = self.HEADER + self.session() + self.session(opinions=(2, 2))
        ratings = read(write(text))
        clips = ratings.table[ratings.table["item"] == "c1.wav"]
        assert clips["presentation"].tolist() == [1, 2]
        assert ratings.opinions["rating"].tolist() == [4, 1]

    def test_clips_of_one_name_in_two_folders_keep_them(self, write):
        text = self.HEADER + self.session().replace("clips/c2.wav", "other/c1.wav")
        items = read(write(text)).opinions["item"].tolist()
        assert items == ["https://x.org/clips/c1.wav", "https://x.org/other/c1.wav"]

    def test_rating_that_is_missing_has_the_row_of_its_session(self, write):
        text = self.HEADER + self.session() + self.session("W2", opinions=("", 3))
        with refused("row 3, column rating: accepted: a number from 1 to 5"):
            read(write(text))

    def test_pattern_adds_a_column_and_no_rows(self, write):
        text = self.HEADER + self.session() + self.session("W2")
        ratings = read(write(text), pattern=r"(?P<what>[a-z]+)\d?\.wav")
        assert len(ratings.table) == 8
        assert ratings.table["what"].tolist() == ["c", "c", "trap", "gold"] * 2

    def test_pattern_need_not_match_catch_trials(self, write):
        text = self.HEADER + self.session() + self.session("W2")
        ratings = read(write(text), pattern=r"(?P<clip>c\d)")
        assert ratings.opinions["clip"].tolist() == ["c1", "c2"] * 2

    def test_catch_trials_need_not_be_known_items(self, write):
        items = write("item,pooling\nc1.wav,max\nc2.wav,avg\n", "items.csv")
        ratings = read(write(self.HEADER + self.session() + self.session("W2")), items=items)
        assert ratings.opinions["pooling"].tolist() == ["max", "avg"] * 2


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
        assert Rules().excluded(ratings) == {"dee": "sd 0.00, below 0.25"}
        assert Rules(min_sd=0).excluded(ratings) == {}

    def test_correlation(self):
        ratings = opinions_of(**USUAL, dee=[5, 4, 1, 2])
        (why,) = Rules().excluded(ratings).values()
        assert re.fullmatch(r"correlation -0\.\d\d with others, below 0\.2", why)
        assert LAX.excluded(ratings) == {}

    @pytest.mark.parametrize(("end", "rating"), [("lowest", 3), ("highest", 5)])
    def test_catch_trials_with_one_end(self, end, rating):
        table = opinions_of(**USUAL).table.assign(**{end: None})
        catch = pd.DataFrame([("bob", "c1", rating, 4)], columns=table.columns)
        ratings = check(pd.concat([table, catch]))
        assert "c1" not in set(ratings.opinions["item"])
        assert Rules().excluded(ratings) == {"bob": "1 catch trials missed, 0 allowed"}

    def test_catch_trials(self):
        table = opinions_of(**USUAL).table.assign(lowest=None, highest=None)
        catch = [("bob", "c1", 2, 4, 5), ("bob", "c2", 1, 2, None), ("cyd", "c1", 4, 4, 5)]
        ratings = check(pd.concat([table, pd.DataFrame(catch, columns=table.columns)]))
        assert Rules().excluded(ratings) == {"bob": "2 catch trials missed, 0 allowed"}
        assert Rules(max_missed=1).excluded(ratings).keys() == {"bob"}
        assert Rules(max_missed=2).excluded(ratings) == {}

    def test_all_reasons_are_given(self):
        ratings = opinions_of(**USUAL, dee=[5, 4, 1, 2])
        why = Rules(listeners=("dee",)).excluded(ratings)["dee"]
        assert why.startswith("named in the rules; correlation -0.")

    def test_all_listeners(self):
        with refused("ratings: the rules leave out all 3 listeners"):
            Rules(listeners=("ann", "bob", "cyd")).excluded(opinions_of(**USUAL))

    def test_single_rating_has_no_spread(self):
        assert LAX.excluded(opinions_of(ann=[3], bob=[3])) == {}
        assert Rules().excluded(opinions_of(ann=[3], bob=[3])) == {}

    def test_file(self, write):
        path = write("max_missed: 2\nlisteners: [bob, 7]\n", "rules.yaml")
        assert Rules.read(path) == Rules(max_missed=2, listeners=("bob", "7"))

    def test_empty_file_is_the_default(self, write):
        assert Rules.read(write("", "rules.yaml")) == Rules()

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("min_std: 1", "'min_std'; did you mean min_sd?"),
            ("spread: 1", "'spread'; accepted: max_missed, min_sd, min_correlation, listeners"),
            ("min_sd: much", "min_sd: 'much'; accepted: a number"),
            ("min_sd: true", "min_sd: True; accepted: a number"),
            ("min_sd:", "min_sd: None; accepted: a number"),
            ("listeners: bob", "listeners: 'bob'; accepted: a list of names"),
            (
                "- bob",
                "is no table of settings; accepted: a YAML file with some of max_missed, min_sd",
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
