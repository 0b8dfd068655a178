"""Where the optimisation starts: the content, noise, a baseline, or a sound of the user's own."""

import json

import numpy as np
import pytest
import soundfile as sf
import torch

from nst_lib import TransferConfig, transfer
from nst_lib.batch.grid import GridError, checksums, identify, parse_grid, read_grid
from nst_lib.config import STARTS, ConfigError
from nst_lib.core.baselines import BASELINES
from nst_lib.core.optimise import Evaluation
from nst_lib.recordings import load
from nst_lib.show import report
from nst_lib.sound import audio
from nst_lib.sound.audio import AudioError
from nst_lib.system import PRESETS

WORDS = ", ".join(STARTS)
SMALL = {"channels": 16, "filters": 4, "n_iter": 1, "duration": 1.5, "seed": 1, "steps": 1}
GATYS = {"weights": "random", "style_layers": ["conv1_1"], "content_layers": ["conv1_1"]}
SYSTEMS = [name for name, entry in PRESETS.items() if entry.config.steps]


def small(name, **settings):
    config = PRESETS[name].config
    wanted = SMALL | (GATYS if name == "gatys2016" else {})
    known = {key: value for key, value in wanted.items() if key in type(config).model_fields}
    return config.replace(**{**known, **settings})


@pytest.fixture(scope="module")
def own(dataset, tmp_path_factory):
    """A recording of the user's own, longer than the sounds of these tests."""
    path = tmp_path_factory.mktemp("own") / "own.wav"
    sf.write(path, dataset.choose("clapping").load(sr=16000, duration=2.0), 16000)
    return path


def start_of(result):
    """Return the waveform that a transfer has to start from, from its recordings alone."""
    config = result.config
    if config.start == "content":
        return result.content
    if config.start in BASELINES:
        y = BASELINES[config.start](result.style, result.content, sr=config.sr)
        return y.astype(np.float32)
    return load(config.start, config)


@pytest.mark.parametrize("start", [*STARTS, "own"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_starts_there(pair, own, name, start):
    config = small(name, start=str(own) if start == "own" else start)
    result = transfer(pair.content, pair.style, config)
    assert np.isfinite(result.audio).all()
    assert result.audio.std() > 1e-5
    config = result.config
    assert len(result.audio) == round(1.5 * config.sr)
    if start == "noise":
        return
    view = config.view(result.transform)
    style, content, x = (
        view(torch.from_numpy(y)) for y in (result.style, result.content, start_of(result))
    )
    with torch.no_grad():
        at_start = config.loss(result.transform, style=style, content=content)(x).values()
    rounding = 1e-6 * max(at_start.values())
    first = dict(result.evaluations[0].losses)
    assert first.pop("gains", 0.0) == 0, "gains change nothing at the start"
    assert first == pytest.approx(at_start, rel=1e-3, abs=rounding)


@pytest.mark.parametrize("domain", ["spectrogram", "waveform", "hybrid", "gains"])
@pytest.mark.parametrize("start", ["envelope", "own"])
def test_no_evaluation_returns_the_start(pair, own, domain, start):
    start = str(own) if start == "own" else start
    config = small("fast", domain=domain, start=start, steps=0, n_iter=60)
    result = transfer(pair.content, pair.style, config)
    expected = start_of(result)
    if not config.inverts:
        np.testing.assert_allclose(result.audio, result.gain * expected, atol=1e-6)
    S = result.transform(torch.from_numpy(expected)).numpy()
    off = np.abs(result.spectrograms["optimised"] - S).mean() / S.mean()
    assert off < (1e-5 if domain != "hybrid" else 0.1), "hybrid: after an inversion"


def test_the_start_matters(pair):
    config = small("fast", domain="waveform", steps=4)
    sounds = [
        transfer(pair.content, pair.style, config.replace(start=start)).audio for start in STARTS
    ]
    for n, one in enumerate(sounds):
        assert all(np.abs(one - other).max() > 1e-3 for other in sounds[:n])


class TestASoundOfOnesOwn:
    def test_path_clip_and_samples(self, pair, dataset, own):
        config = small("fast", domain="waveform", steps=0)
        clip = dataset.choose("clapping")
        by_word, by_path = (
            transfer(pair.content, pair.style, config, start=start) for start in (str(own), own)
        )
        by_setting = transfer(pair.content, pair.style, config.replace(start=str(own)))
        by_clip = transfer(pair.content, pair.style, config, start=clip)
        samples = audio.read(own, sr=config.sr, duration=1.5)
        by_samples = transfer(pair.content, pair.style, config, start=samples)
        for one in (by_path, by_setting, by_samples):
            np.testing.assert_array_equal(one.audio, by_word.audio)
        np.testing.assert_allclose(by_clip.audio, by_clip.gain * load(clip, config), atol=1e-6)
        records = [
            report.to_dict(one, inputs={})["config"] for one in (by_word, by_clip, by_samples)
        ]
        assert records[0]["start"] == str(own)
        assert [one["parts"]["start"] for one in records[1:]] == [clip.name, "numpy.ndarray"]
        assert not {"start", "start_std"} & {*records[1], *records[2]}

    def test_it_is_levelled_like_the_recordings(self, pair, own):
        y = audio.read(own, sr=22050, duration=1.5)
        config = small("fast", domain="waveform", steps=0)
        quiet, loud = (transfer(pair.content, pair.style, config, start=k * y) for k in (0.1, 0.9))
        np.testing.assert_allclose(quiet.audio, loud.audio, atol=1e-6)

    @pytest.mark.parametrize("seconds", [0.3, 1.2])
    def test_it_is_fitted_to_the_content(self, pair, seconds):
        config = small("fast", domain="waveform", steps=0, duration=None, level="off")
        content = pair.content.load(duration=0.6)
        start = 0.1 * np.random.default_rng(0).standard_normal(round(22050 * seconds))
        result = transfer(content, pair.style, config, start=start)
        assert len(result.audio) == len(content)
        n = min(len(content), len(start))
        np.testing.assert_allclose(result.audio[:n], start[:n], atol=1e-6)
        assert not result.audio[n:].any()

    def test_a_texture_can_start_from_it(self, pair, own):
        config = small("grinstein2018_texture", texture_duration=1.0)
        assert len(transfer(None, pair.style, config, start=own).audio) == 22050

    def test_a_file_that_is_not_there(self, pair):
        with pytest.raises(AudioError, match=r"nowhere\.wav: no such file"):
            transfer(pair.content, pair.style, small("fast"), start="nowhere.wav")

    def test_a_checkpoint_belongs_to_it(self, pair, own, tmp_path, monkeypatch):
        monkeypatch.setattr("nst_lib.session.INTERVAL", 0.0)
        y, path = audio.read(own, sr=22050, duration=1.5), tmp_path / "run.ckpt"
        copy = tmp_path / "copy.wav"
        sf.write(copy, y, 22050)
        config = small("fast", steps=60)

        def stop(evaluation: Evaluation) -> None:
            if evaluation.step == 55:
                raise KeyboardInterrupt

        for start, other in ((y, y[::-1].copy()), (str(copy), y)):
            path.unlink(missing_ok=True)
            transfer(pair.content, pair.style, config, start=start, checkpoint=path, callback=stop)
            with pytest.raises(ValueError, match="belongs to another transfer"):
                transfer(pair.content, pair.style, config, start=other, checkpoint=path)
            again = transfer(pair.content, pair.style, config, start=start, checkpoint=path)
            whole = transfer(pair.content, pair.style, config, start=start)
            assert again.audio.tobytes() == whole.audio.tobytes()
        transfer(pair.content, pair.style, config, start=start, checkpoint=path, callback=stop)
        sf.write(copy, y[::-1], 22050)
        with pytest.raises(ValueError, match="belongs to another transfer"):
            transfer(pair.content, pair.style, config, start=start, checkpoint=path)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("envelop", r"start='envelop'; did you mean envelope\?"),
        ("Noise", r"start='Noise'; did you mean noise\?"),
        ("driedger", r"start='driedger'; did you mean driedger2015\?"),
        ("xyz", f"start='xyz'; accepted: {WORDS}, the path of a sound file"),
        ("", f"start=''; accepted: {WORDS}, the path of a sound file"),
        (3, f"start=3; accepted: {WORDS}, or the path of a sound file"),
    ],
)
def test_words_that_are_no_start(start, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        TransferConfig.from_preset(start=start)


@pytest.mark.parametrize("start", ["content", *BASELINES])
def test_starts_that_need_a_content(pair, start):
    message = f"start='{start}' without a content: give a content, or use start=noise to synthesise"
    with pytest.raises(ConfigError, match=message):
        transfer(None, pair.style, small("fast", start=start))


class TestBatches:
    KEYS = {"dataset": "synthetic", "pairs": [["hen", "car_horn"]], "settings": {"steps": 2}}  # noqa: RUF012

    def test_starts_are_a_factor(self, own, tmp_path):
        (tmp_path / "own.wav").write_bytes(own.read_bytes())
        keys = {**self.KEYS, "factors": {"start": ["content", "envelope", "own.wav"]}}
        grid = parse_grid(keys, name="test", folder=tmp_path)
        starts = [condition.config.start for condition in grid.conditions]
        assert starts == ["content", "envelope", str(tmp_path / "own.wav")]
        sums = checksums(grid)
        names = {identify(condition, grid, sums) for condition in grid.conditions}
        assert len(names) == 3
        (tmp_path / "own.wav").write_bytes(own.read_bytes()[:-2])
        changed = {identify(one, grid, checksums(grid)) for one in grid.conditions}
        assert len(names & changed) == 2
        given = grid.conditions[2].parameters()
        assert json.loads(given["settings"]) == {"start": starts[2]}

    def test_a_path_starts_in_the_folder_of_the_grid(self, own, tmp_path, monkeypatch):
        folder = tmp_path / "grids"
        folder.mkdir()
        (folder / "own.wav").write_bytes(own.read_bytes())
        text = json.dumps({**self.KEYS, "factors": {"start": ["own.wav"]}})
        (folder / "grid.yaml").write_text(text)
        monkeypatch.chdir(tmp_path)
        (condition,) = read_grid(folder / "grid.yaml").conditions
        assert condition.config.start == str(folder / "own.wav")
        (folder / "own.wav").unlink()
        with pytest.raises(GridError, match=r"start='own.wav': there is no file /.*grids/own.wav"):
            read_grid(folder / "grid.yaml")
