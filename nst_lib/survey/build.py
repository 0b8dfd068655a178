"""Build the folder of a listening test; :mod:`nst_lib.survey.survey` says what it contains."""

import itertools
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile as sf

import nst_lib
from nst_lib.base.files import file_checksum, replacing
from nst_lib.sound import audio
from nst_lib.survey import channels as sides
from nst_lib.survey import headphones as checks
from nst_lib.survey import identity, languages, recordings, sources, stimuli
from nst_lib.survey import plan as planning
from nst_lib.survey.answers import count
from nst_lib.survey.files import (
    ANSWERS_FILE,
    CHECKSUMS_FILE,
    KEY_FILE,
    LOUDNESS_FILE,
    SETTINGS_FILE,
    SOUNDS_FOLDER,
    STIMULI_FILE,
    channels_file,
    headphones_file,
)
from nst_lib.survey.languages import Language
from nst_lib.survey.older import FORMAT
from nst_lib.survey.plan import Plan
from nst_lib.survey.settings import SurveySettings
from nst_lib.survey.sources import SoundSet
from nst_lib.survey.stimuli import CATCH, TRAINING, TRIAL, Stimulus, SurveyError
from nst_lib.survey.survey import Survey

#: The files and folders that a survey may have.
_SURVEY_FILES = re.compile(
    rf"{SETTINGS_FILE}|{STIMULI_FILE}|{CHECKSUMS_FILE}|{ANSWERS_FILE}(-wal|-shm)?|{SOUNDS_FOLDER}|"
    rf"{SOUNDS_FOLDER}/([0-9a-f]{{16}}|loudness|headphones_\d|channels_\d)\.wav|{KEY_FILE}|[^/]+\.json"
)

#: Called with the number of sounds that have been written, and the number of all sounds.
Callback = Callable[[int, int], None]


def build(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    question: str | Sequence[str] = (),
    plan: Plan | None = None,
    table: str | os.PathLike[str] | None = None,
    descriptions: Mapping[str, str] | None = None,
    title: str | None = None,
    consent: str | None = None,
    language: str = "en",
    questionnaires: bool = False,
    repeats: int | None = None,
    per_listener: int | None = None,
    rest_every: int = 10,
    loudness: float | None = None,
    headphones: str | None = "woods",
    channels: bool = False,
    platform: Mapping[str, Any] | None = None,
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
    question : {"style", "content", "quality"} or sequence of them
        What participants rate, each question in its own block.
    plan : list of dict or None
        The blocks, in place of `question`; see :mod:`nst_lib.survey.plan`.
    table : path or None
        A CSV file that lists the sounds; see :mod:`nst_lib.survey.stimuli`.
    descriptions : mapping of str to str or None
        For a batch: clip or category -> its description. The default description is the category.
    title, consent : str or None
        The texts that participants read; None is our text. Empty lines in `consent` separate
        paragraphs.
    language : str
        Language of the page and of our texts: a code ("en", "de", "fr", "es"), or the path of a
        message file, which is copied into the folder.
    questionnaires : bool
        Whether our questionnaires come before and after the blocks.
    repeats : int >= 0 or None
        Number of sounds that each participant hears twice in each block of `question`; None is 2.
    per_listener : int or None
        Number of different trials that each participant hears; None is all trials.
    rest_every : int > 0
        Number of screens between two breaks.
    loudness : float or None
        Loudness of all sounds in LUFS; None does not change their levels.
    headphones : {"woods", "huggins"} or None
        Kind of the headphone check; None is no check.
    channels : bool
        Whether participants do the check of the left and the right channel.
    platform : mapping or None
        Settings of :class:`nst_lib.survey.settings.Platform`, if participants come from one.
    seed : int >= 0
        Seed of the file names, the orders, the catch trials and the checks.
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
    words = languages.read(language)
    chosen = _plan(question, plan, repeats=repeats, per_listener=per_listener)
    name = "_".join(str(one.get("question", one.get("kind"))) for one in chosen)
    if questionnaires:
        chosen = planning.questionnaires(chosen, words)
    blocks = planning.complete(chosen, words)
    target = Path(Path(source, f"survey_{name}") if out is None else out).resolve()
    _validate_target(target)
    found = _sounds(source, blocks, table=table, descriptions=descriptions, seed=seed)
    only = [one["question"] for one in blocks if one.get("question")]
    settings = {
        "format": FORMAT,
        "title": title or words.survey["titles"][only[0] if len(only) == 1 else "several"],
        "language": Path(language).name,
        "consent": consent or _consent(words, blocks, platform),
        "thanks": words.survey["thanks"],
        "seed": seed,
        "rest_every": rest_every,
        "headphones": headphones,
        "channels": channels,
        "open": True,
        "platform": platform,
        "blocks": [
            {key: value for key, value in one.items() if key != "question"} for one in blocks
        ],
    }
    survey = Survey.parse(settings, found.stimuli, folder=target)
    with replacing(target) as folder:
        about = _write(found, folder, survey, loudness=loudness, callback=callback or _ignore)
        if language.endswith(languages.SUFFIX):
            shutil.copyfile(language, folder / Path(language).name)
        if platform is not None:
            identity.make_key(folder)
        text = json.dumps({**settings, **about}, indent=1, ensure_ascii=False)
        (folder / SETTINGS_FILE).write_text(text + "\n", encoding="utf-8")
    return target


def _consent(words: Language, blocks: Plan, platform: Mapping[str, Any] | None) -> str:
    """Return our text of the consent; its last paragraph stays the last one."""
    *first, last = words.survey["consent"].split("\n\n")
    asked = any(one["kind"] == "questionnaire" for one in blocks)
    more = {"platform": platform is not None, "questionnaire": asked}
    added = [words.survey["consent_more"][name] for name, there in more.items() if there]
    return "\n\n".join([*first, *added, last])


def _plan(
    question: str | Sequence[str],
    plan: Plan | None,
    *,
    repeats: int | None,
    per_listener: int | None,
) -> Plan:
    questions = [question] if isinstance(question, str) else list(question)
    if plan is not None and questions:
        raise SurveyError("a question and a plan cannot be given together; give one of them")
    if plan is None and not questions:
        raise SurveyError(
            f"no question; accepted: {', '.join(planning.QUESTIONS)}, several of them, or a plan"
        )
    if plan is not None:
        return plan
    return planning.of_questions(questions, repeats=repeats, per_listener=per_listener)


def _sounds(
    source: str | os.PathLike[str],
    blocks: Plan,
    *,
    table: str | os.PathLike[str] | None,
    descriptions: Mapping[str, str] | None,
    seed: int,
) -> SoundSet:
    """Return the sounds of all blocks."""
    sounding = {str(one["name"]): one for one in blocks if one["kind"] != "questionnaire"}
    pages = any(one["kind"] == "mushra" for one in sounding.values())
    if table is not None and descriptions:
        raise SurveyError(
            "descriptions and a table cannot be given together; write the descriptions into the "
            "column 'description' of the table"
        )
    if table is not None:
        found = sources.from_table(source, table)
        return sources.with_anchors(found) if pages else found
    sets = {}
    for name, one in sounding.items():
        kind = one["kind"]
        found = sources.from_batch(
            source,
            question=one.get("question", "style"),
            descriptions=descriptions,
            scale=(0, 100) if one.get("continuous") else (1, len(one.get("labels", range(5)))),
            with_examples=kind in ("rating", "pair"),
            with_references=kind == "mushra" or bool(one.get("reference")),
            seed=seed,
        )
        sets[name] = sources.with_anchors(found) if kind == "mushra" else found
    return sources.together(sets)


def _write(
    source: SoundSet, folder: Path, survey: Survey, *, loudness: float | None, callback: Callback
) -> dict[str, Any]:
    """Write the sounds, the key and the checksums. Return how the survey was built.

    A sound that several blocks have is written once.
    """
    (folder / SOUNDS_FOLDER).mkdir()
    seed = survey.settings.seed
    generator = np.random.default_rng([seed, len(source.stimuli)])
    names: dict[str, str] = {}
    sounds = []
    for n, one in enumerate(source.stimuli, start=1):
        if one.file not in names:
            y, sr = _sound(source, one.file, loudness)
            names[one.file] = f"{generator.bytes(8).hex()}.wav"
            sounds.append((y, sr))
            sf.write(folder / SOUNDS_FOLDER / names[one.file], y.T, sr, subtype="PCM_16")
        callback(n, len(source.stimuli))
    key = [replace(one, file=names[one.file]) for one in source.stimuli]
    _validate_different(folder / SOUNDS_FOLDER, key)
    stimuli.write(folder / STIMULI_FILE, key)
    rms = float(np.median([audio.loudness(y, sr=sr, measure="rms") for y, sr in sounds]))
    _write_setup(folder / SOUNDS_FOLDER, rms, survey.settings)
    _write_checksums(folder)
    return {
        "version": nst_lib.__version__,
        "source": source.name,
        "counts": Counter(one.role for one in key),
        "wanted": source.wanted,
        "levels": _levels(sounds),
    }


def _write_setup(folder: Path, level: float, settings: SurveySettings) -> None:
    """Write the noise and the sounds of the checks, at a level (RMS, dBFS)."""
    seed = settings.seed

    def write(name: str, y: npt.NDArray[np.float32]) -> None:
        sf.write(folder / name, y, checks.SR, subtype="PCM_16")

    write(LOUDNESS_FILE, checks.noise(level=level, seed=seed))
    for k in range(checks.CHECKS):
        kind = settings.headphones or "woods"
        y = checks.question(k, kind=kind, level=level, seed=seed)
        write(headphones_file(k), y)
    for k, place in enumerate(sides.places(seed) if settings.channels else ()):
        write(channels_file(k), sides.burst(place, level=level, seed=seed + k))


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
    """Raise SurveyError if a training item or a catch trial is the same sound as another item.

    Only the items of the same block count, and references and anchors do not.
    """
    heard = {one.file: recordings.trace(folder / one.file) for one in key}
    judged = [one for one in key if one.role in (TRIAL, TRAINING, CATCH)]
    for one, two in itertools.product(judged, judged):
        if one.role == TRIAL or one.item == two.item or one.block != two.block:
            continue
        if recordings.same(heard[one.file], heard[two.file]):
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
