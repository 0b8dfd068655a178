"""The stereo image: one channel with the power of all, and the image of the content on a sound."""

import numpy as np
import pytest

from nst_lib.core import covariance
from nst_lib.core.image import downmix, place

SR = 22050


def noise(n=2 * SR, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def level(y):
    return 10 * np.log10(np.mean(np.square(y, dtype=np.float64)))


@pytest.mark.parametrize("n", [1, 700, 20_001])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_equal_channels_mix_to_the_channel(n, channels):
    y = noise(n)
    np.testing.assert_allclose(downmix(np.tile(y, (channels, 1)), sr=SR), y, atol=1e-6)


def test_opposite_channels_do_not_cancel():
    y = noise()
    mixed = downmix(np.stack([y, -y]), sr=SR)
    assert min(abs(mixed - y).max(), abs(mixed + y).max()) < 1e-6


@pytest.mark.parametrize("other", [np.roll(noise(), 11), noise(seed=1), 0 * noise()])
def test_the_mix_has_the_power_of_all_channels(other):
    y = np.stack([noise(), other])
    assert level(downmix(y, sr=SR)) == pytest.approx(level(y), abs=1)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_equal_channels_leave_the_sound(channels):
    y, content = noise(), np.tile(noise(seed=1), (channels, 1))
    np.testing.assert_allclose(place(y, content, sr=SR), np.tile(y, (channels, 1)), atol=1e-6)


def test_a_silent_content_leaves_the_sound():
    y = noise()
    result = place(y, np.zeros((2, len(y)), np.float32), sr=SR)
    np.testing.assert_allclose(result, np.stack([y, y]), atol=1e-6)


def test_opposite_channels_stay_opposite():
    y, content = noise(), noise(seed=1)
    left, right = place(y, np.stack([content, -content]), sr=SR)
    np.testing.assert_allclose(left, -right, atol=1e-6)
    assert level(left) == pytest.approx(level(y), abs=0.01)


@pytest.mark.parametrize("angle", [0.0, 0.1, 0.7, 1.2, np.pi / 2, 2.0])
def test_panning_stays(angle):
    y, content = noise(), noise(seed=1)
    gains = np.array([[np.cos(angle)], [np.sin(angle)]])
    result = place(y, gains * content, sr=SR)
    wanted = np.sqrt(2) * gains * y
    assert min(abs(result - wanted).max(), abs(result + wanted).max()) < 1e-4


@pytest.mark.parametrize(
    "y", [noise(), 0.1 * np.sin(np.arange(2 * SR) * 0.2), np.stack([noise(), noise(seed=3)])]
)
@pytest.mark.parametrize("coherent", [-0.7, 0.0, 0.7])
def test_levels_and_correlation_are_those_of_the_content(y, coherent):
    left, right = noise(seed=1), noise(seed=2)
    content = np.stack([left, 0.3 * (coherent * left + np.sqrt(1 - coherent**2) * right)])
    result = place(y, content, sr=SR)
    assert np.corrcoef(result)[0, 1] == pytest.approx(coherent, abs=0.1)
    apart = level(result[0]) - level(result[1])
    assert apart == pytest.approx(level(content[0]) - level(content[1]), abs=1)
    assert level(result) == pytest.approx(level(y), abs=0.3)


def test_each_band_has_its_own_image():
    t = np.arange(2 * SR) / SR
    low, high = (0.1 * np.sin(2 * np.pi * f * t).astype(np.float32) for f in (300, 4000))
    left, right = place(low + high, np.stack([low, high]), sr=SR)[:, 2048:-2048]
    np.testing.assert_allclose(left, np.sqrt(2) * low[2048:-2048], atol=2e-3)
    np.testing.assert_allclose(right, np.sqrt(2) * high[2048:-2048], atol=2e-3)


def test_each_moment_has_its_own_image():
    half = SR
    content = np.stack([noise(), noise(seed=1)])
    content[0, half:] = content[1, :half] = 0
    left, right = place(noise(seed=2), content, sr=SR)
    margin = round(0.4 * SR)
    assert level(left[: half - margin]) - level(right[: half - margin]) > 30
    assert level(right[half + margin :]) - level(left[half + margin :]) > 30


def test_a_pause_of_the_content_keeps_the_image():
    content = np.stack([noise(), 0.25 * noise()])
    content[:, SR // 2 : 3 * SR // 2] = 0
    y = noise(seed=2)
    left, right = place(y, content, sr=SR)
    np.testing.assert_allclose(right, 0.25 * left, atol=1e-5)


def test_the_image_that_a_sound_has_leaves_it():
    y = np.stack([noise() + 0.5 * noise(seed=1), noise(seed=1)])
    np.testing.assert_allclose(place(y, y, sr=SR), y, atol=1e-3)


def test_channels_of_a_sound_do_not_cancel():
    y = np.stack([noise(), -noise()])
    left, right = place(y, np.tile(noise(seed=1), (2, 1)), sr=SR)
    np.testing.assert_allclose(left, right, atol=1e-6)
    assert level(left) == pytest.approx(level(y), abs=0.01)


def test_an_attack_stays_an_attack():
    y = np.zeros(2 * SR, np.float32)
    y[SR] = 1
    result = place(y, np.stack([noise(seed=1), noise(seed=2)]), sr=SR)
    energy = np.square(result).sum(0)
    near = slice(SR - round(0.002 * SR), SR + round(0.03 * SR))
    assert energy[near].sum() > 0.9 * energy.sum()


def test_any_number_of_channels_takes_any_image():
    content = np.stack([noise(seed=seed) for seed in range(3)])
    result = place(np.stack([noise(seed=4), noise(seed=5)]), content, sr=SR)
    np.testing.assert_allclose(np.corrcoef(result), np.eye(3), atol=0.1)
    assert place(content, content[:1], sr=SR).shape == (1, 2 * SR)


def test_blocks_have_no_seams(monkeypatch):
    y, content = noise(), np.stack([noise(seed=1), noise(seed=2)])
    monkeypatch.setattr(covariance, "BLOCK", 10_000)
    whole = place(y, content, sr=SR), downmix(content, sr=SR)
    monkeypatch.setattr(covariance, "BLOCK", 37)
    for one, other in zip(whole, (place(y, content, sr=SR), downmix(content, sr=SR)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_the_seed_draws_the_copies():
    y, content = noise(), np.stack([noise(seed=1), noise(seed=2)])
    first, again, other = (place(y, content, sr=SR, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert abs(first - other).max() > 0.01


def test_what_cannot_be_used_is_refused():
    with pytest.raises(ValueError, match=r"sound of shape \(5,\); accepted: \(channels, samples\)"):
        downmix(noise(5), sr=SR)
    with pytest.raises(ValueError, match=r"content of shape \(5,\)"):
        place(noise(5), noise(5), sr=SR)
    with pytest.raises(ValueError, match="sound of 5 samples and content of 6 samples"):
        place(noise(5), noise(6)[None], sr=SR)
