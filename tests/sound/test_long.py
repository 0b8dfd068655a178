"""Recordings of any length: whole, as far as the memory goes, and in blocks of flat memory."""

import re
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import soundfile as sf

from nst_lib.sound import audio
from nst_lib.sound.audio import AudioError
from tests.sound.test_decoding import ENDS, FILES, SR, cut, encode, sound

#: Print the bytes of a recording that is read or streamed, and how far the memory rose.
MEASURE = """
import sys, psutil
from nst_lib.base.memory import watch
from nst_lib.sound import audio

path, short, way = sys.argv[1:]
audio.read(short, mono=False)
before = psutil.Process().memory_info().rss
with watch() as peak:
    if way == "read":
        size = audio.read(path, sr=44100, mono=False).nbytes
    else:
        size = sum(block.nbytes for block in audio.blocks(path, sr=22050, seconds=10, mono=False))
print(size, peak.size - before)
"""


def sparse(path: Path, seconds: int) -> Path:
    """Make a stereo WAV (RF64, EBU Tech 3306) at 44.1 kHz: a second of noise, then a hole."""
    noise = np.random.default_rng(0).integers(-3000, 3000, 2 * SR, dtype="<i2").tobytes()
    size = 4 * SR * seconds
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, size + 72, size, SR * seconds, 0)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, SR, 4 * SR, 4, 16)
    head = struct.pack("<4sI4s", b"RF64", 2**32 - 1, b"WAVE") + sizes + form
    head += struct.pack("<4sI", b"data", 2**32 - 1)
    with path.open("wb") as file:
        file.write(head + noise)
        file.truncate(len(head) + size)
    return path


def measured(path: Path, short: Path, way: str) -> tuple[int, int]:
    """Return the bytes of a recording, and by how many bytes the memory rises for it."""
    command = (sys.executable, "-c", MEASURE, path, short, way)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    size, rise = map(int, done.stdout.split())
    return size, rise


def outcome(read, path: Path, **settings):
    """Return the sound or the error, and the warnings."""
    warned: list[str] = []
    try:
        return read(path, warn=warned.append, **settings), warned
    except AudioError as error:
        return str(error), warned


def joined(path: Path, **settings) -> np.ndarray:
    return np.concatenate([*audio.blocks(path, **settings)], axis=-1)


@pytest.mark.parametrize("name", FILES)
def test_blocks_together_are_the_recording(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(FILES[name][0]())
    for sr in (22050, 44100, 48000):
        whole = audio.read(path, sr=sr)
        for seconds in (0.0137, 0.5, 60):
            blocks = [*audio.blocks(path, sr=sr, seconds=seconds)]
            size = round(sr * seconds)
            assert all(len(block) == size for block in blocks[:-1])
            assert 0 < len(blocks[-1]) <= size
            np.testing.assert_allclose(np.concatenate(blocks), whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
@pytest.mark.parametrize("sr", [16000, 32000, 44100])
def test_blocks_have_the_channels_of_the_recording(make_wav, rng, suffix, sr):
    y = 0.1 * rng.standard_normal((200_001, 2))
    path = make_wav(f"noise{suffix}", y, 32000)
    for block in audio.blocks(path, sr=sr, seconds=1, mono=False):
        assert block.shape[0] == 2
        assert block.flags.c_contiguous
    for mono in (True, False):
        np.testing.assert_allclose(
            joined(path, sr=sr, seconds=0.7, mono=mono),
            audio.read(path, sr=sr, mono=mono),
            atol=1e-6,
            rtol=0,
        )


def test_no_empty_block_follows_a_whole_number_of_blocks(make_wav):
    blocks = audio.blocks(make_wav(), sr=22050, seconds=0.5)
    assert [len(block) for block in blocks] == [11025, 11025]


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("lost", [0.01, 0.06, 0.8])
def test_blocks_have_the_faults_of_the_recording(name, lost, tmp_path):
    path = tmp_path / name
    path.write_bytes(cut(ENDS[name](), lost))
    whole, warned = outcome(audio.read, path, sr=SR)
    assert isinstance(whole, str) or lost < 0.8
    found, said = outcome(joined, path, sr=SR, seconds=0.3)
    assert said == warned
    np.testing.assert_array_equal(found, whole)


def test_blocks_are_refused_where_the_recording_is(make_wav, tmp_path):
    with pytest.raises(AudioError, match=r"none\.wav: no such file"):
        audio.blocks(tmp_path / "none.wav", sr=SR, seconds=1)
    with pytest.raises(ValueError, match="seconds 0; accepted: more than 0"):
        audio.blocks(make_wav(), sr=SR, seconds=0)
    silent = audio.blocks(make_wav("silent.wav", np.zeros(3 * SR), SR), sr=SR, seconds=1)
    assert [next(silent).any() for _ in range(3)] == [False] * 3
    with pytest.raises(AudioError, match=r"silent\.wav: is digital silence"):
        next(silent)
    y = sound()
    y[-1] = np.nan
    bad = audio.blocks(make_wav("nan.wav", y, SR, subtype="FLOAT"), sr=SR, seconds=1)
    np.testing.assert_array_equal(next(bad), y[:SR])
    with pytest.raises(AudioError, match=r"nan\.wav: holds NaN or Inf"):
        next(bad)


@pytest.mark.process
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3"])
def test_a_recording_is_not_in_memory_twice(suffix, make_wav):
    y = np.stack([sound(), sound()[::-1]], axis=1)
    short = make_wav(f"short{suffix}", y, SR)
    path = short.with_name(f"long{suffix}")
    with sf.SoundFile(path, "w", SR, 2) as file:
        for _ in range(45):
            file.write(y)
    size, rise = measured(path, short, "read")
    assert size == pytest.approx(90 * SR * 2 * 4, rel=0.01)
    assert rise < 2.2 * size


@pytest.mark.process
def test_an_hour_is_streamed_in_flat_memory(make_wav, tmp_path):
    hour = sparse(tmp_path / "hour.wav", 3600)
    size, rise = measured(hour, make_wav("short.wav"), "blocks")
    assert size == 3600 * 22050 * 2 * 4
    assert rise < 150e6


def test_a_recording_beyond_the_memory_is_refused_with_advice(tmp_path):
    year = sparse(tmp_path / "year.wav", 365 * 24 * 3600)
    for mono, channels in ((True, 1), (False, 2)):
        with pytest.raises(AudioError, match=r"the recording \(set `duration`\)$") as caught:
            audio.read(year, sr=22050, mono=mono)
        start = rf"{year}: the samples take (\S+) GB and \S+ GB are free"
        found = re.match(start, str(caught.value))
        assert found
        needed = 365 * 24 * 3600 * 22050 * channels * 4
        assert float(found[1]) == pytest.approx(needed / 1e9, abs=0.1)
    assert audio.read(year, sr=SR, duration=2.0, mono=False).shape == (2, 2 * SR)
    assert len(next(audio.blocks(year, sr=22050, seconds=2))) == 2 * 22050


def test_a_recording_of_unknown_length_is_refused_once_the_memory_ends(tmp_path, monkeypatch):
    path = tmp_path / "stream.flac"
    content = bytearray(encode(sound(), "flac", "flac"))
    content[21] &= 0xF0  # see test_a_flac_stream_of_unknown_length_is_read
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert len(audio.read(path, sr=SR)) == 2 * SR
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=10**8))
    with pytest.raises(AudioError, match=r"the samples take 0\.3 GB and 0\.1 GB are free"):
        audio.read(path, sr=SR)
