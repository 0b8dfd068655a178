"""The names of the columns that the questionnaires of a test are exported to."""

import pytest

from nst_lib.survey import export
from nst_lib.survey.stimuli import SurveyError
from nst_lib.survey.survey import Survey
from tests.surveys import make_survey


def questionnaire(block: str, *names: str) -> dict[str, object]:
    fields = [{"name": name, "text": "What?", "type": "text"} for name in names]
    return {"kind": "questionnaire", "name": block, "title": "You", "fields": fields}


def build_with(tmp_path, *blocks):
    plan = [*blocks, {"kind": "rating", "question": "style"}]
    return make_survey(tmp_path, question=(), repeats=None, plan=plan)


@pytest.mark.parametrize(
    ("blocks", "column"),
    [
        ((("a", "b_c"), ("a_b", "c")), "a_b_c"),
        ((("headphones", "right"),), "headphones_right"),
    ],
)
def test_no_answer_takes_the_column_of_another(tmp_path, blocks, column):
    with pytest.raises(SurveyError, match=f"would export two columns '{column}'.*; rename one"):
        build_with(tmp_path, *(questionnaire(*one) for one in blocks))
    assert not (tmp_path / "survey").exists()


def test_the_same_question_in_two_questionnaires_has_two_columns(tmp_path):
    folder = build_with(tmp_path, questionnaire("before", "note"), questionnaire("after", "note"))
    columns = list(export.dictionary(Survey.read(folder), "questionnaire")["column"])
    assert columns[:3] == ["listener", "before_note", "after_note"]
    assert len(set(columns)) == len(columns)
