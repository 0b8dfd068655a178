"""`nst gallery` as a class uses it: pages of real batches in a real browser."""

import http.server
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from nst_lib.base.files import file_checksum
from nst_lib.batch.gallery import AXES, write_gallery
from nst_lib.batch.results import EAR, SCORES, scores_in
from nst_lib.batch.store import Store
from nst_lib.batch.unit import Outcome, leave_failure
from nst_lib.system import PRESETS
from tests import forked
from tests.pages import watch

pytestmark = [pytest.mark.kernel, pytest.mark.process]

SETTINGS = {"steps": 4, "duration": 1.0, "n_iter": 2}
HOSTILE = "<img src=x onerror=alert(1)> & 100%25 #1 \"q\" 'a' </script>".replace("/", "")
TONE = 5000.0

Open = Callable[..., Page]


def run_batch(folder: Path, **grid: object) -> Path:
    (folder / "grid.yaml").write_text(json.dumps({"settings": SETTINGS, **grid}))
    done = forked.run(["batch", "grid.yaml", "--out", "out"], folder)
    assert done.returncode == 0, done.stderr
    return folder / "out"


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pairs of simulated recordings with two transforms."""
    return run_batch(
        tmp_path_factory.mktemp("simulated"),
        dataset="synthetic",
        pairs=[["snoring", "hand_saw"], ["hen", "car_horn"]],
        factors={"transform": ["stft", "cqt"]},
    )


@pytest.fixture(scope="module")
def hostile_batch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a user, with a name that is markup, at two levels and with two seeds."""
    folder = tmp_path_factory.mktemp("files")
    time = np.arange(22050) / 22050
    sf.write(folder / f"{HOSTILE}.wav", 0.6 * np.sin(2 * np.pi * TONE * time), 22050)
    return run_batch(
        folder,
        dataset="synthetic",
        pairs=[["frog", f"{HOSTILE}.wav"]],
        factors={"level": ["off", "rms"]},
        seeds=[0, 1],
    )


@pytest.fixture(scope="module")
def page_file(batch: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gallery(batch, tmp_path_factory.mktemp("page") / "gallery")


@pytest.fixture(scope="module")
def hostile_page(hostile_batch: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gallery(hostile_batch, tmp_path_factory.mktemp("page") / "gallery")


@pytest.fixture
def copy(batch: Path, tmp_path: Path) -> Path:
    """A copy of a batch, to do things to."""
    return shutil.copytree(batch, tmp_path / "copy")


@pytest.fixture
def view(browser: Browser) -> Iterator[Open]:
    """Open a page; at the end, nothing may have been complained of or asked of another place."""
    # A sound that is stopped while it loads is a request that failed.
    troubles, contexts, allowed = [], [], [r"failed: \S+\.wav"]

    def open_page(
        file: Path | str, fragment: str = "", *, loop: bool = True, whole: bool = True, **options
    ) -> Page:
        url = file.as_uri() if isinstance(file, Path) else file
        contexts.append(browser.new_context(**options))
        ours = r"file:///|data:|http://127\.0\.0\.1[:/]"
        page = watch(contexts[-1].new_page(), troubles, ours=ours)
        page.on("dialog", lambda dialog: troubles.append(dialog.message))
        allowed.extend([] if whole else ["Failed to load resource"])
        page.goto(url + fragment)
        if loop:  # the sounds last for a second, which may be over before it is looked at
            page.evaluate("document.querySelectorAll('audio').forEach(a => { a.loop = true })")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [text for text in troubles if not re.match("|".join(allowed), text)] == []


def time_of(page: Page, selector: str) -> float:
    return page.eval_on_selector(selector, "audio => audio.currentTime")


def wait_until_playing(page: Page, selector: str = "article.playing audio") -> None:
    page.wait_for_function(
        "s => { const a = document.querySelector(s); return a && !a.paused && a.currentTime > 0 }",
        arg=selector,
    )


def tool(page: Page, name: str) -> Locator:
    return page.locator("#tools").get_by_label(name, exact=True)


def shown(value: float, digits: int = 2) -> str:
    """Return a number as the page writes it."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def titles(page: Page) -> list[str]:
    """Return what the cards are called that can be seen, in order."""
    cards = page.locator("article[tabindex]:visible").all()
    return [card.get_attribute("aria-label") or "" for card in cards]


PLAYING = """[...document.querySelectorAll('audio')].filter(a => !a.paused)
    .map(a => a.getAttribute('aria-label'))"""


def expect_playing(page: Page, names: list[str]) -> None:
    """Wait until exactly these sounds play: one that begins stops the other a moment later."""
    page.wait_for_function(
        f"names => JSON.stringify({PLAYING}) === JSON.stringify(names)", arg=names
    )


def table_of(batch: Path) -> pd.DataFrame:
    return pd.read_csv(batch / "results.csv")


def files_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


class TestScores:
    def test_those_of_the_ear_are_shown_where_a_sound_has_them(self, copy):
        def on_the_page() -> list[str]:
            text = (copy / "gallery" / "index.html").read_text()
            return [name for name in SCORES if f'"{name}": "{SCORES[name]}"' in text]

        write_gallery(copy)
        assert on_the_page() == list(scores_in(table_of(copy)))
        ours = [name for name in SCORES if name not in EAR]
        for values in ({}, {"ear": 0.5, "ear content": 0.25}):
            for run in (copy / "runs").iterdir():
                rescore(run, values)
            write_gallery(copy)
            assert on_the_page() == [*ours, *values]


def rescore(run: Path, values: dict[str, float]) -> None:
    """Replace what the ear heard in a finished run, as if it had been run so."""
    file, done = run / "metrics.json", run / "done"
    before = file_checksum(file)
    metrics = json.loads(file.read_text())
    kept = {name: value for name, value in metrics["scores"].items() if name not in EAR}
    file.write_text(json.dumps({**metrics, "scores": kept | values}))
    done.write_text(done.read_text().replace(before, file_checksum(file)))


class TestFolder:
    def test_the_command_writes_into_the_batch(self, copy, nst):
        done = nst("gallery", copy)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.strip() == str(copy / "gallery" / "index.html")
        names = {path.name for path in (copy / "gallery").iterdir()}
        assert names == {"index.html", "sounds", "spectrograms"}
        assert not list(copy.glob(".gallery*"))

    def test_sounds_are_those_of_the_batch(self, batch, page_file):
        files = files_of(page_file.parent)
        for run in table_of(batch)["id"]:
            made = (batch / "runs" / run / "result.wav").read_bytes()
            assert files[f"sounds/{run}.wav"] == made
        inputs = {data for name, data in files.items() if name.startswith("sounds/pair")}
        assert inputs == {path.read_bytes() for path in (batch / "inputs").iterdir()}
        sounds = {name[7:-4] for name in files if name.startswith("sounds/")}
        assert len(sounds) == 8
        assert sounds == {name[13:-4] for name in files if name.startswith("spectrograms/")}

    def test_the_same_again(self, copy):
        calls = []
        first = write_gallery(copy, callback=lambda *call: calls.append(call))
        assert calls == [(n, 8) for n in range(1, 9)]
        before = files_of(first.parent)
        stale = first.parent / "sounds" / "stale.wav"
        stale.touch()
        write_gallery(copy)
        assert files_of(first.parent) == before

    def test_an_older_page_stays_where_a_new_one_fails(self, copy):
        before = files_of(write_gallery(copy).parent)

        def interrupt(_done: int, _total: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_gallery(copy, callback=interrupt)
        (copy / "inputs").rename(copy / "elsewhere")
        with pytest.raises(ValueError, match=r"inputs/.*: no such file"):
            write_gallery(copy)
        assert files_of(copy / "gallery") == before
        assert not list(copy.glob(".gallery*"))

    def test_others_can_read_it(self, page_file):
        folder = page_file.parent
        assert all(path.stat().st_mode & 0o444 == 0o444 for path in (folder, *folder.rglob("*")))

    @pytest.mark.parametrize("name", ["notes.txt", "index.html", "sounds"])
    def test_a_folder_of_something_else_is_left_alone(self, batch, tmp_path, name):
        (tmp_path / name).write_text("mine")
        with pytest.raises(ValueError, match=f"holds {name}, which does not belong to a gallery"):
            write_gallery(batch, tmp_path)
        assert files_of(tmp_path) == {name: b"mine"}

    def test_not_a_folder_to_write(self, batch, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(ValueError, match="is a file: choose a folder"):
            write_gallery(batch, tmp_path / "file")
        with pytest.raises(ValueError, match="cannot write here"):
            write_gallery(batch, tmp_path / "file" / "gallery")

    def test_no_batch_elsewhere_or_nothing_done(self, copy, tmp_path):
        with pytest.raises(ValueError, match="holds no batch"):
            write_gallery(tmp_path)
        with pytest.raises(ValueError, match="memory://batch: is not on this machine"):
            write_gallery("memory://batch")
        shutil.rmtree(copy / "runs")
        with pytest.raises(ValueError, match="no condition is done"):
            write_gallery(copy)
        assert not (copy / "gallery").exists()


class TestSpectrograms:
    @staticmethod
    def read(page: Path, part: str) -> np.ndarray:
        """Return the inside of the axes of a picture as brightness, the lowest frequency first."""
        (path,) = (page.parent / "spectrograms").glob(part)
        picture = matplotlib.image.imread(path)[..., :3].mean(-1)[::-1]
        assert picture[:, 0].min() > 0.9, "a label that is cut off"
        left, bottom, width, height = AXES
        rows, columns = picture.shape
        inside = picture[
            round(bottom * rows) : round((bottom + height) * rows),
            round(left * columns) : round((left + width) * columns),
        ]
        return inside[2:-2, 2:-2]

    def test_a_tone_is_at_its_frequency_and_a_louder_one_is_brighter(self, hostile_page):
        text = hostile_page.read_text()
        data = json.loads(re.search(r'id="data">(.*)</script>', text)[1])
        tones = [one for one in data["pairs"][0]["inputs"] if one["role"] == "content"]
        pictures = {one["note"]: self.read(hostile_page, Path(one["image"]).name) for one in tones}
        assert set(pictures) == {"level off", "level rms"}
        for picture in pictures.values():
            rows = picture.mean(axis=1)
            assert abs(rows.argmax() / len(rows) - TONE / 11025) < 0.02
        assert pictures["level off"].max() > pictures["level rms"].max() + 0.02

    def test_minutes_of_stereo(self, copy, rng):
        """The page stays small, because it links to the sounds."""
        sound = 0.1 * rng.standard_normal((90 * 44100, 2))
        sound[30 * 44100 : 60 * 44100, 0] = 0  # one channel is heard all the time
        sound[60 * 44100 :] = 0
        conditions = json.loads((copy / "batch.json").read_text())["conditions"]
        content = copy / conditions[0]["inputs"]["content"]
        sf.write(content, sound, 44100, subtype="PCM_24")
        page = write_gallery(copy)
        assert page.stat().st_size < 1e5
        pair = json.loads(re.search(r'id="data">(.*)</script>', page.read_text())[1])["pairs"][0]
        assert pair["seconds"] == 90
        assert (page.parent / pair["inputs"][0]["sound"]).read_bytes() == content.read_bytes()
        picture = self.read(page, Path(pair["inputs"][0]["image"]).name)
        both, one, none = (part.mean() for part in np.array_split(picture, 3, axis=1))
        assert both > one + 0.01
        assert one > 0.1
        assert none < 0.01

    def test_no_word_beside_the_axes_is_cut(self, page_file):
        for path in (page_file.parent / "spectrograms").iterdir():
            picture = matplotlib.image.imread(path)[..., :3]
            edges = (picture[0], picture[-1], picture[:, 0], picture[:, -1])
            assert min(edge.min() for edge in edges) == 1, path.name


class TestPage:
    def test_everything_is_there(self, batch, page_file, view):
        page = view(page_file)
        assert page.title() == "grid: transform · listening page"
        expect(page.locator("#simulated")).to_have_text("All recordings are simulated")
        expect(page.locator("#about")).to_contain_text("4 sounds · 2 pairs · preset shaped")
        assert page.locator(".pair > h2").all_text_contents() == [
            "snoring over hand saw",
            "hen over car horn",
        ]
        assert page.locator("audio[controls][preload=none][aria-label]").count() == 8
        for _, row in table_of(batch).iterrows():
            label = f"{row['pair']}: {row['transform']}"
            card = page.locator(f'article[aria-label="{label}"]')
            for score in ("timbre", "texture", "rhythm"):
                expect(card).to_contain_text(f"{score}{shown(row[score])}")
            expect(card).to_contain_text(f"noise{shown(row['noise'], 1)} dB")
        loaded = "[...document.images].every(i => { i.loading = 'eager'; return i.naturalWidth })"
        page.wait_for_function(loaded)
        for clip in json.loads((batch / "batch.json").read_text())["clips"]:
            credits = page.locator("#credits li", has_text=clip)
            expect(credits).to_contain_text("simulated by nst_lib [MIT]")
        assert "ESC-50" not in page.locator("main").inner_text()

    @pytest.mark.parametrize("older", [False, True])
    def test_every_setting_has_its_meaning(self, copy, view, older):
        about = json.loads((copy / "batch.json").read_text())
        assert set(about["meanings"]) == set(about["conditions"][0]["config"])
        config = PRESETS["antognini2019"].config
        for condition in about["conditions"]:
            condition["config"] = config.to_dict()
        about["meanings"] = config.describe()
        if older:
            del about["meanings"]
        (copy / "batch.json").write_text(json.dumps(about))
        page = view(write_gallery(copy))
        page.locator("summary").click()
        lines = page.locator("#settings tr").all()
        rows = [line.locator("th, td").all_inner_texts() for line in lines]
        assert {"diversity", "filters"} <= {name for name, _, _ in rows}
        assert [name for name, _, meaning in rows if not meaning] == []

    def test_recordings_of_esc50_are_credited(self, esc50_root, tmp_path, view):
        out = run_batch(tmp_path, dataset=str(esc50_root), pairs=[["snoring", "hand_saw"]])
        page = view(write_gallery(out))
        expect(page.locator("#simulated")).to_be_hidden()
        expect(page.locator("#credits")).to_contain_text("ESC-50 (K. J. Piczak, 2015)")
        expect(page.locator("#esc50")).to_contain_text("CC BY-NC 3.0")
        for name, clip in json.loads((out / "batch.json").read_text())["clips"].items():
            credit = page.locator("#credits li", has_text=name)
            assert clip["attribution"] in credit.inner_text()
            assert f"[{clip['licence']}]" in credit.inner_text()
            link = credit.locator("a").get_attribute("href")
            assert link.startswith("http://www.freesound.org/people/")
            assert f"({link})" in clip["attribution"]

    def test_names_are_text(self, hostile_page, view):
        page = view(hostile_page)
        assert page.locator("[onerror], img[src=x]").count() == 0
        expect(page.locator("#credits")).to_contain_text(f"{HOSTILE}.wav: {HOSTILE}.wav")
        expect(page.locator(".pair > h2")).to_have_text(f"frog over {HOSTILE}".replace("_", " "))
        names = [path.name for path in (hostile_page.parent / "sounds").iterdir()]
        assert all(re.fullmatch(r"[\w.-]+\.wav", name) for name in names)
        page.keyboard.press("c")
        wait_until_playing(page)

    def test_recordings_at_two_levels(self, hostile_page, view):
        page = view(hostile_page)
        expect(page.locator("#simulated")).to_have_text("Some recordings are simulated: frog-0")
        heads = page.locator("article.content h3, article.style h3").all_text_contents()
        assert [head[-11:] for head in heads] == ["(level off)", "(level rms)"] * 2
        for level in ("off", "rms"):
            page.select_option("[name=level]", level)
            for key in ("c", "s"):
                page.locator("h1").click()
                page.keyboard.press(key)
                wait_until_playing(page)
                page.wait_for_function(
                    f"note => {PLAYING}.some(name => name.includes(note))", arg=f"(level {level})"
                )

    def test_what_is_missing_is_said(self, copy, view):
        first, second, third, _ = table_of(copy)["id"]
        store = Store(copy)
        store.remove(first)
        leave_failure(store, first, Outcome("timed-out", "took longer than 1 s"))
        store.remove(second)
        with (copy / "runs" / third / "result.wav").open("ab") as file:
            file.write(b"\0")
        page = view(write_gallery(copy))
        expect(page.locator("#about")).to_contain_text("1 sound of 4 (3 missing)")
        expect(page.locator("#count")).to_have_text("1 of 1 sound, 3 missing")
        assert page.locator(".missing p").all_text_contents() == [
            "Missing: timed-out (took longer than 1 s)",
            "Missing: queued",
            "Missing: changed (its files were changed after the batch wrote them)",
        ]
        assert page.locator("audio").count() == 5
        page.get_by_role("button", name="Table").click()
        expect(page.locator("tbody tr", has_text="missing: timed-out")).to_be_visible()
        for order in ("up", "down"):
            page.select_option("#sort", "noise")
            page.select_option("#order", order)
            first_row = page.locator("#table tbody tr").first
            expect(first_row.get_by_role("button")).to_have_text("Play")

    def test_it_works_in_another_place(self, page_file, tmp_path, view):
        copied = shutil.copytree(page_file.parent, tmp_path / "a page #1 100%")
        page = view(copied / "index.html")
        page.keyboard.press("Space")
        wait_until_playing(page)

    def test_it_works_on_a_plain_web_server(self, page_file, view):
        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_arguments: object) -> None:
                return

        handler = partial(Quiet, directory=str(page_file.parent))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                page = view(f"http://127.0.0.1:{server.server_port}/", loop=False)
                page.evaluate("""() => {
                    window.heard = []; window.ends = 0;
                    addEventListener("ended", () => ends++, true);
                    addEventListener(
                        "playing", e => heard.push(e.target.getAttribute("aria-label")), true);
                }""")
                for count in (1, 2):
                    page.keyboard.press("Space")
                    page.wait_for_function(f"ends >= {count}")
                for key, role in [("c", "Content"), ("s", "Style"), ("c", "Content")]:
                    page.keyboard.press(key)
                    page.wait_for_function("role => heard.at(-1).startsWith(role)", arg=role)
                page.wait_for_function("ends >= 3")
            finally:
                server.shutdown()
                thread.join()


class TestPlaying:
    def test_starting_one_stops_the_others(self, page_file, view):
        page = view(page_file)
        first, second = "article[tabindex] audio >> nth=0", "article[tabindex] audio >> nth=1"
        for selector in (first, second):
            page.locator(selector).scroll_into_view_if_needed()
            box = page.locator(selector).bounding_box()
            page.mouse.click(box["x"] + 24, box["y"] + box["height"] / 2)
            page.wait_for_function("document.querySelector('article.playing')")
            wait_until_playing(page)
        expect_playing(page, ["snoring over hand saw: cqt"])
        assert time_of(page, first) == 0
        expect(page.locator("#now")).to_have_text("snoring over hand saw: cqt")

    def test_a_click_on_the_spectrogram_plays_from_there(self, page_file, view):
        page = view(page_file)
        box = page.locator(".axes").nth(2)
        box.scroll_into_view_if_needed()
        size = box.bounding_box()
        page.eval_on_selector(
            "article[tabindex] audio",
            "audio => { audio.onseeking = () => { window.sought ??= audio.currentTime } }",
        )
        box.click(position={"x": 0.6 * size["width"], "y": 20})
        wait_until_playing(page)
        page.locator("#toggle").click()
        seconds = time_of(page, "article[tabindex] audio")
        assert page.evaluate("window.sought") == pytest.approx(0.6, abs=0.01)
        head = page.locator(".head").nth(2).bounding_box()
        share = (head["x"] + head["width"] / 2 - size["x"]) / size["width"]
        assert share == pytest.approx(seconds, abs=0.02), "the sound lasts for a second"
        page.locator("#toggle").click()
        before = page.locator(".head").nth(2).evaluate("head => head.style.left")
        page.wait_for_function(
            "before => document.querySelectorAll('.head')[2].style.left !== before", arg=before
        )

    def test_at_its_end_a_sound_goes_back_to_its_start(self, page_file, view):
        page = view(page_file, loop=False)
        page.evaluate("window.ends = 0; addEventListener('ended', () => ends++, true)")
        page.keyboard.press("Space")
        page.wait_for_function("ends === 1")
        expect_playing(page, [])
        assert time_of(page, "article[tabindex] audio") == 0
        expect(page.locator("#toggle")).to_have_text("Play")

    def test_a_sound_plays_on_while_cards_are_sorted(self, page_file, view):
        page = view(page_file)
        page.keyboard.press("Space")
        wait_until_playing(page)
        page.select_option("#order", "down")
        assert titles(page)[0] == "snoring over hand saw: cqt"
        expect_playing(page, ["snoring over hand saw: stft"])
        page.select_option("[name=transform]", "cqt")
        expect_playing(page, [])

    def test_a_sound_that_is_gone_is_said_to_be(self, page_file, tmp_path, view):
        copied = shutil.copytree(page_file.parent, tmp_path / "copy")
        for path in (copied / "sounds").glob("snoring*"):
            path.unlink()
        page = view(copied / "index.html", whole=False)
        page.keyboard.press("Space")
        expect(page.locator("#now")).to_have_text("Cannot play snoring over hand saw: stft")


class TestTools:
    def test_filter(self, page_file, view):
        page = view(page_file)
        expect(page.locator("#count")).to_have_text("4 of 4 sounds")
        expect(page.locator("#count")).to_have_attribute("aria-live", "polite")
        tool(page, "transform").select_option("stft")
        expect(page.locator("#count")).to_have_text("2 of 4 sounds")
        assert titles(page) == ["snoring over hand saw: stft", "hen over car horn: stft"]
        tool(page, "pair").select_option("hen over car horn")
        expect(page.locator("#count")).to_have_text("1 of 4 sounds")
        expect(page.locator(".pair:visible")).to_have_count(1)
        assert page.locator("[name=seed]").count() == 0
        page.get_by_role("button", name="Reset").click()
        expect(page.locator("#count")).to_have_text("4 of 4 sounds")

    def test_filter_by_seed(self, hostile_page, view):
        page = view(hostile_page)
        tool(page, "seed").select_option("1")
        expect(page.locator("#count")).to_have_text("2 of 4 sounds")
        assert all(title.endswith("seed 1") for title in titles(page))

    @pytest.mark.parametrize("score", ["timbre", "texture", "rhythm", "noise"])
    def test_sort(self, batch, page_file, view, score):
        page = view(page_file)
        tool(page, "sort by").select_option(score)
        for order in ("ascending", "descending"):
            tool(page, "order").select_option(order)
            table = table_of(batch).sort_values(score, ascending=order == "ascending")
            table = table.sort_values("pair", ascending=False, kind="stable")
            assert titles(page) == list(table["pair"] + ": " + table["transform"])

    def test_the_address_keeps_the_view(self, page_file, view):
        page = view(page_file)
        tool(page, "transform").select_option("cqt")
        tool(page, "sort by").select_option("noise")
        tool(page, "order").select_option("descending")
        page.get_by_role("button", name="Table").click()
        fragment = "#" + page.url.partition("#")[2]
        assert fragment == "#transform=cqt&sort=noise&order=down&view=table"
        again = view(page_file, fragment)
        expect(again.locator("#count")).to_have_text("2 of 4 sounds")
        expect(again.locator("#table")).to_be_visible()
        assert again.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
        again.evaluate("location.hash = '#transform=no-such&sort=such&pair=2'")
        expect(again.locator("#cards")).to_be_visible()
        assert titles(again) == ["hen over car horn: stft", "hen over car horn: cqt"]

    def test_table(self, batch, page_file, view):
        page = view(page_file)
        page.get_by_role("button", name="Table").click()
        rows = page.locator("#table tbody tr")
        head = page.get_by_role("columnheader", name="timbre")
        assert head.get_attribute("aria-sort") is None
        for direction in ("descending", "ascending"):
            head.get_by_role("button").click()
            assert head.get_attribute("aria-sort") == direction
            table = table_of(batch).sort_values("timbre", ascending=direction == "ascending")
            for row, (_, expected) in zip(rows.all(), table.iterrows(), strict=True):
                cells = row.locator("th, td").all_text_contents()
                numbers = [shown(expected[s], 1 if s == "noise" else 2) for s in scores_in(table)]
                assert cells == ["Play", expected["pair"], expected["transform"], *numbers]
        button = rows.nth(2).get_by_role("button")
        name = f"{table.iloc[2]['pair']}: {table.iloc[2]['transform']}"
        expect(button).to_have_attribute("aria-label", f"Play {name}")
        button.click()
        expect(button).to_have_text("Pause")
        expect_playing(page, [name])
        assert rows.nth(2).get_attribute("aria-current") == "true"
        button.click()
        expect(button).to_have_text("Play")


class TestKeys:
    def test_to_and_fro(self, page_file, view):
        page = view(page_file)
        current = page.locator("article[aria-current]")
        for key, expected in [
            ("j", "snoring over hand saw: stft"),
            ("j", "snoring over hand saw: cqt"),
            ("ArrowRight", "hen over car horn: stft"),
            ("k", "snoring over hand saw: cqt"),
            ("ArrowLeft", "snoring over hand saw: stft"),
            ("k", "snoring over hand saw: stft"),
        ]:
            page.keyboard.press(key)
            expect(current).to_have_attribute("aria-label", expected)
            expect(current).to_be_focused()
            expect(current).to_be_in_viewport()
        expect_playing(page, [])

    def test_compare(self, page_file, view):
        page = view(page_file)
        tool(page, "pair").select_option("hen over car horn")
        page.locator("h1").click()
        for key, expected in [
            ("Space", "hen over car horn: stft"),
            ("c", "Content: car horn"),
            ("Space", "hen over car horn: stft"),
            ("s", "Style: hen"),
        ]:
            page.keyboard.press(key)
            wait_until_playing(page)
            expect_playing(page, [expected])
        page.keyboard.press("s")
        expect_playing(page, [])
        page.keyboard.press("Space")
        wait_until_playing(page)
        page.keyboard.press("j")
        expect_playing(page, ["hen over car horn: cqt"])
        page.keyboard.press("Space")
        expect_playing(page, [])

    def test_in_the_table(self, page_file, view):
        page = view(page_file, "#view=table&sort=transform&order=down")
        for _ in range(3):
            page.keyboard.press("j")
        expect(page.locator("tr[aria-current]")).to_contain_text("stft")
        page.keyboard.press("Space")
        wait_until_playing(page, "article[aria-current] audio")
        expect(page.locator("tr[aria-current] button")).to_have_text("Pause")
        page.keyboard.press("ArrowLeft")
        expect_playing(page, ["hen over car horn: cqt"])

    def test_typing_in_a_select_stays_there(self, page_file, view):
        page = view(page_file)
        tool(page, "pair").focus()
        page.keyboard.press("s")
        page.keyboard.press("ArrowRight")
        expect_playing(page, [])
        assert page.locator("article[aria-current]").count() == 0
        expect(page.locator("#count")).not_to_have_text("4 of 4 sounds")
        page.locator("h1").click()
        page.keyboard.press("Control+c")
        expect_playing(page, [])

    def test_help_lists_the_keys_and_turns_them_off(self, page_file, view):
        page = view(page_file)
        page.keyboard.press("?")
        dialog = page.get_by_role("dialog", name="Keys")
        expect(dialog).to_be_visible()
        assert dialog.locator("dt").all_text_contents() == ["j →", "k ←", "Space", "c", "s", "?"]
        page.keyboard.press("j")
        assert page.locator("article[aria-current]").count() == 0
        page.get_by_label("Use these keys").uncheck()
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        page.locator("h1").click()
        page.keyboard.press("j")
        assert page.locator("article[aria-current]").count() == 0
        page.get_by_role("button", name="Keys").click()
        expect(dialog).to_be_visible()

    def test_all_can_be_reached_with_tab(self, page_file, view):
        page = view(page_file)
        kinds = "select, button, audio, a[href], summary, .scroll[tabindex]"
        wanted = page.locator(kinds).locator("visible=true").count()
        page.evaluate(
            "addEventListener('focusin', e => { e.target.dataset.seen = 'yes';"
            "e.target.dataset.ring = getComputedStyle(e.target).outlineStyle })"
        )
        for _ in range(12 * wanted):
            page.keyboard.press("Tab")
            if page.locator("[data-seen]").count() == wanted:
                break
        assert page.locator("[data-seen]").count() == wanted
        rings = page.locator("[data-seen]").evaluate_all("all => all.map(n => n.dataset.ring)")
        assert set(rings) <= {"solid", "auto"}


class TestAccess:
    @pytest.mark.parametrize("fragment", ["", "#view=table"])
    def test_no_scroll_to_the_side_on_a_phone(self, page_file, hostile_page, view, fragment):
        for file in (page_file, hostile_page):
            page = view(file, fragment, viewport={"width": 390, "height": 740})
            page.locator("summary").click()
            for width in (390, 320):
                page.set_viewport_size({"width": width, "height": 740})
                assert page.evaluate("document.documentElement.scrollWidth") == width

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("fragment", ["", "#view=table"])
    def test_axe_finds_nothing(self, page_file, hostile_page, view, fragment, scheme):
        for file in (page_file, hostile_page):
            page = view(file, fragment, color_scheme=scheme)
            page.locator("summary").click()
            page.keyboard.press("j")
            results = Axe().run(page)
            assert results.violations_count == 0, results.generate_snapshot()
            page.keyboard.press("?")
            results = Axe().run(page, context="dialog")
            assert results.violations_count == 0, results.generate_snapshot()

    def test_the_page_follows_the_colours_of_the_system(self, page_file, view):
        colour = "getComputedStyle(document.body).backgroundColor"
        assert view(page_file, color_scheme="light").evaluate(colour) == "rgb(255, 255, 255)"
        assert view(page_file, color_scheme="dark").evaluate(colour) == "rgb(16, 16, 18)"

    def test_print(self, page_file, view):
        page = view(page_file)
        page.emulate_media(media="print")
        expect(page.locator("#tools")).to_be_hidden()
        expect(page.locator("#bar")).to_be_hidden()
        expect(page.locator("article").first).to_be_visible()
