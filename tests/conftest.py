"""Fixtures: real recordings where they lie beside the checkout, files to read, the command line."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# Small networks are quickest on one thread, and two processes do not wait for each other's threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell has what it runs in the background ignore Ctrl-C, and so would the commands tested here.
signal.signal(signal.SIGINT, signal.default_int_handler)

import numpy as np
import pytest
import soundfile as sf

if TYPE_CHECKING:
    from playwright.sync_api import Browser

from nst_lib.sound.datasets import ESC50_VARIABLE, Dataset, Pair, open_dataset
from tests import forked

ROOT = Path(__file__).parents[1]
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome", "chromium-browser"))),
    None,
)
#: Of Chromium; it sends nothing to anybody.
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

#: Markers that a test has because it uses a fixture.
MARKERS = {"browser": "browser", "nst": "process", "installed_nst": "process"}
#: Files that take longest: they begin first, so that no worker is left with one of them at the end.
LONGEST = (
    "batch/test_driver.py",
    "lessons/test_notebooks.py",
    "batch/test_kills.py",
    "lessons/test_lab.py",
    "site/test_docs.py",
    "cli/test_commands.py",
    "batch/test_cluster.py",
    "batch/test_gallery.py",
    "batch/test_sweep.py",
    "site/test_class.py",
    "systems/test_example_system.py",
    "show/test_player.py",
    "survey/test_page.py",
    "survey/test_load.py",
    "survey/test_api.py",
    "sound/test_bad_recordings.py",
    "train/test_training.py",
    "cli/test_opinions.py",
    "survey/test_build.py",
    "show/test_live.py",
    "batch/test_store.py",
    "opinions/test_models.py",
    "opinions/test_scores.py",
)
_RANKS = {ROOT / "tests" / name: rank for rank, name in enumerate(LONGEST)}
#: The test that runs now, unless its markers let it start processes.
_confined: list[str] = []


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the fixtures that they use, and put the longest files first."""
    for item in items:
        for fixture, marker in MARKERS.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)
    items.sort(key=lambda item: _RANKS.get(item.path, len(LONGEST)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let only a test with the marker for it start a process."""
    free = any(map(item.get_closest_marker, ("browser", "kernel", "process")))
    _confined[:] = [] if free else [item.nodeid]
    try:
        return (yield)
    finally:
        _confined.clear()


def _refuse_processes(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse programs of this environment; what a library asks of the system is its own affair."""
    if event != "subprocess.Popen" or not _confined:
        return
    if Path(str(arguments[0])).parent == Path(sys.executable).parent:
        raise RuntimeError(
            f"{_confined[0]} starts a process: mark it as browser, kernel or process"
        )


sys.addaudithook(_refuse_processes)


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """ESC-50 where NST_ESC50 names it, else the synthetic clips."""
    return open_dataset()


@pytest.fixture(scope="session")
def pair(dataset: Dataset) -> Pair:
    """The study's first pair."""
    return dataset.pairs()[0]


@pytest.fixture(scope="session")
def esc50_root() -> Path:
    root = os.environ.get(ESC50_VARIABLE)
    if not root:
        pytest.skip(f"{ESC50_VARIABLE} names no ESC-50 folder")
    return Path(root)


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """A real Chromium; without one the tests that want it are skipped, or fail in CI."""
    if CHROMIUM is None:
        give_up = pytest.fail if os.environ.get("NST_BROWSER") == "required" else pytest.skip
        give_up("there is no chromium and no chrome here")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield browser
        browser.close()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of ratings and return its path."""

    def make(text: str | bytes, name: str = "ratings.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return make


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def make_wav(tmp_path: Path) -> Callable[..., Path]:
    """Write a sound and return its path; by default a second of a 440 Hz tone."""

    def make(
        name: str = "tone.wav", y: np.ndarray | None = None, sr: int = 22050, **kwargs
    ) -> Path:
        if y is None:
            y = 0.5 * np.sin(2 * np.pi * 440 * np.arange(sr) / sr)
        path = tmp_path / name
        sf.write(path, y, sr, **kwargs)
        return path

    return make


@pytest.fixture
def installed_nst(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the installed `nst` in `tmp_path`."""

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("nst"), *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run


@pytest.fixture
def nst(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `nst` in `tmp_path`, in a fork of a process that has its imports already."""

    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return forked.run(arguments, tmp_path, **environment)

    return run
