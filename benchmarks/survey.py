"""Measure how fast a listening test answers 200 participants at a time: benchmarks/survey.json.

The server and the participants run on this machine. Each participant consents, and then loads,
hears and rates sounds of five seconds, one after the other. There are four cases:

- "listening": each participant rates about every six seconds, as people do who listen.
- "worst": each participant rates as soon as the server has answered.
- "attacked": one participant listens and withdraws, while 260 connections stall and one client
  registers and withdraws as fast as it can over several connections. The result also says after how
  many seconds the last stalled connection was closed.
- "one core": the server has one core, and the participants have the others. There are more and more
  of them, each from an address of their own, until 95 of 100 ratings take longer than 100 ms.

Latencies are in milliseconds.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import soundfile as sf

from nst_lib.survey.build import build

ROOT = Path(__file__).parents[1]
NST = Path(sys.executable).with_name("nst")
PARTICIPANTS, TRIALS, THINK = 200, 10, 6.0
STALLED, AT_ONCE = 260, 4
#: Numbers of participants that one core is tried with, and the longest latency in milliseconds.
MORE, LONGEST = (200, 300, 400, 500, 600, 800, 1000), 100.0
SECONDS, SR = 5.0, 44100


def make_survey(folder: Path) -> Path:
    generator = np.random.default_rng(0)
    names = [f"{n}.wav" for n in range(TRIALS)]
    for name in names:
        sf.write(folder / name, 0.1 * generator.standard_normal(round(SECONDS * SR)), SR)
    (folder / "sounds.csv").write_text("\n".join(["file", *names]) + "\n")
    table, out = folder / "sounds.csv", folder / "survey"
    return build(folder, out, question="quality", table=table, repeats=0, headphones=None)


class Participants:
    """Many participants at the same time, with the latency of each request."""

    def __init__(
        self, url: str, think: float, count: int = PARTICIPANTS, *, trials: int = TRIALS
    ) -> None:
        self.url, self.think, self.count, self.trials = url, think, count, trials
        self.took: dict[str, list[float]] = defaultdict(list)

    async def ask(self, client: httpx.AsyncClient, name: str, path: str, **options) -> dict | None:
        method = {"consent": "POST", "rating": "PUT", "withdrawal": "POST"}.get(name, "GET")
        began = time.perf_counter()
        reply = await client.request(method, path, **options)
        self.took[name].append(time.perf_counter() - began)
        reply.raise_for_status()
        return None if name == "sound" else reply.json()

    async def take_part(self, number: int) -> None:
        chance = np.random.default_rng(number)
        address = {"X-Forwarded-For": f"198.51.{number // 250}.{number % 250}"}
        async with httpx.AsyncClient(
            base_url=self.url, verify=False, timeout=60, headers=address
        ) as client:
            await asyncio.sleep(self.think * chance.random())
            body = {"consent": True, "simulated": self.think == 0}
            joined = await self.ask(client, "consent", "/api/participants", json=body)
            client.headers["Authorization"] = f"Bearer {joined['token']}"
            k = (await self.ask(client, "session", "/api/session"))["next"]
            while k is not None and k < self.trials:
                await self.ask(client, "sound", f"/api/screens/{k}/sounds/0")
                await asyncio.sleep(self.think * chance.uniform(0.8, 1.2))
                body = {
                    "answer": {"rating": int(chance.integers(1, 6))},
                    "plays": [1],
                    "seconds": self.think,
                }
                k = (await self.ask(client, "rating", f"/api/screens/{k}/answer", json=body))[
                    "next"
                ]
            if self.count == 1:
                code = {"code": joined["code"]}
                await self.ask(client, "withdrawal", "/api/withdraw", json=code)

    async def run(self) -> dict:
        began = time.perf_counter()
        await asyncio.gather(*(self.take_part(n) for n in range(self.count)))
        seconds = time.perf_counter() - began
        requests = {name: np.array(took) for name, took in self.took.items()}
        found = {
            name: {
                "requests": len(took),
                **{f"p{p}": round(1e3 * np.percentile(took, p), 1) for p in (50, 95, 99, 100)},
            }
            for name, took in requests.items()
        }
        return {
            "seconds": round(seconds, 1),
            "requests_per_second": round(sum(map(len, requests.values())) / seconds, 1),
            **found,
        }


class Attack:
    """Connections that stall, and a client that sends as many requests as it can."""

    def __init__(self, url: str) -> None:
        self.url, self.flooded, self.seconds = url, 0, 0.0
        self.began = time.perf_counter()
        self.stalled = [self.stall(n) for n in range(STALLED)]

    def stall(self, n: int) -> socket.socket:
        """Send half a head, half a body, or both byte by byte."""
        address = httpx.URL(self.url)
        connection = socket.create_connection((address.host, address.port))
        head = b"POST /api/participants HTTP/1.1\r\nHost: localhost\r\n"
        body = b"Content-Type: application/json\r\nContent-Length: 40\r\n\r\n{"
        connection.sendall(head + (body if n % 2 else b""))
        connection.setblocking(False)
        return connection

    async def flood(self) -> None:
        async with httpx.AsyncClient(base_url=self.url, timeout=60) as client:
            while True:
                await client.post("/api/participants", json={"consent": True})
                await client.post("/api/withdraw", json={"code": "x"})
                self.flooded += 2

    async def watch(self) -> None:
        """Continue to stall, and measure when all connections are closed."""
        while self.stalled:
            self.stalled = [one for n, one in enumerate(self.stalled) if self.alive(n, one)]
            self.seconds = round(time.perf_counter() - self.began, 1)
            await asyncio.sleep(0.5)

    @staticmethod
    def alive(n: int, connection: socket.socket) -> bool:
        try:
            if n % 4 < 2:
                connection.send(b" ")
            return bool(connection.recv(1))
        except BlockingIOError:
            return True
        except OSError:
            return False


async def attack(url: str) -> dict:
    attack, honest = Attack(url), Participants(url, THINK, 1)
    tasks = [asyncio.create_task(attack.flood()) for _ in range(AT_ONCE)]
    tasks.append(asyncio.create_task(attack.watch()))
    found = await honest.run()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    left = {"stalled": STALLED, "left": len(attack.stalled), "seconds_to_end": attack.seconds}
    return {**left, "flooded": attack.flooded, **found}


async def take_part(url: str, think: float) -> dict:
    return await Participants(url, think).run()


async def take_part_in_three(url: str, count: int) -> dict:
    return await Participants(url, THINK, count, trials=3).run()


def one_core() -> dict:
    """Give the server one core; return the p95 of ratings for each number of participants."""
    first, *others = sorted(os.sched_getaffinity(0))
    found = {}
    for count in MORE:
        os.sched_setaffinity(0, {first})  # which the server inherits
        task = partial(take_part_in_three, count=count)
        found[count] = measure(task, cores=set(others), behind_proxy=True)["rating"]["p95"]
        os.sched_setaffinity(0, {first, *others})
        if found[count] > LONGEST:
            break
    return {"p95 by participants": found}


def measure(
    task: Callable[[str], Coroutine[None, None, dict]],
    *,
    cores: set[int] | None = None,
    behind_proxy: bool = False,
) -> dict:
    """Serve a survey and run a task, on some cores, or as a proxy that forwards addresses."""
    with tempfile.TemporaryDirectory() as name:
        survey = make_survey(Path(name))
        command = [NST, "survey", "serve", survey, "--port", "0"]
        command += ["--public-url", "http://localhost"] if behind_proxy else []
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            lines = [server.stdout.readline() for _ in range(3)]
            address = lines[2].split()[-1].rstrip("`.")
            url = f"http://{address}/" if behind_proxy else lines[0].split()[-1]
            if cores is not None:
                os.sched_setaffinity(0, cores)
            try:
                return asyncio.run(task(url))
            finally:
                server.kill()


def main() -> None:
    found = {
        "cores": os.cpu_count(),
        "participants": PARTICIPANTS,
        "listening": measure(partial(take_part, think=THINK)),
        "worst": measure(partial(take_part, think=0.0)),
        "attacked": measure(attack),
        "one core": one_core(),
    }
    text = json.dumps(found, indent=2)
    (ROOT / "benchmarks" / "survey.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
