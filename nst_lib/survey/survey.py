"""A listening test as it was built: its settings, its texts, its sounds.

    survey.json       settings and texts
    stimuli.csv       the key: a row for each sound, with what it is; participants never see it
    sounds/           the sounds, under names that say nothing
    sounds.sha256     their checksums, as `sha256sum --check` reads them
    answers.sqlite    participants and ratings; see :mod:`nst_lib.survey.answers`

Whoever has the folder can run the test: nothing in it depends on where it was built.
"""

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile as sf

from nst_lib.base.files import checksum, file_checksum
from nst_lib.base.validation import validate_choice
from nst_lib.survey import assignment, order, stimuli
from nst_lib.survey.blocks import Cell
from nst_lib.survey.stimuli import CATCH, SCALE, TRAINING, TRIAL, Stimulus, SurveyError

SETTINGS_FILE, STIMULI_FILE, CHECKSUMS_FILE = "survey.json", "stimuli.csv", "sounds.sha256"
SOUNDS_FOLDER, ANSWERS_FILE = "sounds", "answers.sqlite"
#: In the folder of sounds: the noise to set a level with.
LOUDNESS_FILE = "loudness.wav"
QUESTIONS = ("style", "content", "quality")
BUILT = "accepted: the file that `nst survey build` made"
#: Time to choose a rating, and for the set-up and the texts, in seconds: our estimate.
CHOICE, SETUP = 5.0, 120.0

_CHECKSUM = re.compile(rf"([0-9a-f]{{64}})  ({SOUNDS_FOLDER}/[^/]+)")
_FILE = re.compile(r"[0-9a-f]{16}\.wav")
#: Least values that are not 0.
_LEAST = {"rest_every": 1}
_TEXT = (str, "a text")
_COUNT = (int, "a whole number from 0")
_SWITCH = (bool, "true or false")
#: The settings of a survey: type, and what is accepted.
_SETTINGS: dict[str, tuple[type, str]] = {
    "title": _TEXT,
    "question": _TEXT,
    "wording": _TEXT,
    "labels": (list, "five texts"),
    "consent": _TEXT,
    "thanks": _TEXT,
    "seed": _COUNT,
    "repeats": _COUNT,
    "per_listener": (int, "a whole number from 2, or null"),
    "rest_every": (int, "a whole number from 1"),
    "headphones": _SWITCH,
    "open": _SWITCH,
    "blocks": _SWITCH,
}
#: What is not in the settings of older versions.
_OLDER = {"blocks": False}


@dataclass(frozen=True)
class Trial:
    """One sound in the order of a participant.

    Attributes
    ----------
    stimulus : Stimulus
        What is heard.
    presentation : int
        How often the participant has heard it then, in the test.
    position : int
        1, 2, ... in the test; 0 in the training.
    """

    stimulus: Stimulus
    presentation: int = 1
    position: int = 0


@dataclass(frozen=True)
class Survey:
    """Settings, texts and stimuli that were checked.

    Attributes
    ----------
    folder : Path
        Where it is.
    title : str
        What participants see above all.
    question : {"style", "content", "quality"}
        What is asked, as a word.
    wording : str
        What is asked; "{description}" stands for that of the sound.
    labels : tuple of str, length=5
        Of the ratings 1 to 5.
    consent, thanks : str
        What participants agree to, and what they read at the end; empty lines part paragraphs.
    seed : int
        Of the orders and of the headphone check.
    repeats : int
        Sounds that a participant hears twice.
    per_listener : int or None
        Different sounds that a participant hears, training and catch trials aside; None is all.
    rest_every : int
        Sounds between two pauses.
    headphones : bool
        Whether there is a check of headphones.
    open : bool
        Whether new participants are let in.
    blocks : bool
        Whether parts of the sounds are balanced over pairs and conditions, as they always are in
        what is built now.
    stimuli : tuple of Stimulus
        All sounds.
    checksums : dict of str to str or None
        Sound -> SHA-256, seen from `folder`; None where an older version built it.
    """

    folder: Path
    title: str
    question: str
    wording: str
    labels: tuple[str, ...]
    consent: str
    thanks: str
    seed: int
    repeats: int
    per_listener: int | None
    rest_every: int
    headphones: bool
    open: bool
    blocks: bool
    stimuli: tuple[Stimulus, ...]
    checksums: dict[str, str] | None = None

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> "Survey":
        """Read a survey and check it.

        Raises
        ------
        SurveyError
            If there is none, or a setting is not accepted.
        """
        folder = Path(folder)
        settings, stimuli = _read_json(folder / SETTINGS_FILE), _read_stimuli(folder)
        try:
            survey = cls.parse(settings, stimuli, folder=folder)
        except ValueError as error:
            raise SurveyError(f"{folder}: {error}") from error
        if not survey.blocks and not (folder / CHECKSUMS_FILE).exists():
            return survey
        return replace(survey, checksums=_read_checksums(folder, stimuli))

    @classmethod
    def parse(
        cls, settings: Mapping[str, Any], stimuli: Sequence[Stimulus], *, folder: Path
    ) -> "Survey":
        """Check settings and sounds, and return them as a survey.

        Parameters
        ----------
        settings : mapping of str to Any
            As in survey.json; what is no setting is left out.
        stimuli : sequence of Stimulus
            All sounds.
        folder : Path
            Where it is, or will be.

        Raises
        ------
        SurveyError
            If something is not accepted.
        """
        survey = cls(folder=folder, stimuli=tuple(stimuli), **_settings(settings))
        validate_choice(question=(survey.question, QUESTIONS))
        trials = len(survey.of(TRIAL))
        heard = trials if survey.per_listener is None else survey.per_listener
        if not 2 <= heard <= trials:
            raise SurveyError(f"per_listener {heard}; accepted: 2 to {trials}, the trials")
        if survey.repeats > heard:
            raise SurveyError(f"repeats {survey.repeats}; accepted: 0 to {heard}")
        if "{description}" in survey.wording:
            for one in survey.stimuli:
                if not one.description:
                    raise SurveyError(
                        f"item {one.item!r} has no description; accepted: one for each sound, "
                        f"because the question is {survey.wording!r}"
                    )
        return survey

    def of(self, role: str) -> tuple[Stimulus, ...]:
        """Return the sounds of a role, in order of the key."""
        return tuple(stimulus for stimulus in self.stimuli if stimulus.role == role)

    @cached_property
    def factors(self) -> tuple[str, ...]:
        """The names of the factors."""
        return tuple(self.stimuli[0].factors)

    @cached_property
    def rows(self) -> int:
        """How many different orders there are."""
        return order.rows(len(self.of(TRIAL)))

    @cached_property
    def heard(self) -> npt.NDArray[np.int64]:
        """Which trials each order has: 1 or 0, shape=(rows, trials)."""
        index = {one.item: k for k, one in enumerate(self.of(TRIAL))}
        rows = [
            [index[t.stimulus.item] for t in self.trials(r) if t.stimulus.item in index]
            for r in range(self.rows)
        ]
        return assignment.heard_by(rows, len(index))

    def trials(self, row: int) -> tuple[Trial, ...]:
        """Return all that a participant hears, training first.

        Parameters
        ----------
        row : int >= 0
            Of the participant; see :mod:`nst_lib.survey.order`.
        """
        if row not in self._orders:
            self._orders[row] = self._order(row)
        return self._orders[row]

    def words(self, stimulus: Stimulus) -> str:
        """Return what is asked of a sound."""
        return self.wording.replace("{description}", stimulus.description)

    def sound(self, file: str) -> Path:
        """Return the path of one of its sounds."""
        return self.folder / SOUNDS_FOLDER / file

    @cached_property
    def seconds(self) -> dict[str, float]:
        """How long each sound is, by its file; SurveyError if one is missing or no sound."""
        return {one.file: seconds(self.sound(one.file)) for one in self.stimuli}

    def validate_sounds(self) -> None:
        """Raise SurveyError if a sound is missing, or was changed as far as that is known."""
        _ = self.seconds
        for file, known in (self.checksums or {}).items():
            path = self.folder / file
            try:
                found = file_checksum(path)
            except OSError as error:
                raise SurveyError(f"{path}: cannot read ({error.strerror}); {BUILT}") from error
            if found != known:
                raise SurveyError(f"{path}: was changed since the test was built; {BUILT}")

    @cached_property
    def length(self) -> int:
        """How many ratings a participant gives, training aside."""
        return sum(trial.position > 0 for trial in self.trials(0))

    @cached_property
    def minutes(self) -> int:
        """About how long a participant takes."""
        trials = self.trials(0)
        seconds = SETUP + sum(self.seconds[trial.stimulus.file] + CHOICE for trial in trials)
        return math.ceil(seconds / 60)

    @cached_property
    def key(self) -> str:
        """A checksum of all that decides what a rating means: orders, sounds, what is asked."""
        covered = [
            self.question,
            self.wording,
            self.labels,
            self.seed,
            self.repeats,
            self.per_listener,
            [(one.file, one.item, one.role, one.description) for one in self.stimuli],
            *([self.blocks, self.checksums] if self.blocks else []),
        ]
        return checksum(json.dumps(covered).encode())

    @cached_property
    def _cells(self) -> list[Cell] | None:
        trials = self.of(TRIAL)
        cells = [Cell(one.pair, tuple(one.factors.values())) for one in trials]
        return cells if self.blocks else None

    @cached_property
    def _orders(self) -> dict[int, tuple[Trial, ...]]:
        return {}

    def _order(self, row: int) -> tuple[Trial, ...]:
        trials, catches = self.of(TRIAL), self.of(CATCH)
        places = order.arrange(
            len(trials),
            row,
            seed=self.seed,
            heard=self.per_listener,
            cells=self._cells,
            repeats=self.repeats,
            catches=len(catches),
        )
        test = [
            Trial((catches if place.catch else trials)[place.index], place.presentation, position)
            for position, place in enumerate(places, start=1)
        ]
        return (*map(Trial, self.of(TRAINING)), *test)


def _read_json(path: Path) -> dict[str, Any]:
    accepted = "accepted: what `nst survey build` wrote"
    try:
        raw = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SurveyError(f"{path}: cannot read ({error.strerror}); {accepted}") from error
    except ValueError as error:
        raise SurveyError(f"{path}: is not JSON ({error}); {accepted}") from error
    if not isinstance(raw, dict):
        raise SurveyError(f"{path}: holds no settings; {accepted}")
    return raw


def _settings(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a survey, each of its type."""
    settings = {}
    raw = {**_OLDER, **raw}
    for name, (kind, what) in _SETTINGS.items():
        if name not in raw:
            raise SurveyError(f"has no {name}; accepted: {what}")
        value = raw[name]
        if not _accepts(name, kind, value):
            raise SurveyError(f"{name} {value!r}; accepted: {what}")
        settings[name] = tuple(value) if kind is list else value
    return settings


def _accepts(name: str, kind: type, value: Any) -> bool:
    if kind is list:
        texts = value if isinstance(value, list | tuple) else ()
        return len(texts) == SCALE[1] and all(isinstance(t, str) and t.strip() for t in texts)
    if value is None:
        return name == "per_listener"
    if kind is str:
        return isinstance(value, str) and bool(value.strip())
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    return isinstance(value, int) and value >= _LEAST.get(name, 0)


def _read_stimuli(folder: Path) -> tuple[Stimulus, ...]:
    """Return the sounds of a survey."""
    path = folder / STIMULI_FILE
    found = tuple(stimuli.read(path))
    for one in found:
        if not _FILE.fullmatch(one.file):
            raise SurveyError(f"{path}: file {one.file!r}; accepted: 16 hex digits and .wav")
    return found


def _read_checksums(folder: Path, stimuli: Sequence[Stimulus]) -> dict[str, str]:
    """Return the checksums of all sounds."""
    path = folder / CHECKSUMS_FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise SurveyError(f"{path}: cannot read ({reason}); {BUILT}") from error
    found = {}
    for number, line in enumerate(lines, start=1):
        if not (match := _CHECKSUM.fullmatch(line)):
            raise SurveyError(f"{path}: line {number} is no checksum of a sound; {BUILT}")
        found[match[2]] = match[1]
    for one in stimuli:
        if f"{SOUNDS_FOLDER}/{one.file}" not in found:
            raise SurveyError(f"{path}: has no {SOUNDS_FOLDER}/{one.file}; {BUILT}")
    return found


def headphones_file(k: int) -> str:
    """Return the name of the sound of a headphone check."""
    return f"headphones_{k}.wav"


def seconds(path: Path) -> float:
    """Return the length of a sound.

    Raises
    ------
    SurveyError
        If it is missing or none.
    """
    try:
        return float(sf.info(path).duration)
    except (OSError, sf.LibsndfileError) as error:
        raise SurveyError(f"{path}: is missing or no sound; {BUILT}") from error
