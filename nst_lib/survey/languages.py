"""The messages of a listening test in one language, from one file for each language.

A file is a JSON object. `survey` has the texts with which a survey is built: consent, thanks,
titles, wordings and labels. Everything else is what the page says.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from nst_lib.base.validation import hint
from nst_lib.survey.stimuli import SurveyError

#: Ending of a message file.
SUFFIX = ".json"


@dataclass(frozen=True)
class Language:
    """The messages in one language.

    Attributes
    ----------
    code : str
        Code of the language, for the page: "en".
    direction : {"ltr", "rtl"}
        Direction of the writing.
    survey : dict
        The texts with which a survey is built.
    texts : dict
        What the page says.
    """

    code: str
    direction: str
    survey: dict[str, Any]
    texts: dict[str, Any]


def codes() -> list[str]:
    """Return the codes of the languages that come with this package."""
    folder = resources.files(__package__) / "languages"
    return sorted(
        one.name.removesuffix(SUFFIX) for one in folder.iterdir() if one.name.endswith(SUFFIX)
    )


def read(language: str, *, folder: Path | None = None) -> Language:
    """Return the messages in a language.

    Parameters
    ----------
    language : str
        A code, or the name of a message file in `folder`.
    folder : Path or None
        The folder of a survey.

    Raises
    ------
    SurveyError
        If there is no such language, or the file lacks a message.
    """
    if not language.endswith(SUFFIX):
        if language not in codes():
            raise SurveyError(
                f"language {language!r}; {hint(language, codes())}, or a message file that ends in "
                f"{SUFFIX}"
            )
        return _shipped(language)
    return read_file(Path(language) if folder is None else folder / language)


def read_file(path: Path) -> Language:
    """Return the messages of a file; see :func:`read`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SurveyError(
            f"{path}: cannot read ({error.strerror}); choose a message file"
        ) from error
    except ValueError as error:
        raise SurveyError(f"{path}: is not valid JSON ({error}); choose a message file") from error
    missing = _missing(_shipped_json("en"), found)
    if missing:
        raise SurveyError(
            f"{path}: has no message {missing!r}; copy the file of a language that comes with this "
            "package, and translate each of its messages"
        )
    return _language(path.stem, found)


def _missing(wanted: Any, found: Any, at: str = "") -> str:
    """Return the name of the first message that is missing, or an empty text."""
    if not isinstance(wanted, dict):
        return "" if isinstance(found, type(wanted)) else at
    if not isinstance(found, dict):
        return at or "all"
    if {*wanted} <= {"one", "few", "many", "two", "zero", "other"}:  # plural forms differ
        return "" if "other" in found else f"{at}.other"
    names = ((f"{at}.{name}" if at else name, name) for name in wanted)
    gaps = (_missing(wanted[name], found.get(name), path) for path, name in names)
    return next((gap for gap in gaps if gap), "")


@cache
def _shipped(code: str) -> Language:
    return _language(code, _shipped_json(code))


def _shipped_json(code: str) -> dict[str, Any]:
    file = resources.files(__package__) / "languages" / f"{code}{SUFFIX}"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _language(code: str, found: dict[str, Any]) -> Language:
    texts = {name: value for name, value in found.items() if name not in ("survey", "direction")}
    return Language(code, found["direction"], found["survey"], texts)
