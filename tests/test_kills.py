"""kill -9 of the driver, of a worker, of a kernel, at random moments: what is resumed is complete.

Twenty moments each with ``pytest -m 'slow or not slow' tests/test_kills.py``; one each otherwise.
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil
import pytest

from nst_lib.study.status import Status
from nst_lib.study.store import DONE, Store

GRID = """
dataset: synthetic
pairs: [[snoring, hand_saw], [hen, car_horn]]
factors: {pooling: [max, average]}
settings: {steps: 30, duration: 1, n_iter: 4}
"""
TRIALS = 20


@dataclass(frozen=True)
class Reference:
    """The grid, run without a break: how long it took, and what came of it."""

    seconds: float
    sounds: dict[str, str]


def start(folder: Path, *options: object) -> subprocess.Popen[bytes]:
    (folder / "grid.yaml").write_text(GRID)
    command = [Path(sys.executable).with_name("nst"), "batch", "grid.yaml", "--out", "out"]
    return subprocess.Popen(
        [*command, "--jobs", "2", *map(str, options)],
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
    """Return the processes below a driver: kernels lead a session of their own."""
    kernels, workers = [], []
    try:
        children = psutil.Process(driver).children(recursive=True)
    except psutil.Error:
        return [], []
    server = next((p for p in children if "forkserver" in " ".join(_command(p))), None)
    for process in children:
        try:
            if server is not None and process.ppid() == server.pid:
                (kernels if os.getsid(process.pid) == process.pid else workers).append(process.pid)
        except (psutil.Error, OSError):
            continue
    return kernels, workers


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def wait_for_victim(driver: subprocess.Popen[bytes], kind: str, chance: random.Random) -> int:
    """Return a process of a kind as soon as there is one; 0 if the driver ended before."""
    while driver.poll() is None:
        kernels, workers = kernels_and_workers(driver.pid)
        candidates = {"driver": [driver.pid], "worker": workers, "kernel": kernels}[kind]
        if candidates:
            return chance.choice(candidates)
        time.sleep(0.02)
    return 0


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    folder = tmp_path_factory.mktemp("reference")
    began = time.monotonic()
    driver = start(folder)
    output, _ = driver.communicate(timeout=300)
    assert driver.returncode == 0, output
    assert len(sounds(folder)) == 4
    return Reference(seconds=time.monotonic() - began, sounds=sounds(folder))


@pytest.mark.parametrize(
    "trial", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, TRIALS))]
)
@pytest.mark.parametrize("kind", ["driver", "worker", "kernel"])
def test_nothing_is_lost_doubled_or_corrupt(
    kind: str, trial: int, reference: Reference, tmp_path: Path
) -> None:
    chance = random.Random(f"{kind} {trial}")
    driver = start(tmp_path)
    time.sleep(chance.uniform(0, reference.seconds))
    victim = wait_for_victim(driver, kind, chance)
    everyone = [pid for pids in kernels_and_workers(driver.pid) for pid in pids]
    kept = {
        path: path.stat().st_mtime_ns
        for path in (tmp_path / "out" / "runs").glob(f"*/{DONE}")
        if victim
    }
    if victim:
        os.kill(victim, signal.SIGKILL)
    output, _ = driver.communicate(timeout=300)
    if kind == "driver":
        time.sleep(2)
        assert not [pid for pid in everyone if psutil.pid_exists(pid)], "a process is left"
        again = start(tmp_path)
        output, _ = again.communicate(timeout=300)
        assert again.returncode == 0, output
    else:
        assert driver.returncode == 0, output
    assert sounds(tmp_path) == reference.sounds
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())
    store = Store(tmp_path / "out")
    assert all(store.finished(name) for name in reference.sounds)
    assert Status.read(store).counts["done"] == len(reference.sounds)
    table = pd.read_csv(tmp_path / "out" / "results.csv")
    assert sorted(table["id"]) == sorted(reference.sounds)
    assert not list((tmp_path / "out" / ".scratch").iterdir())
