"""The kinds of blocks: their screens and orders, what an answer is, and what is exported."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from nst_lib.opinions import reading
from nst_lib.survey import export, kinds
from nst_lib.survey.build import build
from nst_lib.survey.kinds.block import AnswerError, Screen
from nst_lib.survey.serve import Server
from nst_lib.survey.stimuli import Stimulus, SurveyError
from nst_lib.survey.survey import Survey
from tests.surveys import JOIN, TABLE, answer, bearer, write_sounds

REFERENCES = "9.wav,hen,reference,hens,,,,,\n10.wav,saw,reference,saws,,,,,\n"
FIELDS = [
    {"name": "age", "text": "How old?", "type": "number", "lowest": 0, "highest": 120},
    {"name": "ear", "text": "Which ear?", "type": "choice", "options": ["left", "right"]},
    {"name": "plays", "text": "What?", "type": "choices", "options": ["drums", "flute"]},
    {"name": "note", "text": "Anything?", "type": "text"},
]
PLAN = [
    {"kind": "questionnaire", "name": "before", "title": "You", "fields": FIELDS},
    {"kind": "rating", "question": "style", "repeats": 1},
    {"kind": "pair", "question": "style", "name": "better", "repeats": 2},
    {"kind": "abx", "repeats": 2},
    {"kind": "mushra", "question": "content", "name": "page"},
    {
        **{"kind": "rating", "question": "content", "name": "line", "repeats": 0},
        **{"continuous": True, "reference": True, "labels": ["far", "near"]},
    },
]
GIVEN = {
    "questionnaire": {"fields": {"age": 30, "plays": ["drums", "flute"], "note": "=1+1"}},
    "rating": {"rating": 3},
    "pair": {"preferred": 0},
    "abx": {"chosen": 1},
    "mushra": {"scores": [10, 20, 30, 40, 50, 60]},
}


def make(folder: Path, plan: list[dict[str, Any]] = PLAN, **options: Any) -> Path:
    table = write_sounds(folder / "tones", TABLE + REFERENCES, sr=16000)
    given = {"headphones": None, "table": table, **options}
    return build(table.parent, folder / "survey", plan=plan, **given)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("kinds"))


@pytest.fixture(scope="module")
def survey(folder: Path) -> Survey:
    return Survey.read(folder)


def screens(survey: Survey, name: str, row: int) -> list[Screen]:
    """Return the screens of a block in the order of a row, without those of the training."""
    names = [one.name for one in survey.settings.blocks]
    return [
        one.screen for one in survey.places(row) if names[one.block] == name and one.screen.position
    ]


def rows(survey: Survey, name: str) -> Iterator[list[Screen]]:
    for row in range(survey.rows):
        yield screens(survey, name, row)


class TestOrders:
    def test_blocks_are_counterbalanced_and_questionnaires_stay(self, survey):
        names = [one.name for one in survey.settings.blocks]
        parts = Counter()
        for row in range(survey.rows):
            seen = list(dict.fromkeys(names[one.block] for one in survey.places(row)))
            assert seen[0] == "before"
            assert sorted(seen) == sorted(names)
            parts.update((name, part) for part, name in enumerate(seen))
        counts = {parts[name, part] for name in names[1:] for part in range(1, 6)}
        assert counts == {survey.rows // 5}

    def test_nobody_hears_two_blocks_in_the_same_order(self, survey):
        pairs = [
            [[one.name for one in screens(survey, block, row)] for block in ("style", "line")]
            for row in range(0, survey.rows, 10)
        ]
        firsts = [[name for name in one if len(name) == 1] for two in pairs for one in two]
        assert sum(a[:6] == b[:6] for a, b in zip(firsts[::2], firsts[1::2], strict=True)) <= 2

    def test_each_comparison_has_each_sound_first_equally_often(self, survey):
        first = Counter(
            (one.name, one.items[0])
            for found in rows(survey, "better")
            for one in found
            if one.presentation == 1 and one.stimuli[0].role == "trial"
        )
        assert len(first) == 2 * 6
        assert set(first.values()) == {survey.rows // 2}

    def test_a_repeated_comparison_comes_in_the_other_order(self, survey):
        for found in rows(survey, "better"):
            order = {(one.name, one.presentation): one.items for one in found}
            again = [name for name, presentation in order if presentation == 2]
            assert len(again) == 2
            for name in again:
                assert order[name, 1] == order[name, 2][::-1]

    def test_comparisons_are_within_a_pair_of_recordings(self, survey):
        for one in screens(survey, "better", 0):
            assert len({sound.pair for sound in one.stimuli}) == 1 or one.stimuli[0].role == "catch"
        (catch,) = [o for o in screens(survey, "better", 0) if o.stimuli[0].role == "catch"]
        block = survey.settings.blocks[2]
        good = [one.item for one in catch.stimuli].index("good")
        assert block.right(catch, {"preferred": good}) is True
        assert block.right(catch, {"preferred": 1 - good}) is False
        assert block.right(catch, {"preferred": None}) is False
        assert block.right(screens(survey, "better", 0)[0], {"preferred": 0}) is None

    def test_x_is_each_sound_equally_often_and_so_is_a(self, survey):
        corners = Counter(
            (one.name, one.items[0], one.items[2] == one.items[0])
            for found in rows(survey, "abx")
            for one in found
        )
        assert len(corners) == 4 * 6
        assert max(corners.values()) - min(corners.values()) <= 2
        assert sum(corners.values()) == survey.rows * 12
        for one in screens(survey, "abx", 3):
            assert one.items[2] in one.items[:2]

    def test_each_page_has_its_conditions_the_reference_and_two_anchors(self, survey):
        places = Counter()
        for found in rows(survey, "page"):
            assert {one.name for one in found} == {"hens", "saws"}
            for one in found:
                roles = Counter(sound.role for sound in one.stimuli)
                assert roles == {"trial": 3, "anchor": 2, "reference": 1}
                assert one.reference.role == "reference"
                assert {sound.pair for sound in one.sounds} == {one.name}
                places.update([next(k for k, s in enumerate(one.stimuli) if s.role == "reference")])
        assert set(places) == set(range(6)), "the hidden reference is at every place"

    def test_with_a_reference_it_is_that_of_the_pair_and_comes_first(self, survey):
        for one in screens(survey, "line", 5):
            assert one.sounds[0].role == "reference"
            assert one.sounds[0].pair == one.stimuli[0].pair
            assert one.wording.startswith("How similar are the events in this sound")

    def test_parts_of_comparisons_are_balanced(self, tmp_path):
        plan = [{"kind": "pair", "question": "style", "per_listener": 2}]
        survey = Survey.read(make(tmp_path, plan))
        heard = Counter(
            one.name
            for found in rows(survey, "style")
            for one in found
            if one.stimuli[0].role == "trial"
        )
        assert len(heard) == 6
        assert len(set(heard.values())) == 1


class TestAnchors:
    def test_they_are_the_reference_without_its_high_frequencies(self, tmp_path, rng):
        """BS.1534-3: 25 dB less at 4 kHz and 50 dB at 4.5 kHz; the same above 7 kHz."""
        folder = tmp_path / "noise"
        folder.mkdir()
        noise = 0.1 * rng.standard_normal(4 * 44100)
        for name in ("a", "b", "r"):
            sf.write(folder / f"{name}.wav", np.roll(noise, ord(name)), 44100, subtype="FLOAT")
        table = folder / "t.csv"
        table.write_text("file,pair,role\na.wav,p,\nb.wav,p,\nr.wav,p,reference\n")
        plan = [{"kind": "mushra", "question": "style"}]
        survey = Survey.read(build(folder, tmp_path / "s", plan=plan, table=table, headphones=None))
        power = {}
        for one in survey.stimuli:
            y, sr = sf.read(survey.sound(one.file))
            power[one.item] = np.abs(np.fft.rfft(y)) ** 2
        hertz = np.fft.rfftfreq(4 * 44100, 1 / sr)

        def change(name: str, low: float, high: float) -> float:
            band = (hertz >= low) & (hertz < high)
            return 10 * np.log10(power[name][band].sum() / power["r"][band].sum())

        for name, cutoff in (("anchor 3.5 kHz p", 3500), ("anchor 7 kHz p", 7000)):
            assert abs(change(name, 100, cutoff - 50)) < 0.1
            assert change(name, cutoff + 500, cutoff + 1000) < -25
            assert change(name, cutoff + 1000, 20000) < -50

    def test_a_sampling_rate_that_is_too_low_gives_none_and_a_line_says_so(self, tmp_path, nst):
        write_sounds(tmp_path / "tones", TABLE + REFERENCES, sr=14000)
        command = ("survey", "build", "tones", "--table", "tones/sounds.csv", "--out", "made")
        done = nst(*command, "--question", "style", "--kind", "mushra")
        assert (done.returncode, done.stderr) == (0, "")
        assert "only 2 of 4 anchors: the others need a higher sampling rate" in done.stdout
        found = [one.item for one in Survey.read(tmp_path / "made").stimuli if one.role == "anchor"]
        assert found == ["anchor 3.5 kHz hens", "anchor 3.5 kHz saws"]

    def test_a_page_has_at_most_twelve_sounds(self):
        block = kinds.KINDS["mushra"](name="m", wording="?", labels=[*"abcde"])
        sounds = [Stimulus(f"{n}.wav", str(n), pair="p") for n in range(12)]
        sounds.append(Stimulus("r.wav", "r", "reference", pair="p"))
        with pytest.raises(SurveyError, match="pair 'p' has 13 sounds with the hidden reference"):
            block.validate_stimuli(sounds)
        with pytest.raises(SurveyError, match="item '0' has no reference; add a row with the role"):
            block.validate_stimuli(sounds[:-1])


ANSWERS = [
    ("better", {"preferred": 2}, "wrong preferred; accepted: 0, 1 or null"),
    ("better", {"preferred": True}, "wrong preferred; accepted: 0, 1 or null"),
    ("better", {"preferred": "a"}, "wrong preferred; accepted: 0, 1 or null"),
    ("better", {}, "wrong answer; accepted: an object with the field preferred and no others"),
    ("abx", {"chosen": 2}, "wrong chosen; accepted: 0 or 1"),
    ("abx", {"chosen": None}, "wrong chosen; accepted: 0 or 1"),
    ("abx", {"chosen": False}, "wrong chosen; accepted: 0 or 1"),
    ("page", {"scores": [1, 2]}, "wrong scores; accepted: 6 numbers from 0 to 100"),
    ("page", {"scores": [1, 2, 3, 4, 5, 101]}, "wrong scores; accepted: a number from 0 to 100"),
    ("page", {"scores": "1"}, "wrong scores; accepted: 6 numbers from 0 to 100"),
    ("line", {"rating": 100.5}, "wrong rating; accepted: a number from 0 to 100"),
    ("line", {"rating": None}, "wrong rating; accepted: a number from 0 to 100"),
    ("before", {"fields": []}, "wrong answer; accepted: an object with the field fields"),
    ("before", {"fields": {"name": "x"}}, "wrong answer; accepted: an object with the field"),
    ("before", {"fields": {"age": 121}}, "wrong age; accepted: a number from 0 up to 120, or"),
    ("before", {"fields": {"age": "30"}}, "wrong age; accepted: a number from 0 up to 120, or"),
    ("before", {"fields": {"ear": "both"}}, "wrong ear; accepted: one of the options, or nothing"),
    ("before", {"fields": {"plays": "drums"}}, "wrong plays; accepted: a list of options, or noth"),
    ("before", {"fields": {"note": "x" * 501}}, "wrong note; accepted: a text of up to 500 charac"),
]


class TestAnswers:
    @pytest.mark.parametrize(("name", "given", "message"), ANSWERS)
    def test_what_is_not_accepted(self, survey, name, given, message):
        (block,) = [one for one in survey.settings.blocks if one.name == name]
        with pytest.raises(AnswerError) as error:
            block.read(screens(survey, name, 0)[0], given)
        assert str(error.value).startswith(message)

    @pytest.mark.parametrize(
        ("name", "given", "kept"),
        [
            ("better", {"preferred": None}, {"preferred": None}),
            ("line", {"rating": 33.333}, {"rating": 33.3}),
            ("page", {"scores": [0, 100, 1.26, 3, 4, 5]}, {"scores": [0, 100, 1.3, 3, 4, 5]}),
            ("before", {"fields": {"age": "", "note": "", "plays": []}}, {"fields": {}}),
            ("before", {"fields": {"ear": "left"}}, {"fields": {"ear": "left"}}),
        ],
    )
    def test_what_is_kept(self, survey, name, given, kept):
        (block,) = [one for one in survey.settings.blocks if one.name == name]
        assert block.read(screens(survey, name, 0)[0], given) == kept

    def test_without_ties_one_has_to_be_preferred(self, survey):
        block = survey.settings.blocks[2].replace(ties=False)
        with pytest.raises(AnswerError, match="accepted: 0 or 1"):
            block.read(screens(survey, "better", 0)[0], {"preferred": None})

    def test_listening_takes_as_long_as_the_sounds(self, survey):
        least = {one.name: one.least([2.0, 3.0, 2.0]) for one in survey.settings.blocks[1:]}
        assert least == pytest.approx(dict.fromkeys(least, 0.9 * 7.0) | {"page": 0.9 * 3.0})


@pytest.fixture(scope="module")
def taken(folder: Path) -> dict[str, pd.DataFrame]:
    """Take the whole test as one simulated participant; return the exported tables."""
    with Server(folder) as server, httpx.Client(base_url=server.url) as client:
        joined = client.post("api/participants", json=JOIN).json()
        client.headers.update(bearer(joined["token"]))
        session = client.get("api/session").json()
        for k, screen in enumerate(session["screens"]):
            kind = session["blocks"][screen["block"]]["kind"]
            reply = answer(client, k, GIVEN[kind], sounds=len(screen["sounds"]))
            assert reply.status_code == 200, reply.text
            if reply.json()["next"] is None:
                assert k + 1 == len(session["screens"])
    files = export.write(folder)
    assert len(files) == 10
    return {path.stem: pd.read_csv(path, keep_default_na=False, dtype=str) for path in files}


class TestExport:
    def test_every_table_has_a_dictionary_of_all_its_columns(self, taken):
        for name in ("ratings", "preferences", "abx", "mushra", "questionnaire"):
            about = taken[f"{name}_columns"]
            assert list(about["column"]) == list(taken[name])
            assert (about[["meaning", "values"]] != "").all(axis=None)
            assert set(taken[name]["listener"]) == {"P001"}
            assert set(taken[name]["complete"]) == {"yes"}

    def test_ratings_of_two_blocks_share_a_table(self, taken, survey):
        found = taken["ratings"]
        assert dict(found.groupby("question")["scale"].first()) == {"line": "0,100", "style": "1,5"}
        parts = dict(found.groupby("question")["part"].first())
        names = [one.name for one in survey.settings.blocks]
        expected = {names[one.block]: str(one.part) for one in survey.places(0)}
        assert parts == {name: expected[name] for name in ("line", "style")}

    def test_preferences_say_what_was_preferred(self, taken, survey):
        found = taken["preferences"]
        assert set(found["preferred"]) == {"first"}
        given = [(one.items[0], one.items[1]) for one in screens(survey, "better", 0)]
        assert list(found[["first", "second"]].itertuples(index=False, name=None)) == given
        catch = found[found["right"] != ""]
        assert len(catch) == 1
        assert catch.iloc[0][catch.iloc[0]["right"]] == "good"
        factors = {one.item: one.factors for one in survey.stimuli}
        for row in found.to_dict("records"):
            assert row["first_transform"] == factors[row["first"]]["transform"]
            assert row["second_pooling"] == factors[row["second"]]["pooling"]

    def test_abx_says_what_x_was(self, taken, survey):
        found = taken["abx"]
        assert set(found["chosen"]) == {"b"}
        for row, one in zip(found.to_dict("records"), screens(survey, "abx", 0), strict=True):
            assert row[row["x"]] == one.items[2]

    def test_mushra_has_a_row_for_each_sound(self, taken, survey):
        found = taken["mushra"]
        assert Counter(found["role"]) == {"trial": 6, "reference": 2, "anchor": 4}
        first = screens(survey, "page", 0)[0]
        rated = dict(zip(found["item"], found["rating"].astype(float), strict=True))
        assert [rated[item] for item in first.items] == [10, 20, 30, 40, 50, 60]
        assert (found.loc[found["role"] != "trial", "transform"] == "").all()

    def test_the_questionnaire_has_one_row_and_no_formula(self, taken):
        (row,) = taken["questionnaire"].to_dict("records")
        assert row["before_age"] == "30"
        assert row["before_ear"] == ""
        assert row["before_plays"] == "drums | flute"
        assert row["before_note"] == "'=1+1"

    def test_two_questions_are_analysed_from_one_file(self, tmp_path, nst):
        folder = make(tmp_path, [{"kind": "rating", "question": q} for q in ("style", "content")])
        with Server(folder) as server:
            for n in range(3):
                with httpx.Client(base_url=server.url) as client:
                    joined = client.post("api/participants", json=JOIN).json()
                    client.headers.update(bearer(joined["token"]))
                    for k in range(len(client.get("api/session").json()["screens"])):
                        answer(client, k, {"rating": 1 + (n + k) % 5})
        export.write(folder, tmp_path / "ratings.csv")
        assert reading.read(tmp_path / "ratings.csv").questions == ["content", "style"]
        done = nst(
            "mos", "ratings.csv", "--by", "transform,pooling", "--boot", 50, "--json", "r.json"
        )
        assert done.returncode == 0, done.stderr
        questions = json.loads((tmp_path / "r.json").read_text())["questions"]
        for name in ("style", "content"):
            conditions = questions[name]["all listeners"]["conditions"]
            assert {(c["transform"], c["pooling"]) for c in conditions} == {
                *(("stft", "max"), ("stft", "average"), ("cqt", "max"), ("cqt", "average")),
            }
