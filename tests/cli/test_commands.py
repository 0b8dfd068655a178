"""The command line, as a user runs it."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from nst_lib import TransferConfig, __version__
from nst_lib.metrics import weights
from nst_lib.sound.datasets import open_dataset
from nst_lib.system import PRESETS

pytestmark = pytest.mark.process

FAST = ("--channels", 16, "--steps", 3, "--set", "n_iter=2", "--set", "duration=1")


@pytest.fixture
def recordings(tmp_path) -> tuple[Path, Path]:
    pair = open_dataset().pairs()[0]
    paths = tmp_path / "A.wav", tmp_path / "B.wav"
    for path, clip in zip(paths, (pair.content, pair.style), strict=True):
        sf.write(path, clip.load(sr=44100), 44100)
    return paths


@pytest.mark.parametrize("there", [True, False])
def test_transfer_says_what_the_ear_hears(nst, recordings, tmp_path, there):
    if there and weights.find() is None:
        pytest.skip("the trained ear is not installed: `nst data ear`")
    root = weights.default_root() if there else tmp_path / "nowhere"
    arguments = ("--content", "A.wav", "--style", "B.wav", "--out", "C.wav", "--set", "duration=1")
    whole = ("--steps", 0, "--start", "content")
    result = nst("transfer", *arguments, *whole, **{weights.VARIABLE: str(root)})
    assert (result.returncode, result.stderr) == (0, "")
    scores, recognised, *_ = result.stdout.splitlines()
    record = json.loads((tmp_path / "C.json").read_text())["scores"]
    if there:
        said = f", ear {record['ear']:.2f} (the content: {record['ear content']:.2f})"
        assert scores.endswith(said)
        words = r"the trained ear hears (the content|both recordings, the content more)"
        assert re.fullmatch(words, recognised), "0 steps begin at the content"
        assert record["ear content"] > 0.9
    else:
        assert recognised == "the trained ear is not installed; `nst data ear` installs it"
        assert not {"ear", "ear content"} & set(record)


def test_transfer_writes_sound_record_and_figure(nst, recordings, tmp_path):
    arguments = ("--content", "A.wav", "--style", "B.wav", "--out", "C.wav", "--plot", "C.png")
    result = nst("transfer", *arguments, *FAST, "--pooling", "max", "--seed", 5)
    assert (result.returncode, result.stderr) == (0, "")
    scores, recognised, *files = result.stdout.splitlines()
    assert re.fullmatch(r"timbre .*, texture .*, rhythm .*, noise .* dB(, ear .*)?", scores)
    assert recognised.startswith("the trained ear ")
    assert files == ["C.wav", "C.json", "C.png"]
    y, sr = sf.read(tmp_path / "C.wav")
    assert (sr, y.shape) == (44100, (44100,))
    assert 1e-4 < np.abs(y).max() < 1
    record = json.loads((tmp_path / "C.json").read_text())
    config = TransferConfig.from_dict(record["config"])
    assert (config.pooling, config.seed, config.channels) == ("max", 5, 16)
    assert [row["step"] for row in record["losses"]] == [0, 1, 2]
    assert record["losses"][0].keys() >= {"style", "content", "total", "seconds", "style relu1"}
    assert record["realised"]["style"] > 0
    assert record["scores"].keys() >= {"timbre", "texture", "rhythm", "noise", "texture skew"}
    assert record["seconds"]["total"] > record["seconds"]["optimise"] > 0
    assert record["versions"]["nst-lib"] == __version__
    assert record["inputs"] == {"content": "A.wav", "style": "B.wav"}
    assert set(os.listdir(tmp_path)) == {"A.wav", "B.wav", "C.wav", "C.json", "C.png"}


def test_same_command_same_bytes(installed_nst, nst, recordings, tmp_path):
    for run, out in ((installed_nst, "C.wav"), (nst, "D.wav")):
        run("transfer", "--content", "A.wav", "--style", "B.wav", "--out", out, *FAST)
    assert (tmp_path / "C.wav").read_bytes() == (tmp_path / "D.wav").read_bytes()


@pytest.mark.parametrize("out", ["C.flac", "C.ogg"])
def test_zero_steps_write_the_content_through_the_transform(nst, recordings, tmp_path, out):
    arguments = ("--content", "A.wav", "--style", "B.wav", "--out", out, "--preset", "fast")
    assert nst("transfer", *arguments, "--steps", 0).returncode == 0
    y, sr = sf.read(tmp_path / out)
    content, _ = sf.read(recordings[0])
    energies = [
        np.square(x[: 5 * rate]).reshape(50, -1).mean(axis=1)
        for x, rate in ((y, sr), (content, 44100))
    ]
    assert np.corrcoef(np.log(energies[0] + 1e-9), np.log(energies[1] + 1e-9))[0, 1] > 0.95


def test_checkpoint_is_kept_while_needed(nst, recordings, tmp_path):
    arguments = ("--content", "A.wav", "--style", "B.wav", "--out", "C.wav", *FAST)
    result = nst("transfer", *arguments, "--checkpoint", "run.txt")
    assert result.stderr == "nst: run.txt: cannot write .txt; accepted: .ckpt\n"
    (tmp_path / "run.ckpt").write_text("not one")
    result = nst("transfer", *arguments, "--checkpoint", "run.ckpt")
    assert result.returncode == 2
    assert result.stderr.startswith("nst: run.ckpt: is not a checkpoint that can be read")
    (tmp_path / "run.ckpt").unlink()
    assert nst("transfer", *arguments, "--checkpoint", "run.ckpt").returncode == 0
    assert set(os.listdir(tmp_path)) == {"A.wav", "B.wav", "C.wav", "C.json"}


def test_texture_from_noise(nst, recordings, tmp_path):
    arguments = ("--style", "B.wav", "--out", "C.wav", *FAST)
    result = nst("transfer", *arguments, "--start", "noise")
    assert result.returncode == 0
    assert json.loads((tmp_path / "C.json").read_text())["inputs"]["content"] is None
    result = nst("transfer", *arguments)
    assert result.returncode == 2
    assert result.stderr == (
        "nst: start='content' without a content: give a content, or use start=noise to synthesise "
        "a texture\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--pooling", "median"), "pooling='median'; accepted: a word [max | average | none]"),
        (("--transform", "fft"), "transform='fft'; accepted: a word [stft | cqt | cwt]"),
        (("--steps", "-1"), "steps=-1; accepted: a whole number"),
        (("--steps", "x"), "Invalid value for '--steps'"),
        (("--start", "envelop"), "start='envelop'; did you mean envelope?"),
        (("--start", "missing.wav"), "missing.wav: no such file"),
        (
            ("--start", "D.wav", "--out", "D.wav"),
            "D.wav: is an input, and would be replaced: choose another name",
        ),
        (("--bogus",), "No such option: --bogus"),
        (("--preset", "milacic"), "unknown preset 'milacic'; did you mean milacic2020?"),
        (("--set", "kernal=3"), "unknown setting 'kernal'; did you mean kernel?"),
        (("--set", "kernel"), "--set 'kernel'; accepted: KEY=VALUE"),
        (("--set", "seed=1", "--seed", "2"), "--set 'seed=1': seed is given twice"),
        (("--out", "missing/C.wav"), "missing/C.wav: the folder missing does not exist"),
        (("--out", "C.mp4"), "C.mp4: cannot write .mp4; accepted: .wav, .flac, .ogg"),
        (("--out", "A.wav"), "A.wav: is an input, and would be replaced: choose another name"),
        (("--out", "/proc/C.wav"), "/proc/C.wav: cannot write here"),
        (("--plot", "C.gif"), "C.gif: cannot write .gif; accepted: .png, .svg, .pdf"),
        (("--style", "missing.wav"), "missing.wav: no such file"),
    ],
)
def test_bad_input_gets_one_line_and_status_2(nst, recordings, tmp_path, arguments, message):
    base = {"--content": "A.wav", "--style": "B.wav", "--out": "C.wav"}
    base = {name: value for name, value in base.items() if name not in arguments}
    options = [text for option in base.items() for text in option]
    result = nst("transfer", *options, *arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"nst: {message}")
    assert set(os.listdir(tmp_path)) == {"A.wav", "B.wav"}


def test_missing_option(nst):
    result = nst("transfer", "--content", "A.wav")
    assert result.returncode == 2
    assert result.stderr == "nst: Missing option '--style'.\n"


def test_presets(nst):
    assert [line.split(":")[0] for line in nst("presets").stdout.splitlines()] == list(PRESETS)
    verbose = nst("presets", "--verbose").stdout
    assert verbose.count("    As published: ") == verbose.count("    Our choice: ") == len(PRESETS)
    assert "no use for" not in verbose
    own = nst("presets", "antognini2019").stdout
    assert "autocorrelation = 1.0    # weight of the rhythm term" in own
    assert "stacks = " not in own
    shown = nst("presets", "milacic2020").stdout
    assert (
        "pooling = average    # pooling by 2 at the end of a stack [max | average | none]" in shown
    )
    assert "stacks = 3 " in shown


def test_version(installed_nst):
    assert installed_nst("--version").stdout == f"nst {__version__}\n"


class Terminal:
    """A process with a real pseudo-terminal as standard error, read all the while."""

    def __init__(self, *arguments, cwd):
        leader, follower = pty.openpty()
        termios.tcsetwinsize(follower, (24, 80))
        command = [Path(sys.executable).with_name("nst"), *map(str, arguments)]
        self.process = subprocess.Popen(
            command, cwd=cwd, stdout=subprocess.PIPE, stderr=follower, text=True
        )
        os.close(follower)
        self.shown = ""
        self._reader = threading.Thread(target=self._read, args=[leader])
        self._reader.start()

    def _read(self, leader):
        with contextlib.suppress(OSError), open(leader, "rb", buffering=0) as file:
            while chunk := file.read(4096):
                self.shown += chunk.decode()

    def wait_for(self, text):
        deadline = time.monotonic() + 60
        while text not in self.shown and time.monotonic() < deadline:
            time.sleep(0.05)
        assert text in self.shown

    def finish(self):
        try:
            printed, _ = self.process.communicate(timeout=120)
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join()
        return printed


def test_progress_bar_on_a_terminal(recordings, tmp_path):
    arguments = ("--content", "A.wav", "--style", "B.wav", "--out", "C.wav", *FAST)
    terminal = Terminal("transfer", *arguments, "--preset", "fast", cwd=tmp_path)
    terminal.finish()
    assert terminal.process.returncode == 0
    assert "3/3" in terminal.shown
    assert "style" in terminal.shown
    assert "inverting" in terminal.shown


def test_interrupt_writes_the_best_so_far(recordings, tmp_path):
    arguments = ("--content", "A.wav", "--style", "B.wav", "--out", "C.wav")
    endless = ("--channels", 16, "--steps", 10**6, "--set", "optimiser=adam")
    terminal = Terminal("transfer", *arguments, *endless, cwd=tmp_path)
    terminal.wait_for("style")
    terminal.process.send_signal(signal.SIGINT)
    printed = terminal.finish()
    assert terminal.process.returncode == 0
    assert printed.startswith("stopped at evaluation ")
    record = json.loads((tmp_path / "C.json").read_text())
    assert record["outcome"] == "stopped"
    totals = [row["total"] for row in record["losses"]]
    assert totals[record["best_step"]] == min(totals)
    assert sf.info(tmp_path / "C.wav").frames == 5 * 44100
