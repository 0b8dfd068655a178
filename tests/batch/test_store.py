"""Where a batch keeps its results: in a folder, and on a real FTP server."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from nst_lib.batch.store import DONE, Store
from tests.batch.test_driver import write_grid

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def ftp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server in a process of its own, as URL, and the folder that it serves."""
    folder = tmp_path_factory.mktemp("ftp")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    options = ["-i", "127.0.0.1", "-p", port, "-d", folder, "-u", "user", "-P", "word", "-w"]
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "pyftpdlib", *options], stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + 30
    while True:
        with socket.socket() as client:
            if not client.connect_ex(("127.0.0.1", int(port))):
                break
        assert time.monotonic() < end, "no server"
        time.sleep(0.1)
    yield f"ftp://user:word@127.0.0.1:{port}", folder
    server.terminate()
    server.wait(timeout=10)


@pytest.fixture(params=["folder", "ftp"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        made = Store(tmp_path / "out")
    else:
        made = Store(f"{request.getfixturevalue('ftp')[0]}/{tmp_path.name}")
    made.make()
    return made


def publish(store: Store, text: str = "sound") -> None:
    with store.scratch("run") as folder:
        (folder / "result.wav").write_text(text)
        (folder / "metrics.json").write_text("{}")
        store.publish(folder, "run", {"seconds": 1.5})


def test_what_workers_share_is_there_before_them(ftp):
    store = Store(f"{ftp[0]}/shared")
    store.make()
    assert store.exists("runs")
    store.make()


def test_a_server_that_lets_nobody_write(ftp):
    url, folder = ftp
    (folder / "file").touch()
    with pytest.raises(ValueError, match=r"ftp.*/file/out: cannot write here \(.*\)"):
        Store(f"{url}/file/out").make()


def test_files_come_back_as_they_were_written(store):
    store.write("runs/a/b.txt", b"first")
    store.write("runs/a/b.txt", b"second")
    assert store.read("runs/a/b.txt") == b"second"
    assert store.exists("runs/a")
    assert not store.exists("runs/b")
    with pytest.raises(FileNotFoundError):
        store.read("runs/a/c.txt")
    assert store.read_json("none.json") == {}
    store.write_json("some.json", {"a": 1})
    assert store.read_json("some.json") == {"a": 1}


def test_what_is_published_is_finished_and_replaces_what_was_there(store):
    assert store.finished("run") is None
    store.write("runs/run/failed.json", b"{}")
    publish(store)
    assert store.finished("run")["seconds"] == 1.5
    assert not store.exists("runs/run/failed.json")
    publish(store, "another")
    assert store.read("runs/run/result.wav") == b"another"
    store.write("runs/run/result.wav", b"spoilt")
    assert store.finished("run") is None
    publish(store)
    store.remove("run")
    assert not store.exists("runs/run")


def test_scratch_is_gone_and_litter_is_swept(tmp_path):
    store = Store(tmp_path)
    store.make()
    with store.scratch("run") as folder:
        assert folder.parent == tmp_path / ".scratch"
    assert not folder.exists()
    (tmp_path / ".scratch" / "left").mkdir()
    (tmp_path / ".scratch" / "left" / "half.wav").touch()
    (tmp_path / ".scratch" / ".status-x.json").touch()
    store.checkpoint("run").touch()
    store.clear_scratch()
    assert os.listdir(tmp_path / ".scratch") == ["run.ckpt"]


def test_published_folders_have_usual_permissions(tmp_path):
    store = Store(tmp_path)
    store.make()
    publish(store)
    (tmp_path / "usual").mkdir()
    assert (tmp_path / "runs" / "run").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_batch_into_a_url(nst, ftp, tmp_path):
    url, folder = ftp
    write_grid(tmp_path)
    done = nst("batch", "grid.yaml", "--out", f"{url}/batch")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "2 conditions: 2 done")
    table = pd.read_csv(folder / "batch" / "results.csv")
    assert all((folder / "batch" / path).is_file() for path in table["sound"])
    assert len(list((folder / "batch" / "runs").glob(f"*/{DONE}"))) == 2
    assert nst("status", f"{url}/batch").stdout == "2 conditions: 2 done\n"
    again = nst("batch", "grid.yaml", "--out", f"{url}/batch")
    assert (again.returncode, again.stderr) == (0, "")
    assert nst("batch", "grid.yaml", "--out", "ftp://127.0.0.1:1/x").returncode == 2
