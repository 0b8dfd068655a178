import itertools
import math
import tracemalloc

import numpy as np
import pytest

from nst_lib.core import condense as module
from nst_lib.core.condense import FADE, PARTS, STRETCH, choose, condense

SR = 8000


def noise(seconds, *, channels=None, seed=0):
    """Noise whose level wanders, so that every stretch is different."""
    rng = np.random.default_rng(seed)
    n = round(seconds * SR)
    knots = rng.uniform(0.01, 0.3, round(2 * seconds) + 2)
    level = np.interp(np.arange(n) * 2 / SR, np.arange(len(knots)), knots)
    shape = n if channels is None else (channels, n)
    return (level * rng.standard_normal(shape)).astype(np.float32)


def in_blocks(y, size):
    return lambda: (y[..., start : start + size] for start in range(0, y.shape[-1], size))


def joins(y, result):
    """Return where each run of the result lies in the recording, as (start in y, length)."""
    runs, at = [], 0
    while at < len(result):
        probe = result[at + 400 : at + 440]  # behind the crossfade
        windows = np.lib.stride_tricks.sliding_window_view(y, len(probe))
        (found,) = np.flatnonzero((windows == probe).all(1))
        start = int(found) - 400
        differs = np.flatnonzero(y[start + 400 : start + len(result) - at] != result[at + 400 :])
        length = len(result) - at if not len(differs) else 400 + int(differs[0])
        length = round(length / 2000) * 2000
        runs.append((start, length))
        at += length
    return runs


@pytest.mark.parametrize("channels", [None, 1, 2])
@pytest.mark.parametrize("size", [3000, 100_000])
def test_a_sound_that_is_not_longer_comes_back_bit_by_bit(channels, size):
    y = noise(6, channels=channels)
    np.testing.assert_array_equal(condense(y, sr=SR, seconds=6), y)
    np.testing.assert_array_equal(condense(in_blocks(y, size), sr=SR, seconds=6.5), y)


@pytest.mark.parametrize("channels", [None, 1, 2])
@pytest.mark.parametrize("seconds", [0.1, 0.77, 5, 10.003, 29.9])
def test_it_is_as_long_as_wanted_with_the_channels_of_the_recording(channels, seconds):
    y = noise(30, channels=channels)
    result = condense(y, sr=SR, seconds=seconds)
    assert result.shape[:-1] == y.shape[:-1]
    assert result.dtype == np.float32
    missing = round(seconds * SR) - result.shape[-1]
    assert 0 <= missing < PARTS * math.ceil(seconds / STRETCH)


@pytest.mark.parametrize("size", [997, 8000, 50_001])
def test_blocks_of_any_length_give_the_same_bytes(size):
    y = noise(40, channels=2)
    whole = condense(y, sr=SR, seconds=5)
    np.testing.assert_array_equal(condense(in_blocks(y, size), sr=SR, seconds=5), whole)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_made_of_different_stretches_in_the_order_of_time(seed):
    y = noise(40, seed=seed)
    runs = joins(y, condense(y, sr=SR, seconds=10))
    assert sum(length for _, length in runs) == 10 * SR
    for (start, length), (after, _) in itertools.pairwise(runs):
        assert start + length <= after


@pytest.mark.parametrize("whole", [10.1, 11, 15, 19.9, 20.1])
def test_a_recording_that_is_little_longer_loses_little(whole):
    y = noise(whole)
    assert condense(y, sr=SR, seconds=10).shape == (10 * SR,)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_silence_keeps_its_share(share):
    rng = np.random.default_rng(0)
    silent = np.repeat(rng.permutation(np.arange(60) < 60 * share), 2 * SR)
    y = np.where(silent, 0, 0.1 * rng.standard_normal(120 * SR)).astype(np.float32)
    result = condense(y, sr=SR, seconds=20)
    assert np.mean(np.abs(result) < 1e-6) == pytest.approx(share, abs=0.03)


def test_two_sounds_keep_their_shares():
    rng = np.random.default_rng(1)
    t = np.arange(2 * SR) / SR
    kinds = [np.sin(2 * np.pi * 400 * t), np.sign(np.sin(2 * np.pi * 3 * t)) * rng.random(2 * SR)]
    order = rng.permutation(np.arange(60) < 45)
    y = np.concatenate([0.2 * kinds[int(second)] for second in order]).astype(np.float32)
    result = condense(y, sr=SR, seconds=20)
    spectrum = [np.abs(np.fft.rfft(x, 120 * SR)) ** 2 / len(x) for x in (y, result)]
    tone = slice(120 * 390, 120 * 410)
    shares = [power[tone].sum() / power.sum() for power in spectrum]
    assert shares[1] == pytest.approx(shares[0], abs=0.03)


def test_statistics_are_nearer_than_those_of_the_beginning_and_of_random_stretches():
    def features(y):
        return np.stack([np.std(part) for part in np.split(y, len(y) // 2000)])

    def error(y):
        found = features(y)
        return abs(found.mean() - whole.mean()) + abs(found.std() - whole.std())

    rng = np.random.default_rng(2)
    ours, first, drawn = [], [], []
    for seed in range(8):
        y = noise(60, seed=seed)
        whole = features(y)
        ours.append(error(condense(y, sr=SR, seconds=6)))
        first.append(error(y[: 6 * SR]))
        seconds = rng.choice(60, 6, replace=False)
        drawn.append(error(y.reshape(60, SR)[seconds].ravel()))
    assert 2 * np.mean(ours) < min(np.mean(first), np.mean(drawn))


def test_the_level_of_a_recording_does_not_matter():
    y = noise(30)
    quiet = condense(y / 1024, sr=SR, seconds=5)
    np.testing.assert_allclose(1024 * quiet, condense(y, sr=SR, seconds=5), rtol=1e-6)


def test_channels_in_opposite_phase_are_heard():
    y = noise(30)
    pair = condense(np.stack([y, -y]), sr=SR, seconds=5)
    np.testing.assert_array_equal(pair[0], -pair[1])
    np.testing.assert_array_equal(pair[0], condense(y, sr=SR, seconds=5))


def test_power_at_the_joins_is_that_elsewhere():
    rng = np.random.default_rng(3)
    y = rng.standard_normal(200 * SR).astype(np.float32)
    result = condense(y, sr=SR, seconds=100)
    half = round(FADE * SR / 2)
    around = result.reshape(100, SR)
    at_joins = np.concatenate([around[1:, :half], around[:-1, -half:]])
    assert np.mean(at_joins**2) == pytest.approx(1, abs=0.05)


def test_a_ten_times_longer_recording_needs_no_more_memory(monkeypatch):
    monkeypatch.setattr(module, "MOST_STRETCHES", 64)
    block = noise(5)

    def peak(blocks):
        tracemalloc.start()
        result = condense(lambda: itertools.repeat(block, blocks), sr=SR, seconds=5)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(result) == pytest.approx(5 * SR, rel=1e-3)
        return found

    peak(4)
    assert peak(100) < 1.1 * peak(10)


def test_a_recording_with_too_many_stretches_is_thinned(monkeypatch):
    y = noise(120)
    monkeypatch.setattr(module, "MOST_STRETCHES", 40)
    result = condense(y, sr=SR, seconds=8)
    assert len(result) == 8 * SR
    assert np.std(result) == pytest.approx(np.std(y), rel=0.05)


def test_constant_sounds_have_nothing_to_choose_by():
    silence = np.zeros(20 * SR, np.float32)
    np.testing.assert_array_equal(condense(silence, sr=SR, seconds=4), silence[: 4 * SR])


def test_choose_finds_the_rows_that_add_up_to_zero():
    rng = np.random.default_rng(4)
    good = rng.standard_normal((5, 3))
    good -= good.mean(0)
    rows = np.concatenate([good + 0, rng.standard_normal((20, 3)) + 5]).astype(np.float32)
    assert set(choose(rows, count=5)) == set(range(5))


@pytest.mark.parametrize("seed", range(5))
def test_choose_cannot_be_improved_by_one_exchange(seed):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((40, 6)).astype(np.float32)
    chosen = choose(rows, count=7)
    assert len(set(chosen)) == 7
    total = rows[chosen].sum(0)
    least = np.linalg.norm(total)
    for old in chosen:
        for new in set(range(40)) - set(chosen):
            assert np.linalg.norm(total - rows[old] + rows[new]) > least * (1 - 1e-3)


@pytest.mark.parametrize("apart", [1, 2, 4])
def test_chosen_rows_are_apart(apart):
    rows = np.random.default_rng(5).standard_normal((100, 4)).astype(np.float32)
    chosen = np.sort(choose(rows, count=12, apart=apart))
    assert np.diff(chosen).min() >= apart


@pytest.mark.parametrize("seconds", [0, -1, 0.05, float("nan")])
def test_seconds_that_are_not_accepted(seconds):
    with pytest.raises(ValueError, match=r"^seconds .*; accepted: 0\.1 or more$"):
        condense(noise(3), sr=SR, seconds=seconds)


def test_a_recording_without_blocks():
    with pytest.raises(ValueError, match="the recording has no samples"):
        condense(lambda: iter(()), sr=SR, seconds=1)
