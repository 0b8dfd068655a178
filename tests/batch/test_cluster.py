"""`nst batch --dask` on a real scheduler with separate worker processes."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest

from tests.batch.test_driver import SMALL, start, wait_for_running, write_grid

pytestmark = [pytest.mark.kernel, pytest.mark.process]

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A scheduler with two workers, each a process under a nanny; they say to have a GPU each."""
    folder = tmp_path_factory.mktemp("dask")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    dask, log = BIN / "dask", (folder / "log.txt").open("wb")
    local = ["--host", "127.0.0.1", "--no-dashboard"]
    port = address.rpartition(":")[2]
    commands = [
        [dask, "scheduler", *local, "--port", port],
        [
            *(dask, "worker", address, *local, "--nworkers", "2", "--nthreads", "1"),
            *("--resources", "GPU=1", "--local-directory", folder),
        ],
    ]
    processes = [subprocess.Popen(c, stdout=log, stderr=log, cwd=folder) for c in commands]
    yield address
    for process in reversed(processes):
        process.terminate()
        process.wait(timeout=30)
    log.close()


def workers() -> list[psutil.Process]:
    """Return the workers' processes, below their nanny."""
    nannies = [
        child
        for child in psutil.Process().children()
        if command(child)[1:3] == [str(BIN / "dask"), "worker"]
    ]
    return [
        process
        for nanny in nannies
        for process in nanny.children()
        if "spawn_main" in " ".join(command(process))
    ]


def command(process: psutil.Process) -> list[str]:
    """Return a process's command line; of one that has ended, nothing."""
    with suppress(psutil.Error):
        return process.cmdline()
    return []


def kernels() -> list[psutil.Process]:
    """Return the kernels of the workers that live."""
    children = [child for worker in workers() for child in worker.children()]
    return [child for child in children if "ipykernel" in str(command(child))]


def test_a_worker_that_is_killed_costs_nothing(nst, scheduler, tmp_path):
    grid = write_grid(
        tmp_path,
        pairs=[["snoring", "hand_saw"], ["hen", "car_horn"]],
        settings={**SMALL, "steps": 100},
    )
    assert nst("status", "out").returncode == 2  # no batch yet; from now on `nst status` is quick
    driver = start(tmp_path, grid, "--dask", scheduler, "--resource", "GPU=1")
    wait_for_running(tmp_path)
    assert re.search(r"running .*\d+ of 100, style", nst("status", "out").stdout)
    victim = next(worker for worker in workers() if worker.children())
    victim.send_signal(signal.SIGKILL)
    output, _ = driver.communicate(timeout=240)
    assert driver.returncode == 0, output
    assert "4 conditions: 4 done\n" in output
    table = pd.read_csv(tmp_path / "out" / "results.csv")
    assert len(set(table["id"])) == len(table) == 4
    again = nst("batch", "grid.yaml", "--out", "out", "--dask", scheduler)
    assert (again.returncode, again.stderr) == (0, "")


def test_ctrl_c_takes_the_conditions_back(scheduler, tmp_path):
    grid = write_grid(tmp_path, settings={**SMALL, "steps": 100000})
    driver = start(tmp_path, grid, "--dask", scheduler)
    wait_for_running(tmp_path)
    assert kernels()
    os.killpg(driver.pid, signal.SIGINT)
    output, _ = driver.communicate(timeout=30)
    assert driver.returncode == 130, output
    end = time.monotonic() + 30
    while kernels():
        assert time.monotonic() < end, "a kernel is left"
        time.sleep(0.2)


def test_no_scheduler_answers(tmp_path):
    write_grid(tmp_path)
    program = "from nst_lib.cli import main\nfrom nst_lib.batch import cluster\n"
    program += "cluster._PATIENCE = 1\nmain.main()"
    options = ["batch", "grid.yaml", "--out", "out", "--dask", "tcp://127.0.0.1:1"]
    command = [sys.executable, "-c", program, *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.fullmatch(r"nst: --dask tcp://127.0.0.1:1: no scheduler answers .*\n", done.stderr)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--dask", "nonsense://"), "--dask nonsense://; accepted: tcp, tls, "),
        (("--dask", "{}", "--resource", "TPU=1"), "--resource TPU=1: no worker of {} has that"),
        (("--dask", "{}", "--resource", "GPU"), "--resource 'GPU'; accepted: NAME=COUNT"),
        (("--dask", "{}", "--jobs", 2), "--jobs with --dask: leave out --jobs"),
    ],
)
def test_bad_addresses_and_resources(nst, scheduler, tmp_path, options, message):
    write_grid(tmp_path)
    result = nst("batch", "grid.yaml", "--out", "out", *(str(o).format(scheduler) for o in options))
    assert result.returncode == 2
    assert result.stderr.startswith(f"nst: {message.format(scheduler)}")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
