"""Transfers of long recordings, in blocks, with several channels."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from nst_lib import TransferConfig, metrics, pipeline, transfer
from nst_lib.core.blocks import BlockTerms
from nst_lib.metrics import hearing
from nst_lib.session import Callbacks
from nst_lib.sound import audio
from nst_lib.sound.synth import synthesise

SR = 16000
SECONDS = 6.5


@pytest.fixture(scope="module")
def content() -> np.ndarray:
    """A stereo content: keyboard on the left and clapping on the right."""
    left, right = (
        synthesise(name, seed=1, sr=SR, duration=SECONDS)
        for name in ("keyboard_typing", "clapping")
    )
    return np.stack([left + 0.1 * right, right + 0.1 * left]).astype(np.float32)


@pytest.fixture(scope="module")
def style() -> np.ndarray:
    y = [synthesise("toilet_flush", seed=seed, sr=SR, duration=3.0) for seed in (1, 2)]
    return np.stack(y).astype(np.float32)


def settings(**overrides) -> TransferConfig:
    small = {"sr": SR, "n_fft": 1024, "whole": 2.0, "steps": 6}
    return TransferConfig.from_preset("shaped", **(small | overrides))


@pytest.fixture(scope="module")
def result(content, style):
    return transfer(content, style, settings())


def test_the_result_has_length_and_channels_of_the_content(result, content):
    assert result.audio.shape == content.shape
    assert np.isfinite(result.audio).all()
    assert np.abs(result.audio).max() <= audio.PEAK + 1e-6
    assert len(result.evaluations) == 6
    losses = [evaluation.total for evaluation in result.evaluations]
    assert min(losses) < losses[0]


def test_blocks_give_the_result_of_the_whole(content, style):
    """Landmarks are an approximation, so scores are compared, and not samples."""
    found = {
        whole: transfer(content, style, settings(whole=whole, steps=15)).scores.to_dict()
        for whole in (2.0, 30.0)
    }
    for name in ("timbre", "texture", "rhythm"):
        assert found[2.0][name] == pytest.approx(found[30.0][name], abs=0.03), name


def test_the_image_of_the_content_is_kept(result, content):
    levels = [
        10 * np.log10(np.square(y.astype(float)).mean(1) / np.square(y.astype(float)).mean())
        for y in (result.audio, content)
    ]
    np.testing.assert_allclose(*levels, atol=1.5)  # of all bands; test_image.py has single ones
    correlations = [np.corrcoef(y)[0, 1] for y in (result.audio, content)]
    assert correlations[0] == pytest.approx(correlations[1], abs=0.15)


@pytest.mark.parametrize("sign", [1, -1])
def test_channels_of_one_sound_stay_one_sound(content, style, sign):
    y = np.stack([content[0], sign * content[0]])
    heard = transfer(y, style, settings(steps=2)).audio
    assert np.sqrt(np.square(heard).mean()) > 0.01
    np.testing.assert_allclose(heard[1], sign * heard[0], atol=2e-3)


def test_mono_mixes_the_channels(content, style):
    result = transfer(content, style, settings(mono=True, steps=1))
    assert result.audio.ndim == result.content.ndim == result.style.ndim == 1
    np.testing.assert_allclose(result.content, audio.level(content.mean(0), sr=SR, target=-26.0))


def test_a_mono_content_gets_a_mono_result(content, style):
    assert transfer(content[0], style, settings(steps=1)).audio.ndim == 1


def test_a_long_result_has_few_frames(content, style, monkeypatch):
    monkeypatch.setattr(pipeline, "PICTURE_FRAMES", 100)
    result = transfer(content, style, settings(steps=1))
    frames = {name: S.shape[1] for name, S in result.spectrograms.items()}
    assert frames["result"] == frames["content"] == frames["optimised"] <= 101
    seconds = result.transform.times(frames["result"])[-1]
    assert seconds == pytest.approx(SECONDS, abs=0.1)


def test_the_picture_of_now_has_the_time_axis_of_the_sound(content, style, monkeypatch):
    monkeypatch.setattr(pipeline, "PICTURE_FRAMES", 100)
    seen = []
    callback = Callbacks(on_spectrogram=lambda now, transform: seen.append((now(), transform)))
    transfer(content, style, settings(steps=1), callback=callback)
    ((S, transform),) = seen
    assert S.shape[1] <= 101
    assert transform.times(S.shape[1])[-1] == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("at", [1, 3])
def test_stop_in_the_middle_of_an_evaluation_keeps_the_best_in_full_length(content, style, at):
    stop, seen = threading.Event(), []

    def on_block(done: int, of: int) -> None:
        seen.append((done, of))
        if len(evaluations) == at and done == 1:
            stop.set()

    evaluations = []
    callbacks = Callbacks(on_evaluation=evaluations.append, on_block=on_block)
    result = transfer(content, style, settings(steps=50), stop=stop, callback=callbacks)
    assert result.outcome == "stopped"
    assert result.audio.shape == content.shape
    assert len(result.evaluations) <= at + 1
    assert {of for _, of in seen} == {max(done for done, _ in seen)}


def test_a_checkpoint_continues_to_the_same_sound(content, style, tmp_path, monkeypatch):
    """The run is broken off inside an evaluation, as by a crash."""
    monkeypatch.setattr("nst_lib.session.INTERVAL", 0.0)
    whole_run = BlockTerms.forward
    calls = iter(range(9))

    def breaks(self, parts):
        if next(calls, None) is None:
            raise RuntimeError("the power is cut")
        return whole_run(self, parts)

    path = tmp_path / "long.ckpt"
    with monkeypatch.context() as patched:
        patched.setattr(BlockTerms, "forward", breaks)
        with pytest.raises(RuntimeError, match="the power is cut"):
            transfer(content, style, settings(steps=12), checkpoint=path)
    again = []
    resumed = transfer(content, style, settings(steps=12), checkpoint=path, callback=again.append)
    assert 3 < again[0].step <= 8  # at most one line search is computed again
    unbroken = transfer(content, style, settings(steps=12))
    np.testing.assert_array_equal(resumed.audio, unbroken.audio)
    assert len(resumed.evaluations) == len(unbroken.evaluations)


def test_sounds_are_heard_in_parts_as_they_are_heard_at_once(content, monkeypatch):
    at_once = hearing.hear(content, name="content", sr=SR)
    monkeypatch.setattr(hearing, "LONG", 2)
    in_parts = hearing.hear(content, name="content", sr=SR)
    assert in_parts.shape == at_once.shape
    apart = (in_parts - at_once).abs().mean() / at_once.mean()
    assert apart < 3e-3


def test_scores_average_the_power_of_channels(content, style):
    y, c, s = content[0], content[1], style[0]
    mono = metrics.scores(y, content=c, style=s, sr=SR)
    stereo = [np.stack([one, -one]) for one in (y, c, s)]
    both = metrics.scores(stereo[0], content=stereo[1], style=stereo[2], sr=SR)
    assert replace(both, families={}).to_dict() == pytest.approx(
        replace(mono, families={}).to_dict(), abs=1e-5
    )


def test_a_finite_network_is_evaluated_in_blocks_too(content, style):
    config = settings(engine="finite", channels=32, mono=True, steps=4)
    result = transfer(content, style, config)
    totals = [evaluation.total for evaluation in result.evaluations]
    assert min(totals) < totals[0]
    at_once = transfer(content, style, config.replace(whole=30.0))
    assert totals[0] == pytest.approx(at_once.evaluations[0].total, rel=1e-3)
