"""Right and wrong answers to the exercises of lesson 9."""

import math

import numpy as np
import pytest
import torch

from nst_lib import CQT
from nst_lib.core.inversion import griffin_lim
from nst_lib.exercises import inversion
from nst_lib.exercises.verdict import Verdict
from nst_lib.sound.synth import synthesise

SR = 22050


@pytest.fixture(scope="module")
def y() -> np.ndarray:
    return synthesise("clapping", seed=0, sr=SR, duration=1.0)


@pytest.fixture(scope="module")
def cqt() -> CQT:
    return CQT()


def test_painless(cqt: CQT) -> None:
    music = CQT(n_bins=96, bins_per_octave=12)
    bandwidth = max(music.bank.bandwidths)
    expected = int(SR // (4 * bandwidth))

    def said(answer: object) -> Verdict:
        return inversion.painless(answer, transform=music, study=cqt)

    assert said(expected).right
    for answer, reason in (
        (expected + 1, "wider than the frame rate"),
        (expected - 1, "a larger one would do"),
        (int(SR // (4 * max(cqt.bank.bandwidths))), "for the study's CQT"),
        (int(SR // bandwidth), "the whole main lobe"),
        (4 * bandwidth, "width in Hz"),
        (SR / (4 * bandwidth), "whole number"),
        ("small", "one number"),
    ):
        assert said(answer).right is False
        assert reason in said(answer).why
        assert str(expected) not in said(answer).why


def test_measure(cqt: CQT, y: np.ndarray) -> None:
    w = torch.from_numpy(y)

    def convergence(sound: torch.Tensor, S: torch.Tensor) -> float:
        B = S.expm1()
        return 20 * math.log10(float((cqt.amplitude(sound) - B).norm() / B.norm()))

    def of_logarithms(sound: torch.Tensor, S: torch.Tensor) -> torch.Tensor:
        return 20 * torch.log10((cqt(sound) - S).norm() / S.norm())

    def of_the_sound(sound: torch.Tensor, S: torch.Tensor) -> torch.Tensor:
        A = cqt.amplitude(sound)
        return 20 * torch.log10((A - S.expm1()).norm() / A.norm())

    assert inversion.measure(convergence, y=w, transform=cqt).right
    for answer, reason in (
        (lambda sound, S: convergence(sound, S) / 2, "Which factor"),
        (lambda sound, S: -convergence(sound, S), "The sign"),
        (lambda sound, S: 10 ** (convergence(sound, S) / 20), "asks for decibels"),
        (of_logarithms, "undo the logarithm"),
        (of_the_sound, "the norm of the target"),
        (lambda sound, S: 1.0, "half its amplitude"),
        (lambda sound: 1.0, "does not run: TypeError"),
        (lambda sound, S: cqt(sound), "one number"),
        (-3.0, "is a function"),
    ):
        verdict = inversion.measure(answer, y=w, transform=cqt)
        assert verdict.right is False
        assert reason in verdict.why


def tone(frequency: float, amplitude: float = 0.1, seconds: float = 1.0) -> np.ndarray:
    n = round(seconds * SR)
    return amplitude * np.hanning(n) * np.sin(2 * np.pi * frequency * np.arange(n) / SR)


def test_unseen(cqt: CQT) -> None:
    assert inversion.unseen(tone(10000), transform=cqt).right
    assert inversion.unseen(tone(15), transform=cqt).right
    for answer, reason in (
        (tone(1000), "no energy"),
        (tone(8500), "no energy"),
        (tone(10000, amplitude=0), "too easy"),
        (tone(10000, seconds=0.5), "22050 samples"),
        (10000, "samples of a sound"),
    ):
        verdict = inversion.unseen(answer, transform=cqt)
        assert verdict.right is False
        assert reason in verdict.why


def test_hiss(cqt: CQT, y: np.ndarray) -> None:
    w, whole = torch.from_numpy(y), CQT(residual=True)
    made, narrow = (
        griffin_lim(bank(w), bank, length=len(y), n_iter=16).y.numpy() for bank in (whole, cqt)
    )
    assert inversion.hiss(made, y=y, sr=SR).right
    noise = np.random.default_rng(0).standard_normal(len(y)) / 10
    for answer, reason in (
        (y, "you kept its phase"),
        (narrow, "Which transform has bands there"),
        (2 * made, "differs from the content's by"),
        (noise, "not those of the content"),
        (0 * y, "silent"),
        (made[:-1], "of the shape"),
    ):
        verdict = inversion.hiss(answer, y=y, sr=SR)
        assert verdict.right is False
        assert reason in verdict.why
