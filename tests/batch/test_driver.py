"""`nst batch` as a user runs it: real notebooks in real kernels, with all that can go wrong."""

import base64
import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from PIL import Image

from nst_lib import __version__
from nst_lib.batch import driver as batch
from nst_lib.batch import unit
from nst_lib.batch.grid import read_grid
from nst_lib.batch.store import Store
from nst_lib.batch.unit import FILES, WIDEST, Limits
from nst_lib.metrics import weights
from tests.conftest import ROOT

pytestmark = [pytest.mark.kernel, pytest.mark.process]

SMALL = {"steps": 4, "duration": 1, "n_iter": 2}
GRID = {
    "dataset": "synthetic",
    "pairs": [["snoring", "hand_saw"]],
    "factors": {"pooling": ["max", "average"]},
    "settings": SMALL,
}
NST = Path(sys.executable).with_name("nst")

Nst = Callable[..., subprocess.CompletedProcess[str]]


def write_grid(folder: Path, **keys: object) -> Path:
    path = folder / "grid.yaml"
    path.write_text(json.dumps({**GRID, **keys}))
    return path


def pictures_of(output: dict) -> Iterator[Image.Image]:
    """Yield the pictures of an output of a notebook."""
    for kind, data in output.get("data", {}).items():
        if kind.startswith("image/"):
            yield Image.open(io.BytesIO(base64.b64decode(data)))


def contents(folder: Path) -> dict[str, int]:
    """Return when every file was written."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and "runs" in path.parts
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a grid and its finished batch."""
    folder = tmp_path_factory.mktemp("batch")
    write_grid(folder)
    command = [NST, "batch", "grid.yaml", "--out", "out"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    hint = [] if weights.find() else [weights.MISSING]
    said = ["2 conditions: 2 done", *hint, "out/results.csv"]
    assert (done.returncode, done.stdout.splitlines()) == (0, said)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("running")]
    assert len(lines) == 2
    assert all(
        re.fullmatch(rf"\[{n}/2\] done snoring-hand_saw-(max|average)-0-\w{{10}} \(\d+ s\)", line)
        for n, line in enumerate(lines, 1)
    )
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, to do things to."""
    shutil.copytree(finished, tmp_path / "copy")
    return tmp_path / "copy"


def test_every_condition_leaves_a_whole_folder(finished):
    runs = sorted((finished / "out" / "runs").iterdir())
    assert len(runs) == 2
    for run in runs:
        assert sorted(path.name for path in run.iterdir()) == sorted([*FILES, "done"])
        y, sr = sf.read(run / "result.wav")
        assert (sr, y.shape) == (22050, (22050,))
        assert 0 < np.abs(y).max() < 1
        metrics = json.loads((run / "metrics.json").read_text())
        assert metrics["condition"]["id"] == run.name
        assert metrics["config"]["pooling"] == metrics["condition"]["factors"]["pooling"]
        assert metrics["versions"]["nst-lib"] == __version__
        assert len(metrics["losses"]) == 4


def test_the_executed_notebook_is_a_report_without_the_lesson(finished):
    for path in (finished / "out" / "runs").glob("*/notebook.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        tags = [cell.metadata.get("tags", []) for cell in notebook.cells]
        assert ["injected-parameters"] in tags
        assert ["lesson"] not in tags
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert all(cell.execution_count for cell in code)
        outputs = [output for cell in code for output in cell.outputs]
        pictures = [p for o in outputs for p in pictures_of(o)]
        assert [picture.format for picture in pictures] == ["PNG", "JPEG"]
        assert max(picture.width for picture in pictures) == WIDEST
        assert not [output for output in outputs if output.output_type == "error"]


def test_results_are_one_tidy_row_for_each_sound(finished):
    table = pd.read_csv(finished / "out" / "results.csv")
    assert list(table["pooling"]) == ["max", "average"]
    assert set(table["factors"]) == {"pooling"}, "the table says what was varied"
    assert set(table["pair"]) == {"snoring over hand saw"}
    assert table[["timbre", "texture", "rhythm", "noise", "realised style"]].notna().all(axis=None)
    known = {"ear", "ear content"} & set(table)
    assert known == ({"ear", "ear content"} if weights.find() else set())
    assert table[sorted(known)].notna().all(axis=None)
    assert (table["loss best"] < table["loss start"]).all()
    assert (table["seconds notebook"] > table["seconds total"]).all()
    for column in ("sound", "figure", "metrics", "notebook"):
        assert all((finished / "out" / path).is_file() for path in table[column])


def test_the_inputs_are_kept_as_they_were_used(finished):
    for path in (finished / "out" / "inputs").iterdir():
        y, sr = sf.read(path)
        assert (sr, y.shape) == (22050, (22050,))
        assert 20 * np.log10(np.sqrt(np.mean(y**2))) == pytest.approx(-26, abs=0.1)


def test_a_finished_batch_is_not_run_again(nst, folder, finished):
    before = contents(folder / "out")
    again = nst("batch", folder / "grid.yaml", "--out", folder / "out")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.startswith("2 conditions: 2 done\n")
    assert contents(folder / "out") == before


def test_what_changed_is_run_and_the_rest_is_not(nst, folder):
    before = contents(folder / "out")
    write_grid(folder, factors={"pooling": ["max", "none"]})
    again = nst("batch", folder / "grid.yaml", "--out", folder / "out")
    assert again.stderr.count("done snoring-hand_saw-none-0") == 1
    assert again.stderr.count("\n") == 1
    after = contents(folder / "out")
    assert {name: after[name] for name in before} == before
    table = pd.read_csv(folder / "out" / "results.csv")
    assert list(table["pooling"]) == ["max", "none"]


def test_a_changed_notebook_is_a_changed_condition(nst, folder, tmp_path):
    notebook = nbformat.read(ROOT / "notebooks" / "07_transfer.ipynb", as_version=4)
    notebook.cells[-1].source += "More exercises."  # of the lesson, which a batch does not run
    path = tmp_path / "mine.ipynb"
    nbformat.write(notebook, path)
    command = ("batch", folder / "grid.yaml", "--out", folder / "out", "--notebook", path)
    assert nst(*command).stderr == ""
    notebook.cells.append(nbformat.v4.new_code_cell("print('mine')"))
    nbformat.write(notebook, path)
    assert nst(*command).stderr.count("done") == 2


@pytest.mark.parametrize("harms", [{"max": "shorter", "average": "gone"}, {"max": "no marker"}])
def test_a_damaged_result_is_made_again(nst, folder, harms):
    sounds = {}
    for pooling, harm in harms.items():
        run = next((folder / "out" / "runs").glob(f"*-{pooling}-*"))
        sounds[run / "result.wav"] = sound = (run / "result.wav").read_bytes()
        if harm == "shorter":
            (run / "result.wav").write_bytes(sound[:-10])
        else:
            (run / {"gone": "result.wav", "no marker": "done"}[harm]).unlink()
    again = nst("batch", folder / "grid.yaml", "--out", folder / "out")
    for pooling in harms:
        assert again.stderr.count(f"done snoring-hand_saw-{pooling}-0") == 1
    assert again.stderr.count("] done ") == len(harms)
    assert {path: path.read_bytes() for path in sounds} == sounds


def test_status_and_dry_run_write_nothing(nst, folder):
    before = contents(folder)
    assert nst("status", folder / "out").stdout == "2 conditions: 2 done\n"
    write_grid(folder, factors={"pooling": ["max", "none"]})
    dry = nst("batch", folder / "grid.yaml", "--out", folder / "out", "--dry-run")
    first, second, total = dry.stdout.splitlines()
    assert re.fullmatch(r"snoring-hand_saw-max-0-\w+ +done", first)
    assert re.fullmatch(r"snoring-hand_saw-none-0-\w+ +\d+ s +0\.\d GB", second)
    assert re.match(r"2 conditions, 1 to run: about 1\d s with 2 at a time, up to 0\.", total)
    assert re.search(
        r"GB each, if this machine \(\d+ cores\) does nothing else($|; about .* if its load stays)",
        total,
    )
    assert contents(folder) == before
    assert nst("batch", folder / "grid.yaml", "--out", "nowhere", "--dry-run").returncode == 0
    assert not (folder / "nowhere").exists()


def test_one_that_fails_does_not_stop_the_others(nst, tmp_path):
    grid = write_grid(
        tmp_path,
        dataset=".",
        pairs=[["good", "gone"], ["good", "other"]],
        factors={},
    )
    for name in ("good", "gone", "other"):
        y = np.random.default_rng(len(name)).normal(size=22050) * 0.1
        sf.write(tmp_path / f"{name}.wav", y, 22050)
    driver = start(tmp_path, grid, "--jobs", "1")
    wait_for(tmp_path / "out" / "batch.json")
    (tmp_path / "gone.wav").unlink()
    output, _ = driver.communicate(timeout=120)
    assert driver.returncode == 1
    assert "2 conditions: 1 done, 1 failed\n" in output
    (line,) = [line for line in output.splitlines() if line.startswith("failed")]
    assert re.search(r"failed good-gone-0-\w+ .*: gone: cannot read .*gone.wav \(No such", line)
    assert f"failed {line[7:]}" in nst("status", "out").stdout
    refused = nst("batch", "grid.yaml", "--out", "out")
    assert refused.returncode == 2
    assert "unknown clip 'gone'" in refused.stderr
    sf.write(tmp_path / "gone.wav", y, 22050)
    assert nst("batch", "grid.yaml", "--out", "out").returncode == 0
    assert nst("status", "out").stdout == "2 conditions: 2 done\n"


def start(
    folder: Path, grid: Path, *options: str, out: Path = Path("out")
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [NST, "batch", grid, "--out", out, *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(path: Path, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"no {path.name}"
        time.sleep(0.05)


def wait_for_running(folder: Path) -> None:
    end = time.monotonic() + 240
    while '"step"' not in (text := _read(folder / "out" / "status.json")):
        assert time.monotonic() < end, text
        time.sleep(0.1)


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_a_changed_input_is_noticed(tmp_path):
    for name in ("a", "b"):
        y = np.random.default_rng(0).normal(size=22050) * 0.1
        sf.write(tmp_path / f"{name}.wav", y, 22050)
    driver = start(tmp_path, write_grid(tmp_path, dataset=".", pairs=[["a", "b"]], factors={}))
    wait_for(tmp_path / "out" / "batch.json")
    sf.write(tmp_path / "a.wav", y[:-1], 22050)
    output, _ = driver.communicate(timeout=120)
    assert driver.returncode == 1
    assert re.search(r"failed .*: a: .*a\.wav has changed since the batch was started", output)


def test_changed_weights_are_noticed(tmp_path):
    (tmp_path / "w.pt").write_bytes(b"some")
    settings = {**SMALL, "preset": "huzaifah2020", "weights": "w.pt"}
    path = write_grid(tmp_path, factors={}, settings=settings)
    planned = batch.plan(read_grid(path), tmp_path / "out")
    (name,) = planned.left
    (tmp_path / "w.pt").write_bytes(b"others")
    status = batch.run(
        planned,
        jobs=1,
        limits=Limits(),
        runner=lambda units: ((one.id, unit.run(one)) for one in units),
        expected={name: 1.0},
    )
    expected = rf"setting weights: {tmp_path}/w.pt has changed since the batch was started"
    assert (status.entries[name].state, status.entries[name].message) == ("failed", expected)
    assert name not in batch.plan(read_grid(path), tmp_path / "out").left, "another, to be run"


def test_a_notebook_that_fails_is_kept_with_its_traceback(nst, tmp_path):
    notebook = nbformat.read(ROOT / "notebooks" / "07_transfer.ipynb", as_version=4)
    cell = nbformat.v4.new_code_cell("if pooling == 'max':\n    raise ArithmeticError('no\\nway')")
    notebook.cells.insert(4, cell)
    nbformat.write(notebook, tmp_path / "mine.ipynb")
    write_grid(tmp_path)
    done = nst("batch", "grid.yaml", "--out", "out", "--notebook", "mine.ipynb")
    assert done.returncode == 1
    assert "2 conditions: 1 done, 1 failed\n" in done.stdout
    assert re.search(
        r"failed snoring-hand_saw-max-0-\w+ \(\d+ s\): ArithmeticError: no way", done.stdout
    )
    (run,) = (tmp_path / "out" / "runs").glob("*-max-*")
    assert sorted(path.name for path in run.iterdir()) == ["failed.ipynb", "failed.json"]
    assert "ArithmeticError" in (run / "failed.ipynb").read_text()
    assert len(pd.read_csv(tmp_path / "out" / "results.csv")) == 1


@pytest.mark.parametrize(
    ("option", "state", "reason"),
    [
        (("--timeout", 4), "timed-out", r"took longer than 4 s"),
        (("--memory", 0.1), "killed", r"took 0\.\d GB, and the limit is 0\.1 GB for each job"),
    ],
)
def test_limits(nst, tmp_path, option, state, reason):
    write_grid(tmp_path, factors={}, settings={**SMALL, "steps": 100000})
    done = nst("batch", "grid.yaml", "--out", "out", *option)
    assert done.returncode == 1
    assert f"1 conditions: 1 {state}\n" in done.stdout
    assert re.search(rf"{state} snoring-hand_saw-0-\w+ \(\d+ s\): {reason}", done.stdout)
    assert nst("status", "out").stdout.startswith(f"1 conditions: 1 {state}\n")
    assert not list((tmp_path / "out" / ".scratch").glob("*/"))


def test_a_dead_kernel_is_replaced_but_not_for_ever(nst, tmp_path):
    notebook = nbformat.read(ROOT / "notebooks" / "07_transfer.ipynb", as_version=4)
    notebook.cells.insert(4, nbformat.v4.new_code_cell("import os\nos.kill(os.getpid(), 9)"))
    nbformat.write(notebook, tmp_path / "mine.ipynb")
    write_grid(tmp_path, factors={})
    done = nst("batch", "grid.yaml", "--out", "out", "--notebook", "mine.ipynb", "--retries", 1)
    assert done.returncode == 1
    assert re.search(r"killed .*attempt 2\): the kernel died 2 times", done.stdout)


def test_ctrl_c_stops_and_the_same_command_goes_on(nst, tmp_path):
    settings = {**SMALL, "steps": 2000}
    grid = write_grid(tmp_path, settings=settings)
    driver = start(tmp_path, grid)
    wait_for_running(tmp_path)
    status = nst("status", "out").stdout
    assert re.search(r"running snoring-hand_saw-\w+-0-\w+: \S.*, \d+ of 2000, style", status)
    assert f"driver: process {driver.pid}" in status
    second = nst("batch", "grid.yaml", "--out", "out")
    assert second.returncode == 2
    assert second.stderr == (
        "nst: out: another `nst batch` is writing there: see `nst status out`, or choose another "
        "folder\n"
    )
    os.killpg(driver.pid, signal.SIGINT)
    output, _ = driver.communicate(timeout=20)
    assert driver.returncode == 130
    assert "nst: interrupted: run the same command again to continue" in output
    assert "Traceback" not in output
    status = nst("status", "out").stdout
    assert "queued" in status
    assert "running snoring" not in status
    assert "no driver is running" in status
    write_grid(tmp_path, settings=SMALL)
    assert nst("batch", "grid.yaml", "--out", "out").returncode == 0


def test_bars_on_a_terminal(tmp_path):
    grid = write_grid(tmp_path)
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 160))
    command = [NST, "batch", grid, "--out", "out"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=follower, stderr=follower) as driver:
        os.close(follower)
        shown = b""
        while driver.poll() is None or shown[-1:] != b"\n":
            try:
                shown += os.read(leader, 4096)
            except OSError:
                break
    os.close(leader)
    text = shown.decode()
    assert driver.returncode == 0, text
    assert "2/2" in text
    assert "snoring-hand_saw-max-0" in text
    assert re.search(r"\d/4 .*style", text)
    assert "2 conditions: 2 done" in text


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(nst, tiny_disk, tmp_path):
    write_grid(tmp_path, factors={"pooling": ["max", "average", "none"]})
    done = nst("batch", "grid.yaml", "--out", tiny_disk / "out", "--jobs", 1)
    assert done.returncode == 1
    assert re.search(r"failed .*No space left on device", done.stdout)
    assert "Traceback" not in done.stderr
    states = nst("status", tiny_disk / "out").stdout.splitlines()[0]
    assert states in done.stdout
    ended = int(re.search(r"(\d) done", states)[1]) if "done" in states else 0
    store = Store(tiny_disk / "out")
    names = [path.name for path in (tiny_disk / "out" / "runs").iterdir()]
    assert sum(store.finished(name) is not None for name in names) == ended
    subprocess.run(["mount", "-o", "remount,size=50m", str(tiny_disk)], check=True)
    assert nst("batch", "grid.yaml", "--out", tiny_disk / "out").returncode == 0
    assert nst("status", tiny_disk / "out").stdout == "3 conditions: 3 done\n"


def test_output_that_turns_read_only(nst, tiny_disk, tmp_path):
    subprocess.run(["mount", "-o", "remount,size=50m", str(tiny_disk)], check=True)
    write_grid(tmp_path)
    out = tiny_disk / "out"
    driver = start(tmp_path, tmp_path / "grid.yaml", "--jobs", "1", out=out)
    wait_for(out / "status.json")
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "none", str(out / ".scratch")]
    subprocess.run(mount, check=True)
    output, _ = driver.communicate(timeout=120)
    subprocess.run(["umount", str(out / ".scratch")], check=True)
    assert driver.returncode == 1
    assert re.search(r"failed .*: Read-only file system: ", output)
    assert "Traceback" not in output
    assert nst("batch", "grid.yaml", "--out", out).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.yaml", "--out", "out"), "none.yaml: cannot read (No such file or directory)"),
        (("grid.yaml", "--out", "/proc/no/out"), "/proc/no/out: cannot write here"),
        (("grid.yaml", "--out", "nope://out"), "nope://out: Protocol not known: nope"),
        (
            ("grid.yaml", "--out", "out", "--notebook", "no.ipynb"),
            "no.ipynb: cannot read (No",
        ),
        (("grid.yaml", "--out", "out", "--notebook", "grid.yaml"), "grid.yaml: is not a notebook"),
        (("grid.yaml", "--out", "out", "--set", "pooling=max"), "grid.yaml: pooling is both"),
        (("grid.yaml", "--out", "out", "--set", "stps=1"), "grid.yaml: unknown setting 'stps'"),
        (("grid.yaml", "--out", "out", "--resource", "GPU=1"), "--resource without --dask"),
        (
            ("grid.yaml", "--out", "out", "--set", "style_layers=relu9"),
            "grid.yaml: style_layers",
        ),
        (("grid.yaml", "--out", "out", "--jobs", "0"), "Invalid value for '--jobs'"),
    ],
)
def test_bad_input_is_refused_in_one_line(nst, tmp_path, arguments, message):
    write_grid(tmp_path)
    result = nst("batch", *arguments)
    assert result.returncode == 2
    assert result.stderr.startswith(f"nst: {message}")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_settings_that_do_not_go_together_are_refused_before_anything_runs(nst, tmp_path):
    write_grid(tmp_path, factors={}, settings={**SMALL, "orientation": "2d", "pooling": "max"})
    result = nst("batch", "grid.yaml", "--out", "out")
    assert result.returncode == 2
    assert "pooling 'max' has no closed form for orientation '2d'" in result.stderr
    assert not (tmp_path / "out").exists()


def test_status_of_what_is_no_batch(nst, tmp_path):
    result = nst("status", "nothing")
    assert result.returncode == 2
    assert result.stderr == (
        "nst: nothing: holds no batch: choose a folder that `nst batch` wrote to\n"
    )
