"""Datasets of clips with a category, a fold and a name: ESC-50, folders, and synthetic clips.

ESC-50: K. J. Piczak, "ESC: Dataset for Environmental Sound Classification", ACM Multimedia 2015.
It has five-second clips at 44.1 kHz in 50 categories and five folds. The files are named
FOLD-SOURCE-TAKE-TARGET.wav.
"""

import csv
import difflib
import io
import os
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nst_lib.sound import audio
from nst_lib.sound.audio import Audio, read, validate
from nst_lib.sound.decoding import Warn, probe

#: The five pairs of categories in the study: (style, content).
STUDY_PAIRS = (
    ("snoring", "hand_saw"),
    ("hen", "car_horn"),
    ("toilet_flush", "chainsaw"),
    ("frog", "keyboard_typing"),
    ("water_drops", "clapping"),
)
#: File endings of recordings, in a folder that is not a copy of ESC-50.
AUDIO_SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".wma", ".webm"),
    *(".aiff", ".aif", ".caf"),
)
#: The environment variable that holds the path of an ESC-50 folder.
ESC50_VARIABLE = "NST_ESC50"

_LICENCE_LINE = re.compile(r"^\W*(\S+\.wav)\W+(.+?)\s*\[([^\[\]]+)\]\s*$", re.MULTILINE)
_DATASET_LICENCE = "CC BY-NC 3.0"
_COLUMNS = ("filename", "fold", "category")


@dataclass(frozen=True)
class Clip(ABC):
    """One recording of a dataset.

    Attributes
    ----------
    name : str
        The name of the clip, unique in its dataset.
    category : str
        What is heard, for example "hand_saw".
    fold : int >= 1
        Cross-validation fold. Clips that were cut from one source are in the same fold.
    licence, attribution : str
        The terms of use, and whom to credit.
    """

    name: str
    category: str
    fold: int
    licence: str
    attribution: str

    @abstractmethod
    def load(
        self,
        *,
        sr: int = 22050,
        duration: float | None = 5.0,
        min_samples: int = 1,
        warn: Warn = audio.warn,
        mono: bool = True,
    ) -> Audio:
        """Return the sound, float32, trimmed or padded to `duration` seconds at `sr` Hz.

        The shape is ``(samples,)``, or ``(channels, samples)`` if `mono` is false and the clip has
        several channels.
        """

    @property
    @abstractmethod
    def sr(self) -> int:
        """The sampling rate of the clip itself, in Hz."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """The number of channels of the clip itself."""


@dataclass(frozen=True)
class RecordedClip(Clip):
    """A clip in a file."""

    path: Path

    def load(
        self,
        *,
        sr: int = 22050,
        duration: float | None = 5.0,
        min_samples: int = 1,
        warn: Warn = audio.warn,
        mono: bool = True,
    ) -> Audio:
        """Return the recording; see :func:`nst_lib.sound.audio.read`."""
        return read(
            self.path, sr=sr, duration=duration, min_samples=min_samples, warn=warn, mono=mono
        )

    @property
    def sr(self) -> int:
        """The sampling rate of the file, in Hz."""
        return probe(self.path).sr

    @property
    def channels(self) -> int:
        """The number of channels of the file."""
        return probe(self.path).channels


@dataclass(frozen=True)
class SyntheticClip(Clip):
    """A procedural clip; see :func:`nst_lib.sound.synth.synthesise`."""

    seed: int

    def load(
        self,
        *,
        sr: int = 22050,
        duration: float | None = 5.0,
        min_samples: int = 1,
        warn: Warn = audio.warn,
        mono: bool = True,
    ) -> Audio:
        """Return the sound in one channel. A `duration` of None means 5 s; `warn` is not called."""
        from nst_lib.sound.synth import synthesise

        seconds = 5.0 if duration is None else duration
        y = synthesise(self.category, seed=self.seed, sr=sr, duration=seconds)
        return validate(y, name=self.name, min_samples=min_samples)

    @property
    def sr(self) -> int:
        """22050 Hz. Clips can be simulated at any other rate too."""
        return 22050

    @property
    def channels(self) -> int:
        """One channel."""
        return 1


@dataclass(frozen=True)
class Pair:
    """A style clip, and the content clip that takes on its style."""

    style: Clip
    content: Clip


class Dataset(Sequence[Clip]):
    """Clips sorted by name. The index is a number or a name (with or without ``.wav``)."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._clips = tuple(sorted(clips, key=lambda clip: clip.name))
        self._by_name = {clip.name: clip for clip in self._clips}

    def __len__(self) -> int:
        return len(self._clips)

    def __iter__(self) -> Iterator[Clip]:
        return iter(self._clips)

    def __getitem__(self, key):  # type: ignore[no-untyped-def]
        """Return the clip with this name or position, or a slice of clips."""
        if not isinstance(key, str):
            return self._clips[key]
        name = key.removesuffix(".wav")
        if name not in self._by_name:
            near = difflib.get_close_matches(name, self._by_name, n=3, cutoff=0.4)
            hint = f"; nearest: {', '.join(near)}" if near else ""
            raise KeyError(f"no clip {key!r} among {len(self)} clips{hint}")
        return self._by_name[name]

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories of the clips, sorted by name."""
        return tuple(sorted({clip.category for clip in self}))

    @property
    def folds(self) -> tuple[int, ...]:
        """The folds of the clips, sorted."""
        return tuple(sorted({clip.fold for clip in self}))

    def clips(self, *, category: str | None = None, fold: int | None = None) -> tuple[Clip, ...]:
        """Return the clips of one category, of one fold, or of both.

        Raises
        ------
        ValueError
            If the dataset has no clip of this category or fold.
        """
        if category is not None and category not in self.categories:
            raise ValueError(f"category {category!r}; accepted: {', '.join(self.categories)}")
        if fold is not None and fold not in self.folds:
            raise ValueError(f"fold {fold!r}; accepted: {', '.join(map(str, self.folds))}")
        return tuple(
            clip for clip in self if category in (None, clip.category) and fold in (None, clip.fold)
        )

    def choose(self, category: str, *, seed: int = 0) -> Clip:
        """Draw a clip of `category` with `seed`. The same seed always gives the same clip."""
        clips = self.clips(category=category)
        return clips[np.random.default_rng([seed, *category.encode()]).integers(len(clips))]

    def pairs(self, *, seed: int = 0) -> tuple[Pair, ...]:
        """Return the five pairs of the study. The clip of each category is drawn with `seed`."""
        return tuple(
            Pair(style=self.choose(style, seed=seed), content=self.choose(content, seed=seed))
            for style, content in STUDY_PAIRS
        )


class ESC50(Dataset):
    """A copy of ESC-50, or any part of it, with the folders and files of the original.

    Parameters
    ----------
    root : path
        The folder with ``meta/esc50.csv``, ``audio/`` and ``LICENSE``. Clips that are in the table
        but not in the folder are left out.

    Raises
    ------
    ValueError
        If the folder does not have the files of ESC-50 or holds none of its clips, or if a row of
        the table is not valid.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        root = Path(root)
        table = root / "meta" / "esc50.csv"
        if not root.is_dir():
            raise ValueError(
                f"{root}: no such folder; accepted: a folder of recordings, the folder of an "
                "ESC-50 copy, or one of auto, esc50, synthetic"
            )
        for needed in (table, root / "audio"):
            if not needed.exists():
                raise ValueError(
                    f"{root}: has no {needed.relative_to(root)}; choose the folder of an "
                    "ESC-50 copy, which holds meta/esc50.csv and audio/"
                )
        credits = _credits(root / "LICENSE")
        clips = [_clip(root, row, credits) for row in _rows(table)]
        present = [clip for clip in clips if clip.path.is_file()]
        if not present:
            raise ValueError(f"{root}: audio/ holds none of the {len(clips)} clips in {table.name}")
        super().__init__(present)
        self.root = root


class Folder(Dataset):
    """A folder of recordings about which nothing is known but their names.

    Parameters
    ----------
    root : path
        A folder with audio files. The category of a file in a subfolder is the name of the
        subfolder. The category of a file in `root` itself is the name of the file. If two
        subfolders hold files of the same name, the category is put before the name: "kick-01" and
        "snare-01".

    Raises
    ------
    ValueError
        If there is no audio file, or if two files would have the same name.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        root = Path(root)
        paths = sorted(
            path
            for pattern in ("*", "*/*")
            for path in root.glob(pattern)
            if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file()
        )
        if not paths:
            raise ValueError(
                f"{root}: holds no recordings; choose a folder of audio files "
                f"({', '.join(AUDIO_SUFFIXES)}) or an ESC-50 copy"
            )
        stems = Counter(path.stem for path in paths)
        clips: dict[str, RecordedClip] = {}
        for path in paths:
            alone = path.parent == root
            category = path.stem if alone else path.parent.name
            name = path.stem if alone or stems[path.stem] == 1 else f"{category}-{path.stem}"
            where = path.relative_to(root)
            if name in clips:
                raise ValueError(
                    f"{root}: {clips[name].attribution} and {where} have the same name {name}: "
                    "rename one of them"
                )
            clips[name] = RecordedClip(
                name=name,
                category=category,
                fold=1,
                licence="licence not stated",
                attribution=str(where),
                path=path,
            )
        super().__init__([*clips.values()])
        self.root = root


class Synthetic(Dataset):
    """Simulated clips of the ten categories in the study. They need no files.

    Parameters
    ----------
    takes : int > 0
        Number of clips of each category, named ``CATEGORY-TAKE``. The fold of a clip follows from
        its take, as the fold of an ESC-50 clip follows from its source.
    seed : int
        Seed of the first take; each further take has the next seed.
    """

    def __init__(self, *, takes: int = 4, seed: int = 0) -> None:
        if takes < 1:
            raise ValueError(f"takes {takes!r}; accepted: 1 or more")
        from nst_lib.sound.synth import CATEGORIES

        super().__init__(
            [
                SyntheticClip(
                    name=f"{category}-{take}",
                    category=category,
                    fold=take % 5 + 1,
                    licence="MIT",
                    attribution="simulated by nst_lib",
                    seed=seed + take,
                )
                for category in CATEGORIES
                for take in range(takes)
            ]
        )


def open_dataset(name: str | os.PathLike[str] = "auto") -> Dataset:
    """Open a dataset by name.

    Parameters
    ----------
    name : {"auto", "synthetic", "esc50"} or path
        "esc50" is the folder in the environment variable NST_ESC50 or, if that is not set, the
        folder that ``nst data download`` made. "auto" is the folder in NST_ESC50 or, if that is
        not set, the synthetic clips. Any other text is the path of an ESC-50 copy or of a folder
        of recordings.

    Raises
    ------
    ValueError
        If the dataset does not exist.
    """
    folder = os.environ.get(ESC50_VARIABLE)
    if name == "synthetic" or (name == "auto" and not folder):
        return Synthetic()
    if name not in ("auto", "esc50"):
        plain = Path(name).is_dir() and not (Path(name) / "meta").exists()
        return Folder(name) if plain else ESC50(name)
    if folder:
        return ESC50(folder)
    from nst_lib.sound.download import default_root

    if not default_root().is_dir():
        raise ValueError(
            f"ESC-50 was not found: set {ESC50_VARIABLE} to its folder, or run `nst data download`"
        )
    return ESC50(default_root())


def chosen(clips: Dataset, *, content: str = "", style: str = "") -> dict[str, Clip | Path]:
    """Return the two recordings of a transfer by their roles, "content" and "style".

    Parameters
    ----------
    clips : Dataset
        The dataset with the clips.
    content, style : str
        The path of a file, or the name of a clip. With "", it is that of the study's first pair.

    Raises
    ------
    ValueError
        If there is no such file and no such clip, or if a folder without the study's pairs would
        have to choose.
    """
    found: dict[str, Clip | Path] = {}
    for role, name in {"content": content, "style": style}.items():
        if not name and isinstance(clips, Folder):
            raise ValueError(f"{clips.root} is not ESC-50: set content and style")
        path = Path(name)
        if not name:
            found[role] = getattr(clips.pairs()[0], role)
        elif path.is_file():
            found[role] = path
        else:
            try:
                found[role] = clips[name]
            except KeyError as error:
                where = f"no file {path.name} in {path.resolve().parent}"
                raise ValueError(f"{role}: {where}, and {error.args[0]}") from None
    return found


def credit(recording: Clip | Path) -> str:
    """Return in one line what a recording is, whom to credit, and the terms of use."""
    if isinstance(recording, Path):
        return str(recording)
    origin = "simulated" if isinstance(recording, SyntheticClip) else "recorded"
    heard = recording.category.replace("_", " ")
    return f"{heard} ({recording.name}, {origin}), {recording.attribution} [{recording.licence}]"


def _rows(table: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of ESC-50's table. Raise ValueError at the first row that is not valid."""
    data = table.read_bytes()
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{table}: line {line}: byte {data[error.start]:#x}; accepted: UTF-8"
        ) from error
    rows = csv.DictReader(io.StringIO(text, newline=""))
    missing = set(_COLUMNS) - set(rows.fieldnames or ())
    if missing:
        raise ValueError(f"{table}: has no column {', '.join(sorted(missing))}")
    for row in rows:
        where, fold = f"{table}: line {rows.line_num}", row["fold"]
        for name in _COLUMNS:
            if not row[name]:
                raise ValueError(f"{where}: has no {name}; a row needs {', '.join(_COLUMNS)}")
        if not fold.strip().isdecimal() or int(fold) < 1:
            raise ValueError(f"{where}: fold {fold!r}; accepted: a whole number from 1")
        yield row


def _clip(root: Path, row: dict[str, str], credits: dict[str, tuple[str, str]]) -> RecordedClip:
    licence, attribution = credits.get(
        row["filename"], (_DATASET_LICENCE, "ESC-50 (K. J. Piczak, 2015)")
    )
    return RecordedClip(
        name=row["filename"].removesuffix(".wav"),
        category=row["category"],
        fold=int(row["fold"]),
        licence=licence,
        attribution=attribution,
        path=root / "audio" / row["filename"],
    )


def _credits(path: Path) -> dict[str, tuple[str, str]]:
    """Read ESC-50's LICENSE: file name -> (licence, attribution)."""
    if not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8", errors="replace")
    return {name: (licence, credit) for name, credit, licence in _LICENCE_LINE.findall(text)}
