"""The API of a listening test: what it answers, what it keeps, and what it refuses."""

import csv
import hashlib
import io
import json
import re
import shutil
import signal
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pandas as pd
import pytest
import soundfile as sf

from nst_lib.opinions import reading
from nst_lib.survey import export, headphones, serve
from nst_lib.survey.answers import Answer, Answers
from nst_lib.survey.app import TYPES, page_files
from nst_lib.survey.build import build
from nst_lib.survey.files import ANSWERS_FILE
from nst_lib.survey.guard import HEADERS, MOST_BYTES
from nst_lib.survey.heard import Heard
from nst_lib.survey.hosts import Hosts
from nst_lib.survey.limits import FORGET, Limiter, Rate, Rates, network
from nst_lib.survey.serve import Server
from nst_lib.survey.stimuli import SurveyError
from nst_lib.survey.survey import Survey
from nst_lib.survey.writer import connect
from tests.surveys import (
    ANSWER,
    JOIN,
    bearer,
    make_survey,
    rate,
    rate_all,
    served,
    write_sounds,
)


class App:
    """A survey that is served, seen from outside and from inside."""

    def __init__(
        self, folder: Path, rates: Rates | None = None, public_url: str | None = None
    ) -> None:
        self.server = Server(folder, public_url=public_url).__enter__()
        self.url = f"http://{self.server.address}/"
        self.app = self.server._server.config.app
        if rates:
            self.app.state.survey = replace(self.app.state.survey, rates=rates)
        self.survey, self.answers = self.server.survey, self.server._answers
        self.token = self.server.admin_url.partition("#")[2]
        self.clients: list[httpx.Client] = []
        self.anybody, self.admin = self.client(), self.client(self.token)

    def client(self, token: str | None = None) -> httpx.Client:
        headers = {} if token is None else bearer(token)
        self.clients.append(httpx.Client(base_url=self.url, headers=headers, verify=False))
        return self.clients[-1]

    def join(self, **body: object) -> httpx.Client:
        """Return a client of a new participant."""
        reply = self.anybody.post("/api/participants", json={**JOIN, **body})
        assert reply.status_code == 201, reply.text
        client = self.client(reply.json()["token"])
        client.code = reply.json()["code"]
        return client

    def row(self, client: httpx.Client) -> int:
        return self.answers.participant(token_of(client)).row

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.server.__exit__()


def address(url: str) -> tuple[str, int]:
    parts = httpx.URL(url)
    return parts.host, parts.port


def slow_request(url: str) -> tuple[bytes, bytes]:
    """Return head and body of a request that can be sent bit by bit."""
    request = httpx.Client().build_request("POST", f"{url}api/participants", json=JOIN)
    lines = [f"{name}: {value}" for name, value in request.headers.items()]
    head = "\r\n".join(["POST /api/participants HTTP/1.1", *lines, "", ""])
    return head.encode(), request.content


def token_of(client: httpx.Client) -> str:
    return client.headers["Authorization"].removeprefix("Bearer ")


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., App]]:
    apps = []

    def make_app(
        rates: Rates | None = None, public_url: str | None = None, **options: object
    ) -> App:
        apps.append(App(make_survey(tmp_path, **options), rates, public_url))
        return apps[-1]

    yield make_app
    for app in apps:
        app.close()


@pytest.fixture
def app(make: Callable[..., App]) -> App:
    return make()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """One app for tests whose participants have nothing to do with each other."""
    app = App(make_survey(tmp_path_factory.mktemp("shared")))
    yield app
    app.close()


def everything(folder: Path) -> bytes:
    """Return all bytes of the answers, the log beside them too."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob(f"{ANSWERS_FILE}*")))


class TestParticipant:
    def test_from_consent_to_the_end(self, app):
        about = app.anybody.get("/api/survey").json()
        assert about["title"] == app.survey.settings.title
        assert (about["open"], about["headphones"], about["channels"]) == (True, "woods", False)
        assert (about["language"]["code"], about["language"]["direction"]) == ("en", "ltr")
        client = app.join()
        session = client.get("/api/session").json()
        expected = [one.screen for one in app.survey.places(app.row(client))]
        ((labels, block),) = [(one.pop("labels"), one) for one in session["blocks"]]
        words = ("bad", "poor", "fair", "good", "excellent")
        assert labels == [f"{word} match" for word in words]
        rest = {"continuous": False, "reference": False}
        assert block == {"name": "style", "kind": "rating", **rest}
        assert len(session["screens"]) == 1 + 6 + 1 + 2
        assert session["screens"] == [
            {
                "block": 0,
                "training": screen.position == 0,
                "sounds": [0.3],
                "view": {
                    "wording": "How well does this sound match the description "
                    f"“{screen.stimuli[0].description}”?"
                },
            }
            for screen in expected
        ]
        assert (session["answered"], session["next"], session["checks"]) == ([], 0, 6)
        assert session["rest_every"] == 10
        for k, screen in enumerate(expected):
            sound = client.get(f"/api/screens/{k}/sounds/0")
            assert sound.headers["content-type"] == "audio/wav"
            assert sound.content == app.survey.sound(screen.stimuli[0].file).read_bytes()
            reply = client.put(f"/api/screens/{k}/answer", json=ANSWER)
            following = k + 1 if k + 1 < len(expected) else None
            assert reply.json() == {"answer": {"rating": 3}, "next": following}
        session = client.get("/api/session").json()
        assert session["answered"] == list(range(len(expected)))
        assert session["next"] is None

    def test_the_key_never_reaches_a_participant(self, app):
        client = app.join()
        replies = [client.get(path) for path in ("/", "/api/survey", "/api/session")]
        replies += [client.get(f"/api/screens/{k}/sounds/0") for k in range(10)]
        seen = b"".join(
            reply.content + json.dumps(dict(reply.headers)).encode() for reply in replies
        )
        for one in app.survey.stimuli:
            assert one.file.encode() not in seen
            assert one.pair.encode() not in b"".join(r.content for r in replies[1:])
        for word in ("stft", "average", "catch", "lowest", "saws"):
            assert f'"{word}"'.encode() not in seen

    def test_the_first_rating_counts_and_the_same_again_is_no_fault(self, app):
        client = app.join()
        first = rate(client, 0, 4)
        again = client.put("/api/screens/0/answer", json=rating_body(4, plays=[9]))
        assert first.json() == again.json() == {"answer": {"rating": 4}, "next": 1}
        other = client.put("/api/screens/0/answer", json=rating_body(2))
        assert other.status_code == 409
        assert other.json()["answer"] == {"rating": 4}
        ((_, answer),) = app.answers.read_all()
        assert (answer.answer, answer.plays) == ({"rating": 4}, [1])

    def test_the_same_rating_from_many_at_once_is_kept_once(self, app):
        client, statuses = app.join(), []
        client.get("/api/screens/1/sounds/0")

        def put(rating: int) -> None:
            reply = client.put("/api/screens/1/answer", json=rating_body(rating))
            statuses.append((reply.status_code, reply.json()["answer"]["rating"]))

        threads = [threading.Thread(target=put, args=(1 + n % 5,)) for n in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ((_, answer),) = app.answers.read_all()
        kept = answer.answer["rating"]
        assert Counter(statuses) == {(200, kept): 4, (409, kept): 16}

    def test_a_repeat_is_a_rating_of_its_own(self, app):
        client = app.join()
        screens = [one.screen for one in app.survey.places(app.row(client))]
        (again,) = [k for k, screen in enumerate(screens) if screen.presentation == 2]
        (first,) = [
            k
            for k, screen in enumerate(screens)
            if screen.name == screens[again].name and k != again
        ]
        for k, rating in ((first, 2), (again, 5)):
            assert rate(client, k, rating).status_code == 200
        found = {
            (a.screen, a.presentation, a.position): a.answer["rating"]
            for _, a in app.answers.read_all()
        }
        name = screens[again].name
        assert found == {(name, 1, first): 2, (name, 2, again): 5}

    def test_going_on_in_another_tab(self, app):
        client = app.join()
        rate(client, 0)
        rate(client, 3)
        tab = app.client(token_of(client))
        session = tab.get("/api/session").json()
        assert (session["answered"], session["next"]) == ([0, 3], 1)

    def test_rows_are_dealt_out_evenly_and_a_withdrawal_frees_one(self, app):
        clients = [app.join() for _ in range(6)]
        assert [app.row(client) for client in clients] == [0, 1, 2, 3, 4, 5]
        app.anybody.post("/api/withdraw", json={"code": clients[2].code})
        assert app.row(app.join()) == 2
        assert app.row(app.join()) == 0
        assert app.row(app.join(simulated=False)) == 0

    def test_closed(self, make, tmp_path):
        app = make()
        client = app.join()
        path = tmp_path / "survey" / "survey.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "open": False}))
        app.app.state.survey = replace(app.app.state.survey, survey=Survey.read(path.parent))
        assert app.anybody.get("/api/survey").json()["open"] is False
        reply = app.anybody.post("/api/participants", json=JOIN)
        assert reply.status_code == 403
        assert reply.json() == {"error": "this listening test is closed"}
        assert client.get("/api/session").is_success


class TestHeadphones:
    def test_sounds_and_answers(self, app):
        client = app.join()
        y, sr = sf.read(io.BytesIO(client.get("/api/headphones/5").content))
        assert y.shape == (4 * sr, 2)
        assert client.get("/api/headphones/6").status_code == 404
        assert sf.info(io.BytesIO(client.get("/api/loudness").content)).channels == 1
        assert client.get("/api/session").json()["headphones"] is None
        right = [one.quiet for one in headphones.checks(app.survey.settings.seed)]
        wrong = [(place + 1) % 3 for place in right]
        assert client.put("/api/headphones", json={"answers": right}).json()["passed"]
        assert client.put("/api/headphones", json={"answers": wrong}).json()["passed"]
        assert client.get("/api/session").json()["headphones"] is True
        other = app.join()
        assert other.put("/api/headphones", json={"answers": wrong}).json() == {
            "passed": False,
            "again": False,
        }
        assert other.get("/api/session").json()["headphones"] is False
        assert rate_all(other) == 10

    def test_a_survey_without_a_check(self, make):
        client = make(headphones=None).join()
        assert client.get("/api/session").json()["checks"] == 0
        assert client.get("/api/headphones/0").status_code == 404
        assert client.put("/api/headphones", json={"answers": [0] * 6}).status_code == 404


class TestWithdrawal:
    def test_nothing_is_left(self, app):
        client, other = app.join(), app.join()
        rate_all(client)
        rate_all(other)
        token = token_of(client)
        kept = hashlib.sha256(token.encode()).hexdigest().encode()
        assert kept in everything(app.survey.folder)
        reply = app.anybody.post("/api/withdraw", json={"code": client.code})
        assert reply.json() == {"withdrawn": True}
        assert kept not in everything(app.survey.folder)
        assert {who for who, _ in app.answers.read_all()} == {2}
        assert client.get("/api/session").status_code == 401
        assert client.put("/api/screens/0/answer", json=ANSWER).status_code == 401
        again = app.anybody.post("/api/withdraw", json={"code": client.code})
        assert again.status_code == 404

    def test_nothing_is_left_after_a_crash(self, app, tmp_path):
        """Killed when it was deleted, and before the log beside the file was emptied."""
        client = app.join()
        rate_all(client)
        kept = hashlib.sha256(token_of(client).encode()).hexdigest().encode()
        app.answers._writer.do(lambda c: c.execute("DELETE FROM participants").rowcount)
        copy = tmp_path / "copy"
        copy.mkdir()
        for path in app.survey.folder.glob(f"{ANSWERS_FILE}*"):
            shutil.copy(path, copy)
        assert kept in everything(copy)
        with closing(Answers(copy / ANSWERS_FILE, app.survey.key)):
            assert kept not in everything(copy)

    def test_a_reader_does_not_keep_what_is_withdrawn(self, app):
        client = app.join()
        rate_all(client)
        kept = hashlib.sha256(token_of(client).encode()).hexdigest().encode()
        with closing(connect(app.survey.folder / ANSWERS_FILE)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT COUNT(*) FROM answers").fetchall()
            assert app.answers.withdraw(client.code)
            assert kept in everything(app.survey.folder)
        app.join()
        assert kept not in everything(app.survey.folder)

    def test_a_code_is_read_as_it_is_written(self, app):
        client = app.join()
        assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}", client.code)
        spoken = client.code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
        reply = app.anybody.post("/api/withdraw", json={"code": f" {spoken} "})
        assert reply.status_code == 200

    def test_a_rating_under_way_is_lost_with_its_participant(self, app):
        app.join()
        answer = Answer("style", "a", 1, 1, ["a"], {"rating": 3}, [1], 1.0)
        assert app.answers.answer(1, answer) == {"rating": 3}
        with pytest.raises(LookupError):
            app.answers.answer(7, answer)
        with pytest.raises(LookupError):
            app.answers.check_headphones(7, 6, passed=True)
        with pytest.raises(LookupError):
            app.answers.check_channels(7, passed=True)
        assert len(app.answers.read_all()) == 1


class TestAdmin:
    def test_counts_by_cell(self, app):
        clients = [app.join(), app.join(simulated=False)]
        rate_all(clients[0], rating=3)
        rate(clients[1], 1)
        found = app.admin.get("/api/admin").json()
        assert found["participants"] == {
            "started": 2,
            "finished": 1,
            "simulated": 1,
            "headphones_passed": 0,
        }
        (block,) = found["blocks"]
        assert (block["name"], block["kind"]) == ("style", "rating")
        assert [(c["transform"], c["pooling"], c["pair"]) for c in block["cells"]] == [
            (one.factors["transform"], one.factors["pooling"], one.pair)
            for one in app.survey.stimuli
            if one.role == "trial"
        ]
        assert sum(cell["answers"] for cell in block["cells"]) == 7
        assert (block["catches_answered"], block["catches_missed"]) == (2, 2)
        assert "3" not in json.dumps(block["cells"])  # nothing of the ratings themselves
        assert found["tables"] == ["ratings"]

    def test_sounds_of_one_condition_share_a_cell(self, make, tmp_path):
        table = "file,pooling\n0.wav,max\n1.wav,max\n2.wav,average\n"
        path = write_sounds(tmp_path / "more", table)
        folder = build(path.parent, tmp_path / "s", question="quality", table=path, repeats=0)
        app = App(folder)
        rate_all(app.join())
        (block,) = app.admin.get("/api/admin").json()["blocks"]
        expected = [{"pooling": "max", "answers": 2}, {"pooling": "average", "answers": 1}]
        assert block["cells"] == expected
        app.close()

    def test_exports(self, app):
        rate_all(app.join())
        reply = app.admin.get("/api/admin/ratings.csv")
        assert reply.headers["content-type"].startswith("text/csv")
        table = pd.read_csv(io.StringIO(reply.text))
        assert len(table) == 9
        columns = pd.read_csv(io.StringIO(app.admin.get("/api/admin/ratings_columns.csv").text))
        assert list(columns["column"]) == list(table.columns)

    @pytest.mark.parametrize("path", ["", "/ratings.csv", "/ratings_columns.csv"])
    def test_never_without_its_token(self, shared, path):
        participant = shared.join()
        wrong = shared.client(shared.token + "x")
        replies = [
            client.get("/api/admin" + path) for client in (shared.anybody, wrong, participant)
        ]
        assert {reply.status_code for reply in replies} == {401}
        assert len({reply.text for reply in replies}) == 1
        assert shared.admin.get("/api/session").status_code == 401


class TestExport:
    def test_round_trip_through_mos(self, make, nst, tmp_path):
        app = make(seconds=0.05)
        for n in range(3):
            client = app.join(simulated=n == 0)
            if n:
                answers = [one.quiet for one in headphones.checks(0)]
                client.put("/api/headphones", json={"answers": answers if n == 1 else [0] * 6})
            if n < 2:
                rate_all(client)
            else:
                for k in range(5):
                    rate(client, k, 2)
        (
            app.survey.folder / "sounds" / app.survey.stimuli[0].file
        ).unlink()  # a loss, but not of ratings
        written = export.write(app.survey.folder, tmp_path / "r.csv")
        assert [path.name for path in written] == ["r.csv", "r_columns.csv"]
        found = reading.read(tmp_path / "r.csv")
        table = found.table
        assert list(table.columns) == [
            *("listener", "item", "rating", "question", "scale", "pair", "transform", "pooling"),
            *("presentation", "position", "part", "seconds", "lowest", "highest", "plays"),
            *("headphones", "headphones_right", "channels", "complete", "simulated"),
        ]
        assert found.listeners == ["P001", "P002", "P003"]
        assert len(table) == 9 + 9 + 4  # without the training
        assert table["complete"].tolist() == ["yes"] * 18 + ["no"] * 4
        assert table.groupby("listener")["headphones"].first().tolist() == ["", "yes", "no"]
        assert table.groupby("listener")["simulated"].first().tolist() == ["yes", "no", "no"]
        assert len(found.opinions) == 22 - (table["presentation"] == 2).sum() - (
            table["item"].isin(["good", "poor"]).sum()
        )
        found.validate_factors(["transform", "pooling"])
        assert set(table["question"]) == {"style"}
        assert {"easy"} & set(table["item"]) == set()
        (tmp_path / "rules.yaml").write_text("max_missed: 9\nmin_correlation: -1\nmin_sd: 0\n")
        options = ("--by", "transform", "--boot", 100, "--rules", "rules.yaml")
        result = nst("mos", "r.csv", *options)
        assert (result.returncode, result.stderr) == (0, "")
        assert "SIMULATED" in result.stdout.upper()

    def test_ratings_are_those_that_were_given(self, app):
        client = app.join()
        rate_all(client)
        screens = [one.screen for one in app.survey.places(app.row(client))]
        table = export.table(app.survey, app.answers)
        given = [
            (screen.name, 1 + k % 5, screen.position, screen.presentation)
            for k, screen in enumerate(screens)
            if screen.position
        ]
        columns = ["item", "rating", "position", "presentation"]
        assert list(table[columns].itertuples(index=False, name=None)) == given
        for _, row in table.iterrows():
            (one,) = (s for s in app.survey.stimuli if s.item == row["item"])
            assert row["transform"] == one.factors["transform"]
            assert row["lowest"] == ("" if one.lowest is None else one.lowest)

    def test_numbers_of_listeners_stay_when_one_withdraws(self, app):
        clients = [app.join() for _ in range(3)]
        for client in clients:
            rate_all(client)
        app.anybody.post("/api/withdraw", json={"code": clients[1].code})
        rate_all(app.join())
        assert list(export.table(app.survey, app.answers)["listener"].unique()) == [
            "P001",
            "P003",
            "P004",
        ]

    def test_the_dictionary_names_every_column(self, app):
        rate_all(app.join())
        table, about = export.table(app.survey, app.answers), export.dictionary(app.survey)
        assert list(about["column"]) == list(table.columns)
        assert (about[["meaning", "values"]] != "").all(axis=None)
        values = dict(zip(about["column"], about["values"], strict=True))
        assert values["transform"] == "stft, cqt; empty: a sound that is in no condition"

    def test_the_command(self, app, nst, tmp_path):
        rate_all(app.join())
        result = nst("survey", "export", "survey")
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.split() == ["survey/ratings.csv", "survey/ratings_columns.csv"]
        assert len(reading.read(tmp_path / "survey" / "ratings.csv").table) == 9
        result = nst("survey", "export", "survey", "--out", "x.txt")
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == "nst: x.txt: cannot write .txt; accepted: .csv\n"

    def test_no_cell_is_a_formula(self, tmp_path):
        """OWASP, CSV Injection; `nst mos` reads what was meant."""
        table = (
            "file,item,pair,=pooling,transform\n"
            '0.wav,=1+1,+hens,"@SUM(A1)",-3\n1.wav,-x,-2+3,\'=avg,plain\n'
        )
        path = write_sounds(tmp_path / "more", table)
        app = App(build(path.parent, tmp_path / "s", question="quality", table=path, repeats=0))
        rate_all(app.join())
        written, about = export.write(app.survey.folder)
        downloads = [
            app.admin.get(f"/api/admin/{name}.csv").text for name in ("ratings", "ratings_columns")
        ]
        assert downloads == [path.read_text() for path in (written, about)]
        for text in downloads:
            for row in csv.reader(io.StringIO(text)):
                risky = [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
                assert risky in ([], ["-3"])
        found = reading.read(written).table.set_index("item").sort_index()
        assert found.index.tolist() == ["-x", "=1+1"]
        assert found["pair"].tolist() == ["-2+3", "+hens"]
        assert found["=pooling"].tolist() == ["'=avg", "@SUM(A1)"]
        assert found["transform"].tolist() == ["plain", "-3"]
        app.close()

    def test_nobody_has_rated(self, tmp_path):
        folder = make_survey(tmp_path)
        for _ in range(2):
            with pytest.raises(
                SurveyError, match="nobody has answered yet; export the answers after"
            ):
                export.write(folder)
            assert sorted(path.name for path in folder.glob("ratings*")) == []
            Answers(folder / ANSWERS_FILE, Survey.read(folder).key).close()


def rating_body(rating: object, **others: object) -> dict[str, object]:
    return {**ANSWER, "answer": {"rating": rating}, **others}


BAD_BODIES = [
    *(
        (rating_body(rating), "wrong rating; accepted: a whole number from 1 to 5")
        for rating in (0, 6, 2.5, "3", True, None, [3])
    ),
    ({**ANSWER, "answer": {}}, "wrong answer; accepted: an object with the field rating and no"),
    ({**ANSWER, "answer": {"rating": 3, "x": 1}}, "wrong answer; accepted: an object with the"),
    ({**ANSWER, "answer": 3}, "wrong answer; accepted: an object with the fields of its kind"),
    ({**ANSWER, "plays": [0]}, "wrong plays; accepted: a list of whole numbers from 1 to 1000"),
    ({**ANSWER, "plays": 1}, "wrong plays; accepted: a list of whole numbers from 1 to 1000"),
    ({**ANSWER, "plays": [1, 1]}, "wrong plays; accepted: 1 whole number"),
    ({**ANSWER, "seconds": -1}, "wrong seconds; accepted: a number from 0 to 86400"),
    ({**ANSWER, "name": "x"}, "wrong body; accepted: JSON with the fields of this request"),
    ({**ANSWER, "consent": True}, "wrong body; accepted: JSON with the fields of this request"),
    ({"answer": {"rating": 3}, "plays": [1]}, "wrong seconds; accepted: a number from 0 to 86400"),
    ([], "wrong body; accepted: JSON"),
    (None, "wrong body; accepted: JSON"),
]
JSON = {"content-type": "application/json"}


class TestRefusals:
    @pytest.mark.parametrize(("body", "message"), BAD_BODIES)
    def test_ratings_that_are_none(self, shared, body, message):
        client, before = shared.join(), shared.answers.read_all()
        reply = client.put("/api/screens/0/answer", json=body)
        assert reply.status_code == 422
        assert list(reply.json()) == ["error"]
        assert reply.json()["error"].startswith(message)
        assert shared.answers.read_all() == before

    @pytest.mark.parametrize(
        "text",
        [
            *(
                b"",
                b"{",
                b"\xff\xfe",
                b"[" * 4000,
                b'{"answer": {"rating": NaN}, "plays": [1], "seconds": 1}',
            ),
            *(b'{"answer": {"rating": 1e999}, "plays": [1], "seconds": 1}', b'{"\\ud800": 1}'),
            b'{"answer": {"rating": 3}, "plays": [1], "seconds": Infinity}',
            b'{"answer": {"rating": ' + b"9" * 4000 + b'}, "plays": [1], "seconds": 1}',
        ],
    )
    def test_bodies_that_are_no_json(self, shared, text):
        client = shared.join()
        reply = client.put("/api/screens/0/answer", content=text, headers=JSON)
        assert reply.status_code == 422
        assert re.fullmatch(r"wrong \w+; accepted: .+", reply.json()["error"])

    @pytest.mark.parametrize(
        ("path", "body", "message"),
        [
            ("participants", {"consent": False}, "wrong consent; accepted: true"),
            ("participants", {"consent": 1}, "wrong consent; accepted: true"),
            ("participants", {}, "wrong consent; accepted: true"),
            ("participants", {**JOIN, "simulated": 1}, "wrong simulated; accepted: true or false"),
            ("withdraw", {"code": 5}, "wrong code; accepted: a withdrawal code"),
            ("withdraw", {"code": "x" * 101}, "wrong code; accepted: a withdrawal code"),
        ],
    )
    def test_other_requests(self, shared, path, body, message):
        before = shared.answers.participants()
        reply = shared.anybody.post(f"/api/{path}", json=body)
        assert (reply.status_code, reply.json()) == (422, {"error": message})
        assert shared.answers.participants() == before

    def test_headphones(self, app):
        client = app.join()
        for answers in ([0] * 5, [0] * 7, [3] * 6, [True] * 6, "000000"):
            reply = client.put("/api/headphones", json={"answers": answers})
            assert reply.status_code == 422
            assert reply.json()["error"].startswith(
                "wrong answers; accepted: 6 whole numbers from 0 to 2"
            )

    def test_places_that_are_none(self, app):
        client = app.join()
        assert client.get("/api/screens/9/sounds/0").status_code == 200
        reply = client.get("/api/screens/10/sounds/0")
        assert (reply.status_code, reply.json()["error"]) == (
            404,
            "there is no screen 10; accepted: 0 to 9",
        )
        assert client.put("/api/screens/10/answer", json=ANSWER).status_code == 404
        for k in ("-1", "x", "1.5", "٣x", "1e3"):
            reply = client.get(f"/api/screens/{k}/sounds/0")
            assert reply.status_code == 422
            assert reply.json() == {"error": "wrong k; accepted: a whole number from 0"}
        assert client.get(f"/api/screens/{'9' * 30}/sounds/0").status_code == 404

    def test_size(self, app):
        client = app.join()
        client.get("/api/screens/0/sounds/0")
        body = json.dumps(ANSWER).encode().ljust(MOST_BYTES + 1)
        chunks = (body[n : n + 5000] for n in range(0, len(body), 5000))
        for content in (body, chunks):
            reply = client.put("/api/screens/0/answer", content=content, headers=JSON)
            assert reply.status_code == 413
            assert reply.json() == {"error": "the body is too large; accepted: up to 65536 bytes"}
        fits = client.put("/api/screens/0/answer", content=body[:MOST_BYTES], headers=JSON)
        assert fits.status_code == 200

    def test_type(self, app):
        client, body = app.join(), json.dumps(ANSWER)
        client.get("/api/screens/0/sounds/0")
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
            headers = {"content-type": kind} if kind else {}
            reply = client.put("/api/screens/0/answer", content=body, headers=headers)
            assert reply.status_code == 415
            assert reply.json()["error"].endswith("accepted: application/json")
        headers = {"content-type": "Application/JSON; charset=utf-8"}
        assert client.put("/api/screens/0/answer", content=body, headers=headers).is_success


NEEDS_TOKEN = [
    ("GET", "/api/session", None),
    ("GET", "/api/loudness", None),
    ("GET", "/api/headphones/0", None),
    ("PUT", "/api/headphones", {"answers": [0] * 6}),
    ("GET", "/api/screens/0/sounds/0", None),
    ("PUT", "/api/screens/0/answer", ANSWER),
]


class TestSecurity:
    @pytest.mark.parametrize(("method", "path", "body"), NEEDS_TOKEN)
    def test_unknown_tokens_are_refused_alike(self, shared, method, path, body):
        token = token_of(shared.join())
        hashed = hashlib.sha256(token.encode()).hexdigest()
        wrong = [token[:-1], token + "x", token.swapcase(), hashed, shared.token, "x" * 3000, "é"]
        headers = [{}, {"Authorization": f"Basic {token}"}, {"Authorization": token}]
        headers += [{"Authorization": "Bearer"}]
        headers += [{"Authorization": f"Bearer {t}".encode()} for t in wrong]
        replies = [shared.anybody.request(method, path, json=body, headers=h) for h in headers]
        assert {reply.status_code for reply in replies} == {401}
        assert len({reply.text for reply in replies}) == 1
        assert {reply.headers["www-authenticate"] for reply in replies} == {"Bearer"}
        shared.anybody.get("/api/screens/0/sounds/0", headers=bearer(token))
        assert shared.anybody.request(method, path, json=body, headers=bearer(token)).is_success

    def test_a_participant_reaches_only_what_is_theirs(self, app):
        one, two = app.join(), app.join()
        rate_all(one, rating=5)
        session = two.get("/api/session").json()
        assert (session["answered"], session["next"]) == ([], 0)
        rate_all(two, rating=1)
        given = Counter((who, one.answer["rating"]) for who, one in app.answers.read_all())
        assert given == {(1, 5): 10, (2, 1): 10}
        assert app.row(one) != app.row(two)
        one.post("/api/withdraw", json={"code": two.code})
        assert one.get("/api/session").is_success

    @pytest.mark.parametrize(
        "path",
        [
            *("/../survey.json", "/%2e%2e/survey.json", "/..%2fstimuli.csv", "/survey.json"),
            *("/stimuli.csv", "/answers.sqlite", "/sounds/loudness.wav", "/page/index.html"),
            *("//etc/passwd", "/%2fetc/passwd", "/index.html", "/app.py", "/survey.js/../app.py"),
            *("/api/screens/..%2f..%2fsurvey.json/sounds/0", "/api/screens/../../stimuli.csv"),
            *("/api/headphones/..%2f0", "/api/screens/0/sounds/0/..", "/survey.css%00.html"),
            *("/docs", "/redoc", "/openapi.json", "/api", "/api/", "/admin/", "/app.token"),
        ],
    )
    def test_no_other_file_is_served(self, shared, path):
        client = shared.join()
        url = httpx.URL(shared.server.url).copy_with(raw_path=path.encode())
        reply = client.request("GET", url, follow_redirects=False)
        assert reply.status_code in (404, 422)
        assert list(reply.json()) == ["error"]

    def test_headers_on_every_answer(self, app):
        client = app.join()
        replies = [
            *(app.anybody.get(path) for path in (*page_files(), "/nothing", "/api/nothing")),
            *(app.anybody.get(path) for path in ("/api/survey", "/api/session", "/api/admin")),
            *(
                client.get(path)
                for path in ("/api/session", "/api/loudness", "/api/screens/99/sounds/0")
            ),
            client.put("/api/screens/0/answer", json={}),
            client.put("/api/screens/0/answer", content="x" * 70000),
            client.put("/api/screens/0/answer", content="x"),
            client.request("OPTIONS", "/api/session"),
            client.request("DELETE", "/api/session"),
            client.request("HEAD", "/"),
        ]
        assert {404, 401, 413, 415, 422, 405, 200} <= {reply.status_code for reply in replies}
        for reply in replies:
            assert reply.headers.items() >= HEADERS.items()
            assert "server" not in reply.headers
            assert "set-cookie" not in reply.headers
            assert not any(name.startswith("access-control") for name in reply.headers)
            caching = "no-store" if reply.url.path.startswith("/api") else "no-cache"
            assert reply.headers["cache-control"] == caching
            if not reply.is_success and reply.request.method != "HEAD":
                assert set(reply.json()) == {"error"}
                assert "\n" not in reply.json()["error"]
        policy = HEADERS["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy

    def test_a_fault_of_our_own_says_nothing_and_has_the_headers(self, app, caplog):
        app.answers.answered = None
        reply = app.join().get("/api/session")
        assert reply.status_code == 500
        assert reply.json() == {"error": "the server has an internal error; try again later"}
        assert reply.headers.items() >= HEADERS.items()
        assert "a request failed" in caplog.text

    def test_a_disk_that_is_full(self, app):
        client = app.join()
        client.get("/api/screens/0/sounds/0")
        connection = app.answers._writer._connection
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        joined = 0
        while (reply := app.anybody.post("/api/participants", json=JOIN)).status_code == 201:
            joined += 1
        assert reply.status_code == 503
        assert reply.json() == {
            "error": "the server cannot store anything at the moment; try again later"
        }
        assert reply.headers["retry-after"] == "5"
        assert len(app.answers.participants()) == 1 + joined
        connection.execute("PRAGMA max_page_count = 100000")
        assert client.put("/api/screens/0/answer", json=ANSWER).is_success

    def test_only_hashes_of_secrets_are_kept(self, app):
        client = app.join()
        rate_all(client)
        token = token_of(client)
        data = everything(app.survey.folder)
        assert len(token) >= 43
        for secret in (token, client.code, client.code.replace("-", ""), app.token):
            assert secret.encode() not in data
        assert app.survey.folder.joinpath(ANSWERS_FILE).stat().st_mode & 0o077 == 0
        tokens = {app.join().headers["Authorization"] for _ in range(50)}
        assert len(tokens) == 50

    @pytest.mark.process
    def test_no_address_and_no_browser_is_kept_or_told(self, tmp_path):
        folder = make_survey(tmp_path)
        agent = "Peculiar/1.0 (a browser like no other)"
        with served(folder, tmp_path / "log") as server:
            headers = {
                "User-Agent": agent,
                "X-Forwarded-For": "203.0.113.77",
                "Referer": "http://x/y",
            }
            with httpx.Client(base_url=server.url, headers=headers) as client:
                reply = client.post("/api/participants", json=JOIN)
                client.headers.update(bearer(reply.json()["token"]))
                rate_all(client)
                client.get("/api/nothing")
                client.put("/api/screens/0/answer", content=b"{")
                assert "server" not in client.get("/").headers
            with httpx.Client(base_url=server.url) as client:
                client.get("/%00%ff?token=secret")
            with socket.create_connection(address(server.url)) as connection:
                connection.sendall(b"what is no request\r\n\r\n")
                assert b" 400 " in connection.recv(100)
            text = server.text()
        assert len(text.splitlines()) == 3
        data = everything(folder)
        for secret in (agent, "203.0.113.77", "127.0.0.1", "Peculiar", "http"):
            assert secret.encode() not in data
        columns = sqlite3.connect(folder / ANSWERS_FILE)
        with closing(columns):
            names = [row[1] for row in columns.execute("PRAGMA table_info(participants)")]
        assert names == [
            *("id", "token", "code", "row", "simulated", "headphones"),
            *("headphones_right", "channels", "person"),
        ]


class TestHeard:
    """A rating of what cannot have been heard is refused; the participant is no simulation."""

    def test_never_asked_for(self, app):
        for simulated in (True, False):
            reply = app.join(simulated=simulated).put("/api/screens/0/answer", json=ANSWER)
            assert (reply.status_code, reply.json()) == (
                403,
                {
                    "error": "a sound was never requested; "
                    "request all sounds and play them before you answer"
                },
            )
        assert app.answers.read_all() == []

    def test_too_soon(self, make):
        client = (app := make(seconds=1.5)).join(simulated=False)
        began = time.monotonic()
        client.get("/api/screens/0/sounds/0")
        reply = client.put("/api/screens/0/answer", json=ANSWER)
        assert (reply.status_code, reply.headers["retry-after"]) == (403, "2")
        assert reply.json()["error"].startswith(
            "these sounds cannot have been heard yet: they take 1.4 s"
        )
        time.sleep(1)
        client.get("/api/screens/0/sounds/0")  # as a reload does, which does not begin anew
        assert rate(client, 0).status_code == 200
        assert time.monotonic() - began >= 0.9 * 1.5
        assert client.put("/api/screens/0/answer", json=ANSWER).status_code == 200
        assert len(app.answers.read_all()) == 1

    def test_one_sound_at_a_time(self):
        now = [100.0]
        heard = Heard(lambda: now[0])
        for k in range(3):
            heard.fetch(1, k)
        assert heard.wait(1, 0, 4.5) == pytest.approx(4.5)
        now[0] += 4.5
        assert heard.wait(1, 0, 4.5) == 0
        assert heard.wait(1, 0, 4.5) == 0  # sent twice
        assert heard.wait(1, 1, 4.5) == pytest.approx(4.5)
        now[0] += 4.0
        assert heard.wait(1, 0, 4.5) == 0  # and once more, which keeps nothing back
        now[0] += 0.5
        assert heard.wait(1, 1, 4.5) == 0
        assert heard.wait(2, 1, 4.5) is None
        assert heard.wait(1, 3, 4.5) is None

    def test_a_simulation_need_not_wait_and_is_marked(self, make):
        app = make(seconds=30)
        assert rate(app.join(), 1).status_code == 200
        assert export.table(app.survey, app.answers)["simulated"].tolist() == ["yes"]

    def test_a_server_that_starts_anew_has_to_be_asked_again(self, tmp_path):
        folder = make_survey(tmp_path, seconds=0.05)
        with Server(folder) as server, httpx.Client(base_url=server.url) as client:
            body = {**JOIN, "simulated": False}
            token = client.post("/api/participants", json=body).json()["token"]
            client.headers.update(bearer(token))
            rate(client, 0)
            client.get("/api/screens/1/sounds/0")
        with Server(folder) as server, httpx.Client(base_url=server.url) as client:
            client.headers.update(bearer(token))
            assert client.put("/api/screens/0/answer", json=ANSWER).status_code == 200  # kept
            assert client.put("/api/screens/1/answer", json=ANSWER).status_code == 403
            assert rate(client, 1).status_code == 200


class TestHost:
    @pytest.mark.parametrize(
        ("host", "status"),
        [
            *(("127.0.0.1", 200), ("localhost:80", 200), ("LocalHost.", 200), ("[::1]:9", 200)),
            *(("127.0.0.2:8000", 200), ("evil.example", 421), ("localhost.evil.example", 421)),
            *(("127.0.0.1.evil.example", 421), ("192.0.2.1", 421), ("", 421), ("[::2]", 421)),
            *(("a@localhost", 421), ("localhost:80:80", 421), ("[localhost", 421)),
        ],
    )
    def test_names_of_this_machine_only(self, shared, host, status):
        replies = [
            shared.anybody.get(path, headers={"Host": host}) for path in ("/", "/api/survey")
        ]
        assert {reply.status_code for reply in replies} == {status}
        if status == 421:
            assert list(replies[0].json()) == ["error"]
            assert replies[0].headers.items() >= HEADERS.items()

    def test_the_public_name(self, make):
        app = make(public_url="https://Höhren.example.org:8443/test")
        assert app.server.url == "https://Höhren.example.org:8443/test/"
        assert app.server.admin_url.startswith("https://Höhren.example.org:8443/test/admin#")
        names = {
            "xn--hhren-jua.example.org": 200,
            "xn--hhren-jua.example.org:8443": 200,
            "localhost": 200,
            "example.org": 421,
        }
        for name, status in names.items():
            assert app.anybody.get("/", headers={"Host": name}).status_code == status

    def test_all_addresses_where_it_listens_at_all(self):
        for bound in ("0.0.0.0", "::"):
            assert Hosts(bound).accept("192.0.2.1:8000")
            assert not Hosts(bound).accept("rebound.example")
        assert Hosts("192.0.2.1").accept("192.0.2.1")
        assert not Hosts("192.0.2.1").accept("192.0.2.2")

    @pytest.mark.parametrize(
        "url",
        ["listen.example.org", "ftp://a.b", "https://", "https://a:b", "https://[", "http://a#b"],
    )
    def test_public_urls_that_are_none(self, tmp_path, url):
        make_survey(tmp_path)
        with pytest.raises(SurveyError, match="write it like https:"):
            Server(tmp_path / "survey", public_url=url)
        assert not (tmp_path / "survey" / ANSWERS_FILE).exists()


class TestLimits:
    def test_a_bucket_empties_and_fills_again(self):
        now = [0.0]
        limiter, rate = Limiter(lambda: now[0]), Rate(burst=3, per_second=0.5)
        assert [limiter.take("a", rate) for _ in range(5)] == [0, 0, 0, 2, 2]
        assert limiter.take("b", rate) == 0
        now[0] = 2.0
        assert [limiter.take("a", rate) for _ in range(2)] == [0, 2]
        now[0] = 1000.0
        assert [limiter.take("a", rate) for _ in range(4)] == [0, 0, 0, 2]

    def test_who_asks_too_much_waits_and_others_do_not(self, make):
        slow = Rate(burst=3, per_second=0.01)
        app = make(rates=Rates(participant=slow))
        one, two = app.join(), app.join()
        statuses = [one.get("/api/session").status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        reply = one.put("/api/screens/0/answer", json=ANSWER)
        assert reply.json() == {"error": "too many requests; try again later"}
        assert 0 < int(reply.headers["retry-after"]) <= 100
        assert reply.headers.items() >= HEADERS.items()
        assert two.get("/api/session").is_success

    @pytest.mark.parametrize(
        ("what", "ask"),
        [
            ("register", lambda app: app.anybody.post("/api/participants", json=JOIN)),
            ("unknown", lambda app: app.anybody.post("/api/withdraw", json={"code": "x"})),
            ("admin", lambda app: app.admin.get("/api/admin")),
        ],
    )
    def test_from_one_address(self, make, what, ask):
        app = make(rates=Rates(**{what: Rate(burst=2, per_second=0.01)}))
        replies = [ask(app) for _ in range(3)]
        assert [reply.status_code == 429 for reply in replies] == [False, False, True]

    def test_one_who_floods_keeps_nobody_else_out(self, make):
        """Not from another address, and with a code that is right not even from the same one."""
        slow = Rate(burst=2, per_second=0.001)
        app = make(rates=Rates(register=slow, unknown=slow), public_url="https://ear.example.org")
        honest = {"X-Forwarded-For": "198.51.100.7"}
        codes = []
        for ask in (
            lambda **of: app.anybody.post("/api/participants", json=JOIN, **of),
            lambda **of: app.anybody.post("/api/withdraw", json={"code": "x"}, **of),
        ):
            flood = [ask(headers={"X-Forwarded-For": "203.0.113.9"}) for _ in range(20)]
            assert sum(reply.status_code == 429 for reply in flood) == 18
            reply = ask(headers=honest)
            assert reply.status_code in (201, 404)
            codes.append(reply.json().get("code"))
        reply = app.anybody.post(
            "/api/withdraw", json={"code": codes[0]}, headers={"X-Forwarded-For": "203.0.113.9"}
        )
        assert reply.json() == {"withdrawn": True}

    def test_from_the_same_address_each_waits_for_its_turn(self, make):
        app = make(rates=Rates(register=Rate(burst=2, per_second=5, patience=10)))
        stop, flood = threading.Event(), []

        def register() -> None:
            while not stop.is_set():
                flood.append(httpx.post(f"{app.url}api/participants", json=JOIN).status_code)

        threads = [threading.Thread(target=register) for _ in range(4)]
        for thread in threads:
            thread.start()
        while len(flood) < 5:
            time.sleep(0.01)
        replies = [app.anybody.post("/api/participants", json=JOIN) for _ in range(3)]
        stop.set()
        for thread in threads:
            thread.join()
        assert {reply.status_code for reply in replies} == set(flood) == {201}

    def test_a_network_of_ipv6_is_one_client(self):
        assert network("2001:db8:1:2::1") == network("2001:db8:1:2:ffff::5") == "2001:db8:1:2::/64"
        assert network("2001:db8:1:3::1") != network("2001:db8:1:2::1")
        assert network("::ffff:192.0.2.1") == network("192.0.2.1") == "192.0.2.1"
        assert network("fe80::1%eth0") == "fe80::/64"
        assert network("x" * 10000) == ""

    def test_addresses_are_forgotten(self):
        now = [0.0]
        limiter, rate = Limiter(lambda: now[0]), Rate(burst=3, per_second=0.5)
        for n in range(1000):
            limiter.take(f"192.0.2.{n}", rate)
        now[0] = FORGET
        limiter.take("another", rate)
        assert "192.0.2" not in repr(vars(limiter))

    def test_a_class_can_begin_at_once(self, app):
        replies = [app.anybody.post("/api/participants", json=JOIN) for _ in range(200)]
        assert {reply.status_code for reply in replies} == {201}


class TestServer:
    def test_in_a_notebook(self, tmp_path):
        folder = make_survey(tmp_path)
        with Server(folder) as server, httpx.Client(base_url=server.url) as client:
            assert server.local
            token = client.post("/api/participants", json=JOIN).json()["token"]
            client.headers.update(bearer(token))
            assert rate_all(client) == 10
            admin = bearer(server.admin_url.partition("#")[2])
            assert client.get("/api/admin", headers=admin).json()["participants"]["finished"] == 1
            assert len(export.write(folder)) == 2
            with pytest.raises(
                SurveyError, match=r"cannot listen at 127\.0\.0\.1, port \d+ \(Addr"
            ):
                Server(folder, port=int(server.url.rstrip("/").rpartition(":")[2]))
        with pytest.raises(httpx.ConnectError):
            httpx.get(server.url)
        with Server(folder) as again, httpx.Client(base_url=again.url) as client:
            assert client.get("/api/session", headers=bearer(token)).json()["next"] is None
            assert again.admin_url.partition("#")[2] != server.admin_url.partition("#")[2]

    @pytest.mark.process
    def test_what_it_says_and_how_it_ends(self, tmp_path):
        folder = make_survey(tmp_path)
        with served(folder, tmp_path / "log") as server:
            assert server.url.startswith("http://127.0.0.1:")
            lines = server.text().splitlines()
            assert lines[0] == f"participants: {server.url}"
            assert lines[1] == f"admin: {server.url}admin#{server.admin}"
            assert lines[2].startswith("Only this machine can reach it.")
            assert "TLS" in lines[2]
            server.process.send_signal(signal.SIGINT)
            assert server.process.wait(20) == 0
            assert server.text().splitlines() == lines

    @pytest.mark.process
    def test_what_is_under_way_is_finished_after_an_interrupt(self, tmp_path):
        folder = make_survey(tmp_path)
        with served(folder, tmp_path / "log") as server:
            head, body = slow_request(server.url)
            with socket.create_connection(address(server.url)) as connection:
                connection.sendall(head + body[:1])
                time.sleep(1)
                server.process.send_signal(signal.SIGINT)
                time.sleep(1.5)
                connection.sendall(body[1:])
                assert b" 201 " in connection.recv(100)
            assert server.process.wait(20) == 0
            assert len(server.text().splitlines()) == 3

    def test_what_takes_too_long_is_refused_without_a_traceback(
        self, tmp_path, caplog, monkeypatch
    ):
        monkeypatch.setattr(serve, "GRACE", 1)
        with Server(make_survey(tmp_path)) as server:
            head, body = slow_request(server.url)
            connection = socket.create_connection(address(server.url))
            connection.sendall(head + body[:1])
            time.sleep(1)
        with connection:
            reply = connection.recv(4096)
        assert b" 503 " in reply
        assert b"content-security-policy" in reply
        assert not any(record.exc_info for record in caplog.records)

    def test_pages_are_served_while_they_are_there(self, app):
        folder = Path(export.__file__).with_name("page")
        files = page_files()
        assert {"/", "/admin", "/survey.js", "/kinds/pair.js"} <= {*files}
        for path, file in files.items():
            reply = app.anybody.get(path)
            assert reply.content == (folder / file.relative_to(folder)).read_bytes()
            assert reply.headers["content-type"].split(";")[0] == TYPES[file.suffix]
