"""Players of sounds: in a real browser, and what is embedded in them."""

import base64
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib as mpl
import matplotlib.style
import numpy as np
import pytest
import soundfile as sf
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from nst_lib.show import plots
from nst_lib.show.player import AXES, HEIGHT, SCALE, WIDTH, Compare, Player
from nst_lib.sound.audio import PEAK, AudioError
from tests.pages import watch

SR = 22050
SECONDS = 4.0
HOSTILE = "<img src=x onerror=alert(1)> & 100% $left ${x} \"q\" 'a' </script>"
LEFT, BOTTOM, ACROSS, UP = AXES
#: Of one sample in 16 bits, as libsndfile writes it (by 32767) and reads it (by 32768).
ROUNDING = 1.6 / 32768

Show = Callable[..., Page]


def tone(frequency: float = 440.0, seconds: float = SECONDS, amplitude: float = 0.5) -> np.ndarray:
    time = np.arange(round(seconds * SR)) / SR
    return (amplitude * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


SOUNDS = {"content": tone(300), "style": tone(600, amplitude=0.2), "result": tone(1200)}


def page_of(*players: Compare) -> str:
    shown = "\n".join(player.to_html() for player in players)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Players</title>'
        '<meta name="viewport" content="width=device-width">'
        '<meta name="color-scheme" content="light dark"></head>'
        f"<body><main><h1>Players</h1>\n{shown}\n</main></body></html>"
    )


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Show]:
    """Open a page of players; nothing may be complained of or asked of another place."""
    troubles, contexts = [], []

    def open_page(*players: Compare, script: str = "", **options) -> Page:
        file = tmp_path / f"page{len(contexts)}.html"
        file.write_text(page_of(*players), encoding="utf-8")
        contexts.append(browser.new_context(**options))
        page = watch(contexts[-1].new_page(), troubles, ours=re.escape(file.as_uri()) + "|data:")
        page.on("dialog", lambda dialog: troubles.append(dialog.message))
        if script:
            page.add_init_script(script)
        page.goto(file.as_uri())
        page.wait_for_function(
            "[...document.querySelectorAll('audio')].every(audio => audio.readyState === 4"
            " && !(audio.closest('.nst-player') && audio.src.startsWith('data:audio/flac')))"
        )
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def player_of(page: Page, n: int = 0) -> Locator:
    return page.locator(".nst-player").nth(n)


def press(page: Page, name: str, n: int = 0) -> None:
    player_of(page, n).get_by_role("button", name=name, exact=True).click()


def times(page: Page) -> list[float]:
    return page.evaluate("[...document.querySelectorAll('audio')].map(a => a.currentTime)")


PLAYING = "[...document.querySelectorAll('audio')].map(a => !a.paused)"


def expect_playing(page: Page, *wanted: int) -> None:
    """Wait until exactly these sounds of the page play, and until they have moved on."""
    page.wait_for_function(
        f"wanted => {{ const on = {PLAYING};"
        "return on.every((value, k) => value === wanted.includes(k)) }",
        arg=list(wanted),
    )
    before = times(page)
    page.wait_for_function(
        "([before, wanted]) => wanted.every(k => "
        "document.querySelectorAll('audio')[k].currentTime !== before[k])",
        arg=[before, list(wanted)],
    )
    assert page.evaluate(PLAYING) == [k in wanted for k in range(len(before))]


def share_of_cursor(page: Page, n: int = 0) -> float:
    """Return where the cursor is, as a share of the figure."""
    view = player_of(page, n).locator(".view").bounding_box()
    cursor = player_of(page, n).locator(".cursor").bounding_box()
    return (cursor["x"] + cursor["width"] / 2 - view["x"]) / view["width"]


def click_at(page: Page, seconds: float, *, of: float = SECONDS, n: int = 0) -> None:
    """Click on the spectrogram where that time is drawn."""
    view = player_of(page, n).locator(".view")
    view.scroll_into_view_if_needed()
    box = view.bounding_box()
    view.click(position={"x": (LEFT + ACROSS * seconds / of) * box["width"], "y": 40})


def urls(html: str, element: str) -> list[tuple[str, bytes]]:
    """Return type and data of what is embedded."""
    found = re.findall(rf'<{element}\b[^>]*\bsrc="data:([^;"]+);base64,([^"]+)"', html)
    return [(kind, base64.b64decode(data)) for kind, data in found]


def embedded(player: Compare) -> list[np.ndarray]:
    """Return the samples of the sounds, which have to be of 16 bits."""
    sounds = []
    for kind, data in urls(player.to_html(), "audio"):
        assert kind == ("audio/flac" if player.interactive else "audio/wav")
        assert sf.info(io.BytesIO(data)).subtype == "PCM_16"
        sounds.append(sf.read(io.BytesIO(data), dtype="float32")[0])
    return sounds


@pytest.fixture(scope="module")
def one() -> Player:
    return Player(SOUNDS["content"], title="content")


@pytest.fixture(scope="module")
def three() -> Compare:
    return Compare(SOUNDS)


@pytest.fixture(scope="module")
def blind() -> Compare:
    return Compare(SOUNDS, blind=True, seed=2)


class TestPlaying:
    def test_play_and_pause(self, one, show):
        page = show(one)
        expect(page.locator("output")).to_have_text("0.00 s")
        expect(page.locator("audio")).to_be_hidden()
        expect(page.locator(".bar strong")).to_have_text("content")
        assert page.get_by_role("button").all_text_contents() == ["Play"]
        press(page, "Play")
        expect_playing(page, 0)
        press(page, "Pause")
        expect_playing(page)
        (stood,) = times(page)
        page.wait_for_timeout(200)
        assert times(page) == [stood]
        assert 0 < stood < SECONDS
        expect(page.locator("output")).to_have_text(f"{stood:.2f} s")
        press(page, "Play")
        expect_playing(page, 0)
        assert times(page)[0] > stood

    def test_the_browser_hears_the_samples(self, dataset, show):
        clip = dataset.choose("frog")
        player = Compare({"array": SOUNDS["style"], "clip": clip})
        page = show(player)
        heard = page.evaluate(
            """async () => {
                const context = new OfflineAudioContext(1, 1, 22050), heard = [];
                for (const audio of document.querySelectorAll("audio")) {
                    const data = await (await fetch(audio.src)).arrayBuffer();
                    const samples = (await context.decodeAudioData(data)).getChannelData(0);
                    heard.push([samples.length, [...samples.slice(0, 22050)]]);
                }
                return heard;
            }"""
        )
        wanted = SOUNDS["style"], clip.load(sr=SR)
        for (length, samples), y in zip(heard, wanted, strict=True):
            assert length == len(y)
            np.testing.assert_allclose(samples, player.gain * y[:SR], rtol=0, atol=2 * ROUNDING)

    def test_what_comes_out_is_as_loud_as_the_sound(self, three, show):
        page = show(three)
        press(page, "Play")
        for name, y in SOUNDS.items():
            press(page, name)
            expect_playing(page, list(SOUNDS).index(name))
            rms = page.evaluate(
                """async k => {
                    const context = new AudioContext(), analyser = context.createAnalyser();
                    const audio = document.querySelectorAll("audio")[k];
                    context.createMediaStreamSource(audio.captureStream()).connect(analyser);
                    analyser.fftSize = 8192;
                    const block = new Float32Array(analyser.fftSize);
                    let rms = 0;
                    for (let filled = 0; filled < 15;) {
                        await new Promise(done => setTimeout(done, 30));
                        analyser.getFloatTimeDomainData(block);
                        if (block[0]) filled++;
                        rms = Math.max(rms, Math.hypot(...block) / Math.sqrt(block.length));
                    }
                    await context.close();
                    return rms;
                }""",
                list(SOUNDS).index(name),
            )
            assert rms == pytest.approx(np.sqrt(np.mean(y**2)), rel=0.05)

    @pytest.mark.parametrize("width", [1000, 360])
    def test_a_click_on_the_spectrogram_goes_there(self, one, show, width):
        page = show(one, viewport={"width": width, "height": 700})
        pixel = SECONDS / (ACROSS * min(WIDTH, width))
        assert share_of_cursor(page) == pytest.approx(LEFT, abs=0.002)
        for seconds in (1.0, 3.0, 0.5):
            click_at(page, seconds)
            assert times(page)[0] == pytest.approx(seconds, abs=2 * pixel)
            place = LEFT + ACROSS * times(page)[0] / SECONDS
            assert share_of_cursor(page) == pytest.approx(place, abs=0.002)
            expect(page.locator("output")).to_have_text(f"{times(page)[0]:.2f} s")
        expect_playing(page)
        click_at(page, -0.2)
        assert times(page) == [0]
        click_at(page, SECONDS + 0.05)
        assert times(page)[0] == pytest.approx(SECONDS, abs=0.001)
        assert share_of_cursor(page) == pytest.approx(LEFT + ACROSS, abs=0.002)

    def test_the_cursor_goes_with_the_sound(self, one, show):
        page = show(one)
        press(page, "Play")
        expect_playing(page, 0)
        seen = page.evaluate(
            """async () => {
                const audio = document.querySelector("audio"), seen = [];
                for (let n = 0; n < 5; n++) {
                    for (let k = 0; k < 4; k++) await new Promise(requestAnimationFrame);
                    const left = parseFloat(document.querySelector(".cursor").style.left);
                    seen.push([audio.currentTime, left, document.querySelector("output").value]);
                }
                return seen;
            }"""
        )
        assert len({left for _, left, _ in seen}) == len(seen)
        for seconds, left, clock in seen:
            assert re.fullmatch(r"\d\.\d\d s", clock)
            time = float(clock.removesuffix(" s"))
            assert left / 100 == pytest.approx(LEFT + ACROSS * time / SECONDS, abs=0.002)
            assert seconds - 0.3 < time <= seconds + 0.006

    def test_a_click_while_it_plays_plays_on_from_there(self, one, show):
        page = show(one)
        press(page, "Play")
        expect_playing(page, 0)
        click_at(page, 2.5)
        expect_playing(page, 0)
        assert 2.4 < times(page)[0] < SECONDS

    def test_at_its_end_it_stops_and_plays_again_from_the_start(self, show):
        page = show(Player(tone(seconds=0.3)))
        page.evaluate("window.ends = 0; addEventListener('ended', () => ends++, true)")
        for ends in (1, 2):
            press(page, "Play")
            page.wait_for_function(f"ends === {ends}")
            expect(page.locator("[data-play]")).to_have_text("Play")
            expect(page.locator("output")).to_have_text("0.30 s")
            assert share_of_cursor(page) == pytest.approx(LEFT + ACROSS, abs=0.002)

    def test_loop(self, show):
        page = show(Player(tone(seconds=0.3)))
        page.evaluate(
            """() => {
                window.turns = 0; let last = 0;
                document.querySelector("audio").addEventListener("timeupdate", event => {
                    if (event.target.currentTime < last) turns++;
                    last = event.target.currentTime;
                });
            }"""
        )
        page.get_by_label("loop").check()
        press(page, "Play")
        page.wait_for_function("turns >= 2")
        expect_playing(page, 0)
        page.get_by_label("loop").uncheck()
        expect(page.locator("[data-play]")).to_have_text("Play")
        expect_playing(page)

    def test_it_draws_once_a_frame_however_often_it_was_moved(self, one, show):
        script = """
            window.asked = 0;
            const ask = window.requestAnimationFrame.bind(window);
            window.requestAnimationFrame = callback => { asked++; return ask(callback); };
            window.frames_of = count => new Promise(done => {
                const before = asked;
                const next = () => count-- > 0 ? ask(next) : done(asked - before);
                ask(next);
            });
        """
        page = show(one, script=script)
        press(page, "Play")
        expect_playing(page, 0)
        for seconds in (0.5, 1, 0.5, 1, 0.5, 1, 0.5, 1):
            click_at(page, seconds)
            page.wait_for_function("!document.querySelector('audio').seeking")
        expect_playing(page, 0)
        assert page.evaluate("frames_of(20)") <= 25

    def test_a_second_click_before_it_has_begun(self, one, show):
        page = show(one)
        press(page, "Play")
        expect_playing(page, 0)
        press(page, "Pause")
        expect_playing(page)
        for before in (0, 2):
            page.evaluate(
                """before => {
                    const button = document.querySelector("[data-play]");
                    if (before) document.querySelector("audio").currentTime = before;
                    button.click();
                    button.click();
                }""",
                before,
            )
            page.wait_for_timeout(150)
            expect_playing(page)
            expect(page.locator("[data-play]")).to_have_text("Play")

    def test_put_in_as_a_notebook_does(self, one, show):
        """JupyterLab sets innerHTML, which runs no scripts, and then puts each script in anew."""
        page = show()
        page.evaluate(
            """html => {
                const output = document.createElement("div");
                output.innerHTML = html;
                document.querySelector("main").append(output);
                for (const old of output.querySelectorAll("script")) {
                    const script = document.createElement("script");
                    script.textContent = old.textContent;
                    old.replaceWith(script);
                }
            }""",
            one.to_html(),
        )
        press(page, "Play")
        expect_playing(page, 0)
        page.evaluate("document.querySelector('.nst-player').parentElement.remove()")


class TestSeveralPlayers:
    def test_starting_one_stops_the_other(self, one, three, show):
        page = show(one, three)
        press(page, "Play", 0)
        expect_playing(page, 0)
        press(page, "Play", 1)
        expect_playing(page, 1)
        expect(player_of(page, 0).locator("[data-play]")).to_have_text("Play")
        expect(player_of(page, 1).locator("[data-play]")).to_have_text("Pause")
        stood = times(page)[0]
        press(page, "Play", 0)
        expect_playing(page, 0)
        assert times(page)[0] > stood > 0

    def test_one_started_before_another_has_begun(self, one, show):
        page = show(one, one)
        press(page, "Play", 0)
        expect_playing(page, 0)
        press(page, "Pause", 0)
        page.evaluate("document.querySelectorAll('[data-play]').forEach(b => b.click())")
        expect_playing(page, 1)

    def test_two_copies_of_one(self, three, show):
        page = show(three, three)
        press(page, "style", 1)
        click_at(page, 1.5, n=1)
        assert times(page) == [0, 0, 0, 0, pytest.approx(1.5, abs=0.02), 0]
        assert share_of_cursor(page, 0) == pytest.approx(LEFT, abs=0.002)
        press(page, "Play", 1)
        expect_playing(page, 4)
        pressed = [b.get_attribute("aria-pressed") for b in page.locator("[data-choice]").all()]
        assert pressed == ["true", "false", "false", "false", "true", "false"]
        player_of(page, 0).get_by_label("loop").check()
        loops = page.evaluate("[...document.querySelectorAll('audio')].map(a => a.loop)")
        assert loops == [True] * 3 + [False] * 3
        assert page.evaluate("document.querySelectorAll('.nst-player [id]').length") == 0


class TestCompare:
    def test_a_switch_goes_on_at_the_same_place(self, three, show):
        page = show(three)
        press(page, "Play")
        expect_playing(page, 0)
        for k, name in ((1, "style"), (2, "result"), (0, "content")):
            was, now, passed = page.evaluate(
                """async k => {
                    const sounds = [...document.querySelectorAll("audio")];
                    const began = new Promise(done =>
                        sounds[k].addEventListener("playing", done, { once: true }));
                    const was = sounds.find(sound => !sound.paused).currentTime;
                    const start = performance.now();
                    document.querySelectorAll("[data-choice]")[k].click();
                    await began;
                    return [was, sounds[k].currentTime, (performance.now() - start) / 1000];
                }""",
                k,
            )
            assert was - 0.02 <= now <= was + passed + 0.1
            expect_playing(page, k)
            pressed = page.get_by_role("button", pressed=True)
            assert pressed.all_text_contents() == [name]
            assert page.locator("img:visible").count() == 1
            expect(page.get_by_alt_text(f"Spectrogram of {name}")).to_be_visible()
        press(page, "Pause")
        expect_playing(page)

    def test_a_switch_while_nothing_plays(self, three, show):
        page = show(three)
        click_at(page, 2)
        press(page, "result")
        expect_playing(page)
        assert times(page)[2] == pytest.approx(2, abs=0.02)
        expect(page.locator("output")).to_have_text(f"{times(page)[2]:.2f} s")
        press(page, "Play")
        expect_playing(page, 2)
        assert times(page)[2] > 1.9

    @pytest.mark.parametrize("switches", [[1, 0], [1, 2], [1, 0, 1, 2, 1]])
    def test_switches_in_quick_succession(self, three, show, switches):
        page = show(three)
        press(page, "Play")
        expect_playing(page, 0)
        page.evaluate(
            "all => all.forEach(k => document.querySelectorAll('[data-choice]')[k].click())",
            switches,
        )
        page.wait_for_timeout(200)
        expect_playing(page, switches[-1])
        expect(page.locator("[data-play]")).to_have_text("Pause")

    def test_sounds_of_different_length(self, show):
        page = show(Compare({"long": tone(seconds=2), "short": tone(700, seconds=0.5)}))
        press(page, "short")
        click_at(page, 0.25, of=2)
        assert times(page)[1] == pytest.approx(0.25, abs=0.01)
        assert share_of_cursor(page) == pytest.approx(LEFT + ACROSS * times(page)[1] / 2, abs=0.002)
        click_at(page, 1.5, of=2)
        assert times(page)[1] == pytest.approx(0.5, abs=0.001)
        assert share_of_cursor(page) == pytest.approx(LEFT + ACROSS / 4, abs=0.002)
        press(page, "Play")
        page.wait_for_function("document.querySelectorAll('audio')[1].ended")
        press(page, "long")
        click_at(page, 1.5, of=2)
        assert times(page)[0] == pytest.approx(1.5, abs=0.01)
        press(page, "short")
        assert times(page)[1] == pytest.approx(0.5, abs=0.001)
        expect_playing(page)

    def test_without_spectrograms(self, show):
        page = show(Compare(SOUNDS, spectrogram=False))
        assert page.locator("img").count() == 0
        expect(page.locator(".cursor")).to_be_hidden()
        press(page, "Play")
        expect_playing(page, 0)
        press(page, "style")
        expect_playing(page, 1)


class TestKeys:
    def test_on_the_player(self, three, show):
        page = show(three)
        page.evaluate("document.body.style.minHeight = '3000px'")
        player_of(page).focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert times(page)[0] == pytest.approx(1.0, abs=0.001)
        page.keyboard.press("ArrowLeft")
        assert times(page)[0] == pytest.approx(0.5, abs=0.001)
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        assert times(page)[0] == 0
        page.keyboard.press("Space")
        expect_playing(page, 0)
        for key, k in (("2", 1), ("3", 2), ("1", 0)):
            page.keyboard.press(key)
            expect_playing(page, k)
        for key in ("4", "0", "x"):
            page.keyboard.press(key)
            expect_playing(page, 0)
        page.keyboard.press("Space")
        expect_playing(page)
        assert page.evaluate("scrollY") == 0

    def test_on_a_button_they_are_the_buttons(self, three, show):
        page = show(three)
        player_of(page).get_by_role("button", name="Play").focus()
        for key in ("ArrowRight", "2", "3"):
            page.keyboard.press(key)
        assert times(page) == [0, 0, 0]
        expect(page.get_by_role("button", pressed=True)).to_have_text("content")
        page.keyboard.press("Space")
        expect_playing(page, 0)
        page.keyboard.press("Space")
        expect_playing(page)
        page.get_by_role("button", name="result").focus()
        page.keyboard.press("Space")
        expect(page.get_by_role("button", pressed=True)).to_have_text("result")
        expect_playing(page)
        page.get_by_label("loop").focus()
        page.keyboard.press("Space")
        expect(page.get_by_label("loop")).to_be_checked()
        expect_playing(page)

    def test_those_it_uses_do_not_reach_the_notebook(self, three, show):
        page = show(three)
        page.evaluate(
            "window.keys = []; document.addEventListener('keydown', e => { keys.push(e.key) })"
        )
        player_of(page).focus()
        for key in ("ArrowRight", "2", "Space", "Space", "x", "Enter"):
            page.keyboard.press(key)
        assert page.evaluate("keys") == ["x", "Enter"]

    def test_with_another_key_held_they_are_the_browsers(self, three, show):
        page = show(three)
        page.evaluate(
            """() => {
                window.prevented = [];
                addEventListener("keydown", event => {
                    const modifier = event.altKey || event.ctrlKey || event.metaKey;
                    if (modifier && !/Alt|Control|Meta/.test(event.key))
                        setTimeout(() => prevented.push(event.defaultPrevented));
                }, true);
            }"""
        )
        player_of(page).focus()
        keys = [
            f"{held}+{key}" for held in ("Alt", "Control", "Meta") for key in ("2", "ArrowRight")
        ]
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_function("count => prevented.length === count", arg=len(keys))
        assert page.evaluate("prevented") == [False] * len(keys)
        assert times(page) == [0, 0, 0]
        expect(page.get_by_role("button", pressed=True)).to_have_text("content")

    def test_all_can_be_reached_with_tab(self, blind, show):
        page = show(blind)
        seen = []
        for _ in range(7):
            page.keyboard.press("Tab")
            seen.append(
                page.evaluate(
                    """() => {
                        const at = document.activeElement;
                        const ring = getComputedStyle(at).outlineStyle;
                        return [at.className || at.type, at.textContent.slice(0, 20), ring];
                    }"""
                )
            )
        names = ["Play", "A", "B", "C", "", "Which is which?"]
        assert [name for _, name, _ in seen[1:]] == names
        assert seen[0][0] == "nst-player"
        assert seen[5][0] == "checkbox"
        assert {ring for _, _, ring in seen} <= {"solid", "auto"}


class TestBlind:
    def test_letters_until_it_is_asked(self, blind, show):
        page = show(blind)
        choices = page.locator("[data-choice]")
        assert choices.all_text_contents() == ["A", "B", "C"]
        for said in (page.locator("main").inner_text(), page.locator("main").aria_snapshot()):
            assert not any(name in said for name in SOUNDS)
        assert page.locator("[title]").count() == 0
        press(page, "Play")
        for k, letter in enumerate("ABC"):
            press(page, letter)
            expect_playing(page, k)
            assert page.locator("img:visible, .cursor:visible").count() == 0
        press(page, "Which is which?")
        assert choices.all_text_contents() == blind.names
        expect(page.get_by_role("button", pressed=True)).to_have_text(blind.names[2])
        assert page.locator("img:visible").count() == 1
        expect(page.locator(".cursor")).to_be_visible()
        expect(page.get_by_text("Which is which?")).to_have_count(0)
        expect_playing(page, 2)

    def test_the_names_are_of_the_sounds(self, blind):
        assert blind.names != list(SOUNDS)
        for name, y in zip(blind.names, embedded(blind), strict=True):
            np.testing.assert_allclose(y, SOUNDS[name], rtol=0, atol=ROUNDING)

    def test_who_cannot_see_is_told_the_names_too(self, blind, show):
        page = show(blind)
        press(page, "Which is which?")
        for name in blind.names:
            press(page, name)
            expect(page.get_by_role("img")).to_have_accessible_name(f"Spectrogram of {name}")

    def test_the_order_is_of_the_seed(self):
        sounds = {name: tone(seconds=0.1) for name in "pqrst"}
        orders = [Compare(sounds, blind=True, seed=seed).names for seed in range(12)]
        assert [Compare(sounds, blind=True, seed=seed).names for seed in range(12)] == orders
        assert all(sorted(order) == list(sounds) for order in orders)
        assert len({tuple(order) for order in orders}) > 6
        assert len({order[0] for order in orders}) > 2
        assert Compare(sounds, seed=3).names == list(sounds)

    def test_one_alone_is_not_blind(self):
        assert Compare({"result": tone()}, blind=True).labels == ["result"]
        assert "Which is which?" not in Compare({"result": tone()}, blind=True).to_html()

    def test_no_more_than_there_are_letters(self):
        with pytest.raises(ValueError, match="27 blind sounds; accepted: 26 at most"):
            Compare(dict.fromkeys(range(27), tone(seconds=0.1)), blind=True)

    def test_without_scripts_it_is_blind_too(self, blind, show):
        page = show(Compare(SOUNDS, blind=True, seed=2, interactive=False))
        assert page.locator("script, img").count() == 0
        assert re.findall(r"^[ABC]$", page.locator("main").inner_text(), re.MULTILINE) == [*"ABC"]
        for said in (page.locator("main").inner_text(), page.locator("main").aria_snapshot()):
            assert not any(name in said for name in SOUNDS)
        page.get_by_text("Which is which?").click()
        letters = zip("ABC", blind.names, strict=True)
        said = ", ".join(f"{letter} is {name}" for letter, name in letters)
        expect(page.get_by_text(said)).to_be_visible()


class TestNames:
    def test_are_text(self, show):
        sounds = {HOSTILE: tone(seconds=0.2), "b": tone(500, seconds=0.2)}
        page = show(
            Compare(sounds),
            Compare(sounds, blind=True),
            Compare(sounds, interactive=False),
            Player(tone(seconds=0.2), title=HOSTILE),
        )
        press(page, "Which is which?", 1)
        assert page.locator("[onerror], img[src=x]").count() == 0
        assert page.locator("audio").count() == 7
        expect(page.get_by_role("button", name=HOSTILE, exact=True)).to_have_count(2)
        expect(page.locator("main > p", has_text=HOSTILE)).to_be_visible()
        expect(page.locator("strong")).to_have_text(HOSTILE)
        assert player_of(page, 2).get_attribute("aria-label") == HOSTILE


class TestStatic:
    def test_needs_no_script(self, show):
        html = Compare(SOUNDS, interactive=False).to_html()
        assert "<script" not in html
        page = show(Compare(SOUNDS, interactive=False))
        for name, y in SOUNDS.items():
            paragraph = page.locator("main p", has_text=name)
            expect(paragraph.locator("img")).to_be_visible()
            expect(paragraph.locator("audio[controls]")).to_be_visible()
            expect(paragraph.locator("audio")).to_have_js_property("duration", len(y) / SR)
        assert page.locator("p").count() == 3

    def test_without_scripts_the_other_plays_too(self, browser, tmp_path, three):
        file = tmp_path / "page.html"
        file.write_text(page_of(three), encoding="utf-8")
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(file.as_uri())
        expect(page.locator("audio[controls]:visible")).to_have_count(3)
        expect(page.locator("img:visible")).to_have_count(3)
        context.close()

    def test_of_one_without_spectrogram(self):
        html = Player(tone(), title="t", spectrogram=False, interactive=False).to_html()
        assert len(urls(html, "audio")) == 1
        assert "<img" not in html

    def test_a_notebook_shows_it(self, three):
        assert three._repr_html_() == three.to_html()


class TestLevel:
    @pytest.mark.parametrize("amplitude", [1e-3, 0.1, 0.999])
    def test_arrays_are_as_loud_as_they_are(self, rng, amplitude):
        y = rng.uniform(-1, 1, 5000)
        y = (amplitude * y / np.abs(y).max()).astype(np.float32)
        player = Compare({"loud": tone(seconds=0.3, amplitude=0.9), "y": y})
        assert player.gain == 1
        np.testing.assert_allclose(embedded(player)[1], y, rtol=0, atol=ROUNDING)
        assert "Turned down" not in player.to_html()

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("a.wav", "audio/wav"),
            ("a.flac", "audio/flac"),
            ("a.ogg", "audio/ogg"),
            ("a.mp3", "audio/mpeg"),
            ("LOUD.WAV", "audio/wav"),
        ],
    )
    @pytest.mark.parametrize("as_text", [True, False])
    def test_files_are_played_as_they_are(self, make_wav, name, kind, as_text):
        stereo = np.stack([tone(seconds=0.5), tone(900, seconds=0.5)], axis=1)
        path = make_wav(name, stereo, sr=44100)
        player = Player(str(path) if as_text else path)
        assert urls(player.to_html(), "audio") == [(kind, path.read_bytes())]

    def test_flac_is_played_as_wav_with_the_same_samples(self, show, make_wav, rng):
        """Chromium 156 hangs when it is to go to the last frames of a FLAC file.

        Of 16 bits, it divides what is positive by 32767, and what is negative by 32768.
        """
        noise = np.clip(0.4 * rng.standard_normal((SR, 2)), -1, 1)
        noise[:3] = 1, -1
        file = make_wav("stereo.flac", noise, sr=44100)
        player = Compare({"array": noise[:, 0].astype(np.float32), "file": file})
        page = show(player)
        packed = [data for _, data in urls(player.to_html(), "audio")]
        for k, flac in enumerate(packed):
            kind, wav = page.locator("audio").nth(k).get_attribute("src").split(";base64,")
            assert kind == "data:audio/wav"
            heard, wanted = io.BytesIO(base64.b64decode(wav)), io.BytesIO(flac)
            rates = [sf.info(one).samplerate for one in (heard, wanted)]
            assert rates[0] == rates[1]
            heard.seek(0)
            wanted.seek(0)
            samples, expected = (
                sf.read(one, dtype="int16")[0].astype(int) for one in (heard, wanted)
            )
            assert samples.shape == expected.shape
            assert np.abs(samples - expected).max() <= 1
        for share in (1, 0.95, 0.99, 0.05, 0.97):
            page.locator("audio").first.evaluate(
                """(audio, share) => new Promise(done => {
                    audio.onseeked = done;
                    audio.currentTime = share * audio.duration;
                })""",
                share,
            )

    def test_of_what_browsers_do_not_play_the_samples_are(self, make_wav):
        y = tone(seconds=0.3)
        (heard,) = embedded(Player(make_wav("a.aiff", y)))
        np.testing.assert_allclose(heard, y, rtol=0, atol=2 * ROUNDING)

    def test_clips(self, dataset):
        clip = dataset.choose("hen")
        (heard,) = embedded(Player(clip, sr=16000))
        np.testing.assert_allclose(heard, clip.load(sr=16000), rtol=0, atol=ROUNDING)

    def test_at_their_own_rate(self):
        ((_, data),) = urls(Player(tone(), sr=44100).to_html(), "audio")
        assert sf.info(io.BytesIO(data)).samplerate == 44100
        assert sf.info(io.BytesIO(data)).frames == len(tone())

    def test_what_would_clip_is_turned_down_and_the_others_with_it(self, make_wav):
        file = make_wav("quiet.wav", tone(700, seconds=0.3, amplitude=0.25))
        loud, soft = tone(seconds=0.3, amplitude=2.0), tone(500, seconds=0.3, amplitude=0.1)
        for interactive in (True, False):
            player = Compare({"loud": loud, "soft": soft, "file": file}, interactive=interactive)
            gain = PEAK / np.abs(loud).max()
            assert player.gain == pytest.approx(gain)
            sounds = (loud, soft, sf.read(file, dtype="float32")[0])
            for heard, y in zip(embedded(player), sounds, strict=True):
                np.testing.assert_allclose(heard, gain * y, rtol=0, atol=2 * ROUNDING)
            assert re.findall(r"Turned down by [^<]*", player.to_html()) == [
                f"Turned down by {-20 * np.log10(gain):.1f} dB to avoid clipping."
            ]

    def test_full_scale_does_not_clip(self):
        y = tone(seconds=0.3)
        y /= np.abs(y).max()
        player = Player(y)
        np.testing.assert_allclose(embedded(player)[0], y, rtol=0, atol=ROUNDING)
        assert "Turned down" not in player.to_html()

    def test_a_file_beyond_full_scale_is_turned_down(self, make_wav):
        y = tone(seconds=0.3, amplitude=1.5)
        player = Player(make_wav("over.wav", y, sr=SR, subtype="FLOAT"))
        assert player.gain == pytest.approx(PEAK / np.abs(y).max())
        np.testing.assert_allclose(embedded(player)[0], player.gain * y, rtol=0, atol=ROUNDING)
        assert "Turned down" in player.to_html()

    @pytest.mark.parametrize("sr", [SR, 44100])
    def test_a_file_at_full_scale_is_played_as_it_is(self, make_wav, rng, sr):
        y = np.sign(rng.standard_normal(sr // 2))
        path = make_wav("full.wav", y, sr=sr, subtype="PCM_16")
        player = Player(path)
        assert urls(player.to_html(), "audio") == [("audio/wav", path.read_bytes())]
        assert "Turned down" not in player.to_html()


class TestFigures:
    @staticmethod
    def pictures(player: Compare) -> list[np.ndarray]:
        """Return the pictures as brightness, from 0 to 1, the uppermost row first."""
        assert [data for _, data in urls(player.to_html(), "img")] == player.figures
        images = [
            np.asarray(Image.open(io.BytesIO(data), formats=["webp"])).mean(-1) / 255
            for data in player.figures
        ]
        assert {image.shape for image in images} == {(HEIGHT, WIDTH)}
        return images

    @staticmethod
    def inside(picture: np.ndarray) -> np.ndarray:
        """Return what is within the axes, less the lines around them."""
        top, bottom = (1 - BOTTOM - UP) * HEIGHT, (1 - BOTTOM) * HEIGHT
        rows = slice(round(top) + 2, round(bottom) - 2)
        return picture[rows, round(LEFT * WIDTH) + 2 : round((LEFT + ACROSS) * WIDTH) - 2]

    @pytest.mark.parametrize(
        "settings", [{}, plots.STYLE, {"savefig.bbox": "tight", "figure.autolayout": True}]
    )
    def test_the_axes_are_where_they_are_said_to_be(self, rng, settings):
        noise = 0.1 * rng.standard_normal(SR).astype(np.float32)
        with mpl.style.context(settings):
            (picture,) = self.pictures(Player(noise))
        dark = picture < 0.9
        assert not dark[:, [0, -1]].any(), "a label that is cut off"
        columns = np.flatnonzero(dark[60:120, : round(SCALE[0] * WIDTH) - 2].all(axis=0))
        assert columns[0] == pytest.approx(LEFT * WIDTH, abs=1.5)
        assert columns[-1] + 1 == pytest.approx((LEFT + ACROSS) * WIDTH, abs=1.5)
        rows = np.flatnonzero(dark[:, 200:500].all(axis=1))
        assert rows[0] == pytest.approx((1 - BOTTOM - UP) * HEIGHT, abs=1.5)
        assert rows[-1] + 1 == pytest.approx((1 - BOTTOM) * HEIGHT, abs=1.5)

    def test_clicks_are_where_the_cursor_is(self):
        y = np.zeros(2 * SR, dtype=np.float32)
        moments = np.array([0.25, 0.8, 1.5])
        y[np.round(moments * SR).astype(int)] = 0.9
        (picture,) = self.pictures(Player(y))
        columns = self.inside(picture).mean(axis=0)
        seconds = (np.arange(len(columns)) + 2.5) / (ACROSS * WIDTH) * 2
        for moment in moments:
            near = np.abs(seconds - moment) < 0.1
            weights = columns[near] - columns.min()
            assert weights.max() > 0.3
            centre = np.average(seconds[near], weights=weights)
            assert centre == pytest.approx(moment, abs=0.008)

    def test_a_tone_is_at_its_frequency(self):
        (picture,) = self.pictures(Player(tone(4000, seconds=1)))
        rows = self.inside(picture).mean(axis=1)[::-1]
        assert (rows.argmax() + 2.5) / (UP * HEIGHT) == pytest.approx(4000 / 11025, abs=0.02)

    def test_channels_of_opposite_phase_do_not_cancel(self, make_wav, rng):
        noise = 0.1 * rng.standard_normal(SR).astype(np.float32)
        stereo = np.stack([noise, -noise])
        sounds = {"mono": noise, "array": stereo, "file": make_wav("a.wav", stereo.T, sr=SR)}
        mono, array, file = self.pictures(Compare(sounds))
        assert self.inside(mono).mean() > 0.2
        for picture in (array, file):
            assert np.abs(picture - mono).mean() < 0.01

    def test_one_time_axis_for_all(self, rng):
        noise = 0.1 * rng.standard_normal(2 * SR).astype(np.float32)
        sounds = {"half": noise[:SR], "whole": noise, "quarter": noise[: SR // 2]}
        for share, picture in zip((0.5, 1, 0.25), self.pictures(Compare(sounds)), strict=True):
            columns = (self.inside(picture) < 0.9).mean(axis=0) > 0.5
            end = (np.flatnonzero(columns)[-1] + 3) / (ACROSS * WIDTH)
            assert end == pytest.approx(share, abs=0.008)
            assert columns[: int(share * ACROSS * WIDTH) - 4].all()

    def test_the_scale_of_colours_is_beside_it(self):
        (picture,) = self.pictures(Player(tone(seconds=1)))
        left, bottom, width, height = SCALE
        rows = slice(round((1 - bottom - height) * HEIGHT) + 3, round((1 - bottom) * HEIGHT) - 3)
        scale = picture[rows, round((left + width / 2) * WIDTH)]
        assert scale[0] > 0.8
        assert scale[-1] < 0.05
        assert (np.diff(scale[::8]) < 0).all()

    def test_one_scale_of_colours_for_all(self, rng):
        noise = 0.1 * rng.standard_normal(SR).astype(np.float32)
        sounds = {"loud": noise, "softer": noise / 10, "softest": noise / 10000}
        loud, softer, softest = map(self.inside, self.pictures(Compare(sounds)))
        assert loud.mean() > softer.mean() + 0.1
        assert softest.mean() < 0.02
        alone = self.inside(self.pictures(Player(noise / 10))[0])
        np.testing.assert_allclose(alone, loud, atol=0.02)


class TestErrors:
    def test_no_sounds(self):
        with pytest.raises(ValueError, match="no sounds; accepted: one or more"):
            Compare({})

    def test_files(self, tmp_path):
        (tmp_path / "text.wav").write_text("no sound")
        with pytest.raises(AudioError, match=r"text\.wav: is not audio that can be read"):
            Player(tmp_path / "text.wav")
        with pytest.raises(AudioError, match=r"none\.wav: no such file"):
            Compare({"a": tone(), "b": str(tmp_path / "none.wav")})

    @pytest.mark.parametrize(
        ("y", "match"),
        [
            (np.zeros(0, dtype=np.float32), "has 0 samples"),
            (np.zeros(9, dtype=np.float32), "is digital silence"),
            (
                np.ones((10, 2), dtype=np.float32),
                r"has shape \(10, 2\)",
            ),
            (np.ones((1, 2, 9), dtype=np.float32), r"has shape \(1, 2, 9\)"),
            (np.array([0.1, np.nan], dtype=np.float32), "holds NaN or Inf"),
        ],
    )
    def test_arrays(self, y, match):
        with pytest.raises(AudioError, match=f"result: {match}"):
            Compare({"style": tone(), "result": y})

    def test_other_types(self):
        with pytest.raises(ValueError, match="result: a list; accepted: a path, a Clip or"):
            Compare({"result": [0.1, 0.2]})

    @pytest.mark.parametrize("interactive", [True, False])
    def test_a_sound_shorter_than_a_window_is_shown_too(self, interactive):
        y = tone(seconds=0.02)
        (heard,) = embedded(Player(y, interactive=interactive))
        np.testing.assert_allclose(heard, y, rtol=0, atol=ROUNDING)


LONG, RATE = 75.0, 8000
NOTE = "Compressed for this page (Ogg Vorbis); a file has full quality."


def clicks(*moments: float, seconds: float = LONG) -> np.ndarray:
    """A stereo sound with noise bursts of 0.2 s that are in one channel only."""
    y = np.zeros((2, round(seconds * RATE)), np.float32)
    for k, moment in enumerate(moments):
        start = round(moment * RATE)
        burst = np.random.default_rng(k).uniform(-0.5, 0.5, RATE // 5)
        y[k % 2, start : start + RATE // 5] = burst
    return y


@pytest.fixture(scope="module")
def long() -> Compare:
    return Compare({"a": clicks(3, 47.5), "b": clicks(3, 21, seconds=25)}, sr=RATE)


def part_of(page: Page) -> tuple[float, float]:
    """Return the first and the last second of the details that can be seen."""
    start, width = page.evaluate(
        """() => {
            const scroll = document.querySelector(".scroll"), all = scroll.scrollWidth;
            return [scroll.scrollLeft / all, scroll.clientWidth / all];
        }"""
    )
    return start * LONG, (start + width) * LONG


def detail_at(page: Page, seconds: float) -> dict[str, float]:
    """Return the point of the page at which the details show a time."""
    scroll = page.locator(".scroll")
    scroll.scroll_into_view_if_needed()
    box, (first, last) = scroll.bounding_box(), part_of(page)
    x = box["x"] + box["width"] * (seconds - first) / (last - first)
    return {"x": x, "y": box["y"] + 80}


class TestLong:
    def test_details_begin_above_twenty_seconds(self):
        for seconds, shown in ((20, False), (21, True)):
            html = Player(tone(seconds=seconds)).to_html()
            assert ('class="zoom"' in html) is shown
            assert NOTE not in html
        assert 'class="zoom"' not in Player(tone(seconds=21), spectrogram=False).to_html()
        assert 'class="zoom"' not in Player(tone(seconds=21), interactive=False).to_html()

    def test_clock_and_labels_are_in_minutes(self, long, show):
        page = show(long)
        expect(page.locator("output")).to_have_text("0:00.00")
        click_at(page, 70, of=LONG)
        (time,) = {*times(page)[:1]}
        expect(page.locator("output")).to_have_text(f"1:{time - 60:05.2f}")
        labels = page.locator(".times span").all_text_contents()
        assert labels[:2] + labels[-2:] == ["0:00", "0:02", "1:12", "1:14"]
        assert page.locator(".scale span").all_text_contents() == ["0", "1k", "2k", "3k", "4k"]

    def test_the_details_follow_the_position(self, long, show):
        page = show(long)
        assert part_of(page) == pytest.approx((0, 10), abs=0.1)
        click_at(page, 47, of=LONG)
        (time, _), (first, last) = times(page), part_of(page)
        assert (time - first, last - time) == pytest.approx((1, 9), abs=0.1)
        marked = page.locator(".part").bounding_box()
        view = page.locator(".view").bounding_box()
        share = (marked["x"] - view["x"]) / view["width"]
        assert share == pytest.approx(LEFT + ACROSS * first / LONG, abs=0.003)
        cursor = page.locator(".strip .cursor").bounding_box()
        assert cursor["x"] + 1 == pytest.approx(detail_at(page, time)["x"], abs=2)
        click_at(page, 9.8, of=LONG)
        press(page, "Play")
        page.wait_for_function("document.querySelector('audio').currentTime > 10.2")
        assert part_of(page)[0] == pytest.approx(times(page)[0] - 1, abs=2)

    def test_a_click_on_the_details_goes_there(self, long, show):
        page = show(long)
        click_at(page, 40, of=LONG)
        before = part_of(page)
        page.mouse.click(**detail_at(page, 44))
        assert times(page)[0] == pytest.approx(44, abs=0.05)
        assert part_of(page) == before

    def test_dragging(self, long, show):
        page = show(long)
        click_at(page, 40, of=LONG)
        point = detail_at(page, 44)
        page.mouse.move(**point)
        page.mouse.down()
        page.mouse.move(point["x"] - 150, point["y"], steps=5)
        page.mouse.up()
        first, _ = part_of(page)
        assert first == pytest.approx(39 + 10 * 150 / (ACROSS * WIDTH), abs=0.15)
        assert times(page)[0] == pytest.approx(40, abs=0.1), "a drag is no click"
        view = page.locator(".view").bounding_box()
        page.mouse.move(view["x"] + LEFT * WIDTH, view["y"] + 50)
        page.mouse.down()
        page.mouse.move(view["x"] + (LEFT + ACROSS * 0.8) * WIDTH, view["y"] + 50, steps=5)
        page.mouse.up()
        assert times(page)[0] == pytest.approx(0.8 * LONG, abs=0.3)
        assert part_of(page)[0] < times(page)[0] < part_of(page)[1]

    def test_keys(self, long, show):
        page = show(long)
        player_of(page).focus()
        for key, time in (("PageDown", 10), ("PageDown", 20), ("PageUp", 10), ("Home", 0)):
            page.keyboard.press(key)
            assert times(page)[0] == pytest.approx(time, abs=0.01)
        page.keyboard.press("End")
        assert times(page)[0] == pytest.approx(LONG, abs=0.01)
        assert part_of(page)[1] == pytest.approx(LONG, abs=0.1)
        page.locator(".scroll").focus()
        page.keyboard.press("ArrowLeft")
        page.wait_for_function(
            "last => { const s = document.querySelector('.scroll');"
            " return (s.scrollLeft + s.clientWidth) / s.scrollWidth < last }",
            arg=(LONG - 0.5) / LONG,
        )

    def test_the_details_show_each_sound_on_the_axis_of_the_longest(self, long, show):
        page = show(long)
        for name, lit, dark in (("a", 47.6, 21.1), ("b", 21.1, 15.0)):
            press(page, name)
            expect(page.locator(".tiles:visible")).to_have_count(1)
            for seconds, bright in ((lit, True), (dark, False)):
                page.evaluate(
                    "share => { const s = document.querySelector('.scroll');"
                    " s.scrollLeft = s.scrollWidth * share }",
                    (seconds - 5) / LONG,
                )
                point = detail_at(page, seconds)
                clip = {"x": point["x"] - 2, "y": point["y"] - 40, "width": 4, "height": 80}
                shot = Image.open(io.BytesIO(page.screenshot(clip=clip)))
                assert (np.asarray(shot.convert("L")).mean() > 60) == bright

    def test_blind_sounds_have_no_details_until_the_names_are_shown(self, show):
        page = show(Compare({"a": clicks(3), "b": clicks(60)}, sr=RATE, blind=True))
        expect(page.locator(".zoom")).to_be_hidden()
        player_of(page).focus()
        page.keyboard.press("End")
        press(page, "Which is which?")
        expect(page.locator(".tiles:visible")).to_have_count(1)
        page.wait_for_function("document.querySelector('.scroll').scrollLeft > 0")
        assert part_of(page)[1] == pytest.approx(LONG, abs=0.1)

    def test_stereo_is_played_in_stereo(self, show):
        short = clicks(0.1, 0.5, seconds=1)
        page = show(Compare({"exact": short, "compressed": clicks(3, 47.5)}, sr=RATE))
        heard = page.evaluate(
            """async () => {
                const heard = [];
                for (const audio of document.querySelectorAll("audio")) {
                    const data = await (await fetch(audio.src)).arrayBuffer();
                    const sound = await new OfflineAudioContext(1, 1, 8000).decodeAudioData(data);
                    const power = y => y.reduce((sum, value) => sum + value * value, 0);
                    const channels = [...Array(sound.numberOfChannels).keys()];
                    const powers = channels.map(k => power(sound.getChannelData(k)));
                    heard.push([sound.length, ...powers]);
                }
                return heard;
            }"""
        )
        for (length, *powers), y in zip(heard, (short, clicks(3, 47.5)), strict=True):
            assert length == y.shape[1]
            assert powers == pytest.approx(list(np.square(y).sum(axis=1)), rel=0.1)

    def test_compressed_files_and_arrays_say_so(self, make_wav):
        path = make_wav("long.wav", clicks(3, 47.5).T, sr=RATE)
        for source in (path, clicks(3, 47.5), clicks(3, 47.5)[0]):
            for interactive in (True, False):
                html = Player(source, sr=RATE, interactive=interactive).to_html()
                ((kind, data),) = urls(html, "audio")
                assert kind == "audio/ogg"
                assert sf.info(io.BytesIO(data)).frames == LONG * RATE
                assert html.count(NOTE) == 1
        small = make_wav("long.ogg", clicks(3, 47.5).T, sr=RATE)
        player = Player(small, sr=RATE)
        assert urls(player.to_html(), "audio") == [("audio/ogg", small.read_bytes())]
        assert NOTE not in player.to_html()

    def test_it_says_how_large_it_is(self, rng):
        player = Compare(
            {"tone": tone(), "noise": rng.uniform(-0.5, 0.5, (2, 29 * 44100))}, sr=44100
        )
        assert player.size == len(player.to_html().encode())
        assert f"This player adds {player.size / 1e6:.0f} MB to the page." in player.to_html()
        assert player.size > 5e6
        small = Player(tone())
        assert small.size == len(small.to_html())
        assert "to the page" not in small.to_html()

    def test_it_says_so_if_the_browser_cannot_play(self, one, show):
        page = show(one)
        page.evaluate("document.querySelector('audio').src = 'data:audio/ogg;base64,T2dnUw=='")
        expect(page.locator("output")).to_have_text("This browser cannot play this sound.")

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_on_a_phone(self, long, show, scheme):
        page = show(long, viewport={"width": 320, "height": 640}, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        first, last = part_of(page)
        assert last - first == pytest.approx(10, abs=0.1)
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_snapshot()


class TestAccess:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_axe_finds_nothing(self, one, three, blind, show, scheme):
        static = Compare({"a": tone(amplitude=1.5)}, interactive=False)
        page = show(one, three, blind, Player(tone(amplitude=2)), static, color_scheme=scheme)
        expect(page.get_by_role("group", name="content, style, result")).to_be_visible()
        expect(page.get_by_role("checkbox", name="loop")).to_have_count(4)
        expect(page.locator(".note", has_text="Turned down by 6.0 dB")).to_be_visible()
        expect(page.get_by_text("Turned down by 3.5 dB to avoid clipping.")).to_be_visible()
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_snapshot()
        press(page, "style", 1)
        press(page, "Which is which?", 2)
        press(page, "Play", 2)
        expect_playing(page, 4)
        results = Axe().run(page)
        assert results.violations_count == 0, results.generate_snapshot()

    def test_no_scroll_to_the_side_on_a_phone(self, blind, three, show):
        page = show(three, blind, viewport={"width": 360, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") == 360
