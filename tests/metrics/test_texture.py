import numpy as np
import pytest
import scipy.signal
import scipy.stats
import torch
from torch import Tensor

from nst_lib import metrics
from nst_lib.metrics import FAMILIES, STATISTICS
from tests.metrics.sounds import CENTRES, SR, comb, envelopes, noise, rms, time


class TestStatistics:
    @pytest.fixture
    def E(self, rng) -> Tensor:
        return torch.from_numpy(0.1 + rng.gamma(2.0, size=(30, 1000)))

    def test_moments_agree_with_scipy(self, E):
        np.testing.assert_allclose(metrics.mean(E), E.numpy().mean(1))
        np.testing.assert_allclose(
            metrics.variation(E), scipy.stats.variation(E.numpy(), axis=1) ** 2
        )
        np.testing.assert_allclose(metrics.skew(E), scipy.stats.skew(E.numpy(), axis=1), rtol=1e-5)

    def test_moments_of_a_constant(self):
        E = torch.full((30, 1000), 0.7, dtype=torch.float64)
        for name, expected in (("mean", 0.7), ("variation", 0), ("skew", 0), ("correlation", 0)):
            np.testing.assert_allclose(STATISTICS[name](E), expected, atol=1e-6)

    def test_skew_of_two_levels(self):
        # A band that is on for a share p of the time: (1 - 2 p) / sqrt(p (1 - p)).
        for p in (0.1, 0.5, 0.8):
            E = torch.full((1, 1000), 0.2, dtype=torch.float64)
            E[:, : round(1000 * p)] = 1.0
            expected = (1 - 2 * p) / np.sqrt(p * (1 - p))
            assert float(metrics.skew(E)) == pytest.approx(expected, abs=1e-5)

    def test_timbre_is_the_mean_energy_to_the_power_03(self):
        E = envelopes(comb())
        expected = (2 * 0.5 / rms(comb()) ** 2) ** 0.3
        np.testing.assert_allclose(metrics.timbre(E[:, 100:-100]), expected, rtol=0.01)

    def test_correlation_agrees_with_numpy(self, rng):
        a, b = rng.standard_normal((2, 3, 50))
        b += 0.5 * a
        expected = [np.corrcoef(*rows)[0, 1] for rows in zip(a, b, strict=True)]
        a, b = torch.from_numpy(a), torch.from_numpy(b)
        np.testing.assert_allclose(metrics.correlation(a, b), expected)
        more = torch.cat([b, 9 * b], -1)
        np.testing.assert_allclose(metrics.correlation(a, more), expected)
        np.testing.assert_allclose(metrics.correlation(a, 3 - 2 * a), -1)
        assert not metrics.correlation(a, torch.ones_like(a)).any()

    def test_bands_are_correlated_at_the_published_distances(self, E):
        matrix = np.corrcoef(E.numpy())
        # McDermott and Simoncelli, Neuron 71, 2011, experimental procedures.
        expected = np.concatenate([np.diag(matrix, d) for d in (1, 2, 3, 5, 8, 11, 16, 21)])
        np.testing.assert_allclose(metrics.cross_band(E), expected)

    @pytest.mark.parametrize(
        ("band", "hz"), [(10, 1.0), (10, 4.0), (10, 16.0), (25, 1.0), (25, 16.0), (25, 50.0)]
    )
    def test_modulated_tone_lands_in_its_modulation_band(self, band, hz):
        t = time()
        y = (1 + 0.8 * np.sin(2 * np.pi * hz * t)) * np.sin(2 * np.pi * CENTRES[band] * t)
        shares = metrics.modulation(envelopes(y)).reshape(30, 20)[band]
        centres = np.geomspace(0.5, 200, 20)
        assert int(shares.argmax()) == np.abs(np.log(centres / hz)).argmin()
        # The root of shares of the variance, all of it in range.
        assert float(shares.square().sum()) == pytest.approx(1, abs=0.01)

    def test_modulation_of_a_sinusoid_is_what_its_filters_pass(self):
        t = torch.arange(2000, dtype=torch.float64) / metrics.ENVELOPE_RATE
        spacing = np.log(200 / 0.5) / 19
        for hz in (1.0, 7.0, 100.0):
            E = 1 + 0.1 * torch.sin(2 * torch.pi * hz * t)[None]
            distance = np.abs(np.log(hz / np.geomspace(0.5, 200, 20))) / spacing
            expected = np.where(distance < 1, np.cos(np.pi / 2 * np.minimum(distance, 1)), 0)
            np.testing.assert_allclose(metrics.modulation(E), expected, atol=1e-5)

    @pytest.mark.parametrize("name", FAMILIES)
    def test_batches(self, name, pair):
        sounds = np.stack([pair[0], pair[1][: len(pair[0])]]).astype(np.float64)
        together = STATISTICS[name](envelopes(sounds))
        for y, statistic in zip(sounds, together, strict=True):
            torch.testing.assert_close(STATISTICS[name](envelopes(y)), statistic)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("name", [*FAMILIES, "timbre", "onset_strength"])
    def test_gradients_are_finite_where_there_is_silence(self, name, dtype):
        y = np.zeros(SR)
        y[8000:12000] = np.sin(0.1 * np.arange(4000))  # also bands that hear nothing
        statistic = STATISTICS.get(name) or getattr(metrics, name)
        y = torch.from_numpy(y).to(dtype).requires_grad_()
        statistic(metrics.envelopes(y, sr=SR)).square().sum().backward()
        assert y.grad.dtype == dtype
        assert torch.isfinite(y.grad).all()
        assert y.grad.any()

    @pytest.mark.parametrize("name", [*FAMILIES, "timbre", "onset_strength"])
    def test_gradients_are_right(self, name):
        statistic = STATISTICS.get(name) or getattr(metrics, name)
        y = torch.from_numpy(noise(seconds=0.1)).requires_grad_()
        assert torch.autograd.gradcheck(
            lambda y: statistic(metrics.envelopes(y, sr=SR)), y, fast_mode=True
        )
