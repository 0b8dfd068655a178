"""Right and wrong answers to the exercises of lesson 1."""

import numpy as np

from nst_lib import Synthetic
from nst_lib.core.baselines import BASELINES
from nst_lib.exercises import listen
from nst_lib.sound import audio


def test_a_ruler() -> None:
    t = np.arange(44100) / 22050
    sine = np.sin(2 * np.pi * 50 * t).astype(np.float32)
    low = audio.loudness(sine, sr=22050, measure="lufs")
    right = -3.01 - low
    assert listen.a_ruler(right, sr=22050).right
    for answer, said in (
        (-right, "as a positive number"),
        (0, "LUFS weighs frequencies"),
        (-low, "the loudness of the second sine"),
        (40, "measure both"),
        ("lower", "one number"),
    ):
        verdict = listen.a_ruler(answer, sr=22050)
        assert verdict.right is False
        assert said in verdict.why


def test_a_baseline() -> None:
    pair = Synthetic().pairs(seed=0)[0]
    content, style = (clip.load(sr=22050, duration=2.0) for clip in (pair.content, pair.style))
    given = {"content": content, "style": style, "sr": 22050}
    assert listen.a_baseline(BASELINES["envelope"](style, content, sr=22050), **given).right
    for answer, said in (
        (style, "does not rise and fall with the content"),
        (content, "sounds like the content"),
        (0 * style, "silent"),
        (style[:100], "has the shape (100,)"),
        ("style", "an array"),
    ):
        verdict = listen.a_baseline(answer, **given)
        assert verdict.right is False
        assert said in verdict.why


def changes(clips: Synthetic, seed: int) -> int:
    both = [
        [clip for pair in clips.pairs(seed=s) for clip in (pair.style, pair.content)]
        for s in (seed, seed + 1)
    ]
    return sum(a != b for a, b in zip(*both, strict=True))


def test_another_draw() -> None:
    clips = Synthetic()
    seed = next(s for s in range(9) if changes(clips, s) not in (3, 5, 7))
    given = {"clips": clips, "seed": seed}
    assert listen.another_draw(changes(clips, seed), **given).right
    for answer, said in (
        (10 - changes(clips, seed), "how many stay the same"),
        (11, "There are 10 clips"),
        (2.5, "There are 10 clips"),
        (3, "one by one"),
        ("all", "one number"),
    ):
        verdict = listen.another_draw(answer, **given)
        assert verdict.right is False
        assert said in verdict.why
