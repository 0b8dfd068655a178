"""How recordings are read: rate, length, channels, summaries, and the shares of several styles."""

import numpy as np
import pytest
import soundfile as sf

from nst_lib import TransferConfig, transfer
from nst_lib.config import ConfigError
from nst_lib.recordings import Sounds, load, load_style, rate_of, read, several
from nst_lib.sound.audio import AudioError
from nst_lib.sound.datasets import open_dataset
from nst_lib.style import Style

SR = 16000


@pytest.fixture(scope="module")
def config():
    """The default, at the level of the recordings."""
    return TransferConfig.from_preset("shaped", level="off", level_target=None)


def noise(seconds, *, channels=1, seed=0, sr=SR):
    shape = (channels, round(seconds * sr)) if channels > 1 else round(seconds * sr)
    return 0.1 * np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.fixture
def record(tmp_path):
    """Return a function that writes a sound and returns its path and what it holds."""

    def write(name, y, *, sr=SR, subtype="FLOAT"):
        path = tmp_path / name
        sf.write(path, y.T, sr, subtype=subtype)
        return path

    return write


class TestRate:
    def test_of_each_kind(self, record, tmp_path):
        path = record("a.wav", noise(1), sr=44100)
        Style.of([path], seconds=0.5, sr=32000).save(tmp_path / "a.style")
        assert rate_of(path) == rate_of(str(path)) == 44100
        assert rate_of(noise(1)) == 22050
        assert rate_of(tmp_path / "a.style") == rate_of(Style.read(tmp_path / "a.style")) == 32000
        assert rate_of(open_dataset("synthetic")[0]) == 22050

    def test_of_what_is_not_there(self, tmp_path):
        with pytest.raises(AudioError, match=r"no\.wav: no such file"):
            rate_of(tmp_path / "no.wav")


class TestLoad:
    def test_recordings_are_used_as_they_are(self, record, config):
        y = noise(7.3, channels=2)
        np.testing.assert_array_equal(load(record("a.wav", y), config), y)

    def test_above_48_kilohertz_a_recording_is_resampled(self, record, config):
        y = load(record("a.wav", noise(1, sr=96000), sr=96000), config)
        assert y.shape == (48000,)

    @pytest.mark.parametrize(
        ("settings", "shape"),
        [
            ({}, (2, 2 * SR)),
            ({"sr": 8000}, (2, 16000)),
            ({"duration": 0.5}, (2, SR // 2)),
            ({"duration": 3.0}, (2, 3 * SR)),
            ({"mono": True}, (2 * SR,)),
            ({"sr": 8000, "duration": 1.5, "mono": True}, (12000,)),
        ],
    )
    def test_settings_replace_what_the_recording_has(self, record, config, settings, shape):
        path = record("a.wav", noise(2, channels=2))
        assert load(path, config.replace(**settings)).shape == shape

    def test_both_channels_have_one_level(self, record, config):
        y = noise(1, channels=2)
        y[1] *= 0.1
        levelled = load(record("a.wav", y), config.replace(level="rms", level_target=-26.0))
        np.testing.assert_allclose(levelled[1] / levelled[0], y[1] / y[0], rtol=1e-4)

    def test_arrays_have_the_rate_of_the_settings(self, config):
        y = noise(1, channels=2)
        np.testing.assert_array_equal(load(y, config.replace(sr=SR)), y)
        assert load(y, config.replace(sr=SR, duration=0.5)).shape == (2, SR // 2)

    def test_too_short(self, record, config):
        with pytest.raises(AudioError, match=r"short\.wav"):
            load(record("short.wav", noise(0.01)), config)


class TestLoadStyle:
    def test_a_long_style_is_condensed(self, record, config):
        path = record("a.wav", noise(9, channels=2))
        y = load_style(path, config.replace(style_duration=3.0))
        assert y.shape[0] == 2
        assert 2.9 * SR < y.shape[1] <= 3 * SR
        assert np.std(y) == pytest.approx(0.1, rel=0.05)

    def test_a_short_style_and_one_of_fixed_length_are_not(self, record, config):
        path = record("a.wav", y := noise(4))
        np.testing.assert_array_equal(load_style(path, config.replace(style_duration=4.5)), y)
        fixed = config.replace(style_duration=2.0, duration=3.0)
        np.testing.assert_array_equal(load_style(path, fixed), y[: 3 * SR])

    def test_arrays_and_files_are_condensed_alike(self, record, config):
        y = noise(9)
        settings = config.replace(sr=SR, style_duration=3.0)
        np.testing.assert_array_equal(
            load_style(y, settings), load_style(record("a.wav", y), settings)
        )

    def test_a_summary_is_used_in_place_of_its_recordings(self, record, config, tmp_path):
        path = record("a.wav", noise(6, channels=2), subtype="PCM_16")
        style = Style.of([path], seconds=2)
        style.save(tmp_path / "a.style")
        for source in (style, tmp_path / "a.style", str(tmp_path / "a.style")):
            np.testing.assert_array_equal(load_style(source, config), style.audio)
        mono = load_style(style, config.replace(mono=True))
        np.testing.assert_allclose(mono, style.audio.mean(0), atol=1e-7)
        assert load_style(style, config.replace(sr=8000)).shape == (2, style.audio.shape[1] // 2)


class TestSounds:
    def test_all_have_the_rate_of_the_content(self, record, config):
        content = record("c.wav", noise(1, channels=2), subtype="PCM_24")
        style = record("s.wav", noise(1.5, sr=44100), sr=44100)
        sounds = read(content, style, config.at(rate_of(content)))
        assert (sounds.sr, sounds.subtype, sounds.in_channels) == (SR, "PCM_24", True)
        assert sounds.content.shape == (2, SR)
        assert sounds.style.shape == (round(1.5 * SR),)
        assert sounds.warnings == []

    def test_opposite_channels_do_not_cancel(self, config):
        y = noise(2)
        sounds = read(np.stack([y, -y]), np.stack([-y, y]), config.replace(sr=SR))
        for mono in map(sounds.mono, (sounds.content, sounds.style)):
            assert mono.ndim == 1
            assert np.std(mono) == pytest.approx(np.sqrt(2) * np.std(y), rel=0.4)

    def test_a_mono_style_beside_one_in_stereo_is_in_both_channels(self):
        one, two = noise(1), noise(2, channels=2)
        sounds = Sounds(content=None, styles=[one, two], warnings=[], sr=SR)
        np.testing.assert_array_equal(sounds.style[:, :SR], np.stack([one, one]))
        np.testing.assert_array_equal(sounds.style[:, SR:], two)
        assert [len(sounds.mono(y)) for y in sounds.styles] == [SR, 2 * SR]
        assert not sounds.in_channels

    def test_a_start_is_read_in_mono(self, record, config):
        path = record("start.wav", noise(1, channels=2))
        sounds = read(noise(1), noise(1), config.replace(sr=SR, start=str(path)))
        assert sounds.start.shape == (SR,)


class TestShares:
    def test_lengths_are_in_proportion_to_the_shares(self, config):
        mixed = config.replace(sr=SR, style_weights=(0.75, 0.25))
        low, high = np.sin(0.1 * np.arange(8 * SR)), np.sin(1.5 * np.arange(6 * SR))
        styles = [0.1 * y.astype(np.float32) for y in (low, high)]
        (mix,) = read(noise(1), styles, mixed).styles
        power = np.abs(np.fft.rfft(mix)) ** 2
        border = len(power) // 4
        share = power[:border].sum() / power.sum()
        assert share == pytest.approx(0.75, abs=0.02)
        path = read(noise(1), styles, mixed.replace(blend="path")).styles
        lengths = [len(y) for y in path]
        assert lengths[0] / sum(lengths) == pytest.approx(0.75, abs=0.01)
        assert sum(lengths) == pytest.approx(len(mix), abs=10)

    def test_only_the_ratio_of_the_weights_counts(self, config):
        styles = [noise(3), noise(4, seed=1)]
        found = [
            read(noise(1), styles, config.replace(sr=SR, style_weights=weights)).style
            for weights in ((0.7, 0.3), (7, 3))
        ]
        np.testing.assert_array_equal(*found)

    def test_without_weights_styles_are_whole(self, config):
        styles = [noise(3), noise(4, seed=1)]
        for y, style in zip(read(None, styles, config.replace(sr=SR)).styles, styles, strict=True):
            np.testing.assert_array_equal(y, style)

    def test_channels_are_made_equal(self, config):
        mixed = config.replace(sr=SR, style_weights=(1, 1))
        assert read(noise(1), [noise(2), noise(2, channels=2)], mixed).style.shape == (2, 4 * SR)

    def test_one_weight_for_each_style(self, config):
        with pytest.raises(ConfigError, match="2 style_weights for 1 styles; accepted: one for"):
            read(None, [noise(1)], config.replace(sr=SR, style_weights=(1, 2)))

    def test_a_share_must_leave_something(self, config):
        with pytest.raises(ConfigError, match=r"one style is left with 0\.02 s; accepted: longer"):
            read(None, [noise(2), noise(2)], config.replace(sr=SR, style_weights=(99, 1)))

    @pytest.mark.parametrize("weights", [(0.0, 1.0), (-1.0, 2.0), (float("nan"), 1.0)])
    def test_shares_above_zero(self, config, weights):
        with pytest.raises(ConfigError, match=r"style_weights=.*; accepted: numbers"):
            config.replace(style_weights=weights)

    def test_no_style(self):
        with pytest.raises(ValueError, match="no style; accepted: one or more"):
            several([])


@pytest.mark.parametrize("kind", ["silent for six seconds", "opposite channels"])
def test_what_only_the_default_can_use_is_used(record, tmp_path, kind):
    """Published presets refuse these files: their first five seconds, or their mean, are silent."""
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(SR) / SR)
    y = np.concatenate([np.zeros(6 * SR), tone]) if kind[0] == "s" else np.stack([tone, -tone])
    path = record("content.wav", y.astype(np.float32))
    config = TransferConfig.from_preset("shaped", channels=1, steps=1)
    for style in (path, record("style.wav", noise(1))):
        result = transfer(path, style, config)
        assert np.isfinite(result.audio).all()
        assert result.audio.shape == y.shape
