"""Gains over bands and frames: what they change, and what they leave."""

import math

import pytest
import torch

from nst_lib.core.bands import N_BANDS
from nst_lib.core.gains import UNIT, WINDOW, Gains

SR = 22050


def noise(n=SR, seed=0):
    return 0.1 * torch.randn(n, generator=torch.Generator().manual_seed(seed))


def tone(frequency, n=SR):
    return 0.1 * torch.sin(2 * math.pi * frequency * torch.arange(n) / SR)


@pytest.mark.parametrize("sr", [8000, 22050, 48000])
@pytest.mark.parametrize("seconds", [0.01, 0.5, 1.0])
def test_unchanged_gains_leave_the_sound(sr, seconds):
    y = noise(round(seconds * sr) + 1)
    shape = Gains(y, sr=sr)
    torch.testing.assert_close(shape(shape.unchanged()), y, atol=1e-6, rtol=0)
    assert 0.7 * WINDOW < shape.n_fft / sr < 1.5 * WINDOW


def test_equal_gains_are_a_factor():
    y = noise()
    shape = Gains(y, sr=SR)
    torch.testing.assert_close(shape(shape.unchanged() + math.log(2)), 2 * y, atol=1e-6, rtol=1e-5)


def test_a_band_has_its_own_gain():
    low, high = tone(200), tone(5000)
    shape = Gains(low + high, sr=SR)
    gains = shape.unchanged()
    gains[N_BANDS // 2 :] = -20.0
    inside = slice(2048, -2048)
    torch.testing.assert_close(shape(gains)[inside], low[inside], atol=1e-3, rtol=0)


def test_a_frame_has_its_own_gain():
    y = noise()
    shape = Gains(y, sr=SR)
    gains = shape.unchanged()
    gains[:, 40:] = -20.0
    hop = shape.n_fft // 4
    x = shape(gains)
    torch.testing.assert_close(x[: 36 * hop], y[: 36 * hop], atol=1e-6, rtol=0)
    assert x[44 * hop :].abs().max() < 1e-6
    steps = x.diff().abs().max() / y.diff().abs().max()
    assert steps <= 1.01, "no click where the gain changes"


def test_everything_below_and_above_the_bands_has_the_nearest_gain():
    y = noise(8 * 1024)
    shape = Gains(y, sr=SR)
    torch.testing.assert_close(shape.weights.sum(0), torch.ones(shape.n_fft // 2 + 1))
    assert shape.weights[0, 0] == 1
    assert shape.weights[-1, -1] == 1


def test_the_cost_of_ten_decibels_is_one():
    gains = torch.full((N_BANDS, 7), UNIT / 20 * math.log(10))
    assert float(Gains.cost(gains)) == pytest.approx(1.0)
    assert float(Gains.cost(-2 * gains)) == pytest.approx(4.0)


def test_gradient():
    y = noise(600).double()
    shape = Gains(y, sr=4000)
    gains = (0.1 * torch.randn(shape.unchanged().shape, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(lambda g: shape(g)[::50], gains)
