import librosa
import numpy as np
import pytest
import scipy.signal
import scipy.stats
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from nst_lib import metrics
from nst_lib.core.bands import erb_rate, half_cosines
from nst_lib.metrics import FAMILIES, STATISTICS
from nst_lib.sound.audio import AudioError
from nst_lib.sound.datasets import ESC50, Synthetic
from nst_lib.sound.synth import synthesise

SR = 22050
#: What 80 dB below the sound is compressed to.
FLOOR = 10 ** (-80 / 20 * 0.3)
EDGES = erb_rate(np.array(metrics.BAND_RANGE))
#: Centres of the bands in Hz: the ERB rate, the other way round.
CENTRES = (10 ** (np.linspace(*EDGES, metrics.N_BANDS + 2)[1:-1] / 21.4) - 1) / 0.00437
#: Irregular onsets in seconds, further apart than the smoothing reaches.
TIMES = np.array([0.3, 1.1, 1.75, 2.7, 3.3])


def time(seconds: float = 4.0) -> np.ndarray:
    return np.arange(round(seconds * SR)) / SR


def noise(seed: int = 0, seconds: float = 4.0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(round(seconds * SR))


def clicks(times: np.ndarray = TIMES, seconds: float = 4.0) -> np.ndarray:
    y = np.zeros(round(seconds * SR))
    y[np.round(times * SR).astype(int)] = 1
    return y


def comb(seconds: float = 4.0) -> np.ndarray:
    """Return a tone of amplitude 1 at the centre of every band, where no other band hears it."""
    t = time(seconds)
    return sum(np.sin(2 * np.pi * hz * t + k) for k, hz in enumerate(CENTRES))


def rms(y: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(y))))


def shuffled(y: np.ndarray, seed: int = 1) -> np.ndarray:
    """Return the sound in blocks of half a second, in another order."""
    blocks = np.array_split(y, round(len(y) / SR / 0.5))
    return np.concatenate([blocks[k] for k in np.random.default_rng(seed).permutation(len(blocks))])


def late(y: np.ndarray, seconds: float) -> np.ndarray:
    return np.pad(y, (round(seconds * SR), 0))[: len(y)]


def low_passed(y: np.ndarray, hz: float) -> np.ndarray:
    return scipy.signal.sosfilt(scipy.signal.butter(4, hz, fs=SR, output="sos"), y)


def envelopes(y: np.ndarray) -> Tensor:
    return metrics.envelopes(torch.from_numpy(np.asarray(y, dtype=np.float64)), sr=SR)


def onsets(y: np.ndarray) -> np.ndarray:
    return metrics.onset_strength(envelopes(y)).numpy()


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    """A content and a style, of different lengths."""
    return (
        synthesise("water_drops", seed=0, sr=SR, duration=3.0),
        synthesise("frog", seed=0, sr=SR, duration=4.0),
    )


class TestScores:
    def test_of_the_content_itself(self, dataset):
        for pair in dataset.pairs()[:3]:
            content, style = pair.content.load(), pair.style.load()
            scores = metrics.scores(content, content=content, style=style, sr=SR)
            assert scores.timbre == pytest.approx(0, abs=1e-6)
            assert scores.families == pytest.approx(dict.fromkeys(FAMILIES, 0), abs=1e-6)
            assert scores.texture == pytest.approx(0, abs=1e-6)
            assert scores.rhythm == pytest.approx(1, abs=1e-6)
            assert scores.noise <= 0

    def test_of_the_style_itself(self, pair):
        content, style = pair
        scores = metrics.scores(style, content=content, style=style, sr=SR)
        assert scores.timbre == pytest.approx(1)
        assert scores.families == pytest.approx(dict.fromkeys(FAMILIES, 1))
        assert scores.texture == pytest.approx(1)
        assert scores.noise <= 0

    def test_are_flat_in_a_table(self, pair):
        content, style = pair
        scores = metrics.scores(shuffled(content), content=content, style=style, sr=SR)
        table = scores.to_dict()
        assert list(table) == [
            "timbre",
            "texture",
            "rhythm",
            "noise",
            *(f"texture {family}" for family in FAMILIES),
        ]
        assert table["texture"] == pytest.approx(np.mean(list(scores.families.values())))
        assert table["rhythm"] == scores.rhythm

    def test_between_a_sound_and_itself_are_no_number(self, pair):
        content, style = pair
        scores = metrics.scores(style, content=content, style=content, sr=SR)
        assert np.isnan([scores.timbre, scores.texture, *scores.families.values()]).all()
        assert scores.rhythm < 0.5

    def test_read_in_one_line(self):
        scores = metrics.Scores(timbre=0.912, texture=0.5, rhythm=-0.2, noise=1.26, families={})
        assert str(scores) == "timbre 0.91, texture 0.50, rhythm -0.20, noise +1.3 dB"

    @pytest.mark.parametrize("gain", [1e-4, 30.0])
    @pytest.mark.parametrize("scaled", ["result", "content", "style"])
    def test_do_not_depend_on_level(self, pair, scaled, gain):
        content, style = pair
        sounds = {"result": shuffled(content), "content": content, "style": style}
        before = metrics.scores(sounds.pop("result"), **sounds, sr=SR)
        sounds = {"result": shuffled(content), "content": content, "style": style}
        sounds[scaled] = gain * sounds[scaled]
        after = metrics.scores(sounds.pop("result"), **sounds, sr=SR)
        assert after.to_dict() == pytest.approx(before.to_dict(), abs=1e-4)

    def test_of_what_is_shuffled(self, dataset):
        for pair in dataset.pairs()[:3]:
            inputs = {"content": pair.content.load(), "style": pair.style.load()}
            of_style = metrics.scores(shuffled(inputs["style"]), **inputs, sr=SR)
            assert of_style.timbre > 0.95
            assert of_style.texture > 0.75
            of_content = metrics.scores(shuffled(inputs["content"]), **inputs, sr=SR)
            assert of_content.timbre < 0.1
            assert of_content.rhythm < 0.5

    def test_timbre_falls_with_the_cut_off(self, dataset):
        for pair in dataset.pairs()[:2]:
            inputs = {"content": pair.content.load(), "style": pair.style.load()}
            timbre = [
                metrics.scores(low_passed(inputs["style"], hz), **inputs, sr=SR).timbre
                for hz in (6000, 3000, 1500, 700)
            ]
            assert (np.diff(timbre) < -0.05).all()
            assert timbre[0] < 1

    def test_halfway_in_every_band_is_halfway_in_timbre(self):
        low, high = comb(), noise()
        a, b = (metrics.timbre(envelopes(y)) for y in (low, high))
        towards = [metrics._towards(a + share * (b - a), a, b) for share in (0, 0.5, 1, 2)]
        assert towards == pytest.approx([0, 0.5, 1, 0])


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


class TestDistancesAndBounds:
    def test_distance_is_symmetric_and_0_to_itself(self, pair):
        a, b = pair
        there, back = metrics.distances(a, b, sr=SR), metrics.distances(b, a, sr=SR)
        assert list(there) == ["timbre", *FAMILIES]
        assert there == pytest.approx(back)
        assert min(there.values()) > 0.1
        assert metrics.distances(a, 0.5 * a, sr=SR) == pytest.approx(
            dict.fromkeys(there, 0), abs=1e-5
        )

    def test_bounds_of_sounds_that_repeat(self):
        sounds = [noise(0, 1.0), low_passed(noise(1, 1.0), 1000), clicks(TIMES[:2] / 2, 1.0)]
        bounds = metrics.bounds([np.tile(y, 2) for y in sounds], sr=SR)
        between = [
            metrics.distances(sounds[i], sounds[j], sr=SR) for i, j in ((0, 1), (0, 2), (1, 2))
        ]
        for name, (floor, ceiling) in bounds.items():
            assert floor == pytest.approx(0, abs=1e-5)
            assert ceiling == pytest.approx(np.mean([d[name] for d in between]))

    def test_floor_is_below_ceiling(self):
        clips = Synthetic().clips(fold=1)[:4]
        bounds = metrics.bounds([clip.load() for clip in clips], sr=SR)
        assert list(bounds) == ["timbre", *FAMILIES]
        for floor, ceiling in bounds.values():
            assert 0 < floor < 0.7 * ceiling

    def test_floor_is_below_ceiling_for_recordings(self, esc50_root):
        # Not for variation and skew: many of these clips are a sound and then silence.
        clips = {clip.category: clip for clip in ESC50(esc50_root)}
        bounds = metrics.bounds([clip.load() for clip in list(clips.values())[:5]], sr=SR)
        for name in ("timbre", "mean", "correlation", "modulation"):
            floor, ceiling = bounds[name]
            assert 0 < floor < 0.8 * ceiling

    @pytest.mark.parametrize("n", [0, 1])
    def test_bounds_of_fewer_than_two_sounds_are_refused(self, n):
        with pytest.raises(ValueError, match=f"{n} sounds; accepted: 2 or more"):
            metrics.bounds([noise()] * n, sr=SR)

    def test_bounds_of_a_half_that_is_silent_are_refused(self):
        with pytest.raises(AudioError, match="is digital silence"):
            metrics.bounds([noise(), np.pad(noise(seconds=1.0), (0, SR))], sr=SR)


@pytest.mark.parametrize("name", ["result", "content", "style"])
@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (noise()[:1023], r"1023 samples .* 1024 samples: choose a longer recording$"),
        (np.zeros(SR), "is digital silence$"),
        (np.where(np.arange(SR) == 99, np.nan, noise(seconds=1.0)), "holds NaN or Inf samples$"),
        (np.zeros((2, SR)), r"has shape \(2, 22050\); accepted: mono sound of shape \(samples,\)$"),
    ],
)
def test_unusable_sounds_are_refused(name, bad, reason):
    sounds = {"result": noise(0), "content": noise(1), "style": noise(2), name: bad}
    with pytest.raises(AudioError, match=f"^{name}: .*{reason}") as caught:
        metrics.scores(sounds.pop("result"), **sounds, sr=SR)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("sr", [8000, 22050, 48000])
def test_shortest_sounds_are_scored(sr):
    sounds = [noise(seed)[: metrics.MIN_SAMPLES] for seed in range(3)]
    scores = metrics.scores(sounds[0], content=sounds[1], style=sounds[2], sr=sr)
    assert np.isfinite(list(scores.to_dict().values())).all()


def test_copying_finds_a_copy_wherever_it_lies(dataset):
    pair = dataset.pairs()[0]
    style, content = (clip.load(duration=3.0) for clip in (pair.style, pair.content))
    assert metrics.copying(style, style, sr=SR) == pytest.approx(1)
    assert metrics.copying(0.1 * style, style, sr=SR) == pytest.approx(1, abs=0.01)
    later = np.concatenate([np.zeros(SR, "float32"), style])
    unrelated = metrics.copying(content, style, sr=SR)
    assert metrics.copying(later, style, sr=SR) > max(0.5, unrelated + 0.2)
    assert metrics.copying(content, style, sr=SR) == pytest.approx(
        metrics.copying(style, content, sr=SR)
    )
    assert metrics.copying(style[::-1].copy(), style, sr=SR) < 0.9
