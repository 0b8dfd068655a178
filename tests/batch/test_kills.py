"""kill -9 of the driver, of a worker, of a kernel, at random moments: the batch ends complete.

Two moments each on a small grid; twenty, with ``pytest -m slow tests/test_kills.py``, on a larger
one.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest

from nst_lib.batch.status import Status
from nst_lib.batch.store import DONE, Store

pytestmark = [pytest.mark.kernel, pytest.mark.process]

GRID = {
    "dataset": "synthetic",
    "pairs": [["snoring", "hand_saw"], ["hen", "car_horn"]],
    "factors": {"pooling": ["max", "average"]},
    "settings": {"steps": 30, "duration": 1, "n_iter": 4},
}
#: Kills, and seeds of the grid: four conditions for each.
SIZES = [(2, 1), pytest.param((20, 10), marks=pytest.mark.slow)]


def start(folder: Path, seeds: int) -> subprocess.Popen[bytes]:
    (folder / "grid.yaml").write_text(json.dumps({**GRID, "seeds": list(range(seeds))}))
    command = [Path(sys.executable).with_name("nst"), "batch", "grid.yaml", "--out", "out"]
    return subprocess.Popen(
        [*command, "--jobs", "2", "--threads", "1", "--retries", "20"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def sounds(folder: Path) -> dict[str, str]:
    """Return the checksum of each finished sound."""
    return {
        path.parent.name: hashlib.sha256(path.with_name("result.wav").read_bytes()).hexdigest()
        for path in (folder / "out" / "runs").glob(f"*/{DONE}")
    }


def kernels_and_workers(driver: int) -> tuple[list[int], list[int]]:
    """Return the processes below a driver: kernels lead a session of their own.

    The others are workers and, of each, the template that its kernels are forked from.
    """
    kernels, workers = [], []
    with suppress(psutil.Error):
        for server in psutil.Process(driver).children():
            for process in server.children(recursive=True):
                with suppress(psutil.Error, OSError):
                    leads = os.getsid(process.pid) == process.pid
                    (kernels if leads else workers).append(process.pid)
    return kernels, workers


def done(folder: Path) -> dict[str, int]:
    """Return when each finished condition was."""
    markers = (folder / "out" / "runs").glob(f"*/{DONE}")
    return {path.parent.name: path.stat().st_mtime_ns for path in markers}


class Watch:
    """Sees that nothing that is done is lost or done again."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._seen = folder, dict[str, int]()

    def __call__(self) -> None:
        now = done(self._folder)
        assert {name: now.get(name) for name in self._seen} == self._seen
        self._seen = now


def finish(driver: subprocess.Popen[bytes]) -> None:
    output, _ = driver.communicate(timeout=600)
    assert driver.returncode == 0, output


def wait(until: Callable[[], object], driver: subprocess.Popen[bytes]) -> None:
    while driver.poll() is None and not until():
        time.sleep(0.02)


def kill_the_driver(folder: Path, seeds: int, kills: int, chance: random.Random) -> int:
    """Kill a driver as it starts, or when so many more conditions are done.

    Counted in conditions, since seconds differ between machines: two that run stay to do.
    """
    watch, count = Watch(folder), 0
    for kill in range(kills):
        driver = start(folder, seeds)
        before = len(done(folder))
        more = chance.randrange(-1, max(0, (4 * seeds - before - 2) // (kills - kill) + 1))
        if more >= 0:
            wait(lambda n=before + more: len(done(folder)) >= n, driver)
            wait(lambda d=driver.pid: kernels_and_workers(d)[0], driver)
        time.sleep(chance.uniform(0, 4 if more < 0 else 1))
        everyone = [pid for pids in kernels_and_workers(driver.pid) for pid in pids]
        count += driver.poll() is None
        driver.kill()
        driver.communicate()
        watch()
        time.sleep(1)
        assert not [pid for pid in everyone if psutil.pid_exists(pid)], "a process is left"
    finish(start(folder, seeds))
    watch()
    return count


def kill_others(
    folder: Path, seeds: int, kills: int, chance: random.Random, *, kernels: bool
) -> int:
    def victims() -> list[int]:
        return kernels_and_workers(driver.pid)[0 if kernels else 1]

    watch, count = Watch(folder), 0
    driver = start(folder, seeds)
    while count < kills and driver.poll() is None:
        wait(victims, driver)
        time.sleep(chance.random())
        if present := victims():
            os.kill(chance.choice(present), signal.SIGKILL)
            count += 1
        watch()
    finish(driver)
    watch()
    return count


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], dict[str, str]]:
    """Run a grid without a break; return the checksums of its sounds."""
    found: dict[int, dict[str, str]] = {}

    def run(seeds: int) -> dict[str, str]:
        if seeds not in found:
            folder = tmp_path_factory.mktemp("expected")
            finish(start(folder, seeds))
            found[seeds] = sounds(folder)
            assert len(found[seeds]) == 4 * seeds
        return found[seeds]

    return run


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("victim", ["driver", "worker", "kernel"])
def test_nothing_is_lost_doubled_or_corrupt(
    victim: str,
    size: tuple[int, int],
    expected: Callable[[int], dict[str, str]],
    tmp_path: Path,
) -> None:
    kills, seeds = size
    chance = random.Random(victim)
    if victim == "driver":
        count = kill_the_driver(tmp_path, seeds, kills, chance)
    else:
        count = kill_others(tmp_path, seeds, kills, chance, kernels=victim == "kernel")
    assert count == kills
    assert sounds(tmp_path) == expected(seeds)
    store = Store(tmp_path / "out")
    assert all(store.finished(name) for name in expected(seeds))
    assert Status.read(store).counts["done"] == 4 * seeds
    table = pd.read_csv(tmp_path / "out" / "results.csv")
    assert sorted(table["id"]) == sorted(expected(seeds))
    assert not list((tmp_path / "out" / ".scratch").iterdir())
