"""The page of a listening test as participants use it: real server, real browser, real sound."""

import csv
import io
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

from nst_lib.survey import routes
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
    usual = {"question": "style", "title": HOSTILE, "repeats": REPEATS, "headphones": False}
    return build(folder, out, table=folder / "sounds.csv", **{**usual, **options})


@pytest.fixture
def server(folder: Path, tmp_path: Path) -> Iterator[Server]:
    """A survey without a headphone check."""
    with Server(survey_of(folder, tmp_path / "survey")) as server:
        yield server


def ratings_of(server: Server) -> list[dict[str, str]]:
    """Return the export as it is downloaded, in order of listener and place."""
    headers = bearer(server.admin_url.partition("#")[2])
    response = requests.get(f"{server.url}api/admin/ratings.csv", headers=headers, timeout=10)
    assert response.status_code == 200
    rows = csv.DictReader(io.StringIO(response.text))
    return sorted(rows, key=lambda row: (row["listener"], int(row["position"])))


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
    # A sound that is stopped while it loads is a request that failed.
    pattern = "|".join(["failed: blob:", *allowed])
    assert [text for text in troubles if not re.match(pattern, text)] == []


def join(page: Page) -> None:
    """Consent, and set the volume."""
    page.check("#agree")
    page.get_by_role("button", name="Begin").click()
    set_volume(page)


def set_volume(page: Page) -> None:
    page.locator("#loudness .play:enabled").click()
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
    page.reload()
    page.locator("#trial, #note").locator("visible=true").wait_for()
    assert go_on(page) == f"Sound {TEST} of {TEST}"


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
        survey = survey_of(folder, tmp_path / "survey", headphones=True, rest_every=2)
        with Server(survey) as server:
            page = visit(server.url)
            press, heading = page.keyboard.press, page.locator("main > section:visible h1")
            expect(heading).to_have_text(HOSTILE)
            expect(heading).to_be_focused()
            for key in ("Tab", "Space", "Tab", "Enter"):
                press(key)
            expect(heading).to_have_text("Set the volume")
            expect(heading).to_be_focused()
            page.locator("#loudness .play:enabled").wait_for()
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
        code = page.locator("#thanks output").text_content()
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
        first = page.locator("#thanks output").text_content()
        page.reload()
        expect(page.locator("#thanks output")).to_have_text(first)
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


class TestConnection:
    def test_reload_and_a_second_tab(self, server, visit):
        page = visit(server.url, allow=r"failed: \S+/sound")  # of which the reload is in the way
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
        url = f"{server.url}api/trials/1/rating"
        body = {"rating": 2, "plays": 1, "seconds": 3}
        headers = bearer(kept(page)["token"])
        assert requests.put(url, json=body, headers=headers, timeout=10).status_code == 200
        page.keyboard.press("5")
        page.keyboard.press("Enter")
        expect(page.locator("#said")).to_contain_text("already rated this sound")
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
        said = "The connection is lost. Your rating is stored on this device"
        expect(page.locator("#said")).to_contain_text(said)
        page.keyboard.press("Enter")
        assert kept(page)["pending"]["rating"] == 4
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
        sent = lose_answer(page, "**/rating")
        rate(page, 3)
        assert len(sent) == 2
        assert given(server) == [3]

    def test_closed_before_it_was_sent(self, server, visit):
        page = visit(server.url, allow=NO_NETWORK)
        join(page)
        practise(page)
        listen(page)
        page.route("**/rating", lambda route: route.abort())
        page.keyboard.press("5")
        page.keyboard.press("Enter")
        expect(page.locator("#said")).to_contain_text("Your rating is stored")
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
            page.on("response", lambda r: replies.append(r.status) if "rating" in r.url else None)
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
        page.route("**/rating", lambda route: route.fulfill(**answer))
        page.keyboard.press("2")
        page.keyboard.press("Enter")
        expect(page.locator("#said")).to_contain_text("Please play the sound again")
        expect(page.locator("#trial h1")).to_have_text(f"Sound 1 of {TEST}")
        expect(page.get_by_role("radio").first).to_be_disabled()
        assert kept(page)["pending"] is None
        page.unroute("**/rating")
        rate(page, 5)
        assert given(server) == [5]

    def test_a_look_elsewhere_while_a_rating_is_on_its_way(self, server, visit):
        page = visit(server.url)
        join(page)
        practise(page)
        listen(page)
        held: list[Route] = []
        page.route("**/rating", lambda route: held.append(route))
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
        page.route("**/rating", lambda r: r.fulfill(**answers.pop()) if answers else r.continue_())
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
        expect(elsewhere.locator("#loudness h1")).to_be_focused()
        assert elsewhere.url == server.url, "the token is not in the address"
        set_volume(elsewhere)
        assert go_on(elsewhere) == f"Sound 2 of {TEST}"
        rate(elsewhere, 4)
        skip(server, elsewhere)
        rate(elsewhere, 5)
        expect(elsewhere.locator("#thanks output")).to_have_text(kept(page)["code"])
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
        expect(second.locator("#loudness h1")).to_be_visible()
        expect(page.locator("#loudness h1")).to_be_visible()
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
        elsewhere.get_by_text("Withdraw with a code").click()
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
        page.get_by_role("dialog").get_by_role("button", name="Delete my ratings").click()
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
        dialog.get_by_role("button", name="Delete my ratings").click()
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
            admin.get_by_role("button", name="Ratings (CSV)").click()
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
        survey = survey_of(folder, tmp_path / "survey", headphones=True)
        with Server(survey) as server:
            size = {"width": width, "height": 700}
            page = visit(server.url, viewport=size, color_scheme=scheme, reduced_motion="reduce")
            page.get_by_text("Withdraw with a code").click()
            check(page, "welcome")
            page.check("#agree")
            page.get_by_role("button", name="Begin").click()
            page.locator("#loudness .play:enabled").wait_for()
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
            page.get_by_text("Withdraw with the code").click()
            check(page, "thanks")
            page.goto(server.admin_url)
            page.locator("#all").wait_for()
            check(page, "admin")
        assert len(screens) == 10
