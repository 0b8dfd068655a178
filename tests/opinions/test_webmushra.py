"""Results of webMUSHRA.

Columns are those of `service/write.php` of github.com/audiolabs/webMUSHRA (commit 13a105c, read in
2026); what the pages store is in `lib/webmushra/pages/`.
"""

import re

import pytest

from nst_lib.opinions.reading import read
from nst_lib.opinions.tables import RatingsError


def refused(text: str):
    """Expect RatingsError that has this text in it."""
    return pytest.raises(RatingsError, match=re.escape(text))


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
        assert table["role"].tolist() == ["reference", "trial", "trial", "reference", "trial"]
        assert ratings.opinions["stimulus"].tolist() == ["C1", "C1", "C1"]
        assert ratings.hidden.table["condition"].tolist() == ["reference", "reference"]

    def test_anchors_by_their_names(self, write):
        text = self.MUSHRA.replace("trial1,C1", "trial1,anchor70").replace("trial2,C1", "trial2,X")
        ratings = read(write(text, "mushra.csv"))
        assert ratings.opinions["stimulus"].tolist() == ["X"]
        assert ratings.hidden.table["condition"].tolist() == [
            *("reference", "anchor70", "reference", "anchor70"),
        ]

    def test_stimuli_of_other_names_have_no_roles(self, write):
        ratings = read(write(self.MUSHRA.replace("reference", "C2"), "mushra.csv"))
        assert "role" not in ratings.table
        ratings.validate_factors(["stimulus"])

    def test_score_off_the_scale(self, write):
        with refused("row 3, column rating: '135'; accepted: a number from 0 to 100"):
            read(write(self.MUSHRA.replace("C1,35", "C1,135")))

    def test_single_stimulus(self, write):
        ratings = read(write(self.LSS, "lss.csv"))
        assert ratings.scale == (1, 5)
        assert ratings.table["rating"].tolist() == [4, 2, 5]
        assert ratings.table["item"].tolist() == ["trial1/C1", "trial1/C2", "trial1/C1"]

    def test_seven_points(self, write):
        text = self.LSS.replace(" 5 ", " 7 ")
        with refused("row 4, column rating: '7'; accepted: a number from 1 to 5"):
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
        with refused(
            "row 4, column item: listener a@x.org 30 male has rated item trial1/C1 in row 2"
        ):
            read(write(text))

    def test_nothing_was_asked(self, write):
        text = "session_test_id,trial_id,stimuli_rating,stimuli,rating_time\nm,t, 4 ,C1,20\n"
        with refused("no column tells the listeners apart; add session_uuid, or columns"):
            read(write(text))

    def test_pattern_is_of_trial_and_stimulus(self, write):
        table = read(write(self.LSS), pattern=r"/(?P<condition>C\d)").table
        assert table["condition"].tolist() == ["C1", "C2", "C1"]

    def test_several_scales_are_questions(self, write):
        """`stimuli_rating1`, ... where a page has several; "NA" where one was not answered."""
        ratings = read(
            write(
                "session_test_id,name,trial_id,stimuli_rating1,stimuli_rating2,stimuli,rating_time\n"
                "lss,ann,t1,4,1,C1,2050\n"
                "lss,ann,t1,NA,2,C2,1800\n"
                "lss,bob,t1,5,3,C1,900\n"
            )
        )
        assert ratings.questions == ["stimuli_rating1", "stimuli_rating2"]
        assert ratings.of("stimuli_rating1").table["rating"].tolist() == [4, 5]
        assert ratings.of("stimuli_rating2").table["rating"].tolist() == [1, 2, 3]
        assert ratings.of("stimuli_rating2").table.index.tolist() == [2, 3, 4]
        assert ratings.notes == (
            "results of webMUSHRA: Likert scales",
            "1 of 6 ratings left out: not given",
        )

    def test_header_of_a_page_with_fewer_scales(self, write):
        """It is made from the first trial of a session, whichever page that is."""
        text = self.LSS.replace('" 4 ",', "4,2,").replace('" 2 ",', "2,2,")
        with refused("row 2 has 9 cells, but the header has 8; put cells"):
            read(write(text))

    BS1116 = (
        "session_test_id,name,trial_id,rating_reference,rating_non_reference,"
        "rating_reference_score,rating_non_reference_score,rating_time,choice_comment\n"
        "bs,ann,t1,reference,C1,5,2.5,2050,\n"
        "bs,ann,t1,reference,C2,4,5,1800,\n"
        "bs,bob,t1,reference,C1,5,1,900,\n"
    )

    def test_difference_grades(self, write):
        """Of BS.1116: the stimulus less the hidden reference; above 0 it was taken for it."""
        ratings = read(write(self.BS1116, "bs1116.csv"))
        assert ratings.scale == (-4, 4)
        assert ratings.notes == ("results of webMUSHRA: BS.1116, difference grades",)
        assert ratings.table["rating"].tolist() == [-2.5, 1, -4]
        assert ratings.table["item"].tolist() == ["t1/C1", "t1/C2", "t1/C1"]
        assert ratings.table["stimulus"].tolist() == ["C1", "C2", "C1"]

    @pytest.mark.parametrize("score", ["6", "", "good"])
    def test_difference_of_no_grades(self, write, score):
        with refused(f"row 3, scores '5' and '{score}'; accepted: numbers from 1 to 5"):
            read(write(self.BS1116.replace(",4,5,", f",{score},5,")))

    @pytest.mark.parametrize(
        "columns",
        [
            "choice_reference,choice_non_reference,choice_answer,choice_time,choice_comment",
            "name,stimulus,position_x,position_y,position_z",
        ],
        ids=["paired comparison", "localization"],
    )
    def test_pages_without_ratings(self, write, columns):
        shown = ", ".join(columns.split(",")[:3])
        with refused(
            f"this file of webMUSHRA has {shown} and no ratings; accepted: mushra.csv, bs1116.csv"
        ):
            read(write(f"session_test_id,email,trial_id,{columns}\na,b@x.org,t1,1,2,3,4,5\n"))
