"""Write the results of a transfer: the sound, a JSON record beside it, and a page with players."""

import html
import json
import math
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from nst_lib.base.files import atomic, checksum, file_checksum
from nst_lib.result import TransferResult
from nst_lib.show.embed import COMPRESSED, data_url, file_url, is_heavy
from nst_lib.sound import audio
from nst_lib.sound.decoding import probe
from nst_lib.system import System

#: Packages whose versions are recorded.
PACKAGES = ("nst-lib", "torch", "librosa", "numpy", "scipy", "soxr", "soundfile", "av")

_PAGE = Path(__file__).with_name("page.html")


def to_dict(
    result: TransferResult, *, inputs: Mapping[str, str | list[str] | None]
) -> dict[str, Any]:
    """Return the record of a transfer, with the types of JSON.

    Parameters
    ----------
    result : TransferResult
        The transfer.
    inputs : mapping of str to str
        The names of the "content" (None for texture synthesis) and the "style" (a list if there
        are several).

    Returns
    -------
    dict
        "inputs", "checksums" (SHA-256 of the inputs and of other files, by role, and of the samples
        of the "result"), "sources" (SHA-256 of the source of classes and functions that are not
        part of this package), "warnings", "config", "outcome", "best_step", "losses" (a list with
        one row for each evaluation), "convergence", "realised", "scores", "gain_db", "seconds",
        "device", "versions". Numbers that are not finite are None.
    """
    return {
        "inputs": dict(inputs),
        "checksums": checksums(inputs, result.config) | {"result": samples_checksum(result.audio)},
        "sources": result.config.sources(),
        "warnings": result.warnings,
        "config": result.config.to_dict(),
        "outcome": result.outcome,
        "best_step": result.best_step,
        "losses": [_finite(evaluation.row()) for evaluation in result.evaluations],
        "convergence": result.convergence,
        "realised": _finite(result.realised),
        "scores": None if result.scores is None else _finite(result.scores.to_dict()),
        "gain_db": 20 * math.log10(result.gain),
        "seconds": result.seconds,
        "device": result.device,
        "versions": versions(),
    }


def checksums(inputs: Mapping[str, str | list[str] | None], config: System) -> dict[str, Any]:
    """Return the SHA-256 of the inputs that are files, and of the files that settings name.

    Several styles have a list. What is no file, such as a clip of the synthetic dataset, has None.
    """
    files: dict[str, Any] = {role: names for role, names in inputs.items() if names is not None}
    files |= {name: str(path) for name, path in config.files().items()}
    return {
        role: [_checksum(name) for name in names] if isinstance(names, list) else _checksum(names)
        for role, names in files.items()
    }


def samples_checksum(y: audio.Audio) -> str:
    """Return the SHA-256 of samples, as 32-bit numbers."""
    return checksum(np.ascontiguousarray(y, np.float32).tobytes())


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages on which a result depends."""
    found = {package: version(package) for package in PACKAGES}
    return {"python": platform.python_version(), **found}


def write(
    result: TransferResult,
    path: str | os.PathLike[str],
    *,
    inputs: Mapping[str, str | list[str] | None],
) -> Path:
    """Write the sound to `path`, and its record beside it with the ending ``.json``.

    The sound has the sample format of the content's file, where the ending allows it.

    Parameters
    ----------
    result : TransferResult
        The transfer.
    path : path
        The sound file to be written.
    inputs : mapping of str to str
        See :func:`to_dict`.

    Returns
    -------
    Path
        The path of the record.

    Raises
    ------
    ValueError
        If `path` cannot be written.
    """
    record = Path(path).with_suffix(".json")
    text = json.dumps(to_dict(result, inputs=inputs), indent=2, allow_nan=False)
    with atomic(record) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
        audio.write(path, result.audio, sr=result.config.rate, subtype=result.subtype)
    return record


def write_page(
    path: str | os.PathLike[str],
    *,
    title: str,
    note: str,
    sounds: Mapping[str, tuple[Path, str]],
    figure: Path,
    facts: Mapping[str, str],
) -> None:
    """Write a page as one HTML file that contains its sounds and its figure.

    Parameters
    ----------
    path : path
        The page to write.
    title, note : str
        The heading, and the paragraph under it.
    sounds : mapping of str to (Path, str)
        Heading of each player -> WAV file and whom to credit for it. Sounds of more than half a
        minute are compressed for the page, which says so.
    figure : Path
        A PNG file.
    facts : mapping of str to str
        The rows of the table: name -> value.
    """
    players = "\n".join(
        f"<section><h2>{html.escape(name)}</h2>"
        f'<audio controls preload="auto" aria-label="{html.escape(name)}" '
        f'src="{file_url(file, compress=_is_heavy(file))}"></audio>'
        f"<p>{html.escape(credit)}</p>"
        f"{f'<p>{COMPRESSED}</p>' if _is_heavy(file) else ''}</section>"
        for name, (file, credit) in sounds.items()
    )
    rows = "\n".join(
        f"<tr><th scope='row'>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
        for name, value in facts.items()
    )
    text = Template(_PAGE.read_text(encoding="utf-8")).substitute(
        title=html.escape(title),
        note=html.escape(note),
        players=players,
        figure=data_url("image/png", figure.read_bytes()),
        rows=rows,
    )
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _checksum(name: str) -> str | None:
    path = Path(name)
    return file_checksum(path) if path.is_file() else None


def _finite(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }


def _is_heavy(path: Path) -> bool:
    return is_heavy(path, probe(path).seconds or 0)
