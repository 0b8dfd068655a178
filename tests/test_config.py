import re

import pytest

from nst_lib import TransferConfig
from nst_lib.config import ConfigError, parse_value
from nst_lib.system import PRESETS, Preset, preset, register


def test_study_preset_is_the_published_recipe():
    config = TransferConfig.from_preset("milacic2020")
    published = {
        "sr": 22050,
        "duration": 5.0,
        "level": "off",
        "n_fft": 1024,
        "pad_mode": "reflect",
        "n_bins": 512,
        "bins_per_octave": 64,
        "residual": False,
        "scale": 1.0,
        "orientation": "freq",
        "stacks": 3,
        "channels": 4096,
        "kernel": 11,
        "batch_norm": True,
        "init": "milacic2020",
        "style_layers": ["relu1", "relu2"],
        "content_layers": ["relu3"],
        "alpha": 1.0,
        "beta": 1e8,
        "normalisation": "code",
        "start": "content",
        "optimiser": "lbfgs",
        "line_search": "none",
        "learning_rate": None,
        "steps": 500,
        "n_iter": 32,
        "momentum": 0.99,
        "phase": "random",
    }
    assert published.items() <= config.to_dict().items()
    assert config.fmin == pytest.approx(32.703, abs=1e-3)
    for transform in ("stft", "cqt", "cwt"):
        for pooling in ("max", "average"):
            condition = config.replace(transform=transform, pooling=pooling)
            assert (condition.transform, condition.pooling) == (transform, pooling)
            assert condition.make_transform().hop_length == 128


@pytest.mark.parametrize("name", PRESETS)
def test_presets_round_trip_through_json(name):
    config = preset(name).config.replace(seed=7, steps=3, duration=None)
    again = TransferConfig.from_json(config.to_json())
    assert again == config
    assert type(again) is type(config)
    assert config.preset == name


@pytest.mark.parametrize("name", PRESETS)
def test_presets_say_what_they_are(name):
    entry = preset(name)
    for text in (entry.source, entry.about, entry.exact, entry.ours):
        assert len(text) > 15
        assert text.count("\n") == 0
    assert set(entry.config.describe()) == set(entry.config.to_dict())


def test_frozen():
    with pytest.raises(ValueError, match="frozen"):
        TransferConfig().seed = 1


def test_values_are_brought_to_their_type():
    config = TransferConfig(steps=10.0, beta=1, style_layers="relu1", content_layers=[])
    assert (config.steps, type(config.steps)) == (10, int)
    assert (config.beta, type(config.beta)) == (1.0, float)
    assert (config.style_layers, config.content_layers) == (("relu1",), ())


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"pooling": "median"}, "pooling='median'; accepted: a word [max | average | none]"),
        ({"steps": -1}, "steps=-1; accepted: a whole number [0 to 1e+06]"),
        ({"steps": 1.5}, "steps=1.5; accepted: a whole number"),
        ({"steps": True}, "steps=True; accepted: a whole number"),
        ({"steps": "many"}, "steps='many'; accepted: a whole number"),
        ({"beta": float("nan")}, "beta=nan; accepted: a number"),
        ({"beta": None}, "beta=None; accepted: a number [0 to 1e+15]"),
        ({"duration": 0}, "duration=0; accepted: a number or null [0.1 or more]"),
        ({"kernel": 10}, "kernel=10; accepted: odd numbers"),
        ({"batch_norm": 1}, "batch_norm=1; accepted: true or false"),
        ({"style_layers": [1]}, "style_layers=[1]; accepted: names of feature maps"),
        ({"style_layers": ["relu4"]}, "style_layers: unknown layer relu4; accepted: conv1, bn1"),
        ({"stacks": 2}, "content_layers: unknown layer relu3; accepted: conv1"),
        ({"batch_norm": False, "style_layers": ["bn1"]}, "style_layers: unknown layer bn1"),
        ({"content_terms": "onsets"}, "accepted: words [features | onset | spectrogram]"),
        ({"content_weight": 1.1}, "content_weight=1.1; accepted: a number or null [0 to 1]"),
        ({"transform": "fft"}, "transform='fft'; accepted: a word [stft | cqt | cwt]"),
        ({"hop_length": 0}, "hop_length=0; accepted: a whole number or null [1 to 65536]"),
        ({"w0": 4}, "w0=4; accepted: a number or null [5 to 1000]"),
        ({"phase": "style"}, "phase='style'; accepted: a word [random | content]"),
    ],
)
def test_bad_values_are_refused(setting, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        TransferConfig.from_preset("milacic2020", **setting)


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(ConfigError, match=r"unknown setting 'poolin'; did you mean pooling\?"):
        TransferConfig.from_preset(poolin="max")
    with pytest.raises(ConfigError, match="unknown setting 'qqq'; accepted: preset, sr"):
        TransferConfig.from_dict({"qqq": 1})
    with pytest.raises(ConfigError, match=r"unknown preset 'milacic'; did you mean milacic2020\?"):
        TransferConfig.from_preset("milacic")


def test_settings_that_a_system_has_no_use_for():
    config = TransferConfig.from_preset("grinstein2018_texture")
    assert "channels" not in config.to_dict()
    assert "channels" not in config.describe()
    message = "grinstein2018_texture has no setting 'channels'; `nst presets grinstein2018_texture`"
    with pytest.raises(ConfigError, match=message):
        config.replace(channels=8)
    with pytest.raises(ConfigError, match="gatys2016 has no setting 'stacks'; `nst presets gatys"):
        TransferConfig.from_preset("gatys2016", stacks=2)
    with pytest.raises(ConfigError, match=r"domain='hybrid'; accepted: a word \[waveform\]"):
        config.replace(domain="hybrid")
    with pytest.raises(ConfigError, match=r"unknown setting 'step'; did you mean steps\?"):
        config.replace(step=8)


def test_every_setting_is_described():
    described = TransferConfig.describe()
    assert set(described) == set(TransferConfig().to_dict())
    assert "[max | average | none]" in described["pooling"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e8", 1e8),
        ("null", None),
        ("false", False),
        ("max", "max"),
        ("relu1,relu2", ["relu1", "relu2"]),
        ('["relu1"]', ["relu1"]),
        ("", ""),
    ],
)
def test_command_line_values(text, value):
    assert parse_value(text) == value


class Mine(TransferConfig):
    """A system of somebody's own, which says nothing of the network that it has instead."""


class TestRecordsNameWhatRan:
    @pytest.mark.parametrize("name", ["fast", "milacic2020", "antognini2019"])
    def test_a_system_of_ones_own_is_no_preset(self, name):
        message = f"preset='{name}': its settings are nst_lib.*, and these are .*Mine; use "
        with pytest.raises(ConfigError, match=message):
            Mine(preset=name)
        message = f"preset '{name}': its settings are nst_lib.*, and not .*Mine; use "
        with pytest.raises(ConfigError, match=message):
            Mine.from_preset(name)

    def test_it_has_a_name_of_its_own_and_its_class_is_recorded(self):
        fast = TransferConfig.from_preset("fast").to_dict()
        mine = Mine(**{**fast, "preset": "mine"})
        assert mine.to_dict() == {**fast, "preset": "mine", "system": f"{__name__}.Mine"}
        again = Mine.from_json(mine.to_json())
        assert (again, type(again)) == (mine, Mine)
        with pytest.raises(ConfigError, match=r"settings of .*_config.Mine, and not of nst_lib"):
            TransferConfig.from_json(mine.to_json())
        with pytest.raises(ConfigError, match=r"preset='fast': these are settings of nst_lib.*Tr"):
            Mine.from_dict(fast)

    @pytest.mark.parametrize("name", PRESETS)
    def test_a_preset_is_not_renamed_to_another(self, name):
        other = "milacic2020" if name == "fast" else "fast"
        message = f"preset='{other}': a copy of {name} cannot have the name of another preset; use "
        with pytest.raises(ConfigError, match=message):
            preset(name).config.replace(preset=other)
        with pytest.raises(ConfigError, match=message):
            TransferConfig.from_preset(name, preset=other)
        mine = preset(name).config.replace(preset="mine")
        assert type(mine).from_json(mine.to_json()) == mine

    def test_a_name_and_another_class(self):
        message = "its settings are .*Antognini2019, and these are .*TransferConfig; use "
        with pytest.raises(ConfigError, match=message):
            TransferConfig(preset="antognini2019")

    def test_a_cell_that_defines_a_system_can_be_run_again(self):
        cell = """class Ours(TransferConfig):
    pass
entry = Preset(config=Ours(preset="ours"), source="", about="")"""
        names = {"TransferConfig": TransferConfig, "Preset": Preset, "__name__": __name__}
        try:
            for _ in range(2):
                exec(cell, names)
                register(names["entry"])
                made = names["entry"].config
                assert type(TransferConfig.from_json(made.to_json())) is type(made)
        finally:
            PRESETS.pop("ours")

    def test_what_is_left_out_is_not_guessed(self):
        fast = TransferConfig.from_preset("fast").to_dict()
        del fast["steps"]
        with pytest.raises(
            ConfigError, match=r"steps is left out, and preset='fast' has 160; give"
        ):
            TransferConfig.from_dict(fast)
        older = preset("fast").config.to_dict()
        del older["texture_duration"]
        older["per_scale"] = False  # a setting of older versions, which nobody changed
        assert TransferConfig.from_dict(older) == preset("fast").config, "it could only be null"
        assert TransferConfig.from_dict({"steps": 3}) == TransferConfig(steps=3)
        with pytest.raises(ConfigError, match="per_scale is no longer a setting; leave it out"):
            TransferConfig.from_dict({**older, "per_scale": True})
