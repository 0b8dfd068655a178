"""Right and wrong answers to the exercises of lesson 10."""

import numpy as np
import pytest
import torch

from nst_lib import TransferConfig, metrics
from nst_lib.exercises import scores
from nst_lib.recordings import load
from nst_lib.sound.datasets import Pair, Synthetic

SR = 22050


@pytest.fixture(scope="module")
def config() -> TransferConfig:
    return TransferConfig.from_preset("shaped", sr=SR, duration=2.0, mono=True)


@pytest.fixture(scope="module")
def chosen() -> Pair:
    return Synthetic().pairs()[0]


@pytest.fixture(scope="module")
def sounds(chosen: Pair, config: TransferConfig) -> dict[str, np.ndarray]:
    return {role: load(getattr(chosen, role), config) for role in ("content", "style")}


@pytest.fixture(scope="module")
def scored(sounds: dict[str, np.ndarray]):
    return lambda y: metrics.scores(y, **sounds, sr=SR).to_dict()


def test_late() -> None:
    onsets = torch.zeros(200)
    onsets[50:57] = 1  # the correlation is about 6 / 7, 5 / 7, 4 / 7, 3 / 7
    assert scores.late(30, onsets=onsets).right
    for answer, reason in (
        (3, "milliseconds"),
        (0.03, "milliseconds"),
        (40, "for the first time"),
        (60, "early and late"),
        (300, "*stays*"),
        (20, "one frame later"),
        (None, "one number"),
    ):
        verdict = scores.late(answer, onsets=onsets)
        assert verdict.right is False
        assert reason in verdict.why


def test_same_kind(chosen: Pair, config: TransferConfig, scored) -> None:
    clips = Synthetic()
    given = {"clips": clips, "style": chosen.style, "config": config, "scored": scored}
    other, _ = [c for c in clips.clips(category=chosen.style.category) if c != chosen.style][:2]
    found = scored(load(other, config))
    assert scores.same_kind(found["timbre"], **given).right
    for answer, reason in (
        (1.0, "Only the style itself"),
        (found["texture"], "the texture score"),
        (found["rhythm"], "the rhythm score"),
        (-7.5, "first other clip"),
        (found, "one number"),
    ):
        verdict = scores.same_kind(answer, **given)
        assert verdict.right is False
        assert reason in verdict.why


def test_out_of_nothing(sounds: dict[str, np.ndarray]) -> None:
    content, style = sounds["content"], sounds["style"]
    noise = np.random.default_rng(0).standard_normal(len(content))
    envelope = np.convolve(content.astype(float) ** 2, np.hanning(401), "same") ** 0.5
    assert scores.out_of_nothing(noise * envelope, **sounds, sr=SR).right
    for answer, reason in (
        (noise, "no onsets"),
        (content, "samples of the content"),
        (noise / 100 + content, "samples of the content"),
        (np.roll(style, 500), "samples of the style"),
        (0 * noise, "silent"),
        (noise[:100], "of the shape"),
    ):
        verdict = scores.out_of_nothing(answer, **sounds, sr=SR)
        assert verdict.right is False
        assert reason in verdict.why


def test_how_much_noise(sounds: dict[str, np.ndarray], scored) -> None:
    result = sounds["content"]
    white = np.random.default_rng(0).standard_normal(len(result)) * result.std()
    given = {"result": result, "white": white, "scored": scored}
    ratios = np.arange(60)
    rises = [
        scored(np.float32(result + white * 10 ** (-snr / 20)))["noise"] - scored(result)["noise"]
        for snr in ratios
    ]
    near = int(ratios[np.abs(np.array(rises) - 6).argmin()])
    assert scores.how_much_noise(near, **given).right
    for answer, reason in (
        (-near, "weaker or stronger"),
        (near / 2, "SNR / 20"),
        (near + 15, "Use more noise"),
        (near - 8, "Use less noise"),
        (1e4, "No sound"),
        ("loud", "one number"),
    ):
        verdict = scores.how_much_noise(answer, **given)
        assert verdict.right is False
        assert reason in verdict.why
