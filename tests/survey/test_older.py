"""A survey that an older version built, with answers, still serves and exports.

The files in `older` were written by the version of 2026-11-26 (commit 238e586), with the sounds of
`make_survey`: two simulated participants and one real token. Its sounds are made again here; their
checksums are those of the older version.
"""

import shutil
from contextlib import closing
from pathlib import Path

import httpx
import pandas as pd
import pytest

from nst_lib.survey.answers import Answers
from nst_lib.survey.export import write
from nst_lib.survey.files import ANSWERS_FILE, SOUNDS_FOLDER
from nst_lib.survey.serve import Server
from nst_lib.survey.survey import Survey
from tests.surveys import bearer, make_survey, rate_all

OLDER = Path(__file__).with_name("older")
TOKEN, CODE = "5-RklgNOYB01WkGXmlHxCmBJ1jtjLwFnFaZSUgDkbdI", "WCD4-JC2E-8SQR-M4D7"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = make_survey(tmp_path)
    shutil.copytree(OLDER, tmp_path / "older")
    shutil.copytree(made / SOUNDS_FOLDER, tmp_path / "older" / SOUNDS_FOLDER)
    return tmp_path / "older"


def test_the_ratings_are_exported_as_before(folder: Path, tmp_path: Path) -> None:
    ratings, _ = write(folder, tmp_path / "ratings.csv")
    before = pd.read_csv(folder / "ratings.csv", keep_default_na=False, dtype=str)
    now = pd.read_csv(ratings, keep_default_na=False, dtype=str)
    pd.testing.assert_frame_equal(now[list(before)], before)
    assert set(now["scale"]) == {"1,5"}


def test_the_test_goes_on_where_it_was(folder: Path) -> None:
    with Server(folder) as server, httpx.Client(base_url=server.url, headers=bearer(TOKEN)) as one:
        assert one.get("api/session").json()["answered"] == [0, 1, 2]
        with httpx.Client(base_url=server.url) as new:
            joined = new.post("api/participants", json={"consent": True, "simulated": True}).json()
            new.headers.update(bearer(joined["token"]))
            assert rate_all(new) == 10
        assert one.post("api/withdraw", json={"code": CODE}).json() == {"withdrawn": True}
    survey = Survey.read(folder)
    with closing(Answers(folder / ANSWERS_FILE, survey.key)) as answers:
        assert sorted(answers.progress()) == [1, 2, 4]


def test_the_old_table_is_gone_and_nothing_of_a_participant_is_left(folder: Path) -> None:
    survey = Survey.read(folder)
    path = folder / ANSWERS_FILE
    with closing(Answers(path, survey.key)) as answers:
        assert answers.withdraw(CODE)
        (left,) = {who for who, one in answers.read_all() if one.seconds == 4.5} - {1, 2} or {0}
        assert left == 0
        assert not answers._read("SELECT name FROM sqlite_master WHERE name = ?", "ratings")
