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
from nst_lib.survey import assignment, files, languages, older, order, stimuli
from nst_lib.survey.files import CHECKSUMS_FILE, SETTINGS_FILE, SOUNDS_FOLDER, STIMULI_FILE
from nst_lib.survey.kinds.block import Block, Screen
from nst_lib.survey.languages import Language
from nst_lib.survey.settings import SurveySettings, read_json
from nst_lib.survey.stimuli import Stimulus, SurveyError

#: Our estimates, in seconds: the time to choose an answer; to answer a question of a questionnaire;
#: to read the texts and set up.
CHOICE, QUESTION, SETUP = 5.0, 10.0, 120.0

_SOUND_FILE = re.compile(r"[0-9a-f]{16}\.wav")


@dataclass(frozen=True)
class Place:
    """One screen in the order of a participant.

    Attributes
    ----------
    block : int
        Index of the block in the settings.
    part : int
        Place of the block in the order of the participant: 1, 2, ...
    screen : Screen
        The screen.
    """

    block: int
    part: int
    screen: Screen


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
    older : dict or None
        The content of survey.json, if an older version built the survey.
    """

    folder: Path
    settings: SurveySettings
    stimuli: tuple[Stimulus, ...]
    checksums: dict[str, str] | None = None
    older: dict[str, Any] | None = None

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
            _ = survey.language  # a message file that is missing is an error now, not on the page
        except ValueError as error:
            raise SurveyError(f"{folder}: {error}") from error
        balanced = survey.older is None or survey.older.get("blocks") is True
        if not balanced and not (folder / CHECKSUMS_FILE).exists():
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
        aged = older.is_older(settings)
        given = SurveySettings.of(older.modern(settings) if aged else settings)
        survey = cls(folder, given, tuple(stimuli), older=dict(settings) if aged else None)
        names = [one.name for one in survey.sounding]
        for one in stimuli:
            if one.block and one.block not in names:
                raise SurveyError(
                    f"item {one.item!r}: block {one.block!r}; accepted: {', '.join(names)}, or an "
                    "empty cell"
                )
        for block in survey.sounding:
            block.validate_stimuli(survey.of(block))
        return survey

    @cached_property
    def sounding(self) -> tuple[Block, ...]:
        """The blocks that have sounds, in the order of the settings."""
        return tuple(one for one in self.settings.blocks if one.table != "questionnaire")

    def of(self, block: Block) -> tuple[Stimulus, ...]:
        """Return the sounds of a block, in the order of the key."""
        return tuple(one for one in self.stimuli if one.block in ("", block.name))

    @cached_property
    def known(self) -> dict[str, dict[str, Stimulus]]:
        """The sounds of each block by their names."""
        return {block.name: {one.item: one for one in self.of(block)} for block in self.sounding}

    @cached_property
    def language(self) -> Language:
        """The messages of the page."""
        return languages.read(self.settings.language, folder=self.folder)

    @cached_property
    def rows(self) -> int:
        """The number of different orders: those of the blocks, times those within the blocks."""
        within = [block.rows(self.of(block)) for block in self.sounding]
        return self._turns * max(within, default=1)

    @cached_property
    def heard(self) -> npt.NDArray[np.int64]:
        """1 where an order includes a screen of a test, else 0; shape=(rows, screens)."""
        rows = [
            [(one.block, one.screen.name) for one in self.places(row) if one.screen.position]
            for row in range(self.rows)
        ]
        index = {
            name: k for k, name in enumerate(dict.fromkeys(one for row in rows for one in row))
        }
        return assignment.heard_by([[index[name] for name in row] for row in rows], len(index))

    def places(self, row: int) -> tuple[Place, ...]:
        """Return all screens that a participant sees, in order.

        Parameters
        ----------
        row : int >= 0
            The participant's row; see :mod:`nst_lib.survey.order`.
        """
        if row not in self._orders:
            self._orders[row] = self._order(row)
        return self._orders[row]

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
        """The number of answers that a participant gives in the test, without the training."""
        return sum(one.screen.position > 0 for one in self.places(0))

    @cached_property
    def minutes(self) -> int:
        """An estimate of how long a participant takes."""
        seconds = SETUP
        for one in self.places(0):
            seconds += sum(self.seconds[sound.file] for sound in one.screen.sounds)
            judged = len(one.screen.stimuli)
            block = self.settings.blocks[one.block]
            questions = len(getattr(block, "fields", ()))
            seconds += CHOICE * judged + QUESTION * questions
        return math.ceil(seconds / 60)

    @cached_property
    def key(self) -> str:
        """A checksum of everything that decides what an answer means.

        It covers the orders, the sounds and the questions, but not the title, for example.
        """
        if self.older is not None:
            return older.key(self.older, self.stimuli, self.checksums)
        covered = [
            self.settings.seed,
            [one.model_dump(mode="json") for one in self.settings.blocks],
            [(one.file, one.item, one.role, one.block, one.description) for one in self.stimuli],
            self.checksums,
        ]
        return checksum(json.dumps(covered).encode())

    @cached_property
    def _turns(self) -> int:
        """The number of orders of the blocks that have sounds."""
        return order.rows(len(self.sounding)) if len(self.sounding) > 1 else 1

    @cached_property
    def _orders(self) -> dict[int, tuple[Place, ...]]:
        return {}

    def _order(self, row: int) -> tuple[Place, ...]:
        """Return the screens of a row. Questionnaires stay at their places among the blocks."""
        turn, within = row % self._turns, row // self._turns
        count = len(self.sounding)
        turns = iter(order.row(count, turn, seed=self.settings.seed) if count > 1 else range(count))
        found: list[Place] = []
        for part, given in enumerate(self.settings.blocks, start=1):
            block = given if given not in self.sounding else self.sounding[next(turns)]
            # Each block has its own seed, so that nobody hears two blocks in the same order.
            seed = self.settings.seed + (
                self.sounding.index(block) if block in self.sounding else 0
            )
            index = self.settings.blocks.index(block)
            screens = block.screens(self.of(block), within, seed=seed)
            found += [Place(index, part, screen) for screen in screens]
        return tuple(found)


def _read_stimuli(folder: Path) -> tuple[Stimulus, ...]:
    """Read the key of a survey, and check the names of its sound files."""
    path = folder / STIMULI_FILE
    found = tuple(stimuli.read(path))
    for one in found:
        if not _SOUND_FILE.fullmatch(one.file):
            raise SurveyError(f"{path}: file {one.file!r}; accepted: 16 hex digits and .wav")
    return found
