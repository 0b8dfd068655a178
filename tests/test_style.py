import hashlib
import json
import re
import zipfile

import numpy as np
import pytest
import soundfile as sf

from nst_lib.core.condense import condense
from nst_lib.sound.audio import AudioError, AudioWarning
from nst_lib.style import Style, recordings_in

SR = 8000


def noise(seconds, *, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.uniform(0.01, 0.2, round(seconds * 2)), SR // 2)
    return (level[:, None] * rng.standard_normal((len(level), channels))).astype(np.float32)


def record(path, seconds=3.0, *, sr=SR, **more):
    sf.write(path, noise(seconds, **more), sr, subtype="PCM_24")
    return path


@pytest.fixture
def rain(tmp_path):
    """A style file of 2 s, of a recording of 12 s in stereo."""
    path = tmp_path / "rain.style"
    Style.of(record(tmp_path / "rain.wav", 12, channels=2), seconds=2).save(path)
    return path


def rewrite(path, *, compression=zipfile.ZIP_STORED, **members):
    """Replace files in a style file."""
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    held |= {name.replace("_", "."): data for name, data in members.items()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in held.items():
            if data is not None:
                archive.writestr(name, data)


def changed(path, **values):
    """Return a style file's record in JSON with other values."""
    with zipfile.ZipFile(path) as archive:
        return json.dumps(json.loads(archive.read("style.json")) | values)


@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize("seconds", [2, 30])
def test_a_file_holds_every_bit_of_a_style(tmp_path, channels, seconds):
    style = Style.of(record(tmp_path / "a.wav", 12, channels=channels), seconds=seconds)
    style.save(tmp_path / "a.style")
    again = Style.read(tmp_path / "a.style")
    assert again.audio.dtype == np.float32
    np.testing.assert_array_equal(again.audio, style.audio)
    assert (again.sr, again.sources, again.mono) == (SR, style.sources, False)
    again.save(tmp_path / "b.style")
    assert (tmp_path / "b.style").read_bytes() == (tmp_path / "a.style").read_bytes()


def test_a_short_recording_of_24_bits_is_kept_exactly(tmp_path):
    path = record(tmp_path / "a.wav", channels=2)
    np.testing.assert_array_equal(Style.of(path).audio, sf.read(path, dtype="float32")[0].T)


def test_several_recordings_are_one_long_recording(tmp_path):
    paths = [record(tmp_path / f"{seed}.wav", 3 + seed, seed=seed) for seed in range(3)]
    whole = np.concatenate([sf.read(path, dtype="float32")[0] for path in paths])
    style = Style.of(paths, seconds=4)
    np.testing.assert_allclose(style.audio, condense(whole, sr=SR, seconds=4), atol=2**-23)
    assert style.seconds == 12


def test_sources_are_named_measured_and_checked(tmp_path):
    paths = [record(tmp_path / "a.wav", 3), record(tmp_path / "b.flac", 4.5)]
    sources = Style.of(paths, seconds=2).sources
    assert [(source.name, source.seconds) for source in sources] == [("a.wav", 3), ("b.flac", 4.5)]
    for path, source in zip(paths, sources, strict=True):
        assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("rates", "sr", "wanted"),
    [((44100, 8000), None, 44100), ((96000,), None, 48000), ((8000, 16000), 11025, 11025)],
)
def test_the_sampling_rate(tmp_path, rates, sr, wanted):
    paths = [record(tmp_path / f"{rate}.wav", 40, sr=rate) for rate in rates]
    style = Style.of(paths, sr=sr, seconds=0.5)
    assert style.sr == wanted
    assert len(style.audio) == pytest.approx(0.5 * wanted, abs=16)


def test_one_channel_beside_two_is_used_in_both(tmp_path):
    paths = [record(tmp_path / "a.wav", seed=1), record(tmp_path / "b.wav", channels=2)]
    audio = Style.of(paths).audio
    assert audio.shape == (2, 6 * SR)
    np.testing.assert_array_equal(audio[0, : 3 * SR], audio[1, : 3 * SR])
    assert (audio[0, 3 * SR :] != audio[1, 3 * SR :]).any()
    assert Style.of(paths, mono=True).audio.shape == (6 * SR,)


def test_other_numbers_of_channels_do_not_go_together(tmp_path):
    paths = [record(tmp_path / "a.wav", channels=2), record(tmp_path / "b.wav", channels=3)]
    with pytest.raises(
        AudioError, match=r"a.wav: has 2 channels, and another recording has 3: aver"
    ):
        Style.of(paths)
    assert Style.of(paths, mono=True).audio.ndim == 1


def test_a_sound_beyond_full_scale_is_scaled_with_a_warning(tmp_path):
    sf.write(tmp_path / "loud.wav", 20 * noise(3), SR, subtype="FLOAT")
    with pytest.warns(AudioWarning, match=r"the summary was scaled by -.* dB, or it would clip"):
        style = Style.of(tmp_path / "loud.wav")
    assert np.abs(style.audio).max() == pytest.approx(1)


def test_faults_of_a_recording_are_told_once(tmp_path):
    path = record(tmp_path / "a.wav", 12)
    path.write_bytes(path.read_bytes()[: -3 * 40])  # 5 ms are missing
    told = []
    Style.of(path, seconds=1, warn=told.append)
    assert told == [f"{path}: the last 5 ms of the sound are missing in this file"]


def test_progress_counts_each_second_twice(tmp_path):
    seen = []
    path = record(tmp_path / "a.wav", 40)
    Style.of(path, seconds=1, callback=lambda done, total: seen.append((done, total)))
    done, total = zip(*seen, strict=True)
    assert list(done) == sorted(done)
    assert done[-1] == total[-1]
    assert total[-1] == pytest.approx(80, abs=6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seconds": 0}, "seconds 0; accepted: 0.1 to 600"),
        ({"seconds": 601}, "seconds 601; accepted: 0.1 to 600"),
        ({"sr": 999}, "sr 999; accepted: 1000 to 192000 Hz, above 65535 Hz in steps of 10 Hz"),
        ({"sr": 96001}, "sr 96001; accepted"),
        ({"sr": 192000, "seconds": 600}, "seconds 600 of 3 channels at 192000 Hz; accepted: 2e"),
    ],
)
def test_settings_that_are_not_accepted(tmp_path, settings, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        Style.of(record(tmp_path / "a.wav", channels=3), **settings)


def test_recordings_that_cannot_be_used(tmp_path):
    with pytest.raises(ValueError, match="no recording; accepted: one or more"):
        Style.of([])
    with pytest.raises(AudioError, match=r"missing.wav: no such file"):
        Style.of([record(tmp_path / "a.wav"), tmp_path / "missing.wav"])
    sf.write(tmp_path / "silent.wav", np.zeros(SR), SR)
    with pytest.raises(AudioError, match=r"silent.wav: is digital silence"):
        Style.of(tmp_path / "silent.wav")


def test_a_folder_stands_for_its_recordings(tmp_path):
    for name in ("b.WAV", "a.flac", "c.txt"):
        (tmp_path / name).touch()
    (tmp_path / "d.wav").mkdir()
    one = tmp_path / "other.mp3"
    assert recordings_in([one, tmp_path]) == [one, tmp_path / "a.flac", tmp_path / "b.WAV"]
    with pytest.raises(ValueError, match=r"d.wav: holds no recordings; choose a folder of sound"):
        recordings_in([tmp_path / "d.wav"])


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"style_flac": None}, "holds style.json"),
        ({"other_txt": "x"}, "holds style.json, style.flac, other.txt"),
        ({"style_json": "{}"}, "style.json, format: Field required"),
        ({"style_json": "no"}, "Expecting value"),
        ({"style_json": "[" * 100_000}, "maximum recursion depth"),
        ({"style_json": "[]"}, "style.json: Input should be"),
        ({"style_json": '{"format": "x"}'}, "style.json, format: Input should be a valid integer"),
        ({"style_json": '{"format": 1}'}, "style.json, nst_lib: Field required"),
        ({"style_json": " " * 16_000_001}, "style.json is too large"),
        ({"style_flac": b"fLaC"}, "Error opening"),
        ({"style_flac": b""}, "Error opening"),
    ],
)
def test_a_foreign_archive_gets_one_line(rain, members, reason):
    rewrite(rain, **members)
    message = f"{rain}: is damaged, or is not a style file ({reason}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}.*\\)$"):
        Style.read(rain)


def test_a_sound_that_is_no_flac_file_is_refused(rain, tmp_path):
    record(tmp_path / "b.wav")
    rewrite(rain, style_flac=(tmp_path / "b.wav").read_bytes())
    with pytest.raises(ValueError, match=r"style.flac does not hold the sound of a style"):
        Style.read(rain)


def test_a_compressed_archive_is_refused_before_it_is_unpacked(rain):
    rewrite(rain, compression=zipfile.ZIP_DEFLATED, style_flac=b"\0" * 50_000_000)
    assert rain.stat().st_size < 100_000
    with pytest.raises(ValueError, match=r"\(style.json is compressed\)"):
        Style.read(rain)


def test_a_small_file_of_a_huge_sound_is_refused(rain):
    with zipfile.ZipFile(rain) as archive:
        flac = bytearray(archive.read("style.flac"))
    assert flac[:4] == b"fLaC"
    flac[21] |= 0x0F  # the upper bits of the number of samples
    rewrite(rain, style_flac=bytes(flac))
    with pytest.raises(ValueError, match=r"style.flac does not hold the sound of a style"):
        Style.read(rain)


def test_a_newer_format_asks_for_a_newer_version(rain):
    rewrite(rain, style_json=changed(rain, format=2, nst_lib="9.0", new=1))
    message = (
        f"{rain}: has format 2 of nst_lib 9.0, and this version reads up to format 1: install a "
        "newer version of nst_lib"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Style.read(rain)


def test_other_files_are_not_style_files(tmp_path):
    with pytest.raises(ValueError, match=r"a.style: no such file"):
        Style.read(tmp_path / "a.style")
    record(tmp_path / "a.wav").rename(tmp_path / "a.style")
    with pytest.raises(ValueError, match=r"a.style: is not a style file; `nst style` writes"):
        Style.read(tmp_path / "a.style")


def test_a_damaged_file_is_refused_or_the_same(rain):
    """Whatever byte is lost or changed: one line, or the same sound."""
    style, data = Style.read(rain), rain.read_bytes()
    rng = np.random.default_rng(0)
    places = [*range(60), *range(len(data) - 200, len(data)), *rng.integers(len(data), size=100)]
    messages = []
    for place in places:
        flipped = bytes([data[place] ^ 1 << int(rng.integers(8))])
        for damaged in (data[:place], data[:place] + flipped + data[place + 1 :]):
            rain.write_bytes(damaged)
            try:
                np.testing.assert_array_equal(Style.read(rain).audio, style.audio)
            except ValueError as error:
                messages.append(str(error))
    assert len(messages) > 500
    assert all(re.fullmatch(rf"{re.escape(str(rain))}: is .*", message) for message in messages)


def test_nothing_is_written_under_another_name(rain, tmp_path):
    with pytest.raises(ValueError, match=r"cannot write .zip; accepted: .style"):
        Style.read(rain).save(tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()
