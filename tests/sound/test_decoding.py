"""Sound files of other programs, beside FFmpeg: lengths, samples, tags, ends that are cut off.

The files are made here, from one sound, by FFmpeg's encoders. Where there is a command `ffmpeg`,
it decodes each of them too.
"""

import io
import json
import re
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile as sf
import soxr
from matplotlib.figure import Figure
from scipy import signal

from nst_lib.sound.decoding import AudioError, decode, probe

SR = 44100
LOUD, QUIET = 1.0, 0.003


def sound(seconds: float = 2.0) -> np.ndarray:
    """Return a tone that rises, swells and fades, over a little noise."""
    t = np.arange(round(seconds * SR)) / SR
    noise = np.random.default_rng(0).standard_normal(len(t)).clip(-3, 3)
    y = 0.3 * np.sin(2 * np.pi * (200 * t + 400 * t**2)) * (1 + np.sin(9 * t))
    return (y + 0.003 * noise).astype("float32")


def encode(y: np.ndarray, container: str, codec: str, muxer=None, **options: str) -> bytes:
    """Return a file by one of FFmpeg's encoders; Opus is always at 48 kHz."""
    rate = 48000 if codec == "libopus" else SR
    with (
        tempfile.NamedTemporaryFile() as written,
        av.open(written.name, "w", format=container, options=muxer or {}) as file,
    ):
        stream = file.add_stream(codec, rate=rate, layout="mono", options=options)
        context = stream.codec_context
        context.open()
        frame = av.AudioFrame.from_ndarray(y[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts = SR, 0
        fit = av.AudioResampler(context.format, "mono", rate, frame_size=context.frame_size or 4096)
        for one in [*fit.resample(frame), *fit.resample(None), None]:
            file.mux(stream.encode(one))
        file.close()
        return Path(written.name).read_bytes()


def mp3(y: np.ndarray, *, header: bool = False, rate: str = "64k") -> bytes:
    muxer = {"write_xing": str(int(header)), "id3v2_version": "0"}
    return encode(y, "mp3", "libmp3lame", muxer, b=rate)


def vorbis(y: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    sf.write(buffer, y, SR, format="OGG", subtype="VORBIS")
    return buffer.getvalue()


def variable(first: float, second: float) -> bytes:
    """Return an MP3 of variable rate without a header: two seconds loud or quiet, and two more."""
    rates = {LOUD: "160k", QUIET: "32k"}
    return b"".join(mp3(gain * sound(), rate=rates[gain]) for gain in (first, second))


def pages(ogg: bytes) -> list[int]:
    """Return where the pages of an Ogg file begin."""
    return [found.start() for found in re.finditer(b"OggS", ogg)]


def ape_tag() -> bytes:
    """Return an APEv2 tag with header and footer (Hydrogenaudio's description of the format)."""
    item = struct.pack("<II", 11, 0) + b"Title\0" + b"a recording"
    head, foot = (
        b"APETAGEX" + struct.pack("<IIII8x", 2000, len(item) + 32, 1, flags)
        for flags in (0xA0000000, 0x80000000)
    )
    return head + item + foot


def read(path: Path, content: bytes, duration: float | None = None):
    """Return samples, rate and warnings of a file of these bytes."""
    path.write_bytes(content)
    warned: list[str] = []
    samples = np.concatenate([*decode(path, duration, warn=warned.append)], axis=1)
    return samples[0], probe(path).sr, warned


def likeness(y: np.ndarray, sr: int, original: np.ndarray) -> tuple[float, int]:
    """Return the correlation with the original, and after how many samples it is highest."""
    original = soxr.resample(original, SR, sr)
    delay = int(np.argmax(signal.correlate(y, original, method="fft"))) - len(original) + 1
    y, original = y[max(0, delay) :], original[max(0, -delay) :]
    count = min(len(y), len(original))
    return float(np.corrcoef(y[:count], original[:count])[0, 1]), delay


ID3V1 = b"TAG".ljust(128, b"\0")
# Name -> file, its samples, the delay of its sound. Where a file cannot say how much an encoder put
# before the sound, players play that too.
FILES = {
    "header.mp3": (lambda: mp3(sound(), header=True), 88200, 0),
    "constant.mp3": (lambda: mp3(sound()), 89856, 1105),
    "id3v1.mp3": (lambda: mp3(sound()) + ID3V1, 89856, 1105),
    "ape.mp3": (lambda: mp3(sound()) + ape_tag(), 89856, 1105),
    "ape-id3v1.mp3": (lambda: mp3(sound()) + ape_tag() + ID3V1, 89856, 1105),
    "zeros.mp3": (lambda: mp3(sound()) + bytes(3000), 89856, 1105),
    "zeros-before.mp3": (lambda: bytes(3000) + mp3(sound()), 89856, 1105),
    "aac.m4a": (lambda: encode(sound(), "ipod", "aac"), 89088, 0),
    "alac.m4a": (lambda: encode(sound(), "ipod", "alac"), 88200, 0),
    "stream.aac": (lambda: encode(sound(), "adts", "aac"), 90112, 1024),
    "sound.wma": (lambda: encode(sound(), "asf", "wmav2", b="128k"), 88064, -2048),
    "sound.webm": (lambda: encode(sound(), "webm", "libopus"), 96000, 0),
    "sound.opus": (lambda: encode(sound(), "ogg", "libopus"), 96000, 0),
    "sound.ogg": (lambda: vorbis(sound()), 88200, 0),
    "sound.flac": (lambda: encode(sound(), "flac", "flac"), 88200, 0),
    "mp3.wav": (lambda: encode(sound(), "wav", "libmp3lame", b="64k"), 89856, 1105),
}


@pytest.mark.parametrize("name", FILES)
def test_whole_files_are_read_to_their_end(name, tmp_path, capfd):
    make, count, delay = FILES[name]
    y, sr, warned = read(tmp_path / name, make())
    assert len(y) == count
    correlation, found = likeness(y, sr, sound())
    assert correlation > 0.999
    assert found == delay
    assert warned == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.process
@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the command ffmpeg is not here")
@pytest.mark.parametrize("name", FILES)
def test_ffmpeg_decodes_the_same(name, tmp_path):
    y, _, _ = read(tmp_path / name, FILES[name][0]())
    command = ("ffmpeg", "-v", "error", "-i", tmp_path / name, "-f", "f32le", "-ac", "1", "-")
    expected = np.frombuffer(subprocess.run(command, capture_output=True).stdout, dtype="float32")
    assert len(y) == len(expected)
    assert np.corrcoef(y, expected)[0, 1] > 0.999


@pytest.mark.parametrize(("first", "second"), [(LOUD, QUIET), (QUIET, LOUD)])
def test_a_variable_rate_does_not_shorten_the_sound(first, second, tmp_path):
    y, _, _ = read(tmp_path / "variable.mp3", variable(first, second))
    assert len(y) == 2 * 89856
    levels = [np.std(half) / np.std(sound()) for half in np.split(y, 2)]
    np.testing.assert_allclose(levels, [first, second], rtol=0.07)


def test_a_flac_stream_of_unknown_length_is_read(tmp_path):
    content = bytearray(encode(sound(), "flac", "flac"))
    content[21] &= 0xF0  # 36 bits of STREAMINFO: total samples, 0 if unknown (RFC 9639, 8.2)
    content[22:26] = bytes(4)
    assert len(read(tmp_path / "stream.flac", bytes(content))[0]) == 88200


def cut(content: bytes, seconds: float) -> bytes:
    """Return a file without about as much of its two seconds of sound."""
    return content[: round(len(content) * (1 - seconds / 2))]


ENDS = {
    "header.mp3": lambda: mp3(sound(), header=True),
    "fast.m4a": lambda: encode(sound(), "ipod", "aac", {"movflags": "faststart"}),
    "sound.flac": lambda: encode(sound(), "flac", "flac"),
    "sound.webm": lambda: encode(sound(), "webm", "libopus"),
    "sound.wma": lambda: encode(sound(), "asf", "wmav2", b="128k"),
    "sound.wav": lambda: encode(sound(), "wav", "pcm_s16le"),
    "sound.aiff": lambda: encode(sound(), "aiff", "pcm_s16be"),
}


@pytest.mark.parametrize("name", ENDS)
def test_only_lost_sound_is_refused(name, tmp_path, capfd):
    content = ENDS[name]()
    y, sr, warned = read(tmp_path / name, cut(content, 0.01 if name == "sound.flac" else 0.06))
    assert 1.8 < len(y) / sr < 2.0
    assert len(warned) == 1
    assert re.search(r"the last \d\d ms of the sound are missing in this file", warned[0])
    with pytest.raises(AudioError, match=r"is truncated or damaged \(1\.\d\d of [12]\.\d\d s can"):
        read(tmp_path / name, cut(content, 0.8))
    y, sr, warned = read(tmp_path / name, cut(content, 0.8), duration=1.0)
    assert (len(y), warned) == (sr, [])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("make", [vorbis, lambda y: encode(y, "ogg", "libopus")])
def test_an_ogg_stream_of_a_stopped_recorder_is_read(make, tmp_path):
    content = make(sound(4.0))
    y, sr, warned = read(tmp_path / "stopped.ogg", content[: pages(content)[-1]])
    assert 1.0 < len(y) / sr < 4.0
    assert warned == [
        f"{tmp_path / 'stopped.ogg'}: does not say where its sound ends, so the whole file was used"
    ]
    with pytest.raises(AudioError, match=r"is truncated or damaged \(\d\.\d\d of \d\.\d\d s"):
        read(tmp_path / "stopped.ogg", content[: pages(content)[-1] - 100])


def test_damage_in_the_middle_is_said_or_refused(tmp_path):
    content = bytearray(mp3(sound()))
    content[8000:8600] = b"\x55" * 600
    y, _, warned = read(tmp_path / "hole.mp3", bytes(content))
    assert 89856 - 6 * 1152 < len(y) < 89856
    assert re.search(r"\d damaged pieces of the sound were left out", warned[0])
    content = bytearray(encode(sound(), "flac", "flac"))
    content[50000:50600] = b"\x55" * 600  # decoded all the same, it is noise at full scale
    with pytest.raises(AudioError, match=r"is truncated or damaged \(1\.9\d of 2.00 s"):
        read(tmp_path / "hole.flac", bytes(content))


def playlist() -> bytes:
    return b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:2,\nsound.ts\n#EXT-X-ENDLIST\n"


NO_SOUND = {
    "picture.png": lambda: encode_picture(),
    "playlist.m3u8": playlist,
    "playlist.mp3": playlist,
    "text.mp3": lambda: b"hello " * 9999,
    "noise.mp3": lambda: np.random.default_rng(0).bytes(30000),
    "noise.m4a": lambda: np.random.default_rng(0).bytes(30000),
}


def encode_picture() -> bytes:
    buffer = io.BytesIO()
    Figure(figsize=(1, 1)).savefig(buffer, format="png")
    return buffer.getvalue()


@pytest.mark.parametrize("name", NO_SOUND)
def test_what_no_player_plays_is_refused(name, tmp_path, capfd):
    with pytest.raises(AudioError, match=f"{name}: is not audio that can be read"):
        read(tmp_path / name, NO_SOUND[name]())
    assert capfd.readouterr() == ("", "")


def test_a_sound_of_unstated_length_is_read_to_its_end(tmp_path):
    path = tmp_path / "long.mp3"
    content = 301 * mp3(sound())
    assert len(read(path, content)[0]) == 301 * 89856
    assert len(read(path, content, duration=1.0)[0]) == SR


def test_probe_says_what_a_file_says(tmp_path):
    for name, make in ENDS.items():
        (tmp_path / name).write_bytes(make())
        found = probe(tmp_path / name)
        assert found.sr == (48000 if name.endswith("webm") else SR)
        assert found.seconds == pytest.approx(2.0, abs=0.06)
        assert found.channels == 1
        plain = {"sound.wav": "PCM_16", "sound.aiff": "PCM_16"}
        assert found.subtype == plain.get(name)
        assert not found.is_float
    sf.write(tmp_path / "float.wav", np.stack([sound()] * 3, axis=1), SR, subtype="FLOAT")
    found = probe(tmp_path / "float.wav")
    assert (found.channels, found.subtype, found.is_float) == (3, "FLOAT", True)
    sf.write(tmp_path / "stereo.mp3", np.stack([sound()] * 2, axis=1), SR)
    assert probe(tmp_path / "stereo.mp3").channels == 2


def test_warnings_are_in_the_record_and_in_one_line(nst, tmp_path):
    path = tmp_path / "cut.mp3"
    path.write_bytes(cut(mp3(sound(), header=True), 0.06))
    flac = tmp_path / "style.flac"
    flac.write_bytes(encode(sound()[::-1].copy(), "flac", "flac"))
    result = nst(
        *("transfer", "--content", path, "--style", flac, "--out", tmp_path / "out.wav"),
        *("--steps", 2, "--set", "duration=2"),
    )
    assert result.returncode == 0, result.stderr
    record = json.loads((tmp_path / "out.json").read_text())
    assert len(record["warnings"]) == 1
    assert re.fullmatch(rf"{path}: the last \d\d ms .* missing in this file", record["warnings"][0])
    assert result.stderr.splitlines() == [f"nst: {record['warnings'][0]}"]
