import librosa
import numpy as np
import pytest
import scipy.signal
import scipy.stats
import torch
from scipy.ndimage import gaussian_filter1d

from nst_lib import metrics
from nst_lib.core.bands import erb_rate, half_cosines
from nst_lib.sound.datasets import ESC50
from tests.metrics.sounds import (
    CENTRES,
    EDGES,
    FLOOR,
    SR,
    TIMES,
    clicks,
    comb,
    envelopes,
    late,
    low_passed,
    noise,
    onsets,
    rms,
    time,
)


class TestRhythm:
    def test_falls_with_delay_as_gaussians_part(self):
        # Autocorrelation of a Gaussian of 50 ms; the onset itself lasts some ms more.
        content = clicks() + 1e-4 * noise()
        delays = np.array([0, 0.01, 0.02, 0.05, 0.08, 0.12, 0.16, 0.2])
        rhythm = np.corrcoef([onsets(late(content, d)) for d in delays])[0]
        assert rhythm[0] == pytest.approx(1, abs=1e-6)
        assert (np.diff(rhythm) < 0).all()
        overlap = np.exp(-((delays / 0.05) ** 2) / 4)
        of_means = len(TIMES) / 4.0 * 0.05 * np.sqrt(4 * np.pi)
        expected = (overlap - of_means) / (1 - of_means)
        np.testing.assert_allclose(rhythm, expected, atol=0.1)

    def test_falls_with_delay_of_recordings(self, dataset):
        for pair in dataset.pairs()[:3]:
            y = pair.content.load()
            E = [envelopes(late(y, d)) for d in (0, 0.01, 0.02, 0.05)]
            onset = [metrics.onset_strength(e) for e in E]
            rhythm = [float(metrics.correlation(o, onset[0])) for o in onset]
            assert rhythm[0] == pytest.approx(1)
            assert (np.diff(rhythm) < 0).all()

    def test_hears_when_and_not_what(self):
        decay = np.exp(-np.arange(SR // 2) / (0.05 * SR))
        events = np.convolve(clicks(), decay)[: 4 * SR]
        a = low_passed(noise(0), 3000) * events
        b = noise(1) * events
        other = noise(1) * np.convolve(clicks(TIMES + 0.3), decay)[: 4 * SR]
        quiet = 1e-3 * noise(2)
        assert np.corrcoef(onsets(a + quiet), onsets(b + quiet))[0, 1] > 0.9
        assert np.corrcoef(onsets(a + quiet), onsets(other + quiet))[0, 1] < 0.1

    def test_is_0_between_unrelated_noises(self):
        rhythm = [
            metrics.correlation(*map(metrics.onset_strength, envelopes(np.stack(pair))))
            for pair in np.split(np.stack([noise(seed) for seed in range(16)]), 8)
        ]
        assert np.mean(rhythm) == pytest.approx(0, abs=0.15)

    def test_is_0_between_steady_tones(self):
        t = time()
        low, high = np.sin(2 * np.pi * 440 * t), np.sin(2 * np.pi * 2000 * t)
        scores = metrics.scores(low, content=high, style=noise(), sr=SR)
        assert scores.rhythm == pytest.approx(0, abs=0.1)

    def test_onset_strength_of_a_step_in_level(self):
        # All bands rise by 20 dB, half-way; smoothing in time keeps the sum.
        t = time()
        strength = onsets(comb() * np.where(t < 2, 0.1, 1.0))
        assert len(strength) == 4 * metrics.ONSET_RATE
        inside = strength[50:-50]
        assert inside.sum() == pytest.approx(20, abs=1.5)
        assert 50 + inside.argmax() == pytest.approx(2 * metrics.ONSET_RATE, abs=2)

    def test_what_is_80_db_below_the_loudest_is_no_onset(self):
        for level, heard in ((-70, True), (-90, False)):
            y = clicks(np.array([1.0])) + 10 ** (level / 20) * clicks(np.array([3.0]))
            assert (onsets(y)[270:330].max() > 0.01) == heard

    def test_onset_strength_agrees_with_librosa(self, esc50_root):
        hop = SR // metrics.ONSET_RATE
        for pair in ESC50(esc50_root).pairs()[:4]:
            y = pair.content.load()
            ours = onsets(y)
            theirs = librosa.onset.onset_strength(y=y, sr=SR, hop_length=hop)
            theirs = gaussian_filter1d(theirs, metrics.ONSET_SMOOTHING * SR / hop)
            # librosa's frames are centred, and so late; it pads the ends with zeros.
            inside = np.arange(20, len(ours) - 20)
            frames = inside / metrics.ONSET_RATE * SR / hop
            agreement = max(
                np.corrcoef(ours[inside], np.interp(frames + lag, np.arange(len(theirs)), theirs))[
                    0, 1
                ]
                for lag in (3, 4, 5, 6)
            )
            assert agreement > 0.85


class TestNoise:
    @pytest.mark.parametrize("level", [-20.0, -30.0, -40.0])
    def test_background_of_a_steady_comb_is_its_level(self, level):
        # Relative to RMS and for the amplitude: a tone of RMS 1 is at +3 dB.
        y = clicks() / rms(clicks()) + 10 ** (level / 20) * comb()
        expected = level - 20 * np.log10(rms(y))
        np.testing.assert_allclose(metrics.background(envelopes(y)), expected, atol=0.2)

    def test_score_of_added_tones_is_their_level(self):
        content, style = clicks() + 1e-4 * comb(), clicks(TIMES + 0.1) + 1e-4 * comb()
        for gain in (1e-4, 3e-4, 1e-3):
            result = clicks() + gain * comb()
            expected = 20 * np.log10(gain / 1e-4 * rms(content) / rms(result))
            score = metrics.scores(result, content=content, style=style, sr=SR).noise
            assert score == pytest.approx(expected, abs=0.5)

    def test_score_of_added_white_noise_is_its_level(self):
        content, style = clicks() + 1e-3 * noise(0), clicks(TIMES + 0.1) + 1e-3 * noise(1)
        scores = []
        for gain in (1e-3, 2e-3, 5e-3, 1e-2):
            result = clicks() + gain * noise(2)
            expected = 20 * np.log10(gain / 1e-3 * rms(content) / rms(result))
            scores.append(metrics.scores(result, content=content, style=style, sr=SR).noise)
            assert scores[-1] == pytest.approx(expected, abs=1.5)
        assert (np.diff(scores) > 0).all()

    def test_background_of_white_noise_is_its_power_in_the_band(self):
        # In bands so wide that the envelope averages their fluctuations: for an exponential
        # intensity, mean(I ** 0.15) ** (1 / 0.15) is gamma(1.15) ** (1 / 0.15), 2.0 dB less.
        y = noise(seconds=8.0)
        frequencies = np.fft.rfftfreq(len(y), 1 / SR)
        gains = half_cosines(erb_rate(frequencies), *EDGES, n=metrics.N_BANDS)
        power = 2 * (gains**2).sum(1) / (len(y) / 2)
        expected = 10 * np.log10(power) - 2.0
        np.testing.assert_allclose(metrics.background(envelopes(y))[15:], expected[15:], atol=1.0)

    def test_is_of_the_quietest_moments(self):
        t = time()
        heard = np.where(t % 1 < 0.7, 1.0, 0.0)
        quiet, steady = (metrics.background(envelopes(y)) for y in (heard * comb(), comb()))
        np.testing.assert_allclose(steady, -20 * np.log10(rms(comb())), atol=0.2)
        assert (quiet < steady - 25).all()


class TestEnvelopes:
    @pytest.mark.parametrize("band", [4, 13, 25])
    def test_tone_lands_in_its_band(self, band):
        E = envelopes(0.1 * np.sin(2 * np.pi * CENTRES[band] * time()))
        assert E.shape == (30, 1600)
        inner = E[:, 100:-100]
        assert (inner.mean(-1).argmax()) == band
        np.testing.assert_allclose(inner[band], np.sqrt(2) ** 0.3, rtol=1e-3)
        # What is two bands off does not hear it.
        np.testing.assert_allclose(inner[: band - 1], FLOOR, rtol=0.2)
        np.testing.assert_allclose(inner[band + 2 :], FLOOR, rtol=0.2)

    def test_silence_is_at_the_floor(self):
        y = np.zeros(SR)
        np.testing.assert_allclose(envelopes(y), FLOOR, rtol=1e-6)
        y[: SR // 4] = noise()[: SR // 4]
        E = envelopes(y)
        assert E.min() >= FLOOR
        np.testing.assert_allclose(E[15:, 200:300], FLOOR, rtol=0.1)

    def test_agree_with_scipys_analytic_signal(self):
        y = noise(seconds=2.0)
        gains = half_cosines(erb_rate(np.fft.rfftfreq(len(y), 1 / SR)), *EDGES, n=metrics.N_BANDS)
        bands = np.fft.irfft(np.fft.rfft(y / rms(y)) * gains, len(y))
        full = np.abs(scipy.signal.hilbert(bands)) ** metrics.COMPRESSION
        E = envelopes(y).numpy()
        scale = full.mean(-1, keepdims=True)
        resampled = scipy.signal.resample(full, E.shape[1], axis=-1)
        np.testing.assert_allclose(E / scale, resampled / scale, atol=0.05)
        # Narrow bands have nothing above half the envelopes' rate, so samples do as well.
        at = np.round(np.arange(E.shape[1]) * SR / metrics.ENVELOPE_RATE).astype(int)
        np.testing.assert_allclose(np.std(E - full[:, at], axis=1)[:8] / scale[:8, 0], 0, atol=0.03)

    @pytest.mark.parametrize("sr", [8000, 16000, 44100])
    def test_do_not_depend_on_the_rate(self, sr):
        t = np.arange(2 * sr) / sr
        y = np.sin(2 * np.pi * 1000 * t) * (1 + 0.5 * np.sin(2 * np.pi * 3 * t))
        E = metrics.envelopes(torch.from_numpy(y), sr=sr)
        assert E.shape == (30, 800)
        low, high = erb_rate(np.array([20.0, min(10_000, sr / 2)]))
        centres = np.linspace(low, high, 32)[1:-1]
        assert int(E.mean(-1).argmax()) == np.abs(centres - erb_rate(np.array(1000.0))).argmin()
        t = np.arange(800) / 400
        loudest = E[E.mean(-1).argmax()].numpy()
        expected = (1 + 0.5 * np.sin(2 * np.pi * 3 * t)) ** 0.3
        assert np.corrcoef(loudest, expected)[0, 1] > 0.999
