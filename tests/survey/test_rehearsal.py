"""Programs take a test, and their answers are those that they were given."""

import pandas as pd
import pytest

from nst_lib.survey import export
from nst_lib.survey.rehearsal import rehearse
from nst_lib.survey.serve import Server
from nst_lib.survey.stimuli import SurveyError
from tests.surveys import make_survey

OPINIONS = {"a": 1, "b": 5, "c": 2, "d": 4, "e": 3, "f": 3}


@pytest.fixture
def rehearsed(tmp_path):
    plan = [
        {"kind": "rating", "question": "style", "repeats": 1},
        {"kind": "pair", "question": "style"},
    ]
    folder = make_survey(tmp_path, question=(), repeats=None, plan=plan)
    with Server(folder) as server:
        rehearse(server.url, folder, [OPINIONS] * 3, careless=1, seed=0)
        ratings, _, preferences, _ = export.write(folder, tmp_path / "ratings.csv")
    return (pd.read_csv(path, keep_default_na=False) for path in (ratings, preferences))


def test_programs_say_what_they_were_told(rehearsed):
    ratings, preferences = rehearsed
    assert set(ratings["simulated"]) == set(preferences["simulated"]) == {"yes"}
    assert (ratings.groupby("listener").size() == 6 + 1 + 2).all()
    told = ratings["item"].map(OPINIONS)
    first = told.notna() & (ratings["presentation"] == 1)
    same = (ratings["rating"] == told)[first].groupby(ratings["listener"]).mean()
    assert same.tolist()[:2] == [1, 1]
    assert same.iloc[2] < 1, "random keys"
    attentive = ratings["listener"] != "P003"
    catches = ratings[
        attentive & (ratings["lowest"].astype(str) + ratings["highest"].astype(str) != "")
    ]
    assert set(catches["rating"]) == {4, 2}
    known = preferences[(preferences["listener"] != "P003") & (preferences["right"] == "")]
    assert len(known)
    for row in known.to_dict("records"):
        difference = OPINIONS[row["first"]] - OPINIONS[row["second"]]
        assert row["preferred"] == (
            "tie" if not difference else ["second", "first"][difference > 0]
        )


def test_programs_cannot_take_every_kind_of_block(tmp_path):
    field = {"name": "note", "text": "What?", "type": "text"}
    plan = [{"kind": "questionnaire", "name": "before", "title": "You", "fields": [field]}]
    plan += [{"kind": "rating", "question": "style"}]
    folder = make_survey(tmp_path, question=(), repeats=None, plan=plan)
    with Server(folder) as server, pytest.raises(SurveyError, match="of the kind 'questionnaire'"):
        rehearse(server.url, folder, [OPINIONS])
