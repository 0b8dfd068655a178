"""The documentation: built in the same way as `make docs`, and opened in a real browser."""

import json
import pkgutil
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

import nst_lib
from nst_lib.batch.gallery import write_gallery
from tests import forked
from tests.pages import watch

pytestmark = [pytest.mark.kernel, pytest.mark.process]

ROOT = Path(__file__).parents[2]
GRID = {
    "dataset": "synthetic",
    "pairs": [["snoring", "hand_saw"]],
    "settings": {"steps": 2, "duration": 1.0, "n_iter": 2},
}
EXECUTED = "01_listen"

Read = Callable[[str], Page]


class Links(HTMLParser):
    """The links of a page, the files that it loads, and its link targets."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.places: set[str] = set()
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.places.update(found[name] for name in ("id", "name") if name in found)
        if tag == "a" and "href" in found:
            self.links.add(found["href"])
        elif tag == "link" and found.get("rel") in ("stylesheet", "icon", "preload"):
            self.loaded.add(found["href"])
        elif "src" in found:
            self.loaded.add(found["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site with one executed lesson; the others are as in the repository."""
    folder = tmp_path_factory.mktemp("docs")
    lessons = shutil.copytree(ROOT / "notebooks", folder / "lessons")
    lesson = lessons / f"{EXECUTED}.ipynb"
    parameters = {"duration": 1.0, "dataset": "synthetic"}
    forked.execute(lesson, lesson, parameters, ROOT / "notebooks")
    (folder / "grid.yaml").write_text(json.dumps(GRID))
    done = forked.run(["batch", "grid.yaml", "--out", "batch"], folder)
    assert done.returncode == 0, done.stderr
    write_gallery(folder / "batch", folder / "gallery")
    build = (sys.executable, ROOT / "docs" / "build.py", "--lessons", lessons)
    output = run(*build, "--gallery", folder / "gallery", folder / "site")
    assert output == "", "warnings"
    return folder / "site"


def run(*command: object) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr if "build.py" in str(command) else ""


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Links]:
    return {page.resolve(): Links(page) for page in site.rglob("*.html")}


def test_every_link_leads_somewhere(pages: dict[Path, Links]) -> None:
    lost = []
    for page, parsed in pages.items():
        for link in parsed.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            known = pages[target].places if target in pages else set()
            if not target.exists() or (parts.fragment and unquote(parts.fragment) not in known):
                lost.append(f"{page.name}: {link}")
    assert lost == []


def test_nothing_comes_from_another_site(pages: dict[Path, Links]) -> None:
    foreign = {
        f"{page.name}: {url}"
        for page, parsed in pages.items()
        for url in parsed.loaded
        if urlsplit(url).scheme not in ("", "data") or url.startswith("//")
    }
    assert foreign == set()


def test_all_lessons_and_guides_are_there(site: Path, pages: dict[Path, Links]) -> None:
    expected = {f"notebooks/{path.stem}.html" for path in (ROOT / "notebooks").glob("*.ipynb")}
    expected |= {f"docs/{path.stem}.html" for path in (ROOT / "docs").glob("*.md")}
    expected |= {"gallery.html", "api/index.html"}
    assert expected <= pages[(site / "index.html").resolve()].links


def test_reference_has_every_module_and_what_it_offers(pages: dict[Path, Links]) -> None:
    places = set().union(*(parsed.places for parsed in pages.values()))
    modules = [m.name for m in pkgutil.walk_packages(nst_lib.__path__, "nst_lib.")]
    assert {f"module-{name}" for name in modules} <= places
    offered = ("pipeline.transfer", "core.transforms.STFT.synthesise", "opinions.analysis.analyse")
    for name in offered:
        assert f"nst_lib.{name}" in places


@pytest.fixture
def read(browser: Browser, site: Path) -> Iterator[Read]:
    """Open a page of the site; an error message or a request to another site fails the test."""
    troubles, pages = [], []

    def open_page(name: str) -> Page:
        pages.append(watch(browser.new_page(), troubles, ours="file:///|data:|blob:"))
        pages[-1].goto((site / name).as_uri())
        return pages[-1]

    yield open_page
    for page in pages:
        page.close()
    # MathJax requests fonts that it does not need.
    font = (
        r"about:blank|Access to font at 'about:blank'|failed: (about:blank|\S+\.otf)|Failed to load"
    )
    assert [text for text in troubles if not re.match(font, text)] == []


def test_a_lesson_on_the_site(read: Read) -> None:
    page = read(f"notebooks/{EXECUTED}.html")
    expect(page.locator(".MathJax_Display").first).to_be_visible(timeout=30000)
    assert page.locator(".MathJax .merror, .MathJax_Error").count() == 0
    expect(page.locator("img[src*='.png']").first).to_be_visible()
    playing = page.locator("audio").first
    assert playing.evaluate(
        """async sound => {
            sound.muted = true;
            await sound.play();
            await new Promise(done => sound.addEventListener("ended", done));
            return sound.currentTime;
        }"""
    ) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("lesson", ["05_random_features", "09_inversion", "12_mos_statistics"])
def test_equations_are_set(read: Read, lesson: str) -> None:
    page = read(f"notebooks/{lesson}.html")
    page.wait_for_function("window.MathJax && MathJax.Hub.queue.pending === 0", timeout=60000)
    expect(page.locator(".MathJax_Display").last).to_be_attached(timeout=30000)
    assert page.locator(".MathJax").count() == page.locator(".math.notranslate").count()
    assert page.locator(".MathJax .merror, .MathJax_Error").count() == 0


def test_search_works_offline(read: Read) -> None:
    page = read("index.html")
    page.get_by_role("textbox", name="Search").fill("Griffin-Lim")
    page.keyboard.press("Enter")
    expect(page.locator("#search-results li").first).to_be_visible(timeout=30000)


def test_the_gallery_is_reached(read: Read) -> None:
    page = read("gallery.html")
    expect(page.frame_locator("iframe").locator("audio").first).to_be_attached()
    page.get_by_role("link", name="Open the gallery").click()
    expect(page.locator("audio").first).to_be_attached()
