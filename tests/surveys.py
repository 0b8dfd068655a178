"""Small listening tests, built from tones, for the tests of the survey."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import soundfile as sf

from nst_lib.survey.build import build

NST = Path(sys.executable).with_name("nst")
JOIN = {"consent": True, "simulated": True}
ANSWER = {"answer": {"rating": 3}, "plays": [1], "seconds": 4.5}
#: With six trials: two factors of two levels, and pairs.
TABLE = """\
file,item,role,pair,transform,pooling,description,lowest,highest
0.wav,a,trial,hens,stft,max,a hen,,
1.wav,b,trial,hens,stft,average,a hen,,
2.wav,c,trial,hens,cqt,max,a hen,,
3.wav,d,trial,saws,cqt,average,a saw,,
4.wav,e,trial,saws,stft,max,a saw,,
5.wav,f,trial,saws,stft,average,a saw,,
6.wav,easy,training,hens,,,a hen,,
7.wav,good,catch,hens,,,a hen,4,
8.wav,poor,catch,saws,,,a hen,,2
"""


def write_sounds(folder: Path, table: str = TABLE, *, seconds: float = 0.3, sr: int = 8000) -> Path:
    """Write a table and its sounds, tones of different pitch and level; return the table."""
    folder.mkdir(exist_ok=True)
    time = np.arange(round(sr * seconds)) / sr
    for n, line in enumerate(table.splitlines()[1:]):
        tone = 10 ** (-(10 + n) / 20) * np.sin(2 * np.pi * (300 + 50 * n) * time)
        sf.write(folder / line.split(",")[0], tone, sr)
    path = folder / "sounds.csv"
    path.write_text(table)
    return path


def make_survey(folder: Path, *, seconds: float = 0.3, **options: object) -> Path:
    table = write_sounds(folder / "tones", seconds=seconds)
    settings = {"question": "style", "table": table, "repeats": 1, **options}
    return build(table.parent, folder / "survey", **settings)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class Process:
    """`nst survey serve` as a user runs it, in a process of its own."""

    def __init__(self, folder: Path, port: int = 0, *, log: Path) -> None:
        self._log = log.open("a+")
        self._start = self._log.seek(0, os.SEEK_END)
        command = [NST, "survey", "serve", folder, "--port", str(port)]
        self.process = subprocess.Popen(command, stdout=self._log, stderr=self._log, text=True)
        for _ in range(300):
            text = self.text()
            if "admin: " in text and text.endswith("\n"):
                break
            assert self.process.poll() is None, text
            time.sleep(0.1)
        self.url = text.split("admin: ")[1].split("admin#")[0]
        self.admin = text.split("admin#")[1].split()[0]

    def text(self) -> str:
        """Return what it has printed."""
        self._log.seek(self._start)
        return self._log.read()

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()
        self._log.close()


@contextmanager
def served(folder: Path, log: Path) -> Iterator[Process]:
    server = Process(folder, log=log)
    try:
        yield server
    finally:
        server.kill()


def rate(client: httpx.Client, k: int, rating: float = 3) -> httpx.Response:
    """Ask for a sound and rate it; see :func:`answer`."""
    return answer(client, k, {"rating": rating})


def answer(
    client: httpx.Client, k: int, given: dict[str, object], *, sounds: int = 1
) -> httpx.Response:
    """Ask for the sounds of a screen and answer, as soon as that can be.

    Simulated participants need not wait.
    """
    for n in range(sounds):
        while client.get(f"/api/screens/{k}/sounds/{n}").status_code == 429:
            time.sleep(0.1)
    body = {"answer": given, "plays": [1] * sounds, "seconds": 4.5}
    while (reply := client.put(f"/api/screens/{k}/answer", json=body)).status_code in (403, 429):
        time.sleep(0.05)
    return reply


def rate_all(client: httpx.Client, *, rating: int | None = None) -> int:
    """Give all ratings that are missing; return how many that were."""
    count, k = 0, client.get("/api/session").json()["next"]
    while k is not None:
        reply = rate(client, k, 1 + k % 5 if rating is None else rating)
        assert reply.status_code == 200, reply.text
        count, k = count + 1, reply.json()["next"]
    return count
