"""Estimates: what they grow with, and that they see settings that do not go together."""

import math

import pandas as pd
import pytest
import torch

from nst_lib import TransferConfig
from nst_lib.batch.driver import slowdown
from nst_lib.batch.estimate import estimate, makespan
from nst_lib.core.network import n_weights
from nst_lib.system import PRESETS
from nst_lib.train.classifier import training_config
from tests.conftest import ROOT

SHORT = {"duration": 1.0, "n_iter": 0}


def test_steps_are_what_takes_time():
    few, many = (estimate(TransferConfig.from_preset(steps=steps, **SHORT)) for steps in (0, 60000))
    assert few.seconds < 10
    assert many.seconds > 20 * few.seconds
    assert many.memory == pytest.approx(few.memory, rel=0.2)


def test_steps_take_time_without_weights_too():
    few, many = (
        estimate(TransferConfig.from_preset("grinstein2018_texture", steps=steps, duration=1.0))
        for steps in (0, 10000)
    )
    assert many.seconds > 10 * few.seconds


@pytest.mark.parametrize("name", PRESETS)
def test_a_trial_of_every_system_is_small_and_grows(name):
    config = PRESETS[name].config
    small = config.in_small(60.0)
    assert small.duration <= 5
    assert type(small) is type(config)
    for setting, width in config.trial_width.items():
        assert getattr(small, setting) <= width < getattr(config, setting)
    growth = config.growth(small, n_freq=257, n_frames=300, longer=12.0)
    assert growth.time >= 12
    in_blocks = config.is_in_blocks(60.0)
    assert growth.memory == 1 if in_blocks else growth.memory >= 12
    assert growth.weights == 4 * config.n_weights(n_freq=257, n_frames=300) or "infinite" in str(
        config.to_dict().get("engine")
    )


def test_the_weights_of_the_study_are_in_the_memory():
    config = TransferConfig(**SHORT)
    weights = 4 * n_weights(fan=513, stacks=3, channels=4096, kernel=11, dimensions=1)
    assert weights == pytest.approx(1.6e9, rel=0.05)
    assert 1 < estimate(config).memory / (weights + 0.6e9) < 2


def test_wider_networks_take_longer():
    narrow, wide = (
        estimate(TransferConfig(channels=channels, **SHORT)).seconds for channels in (256, 4096)
    )
    assert wide > 50 * narrow


def test_kernels_grow_with_the_square_of_the_sound():
    config = TransferConfig.from_preset(domain="spectrogram", steps=100000, n_iter=0)
    five, twenty = (estimate(config.replace(duration=seconds)) for seconds in (5, 20))
    assert 8 < twenty.seconds / five.seconds < 32
    assert 8 < (twenty.memory - 0.6e9) / (five.memory - 0.6e9) < 32


@pytest.mark.parametrize(
    "settings", [{"channels": 300}, {"orientation": "time", "duration": None}], ids=str
)
def test_trained_weights_are_taken_as_they_are(settings, tmp_path):
    config = training_config(**{"duration": 1.0, "channels": 8, **settings})
    n_frames = 1 + round(1.5 * config.sr) // config.make_transform().hop_length
    network = config.network(n_freq=513, n_frames=n_frames).state_dict()
    torch.save({"settings": config.to_dict(), "network": network}, tmp_path / "w.pt")
    trained = config.replace(weights=str(tmp_path / "w.pt"), style_layers=["relu1"], n_iter=0)
    assert estimate(trained, length=1.5).seconds > 0


def test_longer_recordings_take_longer():
    config = TransferConfig.from_preset(duration=None, steps=1000, n_iter=0)
    short, long = (estimate(config, length=length).seconds for length in (1.0, 8.0))
    assert long > 3 * short


def test_settings_that_do_not_go_together():
    with pytest.raises(ValueError, match="pooling 'max' has no closed form for orientation '2d'"):
        estimate(TransferConfig.from_preset(orientation="2d", pooling="max", **SHORT))
    with pytest.raises(ValueError, match="relu"):
        estimate(TransferConfig.from_preset(style_layers=["bn1"], **SHORT))


@pytest.mark.parametrize("name", ["ulyanov2016", "mital2017", "grinstein2018", "antognini2019"])
def test_estimates_are_near_what_full_runs_took(name):
    """The memory; the seconds are those of the machine that made the table, within a factor."""
    table = pd.read_csv(ROOT / "notebooks" / "conditions" / "systems.csv", index_col="preset")
    full, found = table.loc[name], estimate(PRESETS[name].config)
    assert abs(math.log(found.memory / 1e9 / full["memory (GB)"])) < math.log(1.5)
    assert abs(math.log(found.seconds / full["core seconds"])) < math.log(5)


def test_conditions_side_by_side():
    assert makespan([5, 5, 4, 3, 3], jobs=2) == 11, "the longest first: 5 + 3 + 3 beside 5 + 4"
    assert makespan([7], jobs=8) == 7, "one cannot be shared"
    assert makespan([], jobs=2) == 0


def test_jobs_share_the_cores_with_others(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr("nst_lib.batch.driver._cores", lambda: 4)
    assert (slowdown(4), slowdown(8), slowdown(1, load=3.0)) == (1, 2, 1)
    assert slowdown(2, load=6.0) == 2
