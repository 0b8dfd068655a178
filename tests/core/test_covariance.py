"""Covariances of channels: bands and frames that cover all of a sound."""

import numpy as np
import pytest

from nst_lib.core.covariance import Grid, correlations, diagonal, normalised, power


def noise(channels=2, n=20_001, seed=0):
    return np.random.default_rng(seed).standard_normal((channels, n)).astype(np.float32)


@pytest.mark.parametrize("sr", [8000, 16000, 22050, 32000, 44100, 48000, 96000])
def test_each_frequency_belongs_to_the_bands(sr):
    weights = Grid(sr, sr=sr).weights
    np.testing.assert_allclose(weights.sum(0), 1, atol=1e-6)
    assert weights.any(1).all()


@pytest.mark.parametrize("n", [1, 511, 512, 513, 300_000])
def test_the_frames_add_up_to_the_sound(n):
    y, grid = noise(n=n), Grid(n, sr=44100)
    rebuilt = np.zeros_like(y)
    for block in grid.blocks():
        grid.add(rebuilt, grid.analyse(y, block), block)
    np.testing.assert_allclose(rebuilt, y, atol=1e-5)


def test_filters_are_those_of_the_whole_sound():
    y, filters = noise(n=300_000), noise(n=700, seed=1)
    grid = Grid(y.shape[1], sr=44100)
    rebuilt = np.zeros_like(y)
    for block in grid.blocks():
        grid.add(rebuilt, grid.analyse(y, block, filters), block)
    wanted = [np.convolve(a, b)[: y.shape[1]] for a, b in zip(y, filters, strict=True)]
    np.testing.assert_allclose(rebuilt, wanted, atol=1e-3)


def test_covariances_are_those_of_the_channels():
    one, other = noise(n=100_000)
    y = np.stack([one, 0.5 * other, -one])
    covariance = Grid(y.shape[1], sr=44100).covariances(y)
    loudest = np.zeros(covariance.shape[1], int)
    mean = covariance.mean((0, 1))
    np.testing.assert_allclose(mean / mean[0, 0], np.cov(y) / np.var(one), atol=0.05)
    np.testing.assert_allclose(correlations(covariance, loudest)[..., 2], -1, atol=1e-5)


def test_normalised_covariances_have_mean_power_1():
    covariance = Grid(20_001, sr=22050).covariances(noise(3))
    np.testing.assert_allclose(power(normalised(covariance)), 1, rtol=1e-5)
    silence = np.zeros_like(covariance)
    np.testing.assert_array_equal(normalised(silence), np.ones_like(silence))
    assert diagonal(covariance).shape == covariance.shape[:-1]
