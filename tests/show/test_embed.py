"""Sounds in pages: exact if they are short, and small if they are long."""

import base64
import io

import numpy as np
import pytest
import soundfile as sf

from nst_lib.show.embed import EXACT, LIGHT, array_url, file_url, is_heavy

SR = 44100
#: Bytes of base64 for a minute of stereo.
MINUTE = 1.3e6


def noise(seconds: float, sr: int = SR, channels: int = 2) -> np.ndarray:
    """White noise, the hardest to compress; each channel has its own."""
    samples = np.random.default_rng(0).standard_normal((channels, round(seconds * sr)))
    return (0.1 * samples).astype(np.float32)


def data_of(url: str) -> tuple[str, bytes]:
    kind, _, data = url.removeprefix("data:").partition(";base64,")
    return kind, base64.b64decode(data)


def compressed(y: np.ndarray, sr: int = SR) -> bytes:
    kind, data = data_of(array_url(y, sr=sr, gain=1.0, kind="ogg"))
    assert kind == "audio/ogg"
    return data


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("sr", [22050, 44100, 48000, 96000])
def test_compressed_sounds_are_small_and_keep_rate_length_channels_and_level(sr, channels):
    y = noise(8, sr, channels)
    assert len(compressed(y if channels > 1 else y[0], sr)) * 4 / 3 < MINUTE * 8 / 60
    y = np.cumsum(y - np.roll(y, 6, axis=1), axis=1)  # less treble
    heard, rate = sf.read(io.BytesIO(compressed(y, sr)), always_2d=True)
    assert (rate, heard.T.shape) == (sr, y.shape)
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(np.sqrt(np.mean(y**2)), rel=0.06)


def test_they_start_when_the_sound_starts():
    y = np.zeros((1, 2 * SR), np.float32)
    y[0, SR : SR + 2000] = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(2000) / SR)
    heard, _ = sf.read(io.BytesIO(compressed(y)))
    centre = np.average(np.arange(len(heard)), weights=heard**2)
    assert centre == pytest.approx(SR + 1000, abs=20)


@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_a_compressed_file_keeps_its_rate(tmp_path, gain):
    y = noise(4, 48000)
    sf.write(tmp_path / "a.wav", y.T, 48000)
    kind, data = data_of(file_url(tmp_path / "a.wav", compress=True, gain=gain))
    assert kind == "audio/ogg"
    heard, sr = sf.read(io.BytesIO(data))
    assert (sr, heard.T.shape) == (48000, y.shape)
    wanted = gain * np.sqrt(np.mean(y**2))
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(
        wanted, rel=0.15
    )  # noise loses its highest frequencies


@pytest.mark.parametrize("kind", ["flac", "wav"])
def test_exact_sounds_are_stereo_of_16_bits(kind):
    y = noise(3)
    found, data = data_of(array_url(y, sr=SR, gain=0.5, kind=kind))
    assert found == f"audio/{kind}"
    heard, sr = sf.read(io.BytesIO(data))
    assert (sr, sf.info(io.BytesIO(data)).subtype) == (SR, "PCM_16")
    np.testing.assert_allclose(heard.T, np.float32(0.5) * y, rtol=0, atol=1.6 / 32768)


def test_heavy_are_long_sounds_unless_they_are_small_files(tmp_path):
    small, large = tmp_path / "small.ogg", tmp_path / "large.wav"
    small.write_bytes(bytes(LIGHT * 60))
    large.write_bytes(bytes(LIGHT * 60 + 1))
    for source in (small, large, np.zeros(9), tmp_path / "none.aiff"):
        assert not is_heavy(source, EXACT)
    assert [is_heavy(one, 60.0) for one in (small, large, np.zeros(9))] == [False, True, True]
    assert is_heavy(tmp_path / "none.aiff", 60.0)
