"""The command ``nst style``."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from nst_lib.base.files import validate_output
from nst_lib.base.terminal import count
from nst_lib.sound import audio
from nst_lib.style import MAX_SECONDS, SECONDS, SUFFIX, Style, recordings_in


def style(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Recordings of any length, or folders of recordings. Or one style file.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="The file to write: a style file (.style), or only its sound, to listen to "
            f"({', '.join(audio.FORMATS)})."
        ),
    ],
    seconds: Annotated[
        float, typer.Option(help=f"The length of the summary, at most {MAX_SECONDS:g}.")
    ] = SECONDS,
    sr: Annotated[
        int | None,
        typer.Option(
            help="The sampling rate of the summary in Hz. By default it is that of the first "
            "recording, but at most 48000.",
            metavar="HZ",
        ),
    ] = None,
    mono: Annotated[
        bool, typer.Option("--mono", help="Average the channels of the recordings.")
    ] = False,
) -> None:
    """Summarise long recordings in a short sound, which is saved as a style.

    The summary is made of stretches of the recordings. They are chosen so that the summary has the
    same mix of sounds as all recordings together: as loud, as varied and as often silent. Several
    recordings count as one long recording.

    To listen to a summary, give its style file instead of recordings, and a sound file to write:
    nst style rain.style --out rain.wav
    """
    validate_output(out, suffixes=(SUFFIX, *audio.FORMATS))
    paths = recordings_in(files)
    if out.resolve() in {path.resolve() for path in paths}:
        raise ValueError(f"{out}: is an input, and would be replaced: choose another name")
    if any(path.suffix.lower() == SUFFIX for path in paths):
        summary = _read_only_one(paths, out)
    else:
        with count("reading", " s") as progress:
            summary = Style.of(paths, seconds=seconds, sr=sr, mono=mono, callback=progress)
    if out.suffix.lower() == SUFFIX:
        summary.save(out)
    else:
        audio.write(out, audio.guard(summary.audio)[0], sr=summary.sr)
    print(_describe(summary))
    print(out)


def _read_only_one(paths: list[Path], out: Path) -> Style:
    """Return the only style file that was given, if its sound is to be written."""
    if len(paths) > 1:
        raise ValueError("a style file cannot be summarised again: give recordings only")
    if out.suffix.lower() == SUFFIX:
        raise ValueError(
            f"{paths[0]}: is a style file already; give a sound file as --out to write its sound"
        )
    return Style.read(paths[0])


def _describe(summary: Style) -> str:
    """Return one line about what was read and what was kept."""
    number = len(summary.sources)
    length = summary.audio.shape[-1] / summary.sr
    channels = 1 if summary.audio.ndim == 1 else len(summary.audio)
    return (
        f"{number} recording{'s' * (number > 1)} of {timedelta(seconds=round(summary.seconds))} in "
        f"{length:.1f} s: {channels} channel{'s' * (channels > 1)} at {summary.sr} Hz"
    )
