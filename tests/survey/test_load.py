"""A listening test under load, under fire and under `kill -9`, through HTTP.

Two hundred simulated participants rate at once: they reload, send twice, and hang up before the
answer is there, while the server is killed twice and comes back at the same port. Afterwards every
rating that was acknowledged is in the export, none twice.
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
from tests.surveys import JOIN, Process, bearer, make_survey, write_sounds

pytestmark = pytest.mark.process

PARTICIPANTS, KILLS, WITHDRAWALS = 200, 2, 20
TABLE = """\
file,item,role,condition,lowest
0.wav,a,trial,max,
1.wav,b,trial,average,
2.wav,c,trial,max,
3.wav,d,catch,,4
"""
ALWAYS = Rate(burst=1e9, per_second=1e9)


@dataclass
class Crowd:
    """Participants that are as careless as people and networks are."""

    url: str
    #: (token, place) -> rating, as soon as the server has said so.
    acknowledged: dict[tuple[str, int], int] = field(default_factory=dict)
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
                    k = (await self.ask(client, "GET", "/api/session")).json()["next"]
                if k is None:
                    break
                sound = await self.ask(client, "GET", f"/api/trials/{k}/sound")
                assert sound.content.startswith(b"RIFF")
                what = chance.integers(4)
                reload = what < 2
                k = await self.rate(client, joined["token"], k, 1 + (number + k) % 5, what)
            if number < WITHDRAWALS:
                await self.ask(client, "POST", "/api/withdraw", json={"code": joined["code"]})
                self.gone.add(joined["token"])

    async def rate(
        self, client: httpx.AsyncClient, token: str, k: int, rating: int, what: int
    ) -> int | None:
        """Send a rating: hang up (0), once, or twice at the same time (3); return what is next."""
        path, body = f"/api/trials/{k}/rating", {"rating": rating, "plays": 1, "seconds": 1.0}
        if what == 0:
            await self.hang_up(path, token, body)
            return k
        times = 2 if what == 3 else 1
        put = [self.ask(client, "PUT", path, json=body) for _ in range(times)]
        replies = await asyncio.gather(*put)
        if 403 in {reply.status_code for reply in replies}:
            return k  # a server that came back does not know of the sound: ask for it again
        for reply in replies:
            assert (reply.status_code, reply.json()["rating"]) == (200, rating), reply.text
            self.acknowledged[token, k] = rating
        return reply.json()["next"]


async def run(server: Process, folder: Path, log: Path) -> tuple[Crowd, Process]:
    """Let all take part, and kill the server meanwhile."""
    port = httpx.URL(server.url).port
    crowd = Crowd(server.url)
    tasks = [asyncio.create_task(crowd.take_part(n)) for n in range(PARTICIPANTS)]
    for kill in range(1, KILLS + 1):
        while len(crowd.acknowledged) < 700 * kill / (KILLS + 1):
            await asyncio.sleep(0.01)
            assert not any(task.done() and task.exception() for task in tasks)
        server.kill()
        server = await asyncio.to_thread(Process, folder, port, log=log)
    await asyncio.gather(*tasks)
    return crowd, server


def test_two_hundred_at_once_and_a_server_that_is_killed(tmp_path):
    table = write_sounds(tmp_path / "tones", TABLE)
    options = {"question": "quality", "table": table, "repeats": 1}
    folder = build(table.parent, tmp_path / "survey", **options)
    server = Process(folder, log=tmp_path / "log")
    try:
        crowd, server = asyncio.run(run(server, folder, tmp_path / "log"))
        admin = bearer(server.admin)
        overview = httpx.get(f"{server.url}api/admin", headers=admin).json()
        text = server.text()
    finally:
        server.kill()
    assert crowd.troubles > 0
    assert len(crowd.acknowledged) > 700
    assert text.count("\n") == 3  # nothing that somebody would have to be told of

    survey = Survey.read(folder)
    with closing(Answers(folder / ANSWERS_FILE, survey.key)) as answers:
        people = {token: answers.participant(token) for token, _ in crowd.acknowledged}
        rows = [one.row for one in answers.participants()]
    export.write(folder, tmp_path / "ratings.csv")
    found = reading.read(tmp_path / "ratings.csv").table  # which refuses a rating given twice
    columns = ("listener", "item", "presentation", "position", "rating")
    found["position"] = found["position"].astype(int)
    kept = set(found[list(columns)].itertuples(index=False, name=None))
    assert len(kept) == len(found) == 5 * (PARTICIPANTS - WITHDRAWALS)
    for (token, k), rating in crowd.acknowledged.items():
        if token in crowd.gone:
            assert people[token] is None
            continue
        trial = survey.trials(people[token].row)[k]
        who = f"P{people[token].id:03}"
        place = (trial.stimulus.item, trial.presentation, trial.position)
        assert (who, *place, rating) in kept
    assert set(found["complete"]) == {"yes"}
    assert overview["participants"]["finished"] == PARTICIPANTS - WITHDRAWALS
    # Who lost the answer to their consent came twice, and those who withdrew left their rows.
    counts = np.bincount(rows, minlength=survey.rows)
    assert counts.max() - counts.min() <= WITHDRAWALS


def test_a_kill_in_the_middle_of_a_write_leaves_all_or_nothing(tmp_path):
    folder = make_survey(tmp_path)
    server = Process(folder, log=tmp_path / "log")
    reply = httpx.post(f"{server.url}api/participants", json=JOIN).json()
    who = bearer(reply["token"])
    sound = "api/trials/0/sound"
    httpx.get(f"{server.url}{sound}", headers=who)
    url = httpx.URL(server.url)
    text = json.dumps({"rating": 4, "plays": 1, "seconds": 1.0})
    head = (
        "PUT /api/trials/0/rating HTTP/1.1\r\nHost: localhost\r\n"
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
        answer = client.put("/api/trials/0/rating", json={"rating": 4, "plays": 1, "seconds": 2.0})
        assert answer.json() == {"rating": 4, "next": 1}


@pytest.mark.parametrize("who", ["participant", "admin", "nobody"])
def test_the_api_is_as_its_schema_says(tmp_path, who):
    """Fuzzing: whatever is sent, no 5xx, and every answer has the form that the schema promises."""
    with Server(make_survey(tmp_path)) as server:
        app = server._server.config.app
        everybody = Rates(participant=ALWAYS, admin=ALWAYS, register=ALWAYS, unknown=ALWAYS)
        app.state.survey = replace(app.state.survey, rates=everybody)
        joined = httpx.post(f"{server.url}api/participants", json=JOIN).json()
        tokens = {"participant": joined["token"], "admin": server.admin_url.partition("#")[2]}
        headers = bearer(tokens[who]) if who in tokens else {}
        raw = app.openapi()
        for path in raw["paths"].values():
            for operation in path.values():
                for parameter in operation.get("parameters", []):
                    parameter["schema"]["maximum"] = 12  # else nearly none is that of a trial
        schema = schemathesis.openapi.from_dict(raw)
        operations = [result.ok() for result in schema.get_all_operations()]
        assert len(operations) == 12
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
