"""The stereo image: one channel with the power of all, and the image of the content on a sound."""

import numpy as np
import pytest

from nst_lib.core import image
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


def test_blocks_have_no_seams(monkeypatch):
    y, content = noise(), np.stack([noise(seed=1), noise(seed=2)])
    monkeypatch.setattr(image, "BLOCK", 10_000)
    whole = place(y, content, sr=SR), downmix(content, sr=SR)
    monkeypatch.setattr(image, "BLOCK", 37)
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
