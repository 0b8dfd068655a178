"""A listening test as it was built: its settings, texts and sounds.

The folder of a survey contains:

    survey.json       settings and texts
    stimuli.csv       the key: one row for each sound; participants never see it
    sounds/           the sounds, under names that tell nothing about them
    sounds.sha256     checksums of the sounds, in the format of `sha256sum --check`
    answers.sqlite    participants and ratings; see :mod:`nst_lib.survey.answers`

The folder is all that is needed to run the test, and it may be moved to another machine.
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

from nst_lib.base.files import checksum
from nst_lib.survey import assignment, files, order, stimuli
from nst_lib.survey.blocks import Cell
from nst_lib.survey.files import CHECKSUMS_FILE, SETTINGS_FILE, SOUNDS_FOLDER, STIMULI_FILE
from nst_lib.survey.settings import SurveySettings, read_json
from nst_lib.survey.stimuli import CATCH, TRAINING, TRIAL, Stimulus, SurveyError

#: Our estimates, in seconds: the time to choose a rating; the time to read the texts and set up.
CHOICE, SETUP = 5.0, 120.0

_SOUND_FILE = re.compile(r"[0-9a-f]{16}\.wav")


@dataclass(frozen=True)
class Trial:
    """One sound in the order of a participant.

    Attributes
    ----------
    stimulus : Stimulus
        The sound.
    presentation : int
        1 if the participant hears the sound for the first time in the test, 2 if it is a repeat.
    position : int
        1, 2, ... in the test; 0 in the training.
    """

    stimulus: Stimulus
    presentation: int = 1
    position: int = 0


@dataclass(frozen=True)
class Survey:
    """A survey whose settings and stimuli have been checked.

    Attributes
    ----------
    folder : Path
        The folder of the survey.
    settings : SurveySettings
        Settings and texts.
    stimuli : tuple of Stimulus
        All sounds.
    checksums : dict of str to str or None
        Sound file, relative to `folder` -> SHA-256; None if an older version built the survey.
    """

    folder: Path
    settings: SurveySettings
    stimuli: tuple[Stimulus, ...]
    checksums: dict[str, str] | None = None

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> "Survey":
        """Read a survey and check it.

        Raises
        ------
        SurveyError
            If the folder has no survey, or a setting is not accepted.
        """
        folder = Path(folder)
        settings, found = read_json(folder / SETTINGS_FILE), _read_stimuli(folder)
        try:
            survey = cls.parse(settings, found, folder=folder)
        except ValueError as error:
            raise SurveyError(f"{folder}: {error}") from error
        if not survey.settings.blocks and not (folder / CHECKSUMS_FILE).exists():
            return survey
        return replace(survey, checksums=files.read_checksums(folder, found))

    @classmethod
    def parse(
        cls, settings: Mapping[str, Any], stimuli: Sequence[Stimulus], *, folder: Path
    ) -> "Survey":
        """Check settings and sounds, and return them as a survey.

        Parameters
        ----------
        settings : mapping of str to Any
            The content of survey.json. Keys that are no settings are ignored.
        stimuli : sequence of Stimulus
            All sounds.
        folder : Path
            The folder of the survey; it need not exist.

        Raises
        ------
        SurveyError
            If a value is not accepted.
        """
        survey = cls(folder, SurveySettings.of(settings), tuple(stimuli))
        given = survey.settings
        trials = len(survey.of(TRIAL))
        heard = trials if given.per_listener is None else given.per_listener
        if not 2 <= heard <= trials:
            raise SurveyError(
                f"per_listener={heard}; accepted: 2 to {trials}, the number of trials"
            )
        if given.repeats > heard:
            raise SurveyError(
                f"repeats={given.repeats}; accepted: 0 to {heard}, the number of trials that a "
                "participant hears"
            )
        if "{description}" in given.wording:
            for one in survey.stimuli:
                if not one.description:
                    raise SurveyError(
                        f"item {one.item!r} has no description; give each sound one, because the "
                        f"question is {given.wording!r}"
                    )
        return survey

    def of(self, role: str) -> tuple[Stimulus, ...]:
        """Return the sounds with a role, in the order of the key."""
        return tuple(stimulus for stimulus in self.stimuli if stimulus.role == role)

    @cached_property
    def factors(self) -> tuple[str, ...]:
        """The names of the factors."""
        return tuple(self.stimuli[0].factors)

    @cached_property
    def rows(self) -> int:
        """The number of different orders."""
        return order.rows(len(self.of(TRIAL)))

    @cached_property
    def heard(self) -> npt.NDArray[np.int64]:
        """1 where an order includes a trial, else 0; shape=(rows, trials)."""
        index = {one.item: k for k, one in enumerate(self.of(TRIAL))}
        rows = [
            [index[t.stimulus.item] for t in self.trials(r) if t.stimulus.item in index]
            for r in range(self.rows)
        ]
        return assignment.heard_by(rows, len(index))

    def trials(self, row: int) -> tuple[Trial, ...]:
        """Return all sounds that a participant hears, in order, training first.

        Parameters
        ----------
        row : int >= 0
            The participant's row; see :mod:`nst_lib.survey.order`.
        """
        if row not in self._orders:
            self._orders[row] = self._order(row)
        return self._orders[row]

    def words(self, stimulus: Stimulus) -> str:
        """Return the question about a sound, as participants read it."""
        return self.settings.wording.replace("{description}", stimulus.description)

    def sound(self, file: str) -> Path:
        """Return the path of a sound file."""
        return self.folder / SOUNDS_FOLDER / file

    @cached_property
    def seconds(self) -> dict[str, float]:
        """The duration of each sound file; SurveyError if one is missing or not a sound file."""
        return {one.file: files.seconds(self.sound(one.file)) for one in self.stimuli}

    def validate_sounds(self) -> None:
        """Raise SurveyError if a sound is missing, or differs from its checksum if it has one."""
        _ = self.seconds
        files.validate_checksums(self.folder, self.checksums or {})

    @cached_property
    def length(self) -> int:
        """The number of ratings that a participant gives in the test, without the training."""
        return sum(trial.position > 0 for trial in self.trials(0))

    @cached_property
    def minutes(self) -> int:
        """An estimate of how long a participant takes."""
        trials = self.trials(0)
        seconds = SETUP + sum(self.seconds[trial.stimulus.file] + CHOICE for trial in trials)
        return math.ceil(seconds / 60)

    @cached_property
    def key(self) -> str:
        """A checksum of everything that decides what a rating means.

        It covers the orders, the sounds and the question, but not the title, for example.
        """
        given = self.settings
        covered = [
            given.question,
            given.wording,
            given.labels,
            given.seed,
            given.repeats,
            given.per_listener,
            [(one.file, one.item, one.role, one.description) for one in self.stimuli],
            *([given.blocks, self.checksums] if given.blocks else []),
        ]
        return checksum(json.dumps(covered).encode())

    @cached_property
    def _cells(self) -> list[Cell] | None:
        trials = self.of(TRIAL)
        cells = [Cell(one.pair, tuple(one.factors.values())) for one in trials]
        return cells if self.settings.blocks else None

    @cached_property
    def _orders(self) -> dict[int, tuple[Trial, ...]]:
        return {}

    def _order(self, row: int) -> tuple[Trial, ...]:
        trials, catches = self.of(TRIAL), self.of(CATCH)
        places = order.arrange(
            len(trials),
            row,
            seed=self.settings.seed,
            heard=self.settings.per_listener,
            cells=self._cells,
            repeats=self.settings.repeats,
            catches=len(catches),
        )
        test = [
            Trial((catches if place.catch else trials)[place.index], place.presentation, position)
            for position, place in enumerate(places, start=1)
        ]
        return (*map(Trial, self.of(TRAINING)), *test)


def _read_stimuli(folder: Path) -> tuple[Stimulus, ...]:
    """Read the key of a survey, and check the names of its sound files."""
    path = folder / STIMULI_FILE
    found = tuple(stimuli.read(path))
    for one in found:
        if not _SOUND_FILE.fullmatch(one.file):
            raise SurveyError(f"{path}: file {one.file!r}; accepted: 16 hex digits and .wav")
    return found
