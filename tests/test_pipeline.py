import threading
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from nst_lib import STFT, TransferConfig, transfer
from nst_lib.config import ConfigError
from nst_lib.core.mosaic import mosaic
from nst_lib.core.transforms import Transform
from nst_lib.features import FeatureTransfer
from nst_lib.pipeline import STAGES
from nst_lib.session import Callbacks, Pause
from nst_lib.show import report
from nst_lib.sound.audio import AudioError

SMALL = {"channels": 48, "kernel": 5, "steps": 12, "n_iter": 4, "duration": 1.0}


@pytest.fixture(scope="session")
def config():
    return TransferConfig.from_preset("milacic2020", **SMALL)


@pytest.mark.parametrize("transform", ["stft", "cqt", "cwt"])
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_the_four_conditions_of_the_study_and_the_cwt(pair, config, transform, pooling):
    config = config.replace(transform=transform, pooling=pooling, n_iter=2)
    stages = []
    result = transfer(pair.content, pair.style, config, callback=Callbacks(on_stage=stages.append))
    n_freq = {"stft": 513, "cqt": 512, "cwt": 512}[transform]
    assert {name: S.shape for name, S in result.spectrograms.items()} == dict.fromkeys(
        ("content", "style", "optimised", "result"), (n_freq, 173)
    )
    assert result.audio.shape == (22050,)
    assert np.isfinite(result.audio).all()
    assert result.audio.std() > 1e-4
    first, best = result.evaluations[0], result.evaluations[result.best_step]
    assert first.losses["content"] == 0
    assert best.losses["style"] < 0.2 * first.losses["style"]
    assert best.losses["content"] < 1e-3 * best.losses["style"], "inert, as published"
    assert list(result.losses["total"]) == [e.total for e in result.evaluations]
    columns = ["step", "seconds", "domain", "style", "content", "total"]
    assert list(result.losses.columns[:6]) == columns
    assert stages == [stage for stage in STAGES if stage != "refine"]
    assert set(result.seconds) == {*stages, "total"}


def test_realised_loss_is_that_of_the_sound(pair, config):
    result = transfer(pair.content, pair.style, config)
    transform = config.make_transform()
    S_c, S_s, S_x = (
        transform(torch.from_numpy(y)) for y in (result.content, result.style, result.audio)
    )
    loss = config.loss(transform, style=S_s, content=S_c)
    with torch.no_grad():
        assert loss(S_x).values() == pytest.approx(result.realised, rel=1e-4)
    best = result.evaluations[result.best_step]
    with torch.no_grad():
        optimised = loss(torch.from_numpy(result.spectrograms["optimised"])).values()
    assert optimised["style"] == pytest.approx(best.losses["style"], rel=1e-3)
    assert result.realised["style"] > best.losses["style"]


def test_same_seed_same_bytes(pair, config):
    first, again = (transfer(pair.content, pair.style, config) for _ in range(2))
    other = transfer(pair.content, pair.style, config.replace(seed=1))
    assert first.audio.tobytes() == again.audio.tobytes()
    assert first.audio.tobytes() != other.audio.tobytes()


@pytest.mark.parametrize("transform", ["stft", "cqt", "cwt"])
def test_no_steps_go_through_the_transform_and_back(pair, config, transform):
    config = config.replace(steps=0, transform=transform, n_iter=16)
    result = transfer(pair.content, pair.style, config)
    assert result.evaluations == []
    np.testing.assert_array_equal(result.spectrograms["optimised"], result.spectrograms["content"])
    target = np.expm1(result.spectrograms["content"])
    error = np.linalg.norm(np.expm1(result.spectrograms["result"]) - target)
    assert error / np.linalg.norm(target) == pytest.approx(result.convergence, rel=1e-3)
    assert result.convergence < 0.35


def test_griffin_lim_can_start_from_the_phase_of_the_content(pair, config):
    reports = []
    results = {
        phase: transfer(
            pair.content,
            pair.style,
            config.replace(steps=0, n_iter=0, transform="cqt", phase=phase),
            callback=Callbacks(on_inversion=lambda *report: reports.append(report)),
        )
        for phase in ("content", "random")
    }
    assert results["content"].convergence < 0.15 < results["random"].convergence
    assert reports == [(0, pytest.approx(result.convergence)) for result in results.values()]
    with pytest.raises(ConfigError, match="phase='content' without a content"):
        transfer(None, pair.style, config.replace(start="noise", phase="content"))


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_texture_synthesis_from_noise(pair, config, optimiser):
    config = config.replace(
        start="noise", line_search="strong_wolfe", optimiser=optimiser, steps=25
    )
    result = transfer(None, pair.style, config)
    assert result.content is None
    assert set(result.spectrograms) == {"style", "optimised", "result"}
    assert result.evaluations[-1].losses["content"] == 0
    assert result.evaluations[result.best_step].total < 0.5 * result.evaluations[0].total
    with pytest.raises(ConfigError, match="start='content' without a content"):
        transfer(None, pair.style, config.replace(start="content"))


def test_infinite_width(pair, config):
    config = config.replace(engine="infinite", line_search="strong_wolfe")
    result = transfer(pair.content, pair.style, config)
    first, best = result.evaluations[0], result.evaluations[result.best_step]
    assert best.losses["style"] < 0.2 * first.losses["style"]
    assert result.realised["style"] < first.losses["style"]
    S_c, S_s = (torch.from_numpy(result.spectrograms[name]) for name in ("content", "style"))
    with torch.no_grad():
        wide = config.replace(
            engine="finite", channels=4096, stacks=1, style_layers="relu1", content_layers=[]
        ).loss(
            result.transform,
            style=S_s,
            content=S_c,
        )(S_c)
    assert wide.values()["style relu1"] == pytest.approx(first.losses["style relu1"], rel=0.25)


@pytest.fixture(scope="session")
def fast():
    return TransferConfig.from_preset("fast", duration=1.0, steps=40)


def test_default_preset(pair):
    stages, seen = [], []
    callback = Callbacks(
        on_stage=stages.append, on_spectrogram=lambda now, _: seen.append(now().copy())
    )
    result = transfer(pair.content, pair.style, callback=callback)
    assert result.config == TransferConfig.from_preset("shaped").at(pair.content.sr)
    assert stages == ["read", "analyse", "optimise", "score"]
    assert {e.domain for e in result.evaluations} == {"gains"}
    start = mosaic(result.style, result.content, sr=result.config.rate).astype(np.float32)
    S_start = result.transform(torch.from_numpy(start)).numpy()
    np.testing.assert_allclose(seen[0], S_start, atol=1e-4)
    best = result.evaluations[result.best_step]
    assert best.losses["gains"] > 0
    heard = best.total - best.losses["gains"]
    assert result.realised["total"] == pytest.approx(heard, rel=1e-3), "what is heard"
    assert heard < 0.75 * result.evaluations[0].total, "the start is near the style already"
    assert result.scores.timbre > 0.5
    assert result.scores.rhythm > 0.7
    still = transfer(pair.content, pair.style, result.config.replace(gain_weight=1e6))
    np.testing.assert_allclose(still.audio, start, atol=0.01)


def test_gains_of_the_content_change_only_its_loudness(pair, fast):
    """A band of the content is never louder where the content has no sound."""
    config = fast.replace(domain="gains", level="off")
    content = pair.content.load(sr=22050, duration=1.0).copy()
    content[8000:14000] = 0.0
    result = transfer(content, pair.style, config)
    assert result.realised["style"] < 0.8 * result.evaluations[0].losses["style"]
    assert np.abs(result.audio[9100:12900]).max() < 1e-6


def test_both_stages_of_hybrid(pair, fast):
    stages = []
    result = transfer(pair.content, pair.style, fast, callback=Callbacks(on_stage=stages.append))
    assert tuple(stages) == STAGES
    assert [e.domain for e in result.evaluations] == ["spectrogram"] * 20 + ["waveform"] * 20
    assert [e.step for e in result.evaluations] == list(range(40))
    assert all(np.diff([e.seconds for e in result.evaluations]) > 0)
    best = result.evaluations[result.best_step]
    assert best.domain == "waveform"
    assert result.realised["total"] == pytest.approx(best.total, rel=1e-3), "what is heard"
    assert result.realised["total"] < 0.2 * result.evaluations[0].total
    assert result.scores.timbre > 0.5
    assert result.scores.rhythm > 0.4
    assert transfer(pair.content, pair.style, fast.replace(steps=0)).best_step is None


@pytest.mark.parametrize("domain", ["waveform", "hybrid"])
@pytest.mark.parametrize("engine", ["finite", "infinite"])
def test_optimising_the_sound_itself(pair, config, domain, engine):
    config = config.replace(domain=domain, engine=engine, line_search="strong_wolfe", steps=16)
    result = transfer(pair.content, pair.style, config)
    first, best = result.evaluations[0], result.evaluations[result.best_step]
    assert best.losses["style"] < 0.3 * first.losses["style"]
    assert result.realised["style"] == pytest.approx(best.losses["style"], rel=0.01)
    np.testing.assert_allclose(
        result.spectrograms["optimised"], result.spectrograms["result"], atol=1e-4
    )
    assert result.evaluations[-1].domain == "waveform"


@pytest.mark.parametrize("domain", ["waveform", "hybrid"])
@pytest.mark.parametrize("settings", [{}, {"residual": True}])
@pytest.mark.parametrize("transform", ["cqt", "cwt"])
def test_optimising_the_sound_itself_by_its_bands(pair, fast, domain, transform, settings):
    config = fast.replace(domain=domain, transform=transform, duration=0.5, n_bins=128, steps=12)
    result = transfer(pair.content, pair.style, config.replace(bins_per_octave=16, **settings))
    first, best = result.evaluations[0], result.evaluations[result.best_step]
    assert best.losses["style"] < 0.5 * first.losses["style"]
    assert result.realised["style"] == pytest.approx(best.losses["style"], rel=0.01)
    assert (result.convergence is None) == (domain == "waveform")


def test_sounds_too_short_to_score_are_transferred_without(pair, fast):
    config = fast.replace(sr=8000, duration=0.1, n_fft=256, hop_length=64, steps=4)
    content, style = (clip.load(sr=8000, duration=0.1) for clip in (pair.content, pair.style))
    rng = np.random.default_rng(0)
    noise = (1e-3 * rng.standard_normal(800)).astype("float32")
    result = transfer(content + noise, style + noise, config)
    assert result.scores is None
    assert result.audio.shape == (800,)


def test_a_waveform_from_noise(pair, fast):
    config = fast.replace(start="noise", domain="waveform")
    result = transfer(None, pair.style, config)
    assert result.scores is None
    assert result.realised["total"] < 0.5 * result.evaluations[0].total
    assert result.audio.std() == pytest.approx(result.style.std(), rel=0.5)


def test_precision(pair, fast):
    single, double = (
        transfer(pair.content, pair.style, fast.replace(precision=precision, steps=2))
        for precision in ("float32", "float64")
    )
    assert double.evaluations[0].total == pytest.approx(single.evaluations[0].total, rel=1e-4)
    assert double.evaluations[0].total != single.evaluations[0].total
    assert double.audio.dtype == np.float32


def stopped(pair, config, *, last, checkpoint):
    """Transfer until after evaluation `last`."""
    stop = threading.Event()

    def interrupt(evaluation):
        if evaluation.step == last:
            stop.set()

    return transfer(
        pair.content, pair.style, config, callback=interrupt, stop=stop, checkpoint=checkpoint
    )


@pytest.mark.long
@pytest.mark.parametrize("stage", ["spectrogram", "waveform", "hybrid", "hybrid, early", "gains"])
@pytest.mark.parametrize("optimiser", ["adam", "lbfgs"])
def test_an_interrupted_run_goes_on_to_the_same_end(
    pair, fast, tmp_path, monkeypatch, stage, optimiser
):
    monkeypatch.setattr("nst_lib.session.INTERVAL", 0.0)
    domain, _, early = stage.partition(", ")
    last = 60 if early else 110
    config = fast.replace(duration=0.5, steps=130, domain=domain, optimiser=optimiser)
    whole = transfer(pair.content, pair.style, config)
    path = tmp_path / "run.ckpt"
    broken = stopped(pair, config, last=last, checkpoint=path)
    assert broken.outcome == "stopped"
    steps = []
    resumed = transfer(
        pair.content,
        pair.style,
        config,
        checkpoint=path,
        callback=lambda evaluation: steps.append(evaluation.step),
    )
    assert last - 90 < steps[0] <= last + 1, "not from the start"
    assert resumed.audio.tobytes() == whole.audio.tobytes()
    assert [e.losses for e in resumed.evaluations] == [e.losses for e in whole.evaluations]
    with pytest.raises(ValueError, match="belongs to another transfer"):
        transfer(pair.content, pair.style, config.replace(seed=1), checkpoint=path)


def test_a_long_recording_goes_on_where_it_stopped(pair, tmp_path, monkeypatch):
    """It is computed in blocks, and they are added in their order: the end is the same."""
    monkeypatch.setattr("nst_lib.session.INTERVAL", 0.0)
    short = {"sr": 11025, "duration": 3.0, "whole": 1.0, "n_fft": 256}
    config = TransferConfig.from_preset("shaped", **short, steps=12)
    whole = transfer(pair.content, pair.style, config)
    path = tmp_path / "run.ckpt"
    broken = stopped(pair, config, last=8, checkpoint=path)
    assert broken.outcome == "stopped"
    assert broken.audio.shape == whole.audio.shape, "the best so far, in full length"
    steps = []
    resumed = transfer(
        pair.content,
        pair.style,
        config,
        checkpoint=path,
        callback=lambda evaluation: steps.append(evaluation.step),
    )
    assert 5 < steps[0] <= 9, "in the iteration where it stopped"
    assert resumed.audio.tobytes() == whole.audio.tobytes()


@pytest.mark.parametrize("last", [4, 20])
def test_a_paused_run_goes_on_from_its_best_point(pair, fast, last):
    config, pause = fast.replace(duration=0.5, steps=30), Pause()
    broken = stopped(pair, config, last=last, checkpoint=pause)
    assert (broken.outcome, len(broken.evaluations)) == ("stopped", last + 1)
    resumed = transfer(pair.content, pair.style, config, checkpoint=pause)
    assert resumed.outcome == "finished"
    assert [e.step for e in resumed.evaluations] == list(range(30))
    assert resumed.evaluations[: last + 1] == broken.evaluations
    here = [e.total for e in broken.evaluations if e.domain == resumed.evaluations[last].domain]
    assert resumed.evaluations[last + 1].total == pytest.approx(min(here), rel=1e-4)


def test_watching_shows_what_is_optimised(pair, fast):
    config, seen = fast.replace(duration=0.5, steps=6), []
    result = transfer(
        pair.content,
        pair.style,
        config,
        callback=Callbacks(on_spectrogram=lambda now, _: seen.append(now().copy())),
    )
    assert len(seen) == 6
    assert {S.shape for S in seen} == {result.spectrograms["result"].shape}
    assert seen[0] == pytest.approx(result.spectrograms["content"], abs=1e-5)
    assert np.abs(seen[2] - seen[0]).max() > 0.01


def test_a_texture_of_another_length(pair, config):
    config = config.replace(start="noise", texture_duration=2.0, steps=3)
    result = transfer(None, pair.style, config)
    assert result.audio.shape == (2 * 22050,)
    assert result.style.shape == (22050,)
    assert result.spectrograms["optimised"].shape == (513, 345)
    waveform = transfer(None, pair.style, config.replace(domain="waveform"))
    assert waveform.audio.shape == (2 * 22050,)
    with pytest.raises(ConfigError, match="texture_duration with a content; accepted: null"):
        transfer(pair.content, pair.style, config)
    with pytest.raises(ConfigError, match=r"texture_duration=0\.1: shorter than a window; accep"):
        transfer(None, pair.style, config.replace(texture_duration=0.1, n_fft=4096))


@pytest.mark.parametrize("engine", ["finite", "infinite"])
def test_several_styles_at_once(dataset, config, engine):
    first, second = (dataset.choose(name) for name in ("snoring", "water_drops"))
    settings = {"start": "noise", "engine": engine, "line_search": "strong_wolfe", "steps": 30}
    config = config.replace(content_layers=[], **settings)
    both = transfer(None, [first, second], config)
    assert both.style.shape == (2 * 22050,)
    assert both.evaluations[both.best_step].total < 0.1 * both.evaluations[0].total
    doubled = transfer(None, [first, first], config.replace(steps=1))
    alone = transfer(None, first, config.replace(steps=1))
    assert doubled.evaluations[0].total == pytest.approx(alone.evaluations[0].total, rel=1e-3)
    with pytest.raises(ValueError, match="no style; accepted: one or more"):
        transfer(None, [], config)


def test_noise_of_a_given_spread(pair, config):
    config = config.replace(start="noise", start_std=1e-3, steps=0)
    S = transfer(None, pair.style, config).spectrograms["optimised"]
    assert S.std() == pytest.approx(1e-3, rel=0.01)
    assert S.min() < 0
    again = transfer(None, pair.style, config.replace(start_std=None)).spectrograms["optimised"]
    assert again.min() == 0


def test_the_level_of_the_style(pair, config):
    result = transfer(pair.content, pair.style, config.replace(steps=2, result_level="style"))
    assert result.audio.std() / result.gain == pytest.approx(result.style.std(), rel=1e-3)


def test_noise_start_with_content(pair, config):
    result = transfer(pair.content, pair.style, config.replace(start="noise", steps=1))
    assert result.evaluations[0].losses["content"] > 0


@pytest.mark.parametrize("orientation", ["freq", "time", "2d"])
def test_orientations(pair, config, orientation):
    config = config.replace(
        orientation=orientation, channels=6, stacks=2, content_layers="relu2", steps=4
    )
    result = transfer(pair.content, pair.style, config)
    assert result.evaluations[result.best_step].total < result.evaluations[0].total


def test_recordings_may_have_their_own_lengths(pair, config):
    y = pair.content.load(duration=0.8)
    result = transfer(y, pair.style, config.replace(duration=None, steps=3))
    assert result.audio.shape == y.shape
    assert result.style.shape == (5 * 22050,)


def test_levelled_inputs(pair, config):
    result = transfer(pair.content, pair.style, config.replace(level="rms", steps=1))
    for y in (result.content, result.style):
        assert 10 * np.log10(np.mean(y**2)) <= -19.9


def test_loud_result_is_guarded_and_realised_loss_is_of_the_guarded_sound(pair, config):
    y = pair.content.load(duration=1.0)
    loud = (0.99 * y / np.abs(y).max()).astype("float32")
    result = transfer(loud * 4, pair.style, config.replace(steps=0))
    assert result.gain < 1
    assert np.abs(result.audio).max() <= 0.999
    np.testing.assert_allclose(
        result.spectrograms["result"], result.transform(torch.from_numpy(result.audio)), atol=1e-5
    )


def test_stop_returns_the_best_so_far(pair, config):
    stop = threading.Event()

    def callback(evaluation):
        if evaluation.step == 3:
            stop.set()

    result = transfer(
        pair.content, pair.style, config.replace(steps=500), callback=callback, stop=stop
    )
    assert result.outcome == "stopped"
    assert len(result.evaluations) == 4
    assert result.realised["style"] < result.evaluations[0].losses["style"]


def test_bad_input(pair, config):
    with pytest.raises(AudioError, match="is digital silence"):
        transfer(np.zeros(22050, "float32"), pair.style, config)
    with pytest.raises(AudioError, match=r"has shape \(2, 2, 100\)"):
        transfer(np.ones((2, 2, 100), "float32"), pair.style, config)
    with pytest.raises(ValueError, match=r"the weights take .* GB and .* GB are free"):
        transfer(pair.content, pair.style, config.replace(channels=65536, kernel=511))
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="device='cuda': this machine has no CUDA device"):
            transfer(pair.content, pair.style, config.replace(device="cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_agrees_with_cpu(pair, config):
    config = config.replace(steps=3)
    cpu, cuda = (
        transfer(pair.content, pair.style, config.replace(device=device))
        for device in ("cpu", "cuda")
    )
    for ours, theirs in zip(cpu.evaluations, cuda.evaluations, strict=True):
        assert theirs.total == pytest.approx(ours.total, rel=0.02)


class Own(nn.Module):
    """A network of somebody's own: one map, what lies near in frequency together."""

    def forward(self, S: torch.Tensor, layers: object = None) -> dict[str, torch.Tensor]:
        return {"own": nn.functional.avg_pool1d(S.T, 8).T}


class Careless(TransferConfig):
    """Brings a network, and leaves the settings of the random network where they are."""

    def layer_names(self) -> tuple[str, ...]:
        return ("own",)

    def network(self, *, n_freq: int, n_frames: int) -> nn.Module:
        return Own()


class Careful(FeatureTransfer):
    """Has only the settings that it uses."""

    layer_names = Careless.layer_names
    network = Careless.network


@pytest.mark.parametrize("engine", ["finite", "infinite"])
def test_record_names_no_network_that_did_not_run(pair, engine):
    own = {"preset": "own", "style_layers": "own", "content_layers": "own", "duration": 0.5}
    own |= {"steps": 2, "n_iter": 1}
    kind = {"finite": "RandomCNN", "infinite": "InfiniteCNN"}[engine]
    message = (
        f"engine='{engine}': the network of Careless is not the {kind} .* inherit from Feature"
    )
    with pytest.raises(ConfigError, match=message):
        transfer(pair.content, pair.style, Careless(**own, engine=engine))
    result = transfer(pair.content, pair.style, Careful(**own))
    record = report.to_dict(result, inputs={})["config"]
    assert (record["preset"], record["system"]) == ("own", f"{__name__}.Careful")
    assert "engine" not in record
    assert result.evaluations[1].losses["style own"] < result.evaluations[0].losses["style own"]


class Named(Own):
    layer_names = ("own",)


class Level(nn.Module):
    """A content term: how far the level is from the content's, frame by frame."""

    def __init__(self, content: torch.Tensor, transform: Transform) -> None:
        super().__init__()
        self.register_buffer("target", content.mean(0))

    def forward(self, S: torch.Tensor) -> torch.Tensor:
        return (S.mean(0) - self.target).square().mean() / self.target.square().mean()


class TestPartsOfOnesOwn:
    SHORT: ClassVar[dict[str, float]] = {"duration": 0.5, "steps": 3, "n_iter": 1}

    def test_network(self, pair):
        config = TransferConfig.from_preset("fast", **self.SHORT)
        result = transfer(pair.content, pair.style, config, network=Named())
        assert {"style own", "content onset"} <= set(result.evaluations[0].losses)
        assert result.evaluations[-1].total < result.evaluations[0].total
        record = report.to_dict(result, inputs={})["config"]
        assert record["parts"] == {"network": f"{__name__}.Named"}
        assert not {"engine", "channels", "style_layers"} & set(record)
        assert record["content_weight"] == config.content_weight
        with pytest.raises(ConfigError, match="made with your own parts"):
            TransferConfig.from_dict(record)

    def test_network_that_names_no_feature_maps(self, pair):
        config = TransferConfig.from_preset("fast", **self.SHORT)
        with pytest.raises(ConfigError, match="network Own does not name its feature maps; give"):
            transfer(pair.content, pair.style, config, network=Own())

    def test_content_term(self, pair):
        config = TransferConfig.from_preset("fast", **self.SHORT)
        result = transfer(pair.content, pair.style, config, content_term=Level)
        losses = result.evaluations[0].losses
        assert losses["content own"] == pytest.approx(0, abs=1e-6), "it starts from the content"
        assert "content onset" not in losses
        assert result.config.to_dict()["parts"] == {"content_term": f"{__name__}.Level"}

    def test_transform(self, pair):
        config = TransferConfig.from_preset("fast", **self.SHORT)
        own = STFT(sr=22050, n_fft=512, hop_length=256)
        result = transfer(pair.content, pair.style, config, transform=own)
        assert result.spectrograms["result"].shape == (257, own.n_frames(11025))
        assert "n_fft" not in result.config.to_dict()
        with pytest.raises(ConfigError, match="rate of 16000 Hz, and the recordings have sr=22050"):
            transfer(pair.content, pair.style, config, transform=STFT(sr=16000))

    def test_a_system_that_takes_no_such_part(self):
        config = TransferConfig.from_preset("antognini2019")
        with pytest.raises(
            ConfigError, match=r"antognini2019 takes no network .* accepted: start, tr"
        ):
            config.using(network=Named())

    def test_they_stay_when_settings_are_replaced(self):
        network = Named()
        config = TransferConfig.from_preset("fast").using(network=network).replace(steps=1)
        assert config.own_modules() == [network]
