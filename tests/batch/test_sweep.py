"""A sweep: a grid in this process, with the files of a batch."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from nst_lib import TransferConfig, transfer
from nst_lib.batch import driver
from nst_lib.batch import sweep as module
from nst_lib.batch.grid import read_grid
from nst_lib.batch.sweep import Sweep, sweep
from nst_lib.sound import audio
from nst_lib.sound.datasets import Synthetic

#: A transfer of a second.
QUICK: dict[str, Any] = {"steps": 2, "duration": 1.0, "sr": 22050, "mono": True, "hidden": True}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("recordings")
    generator = np.random.default_rng(0)
    seconds = np.arange(22050) / 22050
    own = {
        "saw.wav": generator.standard_normal(22050) * (seconds % 0.25 < 0.08),
        "snoring.wav": generator.standard_normal(22050).cumsum() * (1 + np.sin(12 * seconds)),
    }
    for name, y in own.items():
        sf.write(folder / name, 0.3 * y / np.abs(y).max(), 22050, subtype="PCM_24")
    return {role: str(folder / name) for role, name in zip(("content", "style"), own, strict=True)}


@pytest.fixture(scope="module")
def found(recordings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    out = tmp_path_factory.mktemp("sweep") / "out"
    return sweep(
        **recordings,
        **QUICK,
        content_weight=np.array([0.0, 0.5]),
        start=["mosaic", "content"],
        out=out,
    )


def test_a_row_for_each_combination(found: Sweep) -> None:
    assert found.message == f"4 of 4 conditions are done, in the folder {found.out}."
    assert found.factors == ["content_weight", "start"]
    pairs = list(zip(found.table["content_weight"], found.table["start"], strict=True))
    assert pairs == [(0.0, "mosaic"), (0.0, "content"), (0.5, "mosaic"), (0.5, "content")]
    assert [*found.scores][:5] == ["content_weight", "start", "timbre", "texture", "rhythm"]
    assert "4 of 4" in repr(found)
    assert found.table["rhythm"][3] > 0.99, "it starts from the content and keeps it"
    assert found.grid["pairs"][0][1].endswith("saw.wav")


def test_the_sound_is_that_of_a_transfer(found: Sweep, recordings: dict[str, str]) -> None:
    reading = {"duration": 1.0, "sr": 22050, "mono": True}
    config = TransferConfig.from_preset("shaped", **reading, steps=2, content_weight=0.5)
    result = transfer(recordings["content"], recordings["style"], config)
    path = found.out / found.table["sound"][2]
    assert sf.info(path).subtype == "PCM_24"
    np.testing.assert_allclose(sf.read(path)[0], result.audio, atol=2**-22)


def test_the_same_call_continues(found: Sweep, recordings: dict[str, str]) -> None:
    path = found.out / found.table["sound"][0]
    written = path.stat().st_mtime_ns
    more = sweep(
        **recordings, **QUICK, content_weight=[0.0], start=["mosaic", "noise"], out=found.out
    )
    assert more.message.startswith("2 of 2")
    assert list(more.table["start"]) == ["mosaic", "noise"]
    assert path.stat().st_mtime_ns == written


def test_an_interrupted_sweep_keeps_what_is_done(
    recordings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, saved = module.plots.save_transfer_figure, list[Any]()

    def interrupted(result: Any, path: Any) -> None:
        saved.append(path)
        if len(saved) == 2:
            raise KeyboardInterrupt
        save(result, path)

    monkeypatch.setattr(module.plots, "save_transfer_figure", interrupted)
    wanted = {**recordings, **QUICK, "seed": [0, 1], "out": tmp_path / "out"}
    part = sweep(**wanted)
    assert "1 of 2 conditions are done" in part.message
    assert part.message.endswith("Run the same call again to continue.")
    assert list(part.table["seed"]) == [0]
    whole = sweep(**wanted)
    assert list(whole.table["seed"]) == [0, 1]
    assert len(saved) == 3, "the first condition was not run again"
    assert next(iter(whole.scores)) == "seed"


def test_a_batch_finds_the_conditions_of_a_sweep_done(found: Sweep, tmp_path: Path) -> None:
    grid = read_grid(found.write_grid(tmp_path / "grid.yaml"))
    plan = driver.plan(grid, found.out)
    assert len(plan.conditions) == 4
    assert not plan.left


def test_each_file_is_read_once(
    recordings: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, paths = audio.read, list[str]()

    def counted(path: Any, **wanted: Any) -> Any:
        paths.append(Path(path).name)
        return read(path, **wanted)

    monkeypatch.setattr(audio, "read", counted)
    sweep(**recordings, **QUICK, content_weight=[0.1, 0.2], out=tmp_path / "out")
    assert sorted(paths) == ["saw.wav", "snoring.wav"]


def test_several_recordings_and_words(tmp_path: Path) -> None:
    clips = Synthetic()
    styles = [clips.choose("snoring"), "water_drops"]
    found = sweep("hand_saw", styles, **QUICK, out=tmp_path / "out")
    assert found.table["pair"].nunique() == 2
    assert next(iter(found.scores)) == "pair"
    assert found.plot().axes[0].get_xlabel() == "Condition"


def test_the_plot_has_scores_on_one_scale(found: Sweep) -> None:
    axes = [ax for ax in found.plot().axes if ax.get_title()]
    assert [ax.get_title() for ax in axes][:4] == ["timbre", "texture", "rhythm", "noise"]
    assert len({ax.get_ylim() for ax in axes if ax.get_title() != "noise"}) == 1
    assert {ax.get_xlabel() for ax in axes} == {"content_weight"}
    (panel,) = found.plot(["rhythm"]).axes
    assert [line.get_label() for line in panel.get_lines()][::2] == ["mosaic", "content"]
    with pytest.raises(ValueError, match="score 'tempo'; accepted: id, pair, "):
        found.plot(["tempo"])


def test_the_player_names_what_varies(found: Sweep) -> None:
    page = found.players(interactive=False)._repr_html_()
    for name in ("content", "style", "content_weight 0.5, start mosaic"):
        assert name in page


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"content_wieght": [0, 1]}, "content_wieght"),
        ({"content_weight": [0, 2]}, "content_weight"),
        ({"content": "no.wav"}, "unknown clip 'no.wav'"),
        ({"content": np.zeros(22050)}, "a recording is a ndarray; accepted: a path, a clip"),
        ({"seed": [0, 0]}, "comes twice"),
    ],
)
def test_faults_are_said_and_nothing_is_written(
    wrong: dict[str, Any], said: str, recordings: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=said):
        sweep(**{**recordings, **QUICK, **wrong}, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_conditions_that_fail_are_said(recordings: dict[str, str], tmp_path: Path) -> None:
    quick = {**QUICK, "preset": "fast", "out": tmp_path / "out"}
    found = sweep(**recordings, **quick, n_fft=[1024, 2**16])
    assert found.message.startswith("1 of 2 conditions are done")
    assert "1 failed: " in found.message
    with pytest.raises(ValueError, match="samples"):
        sweep(**recordings, **{**quick, "out": tmp_path / "other"}, n_fft=[2**16])
