import numpy as np
import pytest

from nst_lib.core.bands import erb_rate, half_cosines


def test_erb_rate_at_1_khz_is_as_published():
    # Glasberg and Moore, Hearing Research 47, 1990: 15.6 ERBs at 1 kHz; the scale starts at 0.
    np.testing.assert_allclose(erb_rate(np.array([0.0, 1000.0])), [0, 15.6], atol=0.05)


def test_erb_rate_counts_bandwidths():
    # Their equation 3; 4 is its integral, with rounded constants.
    frequency = np.geomspace(20, 15_000, 200)
    bandwidth = 24.7 * (4.37 * frequency / 1000 + 1)
    slope = (erb_rate(frequency + 0.01) - erb_rate(frequency - 0.01)) / 0.02
    np.testing.assert_allclose(slope * bandwidth, 1, atol=0.005)


@pytest.mark.parametrize("n", [2, 3, 30])
def test_squares_add_up_to_1_between_the_centres_and_to_less_outside(n):
    low, high = -1.5, 4.0
    x = np.linspace(low, high, 5001)
    total = (half_cosines(x, low, high, n=n) ** 2).sum(0)
    spacing = (high - low) / (n + 1)
    inside = (x >= low + spacing) & (x <= high - spacing)
    np.testing.assert_allclose(total[inside], 1, atol=1e-12)
    outside = total[~inside & (x > low) & (x < high)]
    assert (outside > 0).all()
    assert (outside < 1).all()


def test_half_cosines_peak_at_their_centres_and_cross_at_half_power():
    centres = np.arange(1.0, 6.0)
    np.testing.assert_allclose(half_cosines(centres, 0.0, 6.0, n=5), np.eye(5), atol=1e-12)
    between = half_cosines(centres[:-1] + 0.5, 0.0, 6.0, n=5) ** 2
    np.testing.assert_allclose(between, 0.5 * (np.eye(5, 4) + np.eye(5, 4, -1)), atol=1e-12)


def test_half_cosines_are_0_outside_their_range():
    x = np.array([-np.inf, -1.0, 0.0, 6.0, 7.0, np.inf])
    assert not half_cosines(x, 0.0, 6.0, n=5).any()
