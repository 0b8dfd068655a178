import numpy as np
import pytest
import torch

from nst_lib import TransferConfig, transfer
from nst_lib.config import ConfigError
from nst_lib.systems.antognini2019 import (
    LAGS,
    AutocorrelationTerm,
    TextureLoss,
    autocorrelation,
    best_match,
)

SMALL = {"filters": 12, "duration": 1.5, "n_iter": 4}
SR = 16000


def random_map(rng, length, filters=6):
    return torch.from_numpy(rng.standard_normal((filters, length)).clip(0))


def clicks(times, duration=3.0):
    """Return a sound with bursts of noise at times in seconds."""
    burst = np.random.default_rng(0).standard_normal(400) * np.hanning(400)
    y = np.zeros(round(duration * SR))
    for at in times:
        first = round(at * SR)
        y[first : first + 400] += 0.3 * burst
    return torch.from_numpy(y.astype("float32"))


def losses_at(style, *sounds, **settings):
    """Return the terms of sounds, towards a style."""
    config = TransferConfig.from_preset("antognini2019", filters=24, **settings)
    transform = config.make_transform()
    loss = config.loss(transform, style=transform(style), content=None)
    return [loss(transform(y)).values() for y in sounds]


def test_the_published_sizes():
    config = TransferConfig.from_preset("antognini2019")
    transform = config.make_transform()
    assert (transform.sr, transform.n_fft, transform.hop_length) == (16000, 512, 64)
    assert (config.filters, config.steps, config.start) == (512, 2000, "noise")
    assert [width for (width,) in config.sizes] == [2, 4, 8, 16, 64, 128]
    assert [width for (width,) in config.replace(widest=256).sizes][-1] == 256
    network = config.replace(filters=3).network(n_freq=257, n_frames=1251)
    shapes = [F.shape for F in network(torch.rand(257, 1251)).values()]
    assert shapes == [(3, 1252 - width) for (width,) in config.sizes]
    assert config.n_weights(n_freq=257, n_frames=1251) > 257 * 512 * (2 + 4 + 8 + 16)
    assert [lag * SR / 64 for lag in LAGS] == [50, 500]


def test_networks_are_separate():
    config = TransferConfig.from_preset("antognini2019", filters=4)
    network = config.network(n_freq=257, n_frames=300)
    S = torch.rand(257, 300)
    before = network(S)
    with torch.no_grad():
        for parameter in network.layers["relu2"].parameters():
            parameter.add_(1)
    changed = [name for name, F in network(S).items() if not torch.equal(F, before[name])]
    assert changed == ["relu2"]


@pytest.mark.parametrize("length", [60, 61, 97])
def test_autocorrelation_equals_a_direct_sum(rng, length):
    F = random_map(rng, length)
    A = autocorrelation(F, range(3, 30))
    direct = [(F[:, : length - lag] * F[:, lag:]).mean(-1) for lag in range(3, 30)]
    torch.testing.assert_close(A, torch.stack(direct, dim=1))


def test_autocorrelation_hears_an_order_that_gram_matrices_do_not(rng):
    F = random_map(rng, 30).repeat(1, 8)
    shuffled = F[:, torch.from_numpy(rng.permutation(240))]
    torch.testing.assert_close(F @ F.mT, shuffled @ shuffled.mT)
    term = AutocorrelationTerm([F], shortest=10, longest=90)
    assert float(term(F)) == 0
    assert float(term(shuffled)) > 0.1
    assert float(term(F.roll(13, dims=-1))) < 0.01, "periodic, from elsewhere"


@pytest.mark.parametrize("length", [120, 180, 480])
def test_autocorrelation_of_another_length(rng, length):
    F = random_map(rng, 60)
    term = AutocorrelationTerm([F.repeat(1, 4)], shortest=10, longest=90)
    assert float(term(F.repeat(1, 8)[:, :length])) < 0.02
    assert float(term(random_map(rng, length))) > 0.1


def test_autocorrelation_reacts_to_tempo():
    style = clicks(np.arange(0.1, 2.9, 0.25))
    later, faster, free = (
        clicks(np.arange(0.2, 2.95, 0.25)),
        clicks(np.arange(0.1, 2.9, 0.2)),
        clicks(np.sort(np.random.default_rng(1).uniform(0.05, 2.9, 12))),
    )
    same, *others = (
        values["style autocorrelation"]
        for values in losses_at(style, later, faster, free, autocorrelation=1.0)
    )
    for other in others:
        assert other > 10 * same


def test_best_match_is_the_circular_correlation(rng):
    F, H = random_map(rng, 50), random_map(rng, 50)
    centred = [(one - one.mean(1, keepdim=True)).flatten() for one in (F, H)]
    direct = max(
        np.corrcoef(centred[0], (H - H.mean(1, keepdim=True)).roll(shift, 1).flatten())[0, 1]
        for shift in range(50)
    )
    assert float(best_match(F, H)) == pytest.approx(direct)
    assert float(best_match(3 * F + 1, H)) == pytest.approx(direct), "blind to level"


@pytest.mark.parametrize("shift", [0, 1, 17, 49])
def test_best_match_is_one_for_a_copy_at_whatever_time(rng, shift):
    F, H = random_map(rng, 50), random_map(rng, 50)
    assert float(best_match(F.roll(shift, 1), F)) == pytest.approx(1)
    assert float(best_match(H.roll(shift, 1), F)) == pytest.approx(float(best_match(H, F)))
    assert float(best_match(H, F)) < 0.5


@pytest.mark.parametrize("first", [0, 40, 199])
def test_best_match_of_another_length(rng, first):
    F = random_map(rng, 300, filters=40)
    for mine, source in ((F[:, first : first + 100], F), (F, F[:, first : first + 100])):
        assert float(best_match(mine, source)) == pytest.approx(1, abs=0.03)
    assert float(best_match(random_map(rng, 100, filters=40), F)) < 0.2
    assert float(best_match(F.repeat(1, 2), F)) == pytest.approx(1)


def test_diversity_costs_a_copy_most(pair):
    style, other = (
        torch.from_numpy(clip.load(sr=SR, duration=3.0)) for clip in (pair.style, pair.content)
    )
    copy, shifted, different = (
        values["style diversity"]
        for values in losses_at(style, style, style.roll(8192), other, diversity=1e-3)
    )
    assert copy == pytest.approx(6e-3, rel=1e-4)
    assert shifted > 0.9 * copy
    assert different < 0.5 * shifted


def test_nothing_is_lost_at_the_style_itself(pair):
    style = torch.from_numpy(pair.style.load(sr=SR, duration=2.0))
    (at_style,) = losses_at(style, style, diversity=0)
    assert at_style["style autocorrelation"] == 0
    assert at_style["style gram"] == pytest.approx(0, abs=1e-9)
    assert set(at_style) == {"style", "content", "total", "style gram", "style autocorrelation"}
    (gram,) = losses_at(style, style, diversity=0, autocorrelation=0)
    assert set(gram) == {"style", "content", "total", "style gram"}


def test_terms_add_up_with_their_weights(rng):
    config = TransferConfig.from_preset("antognini2019", filters=5, widest=8)
    network = config.network(n_freq=3, n_frames=30).double()
    S_s, S_x = (torch.from_numpy(rng.random((3, 30))) for _ in range(2))
    loss = TextureLoss(
        network, [S_s], beta=3.0, autocorrelation=2.0, diversity=0.5, frame_rate=15.0
    )
    gram = rhythm = match = 0.0
    for F, H in zip(network(S_s).values(), network(S_x).values(), strict=True):
        G, K = (one @ one.mT / one.shape[1] for one in (F, H))
        gram += float((G - K).square().sum() / G.square().sum())
        lags = range(3, F.shape[1] // 2 + 1)
        A, B = (autocorrelation(one, lags) for one in (F, H))
        rhythm += float((A - B).square().sum() / A.square().sum())
        match += float(best_match(H, F))
    values = loss(S_x).values()
    assert values["style gram"] == pytest.approx(3 * gram)
    assert values["style autocorrelation"] == pytest.approx(3 * 2 * rhythm)
    assert values["style diversity"] == pytest.approx(3 * 0.5 * match)
    assert values["total"] == pytest.approx(3 * (gram + 2 * rhythm + 0.5 * match))
    assert torch.autograd.gradcheck(lambda S: loss(S).total, S_x.requires_grad_())


def test_gradients_are_finite_in_silence(pair):
    config = TransferConfig.from_preset("antognini2019", diversity=1e-3, **SMALL)
    transform = config.make_transform()
    S = transform(torch.from_numpy(pair.style.load(sr=SR, duration=1.5)))
    loss = config.loss(transform, style=S, content=None)
    for start in (torch.zeros_like(S), S, -S):
        x = start.clone().requires_grad_()
        loss(x).total.backward()
        assert x.grad.isfinite().all()


def test_a_texture_from_noise(pair):
    config = TransferConfig.from_preset("antognini2019", steps=30, **SMALL)
    result = transfer(None, pair.style, config)
    first, best = result.evaluations[0], result.evaluations[result.best_step]
    assert best.total < 0.05 * first.total
    assert result.convergence is not None
    assert result.audio.shape == (24000,)
    longer = transfer(None, pair.style, config.replace(texture_duration=2.5, steps=4, n_iter=0))
    assert longer.audio.shape == (40000,)
    assert longer.realised["total"] < longer.evaluations[0].total


def test_from_a_content(pair):
    config = TransferConfig.from_preset(
        "antognini2019", start="content", autocorrelation=0.0, steps=30, **SMALL
    )
    result = transfer(pair.content, pair.style, config)
    assert result.realised["style gram"] < result.evaluations[0].losses["style gram"]
    assert result.scores.rhythm > 0.3, "what is left of the content is the start"
    noise = transfer(pair.content, pair.style, config.replace(start="noise"))
    assert noise.scores.rhythm < result.scores.rhythm


def test_several_styles(pair):
    config = TransferConfig.from_preset("antognini2019", steps=3, widest=8, **SMALL)
    styles = [clip.load(sr=SR, duration=d) for clip, d in ((pair.style, 1.5), (pair.content, 1.2))]
    both = transfer(None, styles, config.replace(duration=None))
    assert both.realised["style autocorrelation"] > 0
    transform = config.make_transform()
    views = [transform(torch.from_numpy(y)) for y in styles]
    loss = config.loss(transform, style=views, content=None)
    one = config.loss(transform, style=views[0], content=None)
    for S in views:
        assert loss(S).values()["style diversity"] == pytest.approx(3e-5, rel=1e-3), "of either"
    assert one(views[1]).values()["style diversity"] < 2e-5


def test_bad_input(pair):
    config = TransferConfig.from_preset("antognini2019", filters=2, duration=0.4)
    with pytest.raises(ValueError, match=r"101 frames; accepted: 128 or more"):
        transfer(None, pair.style, config)
    with pytest.raises(
        ConfigError, match=r"of 98 frames is too short .* 50 frames: use a longer sound, .*=0"
    ):
        transfer(None, pair.style, config.replace(widest=8))
    short = config.replace(duration=1.0, texture_duration=0.4, widest=8, steps=1)
    with pytest.raises(ConfigError, match=r"of 98 frames is too short .* 50 frames"):
        transfer(None, pair.style, short)
    assert transfer(None, pair.style, short.replace(autocorrelation=0.0, n_iter=1)).best_step == 0
    with pytest.raises(ConfigError, match="antognini2019 has no setting 'kernel'"):
        config.replace(kernel=5)
    with pytest.raises(ConfigError, match=r"widest=512; accepted: a whole number \[2 to 256\]"):
        config.replace(widest=512)
