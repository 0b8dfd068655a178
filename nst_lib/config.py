"""The settings of a transfer: frozen, validated, and the same through JSON."""

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from nst_lib.base.validation import hint
from nst_lib.core.convolution import CONVOLUTIONS
from nst_lib.core.filterbank import PAD_MODES
from nst_lib.core.losses import NORMALISATIONS
from nst_lib.core.network import (
    INITS,
    ORIENTATIONS,
    PADDINGS,
    POOLINGS,
    layer_names,
    validate_layers,
)
from nst_lib.core.objective import CONTENT_TERMS, LAYER_WEIGHTS
from nst_lib.core.optimise import LINE_SEARCHES, OPTIMISERS
from nst_lib.core.transforms import C1
from nst_lib.sound.audio import LEVELS

TRANSFORMS = ("stft", "cqt", "cwt")
ENGINES = ("finite", "infinite")
STARTS = ("content", "noise")
PHASES = ("random", "content")
DEVICES = ("auto", "cpu", "cuda")
DOMAINS = ("spectrogram", "waveform", "hybrid")
PRECISIONS = ("float32", "float64")
RESULT_LEVELS = ("optimised", "style")


#: The kind of settings that each preset has, by its name; :mod:`nst_lib.systems` enters them.
KINDS: dict[str, "type[TransferConfig]"] = {}


class ConfigError(ValueError):
    """A setting that does not exist or has a value that is not accepted."""


def choice(default: str | tuple[str, ...], choices: tuple[str, ...], about: str) -> Any:
    """Declare a setting that is one of some words, or several of them."""
    return field(default=default, metadata={"choices": choices, "about": about})


def number(default: float | None, low: float, high: float, about: str) -> Any:
    """Declare a setting that is a number; annotated as ``int``, a whole one."""
    return field(default=default, metadata={"range": (low, high), "about": about})


def layers(default: tuple[str, ...], about: str) -> Any:
    """Declare a setting that names feature maps."""
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True, kw_only=True)
class TransferConfig:
    """Every setting of a transfer. The defaults are the study's, with average pooling.

    A system of another shape (:mod:`nst_lib.systems`) has a subclass with settings of its own;
    settings that it has no use for are in `UNUSED`, and keep their defaults. What is recorded is
    what runs: settings have the name of a preset only if they are of its class, and a system of
    your own has a name of its own.

    What a transfer takes where it is given none is the preset ``fast``.

    ``TransferConfig.describe()`` lists each setting with its meaning and what it accepts. A value
    that is not accepted raises :class:`ConfigError`.
    """

    UNUSED: ClassVar[frozenset[str]] = frozenset()
    #: Whether values below 0 are clipped from an optimised spectrogram before its inversion.
    CLIP: ClassVar[bool] = False

    preset: str = field(default="milacic2020", metadata={"about": "where the settings come from"})
    sr: int = number(22050, 1000, 192000, "sampling rate (Hz)")
    duration: float | None = number(
        5.0, 0.1, 600, "trim or zero-pad both recordings to this (s); null: their own lengths"
    )
    level: str = choice("off", ("off", *LEVELS), "bring both recordings to a common loudness")
    level_target: float | None = number(
        None, -60, 0, "loudness (dBFS for rms, LUFS for lufs); null: -20 dBFS or -23 LUFS"
    )
    transform: str = choice("stft", TRANSFORMS, "spectrogram that is optimised")
    n_fft: int = number(1024, 16, 65536, "STFT window and FFT length (samples)")
    hop_length: int | None = number(
        None, 1, 65536, "samples between frames; null: an eighth of n_fft (STFT), 128 (CQT, CWT)"
    )
    pad_mode: str = choice(
        "reflect", PAD_MODES, "beyond the ends of a recording: silence, or its mirror image"
    )
    n_bins: int = number(512, 1, 4096, "bins of CQT and CWT")
    bins_per_octave: int = number(64, 1, 512, "bins in an octave: the voices of the CWT")
    fmin: float = number(C1, 1, 96000, "lowest frequency of CQT and CWT (Hz); C1 by default")
    w0: float | None = number(
        None, 5, 1000, "centre over bandwidth of the CWT; null: twice bins_per_octave"
    )
    per_scale: bool = field(
        default=False, metadata={"about": "CWT: a hop for each scale, as long as loses nothing"}
    )
    residual: bool = field(
        default=False, metadata={"about": "CQT and CWT: add the bands below and above, up to all"}
    )
    scale: float = number(
        1.0,
        1e-6,
        1e6,
        "factor of CQT and CWT before the logarithm; 1: librosa's, hardly compressed",
    )
    engine: str = choice(
        "finite", ENGINES, "network with drawn weights, or its exact limit of infinite width"
    )
    orientation: str = choice("freq", ORIENTATIONS, "axis that is channels; 2d: neither")
    stacks: int = number(3, 1, 16, "stacks of convolution, batch norm, ReLU, pooling")
    channels: int = number(4096, 1, 65536, "channels of every convolution")
    kernel: int = number(11, 1, 511, "filter length (odd)")
    padding: str = choice(
        "same", PADDINGS, "of the convolutions: zeros, to as many positions as before; or none"
    )
    pooling: str = choice("average", POOLINGS, "pooling by 2 at the end of a stack")
    batch_norm: bool = field(default=True, metadata={"about": "batch norm in evaluation mode"})
    init: str = choice("milacic2020", INITS, "how weights are drawn, by source")
    convolution: str = choice(
        "direct", CONVOLUTIONS, "of the finite network; fft: faster on a CPU, 3 times the memory"
    )
    style_layers: tuple[str, ...] = layers(("relu1", "relu2"), "feature maps of the style loss")
    content_layers: tuple[str, ...] = layers(("relu3",), "feature maps of the content loss")
    alpha: float = number(1.0, 0, 1e15, "weight of the content loss")
    beta: float = number(1e8, 0, 1e15, "weight of the style loss")
    normalisation: str = choice(
        "code", NORMALISATIONS, "loss factors: of the study's code or report, or of other sources"
    )
    layer_weights: str = choice(
        "published", LAYER_WEIGHTS, "as they are, or equal shares of the loss at the start"
    )
    content_terms: tuple[str, ...] = choice(
        ("features",), CONTENT_TERMS, "what the content loss compares; features: content_layers"
    )
    content_weight: float | None = number(
        None, 0, 1, "0: all style, 1: all content; null: alpha and beta weigh instead"
    )
    domain: str = choice(
        "spectrogram",
        DOMAINS,
        "what is optimised; hybrid: the spectrogram for half of the steps, then the sound",
    )
    start: str = choice("content", STARTS, "where the optimisation starts")
    start_std: float | None = number(
        None, 1e-9, 10, "spread of noise around 0; null: the style's mean and spread"
    )
    texture_duration: float | None = number(
        None, 0.1, 600, "of a texture, without a content (s); null: the style's"
    )
    optimiser: str = choice("lbfgs", OPTIMISERS, "method")
    line_search: str = choice("none", LINE_SEARCHES, "of L-BFGS")
    learning_rate: float | None = number(
        None, 1e-9, 1e3, "step size; null: 1 for lbfgs, 0.05 for adam"
    )
    history: int = number(100, 1, 1000, "steps that L-BFGS remembers")
    steps: int = number(500, 0, 1000000, "evaluations; 0: through the transform and back")
    n_iter: int = number(32, 0, 10000, "Griffin-Lim iterations")
    momentum: float = number(0.99, 0, 0.9999, "Griffin-Lim momentum")
    phase: str = choice("random", PHASES, "phase that Griffin-Lim starts from")
    result_level: str = choice(
        "optimised", RESULT_LEVELS, "RMS of the sound: as it comes out, or the style's"
    )
    seed: int = number(0, 0, 2**32 - 1, "of weights, noise and phase")
    device: str = choice("auto", DEVICES, "where the network runs")
    precision: str = choice("float32", PRECISIONS, "of network, losses and optimisation")

    def __post_init__(self) -> None:
        for setting in dataclasses.fields(self):
            value = _coerce(setting, getattr(self, setting.name))
            object.__setattr__(self, setting.name, value)
            if setting.name in self.UNUSED and value != setting.default:
                raise ConfigError(
                    f"{setting.name}={value!r}: {self.preset} has no use for it; accepted: "
                    f"{', '.join(self.describe())}"
                )
        own, kind = _qualified(type(self)), _qualified(KINDS.get(self.preset, type(self)))
        if own != kind:  # by name: a cell that defines a class may be run again
            raise ConfigError(
                f"preset={self.preset!r}: its settings are {kind}, and these are {own}; accepted: "
                f"TransferConfig.from_preset({self.preset!r}), or a name of your own"
            )
        if self.kernel % 2 == 0:
            raise ConfigError(f"kernel={self.kernel!r}; accepted: odd numbers")
        if self.convolution == "fft" and self.orientation == "2d":
            raise ConfigError("convolution='fft' with orientation='2d'; accepted: direct")
        for name in {"style_layers", "content_layers"} - self.UNUSED:
            try:
                validate_layers(getattr(self, name), self.layer_names())
            except ValueError as error:
                raise ConfigError(f"{name}: {error}") from error
        without = set() if self.content_layers else {"features"}
        if self.content_weight and not {*self.content_terms} - without:
            raise ConfigError(
                f"content_weight={self.content_weight:g}: {self.preset} has no content loss; "
                "accepted: null, or content_layers or content_terms too"
            )

    def layer_names(self) -> tuple[str, ...]:
        """Return the names of the network's feature maps."""
        return layer_names(stacks=self.stacks, batch_norm=self.batch_norm)

    @property
    def unit(self) -> float:
        """What the optimiser takes for 1 in a spectrogram, where there is no line search."""
        return 1.0

    @property
    def weights_file(self) -> Path | None:
        """The file that weights are read from, if any: a result depends on what is in it."""
        return None

    def replace(self, **overrides: Any) -> Self:
        """Return a copy with other values for some settings; another preset is not one of them."""
        self._validate_names(overrides)
        name = overrides.get("preset", self.preset)
        if name != self.preset and name in list(KINDS):
            raise ConfigError(
                f"preset={name!r}: these settings are those of {self.preset}; accepted: "
                f"TransferConfig.from_preset({name!r}), or a name that is no preset"
            )
        return dataclasses.replace(self, **overrides)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON's types, and the class of a system that is no preset."""
        settings = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
            if name not in self.UNUSED
        }
        if self.preset not in KINDS and type(self) is not TransferConfig:
            settings["system"] = _qualified(type(self))
        return settings

    def to_json(self) -> str:
        """Return the settings as a JSON object."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "TransferConfig":
        """Return the configuration that :meth:`to_dict` wrote, of the preset's class.

        "preset" says of which class; a name that is no preset is of this one. A setting that is
        left out has its default.

        Raises
        ------
        ConfigError
            If a setting is unknown or not accepted, is left out where the preset has another value
            than the default, or if the settings are of another class.
        """
        settings = dict(settings)
        name, system = settings.get("preset", "milacic2020"), settings.pop("system", None)
        kind = KINDS.get(str(name), cls)
        if not issubclass(kind, cls) or system not in (None, _qualified(kind)):
            raise ConfigError(
                f"preset={name!r}: these are settings of {system or _qualified(kind)}, and not of "
                f"{_qualified(cls)}; accepted: from_dict of that class"
            )
        kind._validate_names(settings)
        kind._validate_complete(str(name), settings)
        return kind(**settings)

    @classmethod
    def from_json(cls, text: str) -> "TransferConfig":
        """Return the configuration that :meth:`to_json` wrote."""
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_preset(cls, name: str = "fast", **overrides: Any) -> "TransferConfig":
        """Return a preset with some settings overridden; see :mod:`nst_lib.systems.presets`.

        Raises
        ------
        ConfigError
            If there is no such preset or setting, or the preset's settings are of another class.
        """
        from nst_lib.systems.presets import preset

        config = preset(name).config
        if not isinstance(config, cls):
            raise ConfigError(
                f"preset {name!r}: its settings are {_qualified(type(config))}, and not "
                f"{_qualified(cls)}; accepted: TransferConfig.from_preset({name!r}), or "
                f"{cls.__name__}(preset='a name of your own', ...)"
            )
        return config.replace(**overrides)

    @classmethod
    def describe(cls) -> dict[str, str]:
        """Return each setting's meaning and what it accepts."""
        return {
            setting.name: f"{setting.metadata['about']}{_accepted(setting)}"
            for setting in dataclasses.fields(cls)
            if setting.name not in cls.UNUSED
        }

    @classmethod
    def _validate_complete(cls, preset: str, settings: Mapping[str, Any]) -> None:
        """Raise ConfigError where what is left out may be the default or the preset's."""
        from nst_lib.systems.presets import PRESETS

        for setting in dataclasses.fields(cls) if preset in PRESETS else ():
            value = getattr(PRESETS[preset].config, setting.name)
            if setting.name not in settings and value != setting.default:
                raise ConfigError(
                    f"{setting.name} is left out, and preset={preset!r} has {value!r}; accepted: "
                    f"all settings, or TransferConfig.from_preset({preset!r}, ...)"
                )

    @classmethod
    def _validate_names(cls, names: Iterable[str]) -> None:
        known = [setting.name for setting in dataclasses.fields(cls)]
        for name in names:
            if name not in known:
                raise ConfigError(f"unknown setting {name!r}; {hint(name, cls.describe())}")


def parse_value(text: str) -> Any:
    """Read a value from the command line: JSON, or else a word or a comma-separated list."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text.split(",") if "," in text else text


def parse_settings(settings: Iterable[str], given: Iterable[str] = ()) -> dict[str, Any]:
    """Read KEY=VALUE pairs from the command line; what is `given` already may not come again."""
    parsed: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {setting!r}; accepted: KEY=VALUE")
        if key in {*given, *parsed}:
            raise ConfigError(f"--set {setting!r}: {key} is given twice; accepted: once")
        parsed[key] = parse_value(value)
    return parsed


def _qualified(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _accepted(setting: dataclasses.Field[Any]) -> str:
    if "choices" in setting.metadata:
        return f" [{' | '.join(setting.metadata['choices'])}]"
    if "range" in setting.metadata:
        low, high = setting.metadata["range"]
        return f" [{low:g} to {high:g}]"
    return ""


def _coerce(setting: dataclasses.Field[Any], value: Any) -> Any:
    """Return `value` as the setting's type, or raise ConfigError."""
    kind = str(setting.type)
    error = ConfigError(
        f"{setting.name}={value!r}; accepted: {_words(setting)}{_accepted(setting)}"
    )
    if value is None and "None" in kind:
        return None
    if "tuple" in kind:
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
            raise error
        names = tuple(name for name in names if name)
        if not set(names) <= set(setting.metadata.get("choices", names)):
            raise error
        return names
    if "bool" in kind or "str" in kind:
        expected = bool if "bool" in kind else str
        if not isinstance(value, expected):
            raise error
        if "choices" in setting.metadata and value not in setting.metadata["choices"]:
            raise error
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise error
    low, high = setting.metadata["range"]
    if not low <= value <= high or ("int" in kind and value != int(value)):
        raise error
    return int(value) if "int" in kind else float(value)


def _words(setting: dataclasses.Field[Any]) -> str:
    kind = str(setting.type)
    if "tuple" in kind:
        return "words" if "choices" in setting.metadata else "names of feature maps"
    if "bool" in kind:
        return "true or false"
    word = "a word" if "str" in kind else "a whole number" if "int" in kind else "a number"
    return word + (" or null" if "None" in kind else "")
