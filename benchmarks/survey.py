"""How soon a listening test answers two hundred participants at once: benchmarks/survey.json.

Server and participants share this machine. Each participant consents, then loads, hears and rates
one sound after the other, of five seconds each. "listening": a rating about every six seconds, as
when somebody listens. "worst": as fast as the answers come. Latencies in milliseconds.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import httpx
import numpy as np
import soundfile as sf

from nst_lib.study.survey.build import build

ROOT = Path(__file__).parents[1]
NST = Path(sys.executable).with_name("nst")
PARTICIPANTS, TRIALS, THINK = 200, 10, 6.0
SECONDS, SR = 5.0, 44100


def make_survey(folder: Path) -> Path:
    generator = np.random.default_rng(0)
    names = [f"{n}.wav" for n in range(TRIALS)]
    for name in names:
        sf.write(folder / name, 0.1 * generator.standard_normal(round(SECONDS * SR)), SR)
    (folder / "sounds.csv").write_text("\n".join(["file", *names]) + "\n")
    table, out = folder / "sounds.csv", folder / "survey"
    return build(folder, out, question="quality", table=table, repeats=0, headphones=False)


class Participants:
    """Two hundred at once, with what each of their requests took."""

    def __init__(self, url: str, think: float) -> None:
        self.url, self.think = url, think
        self.took: dict[str, list[float]] = defaultdict(list)

    async def ask(self, client: httpx.AsyncClient, name: str, path: str, **options) -> dict | None:
        method = {"consent": "POST", "rating": "PUT"}.get(name, "GET")
        began = time.perf_counter()
        reply = await client.request(method, path, **options)
        self.took[name].append(time.perf_counter() - began)
        reply.raise_for_status()
        return None if name == "sound" else reply.json()

    async def take_part(self, number: int) -> None:
        chance = np.random.default_rng(number)
        async with httpx.AsyncClient(base_url=self.url, verify=False, timeout=60) as client:
            await asyncio.sleep(self.think * chance.random())
            body = {"consent": True, "simulated": True}
            joined = await self.ask(client, "consent", "/api/participants", json=body)
            client.headers["Authorization"] = f"Bearer {joined['token']}"
            k = (await self.ask(client, "session", "/api/session"))["next"]
            while k is not None:
                await self.ask(client, "sound", f"/api/trials/{k}/sound")
                await asyncio.sleep(self.think * chance.uniform(0.8, 1.2))
                body = {"rating": int(chance.integers(1, 6)), "plays": 1, "seconds": self.think}
                k = (await self.ask(client, "rating", f"/api/trials/{k}/rating", json=body))["next"]

    async def run(self) -> dict:
        began = time.perf_counter()
        await asyncio.gather(*(self.take_part(n) for n in range(PARTICIPANTS)))
        seconds = time.perf_counter() - began
        requests = {name: np.array(took) for name, took in self.took.items()}
        found = {
            name: {
                "requests": len(took),
                **{f"p{p}": round(1e3 * np.percentile(took, p), 1) for p in (50, 95, 99)},
            }
            for name, took in requests.items()
        }
        return {
            "seconds": round(seconds, 1),
            "requests_per_second": round(sum(map(len, requests.values())) / seconds, 1),
            **found,
        }


def measure(think: float) -> dict:
    with tempfile.TemporaryDirectory() as name:
        survey = make_survey(Path(name))
        command = [NST, "survey", "serve", survey, "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            url = server.stdout.readline().split()[-1]
            try:
                return asyncio.run(Participants(url, think).run())
            finally:
                server.kill()


def main() -> None:
    found = {
        "cores": os.cpu_count(),
        "participants": PARTICIPANTS,
        "listening": measure(THINK),
        "worst": measure(0.0),
    }
    text = json.dumps(found, indent=2)
    (ROOT / "benchmarks" / "survey.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
