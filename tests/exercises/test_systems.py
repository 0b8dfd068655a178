"""Right and wrong answers to the exercises of lesson 15."""

import numpy as np
import pandas as pd
import pytest

from nst_lib import TransferConfig, transfer
from nst_lib.exercises import systems

SR = 22050
FULL = pd.DataFrame(
    {
        "timbre": [0.9, 0.05, 0.02, 0.01, 0.5],
        "texture": [0.9, 0.1, 0.2, 0.3, 0.7],
        "copies style": [0.6, 0.1, 0.1, 0.1, 0.1],
        "loss / start": [1e-5, 1e-3, 0.5, np.nan, 0.1],
    },
    index=["copy", "fallen", "stuck", "baseline", "honest"],
)


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(0).standard_normal(SR // 2).astype(np.float32) / 10


def made(preset: str, content: np.ndarray | None, style: np.ndarray, **settings: object):
    config = TransferConfig.from_preset(preset, sr=SR, duration=0.5, steps=0, **settings)
    return transfer(content, style, config)


def test_key_factor(noise: np.ndarray) -> None:
    small = {"channels": 16, "n_iter": 1}
    content = noise * np.linspace(0, 1, len(noise), dtype=np.float32)
    answer = made("grinstein2018", content, noise, start="noise", **small)
    assert systems.key_factor(answer).right
    for other, reason in (
        (made("grinstein2018", content, noise, **small), "starts from `content`"),
        (made("grinstein2018", None, noise, start="noise", **small), "Pass the content"),
        (made("mosaic", content, noise), "made with `mosaic`"),
        (answer.audio, "the whole result"),
    ):
        assert systems.key_factor(other).right is False
        assert reason in systems.key_factor(other).why


def test_long_texture(noise: np.ndarray) -> None:
    preset = "grinstein2018_texture"
    answer = made(preset, None, noise, start="noise", texture_duration=1.5)
    assert systems.long_texture(answer).right
    for other, reason in (
        (made(preset, None, noise, start="noise", texture_duration=3.0), "6 times as long"),
        (made(preset, None, noise, start="noise"), "1 times as long"),
        (made(preset, noise, noise, start="noise"), "Pass `None`"),
        (3, "the whole result"),
    ):
        assert systems.long_texture(other).right is False
        assert reason in systems.long_texture(other).why


def test_best_texture() -> None:
    assert systems.best_texture(" Honest", full=FULL).right
    for answer, reason in (
        ("copy", "it copies 60% of the style"),
        ("baseline", "another one has more"),
        ("best", "choose one of"),
        (0.7, "choose one of"),
    ):
        verdict = systems.best_texture(answer, full=FULL)
        assert verdict.right is False
        assert reason in verdict.why


def test_own_measure() -> None:
    assert systems.own_measure("fallen", full=FULL).right
    for answer, reason in (
        ("copy", "a timbre of 0.90"),
        ("stuck", "falls further"),
        ("baseline", "has no loss"),
        (1e-3, "choose one of"),
    ):
        verdict = systems.own_measure(answer, full=FULL)
        assert verdict.right is False
        assert reason in verdict.why
