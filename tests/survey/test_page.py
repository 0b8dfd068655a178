"""The page of a listening test as participants use it: real server, real browser, real sound."""

import base64
import csv
import io
import json
import math
import re
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import requests
import soundfile as sf
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

pytest.importorskip("fastapi")

from starlette.responses import StreamingResponse

from nst_lib.survey import channels, headphones, languages, routes
from nst_lib.survey.build import build
from nst_lib.survey.serve import Server
from nst_lib.survey.survey import Survey
from tests import surveys
from tests.pages import watch
from tests.surveys import bearer, served

SECONDS, SR = 0.2, 22050
HOSTILE = "<img src=x onerror=alert(1)> & “rain”"
TRIALS, REPEATS, CATCHES = 4, 1, 1
TEST = TRIALS + REPEATS + CATCHES
#: Sounds of the set-up last for seconds; here they are played faster. Those to rate are not.
FASTER = """() => {
    const play = HTMLMediaElement.prototype.play;
    HTMLMediaElement.prototype.play = function() {
        this.preservesPitch = false;
        this.playbackRate = this.duration > 1 ? 16 : 1;
        return play.call(this);
    };
}"""
#: An answer is waited for half a second instead of half a minute.
SOONER = """() => {
    const {setTimeout} = window, {timeout} = AbortSignal;
    const sooner = ms => ms === 30000 ? 500 : ms;
    window.setTimeout = (task, ms) => setTimeout(task, sooner(ms));
    AbortSignal.timeout = ms => timeout.call(AbortSignal, sooner(ms));
}"""
NO_NETWORK = r"Failed to load resource: net::ERR_(INTERNET_DISCONNECTED|FAILED)|failed: \S+"

Open = Callable[..., Page]


def rows_of(role: str, names: list[str], **answers: int) -> Iterator[dict[str, Any]]:
    for name in names:
        row = {"file": f"{name}.wav", "role": role, "description": f"{name} {HOSTILE}"}
        yield row | ({"transform": name[:4], "pair": name[-1]} if role == "trial" else {}) | answers


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four tones to rate, one for practice and one as a catch trial, and a table of them."""
    folder = tmp_path_factory.mktemp("sounds")
    rows = [
        *rows_of("trial", ["stft-1", "stft-2", "cqt--1", "cqt--2"]),
        *rows_of("training", ["training"]),
        *rows_of("catch", ["catch"], lowest=4),
    ]
    seconds = np.arange(round(SECONDS * SR)) / SR
    for k, row in enumerate(rows):
        sf.write(folder / row["file"], 0.4 * np.sin(2 * np.pi * (300 + 100 * k) * seconds), SR)
    columns = ["file", "role", "pair", "transform", "description", "lowest"]
    with (folder / "sounds.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return folder


def survey_of(folder: Path, out: Path, **options: Any) -> Path:
    usual = {"question": "style", "title": HOSTILE, "repeats": REPEATS, "headphones": None}
    return build(folder, out, table=folder / "sounds.csv", **{**usual, **options})


@pytest.fixture
def server(folder: Path, tmp_path: Path) -> Iterator[Server]:
    """A survey without a headphone check."""
    with Server(survey_of(folder, tmp_path / "survey")) as server:
        yield server


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two conditions of two pairs, with references: sounds for blocks of every kind."""
    folder = tmp_path_factory.mktemp("pairs")
    names = [f"{kind}{pair}" for pair in "12" for kind in ("stft-", "cqt-", "reference-")]
    seconds = np.arange(round(SECONDS * SR)) / SR
    lines = ["file,item,role,pair,transform,description"]
    for k, name in enumerate(names):
        sf.write(folder / f"{name}.wav", 0.4 * np.sin(2 * np.pi * (300 + 100 * k) * seconds), SR)
        kind, pair = name.split("-")
        role, level = ("reference", "") if kind == "reference" else ("trial", kind)
        lines.append(f"{name}.wav,{name},{role},{pair},{level},rain {pair}")
    (folder / "sounds.csv").write_text("\n".join(lines) + "\n")
    return folder


def plan_of(folder: Path, out: Path, *plan: dict[str, Any], **options: Any) -> Path:
    """Build a survey of these blocks."""
    usual = {"plan": list(plan), "table": folder / "sounds.csv", "headphones": None}
    return build(folder, out, **{**usual, **options})


def rows_of_table(server: Server, table: str) -> list[dict[str, str]]:
    """Return an export as it is downloaded, in order of listener and place."""
    headers = bearer(server.admin_url.partition("#")[2])
    response = requests.get(f"{server.url}api/admin/{table}.csv", headers=headers, timeout=10)
    assert response.status_code == 200
    rows = csv.DictReader(io.StringIO(response.text))
    return sorted(rows, key=lambda row: (row["listener"], int(row.get("position", 0))))


def ratings_of(server: Server) -> list[dict[str, str]]:
    return rows_of_table(server, "ratings")


def given(server: Server) -> list[int]:
    return [int(row["rating"]) for row in ratings_of(server)]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """Open a page; at the end, nothing may have been complained of or asked of another place."""
    troubles: list[str] = []
    allowed: list[str] = []
    contexts: list[BrowserContext] = []

    def open_page(
        url: str, context: BrowserContext | None = None, allow: str = "", **options: Any
    ) -> Page:
        if context is None:
            context = browser.new_context(**options)
            context.add_init_script(f"({FASTER})()")
            contexts.append(context)
        allowed.extend([allow] if allow else [])
        ours = rf"(blob:)?http://{urllib.parse.urlsplit(url).netloc}/|data:"
        page = watch(context.new_page(), troubles, ours=ours)
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    # A sound that is stopped while it loads, or left behind by a reload, is a request that failed.
    pattern = "|".join(["failed: blob:", r"failed: \S+/sounds/\d+$", *allowed])
    assert [text for text in troubles if not re.match(pattern, text)] == []


def join(page: Page) -> None:
    """Consent, and set the volume."""
    page.check("#agree")
    page.get_by_role("button", name="Begin").click()
    set_volume(page)


def set_volume(page: Page) -> None:
    page.locator("#volume .play:enabled").click()
    page.get_by_role("button", name="The volume is comfortable").click()


def title(page: Page) -> str:
    return page.locator("main > section:visible h1").text_content()


def wait_for_another(page: Page, before: str) -> None:
    """Wait until the screen has another heading."""
    page.wait_for_function(
        "before => document.querySelector('main > :not([hidden]) h1').textContent !== before",
        arg=before,
    )


def go_on(page: Page) -> str:
    """Leave notes behind; return the heading of the next sound, or of the last screen."""
    while page.locator("#note").is_visible():
        before = title(page)
        page.locator("#note .main").click()
        wait_for_another(page, before)
    return title(page)


def listen(page: Page) -> None:
    page.locator("#trial .play:enabled").wait_for()
    page.keyboard.press("Space")
    page.locator("#trial fieldset:enabled").wait_for()


def listen_to_all(page: Page) -> None:
    """Play each sound of a screen with the space bar, which takes them in their order."""
    buttons = page.locator("#task .play")
    buttons.first.wait_for()
    for k in range(buttons.count()):
        expect(buttons.nth(k)).to_be_enabled()
        page.keyboard.press("Space")
        expect(buttons.nth(k)).to_contain_text("again")
    page.locator("#task fieldset:enabled").wait_for()


def confirm(page: Page, *keys: str) -> None:
    """Press keys and Enter, and wait for what comes then."""
    before = title(page)
    for key in keys:
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    wait_for_another(page, before)


def rate(page: Page, rating: int) -> None:
    """Listen, rate, and wait for what comes then."""
    before = go_on(page)
    listen(page)
    page.keyboard.press(str(rating))
    page.keyboard.press("Enter")
    wait_for_another(page, before)


def practise(page: Page) -> None:
    assert go_on(page) == "Practice 1 of 1"
    rate(page, 3)
    assert go_on(page) == f"Sound 1 of {TEST}"


def skip(server: Server, page: Page, rating: int = 3) -> None:
    """Have the sounds up to the last rated as another device would, and reload the page."""
    with httpx.Client(base_url=server.url, headers=bearer(kept(page)["token"])) as client:
        for k in range(client.get("api/session").json()["next"], TEST):
            assert surveys.rate(client, k, rating).status_code == 200
    assert reopen(page) == f"Sound {TEST} of {TEST}"


def reopen(page: Page) -> str:
    page.reload()
    page.locator("#trial, #note").locator("visible=true").wait_for()
    return go_on(page)


def lose_answer(page: Page, pattern: str) -> list[str | None]:
    """Have the first answer of these requests lost on its way; return what is sent."""
    sent: list[str | None] = []

    def lose(route: Route) -> None:
        sent.append(route.request.post_data)
        if len(sent) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route(pattern, lose)
    return sent


def kept(page: Page) -> dict[str, Any]:
    return page.evaluate("JSON.parse(Object.values(localStorage)[0] ?? '{}')")


class TestPass:
    def test_by_keyboard_alone(self, folder, tmp_path, visit):
        """Consent to thanks, with the headphone check; the export has what was chosen."""
        survey = survey_of(folder, tmp_path / "survey", headphones="woods", rest_every=2)
        with Server(survey) as server:
            page = visit(server.url)
            press, heading = page.keyboard.press, page.locator("main > section:visible h1")
            expect(heading).to_have_text(HOSTILE)
            expect(heading).to_be_focused()
            for key in ("Tab", "Space", "Tab", "Enter"):
                press(key)
            expect(heading).to_have_text("Set the volume")
            expect(heading).to_be_focused()
            page.locator("#volume .play:enabled").wait_for()
            press("Space")
            expect(page.get_by_role("button", name="The volume is comfortable")).to_be_enabled()
            press("Enter")
            expect(heading).to_have_text("Headphone check")
            press("Enter")
            wait_for_another(page, "Headphone check")
            for k in range(6):
                assert title(page) == f"Headphone check, {k + 1} of 6"
                listen(page)
                press("1")
                press("Enter")
                wait_for_another(page, f"Headphone check, {k + 1} of 6")
            expect(page.locator("#note .text")).to_contain_text("not wearing headphones")
            notes, chosen = [], []
            while not page.locator("#thanks").is_visible():
                expect(heading).to_be_focused()
                if page.locator("#note").is_visible():
                    notes.append(heading.text_content())
                else:
                    expect(page.locator("#wording")).to_contain_text(f"{HOSTILE}”?")
                    chosen.append(1 + 2 * len(chosen) % 5)
                    listen(page)
                    press(str(chosen[-1]))
                before = title(page)
                press("Enter")
                wait_for_another(page, before)
            rest = "Time for a break"
            assert notes == ["Headphone check", "Practice", "The test", rest, rest]
            rows = ratings_of(server)
        assert [int(row["rating"]) for row in rows] == chosen[1:], "all but the practice"
        assert [int(row["position"]) for row in rows] == [*range(1, TEST + 1)]
        assert {row["complete"] for row in rows} == {"yes"}
        assert {row["headphones"] for row in rows} == {"no"}
        assert {row["plays"] for row in rows} == {"1"}
        assert all(SECONDS < float(row["seconds"]) < 10 for row in rows)
        code = page.locator("#code").text_content()
        assert re.fullmatch(r"(\w{4}-){3}\w{4}", code)
        assert page.locator("[onerror], img").count() == 0

    @pytest.mark.process
    def test_the_real_command(self, folder, tmp_path, visit):
        """Served as in a terminal; the first screen and the admin view open."""
        survey_of(folder, tmp_path / "survey", question="quality")
        with served(tmp_path / "survey", tmp_path / "log.txt") as server:
            page = visit(server.url)
            expect(page.get_by_role("heading", name="Your consent")).to_be_visible()
            admin = visit(f"{server.url}admin#{server.admin}")
            expect(admin.locator("#tiles")).to_contain_text("started0")

    def test_the_next_on_the_same_device(self, server, visit):
        page = visit(server.url)
        join(page)
        practise(page)
        skip(server, page)
        rate(page, 4)
        first = page.locator("#code").text_content()
        page.reload()
        expect(page.locator("#code")).to_have_text(first)
        page.get_by_role("button", name="Begin the test with another person").click()
        expect(page.get_by_role("heading", name="Your consent")).to_be_visible()
        assert kept(page) == {}
        join(page)
        practise(page)
        rate(page, 2)
        rows = ratings_of(server)
        assert [row["listener"] for row in rows] == ["P001"] * TEST + ["P002"]
        assert [row["complete"] for row in rows] == ["yes"] * TEST + ["no"]

    def test_two_surveys_at_one_address(self, folder, tmp_path, visit):
        surveys = [survey_of(folder, tmp_path / f"survey{seed}", seed=seed) for seed in (0, 1)]
        with Server(surveys[0]) as server:
            page = visit(server.url)
            join(page)
            code, port = kept(page)["code"], int(server.address.partition(":")[2])
        with Server(surveys[1], port=port) as server:
            page.goto(server.url)
            expect(page.get_by_role("heading", name="Your consent")).to_be_visible()
            expect(page.locator("#said")).to_have_text("")
        with Server(surveys[0], port=port) as server:
            page.goto(server.url)
            expect(page.get_by_role("heading", name="Practice")).to_be_visible()
            assert kept(page)["code"] == code


class TestListening:
    def test_choices_wait_for_the_end(self, server, visit):
        page = visit(server.url)
        join(page)
        go_on(page)
        page.locator("#trial .play:enabled").wait_for()
        choices, hint = page.get_by_role("radio").first, page.locator("#hint")
        expect(choices).to_be_disabled()
        expect(page.get_by_role("radio")).to_have_count(5)
        slower = "a => { a.playbackRate = 0.1 }"
        page.keyboard.press("Space")
        page.eval_on_selector("#trial audio", slower)
        expect(hint).to_have_text("Playing…")
        page.keyboard.press("4")
        expect(hint).to_have_text("Play the sound to its end first.")
        expect(choices).to_be_disabled()
        page.keyboard.press("Space")
        expect(page.locator("#trial .play")).to_have_text("Play")
        expect(choices).to_be_disabled()
        page.keyboard.press("Space")  # as the media keys of a keyboard can
        page.eval_on_selector("#trial audio", "a => { a.currentTime = 0.95 * a.duration }")
        expect(hint).to_have_text("Please play the whole sound.")
        expect(choices).to_be_disabled()
        expect(page.get_by_role("radio", checked=True)).to_have_count(0)
        page.keyboard.press("Space")
        expect(choices).to_be_enabled()
        assert page.eval_on_selector("#trial audio", "a => a.ended")
        expect(hint).to_have_text("Now choose an answer.")
        expect(page.locator("#trial .play")).to_have_text("Play again")
        expect(page.get_by_role("button", name="Confirm")).to_be_disabled()

    def test_it_sounds(self, server, visit):
        """While it plays, time moves, and what goes to the loudspeakers is the tone."""
        page = visit(server.url)
        join(page)
        go_on(page)
        page.locator("#trial .play:enabled").wait_for()
        page.evaluate("""() => {
            const audio = document.querySelector("#trial audio");
            const context = new AudioContext(), analyser = context.createAnalyser();
            const samples = new Float32Array(analyser.fftSize);
            context.createMediaElementSource(audio).connect(analyser).connect(context.destination);
            window.heard = {peak: 0, times: []};
            audio.addEventListener("timeupdate", () => heard.times.push(audio.currentTime));
            setInterval(() => {
                analyser.getFloatTimeDomainData(samples);
                if (audio.paused) return;
                heard.peak = Math.max(heard.peak, ...samples.map(Math.abs));
            }, 10);
        }""")
        listen(page)
        heard = page.evaluate("window.heard")
        assert heard["peak"] == pytest.approx(0.4, abs=0.02)
        assert heard["times"] == sorted(heard["times"])
        assert heard["times"][-1] == pytest.approx(SECONDS, abs=0.02)

    def test_keys_can_be_turned_off(self, server, visit):
        page = visit(server.url)
        join(page)
        go_on(page)
        listen(page)
        page.get_by_text("Keys", exact=True).click()
        page.get_by_label("Use these keys").uncheck()
        page.locator("#trial h1").focus()
        page.keyboard.press("2")
        expect(page.get_by_role("radio", checked=True)).to_have_count(0)
        page.get_by_role("radio", name="5 excellent match").check()
        page.get_by_role("button", name="Confirm").click()
        expect(page.locator("#note h1")).to_have_text("The test")


class TestKinds:
    """A pass of each kind by keyboard, and what is exported."""

    def test_a_line_is_no_answer_until_it_is_moved(self, pairs, tmp_path, visit):
        block = {"kind": "rating", "question": "quality", "continuous": True, "repeats": 0}
        with Server(plan_of(pairs, tmp_path / "survey", block)) as server:
            page = visit(server.url)
            join(page)
            assert go_on(page) == "Sound 1 of 4"
            slider = page.get_by_role("slider", name="How good is the quality of this sound?")
            expect(slider).to_be_disabled()
            listen(page)
            expect(page.locator("#hint")).to_have_text("Now choose a place on the line.")
            expect(slider).to_have_attribute("aria-valuetext", "no answer yet")
            expect(page.get_by_role("button", name="Confirm")).to_be_disabled()
            page.keyboard.press("Enter")
            assert title(page) == "Sound 1 of 4"
            page.keyboard.press("ArrowRight")
            expect(slider).to_be_focused()
            expect(slider).to_have_attribute("aria-valuetext", "51")
            page.keyboard.press("PageUp")
            confirm(page)
            listen(page)
            box = slider.bounding_box()
            page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            expect(slider).not_to_have_attribute("aria-valuetext", "no answer yet")
            middle = float(slider.input_value())
            confirm(page)
            listen(page)
            slider.focus()
            confirm(page, "Home")
            listen(page)
            slider.focus()
            confirm(page, "End")
            expect(page.locator("#thanks")).to_be_visible()
            given = [float(row["rating"]) for row in ratings_of(server)]
        assert given[2:] == [0, 100]
        assert 55 <= given[0] <= 65, "a page is about ten"
        assert given[1] == middle == pytest.approx(50, abs=1)

    @pytest.mark.parametrize("direction", ["ltr", "rtl"])
    def test_on_a_phone_the_line_is_upright(self, pairs, tmp_path, visit, direction):
        """All labels are read, the last one at the top, and the slider follows the finger."""
        block = {"kind": "rating", "question": "quality", "continuous": True, "repeats": 0}
        with Server(plan_of(pairs, tmp_path / "survey", block)) as server:
            page = visit(server.url, viewport={"width": 320, "height": 800})
            join(page)
            page.evaluate("dir => { document.documentElement.dir = dir }", direction)
            go_on(page)
            listen(page)
            slider = page.get_by_role("slider")
            box, labels = slider.bounding_box(), page.locator(".marks span")
            assert box["height"] > 4 * box["width"]
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 320
            middles = []
            for k in range(5):
                place = labels.nth(k).bounding_box()
                middles.append(place["y"] + place["height"] / 2)
                page.mouse.click(box["x"] + box["width"] / 2, middles[-1])
                assert float(slider.input_value()) == pytest.approx(25 * k, abs=2)
            assert middles == sorted(middles, reverse=True)

    def test_a_scale_of_eleven_points(self, pairs, tmp_path, visit):
        labels = [f"{n} %" for n in range(0, 101, 10)]
        block = {"kind": "rating", "question": "quality", "labels": labels, "repeats": 0}
        with Server(plan_of(pairs, tmp_path / "survey", block)) as server:
            page = visit(server.url, viewport={"width": 320, "height": 700})
            join(page)
            go_on(page)
            listen(page)
            expect(page.get_by_role("radio")).to_have_count(11)
            page.get_by_role("radio", name="11 100 %").check()
            for width, lines in ((320, 11), (580, 1), (1000, 1)):
                page.set_viewport_size({"width": width, "height": 700})
                tops = page.locator(".choices label").evaluate_all(
                    "all => all.map(one => one.getBoundingClientRect().top)"
                )
                assert len({*tops}) == lines, "a scale does not break"
            confirm(page)
            listen(page)
            confirm(page, "9")
            assert [row["rating"] for row in ratings_of(server)] == ["11", "9"]

    def test_a_sound_beside_a_reference(self, pairs, tmp_path, visit):
        block = {"kind": "rating", "question": "style", "reference": True, "repeats": 0}
        with Server(plan_of(pairs, tmp_path / "survey", block)) as server:
            page = visit(server.url)
            join(page)
            expect(page.locator("#note .text")).to_contain_text("There is a reference")
            assert go_on(page) == "Sound 1 of 4"
            expect(page.get_by_role("button", name="Play the reference")).to_be_enabled()
            page.keyboard.press("s")
            expect(page.locator("#hint")).to_have_text("Still to play to the end: the reference")
            page.keyboard.press("4")
            expect(page.locator("#hint")).to_have_text("Play each sound to its end first.")
            page.keyboard.press("r")
            page.locator("#task fieldset:enabled").wait_for()
            confirm(page, "4")
            (row,) = ratings_of(server)
        assert (row["rating"], row["scale"], row["plays"]) == ("4", "1,5", "1")

    @pytest.mark.parametrize("reference", [False, True])
    def test_preferences(self, pairs, tmp_path, visit, reference):
        question = "style" if reference else "quality"
        block = {"kind": "pair", "question": question, "reference": reference, "repeats": 2}
        with Server(plan_of(pairs, tmp_path / "survey", block)) as server:
            page = visit(server.url)
            join(page)
            for k, key in enumerate("1323", start=1):
                assert go_on(page) == f"Comparison {k} of 4"
                expect(page.locator("#task .play")).to_have_count(3 if reference else 2)
                listen_to_all(page)
                confirm(page, key)
            expect(page.locator("#thanks")).to_be_visible()
            rows = rows_of_table(server, "preferences")
        assert [row["preferred"] for row in rows] == ["first", "tie", "second", "tie"]
        assert {row["pair"] for row in rows} == {"1", "2"}

    def test_one_sound_at_a_time(self, pairs, tmp_path, visit):
        with Server(
            plan_of(pairs, tmp_path / "survey", {"kind": "pair", "question": "quality"})
        ) as server:
            page = visit(server.url)
            join(page)
            go_on(page)
            expect(page.locator("#task .play:enabled")).to_have_count(2)
            page.locator("#task").evaluate(
                "task => task.querySelectorAll('audio').forEach(a => { a.loop = true })"
            )
            for key, playing in (("a", "10"), ("b", "01"), ("Space", "00")):
                page.keyboard.press(key)
                page.wait_for_function(
                    """playing => [...document.querySelectorAll("#task audio")]
                        .map(a => a.paused ? "0" : "1").join("") === playing""",
                    arg=playing,
                )

    def test_without_ties_there_is_no_third_choice(self, pairs, tmp_path, visit):
        block = {"kind": "pair", "question": "quality", "ties": False}
        with Server(plan_of(pairs, tmp_path / "survey", block)) as server:
            page = visit(server.url)
            join(page)
            go_on(page)
            expect(page.locator("#task .play:enabled")).to_have_count(2)
            expect(page.get_by_role("radio")).to_have_count(2)

    def test_abx(self, pairs, tmp_path, visit):
        with Server(plan_of(pairs, tmp_path / "survey", {"kind": "abx", "repeats": 1})) as server:
            page = visit(server.url)
            join(page)
            expect(page.locator("#note .text")).not_to_contain_text("no right or wrong answers")
            for key in "12":
                go_on(page)
                expect(page.locator("#wording")).to_have_text("Which sound is the same as X?")
                listen_to_all(page)
                confirm(page, key)
            rows = rows_of_table(server, "abx")
        assert [row["chosen"] for row in rows] == ["a", "b"]
        assert {row["x"] for row in rows} <= {"a", "b"}

    def test_mushra(self, pairs, tmp_path, visit):
        with Server(
            plan_of(pairs, tmp_path / "survey", {"kind": "mushra", "question": "style"})
        ) as server:
            page = visit(server.url)
            press, hint = page.keyboard.press, page.locator("#hint")
            join(page)
            assert go_on(page) == "Page 1 of 2"
            page.locator("#task .play:enabled").wait_for()
            sliders = page.get_by_role("slider")
            expect(sliders).to_have_count(5)  # two conditions, two anchors, and the reference
            press("3")
            expect(page.get_by_role("button", name="Sound 3")).to_have_attribute(
                "aria-pressed", "true"
            )
            expect(sliders.nth(2)).to_be_focused()
            press("ArrowLeft")
            expect(sliders.nth(2)).to_have_attribute("aria-valuetext", "49: fair")
            expect(hint).to_contain_text("Still to hear: Reference, Sound 1, Sound 2, Sound 4")
            for key in "01245":
                press(key)
                expect(page.locator("#task [aria-pressed=true]")).to_have_text(
                    key.replace("0", "Reference")
                )
                page.wait_for_timeout(400)
            expect(hint).to_have_text("Still to rate: Sound 1, Sound 2, Sound 4, Sound 5")
            expect(page.get_by_role("button", name="Confirm")).to_be_disabled()
            for key in "1245":
                press(key)
                press("End" if key == "5" else "Home")
            expect(hint).to_be_empty()
            press("Space")
            expect(page.locator("#task .play")).to_have_text("Play again")
            before = title(page)
            press("Enter")
            wait_for_another(page, before)
            rows = rows_of_table(server, "mushra")
        assert [float(row["rating"]) for row in rows] == [0, 0, 49, 0, 100]
        assert sorted(row["role"] for row in rows) == [
            "anchor",
            "anchor",
            "reference",
            "trial",
            "trial",
        ]
        assert all(int(row["plays"]) >= 1 for row in rows)

    @pytest.mark.parametrize("kind", ["mushra", "rating"])
    def test_a_sound_that_is_broken_on_its_way(self, pairs, tmp_path, visit, kind):
        """It is requested again."""
        with Server(
            plan_of(pairs, tmp_path / "survey", {"kind": kind, "question": "style"})
        ) as server:
            page = visit(server.url)
            page.check("#agree")
            page.get_by_role("button", name="Begin").click()
            broken = [b"RIFF....WAVE"]

            def breaks(route: Route) -> None:
                if broken:
                    route.fulfill(body=broken.pop(), content_type="audio/wav")
                else:
                    route.continue_()

            page.route("**/sounds/0", breaks)
            set_volume(page)
            go_on(page)
            expect(page.locator("#said")).to_contain_text("Loading it again")
            page.locator("#task .play:enabled").wait_for()
            expect(page.locator("#said")).to_be_empty()

    def test_questionnaires(self, pairs, tmp_path, visit):
        fields = [
            {"name": "age", "text": "Age?", "type": "number", "lowest": 18, "highest": 99},
            {"name": "ears", "text": "Hearing?", "type": "choice", "options": ["good", HOSTILE]},
            {
                "name": "jobs",
                "text": "Jobs?",
                "type": "choices",
                "options": ["music", "sound", "no"],
            },
            {"name": "note", "text": "Remarks?", "type": "text"},
            {"name": "other", "text": "Anything else?", "type": "text"},
        ]
        block = {"kind": "questionnaire", "name": "me", "title": "About you", "fields": fields}
        rating = {"kind": "rating", "question": "quality", "repeats": 0}
        with Server(plan_of(pairs, tmp_path / "survey", block, rating)) as server:
            page = visit(server.url)
            join(page)
            assert go_on(page) == "About you"
            age = page.get_by_label("Age?")
            for wrong in ("seven", "7", "100", "1e9"):
                age.fill(wrong)
                page.get_by_role("button", name="Confirm").click()
                expect(page.locator(".wrong").first).to_contain_text("a number from 18 to 99")
                expect(age).to_be_focused()
                expect(age).to_have_attribute("aria-invalid", "true")
            age.fill(" 33,5 ")
            expect(page.get_by_role("radio", name="no answer")).to_be_checked()
            page.get_by_role("radio", name=HOSTILE).check()
            page.get_by_role("checkbox", name="music").check()
            page.get_by_role("checkbox", name="no", exact=True).check()
            page.get_by_label("Remarks?").fill("a b\n1 2 3")
            page.get_by_role("button", name="Confirm").click()
            wait_for_another(page, "About you")
            assert go_on(page) == "Sound 1 of 4"
            (row,) = rows_of_table(server, "questionnaire")
            assert page.locator("[onerror], img").count() == 0
        assert [row[f"me_{one['name']}"] for one in fields] == [
            "33.5",
            HOSTILE,
            "music | no",
            "a b\n1 2 3",
            "",
        ]

    def test_a_questionnaire_without_any_answer(self, pairs, tmp_path, visit):
        fields = [{"name": "note", "text": "Remarks?", "type": "text"}]
        block = {"kind": "questionnaire", "name": "me", "title": "About you", "fields": fields}
        with Server(plan_of(pairs, tmp_path / "survey", {"kind": "abx"}, block)) as server:
            page = visit(server.url)
            join(page)
            with httpx.Client(base_url=server.url, headers=bearer(kept(page)["token"])) as client:
                for k in range(4):
                    surveys.answer(client, k, {"chosen": 0}, sounds=3)
            page.reload()
            expect(page.locator("#trial h1")).to_have_text("About you")
            page.get_by_role("button", name="Confirm").click()
            expect(page.locator("#thanks")).to_be_visible()

    def test_blocks_are_announced(self, pairs, tmp_path, visit):
        """A note before each part says which question comes, and how many sounds."""
        plan = [
            {"kind": "rating", "question": "quality", "repeats": 0},
            {"kind": "rating", "question": "style", "repeats": 0},
        ]
        with Server(plan_of(pairs, tmp_path / "survey", *plan, rest_every=3)) as server:
            page = visit(server.url)
            join(page)
            notes = []
            while not page.locator("#thanks").is_visible():
                if page.locator("#note").is_visible():
                    notes.append((title(page), page.locator("#note .text").inner_text()))
                else:
                    listen(page)
                    page.keyboard.press("2")
                confirm(page)
        rest = "Time for a break"
        assert [heading for heading, _ in notes] == ["Part 1 of 2", rest, "Part 2 of 2", rest]
        for question in (
            "How good is the quality of this sound?",
            "How well does this sound match",
        ):
            assert sum(question in text for _, text in notes) == 1
        assert all("4 sounds" in text for heading, text in notes if heading != rest)
        assert "You have finished 3 of 4." in notes[1][1]


#: Renders what a Switcher plays without a loudspeaker: an AudioContext that is rendered as fast as
#: possible, in which the sound is switched at exact times.
RENDER = """async ([files, switches, seconds, repeat]) => {
    let made;
    window.AudioContext = class extends OfflineAudioContext {
        constructor() {
            super(1, 48000 * seconds, 48000);
            made = this;
        }
        async resume() {}
    };
    const {Switcher} = await import("/switcher.js");
    const switcher = new Switcher();
    const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
    await switcher.load(files.map(text => new Blob([bytes(text)], {type: "audio/wav"})));
    switcher.repeat(repeat);
    await switcher.play();
    for (const [time, sound] of switches)
        made.suspend(time).then(() => {
            if (sound === null) switcher.stop();
            else switcher.choose(sound);
            OfflineAudioContext.prototype.resume.call(made);
        });
    const rendered = await made.startRendering();
    return {samples: [...rendered.getChannelData(0)], heard: switcher.heard, plays: switcher.plays};
}"""


class TestSwitching:
    @staticmethod
    def render(
        page: Page, sounds: list[np.ndarray], switches: list, *, seconds: float, repeat: bool
    ):
        files = []
        for sound in sounds:
            file = io.BytesIO()
            sf.write(file, sound, 48000, format="WAV", subtype="FLOAT")
            files.append(base64.b64encode(file.getvalue()).decode())
        found = page.evaluate(RENDER, [files, switches, seconds, repeat])
        return np.array(found["samples"]), found

    def test_no_gap_no_click_and_one_place(self, server, visit):
        """Two tones of one phase: what is heard is one tone whose level glides, in any order."""
        page = visit(server.url)
        time = np.arange(48000) / 48000
        tone = np.sin(2 * np.pi * 440 * time)
        switches = [[0.3, 1], [0.5, 0], [0.505, 1], [0.51, 0], [0.7, 1]]
        heard, found = self.render(
            page, [0.5 * tone, 0.25 * tone], switches, seconds=1, repeat=True
        )
        lead = 0.03
        at = lambda seconds: slice(round(48000 * seconds), round(48000 * (seconds + 0.1)))  # noqa: E731
        shifted = np.interp(time - lead, time, tone)
        for start, level in ((0.1, 0.5), (0.35, 0.25), (0.6, 0.5), (0.8, 0.25)):
            np.testing.assert_allclose(heard[at(start)], level * shifted[at(start)], atol=2e-3)
        steepest = 0.5 * 2 * np.pi * 440 / 48000
        assert np.abs(np.diff(heard)).max() < 1.1 * steepest, "no click"
        frames = np.abs(heard[round(48000 * 0.05) :]).reshape(-1, 480).max(axis=1)
        assert frames.min() > 0.24, "no gap"
        assert found["plays"] == [3, 3]
        assert found["heard"][0] == pytest.approx(0.3 - lead + 0.005 + 0.19, abs=0.01)

    def test_no_click_at_the_ends(self, server, visit):
        """Sounds that begin and end at full level, when they are repeated, and when stopped."""
        page = visit(server.url)
        time = np.arange(14400) / 48000
        tone = 0.5 * np.cos(2 * np.pi * 50 * time)
        heard, _ = self.render(page, [tone, tone[:7200]], [[0.8, None]], seconds=1, repeat=True)
        slope = 0.5 * 2 * np.pi * 50 / 48000 + 0.5 / (0.005 * 48000)
        assert np.abs(np.diff(heard)).max() < 1.2 * slope
        assert np.abs(heard[round(48000 * 0.4) : round(48000 * 0.6)]).max() > 0.49, "again"
        assert np.abs(heard[round(48000 * 0.9) :]).max() < 1e-6, "stopped"

    def test_without_repeating_it_ends(self, server, visit):
        page = visit(server.url)
        tone = 0.5 * np.ones(14400)
        heard, _ = self.render(page, [tone, tone], [], seconds=1, repeat=False)
        assert np.abs(heard[round(48000 * 0.34) :]).max() == 0


class TestChecks:
    def test_left_and_right(self, server, folder, tmp_path, visit):
        survey = survey_of(folder, tmp_path / "sides", channels=True)
        places = channels.places(0)
        with Server(survey) as server:
            page = visit(server.url)
            join(page)
            for attempt in (1, 2):
                expect(page.locator("#note h1")).to_have_text("Left and right")
                confirm(page)
                for k, place in enumerate(places):
                    assert title(page) == f"Left and right, {k + 1} of 3"
                    listen(page)
                    wrong = attempt == 1 and k == 2
                    confirm(page, str(1 + (place + wrong) % 3))
                said = "try once more" if attempt == 1 else "Both sides work"
                expect(page.locator("#note .text")).to_contain_text(said)
            confirm(page)
            assert go_on(page) == "Practice 1 of 1"
            token = kept(page)["token"]
            session = requests.get(
                f"{server.url}api/session", headers=bearer(token), timeout=10
            ).json()
            assert session["channels"] is True

    def test_faint_tones_in_noise(self, folder, tmp_path, visit):
        with Server(survey_of(folder, tmp_path / "survey", headphones="huggins")) as server:
            page = visit(server.url)
            join(page)
            expect(page.locator("#note .text")).to_contain_text("a faint tone is hidden")
            confirm(page)
            for target in headphones.targets(0):
                expect(page.locator("#wording")).to_contain_text("a faint tone?")
                listen(page)
                confirm(page, str(1 + target))
            expect(page.locator("#note .text")).to_contain_text("keep your headphones on")
            confirm(page)
            assert go_on(page) == "Practice 1 of 1"


PLATFORM = {
    "name": "prolific",
    "parameter": "PROLIFIC_PID",
    "completion_code": "C0DE42",
    "completion_url": "https://example.org/complete?cc=C0DE42",
    "screened_out_url": "https://example.org/screened",
    "no_consent_url": "https://example.org/returned",
}
PERSON = "5f3c9a1b2d"


class TestPlatform:
    @pytest.fixture
    def server(self, pairs, tmp_path) -> Iterator[Server]:
        survey = plan_of(
            pairs, tmp_path / "survey", {"kind": "abx", "repeats": 1}, platform=PLATFORM
        )
        with Server(survey) as server:
            yield server

    def test_without_its_link(self, server, visit):
        page = visit(server.url)
        expect(page.locator("#lost")).to_contain_text("open this page with the link")
        expect(page.locator("#join")).to_be_hidden()

    def test_whoever_takes_part_is_kept_nowhere(self, server, visit):
        address = f"{server.url}?PROLIFIC_PID={PERSON}&SESSION_ID=77"
        page = visit(address)
        expect(page.get_by_role("heading", name="Your consent")).to_be_visible()
        page.reload()  # before consent, nothing is lost
        leave = page.get_by_role("link", name="I do not agree")
        expect(leave).to_have_attribute("href", PLATFORM["no_consent_url"])
        sent: list[str] = []
        page.on("request", lambda request: sent.append(f"{request.url} {request.post_data}"))
        join(page)
        assert page.url == server.url
        assert sum(PERSON in text for text in sent) == 1
        stored = page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])")
        assert PERSON not in stored
        assert "token" in stored
        page.reload()
        expect(page.locator("#note")).to_be_visible()
        token = kept(page)["token"]
        page.goto(address)  # the same person on the same device continues
        expect(page.locator("#note")).to_be_visible()
        assert page.url == server.url
        assert kept(page)["token"] == token
        page.goto(f"{server.url}?PROLIFIC_PID=another")
        expect(page.get_by_role("heading", name="Your consent")).to_be_visible()
        join(page)
        expect(page.locator("#note")).to_be_visible()
        assert kept(page)["token"] != token

    def test_the_same_person_elsewhere(self, server, visit):
        """It is one participant; the first device is told, and can begin again."""
        address = f"{server.url}?PROLIFIC_PID={PERSON}"
        page = visit(address, allow=".* 401 ")
        join(page)
        go_on(page)
        listen_to_all(page)
        confirm(page, "1")
        elsewhere = visit(address)
        join(elsewhere)
        assert go_on(elsewhere) == "Comparison 2 of 2"
        page.goto(address)
        expect(page.locator("#said")).to_contain_text("you have continued elsewhere")
        expect(page.get_by_role("heading", name="Your consent")).to_be_visible()
        join(page)
        assert go_on(page) == "Comparison 2 of 2"

    def test_the_end(self, server, visit):
        page = visit(f"{server.url}?PROLIFIC_PID={PERSON}")
        join(page)
        for key in "12":
            go_on(page)
            listen_to_all(page)
            confirm(page, key)
        expect(page.locator("#code")).to_have_text(kept(page)["code"])
        expect(page.locator("#completed")).to_have_text("C0DE42")
        back = page.get_by_role("link", name="Back to the platform")
        expect(back).to_have_attribute("href", PLATFORM["completion_url"])
        expect(page.get_by_role("button", name="Begin the test with another")).to_be_hidden()
        page.locator("#completion").get_by_role("button").click()
        expect(page.locator("#completion").get_by_role("button")).to_have_text(
            re.compile("Copied|Selected")
        )
        page.wait_for_timeout(500)
        assert page.url == server.url, "nobody is sent away before the code is read"

    def test_screened_out(self, pairs, tmp_path, visit):
        platform = {**PLATFORM, "require_headphones": True}
        options = {"platform": platform, "headphones": "woods"}
        survey = plan_of(pairs, tmp_path / "strict", {"kind": "abx"}, **options)
        wrong = [str(1 + (one.quiet + 1) % 3) for one in headphones.checks(0)]
        with Server(survey) as server:
            page = visit(f"{server.url}?PROLIFIC_PID={PERSON}")
            join(page)
            expect(page.locator("#note .text")).to_contain_text("You need headphones to take part")
            expect(page.locator("#note .other")).to_be_hidden()
            for attempt in (1, 2):
                confirm(page)
                for key in wrong:
                    listen(page)
                    confirm(page, key)
                if attempt == 1:
                    expect(page.locator("#note .text")).to_contain_text("try once more")
            expect(page.locator("#screened h1")).to_be_focused()
            page.reload()
            back = page.get_by_role("link", name="Back to the platform")
            expect(back).to_have_attribute("href", PLATFORM["screened_out_url"])


class TestLanguages:
    @pytest.mark.parametrize("code", ["de", "en", "es", "fr"])
    def test_the_page_speaks_it(self, pairs, tmp_path, visit, code):
        block = {"kind": "rating", "question": "quality", "repeats": 0}
        words = languages.read(code)
        options = {"language": code, "questionnaires": True}
        with Server(plan_of(pairs, tmp_path / "survey", block, **options)) as server:
            page = visit(server.url)
            expect(page.locator("html")).to_have_attribute("lang", code)
            expect(page.get_by_role("heading", name=words.texts["welcome.consent"])).to_be_visible()
            expect(page.locator("#minutes")).to_contain_text(re.compile(r" \d+ "))
            page.check("#agree")
            page.locator("#join .main").click()
            page.locator("#volume .play:enabled").click()
            page.locator("#volume .main:enabled").click()
            expect(page.locator("#trial h1")).to_have_text(
                words.survey["questionnaires"]["before"]["title"]
            )
            empty = page.locator("[data-text]").evaluate_all(
                "all => all.filter(one => !one.textContent)"
            )
            assert empty == []
            assert "{" not in page.locator("body").inner_text()
            before = title(page)
            page.locator("#trial .main").click()
            wait_for_another(page, before)
            confirm(page)
            listen(page)
            said = page.locator("#trial .time").inner_text()
            assert ("0,2" if code != "en" else "0.2") in said

    def test_from_right_to_left(self, pairs, tmp_path, visit):
        """A language of somebody's own that is written from the right: every message mirrored."""

        def mirrored(found: Any, name: str = "") -> Any:
            if isinstance(found, dict):
                return {key: mirrored(one, key) for key, one in found.items()}
            if isinstance(found, list):
                return [mirrored(one, name) for one in found]
            keeps = not isinstance(found, str) or name in ("name", "type", "direction")
            return found if keeps else f"\u202b{found}\u202c"

        path = tmp_path / "mine.json"
        english = Path(languages.__file__).with_name("languages") / "en.json"
        words = mirrored(json.loads(english.read_text(encoding="utf-8"))) | {"direction": "rtl"}
        path.write_text(json.dumps(words), encoding="utf-8")
        plan = [
            {"kind": "mushra", "question": "style"},
            {"kind": "rating", "question": "quality", "continuous": True, "repeats": 0},
        ]
        options = {"language": str(path), "questionnaires": True}
        with Server(plan_of(pairs, tmp_path / "survey", *plan, **options)) as server:
            page = visit(server.url, viewport={"width": 320, "height": 700})
            expect(page.locator("html")).to_have_attribute("dir", "rtl")
            page.check("#agree")
            page.locator("#join .main").click()
            page.locator("#volume .play:enabled").click()
            page.locator("#volume .main:enabled").click()
            page.locator("#trial").wait_for()
            confirm(page)
            screens = set()
            while len(screens) < 2:
                go_on(page)
                page.locator("#task .play:enabled").wait_for()
                page.set_viewport_size({"width": 320, "height": 700})
                assert page.evaluate("document.documentElement.scrollWidth") <= 320
                page.set_viewport_size({"width": 1000, "height": 700})
                kind = "mushra" if page.locator(".bands").is_visible() else "line"
                if kind == "line":
                    listen(page)
                    confirm(page, "ArrowLeft")
                else:
                    for key in "012345":
                        page.keyboard.press(key)
                        page.wait_for_timeout(400)
                        if key != "0":
                            page.keyboard.press("ArrowLeft")
                    if page.get_by_role("slider").first.input_value() != "51":
                        raise AssertionError("the arrow to the left is forwards")
                    confirm(page)
                assert Axe().run(page).violations_count == 0
                screens.add(kind)


class TestConnection:
    def test_reload_and_a_second_tab(self, server, visit):
        page = visit(server.url)
        join(page)
        practise(page)
        rate(page, 5)
        page.reload()
        expect(page.locator("#trial h1")).to_have_text(f"Sound 2 of {TEST}")
        listen(page)
        page.keyboard.press("3")
        page.reload()  # before it is confirmed
        second = visit(server.url, page.context)
        expect(second.locator("#trial h1")).to_have_text(f"Sound 2 of {TEST}")
        rate(second, 4)
        expect(page.locator("#trial h1")).to_have_text(f"Sound 3 of {TEST}")
        expect(page.locator("#said")).to_have_text("You have continued in another tab.")
        rate(page, 1)
        expect(second.locator("#trial h1")).to_have_text(f"Sound 4 of {TEST}")
        assert given(server) == [5, 4, 1]

    def test_a_device_that_is_behind(self, server, visit):
        """What was rated elsewhere counts; the other rating is refused, and the page says so."""
        page = visit(server.url, allow=".* 409 ")
        join(page)
        practise(page)
        listen(page)
        url = f"{server.url}api/screens/1/answer"
        body = {"answer": {"rating": 2}, "plays": [1], "seconds": 3}
        headers = bearer(kept(page)["token"])
        assert requests.put(url, json=body, headers=headers, timeout=10).status_code == 200
        page.keyboard.press("5")
        page.keyboard.press("Enter")
        expect(page.locator("#said")).to_contain_text("already answered this")
        expect(page.locator("#trial h1")).to_have_text(f"Sound 2 of {TEST}")
        assert given(server) == [2]
        assert kept(page)["pending"] is None

    def test_lost_and_restored(self, server, visit):
        page = visit(server.url, allow=NO_NETWORK)
        join(page)
        practise(page)
        listen(page)
        page.context.set_offline(True)
        page.keyboard.press("4")
        page.keyboard.press("Enter")
        said = "The connection is lost. Your answer is stored on this device"
        expect(page.locator("#said")).to_contain_text(said)
        page.keyboard.press("Enter")
        assert kept(page)["pending"]["answer"] == {"rating": 4}
        assert given(server) == []
        page.context.set_offline(False)
        expect(page.locator("#trial h1")).to_have_text(f"Sound 2 of {TEST}")
        expect(page.locator("#said")).to_be_empty()
        rate(page, 2)
        assert given(server) == [4, 2]

    def test_the_answer_is_lost(self, server, visit):
        """The server has it and the page does not know: it is sent again, and kept once."""
        page = visit(server.url, allow=NO_NETWORK)
        join(page)
        practise(page)
        sent = lose_answer(page, "**/answer")
        rate(page, 3)
        assert len(sent) == 2
        assert given(server) == [3]

    def test_closed_before_it_was_sent(self, server, visit):
        page = visit(server.url, allow=NO_NETWORK)
        join(page)
        practise(page)
        listen(page)
        page.route("**/answer", lambda route: route.abort())
        page.keyboard.press("5")
        page.keyboard.press("Enter")
        expect(page.locator("#said")).to_contain_text("Your answer is stored")
        again = visit(server.url, page.context)
        expect(again.locator("#trial h1")).to_have_text(f"Sound 2 of {TEST}")
        page.close()
        assert given(server) == [5]

    def test_a_server_that_starts_anew(self, folder, tmp_path, visit):
        """It does not know that the sound was asked for: the page asks again, and rates."""
        survey = survey_of(folder, tmp_path / "survey")
        with Server(survey) as server:
            page = visit(server.url, allow=rf"{NO_NETWORK}|.* 403 |.*ERR_CONNECTION_REFUSED")
            join(page)
            practise(page)
            listen(page)
            port = int(server.address.partition(":")[2])
        with Server(survey, port=port) as server:
            replies: list[int] = []
            page.on("response", lambda r: replies.append(r.status) if "/answer" in r.url else None)
            page.keyboard.press("4")
            page.keyboard.press("Enter")
            expect(page.locator("#said")).to_contain_text("will be sent in a few seconds")
            expect(page.locator("#trial h1")).to_have_text(f"Sound 2 of {TEST}")
            expect(page.locator("#said")).to_be_empty()
            assert replies == [403, 403, 200]
            assert given(server) == [4]

    def test_a_rating_that_comes_too_soon_again_and_again(self, server, visit):
        page = visit(server.url, allow=".* 403 ")
        join(page)
        practise(page)
        listen(page)
        answer = {"status": 403, "json": {"error": "too soon"}}
        page.route("**/answer", lambda route: route.fulfill(**answer))
        page.keyboard.press("2")
        page.keyboard.press("Enter")
        expect(page.locator("#said")).to_contain_text("Please play every sound again")
        expect(page.locator("#trial h1")).to_have_text(f"Sound 1 of {TEST}")
        expect(page.get_by_role("radio").first).to_be_disabled()
        assert kept(page)["pending"] is None
        page.unroute("**/answer")
        rate(page, 5)
        assert given(server) == [5]

    def test_a_look_elsewhere_while_a_rating_is_on_its_way(self, server, visit):
        page = visit(server.url)
        join(page)
        practise(page)
        listen(page)
        held: list[Route] = []
        page.route("**/answer", lambda route: held.append(route))
        page.keyboard.press("4")
        page.keyboard.press("Enter")
        page.locator("#trial fieldset:disabled").wait_for()
        page.wait_for_timeout(200)
        answer = held[0].fetch()  # it is kept, and the page does not know yet
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        page.wait_for_timeout(300)
        held[0].fulfill(response=answer)
        expect(page.locator("#trial h1")).to_have_text(f"Sound 2 of {TEST}")
        expect(page.locator("#said")).to_be_empty()
        assert page.locator("#done").evaluate("bar => bar.value") == 1

    def test_a_slow_sound(self, server, visit, monkeypatch):
        """It may take longer than an answer, as its length and a slow connection have it."""

        def trickle(survey: Survey, file: str) -> StreamingResponse:
            data = survey.sound(file).read_bytes()
            step = math.ceil(len(data) / 12)

            def parts() -> Iterator[bytes]:
                for start in range(0, len(data), step):
                    time.sleep(0.15)
                    yield data[start : start + step]

            headers = {"Content-Length": str(len(data))}
            return StreamingResponse(parts(), media_type="audio/wav", headers=headers)

        monkeypatch.setattr(routes, "_wav", trickle)
        page = visit(server.url)
        page.evaluate(SOONER)
        join(page)
        assert go_on(page) == "Practice 1 of 1"
        page.locator("#trial .play:enabled").wait_for()
        expect(page.locator("#said")).to_be_empty()

    def test_a_busy_server(self, server, visit):
        page = visit(server.url, allow=".* 429 ")
        join(page)
        practise(page)
        answers = [{"status": 429, "headers": {"Retry-After": "1"}, "json": {"error": "wait"}}]
        page.route("**/answer", lambda r: r.fulfill(**answers.pop()) if answers else r.continue_())
        listen(page)
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        expect(page.locator("#said")).to_contain_text("The server is busy.")
        expect(page.locator("#trial h1")).to_have_text(f"Sound 2 of {TEST}")
        assert given(server) == [1]


class TestLeaving:
    def test_go_on_elsewhere(self, server, visit):
        page = visit(server.url)
        join(page)
        practise(page)
        rate(page, 2)
        page.locator("#leave").click()
        link = page.get_by_label("Link to continue").input_value()
        assert link.startswith(f"{server.url}#")
        elsewhere = visit(link)
        expect(elsewhere.locator("#volume h1")).to_be_focused()
        assert elsewhere.url == server.url, "the token is not in the address"
        set_volume(elsewhere)
        assert go_on(elsewhere) == f"Sound 2 of {TEST}"
        rate(elsewhere, 4)
        skip(server, elsewhere)
        rate(elsewhere, 5)
        expect(elsewhere.locator("#code")).to_have_text(kept(page)["code"])
        page.keyboard.press("Escape")
        page.reload()
        expect(page.locator("#thanks")).to_be_visible()
        assert given(server) == [2, 4] + [3] * (TEST - 3) + [5]
        assert {row["listener"] for row in ratings_of(server)} == {"P001"}

    def test_a_link_of_somebody_else_in_another_tab(self, server, visit):
        """The first tab must not rate its sound in the name of whoever the second one is of."""
        page = visit(server.url)
        join(page)
        practise(page)
        rate(page, 2)
        guest = visit(server.url)
        join(guest)
        guest.locator("#leave").click()
        token, code = kept(guest)["token"], kept(guest)["code"]
        listen(page)
        second = visit(f"{server.url}#{token}.{code}", page.context)
        expect(second.locator("#volume h1")).to_be_visible()
        expect(page.locator("#volume h1")).to_be_visible()
        assert (kept(page)["token"], kept(page)["code"]) == (token, code)
        assert given(server) == [2]

    def test_a_link_that_is_not_known(self, server, visit):
        page = visit(f"{server.url}#{'x' * 43}", allow=".* 401 ")
        expect(page.locator("#said")).to_contain_text("The server does not know this link")
        join(page)
        token = kept(page)["token"]
        page.goto(f"{server.url}#{'y' * 43}")
        expect(page.locator("#said")).to_contain_text("The server does not know this link")
        assert kept(page)["token"] == token, "the participant of this device stays"
        assert go_on(page) == "Practice 1 of 1"

    def test_withdrawal_by_code(self, server, visit):
        page = visit(server.url, allow=".* 401 ")
        join(page)
        practise(page)
        rate(page, 5)
        code = kept(page)["code"]
        elsewhere = visit(server.url, allow=".* 404 ")
        elsewhere.locator("#welcome").get_by_text("Withdraw with a code").click()
        form = elsewhere.locator("#welcome .withdraw")
        form.get_by_label("Withdrawal code").fill("ABCD-EFGH-JKMN-PQRS")
        form.get_by_role("button").click()
        expect(form.locator(".answer")).to_contain_text("No participant of this test has this code")
        assert given(server) == [5]
        form.get_by_label("Withdrawal code").fill(code.lower().replace("-", " "))
        form.get_by_role("button").click()
        expect(elsewhere.locator("#gone h1")).to_be_focused()
        assert given(server) == []
        go_on(page)
        listen(page)
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        expect(page.locator("#said")).to_contain_text("You have withdrawn")
        expect(page.locator("#welcome")).to_be_visible()
        assert kept(page) == {}
        assert given(server) == []

    def test_withdrawal_whose_answer_is_lost(self, server, visit):
        """It was deleted, and asked again nobody has the code: which is what was wanted."""
        page = visit(server.url, allow=rf"{NO_NETWORK}|.* 404 ")
        join(page)
        sent = lose_answer(page, "**/withdraw")
        page.locator("#leave").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete my answers").click()
        expect(page.locator("#gone h1")).to_be_focused()
        assert len(sent) == 2
        assert kept(page) == {}

    def test_withdrawal_half_way(self, server, visit):
        page = visit(server.url)
        join(page)
        practise(page)
        rate(page, 5)
        page.locator("#leave").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_label("Withdrawal code")).to_have_value(kept(page)["code"])
        dialog.get_by_role("button", name="Delete my answers").click()
        expect(page.locator("#gone h1")).to_be_focused()
        assert kept(page) == {}
        assert given(server) == []
        page.reload()
        expect(page.locator("#welcome")).to_be_visible()


class TestAdmin:
    def test_needs_its_token(self, server, visit):
        page = visit(f"{server.url}admin", allow=".* 401 ")
        expect(page.locator("#said")).to_contain_text("use the link that nst survey serve prints")
        expect(page.locator("#all")).to_be_hidden()
        page.goto(f"{server.url}admin#{'x' * 43}")
        expect(page.locator("#said")).to_contain_text("an earlier start of the server")
        expect(page.locator("#all")).to_be_hidden()

    def test_counts_move(self, server, visit):
        admin = visit(server.admin_url)
        expect(admin.locator("#tiles")).to_contain_text("started0")
        assert admin.url == f"{server.url}admin", "the token is not in the address"
        page = visit(server.url)
        join(page)
        skip(server, page, rating=2)
        rate(page, 2)
        expect(admin.locator("#tiles")).to_contain_text("started1")
        expect(admin.locator("#tiles")).to_contain_text("finished1")
        rows = [row.split() for row in admin.locator("tbody tr").all_inner_texts()]
        assert rows == [["stft", "1", "1", "2"], ["cqt-", "1", "1", "2"]]
        expect(admin.locator("tfoot td").last).to_have_text(str(TRIALS))
        with admin.expect_download() as download:
            admin.get_by_role("button", name="Ratings (CSV)", exact=True).click()
        assert download.value.suggested_filename == "ratings.csv"
        text = Path(download.value.path()).read_text(encoding="utf-8")
        assert [int(row["rating"]) for row in csv.DictReader(io.StringIO(text))] == [2] * TEST
        admin.reload()
        expect(admin.locator("#tiles")).to_contain_text("started1")


class TestPhone:
    @pytest.mark.parametrize("phone", [True, False])
    def test_keys_are_spoken_of_where_there_are_some(self, server, visit, phone):
        size = {"width": 390, "height": 700}
        page = visit(server.url, viewport=size, is_mobile=phone, has_touch=phone)
        keys = page.get_by_text("You can do everything with the keyboard.")
        expect(page.get_by_role("heading", name="Your consent")).to_be_visible()
        expect(keys).to_be_visible(visible=not phone)
        join(page)
        go_on(page)
        expect(page.get_by_text("Keys", exact=True)).to_be_visible(visible=not phone)
        listen(page)  # and they work with a keyboard that is not known of
        page.keyboard.press("2")
        expect(page.get_by_role("radio", name="2 poor match")).to_be_checked()


class TestAccessibility:
    @pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (320, "dark")])
    def test_axe_finds_nothing(self, folder, tmp_path, visit, width, scheme):
        def check(page: Page, what: str) -> None:
            found = Axe().run(page)
            assert found.violations_count == 0, f"{what}: {found.generate_report()}"
            assert page.evaluate("document.documentElement.scrollWidth") <= width, what
            screens.append(what)

        screens: list[str] = []
        survey = survey_of(folder, tmp_path / "survey", headphones="woods")
        with Server(survey) as server:
            size = {"width": width, "height": 700}
            page = visit(server.url, viewport=size, color_scheme=scheme, reduced_motion="reduce")
            page.locator("#welcome").get_by_text("Withdraw with a code").click()
            check(page, "welcome")
            page.check("#agree")
            page.get_by_role("button", name="Begin").click()
            page.locator("#volume .play:enabled").wait_for()
            check(page, "loudness")
            set_volume(page)
            check(page, "headphones")
            page.get_by_role("button", name="I have no headphones").click()
            check(page, "practice")
            go_on(page)
            page.locator("#trial .play:enabled").wait_for()
            check(page, "trial")
            listen(page)
            page.keyboard.press("2")
            page.get_by_text("Keys", exact=True).click()
            check(page, "chosen")
            page.locator("#leave").click()
            check(page, "leave")
            page.keyboard.press("Escape")
            page.get_by_role("button", name="Confirm").click()
            expect(page.locator("#note h1")).to_have_text("The test")
            check(page, "test")
            skip(server, page)
            rate(page, 4)
            page.locator("#thanks").get_by_text("Withdraw with a code").click()
            check(page, "thanks")
            page.goto(server.admin_url)
            page.locator("#all").wait_for()
            check(page, "admin")
        assert len(screens) == 10

    @pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (320, "light")])
    def test_axe_finds_nothing_in_any_kind(self, pairs, tmp_path, visit, width, scheme):
        plan = [
            {"kind": "rating", "question": "quality", "continuous": True, "repeats": 0},
            {"kind": "rating", "question": "style", "reference": True, "repeats": 0},
            {"kind": "pair", "question": "quality"},
            {"kind": "abx", "repeats": 1},
            {"kind": "mushra", "question": "style"},
        ]
        answers = {
            "rating": {"rating": 3},
            "pair": {"preferred": None},
            "abx": {"chosen": 0},
            "mushra": {"scores": [50] * 5},
            "questionnaire": {"fields": {}},
        }
        options = {"questionnaires": True, "platform": PLATFORM}
        with Server(plan_of(pairs, tmp_path / "survey", *plan, **options)) as server:
            size = {"width": width, "height": 700}
            page = visit(server.url, viewport=size, color_scheme=scheme, reduced_motion="reduce")

            def check(what: str) -> None:
                found = Axe().run(page)
                assert found.violations_count == 0, f"{what}: {found.generate_report()}"
                assert page.evaluate("document.documentElement.scrollWidth") <= width, what

            expect(page.locator("#lost")).to_be_visible()
            check("without a link")
            page.goto(f"{server.url}?PROLIFIC_PID={PERSON}")
            join(page)
            check("first screen")
            headers = bearer(kept(page)["token"])
            with httpx.Client(base_url=server.url, headers=headers) as client:
                session = client.get("api/session").json()
                checked = set()
                for k, screen in enumerate(session["screens"]):
                    block = session["blocks"][screen["block"]]
                    if block["name"] not in checked:
                        reopen(page)
                        page.locator("#task .play:enabled, .questions").first.wait_for()
                        check(block["name"])
                        checked.add(block["name"])
                    sounds = len(screen["sounds"])
                    surveys.answer(client, k, answers[block["kind"]], sounds=sounds)
            assert len(checked) == 7
            page.reload()
            expect(page.locator("#completed")).to_be_visible()
            check("thanks")
