"""Lessons and widgets in a real JupyterLab, in a real browser."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import nbconvert
import nbformat
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.lessons.test_notebooks import FOLDER, SMALL

pytestmark = [pytest.mark.kernel, pytest.mark.process]

#: Longest wait in milliseconds, for a busy machine.
PATIENCE = 120_000
TOKEN = "of-this-test"
#: Messages of JupyterLab's own pages that are not the fault of a notebook.
HARMLESS = re.compile(r"favicon|source map|apple-mobile-web-app-capable")
STOPPED = re.compile(r"^stopped after \d+ evaluations")
DECODE = """async audio => {
    const data = await (await fetch(audio.src)).arrayBuffer();
    const context = new OfflineAudioContext(1, 1, 22050);
    const samples = (await context.decodeAudioData(data)).getChannelData(0);
    return Math.max(...samples.map(Math.abs));
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Yield a folder and the address of a JupyterLab server that serves it."""
    root = tmp_path_factory.mktemp("lab")
    folder = root / "notebooks"
    folder.mkdir()
    config, settings = root / "config", root / "settings"
    files = {
        config / "labconfig/page_config.json": {
            "disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}
        },
        settings / "@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {
            "windowingMode": "none"
        },
        # On a busy machine a kernel needs more than three seconds to report its subshells.
        settings / "@jupyterlab/apputils-extension/kernels-settings.jupyterlab-settings": {
            "kernelInfoTimeout": 60000
        },
    }
    for path, content in files.items():
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (root / "log").open("w")
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            *(f"--port={port}", f"--IdentityProvider.token={TOKEN}"),
            f"--ServerApp.root_dir={folder}",
        ],
        env={
            **os.environ,
            "IPYTHONDIR": str(root / "ipython"),
            "JUPYTER_CONFIG_DIR": str(config),
            "JUPYTER_DATA_DIR": str(root / "data"),
            "JUPYTER_RUNTIME_DIR": str(root / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(settings),
            "JUPYTERLAB_WORKSPACES_DIR": str(root / "workspaces"),
        },
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/api?token={TOKEN}", server, root / "log")
        yield folder, address
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def _wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 60
    while server.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"JupyterLab does not answer: {log.read_text()}")


@pytest.fixture
def run_all(lab, browser: Browser) -> Iterator[Callable[[str, list[nbformat.NotebookNode]], Page]]:
    """Write a notebook with these cells, open it and run all; an error message fails the test."""
    folder, address = lab
    context = browser.new_context(viewport={"width": 1200, "height": 1000})
    troubles: list[str] = []

    def start(name: str, cells: list[nbformat.NotebookNode]) -> Page:
        notebook = nbformat.v4.new_notebook(cells=cells)
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, folder / f"{name}.ipynb")
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda m: troubles.append(m.text) if m.type == "error" else None)
        page.goto(f"{address}/lab/tree/{name}.ipynb?token={TOKEN}&reset")
        page.locator(".jp-NotebookPanel").wait_for()
        page.get_by_text(re.compile(r"\| Idle$")).wait_for()
        dialog = page.locator(".jp-Dialog button.jp-mod-accept")
        if dialog.count():
            dialog.click()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        return page

    yield start
    context.close()
    assert [text for text in troubles if not HARMLESS.search(text)] == []


def code(*sources: str) -> list[nbformat.NotebookNode]:
    return [nbformat.v4.new_code_cell(source) for source in sources]


def lesson(name: str, **parameters: object) -> list[nbformat.NotebookNode]:
    """Return the cells of a lesson with other parameters."""
    cells = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells
    lines = [f"{key} = {value!r}" for key, value in {**SMALL[name], **parameters}.items()]
    (k,) = [k for k, c in enumerate(cells) if "parameters" in c.metadata.get("tags", ())]
    return [*cells[: k + 1], nbformat.v4.new_code_cell("\n".join(lines)), *cells[k + 1 :]]


def wait_until_done(page: Page) -> None:
    """Wait until every code cell has run, and check that none failed."""
    page.wait_for_function(
        """() => {
            const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')];
            return prompts.length && prompts.every(p => /\\[\\d+\\]/.test(p.textContent));
        }"""
    )
    errors = page.locator("[data-mime-type='application/vnd.jupyter.error']")
    assert errors.all_inner_texts() == []


def hear(page: Page, player: str = ".nst-player") -> None:
    """Check that a page has all its sounds, and that the first player plays."""
    sounds = page.locator("audio")
    assert sounds.count() > 0
    for k in range(sounds.count()):
        # The browser resamples: between samples, a sound may be a little above its peak.
        assert 0.005 < sounds.nth(k).evaluate(DECODE) <= 1.1
    first = page.locator(player).first
    first.get_by_role("button", name="Play").click()
    page.wait_for_function(
        "player => player.querySelector('audio').currentTime > 0.1", arg=first.element_handle()
    )
    first.get_by_role("button", name="Pause").click()


def test_the_tour(run_all):
    page = run_all("00_tour", lesson("00_tour", interactive=True))
    wait_until_done(page)
    hear(page)
    page.get_by_text(re.compile("^finished after 8 evaluations")).wait_for()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0)


def test_lesson_4_moves_stops_and_resumes(run_all, lab):
    out = str(lab[0] / "out")
    endless = {"preset": "fast", "steps": 5000, "settings": '{"duration": 2.0, "n_iter": 4}'}
    left_out = {"lasting": 0}
    page = run_all(
        "07_transfer",
        lesson("07_transfer", interactive=True, out=out, **left_out, **endless),
    )
    picture = page.locator(".widget-image").first
    seen = set()
    deadline = time.monotonic() + PATIENCE / 1000
    while len(seen) < 3 and time.monotonic() < deadline:
        if picture.count():
            seen.add(picture.get_attribute("src"))
        page.wait_for_timeout(200)
    assert len(seen) >= 3, "the picture does not move"
    page.get_by_text(re.compile(r"evaluation \d+ of 5000, \d+ s left; style")).wait_for()
    page.get_by_role("button", name="Stop", exact=True).click()
    resume = page.get_by_role("button", name="Resume")
    expect(resume).to_be_enabled(timeout=PATIENCE)
    text = page.locator(".widget-label", has_text=STOPPED).inner_text()
    stopped = int(re.search(r"\d+", text)[0])
    wait_until_done(page)
    hear(page)
    assert (lab[0] / "out" / "result.wav").stat().st_size > 40000
    resume.click()
    page.wait_for_function(
        """count => [...document.querySelectorAll('.widget-label')].some(label => {
            const found = label.textContent.match(/^evaluation (\\d+) of 5000/);
            return found && Number(found[1]) > count;
        })""",
        arg=stopped,
    )
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(resume).to_be_enabled(timeout=PATIENCE)


def test_interrupting_the_kernel_keeps_the_best(run_all):
    page = run_all(
        "interrupt",
        code(
            "from nst_lib import TransferConfig\n"
            "from nst_lib.sound.datasets import open_dataset\n"
            "from nst_lib.show.live import LiveTransfer\n"
            "pair = open_dataset('synthetic').pairs()[0]\n"
            "config = TransferConfig.from_preset('fast', duration=1.0, steps=5000)",
            "result = await LiveTransfer(pair.content, pair.style, config).run()",
            "print('kept:', result.outcome, len(result.audio))",
        ),
    )
    page.get_by_text(re.compile(r"evaluation \d+ of 5000")).wait_for()
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_text("Interrupt Kernel", exact=True).click()
    page.locator(".widget-label", has_text=STOPPED).wait_for()
    wait_until_done(page)
    page.get_by_text("kept: stopped 22050").wait_for()


def choose(page: Page, menu: str, item: str) -> None:
    page.get_by_role("menuitem", name=menu, exact=True).click()
    page.get_by_text(item, exact=True).click()


def expect_kept(page: Page) -> None:
    """Check what remains of a finished transfer, a stopped transfer and an explorer."""
    expect(page.locator(".nst-player:visible")).to_have_count(3)
    expect(page.locator(".nst-kept > img:visible")).to_have_count(2)
    expect(page.get_by_text("The controls of this cell need a running kernel")).to_have_count(2)
    expect(page.get_by_text("model not found").locator("visible=true")).to_have_count(0)
    for name in ("Resume", "Stop", "Transfer"):
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    hear(page)


def test_a_notebook_that_is_saved_shut_down_and_opened_again(run_all, lab, tmp_path):
    page = run_all(
        "kept",
        code(
            "from nst_lib import TransferConfig\n"
            "from nst_lib.sound.datasets import open_dataset\n"
            "from nst_lib.show.explorer import Explorer\n"
            "from nst_lib.show.live import LiveTransfer\n"
            "pair = open_dataset('synthetic').pairs()[0]\n"
            "config = TransferConfig.from_preset('fast', duration=1.0, steps=4)",
            "await LiveTransfer(pair.content, pair.style, config).run();",
            "await LiveTransfer(pair.content, pair.style, config.replace(steps=5000)).run();",
            "Explorer('synthetic')",
        ),
    )
    page.get_by_text(re.compile(r"evaluation \d+ of 5000")).wait_for()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_role("button", name="Resume")).to_be_enabled(timeout=PATIENCE)
    wait_until_done(page)
    page.locator("select:visible").first.wait_for()
    page.keyboard.press("Control+s")
    expect(page.locator(".jp-mod-dirty")).to_have_count(0, timeout=PATIENCE)
    choose(page, "Kernel", "Restart Kernel…")
    page.locator(".jp-Dialog button.jp-mod-accept").click()
    page.get_by_text("The controls of this cell need a running kernel").first.wait_for()
    expect_kept(page)
    page.get_by_text(re.compile(r"\| Idle$")).wait_for()  # before, the server cannot shut it down
    again = page.context.new_page()
    again.set_default_timeout(PATIENCE)
    page.close()
    sessions = again.request.get(f"{lab[1]}/api/sessions?token={TOKEN}").json()
    (session,) = (one["id"] for one in sessions if one["path"] == "kept.ipynb")
    assert again.request.delete(f"{lab[1]}/api/sessions/{session}?token={TOKEN}").ok
    again.goto(f"{lab[1]}/lab/tree/kept.ipynb?token={TOKEN}&reset")
    again.get_by_text(re.compile(r"\| Idle$")).wait_for()
    again.get_by_text("model not found").first.wait_for(state="attached")
    expect_kept(again)
    html = nbconvert.HTMLExporter().from_filename(str(lab[0] / "kept.ipynb"))[0]
    (tmp_path / "kept.html").write_text(html, encoding="utf-8")
    again.goto((tmp_path / "kept.html").as_uri())
    expect_kept(again)


def test_explorer(run_all):
    page = run_all(
        "explorer",
        code("from nst_lib.show.explorer import Explorer", "e = Explorer('synthetic')\ne"),
    )
    wait_until_done(page)
    style = page.locator(".widget-dropdown", has_text="Style").locator("select")
    before = page.locator("audio").first.get_attribute("src")
    style.select_option("frog")
    page.wait_for_function(
        """before => {
            const style = document.querySelector('audio');
            return style && style.src !== before;
        }""",
        arg=before,
    )
    hear(page)
    slider = page.locator(".widget-slider", has_text="Content weight")
    slider.locator(".noUi-handle").focus()
    expect(slider.locator(".widget-readout")).to_have_text("0.1")
    page.keyboard.press("ArrowRight")
    expect(slider.locator(".widget-readout")).to_have_text("0.2")
    steps = page.locator(".widget-text", has_text="Evaluations").locator("input")
    steps.fill("6")
    steps.press("Enter")
    page.get_by_role("button", name="Transfer").click()
    page.locator(".widget-label", has_text="finished after 6 evaluations").wait_for()
    expect(page.locator(".nst-player:visible")).to_have_count(2)
    preset = page.locator(".widget-dropdown", has_text="Preset").locator("select")
    preset.select_option("milacic2020")
    expect(steps).to_have_value("500")
    name = page.locator(".widget-text", has_text="Dataset").locator("input")
    name.fill("/nowhere")
    name.press("Enter")
    page.get_by_text("/nowhere: no such folder").wait_for()
