"""Plans of several blocks, and languages: from files, from commands, and from a batch."""

import json
import re
import shutil
from pathlib import Path

import pytest

from nst_lib.survey import languages, plan
from nst_lib.survey.build import build
from nst_lib.survey.kinds import KINDS
from nst_lib.survey.stimuli import SurveyError
from nst_lib.survey.survey import Survey
from tests.surveys import make_survey, write_sounds

PLAIN = "file,pair\n0.wav,a\n1.wav,a\n2.wav,b\n3.wav,b\n"
LANGUAGES = Path(languages.__file__).with_name("languages")


class TestFile:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "plan.yaml: is no list of blocks; write a YAML list of blocks, such as"),
            ("kind: rating", "plan.yaml: is no list of blocks"),
            ("- style", "plan.yaml: is no list of blocks"),
            ("- {kind: [", "plan.yaml: while parsing a flow"),
            (
                "- {kind: ratings, question: style}",
                "kind of a block 'ratings'; did you mean rating",
            ),
            ("- {kind: rating}", "block of the kind rating: question None; accepted: style, con"),
            ("- {kind: pair, question: styles}", "block of the kind pair: question 'styles'; did"),
            (
                "- {kind: mushra, question: quality}",
                "question 'quality' has no reference; accepted",
            ),
            ("- {kind: rating, question: quality, reference: true}", "'quality' has no reference"),
            ("- {kind: rating, question: style, size: 3}", "unknown setting of a block 'size'"),
            (
                "- {kind: abx}\n- {kind: abx}",
                "two blocks are called 'abx'; give each its own name",
            ),
            (
                "- kind: questionnaire\n  name: q\n  title: T\n"
                "  fields: [{name: a, text: A, type: choice}]",
                "question 'a' has the type choice and 0 options; accepted: options for choice",
            ),
            (
                "- {kind: questionnaire, name: q, title: T, fields: []}",
                "fields=(); accepted: a list of questions",
            ),
            ("- {kind: rating, question: style, labels: [a]}", "accepted: two to eleven texts"),
        ],
    )
    def test_what_is_wrong_is_one_line(self, nst, tmp_path, text, message):
        write_sounds(tmp_path / "tones")
        (tmp_path / "plan.yaml").write_text(text)
        command = ("survey", "build", "tones", "--table", "tones/sounds.csv", "--out", "made")
        done = nst(*command, "--plan", "plan.yaml")
        assert done.returncode == 2
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
        assert not (tmp_path / "made").exists()

    def test_the_one_of_the_guide_works(self, nst, tmp_path):
        guide = (Path(__file__).parents[2] / "docs" / "survey.md").read_text()
        (text,) = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
        text = text.replace("per_listener: 20", "per_listener: 4").replace("10", "2")
        (tmp_path / "plan.yaml").write_text(text)
        lines = PLAIN.splitlines()
        described = [lines[0] + ",description", *(line + ",a hen" for line in lines[1:])]
        write_sounds(tmp_path / "tones", "\n".join(described))
        command = ("survey", "build", "tones", "--table", "tones/sounds.csv", "--out", "made")
        done = nst(*command, "--plan", "plan.yaml")
        assert (done.returncode, done.stderr) == (0, "")
        blocks = Survey.read(tmp_path / "made").settings.blocks
        kinds = [(one.name, one.kind) for one in blocks]
        assert kinds == [
            *(("before", "questionnaire"), ("style", "rating"), ("quality", "pair")),
            ("events", "rating"),
        ]
        assert blocks[1].labels[0] == "bad match"
        assert blocks[3].wording == "How clear are the events?"

    def test_every_kind_has_its_texts_in_every_language(self):
        for code in languages.codes():
            words = languages.read(code)
            for kind in ("rating", "pair", "abx", "mushra"):
                for question in ("style", "content"):
                    for reference in (False, True):
                        one = {"kind": kind, "question": question}
                        if kind == "rating":
                            one["reference"] = reference
                        (block,) = plan.complete([one], words)
                        block.pop("question")
                        assert KINDS[kind](**block).name


class TestCommand:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ((), "no question; accepted: --question with style, content, quality or several"),
            (("--question", "style,stile"), "question 'stile'; did you mean style?"),
            (("--question", "style,style"), "question 'style' comes twice; accepted: each"),
            (("--question", "style", "--kind", "par"), "kind of a block 'par'; did you mean pair?"),
            (("--question", "style", "--labels", "a,b", "--points", 3), "labels: 2 of them; accep"),
            (
                ("--question", "style", "--language", "it"),
                "language 'it'; accepted: de, en, es, fr",
            ),
            (("--question", "style", "--plan", "x.yaml"), "x.yaml: cannot read"),
        ],
    )
    def test_options_that_do_not_fit(self, nst, tmp_path, options, message):
        write_sounds(tmp_path / "tones")
        command = ("survey", "build", "tones", "--table", "tones/sounds.csv", "--out", "made")
        done = nst(*command, *options)
        assert done.returncode == 2
        assert message in done.stderr
        assert done.stderr.count("\n") == 1

    @pytest.mark.parametrize(
        ("options", "scale", "labels"),
        [
            (("--points", 7), (1, 7), ("1", "2", "3", "4", "5", "6", "7")),
            (("--labels", "no, a little, yes"), (1, 3), ("no", "a little", "yes")),
            (("--continuous", "--labels", "far,near"), (0, 100), ("far", "near")),
        ],
    )
    def test_other_scales(self, nst, tmp_path, options, scale, labels):
        write_sounds(tmp_path / "tones", PLAIN)
        command = ("survey", "build", "tones", "--table", "tones/sounds.csv", "--out", "made")
        done = nst(*command, "--question", "quality", *options)
        assert (done.returncode, done.stderr) == (0, "")
        (block,) = Survey.read(tmp_path / "made").settings.blocks
        assert (block.scale, block.labels) == (scale, labels)


@pytest.mark.process
class TestBatch:
    def test_two_questions_share_the_sounds_and_have_their_own_catch_trials(self, batch, tmp_path):
        survey = Survey.read(build(batch, tmp_path / "s", question=["style", "content"]))
        blocks = {one.name: survey.of(one) for one in survey.settings.blocks}
        trials = {
            name: {one.item: one.file for one in found if one.role == "trial"}
            for name, found in blocks.items()
        }
        assert trials["style"] == trials["content"]
        words = {name: {one.description for one in found} for name, found in blocks.items()}
        assert not words["style"] & words["content"]
        for found in blocks.values():
            assert sum(one.role == "catch" for one in found) == 2
        assert survey.settings.title == languages.read("en").survey["titles"]["several"]
        made = [path for path in (tmp_path / "s" / "sounds").iterdir() if len(path.stem) == 16]
        assert len(made) == len({one.file for one in survey.stimuli})

    @pytest.mark.parametrize("question", ["style", "content"])
    def test_references_are_the_recordings_that_the_question_is_about(
        self, batch, tmp_path, question
    ):
        chosen = [{"kind": "rating", "question": question, "reference": True}]
        survey = Survey.read(build(batch, tmp_path / "s", plan=chosen))
        about = json.loads((batch / "batch.json").read_text())
        for one in survey.places(0):
            screen = one.screen
            assert screen.reference.item == f"reference {screen.reference.pair}"
            assert screen.wording.startswith("How similar ")
        pairs = {one["pair"] for one in about["conditions"]}
        assert {one.pair for one in survey.stimuli if one.role == "reference"} == pairs

    @pytest.mark.parametrize(
        ("more", "limits"),
        [
            ({}, {(4, None), (None, 2)}),
            ({"labels": [*"1234567"]}, {(5.5, None), (None, 2.5)}),
            ({"continuous": True}, {(75, None), (None, 25)}),
        ],
    )
    def test_right_answers_to_catch_trials_are_on_the_scale(self, batch, tmp_path, more, limits):
        chosen = [{"kind": "rating", "question": "style", **more}]
        survey = Survey.read(build(batch, tmp_path / "s", plan=chosen))
        found = {(one.lowest, one.highest) for one in survey.stimuli if one.role == "catch"}
        assert found == limits

    def test_our_questionnaires_come_before_and_after(self, batch, nst, tmp_path):
        options = ("--question", "style", "--questionnaire", "--out", "s", "--language", "fr")
        done = nst("survey", "build", batch, *options)
        assert (done.returncode, done.stderr) == (0, "")
        survey = Survey.read(tmp_path / "s")
        assert [one.name for one in survey.settings.blocks] == ["before", "style", "after"]
        before, _, after = survey.settings.blocks
        age = before.fields[0]
        assert (age.name, age.type) == ("age", "choice"), "age is asked in bands"
        assert after.fields[-1].type == "text"
        assert "laisser" in survey.settings.consent


class TestLanguage:
    def test_a_message_file_of_ones_own(self, tmp_path):
        mine = json.loads((LANGUAGES / "en.json").read_text())
        mine |= {"direction": "rtl", "begin": "Go"}
        (tmp_path / "xx.json").write_text(json.dumps(mine))
        folder = make_survey(tmp_path, language=str(tmp_path / "xx.json"))
        moved = shutil.move(folder, tmp_path / "elsewhere")
        language = Survey.read(moved).language
        assert (language.code, language.direction) == ("xx", "rtl")
        assert language.texts["begin"] == "Go"

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda text: text.replace('"begin"', '"start"'), "has no message 'begin'; copy the"),
            (lambda text: "{", "is not valid JSON"),
            (lambda text: "[]", "has no message 'all'"),
        ],
    )
    def test_one_that_lacks_something(self, tmp_path, change, message):
        path = tmp_path / "xx.json"
        path.write_text(change((LANGUAGES / "en.json").read_text()))
        with pytest.raises(SurveyError, match=re.escape(message)):
            make_survey(tmp_path, language=str(path))
        assert not (tmp_path / "survey").exists()

    def test_a_file_that_is_gone_is_an_error_at_the_start(self, tmp_path):
        shutil.copyfile(LANGUAGES / "de.json", tmp_path / "mine.json")
        folder = make_survey(tmp_path, language=str(tmp_path / "mine.json"))
        (folder / "mine.json").unlink()
        with pytest.raises(SurveyError, match=r"survey: .*mine\.json: cannot read"):
            Survey.read(folder)
