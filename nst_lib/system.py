"""Base class of all systems: settings, view of a sound, network, loss, and trial in small.

A system is one class that inherits its groups of settings (:mod:`nst_lib.config`) and overrides
what differs. :mod:`nst_lib.systems` has one file for each system of the literature, and enters
their presets here. Presets of installed packages are found by the entry point
``nst_lib.systems``, which names a :class:`Preset` or a sequence of them.
"""

import ast
import inspect
import json
import linecache
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from pydantic import PrivateAttr, model_validator
from torch import Tensor, nn

from nst_lib.base.files import checksum
from nst_lib.base.validation import hint, setting
from nst_lib.config import (
    STARTS,
    ConfigError,
    Frames,
    Machine,
    Recordings,
    Search,
    Settings,
    Transforms,
)
from nst_lib.core.baselines import BASELINES
from nst_lib.core.blocks import Parts
from nst_lib.core.objective import Losses
from nst_lib.core.transforms import Transform
from nst_lib.sound.datasets import Clip

#: The preset of a transfer that is given no settings.
DEFAULT = "shaped"
#: The same for a texture, which has no content to put the style in order by.
DEFAULT_TEXTURE = "fast"
#: Group of entry points by which an installed package adds presets.
ENTRY_POINTS = "nst_lib.systems"
#: Longest sound of a trial, in seconds.
TRIAL_SECONDS = 2.5
#: Settings of the transform, besides the rate.
OF_TRANSFORMS = tuple(
    name for name in Transforms.model_fields if name not in Recordings.model_fields
)
#: Settings that say where the optimisation starts.
OF_STARTS = ("start", "start_std")
#: Settings of older versions, and the only value that still means what it meant.
RETIRED = {"per_scale": False}


@dataclass(frozen=True)
class Growth:
    """Factors from time and memory of a trial to those of the whole transfer.

    Attributes
    ----------
    time, memory : float
        Factors of the time and of the memory of one evaluation.
    weights : float
        Bytes of the network's weights.
    """

    time: float
    memory: float
    weights: float = 0.0


class Name(Settings):
    """The name of the preset that the settings come from."""

    preset: str = setting("own", "name of the preset that the settings come from")


class System(Machine, Search, Frames, Name):
    """A system of style transfer: settings that every transfer has, and what a system may override.

    A subclass that is no preset of this package has a `preset` name of its own: what is recorded
    is what ran.
    """

    #: Whether the class stands for all systems, as in ``TransferConfig.from_preset(name)``.
    front_door: ClassVar[bool] = False
    #: Settings that say how wide feature maps are, with the width of a trial in small.
    trial_width: ClassVar[Mapping[str, int]] = {}
    #: Parts that a caller may replace (:meth:`using`), with the settings that then say nothing.
    replaceable: ClassVar[Mapping[str, Sequence[str]]] = {
        "transform": OF_TRANSFORMS,
        "start": OF_STARTS,
    }

    _parts: dict[str, Any] = PrivateAttr(default_factory=dict)

    # What a system is made of.

    def analysis(self) -> Transform:
        """Return the transform: the caller's own, or the one that the settings describe."""
        own: Transform | None = self._parts.get("transform")
        if own is None:
            return self.make_transform()
        if self.sr is not None and own.sr != self.sr:
            raise ConfigError(
                f"your own transform has a sampling rate of {own.sr} Hz, and the recordings have "
                f"sr={self.sr}; give both the same rate"
            )
        return own

    def view(self, transform: Transform) -> Callable[[Tensor], Tensor]:
        """Return what the loss sees of a waveform; by default the transform's spectrogram."""
        return transform

    def loss(
        self, transform: Transform, *, style: Tensor | Sequence[Tensor], content: Tensor | None
    ) -> Callable[[Tensor], Losses]:
        """Return the loss of what :meth:`view` sees, on its device.

        Parameters
        ----------
        transform : Transform
            The transform that makes the spectrograms.
        style : Tensor, shape=(..., freq, time), or sequence of them
            View of the style, or of several styles at once.
        content : Tensor or None
            View of the content.
        """
        raise NotImplementedError(f"{type(self).__name__} has no loss: define its method loss")

    def loss_in_blocks(
        self, transform: Transform, *, style: Sequence[Tensor], content: Tensor | None
    ) -> Callable[[Parts], Losses] | None:
        """Return the loss of a long sound, computed in blocks; None: it is computed at once.

        Parameters
        ----------
        transform : Transform
            The transform that makes the spectrograms.
        style : sequence of Tensor, shape=(samples,)
            The styles.
        content : Tensor, shape=(samples,), or None
            The content.
        """
        return None

    def is_in_blocks(self, seconds: float) -> bool:
        """Whether the loss of recordings of a length is computed in blocks."""
        return False

    def n_weights(self, *, n_freq: int, n_frames: int) -> int:
        """Return the number of weights of the network, for views of a size."""
        return 0

    def finish(self, S: Tensor) -> Tensor:
        """Return the spectrogram to invert, made from the optimised one."""
        return S

    @property
    def unit(self) -> float:
        """The unit of a spectrogram for the optimiser, which matters without a line search."""
        return 1.0

    def files(self) -> dict[str, Path]:
        """Return the files that the result depends on, by the setting that names the file.

        A subclass with files of its own adds them to these.
        """
        start = self.own_start()
        return {"start": start} if isinstance(start, Path) else {}

    def own_start(self) -> Any:
        """Return the user's sound to start from: a path, a clip or samples; None: there is none."""
        path = None if self.start in STARTS else Path(self.start).expanduser()
        return self._parts.get("start", path)

    def validate_content(self, content: object) -> None:
        """Raise ConfigError if there is no content and the start is made of it."""
        made_of_it = self.start == "content" or self.start in BASELINES
        if content is None and made_of_it and "start" not in self._parts:
            raise ConfigError(
                f"start={self.start!r} without a content: give a content, or use start=noise to "
                "synthesise a texture"
            )

    # How to try it in small.

    def in_small(self, length: float) -> Self:
        """Return settings of a trial: shorter and narrower, otherwise the same.

        Parameters
        ----------
        length : float > 0
            Length of the recordings in seconds.
        """
        narrow = {name: min(getattr(self, name), width) for name, width in self.trial_width.items()}
        return self.replace(duration=min(length, TRIAL_SECONDS), **narrow)

    def growth(self, small: Self, *, n_freq: int, n_frames: int, longer: float) -> Growth:
        """Return the factors from a trial of `small` to the whole transfer.

        Parameters
        ----------
        small : System
            What :meth:`in_small` returned.
        n_freq, n_frames : int > 0
            Size of the trial's view.
        longer : float >= 1
            Length of the recordings over that of the trial.
        """
        few, many = (one.n_weights(n_freq=n_freq, n_frames=n_frames) for one in (small, self))
        wider = max(
            (getattr(self, name) / getattr(small, name) for name in self.trial_width), default=1.0
        )
        return Growth(
            time=longer * (many / few if few else 1.0),
            memory=longer * math.ceil(wider),
            weights=4.0 * many,
        )

    # What it runs on, and with.

    def torch_device(self) -> torch.device:
        """Return the device of the network; "auto" is CUDA where there is one."""
        available = torch.cuda.is_available()
        if self.device == "cuda" and not available:
            raise ConfigError("device='cuda': this machine has no CUDA device; accepted: auto, cpu")
        return torch.device("cuda" if available and self.device != "cpu" else "cpu")

    @property
    def n_threads(self) -> int:
        """Number of threads that PyTorch computes on: one, which is the fastest for small tensors.

        A system with large products overrides it; see :mod:`nst_lib.base.threads`.
        """
        return 1

    def using(self, **parts: Any) -> Self:
        """Return the same settings with your own parts in place of those that the settings name.

        Parameters
        ----------
        transform : Transform or None
            Makes and inverts spectrograms.
        network : nn.Module or None
            Called with a spectrogram ``(freq, time)`` and names, it returns a dict of feature maps
            ``(channels, positions)``. Its attribute `style_layers`, or else `layer_names`, names
            those of the style loss; `content_layers`, if it has any, those of the content loss.
        content_term : callable or None
            Called with the content's spectrogram and the transform, it returns a function: a
            spectrogram's distance to the content, 0 at the content and about 1 far from it.
        start : Clip, np.ndarray of shape=(samples,), or None
            The sound that the optimisation starts from.

        Raises
        ------
        ConfigError
            If the system does not take such a part.
        """
        given = {name: part for name, part in parts.items() if part is not None}
        for name in given:
            if name not in self.replaceable:
                takes = ", ".join(sorted(self.replaceable))
                raise ConfigError(f"{self.preset} takes no {name} of your own; accepted: {takes}")
        copy = self.replace()
        copy._parts = {**self._parts, **given}
        return copy

    @property
    def parts(self) -> dict[str, str]:
        """The caller's own parts by role: "module.Class", "module.function" or a clip's name."""
        return {role: _part_name(part) for role, part in self._parts.items()}

    def sources(self) -> dict[str, str | None]:
        """Return the SHA-256 of the source of the caller's own parts, and of the system's class.

        Classes and functions of this package are left out: its version says what they are. None is
        a part whose source is not known, such as a class that was typed into an interpreter.
        """
        own = {"system": type(self), **self._parts}
        return {
            role: _source(part)
            for role, part in own.items()
            if not (isinstance(part, Clip) or _part_name(part).startswith("nst_lib."))
        }

    def own_modules(self) -> list[nn.Module]:
        """Return the caller's own parts that may have weights."""
        return [part for part in self._parts.values() if isinstance(part, nn.Module)]

    # Settings to and from words.

    def replace(self, **overrides: Any) -> Self:
        """Return a copy with other values for some settings. It cannot become another preset.

        Raises
        ------
        ConfigError
            If there is no such setting, its value is not accepted, or it is a preset's name.
        """
        for name in overrides:
            self._validate_name(name, self.preset)
        name = overrides.get("preset", self.preset)
        if name != self.preset and name in PRESETS:
            raise ConfigError(
                f"preset={name!r}: a copy of {self.preset} cannot have the name of another preset; "
                f"use TransferConfig.from_preset({name!r}), or choose a name that is no preset"
            )
        copy = super().replace(**overrides)
        copy._parts = self._parts
        return copy

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON's types. If they are no preset's, add the class as "system".

        Parts of the caller's own are named in "parts", in place of the settings that they replace.
        """
        settings = super().to_dict()
        for role in self._parts:
            for name in self.replaceable[role]:
                settings.pop(name, None)
        if self._parts:
            settings["parts"] = self.parts
        if self.preset not in PRESETS and not self._is_front_door():
            settings["system"] = _qualified(type(self))
        return settings

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "System":
        """Return the settings that :meth:`to_dict` wrote, as the system that they belong to.

        "preset" says which system it is; a name that is no preset is of this class. A setting that
        is left out has its default.

        Raises
        ------
        ConfigError
            If a setting is unknown or not accepted, is left out where the preset has another value
            than the default, or if the settings are of another class.
        """
        settings = dict(settings)
        name = str(settings.get("preset", cls.model_fields["preset"].default))
        system = settings.pop("system", None)
        known = find_preset(name)
        kind = cls if known is None else type(known.config)
        if not cls._may_return(kind) or system not in (None, _qualified(kind)):
            theirs = str(system or _qualified(kind))
            raise ConfigError(
                f"preset={name!r}: these are settings of {theirs}, and not of {_qualified(cls)}; "
                f"read them with {theirs.rpartition('.')[2]}.from_dict"
            )
        parts = settings.pop("parts", {})
        if parts and (known is None or known.config.parts != parts):
            raise ConfigError(
                f"these settings were made with your own parts ({parts}), which they do not "
                "contain; use from_preset, and give the same parts to using()"
            )
        for retired, value in RETIRED.items():
            if settings.pop(retired, value) != value:
                raise ConfigError(f"{retired} is no longer a setting; leave it out")
        for setting_name in settings:
            kind._validate_name(setting_name, name)
        if known is not None and parts:
            return known.config.replace(**settings)
        if known is not None:
            known.validate_complete(settings)
        return kind(**settings)

    @classmethod
    def from_json(cls, text: str) -> "System":
        """Return the settings that :meth:`to_json` wrote."""
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_preset(cls, name: str = DEFAULT, **overrides: Any) -> "System":
        """Return a preset with some settings overridden; `nst presets` lists all.

        Raises
        ------
        ConfigError
            If there is no such preset or setting, or the preset is of another class.
        """
        config = preset(name).config
        if not cls._may_return(type(config)):
            raise ConfigError(
                f"preset {name!r}: its settings are {_qualified(type(config))}, and not "
                f"{_qualified(cls)}; use TransferConfig.from_preset({name!r}), or "
                f"{cls.__name__}(preset='a name of your own', ...)"
            )
        return config.replace(**overrides)

    @classmethod
    def _may_return(cls, kind: type) -> bool:
        """Whether this class stands for `kind`."""
        return cls._is_front_door() or issubclass(kind, cls)

    @classmethod
    def _is_front_door(cls) -> bool:
        """Whether this very class, and not one that it inherits from, stands for all systems."""
        return bool(vars(cls).get("front_door"))

    @classmethod
    def _validate_name(cls, name: str, preset: str) -> None:
        if name not in cls.model_fields:
            known = list(cls.describe())
            if any(name in type(one.config).model_fields for one in PRESETS.values()):
                raise ConfigError(
                    f"{preset} has no setting {name!r}; `nst presets {preset}` lists its settings"
                )
            raise ConfigError(f"unknown setting {name!r}; {hint(name, known)}")

    @model_validator(mode="after")
    def _named(self) -> Self:
        """Refuse the name of a preset for settings of another class."""
        known = PRESETS.get(self.preset)
        own = _qualified(type(self))
        kind = own if known is None else _qualified(type(known.config))
        if own != kind:  # by name: a cell that defines a class may be run again
            raise ValueError(
                f"preset={self.preset!r}: its settings are {kind}, and these are {own}; use "
                f"TransferConfig.from_preset({self.preset!r}), or choose a name of your own"
            )
        return self


@dataclass(frozen=True)
class Preset:
    """Settings that someone published, or that we recommend.

    Attributes
    ----------
    config : System
        The settings; ``config.preset`` is the name of the preset.
    source : str
        Where they come from.
    about : str
        What the system does, in a sentence or two.
    exact, ours : str
        What is as published, and what is our choice, where the source leaves it open.
    """

    config: System
    source: str
    about: str
    exact: str = ""
    ours: str = ""

    @property
    def name(self) -> str:
        """Name of the preset."""
        return self.config.preset

    def validate_complete(self, settings: Mapping[str, Any]) -> None:
        """Raise ConfigError if a setting is left out whose value here is not the default."""
        for name, field in type(self.config).model_fields.items():
            value = getattr(self.config, name)
            if name not in settings and value != field.default:
                raise ConfigError(
                    f"{name} is left out, and preset={self.name!r} has {value!r}; give all "
                    f"settings, or use TransferConfig.from_preset({self.name!r}, ...)"
                )


#: Presets by name: those of this package, and those of installed packages once they are asked for.
PRESETS: dict[str, Preset] = {}


def register(presets: Preset | Iterable[Preset]) -> None:
    """Add one or several presets to `PRESETS`, by name.

    Raises
    ------
    ConfigError
        If a preset of another class has the same name.
    """
    for entry in [presets] if isinstance(presets, Preset) else presets:
        known = PRESETS.get(entry.name)
        if known and _qualified(type(known.config)) != _qualified(type(entry.config)):
            raise ConfigError(
                f"preset {entry.name!r} exists already, with settings of "
                f"{_qualified(type(known.config))}; choose another name"
            )
        PRESETS[entry.name] = entry


def installed_presets() -> dict[str, Preset]:
    """Return all presets, with those that installed packages add."""
    for point in entry_points(group=ENTRY_POINTS):
        try:
            register(point.load())
        except Exception as error:  # from a package of somebody else
            raise ConfigError(
                f"entry point {point.name} ({point.value}) cannot add its presets: {error}; repair "
                "or remove that package"
            ) from error
    return PRESETS


def find_preset(name: str) -> Preset | None:
    """Return a preset by name, or None."""
    return PRESETS.get(name) or installed_presets().get(name)


def preset(name: str) -> Preset:
    """Return a preset by name.

    Raises
    ------
    ConfigError
        If there is no preset of this name; the message names the nearest.
    """
    found = find_preset(name)
    if found is None:
        raise ConfigError(f"unknown preset {name!r}; {hint(str(name), PRESETS)}")
    return found


def default_preset(content: object) -> str:
    """Return the name of the preset for a transfer that is given no settings."""
    return DEFAULT_TEXTURE if content is None else DEFAULT


def _part_name(part: Any) -> str:
    """Return what a record says about a part of the caller's own."""
    if isinstance(part, Clip):
        return part.name
    return _qualified(part if hasattr(part, "__qualname__") else type(part))


def _source(part: Any) -> str | None:
    """Return the SHA-256 of the source of a class, of a function, or of an object's class."""
    kind = part if hasattr(part, "__qualname__") else type(part)
    try:
        return checksum(inspect.getsource(kind).encode())
    except (OSError, TypeError):
        source = _source_in_cell(kind)
        return None if source is None else checksum(source.encode())


def _source_in_cell(kind: Any) -> str | None:
    """Return the source of a class that was defined in a cell of a notebook, or None.

    `inspect` looks for a class in the file of its module, and a notebook has none. The functions of
    the class know their cell.
    """
    for method in vars(kind).values():
        if inspect.isfunction(method):
            cell = "".join(linecache.getlines(method.__code__.co_filename))
            for node in ast.walk(ast.parse(cell)):
                if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
                    return ast.get_source_segment(cell, node)
    return None


def _qualified(kind: Any) -> str:
    """Return the full name of a class or a function."""
    return f"{kind.__module__}.{kind.__qualname__}"
