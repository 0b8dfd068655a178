import os
import signal

import numpy as np
import pytest
import soundfile as sf

from nst_lib.style import Style
from tests.cli.test_commands import Terminal

SR = 8000


def record(path, seconds, *, channels=1, seed=0):
    y = 0.1 * np.random.default_rng(seed).standard_normal((round(seconds * SR), channels))
    path.parent.mkdir(exist_ok=True)
    sf.write(path, y, SR)


def test_a_style_of_files_and_folders_and_its_sound(nst, tmp_path):
    record(tmp_path / "a.wav", 5)
    record(tmp_path / "rain" / "c.wav", 4, seed=1)
    record(tmp_path / "rain" / "b.flac", 61, seed=2)
    result = nst("style", "a.wav", "rain", "--out", "rain.style", "--seconds", 3)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == ("3 recordings of 0:01:10 in 3.0 s: 1 channel at 8000 Hz\nrain.style\n")
    style = Style.read(tmp_path / "rain.style")
    assert [source.name for source in style.sources] == ["a.wav", "b.flac", "c.wav"]
    result = nst("style", "rain.style", "--out", "rain.flac")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == "rain.flac"
    y, sr = sf.read(tmp_path / "rain.flac", dtype="float32")
    assert sr == SR
    np.testing.assert_array_equal(y, style.audio)


def test_the_sound_of_a_summary_can_be_written_at_once(nst, tmp_path):
    record(tmp_path / "a.wav", 5, channels=2)
    options = ("--seconds", 1, "--sr", 11025, "--mono")
    result = nst("style", "a.wav", "--out", "a.ogg", *options)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "1 recording of 0:00:05 in 1.0 s: 1 channel at 11025 Hz\na.ogg\n"
    assert sf.info(tmp_path / "a.ogg").samplerate == 11025
    assert sf.info(tmp_path / "a.ogg").channels == 1


def test_a_sound_of_full_scale_is_written_without_a_warning(nst, tmp_path):
    sf.write(tmp_path / "a.wav", np.resize([1.0, -1.0, 0.5], SR), SR)
    assert nst("style", "a.wav", "--out", "a.style").stderr == ""
    assert nst("style", "a.style", "--out", "b.wav").stderr == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument 'files'."),
        (("a.wav", "--out", "a.zip"), "a.zip: cannot write .zip; accepted: .style, .wav, .flac, ."),
        (("a.wav", "--out", "no/a.style"), "no/a.style: the folder no does not exist"),
        (("a.wav", "--out", "a.wav"), "a.wav: is an input, and would be replaced: choose another"),
        (("missing.wav",), "missing.wav: no such file"),
        (("empty",), "empty: holds no recordings; choose a folder of sound files (.wav, .flac, "),
        (("a.style", "--out", "b.style"), "a.style: is a style file already; give a sound file as"),
        (("a.wav", "a.style"), "a style file cannot be summarised again: give recordings only"),
        (("bad.style", "--out", "b.wav"), "bad.style: is not a style file; `nst style` writes"),
        (("a.wav", "--seconds", "0"), "seconds 0; accepted: 0.1 to 600"),
        (("a.wav", "--sr", "0"), "sr 0; accepted: 1000 to 192000 Hz"),
        (("text.wav",), "text.wav: is not audio that can be read"),
    ],
)
def test_bad_input_gets_one_line_and_status_2(nst, tmp_path, arguments, message):
    record(tmp_path / "a.wav", 5)
    Style.of(tmp_path / "a.wav", seconds=1).save(tmp_path / "a.style")
    (tmp_path / "empty").mkdir()
    for name in ("bad.style", "text.wav"):
        (tmp_path / name).write_text("text")
    before = set(os.listdir(tmp_path))
    result = nst("style", *arguments, *(() if "--out" in arguments else ("--out", "out.style")))
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"nst: {message}")
    assert set(os.listdir(tmp_path)) == before


@pytest.mark.process
@pytest.mark.long
def test_progress_and_interrupt(tmp_path):
    minute = 0.1 * np.random.default_rng(0).standard_normal(60 * SR)
    with sf.SoundFile(tmp_path / "a.wav", "w", SR, 1, "PCM_U8") as file:
        for _ in range(120):
            file.write(minute)
    (tmp_path / "a.style").write_text("kept")
    terminal = Terminal("style", "a.wav", "--out", "a.style", cwd=tmp_path)
    terminal.wait_for("reading: ")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.finish() == ""
    assert terminal.process.returncode == 130
    assert (tmp_path / "a.style").read_text() == "kept"
    assert set(os.listdir(tmp_path)) == {"a.wav", "a.style"}
