"""A listening test under load, under fire and under `kill -9`, through HTTP.

Two hundred simulated participants answer all kinds of blocks at once: they reload, send twice,
leave, and hang up before the reply is there, while the server is killed twice and comes back at the
same port. Afterwards every answer that was acknowledged is in the export, none twice.
"""

import asyncio
import json
import socket
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import numpy as np
import pandas as pd
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.generation import GenerationMode

from nst_lib.opinions import reading
from nst_lib.survey import export
from nst_lib.survey.answers import Answers
from nst_lib.survey.build import build
from nst_lib.survey.files import ANSWERS_FILE
from nst_lib.survey.limits import Rate, Rates
from nst_lib.survey.serve import Server
from nst_lib.survey.survey import Survey
from tests.surveys import JOIN, Process, bearer, make_survey, rate, write_sounds

pytestmark = pytest.mark.process

PARTICIPANTS, KILLS, WITHDRAWALS = 200, 2, 20
#: Those who leave in the middle of the test.
DROPPED = range(30, 50)
TABLE = """\
file,item,role,pair,condition,lowest,highest
0.wav,a,trial,hens,max,,
1.wav,b,trial,hens,average,,
2.wav,c,trial,saws,max,,
3.wav,d,trial,saws,average,,
4.wav,e,catch,hens,,4,
5.wav,f,catch,hens,,,2
6.wav,g,reference,hens,,,
7.wav,h,reference,saws,,,
"""
FIELDS = [{"name": "age", "text": "How old?", "type": "number"}]
PLAN = [
    {"kind": "questionnaire", "name": "before", "title": "You", "fields": FIELDS},
    {"kind": "rating", "question": "quality", "repeats": 1},
    {"kind": "pair", "question": "quality", "name": "better"},
    {"kind": "abx", "repeats": 1},
    {"kind": "mushra", "question": "style", "name": "page"},
]
#: Number of answers of each kind in the test of one participant.
ANSWERS = {"before": 1, "quality": 4 + 2 + 1, "better": 2 + 1, "abx": 2, "page": 2}
#: Largest screen and largest sound that fuzzing asks for.
MOST = {"k": 12, "n": 1}
ALWAYS = Rate(burst=1e9, per_second=1e9)


@dataclass
class Crowd:
    """Participants that are as careless as people and networks are."""

    url: str
    #: (token, place) -> answer, as soon as the server has said so.
    acknowledged: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    #: Tokens of those who withdrew, as soon as the server has said so.
    gone: set[str] = field(default_factory=set)
    troubles: int = 0

    async def ask(
        self, client: httpx.AsyncClient, method: str, path: str, **options: Any
    ) -> httpx.Response:
        """Ask until the server answers."""
        while True:
            try:
                reply = await client.request(method, path, **options)
            except httpx.TransportError:
                self.troubles += 1
                await asyncio.sleep(0.3)
                continue
            assert reply.status_code not in (500, 502, 503, 504), reply.text
            if reply.status_code != 429:
                return reply
            await asyncio.sleep(int(reply.headers["retry-after"]))

    async def hang_up(self, path: str, token: str, body: dict[str, Any]) -> None:
        """Send a rating, and close the connection without waiting for the answer."""
        url, text = httpx.URL(self.url), json.dumps(body)
        request = (
            f"PUT {path} HTTP/1.1\r\nHost: {url.host}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n{text}"
        )
        try:
            _, writer = await asyncio.open_connection(url.host, url.port)
            writer.write(request.encode())
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except OSError:
            self.troubles += 1

    async def take_part(self, number: int) -> None:
        """Rate everything, with reloads, double submits and dropped connections."""
        chance = np.random.default_rng(number)
        async with httpx.AsyncClient(base_url=self.url, verify=False, timeout=60) as client:
            joined = (await self.ask(client, "POST", "/api/participants", json=JOIN)).json()
            client.headers.update(bearer(joined["token"]))
            k, reload = 0, True
            while True:
                if reload:
                    session = (await self.ask(client, "GET", "/api/session")).json()
                    k = session["next"]
                if k is None or (number in DROPPED and k > number % 10):
                    break
                screen = session["screens"][k]
                kind = session["blocks"][screen["block"]]["kind"]
                for n in range(len(screen["sounds"])):
                    sound = await self.ask(client, "GET", f"/api/screens/{k}/sounds/{n}")
                    assert sound.content.startswith(b"RIFF")
                what = chance.integers(4)
                reload = what < 2
                given = answer_to(kind, len(screen["sounds"]), number + k)
                k = await self.answer(client, joined["token"], k, given, what)
            if number < WITHDRAWALS:
                await self.ask(client, "POST", "/api/withdraw", json={"code": joined["code"]})
                self.gone.add(joined["token"])

    async def answer(
        self,
        client: httpx.AsyncClient,
        token: str,
        k: int,
        given: tuple[dict[str, Any], list[int]],
        what: int,
    ) -> int | None:
        """Send an answer: hang up (0), once, or twice at the same time (3); return what is next."""
        path, (answer, plays) = f"/api/screens/{k}/answer", given
        body = {"answer": answer, "plays": plays, "seconds": 1.0}
        if what == 0:
            await self.hang_up(path, token, body)
            return k
        times = 2 if what == 3 else 1
        put = [self.ask(client, "PUT", path, json=body) for _ in range(times)]
        replies = await asyncio.gather(*put)
        if 403 in {reply.status_code for reply in replies}:
            return k  # a server that came back does not know of the sound: ask for it again
        for reply in replies:
            assert (reply.status_code, reply.json()["answer"]) == (200, answer), reply.text
            self.acknowledged[token, k] = answer
        return reply.json()["next"]


def answer_to(kind: str, sounds: int, n: int) -> tuple[dict[str, Any], list[int]]:
    """Return an answer to a screen, and how often each sound was played."""
    answers = {
        "questionnaire": {"fields": {"age": n % 90}},
        "rating": {"rating": 1 + n % 5},
        "pair": {"preferred": (0, 1, None)[n % 3]},
        "abx": {"chosen": n % 2},
        "mushra": {"scores": [float((n + k) % 101) for k in range(sounds - 1)]},
    }
    return answers[kind], [1] * sounds


async def run(server: Process, folder: Path, log: Path) -> tuple[Crowd, Process]:
    """Let all take part, and kill the server meanwhile."""
    port = httpx.URL(server.url).port
    crowd = Crowd(server.url)
    tasks = [asyncio.create_task(crowd.take_part(n)) for n in range(PARTICIPANTS)]
    for kill in range(1, KILLS + 1):
        while len(crowd.acknowledged) < 2000 * kill / (KILLS + 1):
            await asyncio.sleep(0.01)
            assert not any(task.done() and task.exception() for task in tasks)
        server.kill()
        server = await asyncio.to_thread(Process, folder, port, log=log)
    await asyncio.gather(*tasks)
    return crowd, server


def test_two_hundred_at_once_and_a_server_that_is_killed(tmp_path):
    table = write_sounds(tmp_path / "tones", TABLE, sr=16000)
    folder = build(table.parent, tmp_path / "survey", plan=PLAN, table=table, headphones=None)
    server = Process(folder, log=tmp_path / "log")
    try:
        crowd, server = asyncio.run(run(server, folder, tmp_path / "log"))
        admin = bearer(server.admin)
        overview = httpx.get(f"{server.url}api/admin", headers=admin).json()
        text = server.text()
    finally:
        server.kill()
    assert crowd.troubles > 0
    assert len(crowd.acknowledged) > 2000
    assert text.count("\n") == 3  # nothing that somebody would have to be told of

    survey = Survey.read(folder)
    with closing(Answers(folder / ANSWERS_FILE, survey.key)) as answers:
        people = {token: answers.participant(token) for token, _ in crowd.acknowledged}
        rows = [one.row for one in answers.participants()]
        kept = {
            (who, one.block, one.screen, one.presentation): one.answer
            for who, one in answers.read_all()
        }
    for (token, k), given in crowd.acknowledged.items():
        if token in crowd.gone:
            assert people[token] is None
            continue
        place = survey.places(people[token].row)[k]
        block, screen = survey.settings.blocks[place.block].name, place.screen
        assert kept[people[token].id, block, screen.name, screen.presentation] == given
    files = {path.stem: path for path in export.write(folder, tmp_path / "ratings.csv")}
    found = reading.read(files["ratings"]).table  # which refuses a rating given twice
    finished = PARTICIPANTS - WITHDRAWALS - len(DROPPED)
    assert (found["complete"] == "yes").sum() == finished * ANSWERS["quality"]
    for name, table_name in (("better", "preferences"), ("abx", "abx"), ("page", "mushra")):
        frame = pd.read_csv(files[table_name], keep_default_na=False)
        sounds = 5 if table_name == "mushra" else 1  # two conditions, the reference, two anchors
        whole = frame[frame["complete"] == "yes"]
        assert len(whole) == finished * ANSWERS[name] * sounds
        assert not whole.duplicated(["listener", *list(frame)[1:-9]]).any()
    before = pd.read_csv(files["questionnaire"], keep_default_na=False)
    assert before["listener"].is_unique
    assert (before["complete"] == "yes").sum() == finished
    assert overview["participants"]["finished"] == finished
    # Who lost the answer to their consent came twice, and those who withdrew left their rows.
    counts = np.bincount(rows, minlength=survey.rows)
    assert counts.max() - counts.min() <= WITHDRAWALS + len(DROPPED)


def test_a_kill_in_the_middle_of_a_write_leaves_all_or_nothing(tmp_path):
    folder = make_survey(tmp_path)
    server = Process(folder, log=tmp_path / "log")
    reply = httpx.post(f"{server.url}api/participants", json=JOIN).json()
    who = bearer(reply["token"])
    sound = "api/screens/0/sounds/0"
    httpx.get(f"{server.url}{sound}", headers=who)
    url = httpx.URL(server.url)
    text = json.dumps({"answer": {"rating": 4}, "plays": [1], "seconds": 1.0})
    head = (
        "PUT /api/screens/0/answer HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n"
        f"Authorization: Bearer {reply['token']}\r\n\r\n"
    )
    with socket.create_connection((url.host, url.port)) as connection:
        connection.sendall((head + text).encode())
        server.kill()
    with Server(folder) as again, httpx.Client(base_url=again.url) as client:
        client.headers.update(who)
        session = client.get("/api/session").json()
        assert session["answered"] in ([], [0])
        client.get(f"/{sound}")
        body = {"answer": {"rating": 4}, "plays": [1], "seconds": 2.0}
        reply = client.put("/api/screens/0/answer", json=body)
        assert reply.json() == {"answer": {"rating": 4}, "next": 1}


@pytest.mark.parametrize("who", ["participant", "admin", "nobody"])
def test_the_api_is_as_its_schema_says(tmp_path, who):
    """Fuzzing: whatever is sent, no 5xx, and every answer has the form that the schema promises."""
    with Server(make_survey(tmp_path)) as server:
        app = server._server.config.app
        everybody = Rates(participant=ALWAYS, admin=ALWAYS, register=ALWAYS, unknown=ALWAYS)
        app.state.survey = replace(app.state.survey, rates=everybody)
        joined = httpx.post(f"{server.url}api/participants", json=JOIN).json()
        with httpx.Client(base_url=server.url, headers=bearer(joined["token"])) as client:
            for k in range(7):
                rate(client, k)
        tokens = {"participant": joined["token"], "admin": server.admin_url.partition("#")[2]}
        headers = bearer(tokens[who]) if who in tokens else {}
        raw = app.openapi()
        for path in raw["paths"].values():
            for operation in path.values():
                for parameter in operation.get("parameters", []):
                    if parameter["name"] in MOST:  # else nearly none is that of a screen
                        parameter["schema"]["maximum"] = MOST[parameter["name"]]
        # What an answer is depends on the kind of the block; this survey has one block.
        answering = raw["components"]["schemas"]["Answering"]["properties"]
        rating = {"type": "integer", "minimum": 1, "maximum": 5}
        answering["answer"] |= {"properties": {"rating": rating}, "required": ["rating"]}
        answering["answer"]["additionalProperties"] = False
        answering["plays"] |= {"minItems": 1, "maxItems": 1}
        schema = schemathesis.openapi.from_dict(raw)
        operations = [result.ok() for result in schema.get_all_operations()]
        assert len(operations) == 13
        statuses = set()
        for operation in operations:
            for mode in GenerationMode:
                if operation.label != "GET /api/survey" or mode == GenerationMode.POSITIVE:
                    statuses |= fuzz(operation, mode, server.url.rstrip("/"), headers)
    expected = {"participant": {200, 201, 401, 403, 404, 409, 422}, "admin": {200, 401, 422}}
    assert statuses >= expected.get(who, {200, 201, 401, 404, 422})


def fuzz(operation: Any, mode: GenerationMode, url: str, headers: dict[str, str]) -> set[int]:
    """Try one operation; return the statuses that came back."""
    statuses = set()

    @hypothesis.settings(
        max_examples=20,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        reply = case.call(base_url=url, headers=headers)
        statuses.add(reply.status_code)
        case.validate_response(reply, headers=headers)

    check()
    return statuses
