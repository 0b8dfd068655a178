"""Mosaics of several channels, and of several styles along a path."""

import numpy as np
import pytest

from nst_lib.core.mosaic import mosaic

SR = 8000


@pytest.fixture(scope="module")
def content():
    """Noise in ten bursts: 4 s."""
    t = np.arange(4 * SR) / SR
    noise = np.random.default_rng(0).standard_normal(len(t))
    return (noise * (0.1 + (t % 0.4 < 0.1))).astype(np.float32)


def tone(hertz, seconds):
    """Return a tone that is louder and softer in an irregular way."""
    t = np.arange(round(seconds * SR)) / SR
    course = 1 + 0.8 * np.sin(2 * np.pi * 1.7 * t) * np.sin(2 * np.pi * 2.9 * t)
    return (0.1 * course * np.sin(2 * np.pi * hertz * t)).astype(np.float32)


def share(y, hertz):
    """Return the share of the power within 50 Hz of a frequency."""
    power = np.abs(np.fft.rfft(y)) ** 2
    near = np.abs(np.fft.rfftfreq(len(y), 1 / SR) - hertz) < 50
    return power[near].sum() / power.sum()


def test_rows_are_cut_in_the_places_that_the_first_row_decides(content):
    deciding, other = tone(300, 3), tone(900, 3)
    y = mosaic(np.stack([deciding, other, -2 * deciding]), content, sr=SR)
    assert y.shape == (3, len(content))
    np.testing.assert_array_equal(y[0], mosaic(deciding, content, sr=SR))
    np.testing.assert_allclose(y[2], -2 * y[0], atol=1e-9)
    assert share(y[1], 900) > 0.9
    alone = mosaic(other, content, sr=SR)
    assert np.abs(y[1] - alone).max() > 0.01, "alone, the other row decides for itself"


def test_one_row_is_the_style_itself(content):
    style = tone(300, 3)
    np.testing.assert_array_equal(
        mosaic(style[None], content, sr=SR)[0], mosaic(style, content, sr=SR)
    )


def test_a_path_leads_from_the_first_style_to_the_last(content):
    low, middle, high = 300, 900, 2700
    styles = [tone(low, 2), tone(middle, 3), tone(high, 2.5)]
    ends = np.cumsum([len(style) for style in styles])
    joined = np.concatenate(styles)
    y = mosaic(joined, content, sr=SR, ends=ends)
    begin, centre, end = (part for part in np.split(y, [len(y) // 4, -len(y) // 4]))
    assert share(begin, low) > 0.7
    assert share(end, high) > 0.7
    assert share(centre, middle) > max(share(centre, low), share(centre, high))
    assert share(begin, high) < share(centre, high), "the last style comes in later"


def test_two_styles_meet_halfway(content):
    styles = [tone(300, 3), tone(2700, 3)]
    y = mosaic(np.concatenate(styles), content, sr=SR, ends=[len(styles[0]), 6 * SR])
    halves = np.split(y, 2)
    assert share(halves[0], 300) > 0.5 > share(halves[1], 300)
    assert share(halves[1], 2700) > 0.5 > share(halves[0], 2700)


def test_the_path_of_one_style_is_no_path(content):
    style = tone(300, 3)
    np.testing.assert_array_equal(
        mosaic(style, content, sr=SR, ends=[len(style)]), mosaic(style, content, sr=SR)
    )
