"""Every recording that cannot be used, through the library and through `nst` itself."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from nst_lib.sound import audio
from nst_lib.sound.audio import AudioError

SR = 22050
TONE = 0.5 * np.sin(2 * np.pi * 440 * np.arange(SR) / SR)


def truncated(path: Path, **kwargs) -> None:
    sf.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, SR), SR, **kwargs)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])


def folder(path: Path) -> None:
    path.mkdir()


def with_bad_sample(value: float):
    def make(path: Path) -> None:
        y = TONE.astype("float32")
        y[100] = value
        sf.write(path, y, SR, subtype="FLOAT")

    return make


def silent_at_first(path: Path) -> None:
    sf.write(path, np.concatenate([np.zeros(6 * SR), TONE]), SR)


BAD = {
    "missing.wav": (lambda _path: None, "no such file"),
    "folder.wav": (folder, "is a folder"),
    "empty.wav": (Path.touch, "is empty"),
    "truncated.wav": (truncated, "is truncated"),
    "truncated.aiff": (truncated, "is truncated"),
    "truncated.flac": (truncated, "is truncated"),
    "truncated.ogg": (truncated, "is truncated"),
    "truncated.mp3": (truncated, "is truncated"),
    "header.wav": (lambda path: path.write_bytes(b"RIFF\x00\x00"), "is not audio"),
    "text.wav": (lambda path: path.write_text("hello " * 99), "is not audio"),
    "no-samples.wav": (lambda path: sf.write(path, np.zeros(0), SR), "zero samples"),
    "nan.wav": (with_bad_sample(np.nan), "NaN or Inf"),
    "inf.wav": (with_bad_sample(np.inf), "NaN or Inf"),
    "silence.wav": (lambda path: sf.write(path, np.zeros(SR), SR), "digital silence"),
    "silent-at-first.wav": (silent_at_first, r"\(first 5 s\): is digital silence"),
    "antiphase.wav": (
        lambda path: sf.write(path, np.stack([TONE, -TONE], axis=1), SR, subtype="FLOAT"),
        "digital silence",
    ),
    "short.wav": (lambda path: sf.write(path, TONE[:500], SR), "analysis window of (1024|2048)"),
}


@pytest.fixture(params=BAD)
def bad(request, tmp_path) -> tuple[Path, str]:
    make, reason = BAD[request.param]
    path = tmp_path / request.param
    make(path)
    return path, reason


def test_read_names_the_file_and_the_reason(bad):
    path, reason = bad
    with pytest.raises(AudioError, match=reason) as error:
        audio.read(path, sr=SR, duration=5.0, min_samples=1024)
    assert str(error.value).startswith(str(path))


def test_command_line_says_it_in_one_line_and_writes_nothing(bad, nst, make_wav, tmp_path):
    path, reason = bad
    first = ("--duration", 5, "--mono")  # as a published preset reads it
    style = make_wav("style.wav")
    present = set(tmp_path.iterdir())
    result = nst("transfer", "--content", path, "--style", style, "--out", "out.wav", *first)
    assert result.returncode == 2
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert re.match(f"nst: {re.escape(str(path))}.*{reason}", lines[0])
    assert set(tmp_path.iterdir()) == present
