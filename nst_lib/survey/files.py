"""The files in the folder of a listening test, and the checks of its sounds."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import soundfile as sf
import yaml

from nst_lib.base.files import file_checksum
from nst_lib.survey.stimuli import Stimulus, SurveyError

SETTINGS_FILE, STIMULI_FILE, CHECKSUMS_FILE = "survey.json", "stimuli.csv", "sounds.sha256"
SOUNDS_FOLDER, ANSWERS_FILE = "sounds", "answers.sqlite"
#: Key under which identities are hashed.
KEY_FILE = "identities.key"
#: Noise for setting the volume, in the folder of sounds.
LOUDNESS_FILE = "loudness.wav"
REBUILD = "restore the file that `nst survey build` made, or build the survey again"

_CHECKSUM = re.compile(rf"([0-9a-f]{{64}})  ({SOUNDS_FOLDER}/[^/]+)")


def channels_file(k: int) -> str:
    """Return the name of the sound file of question `k` of the check of channels."""
    return f"channels_{k}.wav"


def headphones_file(k: int) -> str:
    """Return the name of the sound file of question `k` of the headphone check."""
    return f"headphones_{k}.wav"


def read_checksums(folder: Path, stimuli: Sequence[Stimulus]) -> dict[str, str]:
    """Read the checksums of all sounds, and check that each stimulus has one.

    Returns
    -------
    dict of str to str
        Sound file, relative to `folder` -> SHA-256.

    Raises
    ------
    SurveyError
        If the file cannot be read, or a checksum is missing.
    """
    path = folder / CHECKSUMS_FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise SurveyError(f"{path}: cannot read ({reason}); {REBUILD}") from error
    found = {}
    for number, line in enumerate(lines, start=1):
        if not (match := _CHECKSUM.fullmatch(line)):
            raise SurveyError(f"{path}: line {number} is not the checksum of a sound; {REBUILD}")
        found[match[2]] = match[1]
    for one in stimuli:
        if f"{SOUNDS_FOLDER}/{one.file}" not in found:
            raise SurveyError(f"{path}: has no {SOUNDS_FOLDER}/{one.file}; {REBUILD}")
    return found


def validate_checksums(folder: Path, checksums: Mapping[str, str]) -> None:
    """Raise SurveyError if a sound is missing or was changed after the survey was built."""
    for file, expected in checksums.items():
        path = folder / file
        try:
            found = file_checksum(path)
        except OSError as error:
            raise SurveyError(f"{path}: cannot read ({error.strerror}); {REBUILD}") from error
        if found != expected:
            raise SurveyError(f"{path}: was changed after the survey was built; {REBUILD}")


def read_yaml(path: Path, *, advice: str) -> Any:
    """Return the content of a YAML file.

    Raises
    ------
    SurveyError
        If the file cannot be read. The message ends with the advice.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SurveyError(f"{path}: cannot read ({error.strerror}); {advice}") from error
    except (ValueError, yaml.YAMLError) as error:
        raise SurveyError(f"{path}: {' '.join(str(error).split())}; {advice}") from error


def seconds(path: Path) -> float:
    """Return the duration of a sound file in seconds.

    Raises
    ------
    SurveyError
        If the file is missing or is not a sound file.
    """
    try:
        return float(sf.info(path).duration)
    except (OSError, sf.LibsndfileError) as error:
        raise SurveyError(f"{path}: is missing or not a sound file; {REBUILD}") from error
