"""Baselines: what they keep of the style and of the content, and the rules of each."""

import numpy as np
import pytest
import torch

from nst_lib.core import driedger2015 as nmf
from nst_lib.core import shaping
from nst_lib.core.baselines import BASELINES
from nst_lib.core.mosaic import MOST, choose, features, play, spread
from nst_lib.core.transforms import STFT

SR = 8000


def rms(y):
    return float(np.sqrt(np.mean(np.square(y, dtype=np.float64))))


def db(y, reference):
    return 20 * np.log10(rms(y) / rms(reference))


@pytest.fixture(scope="module")
def style():
    """Noise with the envelope of a slow beat, and a tone below it: 2 s."""
    t = np.arange(2 * SR) / SR
    noise = np.random.default_rng(0).standard_normal(len(t))
    return (0.1 * noise * (0.3 + np.sin(2 * np.pi * 1.5 * t) ** 2)).astype(np.float32)


@pytest.fixture(scope="module")
def content():
    """Four clicks that ring for a fifth of a second, between digital silence: 2 s."""
    y = np.zeros(2 * SR, np.float32)
    ring = np.arange(SR // 5) / SR
    for start in (0.2, 0.55, 1.1, 1.6):
        at = round(start * SR)
        y[at : at + len(ring)] = 0.3 * np.exp(-20 * ring) * np.sin(2 * np.pi * 700 * ring)
    return y


@pytest.fixture(params=BASELINES)
def baseline(request):
    return BASELINES[request.param]


def test_as_long_as_the_content_and_as_loud_as_the_style(baseline, style, content):
    for n in (SR // 2, 2 * SR - 1):
        y = baseline(style, content[:n], sr=SR)
        assert y.shape == (n,)
        assert np.isfinite(y).all()
        assert rms(y) == pytest.approx(rms(style), rel=1e-6)


def test_silence_in_the_content_is_silence_in_the_result(baseline, style, content):
    y = baseline(style, content, sr=SR)
    between = np.ones(len(y), bool)
    tails = {BASELINES["driedger2015"]: 0.1, BASELINES["mosaic"]: 0.14}
    reach = round(tails.get(baseline, 0.06) * SR)
    for at in np.flatnonzero(content)[:: SR // 100]:
        between[max(0, at - reach) : at + reach] = False
    assert between.mean() > 0.1
    assert db(y[between], y) < -50
    assert not baseline(style, np.zeros_like(content), sr=SR).any()


@pytest.mark.parametrize("name", ["envelope", "vocoder", "mosaic"])
def test_the_style_shaped_by_itself_is_the_style(name, style, content):
    tolerance = 1e-6 if name != "mosaic" else 2e-3  # it fades below its SILENCE
    for y in (style, content):
        off = BASELINES[name](y, y, sr=SR) - y
        assert np.abs(off).max() <= tolerance * np.abs(y).max()


def test_levels_of_the_recordings(baseline, style, content):
    y = baseline(style, content, sr=SR)
    close = 1e-3 * rms(y)
    scaled = baseline(style, 0.01 * content, sr=SR)
    np.testing.assert_allclose(scaled, y, atol=close, err_msg="the content's level has no effect")
    np.testing.assert_allclose(baseline(4 * style, content, sr=SR), 4 * y, atol=4 * close)


def test_nothing_is_random(baseline, style, content):
    np.testing.assert_array_equal(*(baseline(style, content, sr=SR) for _ in range(2)))


def test_styles_of_other_lengths(baseline, style, content):
    for n in (SR // 4, 3 * SR):
        y = baseline(np.resize(style, n), content, sr=SR)
        assert y.shape == content.shape
        assert rms(y) > 0


def test_a_short_style_is_repeated_without_a_click():
    t = np.arange(SR // 2) / SR
    tone = np.sin(2 * np.pi * 101.3 * t)
    y = shaping.looped(tone, 3 * SR, sr=SR)
    assert len(y) == 3 * SR
    np.testing.assert_array_equal(
        y[: SR // 2 - round(shaping.FADE * SR)], tone[: -round(0.05 * SR)]
    )
    assert np.abs(np.diff(y)).max() < 1.1 * np.abs(np.diff(tone)).max()
    np.testing.assert_array_equal(shaping.looped(tone, 100, sr=SR), tone[:100])
    assert np.abs(np.diff(np.resize(tone, 3 * SR))).max() > 2 * np.abs(np.diff(tone)).max()


def test_envelope_is_the_ratio_of_the_envelopes(style):
    t = np.arange(2 * SR) / SR
    carrier = np.sin(2 * np.pi * 900 * t)
    swell = carrier * (1 + 0.5 * np.sin(2 * np.pi * 2 * t))
    y = shaping.envelope(carrier, swell, sr=SR)
    inside = slice(SR // 10, -SR // 10)
    np.testing.assert_allclose(y[inside], (swell / rms(swell) * rms(carrier))[inside], atol=0.01)


def test_noise_between_events_of_the_style_is_not_amplified(content):
    style = np.zeros(2 * SR)
    style[: SR // 10] = 0.5
    style += 1e-4 * np.random.default_rng(1).standard_normal(len(style))
    steady = np.random.default_rng(2).standard_normal(len(style))
    y = shaping.envelope(style, steady, sr=SR)
    event, noise = rms(y[: SR // 10]), rms(y[SR:])
    assert 20 * np.log10(noise / event) < -20, "it was 74 dB below, and is raised by 40 at most"


def test_power_is_smoothed_by_a_gaussian():
    y, std = np.zeros(1000), 20.0
    y[500] = 3.0
    expected = 9 * np.exp(-0.5 * ((np.arange(1000) - 500) / std) ** 2) / np.sqrt(2 * np.pi) / std
    np.testing.assert_allclose(shaping.power(y, std=std), expected, atol=1e-12)
    assert shaping.power(np.zeros(10), std=std).max() == 0


@pytest.mark.parametrize("sr", [SR, 22050, 44100])
@pytest.mark.parametrize("n_bands", [2, 16, 40])
def test_bands_add_up_to_the_sound(sr, n_bands):
    y = np.random.default_rng(0).standard_normal(3001)
    y[0] += 5
    bands = list(shaping.bands(y, sr=sr, n_bands=n_bands))
    assert len(bands) == n_bands
    np.testing.assert_allclose(sum(bands), y, atol=1e-12)


def test_the_vocoder_keeps_the_levels_of_the_bands(style):
    t = np.arange(2 * SR) / SR
    high = np.sin(2 * np.pi * 3000 * t) * (np.sin(2 * np.pi * 3 * t) > 0)
    y = shaping.vocoder(
        style, high + 1e-3 * np.random.default_rng(3).standard_normal(len(t)), sr=SR
    )
    for ours, theirs in zip(*(shaping.bands(x, sr=SR) for x in (y, style)), strict=True):
        assert abs(db(ours, theirs)) < 3


def test_a_band_that_is_empty_in_the_content_follows_the_whole(style):
    """Otherwise the faint noise of a converter would shape the band."""
    t = np.arange(2 * SR) / SR
    swell = np.sin(2 * np.pi * t) ** 2
    content = np.sin(2 * np.pi * 150 * t) * swell
    content += 1e-5 * np.random.default_rng(3).standard_normal(len(t))
    *_, top = shaping.bands(shaping.vocoder(style, content, sr=SR), sr=SR)
    assert db(top[swell < 0.01], top[swell > 0.5]) < -30


class TestMosaic:
    def test_every_sample_is_the_style_s(self):
        style, hop = np.random.default_rng(0).standard_normal(4000), 100
        style = style.astype(np.float32)
        moments = np.array([3, 4, 5, 20, 21, 22, 23, 9, 10])
        y = play(style, moments, hop=hop)
        assert len(y) == len(moments) * hop
        np.testing.assert_allclose(y[: 2 * hop], style[300:500], atol=1e-6)
        np.testing.assert_allclose(y[3 * hop : 6 * hop], style[2000:2300], atol=1e-6)
        blend = y[2 * hop : 3 * hop]
        ends, begins = style[500:600], style[1900:2000]
        far = np.abs(begins - ends) > 0.1
        share = (blend - ends)[far] / (begins - ends)[far]
        assert share.min() > -1e-5
        assert share.max() < 1 + 1e-5
        assert (np.diff(share) > -1e-5).all(), "a crossfade"

    @pytest.mark.parametrize("jump", [0.0, 0.5, 3.0, 100.0])
    def test_no_path_is_cheaper(self, jump):
        rng = np.random.default_rng(0)
        style, content = rng.standard_normal((2, 5)), rng.standard_normal((2, 6))

        def cost(path):
            apart = np.square(content - style[:, path]).sum()
            return apart + jump * np.count_nonzero(np.diff(path) != 1)

        paths = np.stack(np.meshgrid(*[np.arange(5)] * 6), -1).reshape(-1, 6)
        least = min(cost(path) for path in paths)
        assert cost(choose(style, content, jump=jump)) == pytest.approx(least)

    def test_no_moment_is_played_again_and_again(self, style, content):
        transform = STFT(sr=SR, n_fft=512, hop_length=128)
        course = [features(y, transform=transform) for y in (style, content)]
        played = [
            np.bincount(path) for path in (choose(*course, jump=8.0), spread(*course, jump=8.0))
        ]
        assert played[0].max() > MOST + 1
        over = [np.clip(counts - MOST, 0, None).sum() for counts in played]
        assert over[1] < 0.3 * over[0]

    def test_a_moment_with_a_price_is_avoided(self):
        style = content = np.arange(6.0)[None]
        price = np.array([0.0, 0.0, 9.0, 0.0, 0.0, 0.0])
        assert list(choose(style, content, jump=0.0)) == [0, 1, 2, 3, 4, 5]
        assert 2 not in choose(style, content, jump=0.0, price=price)

    def test_fewer_jumps_if_they_cost_more(self, style, content):
        transform = STFT(sr=SR, n_fft=512, hop_length=128)
        course = [features(y, transform=transform) for y in (style, content)]
        jumps = [
            np.count_nonzero(np.diff(choose(*course, jump=jump)) != 1) for jump in (0, 1, 8, 1000)
        ]
        assert jumps == sorted(jumps, reverse=True)
        assert jumps[0] > jumps[-1]


class TestDriedger2015:
    @pytest.fixture
    def magnitudes(self):
        rng = np.random.default_rng(0)
        return torch.from_numpy(rng.gamma(0.5, size=(60, 40))), torch.from_numpy(
            rng.gamma(0.5, size=(60, 30))
        )

    def test_divergence_falls_without_rules(self, magnitudes):
        V, W = magnitudes
        none = nmf.Restrictions(repetition=0, polyphony=0, continuity=0)
        losses = [
            nmf.divergence(V, W @ nmf.activations(V, W, restrictions=none, n_updates=n))
            for n in range(1, 12)
        ]
        assert (np.diff(losses) < 0).all()
        same = [
            nmf.divergence(W, W @ nmf.activations(W, W, restrictions=none, n_updates=n))
            for n in (1, 10, 1000)
        ]
        assert same[0] > same[1] > same[2]
        assert same[2] < 0.01 * nmf.divergence(W, W.mean(1, keepdim=True).expand_as(W))
        assert nmf.divergence(V, V) == pytest.approx(0, abs=1e-9)

    def test_polyphony_bounds_the_templates_of_a_frame(self, magnitudes):
        V, W = magnitudes
        for p in (1, 4):
            rules = nmf.Restrictions(repetition=0, polyphony=p, continuity=0)
            H = nmf.activations(V, W, restrictions=rules)
            assert (H > 0).sum(0).max() == p

    def test_no_template_is_repeated_within_its_neighbourhood(self, magnitudes):
        V, W = magnitudes
        rules = nmf.Restrictions(repetition=2, polyphony=0, continuity=0)
        active = nmf.activations(V, W, restrictions=rules).numpy() > 0
        assert active.any()
        for row in active:
            assert (np.diff(np.flatnonzero(row)) > 2).all()

    def test_continuity_sums_along_diagonals(self):
        H = torch.zeros(9, 9)
        H[4, 4] = 1.0
        spread = nmf.Restrictions(repetition=0, polyphony=0, continuity=2).shape(H, 1.0)
        torch.testing.assert_close(spread, torch.diag(torch.tensor([0, 0, 1.0, 1, 1, 1, 1, 0, 0])))

    def test_rules_begin_softly(self):
        H = torch.tensor([[1.0, 2.0, 0.5], [3.0, 1.0, 1.0]])
        rules = nmf.Restrictions(repetition=1, polyphony=1, continuity=0)
        torch.testing.assert_close(rules.shape(H, 1.0), H)
        torch.testing.assert_close(
            rules.shape(H, 0.5), torch.tensor([[0.25, 2.0, 0.125], [3.0, 0.25, 1.0]])
        )

    def test_content_that_is_the_style_is_found(self, style):
        y = BASELINES["driedger2015"](style, style, sr=SR)
        spectra = [np.abs(np.fft.rfft(x)) for x in (y, style)]
        assert np.corrcoef(*spectra)[0, 1] > 0.8

    def test_too_long_for_the_memory(self, monkeypatch, style):
        monkeypatch.setattr("psutil.virtual_memory", lambda: type("M", (), {"available": 10**5})())
        with pytest.raises(ValueError, match=r"activations of .* templates in .* frames take"):
            BASELINES["driedger2015"](style, style, sr=SR)
