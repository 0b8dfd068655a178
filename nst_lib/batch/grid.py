"""Read the grid of an experiment from a YAML file, check it, and list its conditions.

    title: Two poolings                  # title of the gallery; default: file name and factors
    dataset: esc50                       # or synthetic, or a folder (relative to this file)
    pairs: [[snoring, hand_saw]]         # style, content: categories, clips or paths
    factors: {pooling: [max, average]}   # settings that vary, in all combinations
    settings: {preset: milacic2020}      # settings that are the same in all conditions
    seeds: [0]

A category means one clip of this category, the same one as in the lessons. Relative paths start in
the folder of the file, also those of the settings `weights` and `start`. The file is YAML 1.2:
``off`` is a word, and ``1e-3`` is a number.
"""

import itertools
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import yaml
from annotated_types import Len
from pydantic import model_validator

from nst_lib.base import files
from nst_lib.base.validation import Model, hint, setting
from nst_lib.config import ConfigError
from nst_lib.features import TransferConfig
from nst_lib.sound.datasets import Clip, Dataset, RecordedClip, SyntheticClip, open_dataset
from nst_lib.system import DEFAULT, System

#: The settings with their own parameter of the notebook. The others are in its `settings`.
_PARAMETERS = ("preset", "transform", "pooling", "channels", "steps", "seed")


class GridError(ValueError):
    """A grid cannot be run. The message names the file, the fault, and what is accepted."""


@dataclass(frozen=True)
class Condition:
    """One cell of the grid, for one pair and one seed. It gives one sound.

    Attributes
    ----------
    style, content : str
        Keys of `Grid.clips`, as written in the grid.
    factors : dict of str to Any
        Factor -> value in this condition.
    config : System
        All settings, with the seed.
    """

    style: str
    content: str
    factors: dict[str, Any]
    config: System

    @property
    def slug(self) -> str:
        """A short description that can be part of a file name."""
        values = [word(value) for value in self.factors.values()]
        words = [Path(self.style).stem, Path(self.content).stem, *values, str(self.config.seed)]
        return "-".join(re.sub(r"[^A-Za-z0-9._]+", "_", word) for word in words)[:80]

    def parameters(self) -> dict[str, Any]:
        """Return the settings as parameters of the notebook."""
        config = self.config.to_dict()
        standard = TransferConfig.from_preset(self.config.preset).to_dict()
        named = {name: config[name] for name in _PARAMETERS if name in config}
        others = {
            name: value
            for name, value in config.items()
            if name not in named and value != standard[name]
        }
        return {**named, "settings": json.dumps(others)}


@dataclass(frozen=True)
class Grid:
    """An experiment: each pair with each combination of the factors and each seed.

    Attributes
    ----------
    name : str
        Name of the file, without ".yaml".
    title : str
        Title for readers.
    dataset : str
        The dataset, for :func:`nst_lib.sound.datasets.open_dataset`; paths are absolute.
    simulated : bool
        Whether clips are simulated.
    clips : dict of str to Clip
        Key, as written in the pairs -> clip.
    pairs : list of (str, str)
        Keys of style and content.
    factors : dict of str to list
        Setting -> values.
    seeds : list of int
        Seeds of the random weights, the noise and the phase.
    conditions : list of Condition
        All conditions, in the order of pairs, then factors, then seeds.
    """

    name: str
    title: str
    dataset: str
    simulated: bool
    clips: dict[str, Clip]
    pairs: list[tuple[str, str]]
    factors: dict[str, list[Any]]
    seeds: list[int]
    conditions: list[Condition]


def read_grid(path: str | os.PathLike[str], overrides: Mapping[str, Any] | None = None) -> Grid:
    """Read and check a grid.

    Parameters
    ----------
    path : path
        A YAML file; see the docstring of the module.
    overrides : mapping of str to Any or None
        Settings that replace those in the file. Relative paths in them start in the current folder.

    Raises
    ------
    GridError
        If something in the file is unknown or not accepted.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise GridError(f"{path}: cannot read ({reason}); choose a YAML file") from error
    try:
        raw = yaml.load(text, Loader=_Loader)
        return parse_grid(raw, name=path.stem, folder=path.parent, overrides=overrides)
    except yaml.YAMLError as error:
        raise GridError(f"{path}: is not YAML: {' '.join(str(error).split())}") from error
    except ValueError as error:
        raise GridError(f"{path}: {error}") from error


def parse_grid(
    raw: Any, *, name: str, folder: Path = Path(), overrides: Mapping[str, Any] | None = None
) -> Grid:
    """Return the grid that the content of a YAML file describes.

    Parameters
    ----------
    raw : dict
        "title", "dataset", "pairs", "factors", "settings", "seeds". Only "pairs" is required.
    name : str
        The name of the grid.
    folder : Path
        The folder in which relative paths start.
    overrides : mapping of str to Any or None
        Settings that replace those in `raw`. Relative paths in them start in the current folder.

    Raises
    ------
    ValueError
        If something in `raw` is unknown or not accepted.
    """
    given = _GridFile.read(raw)
    dataset, location = _dataset(given.dataset, folder)
    pairs = [(style, content) for style, content in given.pairs]
    clips = {key: find_clip(key, dataset, folder) for pair in pairs for key in pair}
    settings = {**given.settings, **(overrides or {})}
    factors, seeds = given.factors, given.seeds
    _validate_factors(factors, settings)
    conditions = []
    for (style, content), values, seed in itertools.product(
        pairs, itertools.product(*factors.values()), seeds
    ):
        chosen = dict(zip(factors, values, strict=True))
        config = _config({**settings, **chosen, "seed": seed}, folder, overrides or {})
        conditions.append(Condition(style=style, content=content, factors=chosen, config=config))
    return Grid(
        name=name,
        title=given.title.strip() if given.title else _title(name, factors),
        dataset=location,
        simulated=any(isinstance(clip, SyntheticClip) for clip in clips.values()),
        clips=clips,
        pairs=pairs,
        factors=factors,
        seeds=seeds,
        conditions=conditions,
    )


def find_clip(key: str, dataset: Dataset, folder: Path = Path()) -> Clip:
    """Return the clip for a category, the name of a clip, or a path.

    Raises
    ------
    GridError
        If there is no such clip. The message gives the nearest name.
    """
    if key in dataset.categories:
        return dataset.choose(key)
    names = {clip.name for clip in dataset}
    if key.removesuffix(".wav") in names:
        clip: Clip = dataset[key]
        return clip
    path = folder / key
    if path.is_file():
        return RecordedClip(
            name=key,
            category="",
            fold=1,
            licence="licence not stated",
            attribution=path.name,
            path=path.resolve(),
        )
    known = [*dataset.categories, *sorted(names)] if "/" not in key else []
    near = hint(key, known) if known else "accepted: a category, a clip or a file"
    raise GridError(f"unknown clip {key!r}; {near}")


def checksum(clip: Clip) -> str:
    """Return the checksum of a clip: of its file or, if it is simulated, of its name.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    if isinstance(clip, RecordedClip):
        return files.file_checksum(clip.path)
    return files.checksum(clip.name.encode())


def checksums(grid: Grid) -> dict[str, str]:
    """Return the checksums of all clips (by key) and of all files in settings (by path).

    Raises
    ------
    OSError
        If a file cannot be read.
    """
    sums = {key: checksum(clip) for key, clip in grid.clips.items()}
    for path in {path for one in grid.conditions for path in one.config.files().values()}:
        sums[str(path)] = files.file_checksum(path)
    return sums


def word(value: Any) -> str:
    """Return the value of a setting in words. The text is never empty."""
    if isinstance(value, list):
        return "+".join(map(str, value)) or "none"
    if value is None:
        return "none"
    return (value if isinstance(value, str) else json.dumps(value)) or "none"


def identify(condition: Condition, grid: Grid, checksums: Mapping[str, str], *code: str) -> str:
    """Return the name of a condition's folder: its slug, and a hash of all that it depends on.

    Parameters
    ----------
    condition : Condition
        The condition.
    grid : Grid
        The grid of the condition.
    checksums : mapping of str to str
        The result of :func:`checksums`.
    *code : str
        The version of the library and the checksum of the notebook.
    """
    sounds = [
        (grid.clips[key].name, checksums[key]) for key in (condition.style, condition.content)
    ]
    settings = condition.config.to_dict()
    for name, path in condition.config.files().items():
        settings[name] = checksums[str(path)]
    if condition.config.sources():  # of a system or of parts that an installed package adds
        settings["sources"] = condition.config.sources()
    covered = json.dumps([settings, sounds, code], sort_keys=True)
    return f"{condition.slug}-{files.checksum(covered.encode())[:10]}"


class _GridFile(Model):
    """The keys of a grid, with their types."""

    Error: ClassVar[type[ValueError]] = GridError
    noun: ClassVar[str] = "key"

    title: str | None = setting(None, "title of the page", words="some words", pattern=r"\S")
    dataset: str = setting("auto", "data set", words="esc50, synthetic or a folder")
    pairs: list[Annotated[list[str], Len(2, 2)]] = setting(
        ..., "style and content", words="a list of one or more [style, content]", min_length=1
    )
    factors: dict[str, Annotated[list[Any], Len(1)]] = setting(
        {}, "settings that vary", words="a mapping of settings to lists of one or more values"
    )
    settings: dict[str, Any] = setting({}, "settings of all", words="a mapping of settings")
    seeds: list[Any] = setting(
        [0], "seeds", words="a list of one or more whole numbers", min_length=1
    )

    @classmethod
    def read(cls, raw: Any) -> Self:
        """Return the keys of a mapping; a key without a value is one that is left out."""
        if not isinstance(raw, dict):
            given = "nothing" if raw is None else repr(raw)
            raise GridError(f"holds {given}; accepted: a mapping of {', '.join(cls.model_fields)}")
        return cls(**{str(key): value for key, value in raw.items() if value is not None})

    @model_validator(mode="after")
    def _once(self) -> Self:
        lists = {"pairs": self.pairs, "seeds": self.seeds}
        for name, values in {**lists, **self.factors}.items():
            for n, item in enumerate(values):
                if item in values[:n]:
                    raise ValueError(f"{name}: {item!r} comes twice; name it once")
        return self


def _dataset(location: str, folder: Path) -> tuple[Dataset, str]:
    """Return a data set, and what opens it from any folder."""
    if location not in ("auto", "esc50", "synthetic"):
        location = str((folder / location).resolve())
    dataset = open_dataset(location)
    root = getattr(dataset, "root", None)
    return dataset, "synthetic" if root is None else str(Path(root).resolve())


def _title(name: str, factors: Mapping[str, Any]) -> str:
    """Return the title of a grid that has none: its name and what varies."""
    return f"{name}: {' by '.join(factors)}".removesuffix(": ").replace("_", " ")


def _validate_factors(factors: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Raise GridError if a factor is a setting too, or if either is the seed."""
    for name in factors:
        if name in settings:
            raise GridError(f"{name} is both a factor and a setting: keep one of them")
    if "seed" in {**factors, **settings}:
        raise GridError("seed is neither a factor nor a setting; accepted: seeds: [0, 1, ...]")


def _config(settings: dict[str, Any], folder: Path, overrides: Mapping[str, Any]) -> System:
    """Return the settings of a condition; files in them start in the grid's folder."""
    preset = settings.pop("preset", DEFAULT)
    if not isinstance(preset, str):
        raise ConfigError(f"preset {preset!r}; accepted: a name")
    config = TransferConfig.from_preset(preset, **settings)
    for name, file in config.files().items():
        path = (file if name in overrides else folder / file).resolve()
        if not path.is_file():
            raise ConfigError(f"{name}={settings[name]!r}: there is no file {path}")
        config = config.replace(**{name: str(path)})
    return config


class _Loader(yaml.SafeLoader):
    """Loader of YAML 1.2, in which ``off`` is a word and ``1e-3`` is a number."""


_Loader.yaml_implicit_resolvers = {
    first: [rule for rule in rules if not rule[0].endswith((":bool", ":float"))]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?$"),
    list("-+.0123456789"),
)
