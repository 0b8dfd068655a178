"""A transfer to watch and stop, and an explorer, as a kernel has them, without a front end."""

import asyncio
import base64
import io
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import ipywidgets
import matplotlib as mpl
import matplotlib.image
import numpy as np
import PIL.Image
import pytest
import soundfile as sf
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import CapturedIO, capture_output
from matplotlib import pyplot as plt

from nst_lib import TransferConfig, transfer
from nst_lib.config import ConfigError
from nst_lib.core.transforms import STFT, Transform
from nst_lib.pipeline import STAGES
from nst_lib.recordings import load
from nst_lib.result import TransferResult
from nst_lib.show import plots, progress
from nst_lib.show.explorer import Explorer
from nst_lib.show.live import INTERVAL, LiveTransfer
from nst_lib.show.player import Compare
from nst_lib.sound.audio import AudioError
from nst_lib.sound.datasets import Clip, Pair, open_dataset
from nst_lib.system import PRESETS

VIEW = "application/vnd.jupyter.widget-view+json"
GONE = "The controls of this cell need a running kernel. Run the cell to show them again."
CONFIG = TransferConfig.from_preset("fast", steps=6, duration=0.5, n_iter=8)
#: Seconds after which something that should happen does not.
LIMIT = 60
#: Of one sample in 16 bits, as libsndfile writes it (by 32767) and reads it (by 32768).
ROUNDING = 1.6 / 32768


@pytest.fixture(scope="module", autouse=True)
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InteractiveShell]:
    """What a kernel has, and `Output` asks how to show things; it keeps no history."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        shell = InteractiveShell.instance()
        shell.history_manager.enabled = False
        yield shell
        shell.history_manager.end_session()
        InteractiveShell.clear_instance()


@pytest.fixture(scope="module")
def expected(pair: Pair) -> TransferResult:
    """What the library gives for the same."""
    return transfer(pair.content, pair.style, CONFIG)


@dataclass(frozen=True)
class Parts:
    """What is seen of a transfer."""

    start: ipywidgets.Button
    stop: ipywidgets.Button
    bar: ipywidgets.IntProgress
    text: ipywidgets.Label
    picture: ipywidgets.Image
    heard: ipywidgets.Output


def walk(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk(child)


def parts(live: LiveTransfer) -> Parts:
    found = [*walk(live.widget)]
    buttons = [one for one in found if isinstance(one, ipywidgets.Button)]
    kinds = (ipywidgets.IntProgress, ipywidgets.Label, ipywidgets.Image, ipywidgets.Output)
    rest = [one for kind in kinds for one in found if isinstance(one, kind)]
    return Parts(*sorted(buttons, key=lambda button: button.description == "Stop"), *rest)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.005)


def run(live: LiveTransfer) -> TransferResult:
    """Run it as a cell does that awaits it."""
    try:
        return asyncio.run(live.run())
    except KeyboardInterrupt:
        pytest.fail("an interrupt came through, and with it the result is lost")


def at(live: LiveTransfer, count: int, do: Callable[[], None]) -> None:
    """Do something once, when that many evaluations are made, before the next one."""

    def look(change: dict) -> None:
        if change["new"] == count:
            bar.unobserve(look, "value")
            do()

    bar = parts(live).bar
    bar.observe(look, "value")


def sounds_of(html: str) -> list[np.ndarray]:
    data = re.findall(r'<audio\b[^>]*\bsrc="data:audio/(?:flac|wav);base64,([^"]+)"', html)
    return [sf.read(io.BytesIO(base64.b64decode(one)), dtype="float32")[0] for one in data]


def expect_heard(html: str, result: TransferResult) -> None:
    """A player holds these sounds."""
    wanted = [y for y in (result.content, result.style, result.audio) if y is not None]
    for heard, y in zip(sounds_of(html), wanted, strict=True):
        np.testing.assert_allclose(heard, y, rtol=0, atol=ROUNDING)


def expect_whole(live: LiveTransfer) -> None:
    """Picture and player of the result are shown, and another run can be started."""
    seen = parts(live)
    assert (seen.start.disabled, seen.stop.disabled) == (False, True)
    assert not live.running
    assert seen.picture.layout.display == ""
    assert np.asarray(PIL.Image.open(io.BytesIO(seen.picture.value))).std() > 12
    (output,) = seen.heard.outputs
    assert output["output_type"] == "display_data"
    expect_heard(output["data"]["text/html"], live.result)
    assert seen.bar.value == len(live.result.evaluations)


def outputs_of(captured: CapturedIO) -> list[dict]:
    """Return a cell's outputs as a front end has them in the end: named ones are updated."""
    outputs = {}
    for output in captured.outputs:
        name = output.transient["display_id"]
        assert output.update == (name in outputs)
        outputs[name] = output.data
    return list(outputs.values())


def expect_kept(html: str, result: TransferResult, *said: str) -> None:
    """What a saved notebook shows: sentences, a figure of two panels, and a player that plays."""
    assert html.count('class="nst-player"') == 1
    expect_heard(html, result)
    kind, data = re.search(r'<img src="data:image/(\w+);base64,([^"]+)" style', html).groups()
    assert PIL.Image.open(io.BytesIO(base64.b64decode(data))).format == kind.upper()
    assert re.findall("<p>(.*?)</p>", html) == list(said)


def expect_best(result: TransferResult) -> None:
    """The sound is of the best of the evaluations, which are numbered."""
    assert [one.step for one in result.evaluations] == list(range(len(result.evaluations)))
    last = [one for one in result.evaluations if one.domain == result.evaluations[-1].domain]
    assert result.best_step == min(last, key=lambda one: one.total).step
    assert result.audio.std() > 1e-3
    assert len(result.audio) == len(result.content)


def test_the_end_copes_with_minutes_of_stereo(pair, expected, rng):
    """What is kept of it in a notebook is small, and its figure has the axes of the result."""
    y = rng.uniform(-0.1, 0.1, (2, 120 * 22050)).astype(np.float32)
    transform = STFT(hop_length=2205)
    S = np.ones((513, transform.n_frames(y.shape[1])), np.float32)
    long = replace(
        expected,
        **{"audio": y, "content": y, "style": y[:, : 22050 * 40], "transform": transform},
        spectrograms=dict.fromkeys(expected.spectrograms, S),
    )
    live = LiveTransfer(pair.content, pair.style, CONFIG)
    drawn: list[Transform] = []
    live._draw = lambda S, transform, title: drawn.append(transform)
    with capture_output():
        live._finish(long)
    assert drawn == [transform]
    html = live._kept._html
    assert 1e6 < len(html) < 280 / 60 * 1.3e6
    sounds = re.findall(r'<audio\b[^>]*\bsrc="data:audio/ogg;base64,([^"]+)"', html)
    files = [sf.info(io.BytesIO(base64.b64decode(one))) for one in sounds]
    assert [(one.frames / 22050, one.channels) for one in files] == [(120, 2), (40, 2), (120, 2)]


def test_of_long_recordings_the_loudest_part_is_the_scale(rng):
    config = CONFIG.replace(duration=None)
    y = 0.01 * rng.standard_normal(40 * 22050).astype(np.float32)
    y[30 * 22050 : 31 * 22050] += 0.3 * np.sin(0.1 * np.arange(22050))
    live = LiveTransfer(y, 0.1 * y, config)
    whole = config.analysis()(torch.from_numpy(load(y, config))).max()
    assert live._find_loudest() == pytest.approx(float(whole), rel=1e-3)


class TestStatic:
    def test_shows_figure_and_plain_audio(self, pair, expected):
        live = LiveTransfer(pair.content, pair.style, CONFIG, interactive=False)
        with capture_output() as captured:
            result = run(live)
        assert result is live.result
        assert result.audio.tobytes() == expected.audio.tobytes()
        assert result.losses.drop(columns="seconds").equals(expected.losses.drop(columns="seconds"))
        assert captured.stdout == ""
        figure, player = (output.data for output in captured.outputs)
        assert "text/html" not in figure
        html = player["text/html"]
        expect_heard(html, result)
        assert html.count("<audio controls") == 3
        assert "<script" not in html
        assert re.findall(r"<p>(\w+)<br>", html) == ["content", "style", "result"]

    def test_the_figure_is_a_picture_whatever_else_is_imported(self, pair):
        live = LiveTransfer(pair.content, pair.style, CONFIG.replace(steps=1), interactive=False)
        with capture_output() as captured:
            run(live)
        data = captured.outputs[0].data["image/png"]
        data = base64.b64decode(data) if isinstance(data, str) else data
        assert matplotlib.image.imread(io.BytesIO(data), format="png").std() > 0.05

    def test_an_interrupt_keeps_the_best(self, pair, tmp_path, monkeypatch):
        state = tmp_path / "progress.json"
        monkeypatch.setenv(progress.VARIABLE, str(state))

        def interrupt() -> None:
            wait_for(lambda: progress.read(state).get("step", 0) >= 3)
            os.kill(os.getpid(), signal.SIGINT)

        config = CONFIG.replace(steps=300)
        live = LiveTransfer(pair.content, pair.style, config, interactive=False)
        thread = threading.Thread(target=interrupt)
        thread.start()
        with capture_output() as captured:
            result = run(live)
        thread.join()
        assert result.outcome == "stopped"
        assert 3 <= len(result.evaluations) < config.steps
        expect_best(result)
        expect_heard(captured.outputs[-1].data["text/html"], result)

    def test_an_error(self, pair):
        live = LiveTransfer("no.wav", pair.style, CONFIG, interactive=False)
        with capture_output() as captured, pytest.raises(AudioError, match=r"no\.wav: no such"):
            run(live)
        assert captured.outputs == []


class TestRun:
    def test_to_its_end(self, pair, expected):
        live = LiveTransfer(pair.content, pair.style, CONFIG)
        seen = parts(live)
        assert (seen.text.value, seen.start.description) == ("ready", "Start")
        assert (seen.start.disabled, seen.stop.disabled) == (False, True)
        assert seen.picture.layout.display == "none"
        texts, counts, buttons = [], [], []
        seen.bar.observe(lambda change: counts.append(change["new"]), "value")
        seen.text.observe(lambda change: texts.append(change["new"]), "value")
        at(live, 2, lambda: buttons.append((seen.start.disabled, seen.stop.disabled)))
        live.start()
        result = live.wait()
        assert result.audio.tobytes() == expected.audio.tobytes()
        assert result.outcome == "finished"
        assert counts == [1, 2, 3, 4, 5, 6]
        assert buttons == [(True, False)]
        scores = expected.scores
        said = f"timbre {scores.timbre:.2f}, rhythm {scores.rhythm:.2f}"
        heard = scores.recognised()
        said += f"; {heard}" if heard else ""
        assert seen.text.value == f"finished after 6 evaluations: {said}"
        style = expected.evaluations[0].losses["style"]
        assert f"evaluation 1 of 6; style {style:.3g}" in texts
        assert [text for text in texts if text in progress.STAGE_WORDS.values()] == [
            progress.STAGE_WORDS[stage] for stage in STAGES
        ]
        assert seen.bar.max == 6
        expect_whole(live)
        assert seen.start.description == "Start again"
        seen.start.click()
        assert live.wait().audio.tobytes() == expected.audio.tobytes()
        assert live.result is not result
        assert counts == [1, 2, 3, 4, 5, 6] * 2

    def test_shown_and_waited_for(self, pair, expected):
        live = LiveTransfer(pair.content, pair.style, CONFIG)
        with capture_output() as captured:
            result = run(live)
        assert result.audio.tobytes() == expected.audio.tobytes()
        assert captured.outputs[0].data[VIEW]["model_id"] == live.widget.model_id
        controls, kept = outputs_of(captured)
        assert controls == {"text/plain": "", "text/html": ""}, "they have done their work"
        expect_kept(kept["text/html"], result, parts(live).text.value)
        assert parts(live).heard.outputs == (), "the sounds are in the notebook once"
        assert captured.stdout == ""
        with capture_output() as again:
            live._ipython_display_()
        assert [output.data for output in again.outputs] == [controls, kept]
        with capture_output() as again:
            live.start()
            live.wait()
        assert [VIEW in output.data for output in again.outputs] == [False, True, False, False]
        assert again.outputs[-1].data == controls

    def test_nothing_is_said_where_nothing_is_shown(self, pair):
        with capture_output() as captured:
            live = LiveTransfer(pair.content, pair.style, CONFIG.replace(steps=1))
            live.start()
            live.wait()
        assert (captured.outputs, captured.stdout, captured.stderr) == ([], "", "")

    def test_one_scale_of_colours_from_the_first_picture_on(self, pair, monkeypatch):
        scales, bottoms = [], []
        draw, draw_losses = plots.spectrogram, plots.losses

        def look(*args, **kwargs):
            image = draw(*args, **kwargs)
            if "title" in kwargs:
                scales.append((kwargs["loudest"], image.get_clim(), image.colorbar is not None))
            return image

        def look_at_losses(ax, *args, **kwargs):
            bottoms.append(ax)
            return draw_losses(ax, *args, **kwargs)

        monkeypatch.setattr(plots, "spectrogram", look)
        monkeypatch.setattr(plots, "losses", look_at_losses)
        monkeypatch.setattr("nst_lib.show.live.INTERVAL", 0)
        monkeypatch.setattr("nst_lib.show.live._SHARE", 1)
        live = LiveTransfer(pair.content, pair.style, CONFIG)
        live.start()
        result = live.wait()
        assert len(scales) == CONFIG.steps + 1
        S = result.spectrograms
        loudest = max(float(S[name].max()) for name in ("content", "style"))
        for scale, clim, bar in scales[:-1]:
            assert scale == pytest.approx(loudest)
            assert (clim, bar) == ((-plots.RANGE_DB, 0), True)
        assert scales[-1][0] == pytest.approx(max(loudest, float(S["result"].max())))
        limits = np.log10([ax.get_ylim() for ax in bottoms])
        assert (limits[:, 0] == np.round(limits[:, 0])).all(), "it moves by powers of ten"
        assert (limits[:, 1] - limits[:, 0] >= 2).all()

    def test_of_a_texture(self, pair):
        config = CONFIG.replace(start="noise", steps=2)
        live = LiveTransfer(None, [pair.style, pair.content], config)
        live.start()
        assert live.wait().scores is None
        assert parts(live).text.value == "finished after 2 evaluations"
        expect_whole(live)

    def test_without_settings(self, pair):
        assert LiveTransfer(pair.content, pair.style).config == TransferConfig.from_preset("shaped")

    def test_start_twice_does_not_start_two(self, pair):
        live = LiveTransfer(pair.content, pair.style, CONFIG)
        threads = []

        def look() -> None:
            parts(live).start.click()
            live.start()
            threads.extend(one for one in threading.enumerate() if one.name == "nst transfer")

        at(live, 3, look)
        live.start()
        live.start()
        assert len(live.wait().evaluations) == 6
        assert len(threads) == 1

    def test_few_pictures_of_many_evaluations(self, pair):
        config = CONFIG.replace(steps=100)
        live = LiveTransfer(pair.content, pair.style, config)
        moments, pictures = [], []

        def look(change: dict) -> None:
            moments.append(time.perf_counter())
            pictures.append(bytes(change["new"]))

        parts(live).picture.observe(look, "value")
        live.start()
        assert len(live.wait().evaluations) == 100
        assert all(picture.startswith(b"RIFF") for picture in pictures)
        assert 2 <= len(pictures) < 50, "the first evaluation and the result, and few between"
        gaps = np.diff(moments[:-1])
        assert (gaps >= INTERVAL).all()

    def test_settings_of_matplotlib_are_left_alone(self, pair):
        live = LiveTransfer(pair.content, pair.style, CONFIG)
        seen = []
        with mpl.rc_context({"axes.facecolor": "yellow", "font.size": 7}):
            before = dict(mpl.rcParams)
            for part, trait in ((parts(live).picture, "value"), (parts(live).bar, "value")):
                part.observe(lambda _: seen.append(dict(mpl.rcParams) == before), trait)
            live.start()
            live.wait()
            assert dict(mpl.rcParams) == before
        assert len(seen) >= 8
        assert all(seen)
        assert plt.get_fignums() == []


class TestStop:
    def test_the_best_so_far_is_kept(self, pair):
        live = LiveTransfer(pair.content, pair.style, CONFIG.replace(steps=100000))
        seen = parts(live)
        seen.start.click()
        wait_for(lambda: seen.bar.value >= 4)
        seen.stop.click()
        assert seen.stop.disabled
        result = live.wait()
        assert result.outcome == "stopped"
        assert 4 <= len(result.evaluations) < 100000
        expect_best(result)
        expect_whole(live)
        assert seen.text.value.startswith(f"stopped after {len(result.evaluations)} evaluations: ")
        assert seen.start.description == "Resume"

    def test_the_best_so_far_stays_in_the_notebook_beside_resume(self, pair):
        live = LiveTransfer(pair.content, pair.style, CONFIG.replace(steps=100000))
        at(live, 4, live.stop)
        with capture_output() as captured:
            result = run(live)
        controls, kept = outputs_of(captured)
        assert controls[VIEW]["model_id"] == live.widget.model_id
        expect_kept(kept["text/html"], result, parts(live).text.value, GONE)
        assert len(parts(live).heard.outputs) == 1
        assert parts(live).start.description == "Resume"

    def test_resume_counts_on(self, pair):
        live = LiveTransfer(pair.content, pair.style, CONFIG.replace(steps=24))
        counts = []
        parts(live).bar.observe(lambda change: counts.append(change["new"]), "value")
        rows = []
        for stopped in (8, 16):
            at(live, stopped, parts(live).stop.click)
            parts(live).start.click()
            result = live.wait()
            assert (result.outcome, len(result.evaluations)) == ("stopped", stopped)
            assert result.evaluations[: len(rows)] == rows
            rows = result.evaluations
            expect_best(result)
            expect_whole(live)
        parts(live).start.click()
        result = live.wait()
        assert (result.outcome, len(result.evaluations)) == ("finished", 24)
        assert result.evaluations[:16] == rows
        assert counts == list(range(1, 25))
        seconds = [one.seconds for one in result.evaluations]
        assert seconds == sorted(seconds)
        assert [one.domain for one in rows] == ["spectrogram"] * 12 + ["waveform"] * 4
        totals = [one.total for one in result.evaluations]
        assert min(totals[16:]) < min(totals[12:16]), "which are of one stage"
        assert parts(live).start.description == "Start again"
        expect_best(result)
        expect_whole(live)

    def test_before_the_first_evaluation_and_again(self, pair, expected):
        live = LiveTransfer(pair.content, pair.style, CONFIG)
        live.start()
        live.stop()
        assert parts(live).text.value == "stopping: turning the starting point into a sound"
        result = live.wait()
        assert (result.outcome, result.evaluations) == ("stopped", [])
        expect_whole(live)
        assert parts(live).text.value == (
            "stopped before the first evaluation: the result is the starting point "
            "(content, rebuilt from its spectrogram)"
        )
        assert parts(live).start.description == "Resume"
        at(live, 3, live.stop)
        for outcome in ("stopped", "finished", "finished"):
            live.start()
            assert live.wait().outcome == outcome
        assert result is not live.result, "which began from scratch"
        assert live.result.audio.tobytes() == expected.audio.tobytes()

    def test_when_nothing_runs(self, pair, expected):
        live = LiveTransfer(pair.content, pair.style, CONFIG)
        live.stop()
        parts(live).stop.click()
        assert parts(live).text.value == "ready"
        live.start()
        assert live.wait().audio.tobytes() == expected.audio.tobytes()
        said = parts(live).text.value
        live.stop()
        assert parts(live).text.value == said
        expect_whole(live)

    @pytest.mark.parametrize("awaited", [True, False])
    def test_an_interrupt_of_who_waits(self, pair, awaited):
        live = LiveTransfer(pair.content, pair.style, CONFIG.replace(steps=100000))
        at(live, 4, lambda: os.kill(os.getpid(), signal.SIGINT))
        if awaited:
            with capture_output():
                result = run(live)
        else:
            live.start()
            result = live.wait()
        assert result is live.result
        assert result.outcome == "stopped"
        assert 4 <= len(result.evaluations) < 100000
        expect_best(result)
        expect_whole(live)
        assert parts(live).start.description == "Resume"


class TestErrors:
    def test_settings_that_do_not_fit_the_recordings(self, pair):
        live = LiveTransfer(pair.content, pair.style, CONFIG.replace(n_fft=65536))
        live.start()
        with pytest.raises(AudioError, match="shorter than one analysis window") as caught:
            live.wait()
        seen = parts(live)
        assert seen.text.value == str(caught.value)
        assert "\n" not in seen.text.value
        assert (seen.start.disabled, seen.stop.disabled) == (False, True)
        assert live.error is caught.value
        assert live.result is None
        assert seen.heard.outputs == ()
        assert seen.picture.layout.display == "none"
        with capture_output() as captured, pytest.raises(AudioError, match="shorter than one"):
            run(live)
        controls, kept = outputs_of(captured)
        assert VIEW in controls
        assert re.findall("<p>(.*?)</p>", kept["text/html"]) == [str(caught.value), GONE]

    def test_what_was_wrong_can_be_put_right(self, pair, make_wav):
        path = Path(make_wav())
        content = path.rename(path.with_name("other.wav"))
        live = LiveTransfer(path, pair.style, CONFIG)
        live.start()
        with pytest.raises(AudioError, match=r"tone\.wav: no such file"):
            live.wait()
        content.rename(path)
        parts(live).start.click()
        assert live.wait().outcome == "finished"
        assert live.error is None
        expect_whole(live)

    def test_settings_that_do_not_go_with_no_content(self, pair):
        live = LiveTransfer(None, pair.style, CONFIG)
        live.start()
        with pytest.raises(
            ConfigError, match="without a content: give a content, or use start=noise"
        ):
            live.wait()

    def test_a_baseline_has_no_losses_to_show(self, pair):
        live = LiveTransfer(pair.content, pair.style, TransferConfig.from_preset("envelope"))
        live.start()
        result = live.wait()
        assert parts(live).text.value.startswith(f"finished: timbre {result.scores.timbre:.2f}")
        expect_whole(live)

    def test_wait_before_start(self, pair):
        with pytest.raises(ValueError, match=r"no transfer was started: call start\(\)"):
            LiveTransfer(pair.content, pair.style, CONFIG).wait()

    def test_sounds_shorter_than_a_window_of_the_player(self, pair):
        config = CONFIG.replace(sr=8000, n_fft=256, duration=0.1, steps=2)
        live = LiveTransfer(pair.content, pair.style, config)
        live.start()
        live.wait()
        expect_whole(live)


def find(explorer: Explorer, description: str) -> ipywidgets.Widget:
    """Return what is called so."""
    (found,) = (
        widget
        for widget in walk(explorer.widget)
        if getattr(widget, "description", "") == description
    )
    return found


def clips_of(explorer: Explorer, role: str) -> ipywidgets.Dropdown:
    category = find(explorer, role)
    (row,) = (row for row in explorer.widget.children if category in getattr(row, "children", ()))
    return row.children[1]


def message_of(explorer: Explorer) -> str:
    (row,) = (
        row
        for row in explorer.widget.children
        if find(explorer, "Transfer") in getattr(row, "children", ())
    )
    return row.children[1].value


def output_of(explorer: Explorer, n: int) -> ipywidgets.Output:
    """Return what is listened to (0), or the result (1)."""
    return [one for one in explorer.widget.children if isinstance(one, ipywidgets.Output)][n]


def expect_listens_to(explorer: Explorer, content: Clip, style: Clip) -> None:
    (output,) = output_of(explorer, 0).outputs
    for heard, clip in zip(sounds_of(output["data"]["text/html"]), (content, style), strict=True):
        np.testing.assert_allclose(heard, clip.load(sr=22050), rtol=0, atol=ROUNDING)


@pytest.fixture
def explorer() -> Explorer:
    return Explorer("synthetic")


@pytest.fixture
def folder(tmp_path: Path, make_wav: Callable[..., Path]) -> Path:
    """Recordings of a user, in two categories."""
    for n, category in enumerate(("rain", "wind")):
        (tmp_path / "mine" / category).mkdir(parents=True)
        for take in range(n + 1):
            time = np.arange(11025) / 22050
            y = 0.3 * np.sin(2 * np.pi * (300 + 400 * n + 100 * take) * time)
            make_wav(f"mine/{category}/{category}{take}.wav", y)
    return tmp_path / "mine"


class TestChoosing:
    def test_begins_with_the_first_pair_of_the_study(self, explorer):
        pair = open_dataset("synthetic").pairs()[0]
        assert find(explorer, "Style").value == "snoring"
        assert find(explorer, "Content").value == "hand_saw"
        assert explorer.clip("style") == pair.style
        assert explorer.clip("content") == pair.content
        expect_listens_to(explorer, pair.content, pair.style)
        assert message_of(explorer) == ""

    def test_lists_follow_the_category(self, explorer):
        dataset = open_dataset("synthetic")
        for role in ("Style", "Content"):
            assert find(explorer, role).options == dataset.categories
            find(explorer, role).value = "frog"
            names = tuple(clip.name for clip in dataset.clips(category="frog"))
            assert clips_of(explorer, role).options == names
            assert explorer.clip(role.lower()).name == clips_of(explorer, role).value == names[0]
        assert find(explorer, "Style").value == find(explorer, "Content").value == "frog"
        clips_of(explorer, "Content").value = "frog-2"
        assert explorer.clip("content").name == "frog-2"
        assert explorer.clip("style").name == "frog-0"
        expect_listens_to(explorer, dataset["frog-2"], dataset["frog-0"])

    def test_another_dataset_is_typed_in(self, explorer, folder):
        find(explorer, "Dataset").value = f" {folder} "
        assert message_of(explorer) == ""
        for role in ("Style", "Content"):
            assert find(explorer, role).options == ("rain", "wind")
        own = open_dataset(folder)
        assert {explorer.clip(role).category for role in ("style", "content")} == {"rain", "wind"}
        find(explorer, "Content").value = "wind"
        assert clips_of(explorer, "Content").options == ("wind0", "wind1")
        clips_of(explorer, "Content").value = "wind1"
        find(explorer, "Style").value = "rain"
        expect_listens_to(explorer, own["wind1"], own["rain0"])
        find(explorer, "Dataset").value = "synthetic"
        assert find(explorer, "Style").value == "snoring"

    @pytest.mark.parametrize("what", ["missing", "empty", "table"])
    def test_a_dataset_that_is_none_changes_nothing(self, explorer, tmp_path, what):
        find(explorer, "Content").value = "frog"
        clips_of(explorer, "Content").value = "frog-2"
        clips_of(explorer, "Style").value = "snoring-0"
        heard = output_of(explorer, 0).outputs
        (tmp_path / "empty").mkdir()
        (tmp_path / "table" / "meta").mkdir(parents=True)
        find(explorer, "Dataset").value = str(tmp_path / what)
        said = message_of(explorer)
        assert said.startswith(str(tmp_path / what))
        assert said.endswith(" (the menus still show the clips of synthetic)")
        assert "\n" not in said
        assert find(explorer, "Style").value == "snoring"
        assert explorer.clip("style").name == "snoring-0"
        assert output_of(explorer, 0).outputs == heard
        find(explorer, "Dataset").value = "synthetic"
        assert message_of(explorer) == ""
        assert explorer.clip("content").name == "frog-2"
        assert explorer.clip("style").name == "snoring-0"

    def test_a_recording_that_cannot_be_read_is_said_to_be(self, explorer, folder):
        """It may be one of many, and the others can be chosen."""
        (folder / "rain" / "rain0.wav").write_text("no sound")
        find(explorer, "Dataset").value = str(folder)
        assert "rain0.wav: is not audio that can be read" in message_of(explorer)
        assert "\n" not in message_of(explorer)
        assert find(explorer, "Style").options == ("rain", "wind")
        find(explorer, "Style").value = "wind"
        find(explorer, "Content").value = "wind"
        assert message_of(explorer) == ""
        own = open_dataset(folder)
        expect_listens_to(explorer, own["wind0"], own["wind0"])

    def test_a_folder_of_own_recordings_to_begin_with(self, folder):
        explorer = Explorer(folder)
        assert find(explorer, "Dataset").value == str(folder)
        assert find(explorer, "Style").options == ("rain", "wind")

    def test_what_does_not_exist(self, tmp_path):
        with pytest.raises(ValueError, match="no such folder"):
            Explorer(tmp_path / "none")
        with pytest.raises(ConfigError, match=r"unknown preset 'fats'; .*fast"):
            Explorer("synthetic", preset="fats")


class TestSettings:
    def test_presets_put_their_own_settings_in(self, explorer):
        assert find(explorer, "Preset").options == tuple(PRESETS)
        for name in [*list(PRESETS)[1:], "shaped"]:
            find(explorer, "Transform").value = "cqt"
            find(explorer, "Start").value = "mosaic"
            find(explorer, "Evaluations").value = 7
            find(explorer, "Content weight").value = 0.7
            find(explorer, "Preset").value = name
            config = PRESETS[name].config
            assert explorer.config == config
            assert type(explorer.config) is type(config)
            assert find(explorer, "Transform").value == config.transform
            assert find(explorer, "Evaluations").value == config.steps
            assert find(explorer, "Start").value == config.start
            weight = find(explorer, "Content weight")
            own = config.to_dict().get("content_weight")
            assert weight.disabled == (own is None)
            assert weight.value == (own or 0)

    def test_only_what_differs_is_set(self, explorer):
        expected = PRESETS["shaped"].config
        for description, setting, value in (
            ("Transform", "transform", "cqt"),
            ("Evaluations", "steps", 12),
            ("Start", "start", "envelope"),
            ("Content weight", "content_weight", 0.7),
        ):
            find(explorer, description).value = value
            expected = expected.replace(**{setting: value})
            assert explorer.config == expected
        find(explorer, "Preset").value = "milacic2020"
        find(explorer, "Evaluations").value = 3
        assert explorer.config == TransferConfig.from_preset("milacic2020", steps=3)

    def test_content_weights_are_spaced_by_ratios_and_there_is_0(self, explorer):
        weight = find(explorer, "Content weight")
        values = [value for _, value in weight.options]
        assert values[0] == 0
        assert {0.001, 0.01, 0.02, 0.05, 0.1, 0.3, 1.0} <= set(values)
        ratios = np.divide(values[2:], values[1:-1])
        assert 1.3 < ratios.min() < ratios.max() <= 2
        for label, value in weight.options:
            weight.value = value
            assert explorer.config.content_weight == value == float(label)

    def test_a_preset_to_begin_with(self):
        explorer = Explorer("synthetic", preset="chen2020")
        assert find(explorer, "Transform").value == "cwt"
        assert explorer.config == TransferConfig.from_preset("chen2020")

    def test_settings_that_do_not_go_together_are_one_line(self, explorer):
        find(explorer, "Preset").value = "caracalla2020"
        find(explorer, "Transform").value = "cqt"
        find(explorer, "Transfer").click()
        assert message_of(explorer) == "transform='cqt'; accepted: a word [stft]"
        find(explorer, "Preset").value = "envelope"
        find(explorer, "Start").value = "noise"
        find(explorer, "Transfer").click()
        assert message_of(explorer).startswith("start='noise'; accepted: a word [envelope | ")
        assert explorer.live is None
        assert output_of(explorer, 1).outputs == ()


class TestTransfers:
    def test_one_at_a_time_of_what_is_chosen(self, explorer, folder):
        find(explorer, "Dataset").value = str(folder)
        find(explorer, "Evaluations").value = 100000
        find(explorer, "Transfer").click()
        first = explorer.live
        try:
            find(explorer, "Transfer").click()
            assert message_of(explorer) == "a transfer is running: stop it first"
            assert explorer.live is first
            assert first.running
        finally:
            parts(first).stop.click()
        assert first.wait().outcome == "stopped"
        find(explorer, "Style").value = "rain"
        find(explorer, "Content").value = "wind"
        clips_of(explorer, "Content").value = "wind1"
        find(explorer, "Evaluations").value = 2
        find(explorer, "Content weight").value = 0.3
        find(explorer, "Transfer").click()
        assert message_of(explorer) == ""
        assert explorer.live is not first
        result = explorer.live.wait()
        config = TransferConfig.from_preset("shaped", steps=2, content_weight=0.3)
        assert explorer.live.config == config
        assert result.config == config.at(result.config.rate)
        own = open_dataset(folder)
        assert result.content.tobytes() == load(own["wind1"], config).tobytes()
        assert result.style.tobytes() == load(own["rain0"], config).tobytes()
        assert len(result.evaluations) == 2
        (output,) = output_of(explorer, 1).outputs
        shown = output["data"][VIEW]["model_id"]
        assert shown == explorer.live.widget.model_id
        expect_whole(explorer.live)


class TestShown:
    def test_as_widgets_with_what_stays(self, explorer, shell):
        with capture_output() as captured:
            shell.display_formatter.format(explorer)
            find(explorer, "Content").value = "frog"
            (before,) = output_of(explorer, 0).outputs
            find(explorer, "Evaluations").value = 2
            find(explorer, "Transfer").click()
            result = explorer.live.wait()
        assert captured.outputs[0].data[VIEW]["model_id"] == explorer.widget.model_id
        pages = [output.data["text/html"] for output in captured.outputs[1:]]
        assert before["data"]["text/html"] in pages[1]
        assert re.findall("<p>(.*?)</p>", pages[1]) == ["Content: frog-0, style: snoring-3", GONE]
        controls, kept = outputs_of(captured)
        assert controls[VIEW]["model_id"] == explorer.widget.model_id
        shown = "start: mosaic, content weight 0.1"
        settings = f"preset shaped, stft, 2 evaluations, {shown}"
        heading = f"Content: frog-0, style: snoring-3, {settings}"
        expect_kept(kept["text/html"], result, heading, parts(explorer.live).text.value, GONE)
        assert len(parts(explorer.live).heard.outputs) == 1

    def test_without_anything_to_choose(self, shell):
        explorer = Explorer("synthetic", interactive=False)
        with capture_output() as captured:
            shell.display_formatter.format(explorer)
        (output,) = captured.outputs
        pair = open_dataset("synthetic").pairs()[0]
        static = Compare({"content": pair.content, "style": pair.style}, interactive=False)
        assert output.data["text/html"] == static.to_html()
