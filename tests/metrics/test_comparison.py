import numpy as np
import pytest

from nst_lib import metrics
from nst_lib.metrics import FAMILIES
from nst_lib.sound.audio import AudioError
from nst_lib.sound.datasets import ESC50, Synthetic
from tests.metrics.sounds import SR, TIMES, clicks, low_passed, noise


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


class TestSnr:
    def test_known_ratios(self):
        y = noise(0, 1.0)
        assert metrics.snr(0.9 * y, y, sr=SR) == pytest.approx(20)
        assert metrics.snr(0 * y, y, sr=SR) == pytest.approx(0)
        assert metrics.snr(-y, y, sr=SR) == pytest.approx(-20 * np.log10(2))
        assert metrics.snr(y, y, sr=SR) == np.inf

    def test_only_frequencies_between_low_and_high_count(self):
        t = np.arange(SR) / SR
        low, high = (np.sin(2 * np.pi * f * t) for f in (500, 5000))
        assert metrics.snr(low, low + high, sr=SR) == pytest.approx(20 * np.log10(np.sqrt(2)))
        assert metrics.snr(low, low + high, sr=SR, high=1000) > 200
        assert metrics.snr(low, low + high, sr=SR, low=1000) == pytest.approx(0)

    def test_sounds_of_different_lengths_are_refused(self):
        with pytest.raises(ValueError, match="two sounds of the same length"):
            metrics.snr(noise(0, 1.0), noise(0, 0.5), sr=SR)
