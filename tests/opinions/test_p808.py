"""Results of the P.808 toolkit: its true names of columns, and what becomes of its parts.

Names of columns are those of github.com/microsoft/P.808 (read in 2026): `Input.` and what
`src/create_input.py` writes; `Answer.` and the names of inputs in `src/P808Template/*.html`; the
others as in its real file `Scripts/cfgs_and_inputs/Batch_257568_batch_results.csv`. What is right
is what `src/result_parser.py` accepts.
"""

import base64
import csv
import io
import re
from typing import Any

import pytest

from nst_lib.opinions.analysis import analyse
from nst_lib.opinions.ratings import Ratings
from nst_lib.opinions.reading import read
from nst_lib.opinions.screening import Rules
from nst_lib.opinions.tables import RatingsError

CLIPS = "https://x.org/clips/"
TRAP, GOLD = f"{CLIPS}trap.wav", f"{CLIPS}gold.wav"
BATCH = ("HITId", "HITTypeId", "Title", "AssignmentId", "WorkerId", "AssignmentStatus")
#: Of nobody whom the rules leave out but for catch trials.
LAX = Rules(min_sd=0, min_correlation=-1)
Answers = dict[str, Any]


def session(ratings: dict[str, Answers], worker: str = "W1", **given: str) -> dict[str, str]:
    """Return a session: its clips with what they got, "" for the one scale of ACR, DCR and CCR."""
    row = dict(zip(BATCH, ("H1", "T1", "Listen", f"A-{worker}", worker, "Approved"), strict=True))
    row |= {"Input.math": f"{CLIPS}math1.wav", "Answer.Math": "3"}
    row |= {"Answer.8_hearing": "normal", "Answer.audio_n_finish_q1": "1", "Answer.tp_check": "0"}
    row |= {"Answer.T1_URL": f"{CLIPS}training.wav", "Answer.t1": "3", "Answer.t1_sig": "3"}
    for n, (clip, answers) in enumerate(ratings.items(), start=1):
        row[f"Answer.Q{n}_URL"] = clip if clip.startswith("http") else f"{CLIPS}{clip}"
        for scale, answer in answers.items():
            row[f"Answer.q{n}{scale and '_'}{scale}"] = str(answer)
    return row | {name.replace("__", "."): text for name, text in given.items()}


def acr(
    worker: str = "W1", trap: object = 2, gold: object = 5, opinions: tuple[object, ...] = (4, 1)
) -> dict[str, str]:
    """Return a session of ACR with two clips and both catch trials."""
    clips = {f"c{k}.wav": {"": one} for k, one in enumerate(opinions, start=1)}
    known = {"Input__TP": TRAP, "Input__TP_ANS": "2"}
    known |= {"Input__gold_clips": GOLD, "Input__gold_clips_ans": "5"}
    return session({**clips, TRAP: {"": trap}, GOLD: {"": gold}}, worker, **known)


def against(ratings: dict[str, object], worker: str = "W1", trap: object = 0) -> dict[str, str]:
    """Return a session of DCR or CCR: the reference of x_1.wav is x.wav, the trap a reference."""
    row = session({**{clip: {"": one} for clip, one in ratings.items()}, TRAP: {"": trap}}, worker)
    for k, clip in enumerate(ratings):
        row[f"Input.Q{k}_P"] = f"{CLIPS}{clip}"
        row[f"Input.Q{k}_R"] = f"{CLIPS}{clip.partition('_')[0]}.wav"
    return row | {"Input.TP": TRAP}


def p835(worker: str = "W1", trap: object = 2, gold: object = 5) -> dict[str, str]:
    """Return a session of P.835; the signal of trapping and gold clips is rated otherwise."""
    scales = ("sig", "bak", "ovrl")
    clips = {
        "c1.wav": dict(zip(scales, (5, 1, 3), strict=True)),
        "c2.wav": dict(zip(scales, (2, 4, 1), strict=True)),
        TRAP: dict(zip(scales, (4, 4, trap), strict=True)),
        GOLD: dict(zip(scales, (1, 1, gold), strict=True)),
    }
    known = {"Input__TP": TRAP, "Input__TP_ANS": "2", "Answer__p835_order": "sig_bak"}
    known |= {"Input__gold_clips": GOLD, "Input__gold_clips_ans": "5"}
    return session(clips, worker, **known)


@pytest.fixture
def batch(tmp_path):
    """Write sessions as a batch of results and read it."""

    def make(*sessions: dict[str, str], change=str) -> Ratings:
        columns = dict.fromkeys([*(name for one in sessions for name in one), "Approve", "Reject"])
        text = io.StringIO()
        table = csv.DictWriter(text, list(columns), quoting=csv.QUOTE_ALL)
        table.writeheader()
        table.writerows(sessions)
        path = tmp_path / "Batch_1_batch_results.csv"
        path.write_text(change(text.getvalue()), encoding="utf-8")
        return read(path)

    return make


def refused(text: str):
    return pytest.raises(RatingsError, match=re.escape(text))


class TestAcr:
    def test_clips_are_items(self, batch):
        ratings = batch(acr())
        assert ratings.listeners == ["W1"]
        assert ratings.questions == [""]
        assert ratings.opinions["item"].tolist() == ["c1.wav", "c2.wav"]
        assert ratings.opinions["rating"].tolist() == [4, 1]
        assert ratings.opinions.index.tolist() == [2, 2]
        assert ratings.scale == (1, 5)
        assert ratings.unit == "item"
        assert ratings.notes == ("results of the P.808 toolkit: ACR",)

    def test_answers_without_a_clip_are_none(self, batch):
        ratings = batch(acr(), change=lambda text: text.replace("Answer.Q2_URL", "Answer.Q2_other"))
        assert ratings.opinions["item"].tolist() == ["c1.wav"]

    @pytest.mark.parametrize("case", [str.lower, str.upper])
    def test_case_of_the_header_does_not_matter(self, batch, case):
        header = ",".join(f'"{name}"' for name in acr())
        other = batch(acr(), change=lambda text: text.replace(header, case(header)))
        assert other.table.equals(batch(acr()).table)

    def test_trapping_and_gold_clips(self, batch):
        limits = batch(acr()).table.set_index("item")[["lowest", "highest"]]
        assert limits.loc["trap.wav"].tolist() == [2, 2]
        assert limits.loc["gold.wav"].tolist() == [4, 5]
        assert limits.loc[["c1.wav", "c2.wav"]].isna().all(axis=None)

    @pytest.mark.parametrize(
        ("answers", "missed"),
        [
            ({"trap": 2, "gold": 4}, 0),
            ({"trap": 3, "gold": 5}, 1),
            ({"trap": 2, "gold": 3}, 1),
            ({"trap": 1, "gold": 1}, 2),
        ],
    )
    def test_missed_clips_leave_a_worker_out(self, batch, answers, missed):
        excluded = LAX.excluded(batch(acr(), acr("W2", **answers)))
        assert list(excluded) == (["W2"] if missed else [])
        assert all(f"{missed} catch" in why for why in excluded.values())

    def test_gold_clip_without_its_answer_is_no_opinion(self, batch):
        """Batch_257568 is such a file: the answer was in the configuration then."""
        row = {name: text for name, text in acr(gold=1).items() if not name.endswith("clips_ans")}
        ratings = batch(row, acr("W2") | {"Input.gold_clips_ans": ""})
        assert set(ratings.opinions["item"]) == {"c1.wav", "c2.wav"}
        assert LAX.excluded(ratings) == {}

    def test_clip_that_is_gold_in_another_session_is_an_opinion_here(self, batch):
        other = acr("W2") | {"Input.gold_clips": f"{CLIPS}c1.wav", "Input.gold_clips_ans": "4"}
        ratings = batch(acr(), other)
        found = ratings.opinions.groupby("listener")["item"].agg(list).to_dict()
        assert found == {"W1": ["c1.wav", "c2.wav"], "W2": ["c2.wav", "gold.wav"]}

    def test_second_session_of_a_worker_is_a_second_presentation(self, batch):
        ratings = batch(acr(), acr(opinions=(2, 2)))
        clips = ratings.table[ratings.table["item"] == "c1.wav"]
        assert clips["presentation"].tolist() == [1, 2]
        assert ratings.opinions["rating"].tolist() == [4, 1]

    def test_clips_of_one_name_in_two_folders_keep_them(self, batch):
        ratings = batch(acr(), change=lambda text: text.replace("clips/c2.wav", "other/c1.wav"))
        items = ["https://x.org/clips/c1.wav", "https://x.org/other/c1.wav"]
        assert ratings.opinions["item"].tolist() == items

    def test_names_end_before_a_query(self, batch):
        ratings = batch(acr(), change=lambda text: text.replace("c2.wav", "c2.wav?sig=a/b"))
        assert ratings.opinions["item"].tolist() == ["c1.wav", "c2.wav"]

    def test_pattern_and_items_need_not_know_catch_trials(self, batch, tmp_path):
        path = tmp_path / "Batch_1_batch_results.csv"
        batch(acr(), acr("W2"))
        assert read(path, pattern=r"(?P<clip>c\d)").opinions["clip"].tolist() == ["c1", "c2"] * 2
        whole = read(path, pattern=r"(?P<what>[a-z]+)\d?\.wav").table
        assert whole["what"].tolist() == ["c", "c", "trap", "gold"] * 2
        (tmp_path / "items.csv").write_text("item,pooling\nc1.wav,max\nc2.wav,avg\n")
        known = read(path, items=tmp_path / "items.csv").opinions
        assert known["pooling"].tolist() == ["max", "avg"] * 2


class TestSessions:
    """What the toolkit does not use."""

    @pytest.mark.parametrize("mark", [{"AssignmentStatus": "Rejected"}, {"Reject": "too fast"}])
    def test_rejected(self, batch, mark):
        ratings = batch(acr() | mark, acr("W2"))
        assert ratings.listeners == ["W2"]
        assert set(ratings.table.index) == {3}
        assert ratings.notes[1] == "1 of 2 sessions left out: rejected"

    def test_all_rejected(self, batch):
        with refused("results.csv: no ratings are left: 1 of 1 sessions left out: rejected"):
            batch(acr() | {"AssignmentStatus": "Rejected"})

    @pytest.mark.parametrize("answers", [{"trap": ""}, {"gold": ""}])
    def test_catch_trial_not_rated(self, batch, answers):
        ratings = batch(acr(), acr("W2", **answers))
        assert ratings.listeners == ["W1"]
        assert ratings.notes[1].endswith("left out: no rating of the trapping or gold clip")

    def test_clip_not_rated(self, batch):
        ratings = batch(acr(), acr("W2", opinions=("", 3)))
        assert ratings.opinions["rating"].tolist() == [4, 1, 3]
        assert ratings.notes[1] == "1 of 8 ratings left out: not given"

    def test_rating_that_is_none_has_the_row_of_its_session(self, batch):
        with refused("row 3, column rating: 'good'; accepted: a number from 1 to 5"):
            batch(acr(), acr("W2", opinions=("good", 3)))

    @pytest.mark.parametrize(
        ("answers", "kept"), [("aabb", True), ("aaaa", True), ("abaa", False), ("bbaa", False)]
    )
    def test_pairs_of_the_setup(self, batch, answers, kept):
        """The clip with more dB in its name is the better one: two of four, as by default."""
        pairs = (("50S_f", "42S_f"), ("50S_m", "42S_m"), ("42S_f", "50S_f"), ("42S_m", "50S_m"))
        setup = {}
        for k, (pair, answer) in enumerate(zip(pairs, answers, strict=True), start=1):
            for one, clip in zip("AB", pair, strict=True):
                setup[f"Input.CMP{k}_{one}"] = f"{CLIPS}{clip}.wav"
            setup[f"Answer.cmp{k}"] = answer
        ratings = batch(acr(), acr("W2") | setup)
        assert ratings.listeners == (["W1", "W2"] if kept else ["W1"])

    @pytest.mark.parametrize(
        ("right", "given", "kept"), [("7", "7", 1), ("7", "43", 1), ("7", "8", 0)]
    )
    def test_sum_of_the_setup(self, batch, right, given, kept):
        """Who types the numbers that were to be added is right."""
        ratings = batch(acr(), acr("W2") | {"Input.math_ans": right, "Answer.Math": given})
        assert len(ratings.listeners) == 1 + kept

    def test_setup_that_was_not_shown(self, batch):
        empty = {f"Answer.cmp{k}": "" for k in range(1, 5)} | {"Answer.Math": ""}
        assert batch(acr() | empty | {"Input.math_ans": "3"}).listeners == ["W1"]


DCR = {"a_1.wav": 5, "a_2.wav": 2, "b_1.wav": 4, "b_2.wav": 1}
CCR = {"a_1.wav": 3, "a_2.wav": -2, "b_1.wav": 0, "b_2.wav": -3}


class TestAgainstReferences:
    def test_dcr(self, batch):
        ratings = batch(against(DCR, trap=5))
        assert ratings.notes == ("results of the P.808 toolkit: DCR",)
        assert ratings.scale == (1, 5)
        assert ratings.opinions["rating"].tolist() == [5, 2, 4, 1]
        assert ratings.opinions["pair"].tolist() == ["a.wav", "a.wav", "b.wav", "b.wav"]

    @pytest.mark.parametrize("kind", [int, float])
    def test_ccr(self, batch, kind):
        """Whole numbers have points in `..._merged.csv` of the toolkit, which pandas wrote."""
        given = {clip: kind(answer) for clip, answer in CCR.items()}
        ratings = batch(against(given, trap=kind(0)))
        assert ratings.notes == ("results of the P.808 toolkit: CCR",)
        assert ratings.scale == (-3, 3)
        assert ratings.opinions["rating"].tolist() == [3, -2, 0, -3]
        assert ratings.opinions["pair"].tolist() == ["a.wav", "a.wav", "b.wav", "b.wav"]

    @pytest.mark.parametrize(
        ("ratings", "right", "wrong"), [(DCR, (4, 5), (1, 3)), (CCR, (-1, 0, 1), (-3, -2, 2, 3))]
    )
    def test_reference_against_itself_is_a_catch_trial(self, batch, ratings, right, wrong):
        workers = {f"W{k}": answer for k, answer in enumerate((*right, *wrong))}
        found = batch(*(against(ratings, name, trap) for name, trap in workers.items()))
        assert "trap.wav" not in set(found.opinions["item"])
        missed = [name for name, answer in workers.items() if answer in wrong]
        assert list(LAX.excluded(found)) == missed

    def test_one_reference_is_no_sample_of_pairs(self, batch):
        ratings = batch(against({"a_1.wav": 3, "a_2.wav": -2}))
        assert ratings.unit == "item"

    def test_signed_ratings_are_analysed(self, batch, tmp_path):
        shifted = {clip: min(3, answer + 1) for clip, answer in CCR.items()}
        batch(against(CCR), against(shifted, "W2"), against(CCR, "W3"))
        path = tmp_path / "Batch_1_batch_results.csv"
        opinions = analyse(read(path, pattern=r"_(?P<codec>\d)"), ["codec"], rules=LAX, n_boot=0)
        table = opinions.analyses[""]["all listeners"].conditions.set_index("codec")
        assert table["mos"].to_dict() == pytest.approx(
            {"1": (3 + 0 + 3 + 1 + 3 + 0) / 6, "2": -13 / 6}
        )


class TestP835:
    def test_scales_are_questions(self, batch):
        ratings = batch(p835())
        assert ratings.notes == ("results of the P.808 toolkit: P.835",)
        assert ratings.questions == ["signal", "background", "overall"]
        found = {name: ratings.of(name).opinions["rating"].tolist() for name in ratings.questions}
        assert found == {"signal": [5, 2], "background": [1, 4], "overall": [3, 1]}
        assert set(ratings.opinions["item"]) == {"c1.wav", "c2.wav"}

    @pytest.mark.parametrize(
        ("answers", "missed"),
        [({}, 0), ({"trap": 3}, 1), ({"gold": 3}, 1), ({"trap": 4, "gold": 1}, 2)],
    )
    def test_overall_quality_of_catch_trials_counts_in_every_question(self, batch, answers, missed):
        ratings = batch(p835(), p835("W2", **answers))
        for question in ratings.questions:
            excluded = LAX.excluded(ratings.of(question))
            assert list(excluded) == (["W2"] if missed else [])

    @pytest.mark.parametrize(("bak", "left"), [(1, []), (2, []), (3, ["W2"])])
    def test_gold_clip_with_an_answer_for_each_scale(self, batch, bak, left):
        """As `create_input.py` writes it for the personalised P.835, in Base64 with its URL."""

        def one(worker: str, bak: int) -> dict[str, str]:
            row = p835(worker) | {"Answer.q4_sig": "5", "Answer.q4_bak": str(bak)}
            row = {name: text for name, text in row.items() if "gold_clips" not in name}
            row |= {f"Answer.q3_{scale}": "2" for scale in ("sig", "bak", "ovrl")}
            right = {"sig": 5, "bak": 1, "ovrl": 5}
            for scale, answer in right.items():
                text = base64.b64encode(f"{GOLD}_{answer}".encode()).decode()
                row[f"Input.gold_{scale}_ans"] = text
            return row | {"Input.gold_url": GOLD}

        ratings = batch(one("W1", 1), one("W2", bak))
        assert set(ratings.opinions["item"]) == {"c1.wav", "c2.wav"}
        for question in ratings.questions:
            assert list(LAX.excluded(ratings.of(question))) == left


def test_clip_marked_as_silent_has_no_opinion(batch):
    """P.804, where the page then sets all scales to 1."""
    scales = {"slide_noise": 1, "slide_col": 1, "sig": 1, "ovrl": 1}
    clips = {"c1.wav": scales, "c2.wav": dict.fromkeys(scales, 4)}
    ratings = batch(session(clips, Answer__is_silent_q1="true", Answer__is_silent_q2="false"))
    assert ratings.questions == ["signal", "overall", "noise", "coloration"]
    assert set(ratings.opinions["item"]) == {"c2.wav"}


def test_votes_that_the_toolkit_has_used(tmp_path):
    """`..._all_votes_per_clip.csv`: columns as `transform` in `result_parser.py` names them."""
    path = tmp_path / "Batch_1_batch_results_all_votes_per_clip.csv"
    path.write_text(
        "HITId,workerid,assignment_id,assignmentstatus,file,short_file_name,vote,question_type,"
        "codec\n"
        "H,W1,A,Approved,https://x.org/c1.wav,c1.wav,-2,CMOS,opus\n"
        "H,W1,A,Approved,https://x.org/c2.wav,c2.wav,3,CMOS,evs\n"
        "H,W1,B,Approved,https://x.org/c1.wav,c1.wav,0,CMOS,opus\n"
    )
    ratings = read(path)
    assert ratings.scale == (-3, 3)
    assert ratings.questions == ["CMOS"]
    assert ratings.opinions["rating"].tolist() == [-2, 3]
    assert ratings.opinions["codec"].tolist() == ["opus", "evs"]
