"""Spectrograms for pictures: the same values as those of the whole sound, in less memory."""

import numpy as np
import pytest
import torch

from nst_lib.core.transforms import STFT
from nst_lib.show import overview as module
from nst_lib.show.overview import FRAMES, ROWS, loudest_stretch, overview

SR = 22050


@pytest.mark.parametrize("detail", [False, True])
@pytest.mark.parametrize("block", [7, 100, 5000])
def test_blocks_are_the_spectrogram_of_the_whole(rng, monkeypatch, detail, block):
    y = 0.1 * rng.standard_normal(SR).astype(np.float32)
    monkeypatch.setattr(module, "_BLOCK", block)
    found = overview(y, sr=SR, detail=detail)
    assert found.transform.hop_length == (512 if detail else 128)
    whole = found.transform(torch.from_numpy(y)).numpy()
    np.testing.assert_allclose(found.S, whole, rtol=0, atol=1e-5)
    assert found.loudest == pytest.approx(whole.max(), abs=1e-5)
    if not detail:
        assert found.detail is None
        return
    bands = np.expm1(whole[:-1]).reshape(ROWS, -1, whole.shape[1])
    wanted = np.log1p(np.sqrt(np.square(bands).mean(axis=1)))
    np.testing.assert_allclose(found.detail, wanted, rtol=0, atol=1e-5)
    assert found.step == 512 / SR


@pytest.mark.parametrize(
    ("sr", "n_fft"), [(8000, 512), (22050, 1024), (44100, 2048), (48000, 2048)]
)
def test_the_window_has_about_the_same_length_at_each_rate(sr, n_fft):
    assert overview(np.ones(sr, np.float32), sr=sr).transform.n_fft == n_fft


def test_frames_of_a_long_sound_are_means(rng, monkeypatch):
    monkeypatch.setattr(module, "FRAMES", 50)
    monkeypatch.setattr(module, "_BLOCK", 30)
    y = 0.1 * rng.standard_normal(SR).astype(np.float32)
    found = overview(y, sr=SR)
    fine = STFT(sr=SR)(torch.from_numpy(y)).numpy()  # 173 frames
    assert found.S.shape[1] == 43
    assert found.transform.hop_length == 4 * 128
    wanted = np.square(np.expm1(fine[:, :172])).reshape(513, 43, 4).mean(axis=2)
    np.testing.assert_allclose(np.square(np.expm1(found.S)), wanted, rtol=1e-3, atol=1e-6)
    assert found.loudest == pytest.approx(fine.max(), abs=1e-5)


def test_a_click_in_ten_minutes_is_where_it_is():
    sr, moment = 8000, 432.1
    y = np.zeros(600 * sr, np.float32)
    y[round(moment * sr)] = 0.9
    found = overview(y, sr=sr, detail=True)
    assert found.S.shape[1] <= FRAMES
    for S, step in (
        (found.S, found.transform.hop_length / sr),
        (found.detail, found.step),
    ):
        heard = np.flatnonzero(S.max(axis=0))
        assert heard[0] * step - 0.04 <= moment <= (heard[-1] + 1) * step + 0.04
        assert (heard[-1] - heard[0]) * step < 0.2


def test_channels_count_with_their_mean_power(rng):
    y = 0.1 * rng.standard_normal(SR).astype(np.float32)
    one = overview(y, sr=SR)
    for channels in (np.stack([y, y]), np.stack([y, -y]), y[None]):
        np.testing.assert_allclose(overview(channels, sr=SR).S, one.S, rtol=0, atol=1e-5)
    half = overview(np.stack([y, 0 * y]), sr=SR)
    np.testing.assert_allclose(np.expm1(half.S), np.expm1(one.S) / np.sqrt(2), rtol=1e-3, atol=1e-4)


def test_a_sound_shorter_than_a_window(rng):
    found = overview(rng.standard_normal(10).astype(np.float32), sr=SR, detail=True)
    assert found.S.shape[1] == found.detail.shape[1] == 3


@pytest.mark.parametrize("channels", [(), (2,)])
def test_the_loudest_stretch(rng, channels):
    y = 0.01 * rng.standard_normal((*channels, 10_000)).astype(np.float32)
    for start in (0, 2345, 9500):
        loud = y.copy()
        loud[..., start : start + 500] *= 50
        part = loudest_stretch(loud, 2000)
        assert part.shape == (*channels, 2000)
        assert np.count_nonzero(np.abs(part) > 0.1) == np.count_nonzero(np.abs(loud) > 0.1)
    assert np.array_equal(loudest_stretch(y, 10_000), y)
    assert np.array_equal(loudest_stretch(y, 20_000), y)
