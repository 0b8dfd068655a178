"""Grids: what is accepted, what is refused and how, and what a condition's name depends on."""

import json
from pathlib import Path

import pytest
import soundfile as sf

from nst_lib.batch.driver import describe, plan
from nst_lib.batch.grid import GridError, checksums, identify, parse_grid, read_grid
from nst_lib.features import TransferConfig
from tests.conftest import ROOT

PAIRS = [["snoring", "hand_saw"], ["hen", "car_horn"]]


def grid(**keys):
    return parse_grid({"dataset": "synthetic", "pairs": PAIRS, **keys}, name="test")


def test_conditions_are_fully_crossed():
    made = grid(
        factors={"transform": ["stft", "cqt"], "pooling": ["max", "average"]}, seeds=[0, 1, 2]
    )
    assert len(made.conditions) == 2 * 2 * 2 * 3
    seen = {
        (c.style, c.content, c.config.transform, c.config.pooling, c.config.seed)
        for c in made.conditions
    }
    assert len(seen) == 24
    assert all(c.factors["pooling"] == c.config.pooling for c in made.conditions)


def test_settings_go_over_the_preset_and_shaped_is_the_default():
    (condition, _) = grid(settings={"steps": 7}).conditions
    assert condition.config == TransferConfig.from_preset("shaped", steps=7)
    (condition, _) = grid(settings={"preset": "milacic2020"}).conditions
    assert condition.config == TransferConfig.from_preset("milacic2020")


def test_a_preset_can_be_a_factor():
    made = grid(factors={"preset": ["fast", "milacic2020"]})
    assert [c.config.preset for c in made.conditions] == ["fast", "milacic2020"] * 2


def test_parameters_of_the_notebook_give_the_settings_back():
    settings = {"content_weight": 0.1, "style_layers": ["relu1"], "steps": 9, "level": "off"}
    (condition, _) = grid(settings=settings, seeds=[3]).conditions
    given = condition.parameters()
    others = json.loads(given.pop("settings"))
    assert TransferConfig.from_preset(given.pop("preset"), **given, **others) == condition.config
    assert given["seed"] == 3


@pytest.mark.parametrize("name", ["milacic2020", "beyond", "claims"])
def test_grids_of_the_repository(name, monkeypatch):
    monkeypatch.delenv("NST_ESC50", raising=False)
    made = read_grid(ROOT / "notebooks" / "conditions" / f"{name}.yaml")
    assert made.simulated
    assert len(made.pairs) == 5
    if name == "milacic2020":
        assert len(made.conditions) == 20
        assert {c.config.replace(transform="stft", pooling="max") for c in made.conditions} == {
            TransferConfig.from_preset("milacic2020", pooling="max")
        }
    if name == "beyond":
        assert set(made.factors) == {"engine", "domain", "content_weight"}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"factor": {}}, "unknown key 'factor'; did you mean factors?"),
        ({"pairs": None}, "pairs is missing; accepted: a list of one or more"),
        (
            {"pairs": [["hen"]]},
            r"pairs=\[\['hen'\]\]; accepted: a list of one or more \[style, content\]",
        ),
        ({"pairs": [["hen", "car_hron"]]}, "unknown clip 'car_hron'; did you mean car_horn?"),
        ({"pairs": [["hen-1", "no/where.wav"]]}, "unknown clip 'no/where.wav'; accepted: a cat"),
        ({"pairs": [["hen", "frog"]] * 2}, r"pairs: \['hen', 'frog'\] comes twice"),
        ({"factors": {"pooing": ["max"]}}, "unknown setting 'pooing'; did you mean pooling?"),
        ({"factors": {"pooling": "max"}}, r"factors={'pooling': 'max'}; accepted: a mapping"),
        (
            {"factors": {"pooling": []}},
            r"factors={'pooling': \[\]}; accepted: a mapping of settings to lists",
        ),
        ({"factors": {"pooling": ["max", "mean"]}}, "pooling='mean'; accepted: a word"),
        ({"factors": ["pooling"]}, r"factors=\['pooling'\]; accepted: a mapping"),
        ({"settings": {"steps": -1}}, "steps=-1; accepted: a whole number"),
        ({"settings": {"preset": "fats"}}, "unknown preset 'fats'; did you mean fast?"),
        ({"settings": {"seed": 1}}, "seed is neither a factor nor a setting; accepted: seeds"),
        (
            {"settings": {"steps": 1}, "factors": {"steps": [1]}},
            "steps is both a factor and a setting",
        ),
        ({"seeds": [0, 0]}, "seeds: 0 comes twice"),
        ({"title": 5}, "title=5; accepted: some words"),
        ({"seeds": ["a"]}, "seed='a'; accepted: a whole number"),
        ({"dataset": 5}, "dataset=5; accepted: esc50, synthetic or a folder"),
        ({"dataset": "nowhere"}, "nowhere: no such folder"),
    ],
)
def test_what_is_wrong_is_said(keys, message):
    with pytest.raises(ValueError, match=message):
        grid(**keys)


@pytest.mark.parametrize(
    ("keys", "title"),
    [
        ({"title": " Two poolings "}, "Two poolings"),
        (
            {"factors": {"layer_weights": ["published"], "pooling": ["max"]}},
            "layer weights by pool",
        ),
        ({}, "test"),
    ],
)
def test_a_title_is_for_people(keys, title):
    assert grid(**keys).title.removeprefix("test: ").startswith(title)


def test_files_of_one_name_are_two_pairs(tmp_path, make_wav):
    make_wav("tone.wav")
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a_b.wav").write_bytes((tmp_path / "tone.wav").read_bytes())
    pairs = [["one/a_b.wav", "hen"], ["other/a_b.wav", "hen"], ["tone.wav", "hen"]]
    made = parse_grid({"dataset": "synthetic", "pairs": pairs}, name="test", folder=tmp_path)
    labels = [entry["pair"] for entry in describe(plan(made, tmp_path / "out"))["conditions"]]
    assert labels == ["one/a_b.wav over hen", "other/a_b.wav over hen", "tone over hen"]


def test_not_a_mapping():
    with pytest.raises(GridError, match="holds nothing; accepted: a mapping of title, dataset"):
        parse_grid(None, name="test")


def test_files(tmp_path):
    path = tmp_path / "grid.yaml"
    with pytest.raises(GridError, match=r"grid.yaml: cannot read \(No such file"):
        read_grid(path)
    path.write_text("pairs: [")
    with pytest.raises(GridError, match=r"grid.yaml: is not YAML"):
        read_grid(path)
    path.write_text("dataset: synthetic\npairs: [[hen, frog]]\nsettings: {setps: 3}")
    with pytest.raises(GridError, match=r"grid.yaml: unknown setting 'setps'; did you mean steps"):
        read_grid(path)


def test_words_and_numbers_of_yaml(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(
        "dataset: synthetic\npairs: [[hen, frog]]\n"
        "settings: {level: off, beta: 1e3, residual: false, content_weight: 1e-3, steps: 12}"
    )
    (condition,) = read_grid(path).conditions
    config = condition.config
    assert (config.level, config.beta, config.residual) == ("off", 1000.0, False)
    assert (config.content_weight, config.steps) == (0.001, 12)


def test_overrides_replace_settings(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text("dataset: synthetic\npairs: [[hen, frog]]\nsettings: {preset: milacic2020}")
    (condition,) = read_grid(path, {"preset": "fast", "steps": 3}).conditions
    assert condition.config == TransferConfig.from_preset("fast", steps=3)


def test_clips_by_category_name_and_path(tmp_path, make_wav):
    make_wav("mine.wav")
    path = tmp_path / "grid.yaml"
    path.write_text("dataset: synthetic\npairs: [[hen, hand_saw-2], [mine.wav, hen-0.wav]]")
    made = read_grid(path)
    assert made.clips["hen"].category == "hen"
    assert made.clips["hand_saw-2"].name == "hand_saw-2"
    assert made.clips["hen-0.wav"].name == "hen-0"
    assert made.clips["mine.wav"].path == tmp_path / "mine.wav"


def test_a_folder_of_recordings_is_a_dataset(tmp_path, make_wav):
    make_wav("bell.wav")
    (tmp_path / "birds").mkdir()
    sf.write(tmp_path / "birds" / "crow.flac", sf.read(tmp_path / "bell.wav")[0], 22050)
    path = tmp_path / "grid.yaml"
    path.write_text("dataset: .\npairs: [[birds, bell]]")
    made = read_grid(path)
    assert (made.clips["birds"].name, made.clips["bell"].name) == ("crow", "bell")
    assert Path(made.dataset) == tmp_path
    assert not made.simulated


def test_weights_are_found_from_the_folder_of_the_grid(tmp_path, monkeypatch):
    for folder in ("grids", "here", "home"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "w.pt").touch()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    path = tmp_path / "grids" / "grid.yaml"

    def weights(values, preset="huzaifah2020", **overrides):
        keys = {"settings": {"preset": preset}}
        keys |= {"factors": {"weights": values}} if values else {}
        path.write_text(json.dumps({"dataset": "synthetic", "pairs": PAIRS[:1], **keys}))
        return [condition.config.weights for condition in read_grid(path, overrides).conditions]

    grids, here, home = (str(tmp_path / name / "w.pt") for name in ("grids", "here", "home"))
    assert weights([None, "w.pt", "~/w.pt", here]) == [None, grids, home, here]
    assert weights([], weights="w.pt") == [here], "as everywhere on the command line"
    others = [None, "random", "https://example.org/w.pth"]
    assert weights([*others, "w.pt"], preset="gatys2016") == [*others, grids]
    message = r"grid.yaml: weights='x.pt': there is no file /.*grids/x.pt"
    with pytest.raises(GridError, match=message):
        weights(["x.pt"])


def test_a_name_depends_on_what_is_in_the_weights(tmp_path):
    def here(folder, content):
        folder.mkdir(exist_ok=True)
        (folder / "w.pt").write_bytes(content)
        keys = {"settings": {"preset": "huzaifah2020"}, "factors": {"weights": ["w.pt", None]}}
        raw = {"dataset": "synthetic", "pairs": PAIRS[:1], **keys}
        return names(parse_grid(raw, name="test", folder=folder))

    first, drawn = here(tmp_path / "a", b"1")
    assert first.startswith("snoring-hand_saw-w.pt-0-")
    assert here(tmp_path / "b", b"1") == [first, drawn], "wherever it lies"
    changed, same = here(tmp_path / "a", b"2")
    assert (changed != first, same) == (True, drawn)


def names(made, sums=None, *code):
    sums = sums or checksums(made)
    return [identify(condition, made, sums, *code) for condition in made.conditions]


def test_a_name_depends_on_all_that_a_result_does():
    made = grid(factors={"pooling": ["max", "average"]})
    usual = names(made, None, "0.1", "notebook")
    assert len(set(usual)) == 4
    assert usual[0].startswith("snoring-hand_saw-max-0-")
    assert usual == names(made, None, "0.1", "notebook")
    changed = names(made, {**checksums(made), "hen": "0"}, "0.1", "notebook")
    assert changed[:2] == usual[:2]
    assert not set(changed[2:]) & set(usual)
    assert not set(names(made, None, "0.2", "notebook")) & set(usual)
    assert not set(names(made, None, "0.1", "other")) & set(usual)
    assert not set(names(grid(settings={"steps": 3}), None, "0.1", "notebook")) & set(usual)


def test_names_are_fit_for_file_systems():
    made = grid(
        factors={"style_layers": [["relu1", "relu2"], []], "content_weight": [0.5, None]},
    )
    slugs = [condition.slug for condition in made.conditions]
    assert slugs[0] == "snoring-hand_saw-relu1_relu2-0.5-0"
    assert slugs[3] == "snoring-hand_saw-none-none-0"
