"""The presets without a network: what a transfer, its record and its figures say of them."""

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from nst_lib import TransferConfig, transfer
from nst_lib.batch import results
from nst_lib.batch.estimate import estimate
from nst_lib.config import ConfigError
from nst_lib.core.baselines import BASELINES
from nst_lib.recordings import load
from nst_lib.show import plots, report
from nst_lib.system import PRESETS
from nst_lib.systems import fast
from nst_lib.systems.baselines import Baseline


@pytest.mark.parametrize("name", BASELINES)
def test_the_result_is_the_baseline(pair, name):
    config = TransferConfig.from_preset(name, duration=1.0)
    result = transfer(pair.content, pair.style, config)
    content, style = (
        load(clip, fast.CONFIG.replace(duration=1.0)) for clip in (pair.content, pair.style)
    )
    expected = BASELINES[name](style, content, sr=22050)
    np.testing.assert_allclose(result.audio, result.gain * expected, atol=1e-6)
    assert result.scores.timbre > 0.2
    assert result.scores.rhythm > 0.2


def test_nothing_is_optimised(pair):
    stages = transfer(
        pair.content, pair.style, TransferConfig.from_preset("envelope", duration=1.0)
    )
    assert (stages.evaluations, stages.best_step, stages.realised) == ([], None, {})
    assert (stages.outcome, stages.convergence) == ("finished", None)
    record = report.to_dict(stages, inputs={})
    assert (record["losses"], record["realised"]) == ([], {})
    json.dumps(record, allow_nan=False)
    fig = plots.transfer_figure(Figure(), stages)
    titles = [ax.get_title(loc) for ax in fig.axes for loc in ("left", "center")]
    assert [title for title in titles if title] == ["Content", "Style", "Result"]
    assert all(ax.images or ax.get_label() == "<colorbar>" or not ax.axison for ax in fig.axes)


def test_steps_are_none_whatever_is_asked_for():
    assert TransferConfig.from_preset("mosaic", steps=80).steps == 0
    with pytest.raises(ConfigError, match="steps=-1; accepted: a whole number"):
        TransferConfig.from_preset("mosaic", steps=-1)


def test_what_it_needs(pair):
    config = TransferConfig.from_preset("vocoder")
    with pytest.raises(ConfigError, match="vocoder shapes the style by a content: give a content"):
        transfer(None, pair.style, config)
    with pytest.raises(ConfigError, match="vocoder has no setting 'channels'"):
        config.replace(channels=3)
    with pytest.raises(ConfigError, match=r"start='noise'; accepted: a word \[envelope \| vocoder"):
        config.replace(start="noise")
    with pytest.raises(ConfigError, match="vocoder takes no start of your own; accepted: transf"):
        transfer(pair.content, pair.style, config, start=np.ones(22050, np.float32))


def test_it_is_heard_as_the_default_is():
    ours, default = PRESETS["envelope"].config, PRESETS["fast"].config
    for name in ("sr", "duration", "level", "level_target", "result_level", "n_fft"):
        assert getattr(ours, name) == getattr(default, name)
    assert {name for name, entry in PRESETS.items() if isinstance(entry.config, Baseline)} == set(
        BASELINES
    )


def test_an_estimate_is_that_of_the_notebook():
    assert estimate(TransferConfig.from_preset("envelope")).seconds == pytest.approx(5)


@pytest.mark.kernel
@pytest.mark.process
def test_a_batch_with_a_baseline_beside_a_system(nst, tmp_path):
    keys = {
        "dataset": "synthetic",
        "pairs": [["hen", "car_horn"]],
        "factors": {"preset": ["fast", "vocoder"]},
        "settings": {"duration": 0.5, "steps": 2},
    }
    (tmp_path / "grid.yaml").write_text(json.dumps(keys))
    assert nst("batch", "grid.yaml", "--out", "out", "--jobs", 1).returncode == 0
    table = pd.read_csv(tmp_path / "out" / results.RESULTS).set_index("preset")
    assert (table["outcome"] == "finished").all()
    assert table["evaluations"].to_dict() == {"fast": 2, "vocoder": 0}
    empty = ["loss start", "loss best", "realised total", "realised style", "convergence"]
    assert table.loc["vocoder", empty].isna().all()
    assert table.loc["vocoder", ["timbre", "texture", "rhythm", "noise"]].notna().all()
    assert nst("gallery", "out").returncode == 0
