"""The command ``nst reproduce``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from nst_lib.base.files import validate_output
from nst_lib.base.terminal import unwatched
from nst_lib.show import report, reproduction
from nst_lib.show.progress import track
from nst_lib.sound import audio

#: Exit status if another sound came out.
DIFFERENT = 1


def reproduce(
    record: Annotated[
        Path, typer.Argument(help="JSON file that `nst transfer` wrote beside a sound.")
    ],
    out: Annotated[Path, typer.Option(help="Sound file to write, with a record beside it.")],
) -> None:
    """Make the sound of a record again, and say whether it is the same, sample by sample.

    The inputs are compared with those of the record by their checksums, and versions that differ
    are named. Exit status: 0 if the sound is the same, 1 if it is not.
    """
    for path in (
        validate_output(out, suffixes=tuple(audio.FORMATS)),
        validate_output(out.with_suffix(".json"), suffixes=(".json",)),
    ):
        if path.resolve() in (record.resolve(), record.with_suffix(out.suffix).resolve()):
            raise ValueError(
                f"{path}: belongs to the record, and would be replaced: choose another name"
            )
    found = reproduction.read(record)
    for note in found.notes:
        print(f"nst: {note}", file=sys.stderr)
    with track(found.config, hidden=unwatched()) as progress:
        result = reproduction.again(found, callback=progress)
    styles = found.styles
    inputs = {"content": found.content, "style": styles if len(styles) > 1 else styles[0]}
    written = report.write(result, out, inputs=inputs)
    same = reproduction.is_same(found, result)
    if same is None:
        print("the record has no checksum of its sound: compare the two by ear, or by their scores")
    elif same:
        print("the same sound, sample by sample")
    else:
        print("another sound: its samples are not those of the record")
    if result.scores is not None:
        print(result.scores)
    print(out)
    print(written)
    if same is False:
        raise typer.Exit(DIFFERENT)
