"""Right and wrong answers to the exercises of lesson 2."""

import math

import numpy as np
import torch

from nst_lib import CQT, STFT
from nst_lib.exercises import spectrograms


def test_turned_down() -> None:
    given = {"spectrogram": np.log1p(np.array([[0.5, 60.0]])), "gain": 0.01}
    right = math.log1p(60) / math.log1p(0.6)
    assert spectrograms.turned_down(right, **given).right
    for answer, said in (
        (100, "the factor of the amplitudes"),
        (1 / right, "the new maximum divided by the old"),
        (40, "Undo the logarithm"),
        ("100 times", "one number"),
    ):
        verdict = spectrograms.turned_down(answer, **given)
        assert verdict.right is False
        assert said in verdict.why
        assert f"{right:.1f}" not in verdict.why


def test_tone_is_what_the_transform_measures() -> None:
    transform = CQT(sr=22050)
    sine = 0.1 * np.sin(2 * np.pi * transform.freqs[300] * np.arange(44100) / 22050)
    measured = transform.amplitude(torch.from_numpy(sine))[300, 170].item()
    given = {"transform": transform, "row": 300, "amplitude": 0.1}
    assert spectrograms.tone(measured, **given).right
    length = 22050 / transform.bank.bandwidths[300]
    for answer, said in (
        (2 * measured, "two complex exponentials"),
        (0.1 * length / 4, "the rule of the STFT"),
        (math.log1p(measured), "the compressed value"),
        (0.1, "the length of the window"),
        (None, "one number"),
    ):
        verdict = spectrograms.tone(answer, **given)
        assert verdict.right is False
        assert said in verdict.why


def test_window() -> None:
    given = {"sr": 22050, "clicks": 0.03, "tones": 200.0}
    assert spectrograms.window(550, **given).right
    for answer, said in (
        (1024, "merges them"),
        (256, "The main lobe"),
        (0.025, "seconds"),
        (-5, "positive"),
        ("550 samples", "one number"),
    ):
        verdict = spectrograms.window(answer, **given)
        assert verdict.right is False
        assert said in verdict.why


def test_no_sound() -> None:
    transform, length = STFT(sr=22050), 11025
    y = np.random.default_rng(0).standard_normal(length).astype(np.float32)
    real = transform(torch.from_numpy(y)).numpy()
    given = {"real": real, "transform": transform, "length": length}
    spikes = np.zeros(real.shape)
    spikes[::10, ::40] = 2
    assert spectrograms.no_sound(spikes, **given).right
    for answer, said in (
        (real, "resemble each other"),
        (-real, "negative"),
        (0 * real, "Silence is a sound"),
        (real[:, :5], "has the shape (513, 5)"),
    ):
        verdict = spectrograms.no_sound(answer, **given)
        assert verdict.right is False
        assert said in verdict.why
