"""Building a listening test: from a batch and from a table, and what is refused."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from nst_lib.sound import audio
from nst_lib.survey import headphones
from nst_lib.survey.answers import Answers
from nst_lib.survey.build import build
from nst_lib.survey.files import ANSWERS_FILE
from nst_lib.survey.serve import Server
from nst_lib.survey.stimuli import Stimulus, SurveyError
from nst_lib.survey.survey import Survey
from tests.surveys import NST, TABLE, make_survey, served, write_sounds


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def of(survey: Survey, role: str) -> list[Stimulus]:
    return [one for one in survey.stimuli if one.role == role]


def wording(survey: Survey, name: str) -> str:
    """Return the question about a sound, as participants read it."""
    return next(one.screen.wording for one in survey.places(0) if one.screen.name == name)


def items(survey: Survey, role: str) -> dict[str, tuple[str, str, int | None, int | None]]:
    return {s.item: (s.pair, s.description, s.lowest, s.highest) for s in of(survey, role)}


class TestTable:
    def test_what_is_in_the_folder(self, tmp_path):
        folder = make_survey(tmp_path, seed=5)
        assert folder == tmp_path / "survey"
        names = set(files_of(folder))
        survey = Survey.read(folder)
        sounds = {f"sounds/{one.file}" for one in survey.stimuli}
        setup = {"sounds/loudness.wav", *(f"sounds/headphones_{k}.wav" for k in range(6))}
        assert names == {"survey.json", "stimuli.csv", "sounds.sha256"} | sounds | setup
        assert all(re.fullmatch(r"sounds/[0-9a-f]{16}\.wav", name) for name in sounds)
        assert Counter(one.role for one in survey.stimuli) == {
            "trial": 6,
            "training": 1,
            "catch": 2,
        }
        assert {tuple(one.factors) for one in survey.stimuli} == {("transform", "pooling")}
        assert wording(survey, "d") == "How well does this sound match the description “a saw”?"

    def test_sounds_are_those_of_the_table_as_pcm_16(self, tmp_path):
        survey = Survey.read(make_survey(tmp_path))
        for n, one in enumerate(survey.stimuli):
            info = sf.info(survey.sound(one.file))
            assert (info.subtype, info.channels, info.samplerate) == ("PCM_16", 1, 8000)
            made, _ = sf.read(survey.sound(one.file))
            given, _ = sf.read(tmp_path / "tones" / f"{n}.wav")
            assert np.abs(made - given).max() < 1 / 32768
            assert survey.seconds[one.file] == pytest.approx(0.3)

    def test_names_reveal_nothing(self, tmp_path):
        survey = Survey.read(make_survey(tmp_path))
        by_name = sorted(survey.stimuli, key=lambda one: one.file)
        assert [one.item for one in by_name] != [one.item for one in survey.stimuli]
        assert str(tmp_path) not in (survey.folder / "survey.json").read_text()

    def test_the_same_seed_gives_the_same_bytes(self, tmp_path):
        first = files_of(make_survey(tmp_path, seed=1))
        again = files_of(make_survey(tmp_path, seed=1))
        other = files_of(make_survey(tmp_path, seed=2))
        assert first == again
        assert not {n for n in first if len(n) == 27} & {n for n in other if len(n) == 27}

    def test_others_can_read_it(self, tmp_path):
        folder = make_survey(tmp_path)
        assert all(path.stat().st_mode & 0o444 == 0o444 for path in (folder, *folder.rglob("*")))
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []

    def test_the_least_that_a_table_may_say(self, tmp_path):
        table = write_sounds(tmp_path / "tones", "file\none.wav\ntwo.wav\n")
        survey = Survey.read(build(table.parent, tmp_path / "s", question="quality", table=table))
        assert items(survey, "trial") == {
            "one": ("", "", None, None),
            "two": ("", "", None, None),
        }
        assert {tuple(one.factors) for one in survey.stimuli} == {()}
        assert [one.screen.presentation for one in survey.places(0)] == [1, 1, 2, 2]

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            (
                "file,item",
                "name,item",
                "has no column 'file'; add one with the names",
            ),
            ("transform", "rating", "a factor cannot be called 'rating', because the ratings have"),
            ("transform", "", "a column has no name; give each column a name"),
            ("transform", "pooling", "has two columns 'pooling'; give each its own name"),
            ("b,trial", "a,trial", "two items are called 'a'; give each its own name in a column"),
            ("b,trial", "b,tryal", "row 3, column role: 'tryal'; did you mean trial?"),
            ("7.wav,good", ",good", "row 9, column file: is empty; write the name of"),
            (
                "a hen,4,",
                "a hen,,",
                "row 9, column lowest: a catch trial needs `lowest`",
            ),
            ("a hen,4,", "a hen,6,", "item 'good': right answer 6; accepted: 1 to 5"),
            (
                "a hen,4,",
                "a hen,4,3",
                "column lowest: 4 is above `highest`; accepted: up to 3",
            ),
            (
                "a saw,,\n5",
                "a saw,4,\n5",
                "row 6, column lowest: leave `lowest` and `highest` empty, or change the role",
            ),
            ("a saw,,\n5", "a saw,,,\n5", "row 6, 10 cells; accepted: 9, as in the header"),
            ("trial,saws,stft,max", "trial,,stft,max", "item 'e' has no pair; fill this column"),
            ("stft,average,a saw", "stft,,a saw", "item 'f' has no pooling; fill this column"),
            ("stft,average,a saw", "stft,average,", "item 'f' has no description; give each sound"),
            ("5.wav", "9.wav", "9.wav: no such file"),
            ("6.wav", "0.wav", "'easy' (training) is the same sound as 'a' (trial); choose "),
            ("7.wav", "6.wav", "'easy' (training) is the same sound as 'good' (catch); choose"),
        ],
    )
    def test_a_fault_is_named_and_nothing_written(self, tmp_path, old, new, message):
        table = write_sounds(tmp_path / "tones")
        table.write_text(TABLE.replace(old, new))
        with pytest.raises(ValueError, match=re.escape(message)):
            build(table.parent, tmp_path / "s", question="style", table=table, repeats=1)
        assert [path.name for path in tmp_path.iterdir()] == ["tones"]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"question": "size"}, "question 'size'; accepted: style, content, quality"),
            ({"repeats": 7}, "repeats=7; accepted: 0 to 6"),
            ({"repeats": -1}, r"repeats=-1; accepted: a whole number \[0 or more\]"),
            ({"per_listener": 7}, "per_listener=7; accepted: 2 to 6"),
            ({"per_listener": 3, "repeats": 4}, "repeats=4; accepted: 0 to 3"),
            ({"rest_every": 0}, r"rest_every=0; accepted: a whole number \[1 or more\]"),
            (
                {"descriptions": {"a": "b"}},
                "descriptions and a table cannot be given together; write",
            ),
            ({"loudness": -23.0}, "LUFS needs 0.4 s of sound"),
        ],
    )
    def test_settings_that_are_not_accepted(self, tmp_path, options, message):
        with pytest.raises(ValueError, match=message):
            make_survey(tmp_path, **options)
        assert not (tmp_path / "survey").exists()


class TestLoudness:
    def test_levels_are_told_and_made_equal(self, tmp_path):
        folder = make_survey(tmp_path, seconds=0.5)
        levels = json.loads((folder / "survey.json").read_text())["levels"]
        assert levels["unit"] == "LUFS"
        assert levels["highest"] - levels["lowest"] > 5
        survey = Survey.read(make_survey(tmp_path, seconds=0.5, loudness=-30))
        levels = json.loads((folder / "survey.json").read_text())["levels"]
        assert (levels["lowest"], levels["highest"]) == (-30.0, -30.0)
        for one in survey.stimuli:
            y, sr = sf.read(survey.sound(one.file))
            assert audio.loudness(y, sr=sr, measure="lufs") == pytest.approx(-30, abs=0.05)

    def test_a_loudness_that_would_clip(self, tmp_path):
        with pytest.raises(
            SurveyError, match=r"0\.wav: is clipped at -1 LUFS; choose a loudness of"
        ):
            make_survey(tmp_path, seconds=0.5, loudness=-1)

    def test_the_noise_is_as_loud_as_the_sounds(self, tmp_path):
        survey = Survey.read(make_survey(tmp_path))
        sounds = [sf.read(survey.sound(one.file))[0] for one in survey.stimuli]
        noise, sr = sf.read(survey.sound("loudness.wav"))
        levels = [audio.loudness(y, sr=8000, measure="rms") for y in sounds]
        assert audio.loudness(noise, sr=sr, measure="rms") == pytest.approx(
            np.median(levels), abs=0.2
        )


class TestHeadphones:
    @staticmethod
    def tones(survey: Survey, k: int) -> np.ndarray:
        """Return the three tones of a question: (tone, sample, side), without their ramps."""
        y, sr = sf.read(survey.sound(f"headphones_{k}.wav"))
        starts = [round(sr * (1.5 * n + 0.2)) for n in range(3)]
        return np.array([y[start : start + round(0.6 * sr)] for start in starts])

    def test_one_tone_is_quieter_and_another_in_opposite_phase(self, tmp_path):
        survey = Survey.read(make_survey(tmp_path, seed=3))
        for k, check in enumerate(headphones.checks(3)):
            tones = self.tones(survey, k)
            level = 20 * np.log10(tones.std(axis=1).mean(axis=1))
            assert level.argmin() == check.quiet
            assert np.sort(level)[:2] == pytest.approx(level.max() - [6, 0], abs=0.05)
            together = np.array([np.corrcoef(tone.T)[0, 1] for tone in tones])
            assert together.argmin() == check.opposite != check.quiet
            assert np.sort(together) == pytest.approx([-1, 1, 1], abs=1e-3)
            # In the air the channels add: there the wrong tone is the quietest.
            assert tones.sum(axis=2).std(axis=1).argmin() == check.opposite

    def test_places_are_balanced_and_seeded(self):
        for seed in range(5):
            checks = headphones.checks(seed)
            assert Counter(one.quiet for one in checks) == {0: 2, 1: 2, 2: 2}
            assert len(set(checks)) == 6
            assert checks == headphones.checks(seed)
        assert len({tuple(headphones.checks(seed)) for seed in range(5)}) > 1

    def test_five_of_six_are_enough(self):
        right = [one.quiet for one in headphones.checks(0)]
        one_wrong = [(right[0] + 1) % 3, *right[1:]]
        two_wrong = [(right[0] + 1) % 3, (right[1] + 1) % 3, *right[2:]]
        counted = [
            headphones.right(one, kind="woods", seed=0) for one in (right, one_wrong, two_wrong)
        ]
        assert counted == [6, 5, 4]
        assert headphones.KINDS["woods"] == 5


@pytest.mark.kernel
@pytest.mark.process
class TestBatch:
    def test_a_command_makes_it(self, batch, nst, tmp_path):
        result = nst("survey", "build", batch, "--question", "style", "--out", "survey")
        assert (result.returncode, result.stderr) == (0, "")
        lines = result.stdout.splitlines()
        assert lines[0] == "blocks: style (rating)"
        sounds = "sounds: 4 trial, 3 training, 2 catch; a participant gives 11 answers"
        assert lines[1].startswith(sounds)
        assert re.fullmatch(r"levels: -\d+\.\d to -\d+\.\d LUFS(; --loudness .*)?", lines[2])
        assert lines[3] == "survey"
        settings = json.loads((tmp_path / "survey" / "survey.json").read_text())
        assert settings["source"] == "batch grid"
        assert str(tmp_path) not in json.dumps(settings)

    def test_it_is_in_the_folder_of_the_batch_by_default(self, batch, tmp_path):
        copy = shutil.copytree(batch, tmp_path / "copy")
        assert build(copy, question="content") == copy / "survey_content"
        assert Survey.read(copy / "survey_content").settings.blocks[0].name == "content"

    def test_trials_are_the_conditions(self, batch, tmp_path):
        survey = Survey.read(build(batch, tmp_path / "s", question="content"))
        conditions = json.loads((batch / "batch.json").read_text())["conditions"]
        trials = of(survey, "trial")
        assert [one.item for one in trials] == [one["id"] for one in conditions]
        assert [one.factors for one in trials] == [one["factors"] for one in conditions]
        assert [one.pair for one in trials] == [one["pair"] for one in conditions]
        assert {one.description for one in trials} == {"hand saw", "car horn"}
        for one in trials:
            made, _ = sf.read(survey.sound(one.file))
            given, _ = sf.read(batch / "runs" / one.item / "result.wav")
            assert np.abs(made - given).max() < 1 / 32768

    @pytest.mark.parametrize("question", ["style", "content", "quality"])
    def test_training_and_catch_trials_are_heard_once(self, batch, tmp_path, question):
        survey = Survey.read(build(batch, tmp_path / "s", question=question))
        heard = [sf.read(survey.sound(one.file))[0] for one in survey.stimuli]
        others = [one.role != "trial" for one in survey.stimuli]
        assert sum(others) == (4 if question == "quality" else 5)
        for k, one in enumerate(heard):
            for two in heard[:k] if others[k] else ():
                assert abs(np.corrcoef(one, two)[0, 1]) < 0.95

    @pytest.mark.parametrize("seed", range(4))
    def test_catch_trials_and_training(self, batch, tmp_path, seed):
        survey = Survey.read(build(batch, tmp_path / "s", question="style", seed=seed))
        right, wrong = of(survey, "catch")
        assert (right.lowest, right.highest) == (4, None)
        assert (wrong.lowest, wrong.highest) == (None, 2)
        assert right.description == wrong.description == right.pair.split(" over ")[0]
        assert wrong.pair != right.pair
        original, unrelated, mixed = of(survey, "training")
        assert original.description == unrelated.description == original.pair.split(" over ")[0]
        assert unrelated.pair != original.pair
        assert mixed.description == mixed.pair.split(" over ")[0]
        assert {one.lowest for one in of(survey, "training")} == {None}
        inputs = {path.name: sf.read(path)[0] for path in (batch / "inputs").iterdir()}
        used = set()
        for one in (right, wrong, original, unrelated):
            y, _ = sf.read(survey.sound(one.file))
            (name,) = (n for n, given in inputs.items() if np.allclose(y, given, atol=1e-4))
            style, content = one.pair.replace(" ", "_").split("_over_")
            assert name.split("-")[0] == (style if one in (right, original) else content)
            used.add(name)
        assert len(used) == 4
        y, _ = sf.read(survey.sound(mixed.file))
        style, content = (
            next(given for name, given in inputs.items() if name.startswith(part))
            for part in mixed.pair.replace(" ", "_").split("_over_")
        )
        assert np.corrcoef(y, style / style.std() + content / content.std())[0, 1] > 0.999

    @pytest.mark.parametrize(("question", "made"), [("style", "3 of 5"), ("quality", "3 of 4")])
    def test_one_pair_gives_fewer_and_a_line_says_so(self, batch, nst, tmp_path, question, made):
        copy = shutil.copytree(batch, tmp_path / "copy")
        about = json.loads((copy / "batch.json").read_text())
        one = about["conditions"][0]["pair"]
        about["conditions"] = [c for c in about["conditions"] if c["pair"] == one]
        (copy / "batch.json").write_text(json.dumps(about))
        result = nst("survey", "build", copy, "--question", question, "--out", "s", "--repeats", 0)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.splitlines()[1].startswith("sounds: 2 trial, 1 training, 2 catch;")
        assert result.stdout.splitlines()[2] == (
            f"only {made} training and catch sounds: the batch has no more recordings that are "
            "different from each other and from the trials"
        )

    def test_a_recording_that_a_trial_sounds_like_is_not_used(self, batch, tmp_path):
        copy = shutil.copytree(batch, tmp_path / "copy")
        (style,) = (copy / "inputs").glob("hen-*")
        y, sr = sf.read(style)
        (run,) = (copy / "runs").glob("hen-*stft*")
        result = run / "result.wav"
        sf.write(result, 0.5 * y, sr)
        marker = json.loads((run / "done").read_text())
        marker["files"][result.name] = hashlib.sha256(result.read_bytes()).hexdigest()
        (run / "done").write_text(json.dumps(marker))
        survey = Survey.read(build(copy, tmp_path / "s", question="style"))
        assert len(of(survey, "trial")) == 4
        for one in survey.stimuli:
            heard, _ = sf.read(survey.sound(one.file))
            assert one.role == "trial" or abs(np.corrcoef(heard, y)[0, 1]) < 0.95

    def test_quality_has_no_descriptions(self, batch, tmp_path):
        survey = Survey.read(build(batch, tmp_path / "s", question="quality"))
        assert {one.description for one in survey.stimuli} == {""}
        assert [(one.lowest, one.highest) for one in of(survey, "catch")] == [(4, None)] * 2
        assert (
            wording(survey, of(survey, "trial")[0].item) == "How good is the quality of this sound?"
        )

    def test_descriptions(self, batch, tmp_path):
        texts = {"hen": "a hen that clucks", "snoring": "a sleeper"}
        made = build(batch, tmp_path / "s", question="style", descriptions=texts)
        assert {one.description for one in Survey.read(made).stimuli} == set(texts.values())
        with pytest.raises(SurveyError, match="no clip or category 'hens'; did you mean hen"):
            build(batch, tmp_path / "t", question="style", descriptions={"hens": "x"})

    def test_several_seeds_are_a_factor_and_unfinished_conditions_are_left_out(
        self, batch, tmp_path
    ):
        copy = shutil.copytree(batch, tmp_path / "copy")
        about = json.loads((copy / "batch.json").read_text())
        (copy / "batch.json").write_text(json.dumps({**about, "seeds": [0, 1]}))
        gone = about["conditions"][0]["id"]
        shutil.rmtree(copy / "runs" / gone)
        survey = Survey.read(build(copy, tmp_path / "s", question="style"))
        assert tuple(survey.stimuli[0].factors) == ("transform", "seed")
        assert gone not in items(survey, "trial")
        assert len(of(survey, "trial")) == 3

    def test_no_batch(self, batch, tmp_path):
        with pytest.raises(ValueError, match="holds no batch"):
            build(tmp_path, tmp_path / "s", question="style")
        with pytest.raises(ValueError, match="is not on this machine"):
            build("memory://batch", tmp_path / "s", question="style")
        copy = shutil.copytree(batch, tmp_path / "copy")
        shutil.rmtree(copy / "runs")
        with pytest.raises(SurveyError, match="0 conditions are done, and a survey needs"):
            build(copy, tmp_path / "s", question="style")


class TestTarget:
    def test_a_survey_that_nobody_has_begun_is_replaced(self, tmp_path):
        folder = make_survey(tmp_path)
        Answers(folder / ANSWERS_FILE, Survey.read(folder).key).close()
        make_survey(tmp_path, title="Another")
        assert Survey.read(folder).settings.title == "Another"
        assert not (folder / ANSWERS_FILE).exists()

    def test_participants_are_never_overwritten(self, tmp_path):
        folder = make_survey(tmp_path)
        with closing(Answers(folder / ANSWERS_FILE, Survey.read(folder).key)) as answers:
            answers.register(heard=np.ones((6, 6), int), length=9)
        before = files_of(folder)
        with pytest.raises(SurveyError, match="has participants; choose another folder"):
            make_survey(tmp_path, title="Another")
        assert (
            files_of(folder).items()
            >= {name: data for name, data in before.items() if "sqlite-" not in name}.items()
        )

    @pytest.mark.parametrize("name", ["notes.txt", "survey.json", "sounds/mine.wav"])
    def test_a_folder_of_something_else_is_left_alone(self, tmp_path, name):
        path = tmp_path / "survey" / name
        path.parent.mkdir(parents=True)
        path.write_text("mine")
        with pytest.raises(SurveyError, match="which is no part of a survey; choose a folder that"):
            make_survey(tmp_path)
        assert path.read_text() == "mine"

    def test_sounds_that_somebody_put_there_are_left_alone(self, tmp_path):
        path = make_survey(tmp_path) / "sounds" / "mine.wav"
        path.write_text("mine")
        with pytest.raises(
            SurveyError, match=r"contains sounds/mine\.wav, which is no part of a survey"
        ):
            make_survey(tmp_path)
        assert path.read_text() == "mine"

    def test_answers_that_are_none(self, tmp_path):
        path = make_survey(tmp_path) / ANSWERS_FILE
        path.write_bytes(b"something else" * 100)
        message = r"answers\.sqlite: cannot write \(file is not a database\); restore the file that"
        with pytest.raises(SurveyError, match=message):
            make_survey(tmp_path)
        with pytest.raises(SurveyError, match=message):
            Answers(path, "key")
        path.write_bytes(b"")  # as a start that was killed leaves it
        make_survey(tmp_path, title="Another")

    def test_no_folder_to_make(self, tmp_path):
        (tmp_path / "survey").touch()
        with pytest.raises(SurveyError, match="is a file; choose another name for the folder"):
            make_survey(tmp_path)


class TestRead:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"labels": ["bad"]}, "labels=['bad']; accepted: two to eleven texts"),
            ({"labels": [" ", "a"]}, "labels=[' ', 'a']; accepted: two to eleven texts"),
            ({"labels": ["a", "a"]}, "labels of block 'style': two are equal; accepted: all diff"),
            ({"labels": "good"}, "labels='good'; accepted: two to eleven texts"),
            ({"kind": "vote"}, "kind of a block 'vote'; accepted: rating, pair, abx, mushra, que"),
            ({"name": "a b"}, "name='a b'; accepted: a name of letters, digits, - and _"),
            ({"size": 1}, "unknown setting of a block 'size'; accepted: kind, name, wording,"),
            ({"repeats": True}, "repeats=True; accepted: a whole number [0 or more]"),
            ({"headphones": 1}, "headphones=1; accepted: a word or null [woods | huggins]"),
            ({"title": " "}, "title=' '; accepted: a text"),
            ({"blocks": []}, "blocks=(); accepted: a list of blocks"),
            ({"blocks": [3]}, "block 3; accepted: a mapping with kind, name and more"),
            ({"language": "xx"}, "language 'xx'; "),
            ({"platform": {"name": "x"}}, "name='x'; accepted: a word [prolific | mturk | list]"),
            ({"per_listener": 1}, "per_listener=1; accepted: 2 to 6"),
            ({"per_listener": "all"}, "per_listener='all'; accepted: a whole number or null"),
        ],
    )
    def test_settings_that_somebody_changed(self, tmp_path, change, message):
        folder = make_survey(tmp_path)
        path = folder / "survey.json"
        settings = json.loads(path.read_text())
        if {*change} & {"title", "headphones", "blocks", "language", "platform"}:
            settings |= change
        else:
            settings["blocks"][0] |= change
        path.write_text(json.dumps(settings))
        with pytest.raises(SurveyError, match=re.escape(f"{folder}: {message}")):
            Survey.read(folder)

    def test_texts_as_an_editor_of_windows_writes_them(self, tmp_path, nst):
        folder = make_survey(tmp_path)
        path = folder / "survey.json"
        path.write_text(path.read_text(encoding="utf-8"), encoding="utf-8-sig")
        (tmp_path / "yes.txt").write_text("Yes?", encoding="utf-8-sig")
        assert Survey.read(folder).settings.blocks[0].name == "style"
        table = ("tones", "--table", "tones/sounds.csv", "--question", "style")
        result = nst("survey", "build", *table, "--out", "made", "--consent", "yes.txt")
        assert (result.returncode, result.stderr) == (0, "")
        assert Survey.read(tmp_path / "made").settings.consent == "Yes?"

    def test_files_that_are_missing_or_elsewhere(self, tmp_path):
        folder = make_survey(tmp_path)
        key = folder / "stimuli.csv"
        text = key.read_text()
        name = Survey.read(folder).stimuli[0].file
        for other in ("../survey.json", "/etc/passwd", f"x/{name}"):
            key.write_text(text.replace(name, other))
            with pytest.raises(SurveyError, match="accepted: 16 hex digits"):
                Survey.read(folder)
        key.write_text(text)
        (folder / "sounds" / name).unlink()
        with pytest.raises(SurveyError, match=f"{name}: is missing or not a sound file"):
            Survey.read(folder).validate_sounds()
        (folder / "survey.json").write_text("[")
        with pytest.raises(SurveyError, match="is not valid JSON"):
            Survey.read(folder)
        (folder / "survey.json").write_text("{}")
        with pytest.raises(SurveyError, match="title is missing; accepted: a text"):
            Survey.read(folder)
        with pytest.raises(SurveyError, match=r"nowhere/survey\.json: cannot read"):
            Survey.read(tmp_path / "nowhere")

    def test_answers_of_another_survey_are_not_taken_for_its_own(self, tmp_path):
        folder = make_survey(tmp_path)
        with closing(Answers(folder / ANSWERS_FILE, Survey.read(folder).key)) as answers:
            answers.register(heard=np.ones((6, 6), int), length=9)
        path = folder / "survey.json"
        settings = json.loads(path.read_text())
        path.write_text(json.dumps({**settings, "title": "New", "open": False}))
        survey = Survey.read(folder)
        Answers(folder / ANSWERS_FILE, survey.key).close()
        assert (survey.settings.title, survey.settings.open) == ("New", False)
        (block,) = settings["blocks"]
        for change in ({"seed": 7}, {"blocks": [{**block, "wording": "Is it loud?"}]}):
            path.write_text(json.dumps({**settings, **change}))
            with pytest.raises(SurveyError, match="has answers to other sounds or settings"):
                Answers(folder / ANSWERS_FILE, Survey.read(folder).key)


class TestSounds:
    """What `nst survey serve` says of sounds that are no longer those that were built."""

    @staticmethod
    def refusal(folder: Path) -> str:
        with pytest.raises(SurveyError) as error:
            Server(folder)
        return str(error.value).removeprefix(f"{folder}/")

    def test_a_sound_that_was_replaced_or_is_missing(self, nst, tmp_path):
        folder = make_survey(tmp_path)
        advice = "restore the file that `nst survey build` made, or build the survey again"
        for path in (
            folder / "sounds" / Survey.read(folder).stimuli[1].file,
            folder / "sounds/loudness.wav",
        ):
            before = path.read_bytes()
            path.write_bytes(before[:-2] + b"\1\1")
            assert self.refusal(folder) == (
                f"sounds/{path.name}: was changed after the survey was built; {advice}"
            )
            path.write_bytes(before)
        (folder / "sounds/headphones_3.wav").unlink()
        result = nst("survey", "serve", folder)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == (
            f"nst: {folder}/sounds/headphones_3.wav: cannot read (No such file or directory); "
            f"{advice}\n"
        )

    def test_checksums_that_were_changed_belong_to_another_survey(self, tmp_path):
        folder = make_survey(tmp_path)
        path = folder / "sounds.sha256"
        lines = path.read_text().splitlines(keepends=True)
        with closing(Answers(folder / ANSWERS_FILE, Survey.read(folder).key)) as answers:
            answers.register(heard=np.ones((6, 6), int), length=9)
        sound = folder / "sounds" / Survey.read(folder).stimuli[0].file
        sound.write_bytes(sound.read_bytes()[:-2] + b"\1\1")
        found = hashlib.sha256(sound.read_bytes()).hexdigest()
        path.write_text(
            "".join(f"{found}{line[64:]}" if sound.name in line else line for line in lines)
        )
        assert "has answers to other sounds or settings" in self.refusal(folder)
        path.write_text("".join(line for line in lines if sound.name not in line))
        assert self.refusal(folder).startswith(f"sounds.sha256: has no sounds/{sound.name}; rest")
        path.write_text("what\n")
        assert self.refusal(folder).startswith(
            "sounds.sha256: line 1 is not the checksum of a sound; "
        )
        path.unlink()
        assert self.refusal(folder).startswith("sounds.sha256: cannot read (No such file or dir")

    @pytest.mark.process
    def test_what_an_older_version_built_is_served_and_a_line_says_what_is_not_known(
        self, tmp_path
    ):
        folder = make_survey(tmp_path)
        path = folder / "survey.json"
        settings = json.loads((Path(__file__).with_name("older") / "survey.json").read_text())
        del settings["blocks"], settings["wanted"]
        path.write_text(json.dumps(settings))
        (folder / "sounds.sha256").unlink()
        with served(folder, tmp_path / "log") as server:
            assert server.text().splitlines()[-1] == (
                "An older version built this test, without checksums: the server cannot check "
                "whether a sound was replaced."
            )


class TestCommands:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("build", "x", "--question", "style", "--out", "o"), "nst: x: holds no batch"),
            (("build", "x", "--question", "good", "--out", "o"), "nst: question 'good'; accepted"),
            (
                ("build", "x", "--question", "style", "--out", "o", "--table", "t.csv"),
                "nst: x: no such folder; choose the folder of the sounds in t.csv",
            ),
            (
                ("build", "x", "--question", "style", "--out", "o", "--consent", "c.txt"),
                "nst: c.txt: cannot read (No such file or directory); choose a text file",
            ),
            (
                ("build", "x", "--question", "style", "--out", "o", "--descriptions", "d.yaml"),
                "nst: d.yaml: cannot read (No such file or directory); write a YAML file",
            ),
            (("serve", "x"), "nst: x/survey.json: cannot read (No such file or directory)"),
            (("export", "x"), "nst: x/survey.json: cannot read (No such file or directory)"),
        ],
    )
    def test_bad_input_is_one_line_and_writes_nothing(self, nst, tmp_path, arguments, message):
        result = nst("survey", *arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert len(result.stderr.splitlines()) == 1
        assert result.stderr.startswith(message)
        assert list(tmp_path.iterdir()) == []

    def test_texts_and_options(self, nst, tmp_path):
        write_sounds(tmp_path / "tones")
        (tmp_path / "consent.txt").write_text("Yes?\n\nSure?\n")
        options = ("--title", "Birds & saws", "--consent", "consent.txt", "--headphones", "none")
        more = ("--per-listener", 4, "--repeats", 0, "--rest-every", 3, "--seed", 9)
        command = ("survey", "build", "tones", "--table", "tones/sounds.csv")
        result = nst(*command, "--question", "style", "--out", "made", *options, *more)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.splitlines()[2].endswith("dBFS; --loudness makes them equal")
        survey = Survey.read(tmp_path / "made")
        assert (survey.settings.title, survey.settings.consent) == ("Birds & saws", "Yes?\n\nSure?")
        assert survey.settings.headphones is None
        assert (survey.settings.blocks[0].per_listener, survey.settings.blocks[0].repeats) == (4, 0)
        assert (survey.settings.rest_every, survey.settings.seed) == (3, 9)
        assert len(survey.places(0)) == 1 + 4 + 2

    @pytest.mark.process
    def test_help_does_not_load_the_web_server(self, tmp_path):
        code = (
            "import sys, nst_lib.cli.main; "
            "print([m for m in ('fastapi', 'uvicorn', 'starlette') if m in sys.modules])"
        )
        python = NST.with_name("python")
        found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
        assert found.stdout.strip() == "[]"

    @pytest.mark.process
    def test_without_fastapi_it_says_what_to_install(self, tmp_path):
        folder = make_survey(tmp_path)
        (tmp_path / "fastapi.py").write_text("raise ImportError('not here')\n")
        result = subprocess.run(
            [NST, "survey", "serve", folder],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert result.returncode == 2
        assert result.stderr == (
            "nst: the listening test needs FastAPI; install it with "
            "`pip install 'nst-lib[survey]'`\n"
        )
