"""Build the folder of a listening test; :mod:`nst_lib.survey.survey` says what it contains."""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

import nst_lib
from nst_lib.base.files import file_checksum, replacing
from nst_lib.base.validation import validate_choice
from nst_lib.sound import audio
from nst_lib.survey import headphones as check
from nst_lib.survey import recordings, sources, stimuli
from nst_lib.survey.answers import count
from nst_lib.survey.files import (
    ANSWERS_FILE,
    CHECKSUMS_FILE,
    LOUDNESS_FILE,
    SETTINGS_FILE,
    SOUNDS_FOLDER,
    STIMULI_FILE,
    headphones_file,
)
from nst_lib.survey.settings import QUESTIONS
from nst_lib.survey.sources import SoundSet
from nst_lib.survey.stimuli import TRIAL, Stimulus, SurveyError
from nst_lib.survey.survey import Survey
from nst_lib.survey.texts import CONSENT, LABELS, THANKS, TITLES, WORDINGS

#: The files and folders that a survey may have.
_SURVEY_FILES = re.compile(
    rf"{SETTINGS_FILE}|{STIMULI_FILE}|{CHECKSUMS_FILE}|{ANSWERS_FILE}(-wal|-shm)?|{SOUNDS_FOLDER}|"
    rf"{SOUNDS_FOLDER}/([0-9a-f]{{16}}|loudness|headphones_\d)\.wav"
)

#: Called with the number of sounds that have been written, and the number of all sounds.
Callback = Callable[[int, int], None]


def build(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    question: str,
    table: str | os.PathLike[str] | None = None,
    descriptions: Mapping[str, str] | None = None,
    title: str | None = None,
    consent: str | None = None,
    repeats: int = 2,
    per_listener: int | None = None,
    rest_every: int = 10,
    loudness: float | None = None,
    headphones: bool = True,
    seed: int = 0,
    callback: Callback | None = None,
) -> Path:
    """Build a listening test.

    Parameters
    ----------
    source : path
        The folder of a batch; with `table`, the folder of the sounds.
    out : path or None
        The folder to create; None is `survey_QUESTION` in `source`. If it exists, it must be empty,
        or a survey without participants.
    question : {"style", "content", "quality"}
        What participants rate.
    table : path or None
        A CSV file that lists the sounds; see :mod:`nst_lib.survey.stimuli`.
    descriptions : mapping of str to str or None
        For a batch: clip or category -> its description. The default description is the category.
    title, consent : str or None
        The texts that participants read; None is our text. Empty lines in `consent` separate
        paragraphs.
    repeats : int >= 0
        Number of sounds that each participant hears twice.
    per_listener : int or None
        Number of different trials that each participant hears; None is all trials.
    rest_every : int > 0
        Number of sounds between two breaks.
    loudness : float or None
        Loudness of all sounds in LUFS; None does not change their levels.
    headphones : bool
        Whether participants do the headphone check.
    seed : int >= 0
        Seed of the file names, the orders, the catch trials and the headphone check.
    callback : callable or None
        Called after each sound, with the number of sounds written so far and the number of all
        sounds.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        If a setting is not accepted, a sound cannot be used, or `out` has other content.
    """
    validate_choice(question=(question, QUESTIONS))
    target = Path(Path(source, f"survey_{question}") if out is None else out).resolve()
    _validate_target(target)
    if table is None:
        found = sources.from_batch(source, question=question, descriptions=descriptions, seed=seed)
    elif descriptions:
        raise SurveyError(
            "descriptions and a table cannot be given together; write the descriptions into the "
            "column 'description' of the table"
        )
    else:
        found = sources.from_table(source, table)
    settings = {
        "title": title or TITLES[question],
        "question": question,
        "wording": WORDINGS[question],
        "labels": LABELS[question],
        "consent": consent or CONSENT,
        "thanks": THANKS,
        "seed": seed,
        "repeats": repeats,
        "per_listener": per_listener,
        "rest_every": rest_every,
        "headphones": headphones,
        "open": True,
        "blocks": True,
    }
    Survey.parse(settings, found.stimuli, folder=target)
    with replacing(target) as folder:
        about = _write(found, folder, seed=seed, loudness=loudness, callback=callback or _ignore)
        text = json.dumps({**settings, **about}, indent=1, ensure_ascii=False)
        (folder / SETTINGS_FILE).write_text(text + "\n", encoding="utf-8")
    return target


def _write(
    source: SoundSet, folder: Path, *, seed: int, loudness: float | None, callback: Callback
) -> dict[str, Any]:
    """Write the sounds, the key and the checksums. Return how the survey was built."""
    (folder / SOUNDS_FOLDER).mkdir()
    generator = np.random.default_rng([seed, len(source.stimuli)])
    key, sounds = [], []
    for n, one in enumerate(source.stimuli, start=1):
        y, sr = _sound(source, one.file, loudness)
        key.append(replace(one, file=f"{generator.bytes(8).hex()}.wav"))
        sounds.append((y, sr))
        sf.write(folder / SOUNDS_FOLDER / key[-1].file, y, sr, subtype="PCM_16")
        callback(n, len(source.stimuli))
    _validate_different(folder / SOUNDS_FOLDER, key)
    stimuli.write(folder / STIMULI_FILE, key)
    rms = float(np.median([audio.loudness(y, sr=sr, measure="rms") for y, sr in sounds]))
    _write_setup(folder / SOUNDS_FOLDER, rms, seed=seed)
    _write_checksums(folder)
    return {
        "version": nst_lib.__version__,
        "source": source.name,
        "counts": Counter(one.role for one in key),
        "wanted": source.wanted,
        "levels": _levels(sounds),
    }


def _write_setup(folder: Path, level: float, *, seed: int) -> None:
    """Write the noise and the sounds of the headphone check, at a level (RMS, dBFS)."""
    noise = check.noise(level=level, seed=seed)
    sf.write(folder / LOUDNESS_FILE, noise, check.SR, subtype="PCM_16")
    for k, one in enumerate(check.checks(seed)):
        y = check.tones(one, level=level)
        sf.write(folder / headphones_file(k), y, check.SR, subtype="PCM_16")


def _write_checksums(folder: Path) -> None:
    """Write the checksums of all files in the folder of sounds."""
    lines = [
        f"{file_checksum(path)}  {path.relative_to(folder).as_posix()}\n"
        for path in sorted((folder / SOUNDS_FOLDER).iterdir())
    ]
    (folder / CHECKSUMS_FILE).write_text("".join(lines), encoding="utf-8", newline="\n")


def _sound(source: SoundSet, file: str, loudness: float | None) -> tuple[audio.Audio, int]:
    """Return a sound as participants will hear it, and its sampling rate in Hz."""
    path = source.folder / file
    y, sr = source.made[file]() if file in source.made else recordings.read(path)
    if loudness is None:
        return y, sr
    found = audio.loudness(y, sr=sr, measure="lufs")
    room = found + 20 * np.log10(audio.PEAK / np.abs(y).max())
    if not loudness <= room:
        raise SurveyError(
            f"{path}: is clipped at {loudness:g} LUFS; choose a loudness of {room:.1f} or less"
        )
    return audio.level(y, sr=sr, measure="lufs", target=loudness), sr


def _validate_different(folder: Path, key: Sequence[Stimulus]) -> None:
    """Raise SurveyError if a training item or a catch trial is the same sound as another item."""
    heard = {one.item: recordings.trace(folder / one.file) for one in key}
    for one in key:
        if one.role == TRIAL:
            continue
        for two in key:
            if two.item != one.item and recordings.same(heard[one.item], heard[two.item]):
                raise SurveyError(
                    f"{one.item!r} ({one.role}) is the same sound as {two.item!r} ({two.role}); "
                    "choose training items and catch trials that occur once"
                )


def _levels(sounds: Sequence[tuple[audio.Audio, int]]) -> dict[str, Any]:
    """Return the lowest and the highest level of the sounds.

    They are in LUFS, or in dBFS (RMS) if a sound is too short for LUFS.
    """
    short = any(len(y) < 0.4 * sr for y, sr in sounds)
    measure, unit = ("rms", "dBFS") if short else ("lufs", "LUFS")
    found = [audio.loudness(y, sr=sr, measure=measure) for y, sr in sounds]
    return {"lowest": round(min(found), 1), "highest": round(max(found), 1), "unit": unit}


def _validate_target(target: Path) -> None:
    """Raise SurveyError if a folder contains anything but a survey without participants."""
    if not target.exists():
        return
    if not target.is_dir():
        raise SurveyError(f"{target}: is a file; choose another name for the folder")
    found = {path.relative_to(target).as_posix() for path in target.rglob("*")}
    ours = {SETTINGS_FILE, STIMULI_FILE} <= found
    foreign = sorted(name for name in found if not (ours and _SURVEY_FILES.fullmatch(name)))
    if foreign:
        raise SurveyError(
            f"{target}: contains {foreign[0]}, which is no part of a survey; choose a folder that "
            "does not exist yet, is empty, or has a survey without participants"
        )
    if (target / ANSWERS_FILE).exists() and count(target / ANSWERS_FILE):
        raise SurveyError(f"{target}: the survey has participants; choose another folder")


def _ignore(_done: int, _total: int) -> None:
    return
