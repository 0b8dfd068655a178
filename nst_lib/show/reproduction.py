"""Make the sound of a record again, and compare it with the one that was recorded.

A record (:func:`nst_lib.show.report.to_dict`) has all settings, the checksums of the inputs and the
versions of the packages. With the same inputs and versions, on a machine of the same kind, the same
samples come out.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nst_lib.base.files import file_checksum
from nst_lib.features import TransferConfig
from nst_lib.pipeline import transfer
from nst_lib.result import TransferResult
from nst_lib.session import Callbacks
from nst_lib.show import report
from nst_lib.system import System, find_preset


class RecordError(ValueError):
    """A record cannot be used. The message says what is wrong and what to do."""


@dataclass(frozen=True)
class Record:
    """What is needed to make a sound again.

    Attributes
    ----------
    config : System
        The settings.
    content : str or None
        Path of the content; None for a texture.
    styles : list of str
        Paths of the styles.
    checksum : str or None
        SHA-256 of the recorded samples; None if an older version wrote the record.
    notes : list of str
        What is different from then, in sentences: versions, and what cannot be compared.
    """

    config: System
    content: str | None
    styles: list[str]
    checksum: str | None
    notes: list[str]


def read(path: str | os.PathLike[str]) -> Record:
    """Read a record, and compare its inputs with those of this machine.

    Paths are tried as they were recorded, and then relative to the folder of the record.

    Raises
    ------
    RecordError
        If the file is no record of a finished transfer, the transfer had parts that only a program
        can pass, or an input is missing or another file than the recorded one.
    """
    path = Path(path)
    found = _read_json(path)
    settings, inputs = found["config"], found["inputs"]
    known = find_preset(str(settings.get("preset")))
    if settings.get("parts") and (known is None or known.config.parts != settings["parts"]):
        parts = ", ".join(f"{role} {name}" for role, name in settings["parts"].items())
        raise RecordError(
            f"{path}: was made with parts of its author's own ({parts}); pass them to transfer() "
            "with the settings of the record"
        )
    if found["outcome"] in ("stopped", "diverged"):
        raise RecordError(
            f"{path}: the transfer was {found['outcome']}, so its sound depends on when; accepted: "
            "the record of a transfer that came to its end"
        )
    config = TransferConfig.from_dict(settings)
    styles = inputs["style"]
    names = {"content": inputs["content"], "style": styles} | config.files()
    sums, notes = found.get("checksums", {}), _differences(found)
    sources = config.sources()
    for role, source in found.get("sources", {}).items():
        if source != sources.get(role):
            notes.append(f"the source of the {role} is not that of the record")
    if not sums:
        notes.append("the record has no checksums, so the inputs cannot be compared")
    paths = {
        role: [
            _input(path, role, one, _nth(sums.get(role), k)) for k, one in enumerate(_list(name))
        ]
        for role, name in names.items()
        if name is not None
    }
    files = {role: str(paths[role][0]) for role in config.files()}
    return Record(
        config=config.replace(**files) if files else config,
        content=str(paths["content"][0]) if "content" in paths else None,
        styles=[str(one) for one in paths["style"]],
        checksum=sums.get("result"),
        notes=notes,
    )


def again(record: Record, *, callback: Callbacks | None = None) -> TransferResult:
    """Return the transfer of a record, computed again."""
    return transfer(record.content, record.styles, record.config, callback=callback)


def is_same(record: Record, result: TransferResult) -> bool | None:
    """Whether the samples are the recorded ones; None if the record does not tell."""
    if record.checksum is None:
        return None
    return record.checksum == report.samples_checksum(result.audio)


def _read_json(path: Path) -> dict[str, Any]:
    advice = "choose the JSON file that `nst transfer` wrote beside a sound"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordError(f"{path}: cannot read ({error.strerror}); {advice}") from error
    except ValueError as error:
        raise RecordError(f"{path}: is not valid JSON ({error}); {advice}") from error
    wanted = {"config": dict, "inputs": dict, "outcome": str}
    for name, kind in wanted.items():
        if not isinstance(found, dict) or not isinstance(found.get(name), kind):
            raise RecordError(f"{path}: is no record of a transfer, it has no {name!r}; {advice}")
    record: dict[str, Any] = found
    if not {"content", "style"} <= {*record["inputs"]}:
        raise RecordError(f"{path}: does not name its content and style; {advice}")
    return record


def _input(record: Path, role: str, name: str | Path, checksum: str | None) -> Path:
    """Return the path of an input that is the recorded one."""
    tried = [Path(name), record.parent / Path(name), record.parent / Path(name).name]
    there = [one for one in tried if one.is_file()]
    if not there:
        raise RecordError(
            f"{record}: {role} {str(name)!r} is not here; start the command in the folder where "
            "the record was made, or put the file beside the record"
        )
    same = [one for one in there if checksum in (None, file_checksum(one))]
    if not same:
        raise RecordError(
            f"{there[0]}: is another file than the {role} of the record (SHA-256 differs); find "
            "the file that was used"
        )
    return same[0]


def _differences(found: Mapping[str, Any]) -> list[str]:
    """Return which versions are others than those of the record."""
    now, then = report.versions(), found.get("versions", {})
    return [
        f"{name} was {then[name]} and is {now[name]} now"
        for name in now
        if name in then and then[name] != now[name]
    ]


def _list(names: Any) -> list[Any]:
    return list(names) if isinstance(names, list) else [names]


def _nth(sums: Any, k: int) -> str | None:
    given = _list(sums)
    return given[k] if k < len(given) else None
