"""Recordings of any kind and several styles, as a user gives them to ``nst transfer``."""

import json

import numpy as np
import pytest
import soundfile as sf

from nst_lib.style import Style

RATE, FRAMES = 32000, 40000
QUICK = ("--out", "out.wav", "--steps", 1)


def bursts(seconds, *, sr, channels=1, seed=0):
    """Return noise that comes in bursts."""
    t = np.arange(round(seconds * sr)) / sr
    noise = np.random.default_rng(seed).standard_normal((len(t), channels))
    return 0.1 * noise * (0.2 + (t % 0.3 < 0.1))[:, None]


def hum(hertz, seconds, *, sr=RATE):
    t = np.arange(round(seconds * sr)) / sr
    return 0.1 * np.sin(2 * np.pi * hertz * t) * (1 + 0.8 * np.sin(2 * np.pi * 3.1 * t))


@pytest.fixture(autouse=True)
def recordings(tmp_path):
    """Write a content of 24 bits in stereo, and styles of other rates."""
    content = bursts(FRAMES / RATE, sr=RATE, channels=2) * [1, 0.4]
    sf.write(tmp_path / "content.wav", content, RATE, subtype="PCM_24")
    sf.write(tmp_path / "a.wav", bursts(2, sr=44100, seed=1), 44100)
    sf.write(tmp_path / "b.wav", bursts(2, sr=22050, channels=2, seed=2), 22050)
    return tmp_path


@pytest.fixture
def transfer(nst):
    def run(*arguments):
        return nst("transfer", "--content", "content.wav", *QUICK, *arguments)

    return run


def record(folder):
    return json.loads((folder / "out.json").read_text())


def test_the_result_has_rate_channels_length_and_format_of_the_content(transfer, tmp_path):
    result = transfer("--style", "a.wav")
    assert (result.returncode, result.stderr) == (0, "")
    found = sf.info(tmp_path / "out.wav")
    assert (found.samplerate, found.channels, found.frames) == (RATE, 2, FRAMES)
    assert found.subtype == "PCM_24"
    y, _ = sf.read(tmp_path / "out.wav")
    content, _ = sf.read(tmp_path / "content.wav")
    assert np.ptp(y.std(axis=0) / content.std(axis=0)) < 0.1 * y.std() / content.std()
    assert record(tmp_path)["config"]["sr"] == RATE
    assert record(tmp_path)["config"]["duration"] is None


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (("--mono",), (RATE, 1, FRAMES)),
        (("--sr", 16000), (16000, 2, FRAMES // 2)),
        (("--duration", 0.8), (RATE, 2, round(0.8 * RATE))),
        (("--duration", 1.5, "--mono", "--sr", 22050), (22050, 1, round(1.5 * 22050))),
        (("--preset", "fast", "--channels", 16), (22050, 1, 5 * 22050)),
    ],
)
def test_options_and_published_settings_replace_them(transfer, tmp_path, options, wanted):
    assert transfer("--style", "b.wav", *options).returncode == 0
    found = sf.info(tmp_path / "out.wav")
    assert (found.samplerate, found.channels, found.frames) == wanted


def test_a_format_without_24_bits_gets_its_own(transfer, tmp_path):
    assert transfer("--style", "a.wav", "--out", "out.ogg").returncode == 0
    found = sf.info(tmp_path / "out.ogg")
    assert (found.subtype, found.channels) == ("VORBIS", 2)


def test_shares_of_several_styles(transfer, tmp_path):
    result = transfer("--style", "a.wav:0.7", "--style", "b.wav:.3")
    assert (result.returncode, result.stderr) == (0, "")
    assert record(tmp_path)["config"]["style_weights"] == [0.7, 0.3]
    assert record(tmp_path)["inputs"]["style"] == ["a.wav", "b.wav"]


def test_a_file_whose_name_ends_like_a_share_is_a_file(transfer, tmp_path):
    (tmp_path / "a.wav").rename(tmp_path / "rain:2")
    result = transfer("--style", "rain:2", "--style", "b.wav")
    assert (result.returncode, result.stderr) == (0, "")
    assert record(tmp_path)["inputs"]["style"] == ["rain:2", "b.wav"]
    assert record(tmp_path)["config"]["style_weights"] == []


def test_a_summary_stands_for_its_recording(nst, transfer, tmp_path):
    assert nst("style", "b.wav", "--out", "b.style").returncode == 0
    sounds = []
    for style in ("b.wav", "b.style"):
        result = transfer("--style", style)
        assert (result.returncode, result.stderr) == (0, "")
        sounds.append((tmp_path / "out.wav").read_bytes())
        assert record(tmp_path)["inputs"]["style"] == style
    assert sounds[0] == sounds[1], "a short recording is its own summary"


def test_a_path_from_one_style_to_another(transfer, tmp_path):
    sf.write(tmp_path / "low.wav", hum(200, 2), RATE)
    sf.write(tmp_path / "high.wav", hum(3000, 2), RATE)
    Style.of([tmp_path / "high.wav"], seconds=1).save(tmp_path / "high.style")
    result = transfer("--style", "low.wav", "--style", "high.style", "--blend", "path")
    assert (result.returncode, result.stderr) == (0, "")
    y, _ = sf.read(tmp_path / "out.wav")
    border = 800  # Hz
    shares = []
    for part in np.array_split(y.sum(axis=1), 3):
        power = np.abs(np.fft.rfft(part)) ** 2
        shares.append(power[np.fft.rfftfreq(len(part), 1 / RATE) > border].sum() / power.sum())
    assert shares[0] < 0.2
    assert shares[2] > 0.8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--style", "a.wav:1", "--style", "b.wav"),
            "--style: some styles have a share and some have none; give all or none",
        ),
        (("--style", "a.wav:0"), "style_weights=[0.0]; accepted: numbers above 0"),
        (("--style", "a.wav:nan"), "style_weights=(nan,); accepted: numbers"),
        (("--style", "a.wav:x"), "a.wav:x: no such file"),
        (("--style", "c.wav:1"), "c.wav: no such file"),
        (
            ("--style", "a.wav:99", "--style", "b.wav:1"),
            "style_weights=[99.0, 1.0]: one style is left with 0.02 s; accepted: longer recordings",
        ),
        (("--style", "no.style"), "no.style: no such file"),
        (("--style", "a.wav", "--blend", "both"), "blend='both'; accepted: a word [mix | path]"),
        (
            ("--style", "a.wav", "--blend", "path", "--start", "content"),
            "blend='path' with start='content'; accepted: start=mosaic",
        ),
        (("--style", "a.wav", "--sr", 10), "sr=10; accepted: a whole number"),
        (("--style", "a.wav", "--duration", 0), "duration=0.0; accepted: a number"),
        (("--style", "a.wav", "--mono", "--set", "mono=false"), "--set 'mono=false': mono is giv"),
    ],
)
def test_bad_input_gets_one_line_and_status_2(transfer, tmp_path, arguments, message):
    before = set(tmp_path.iterdir())
    result = transfer(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"nst: {message}")
    assert set(tmp_path.iterdir()) == before
