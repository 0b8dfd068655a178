"""The commands ``nst transfer``, ``nst presets`` and ``nst demo``."""

import json
import sys
import textwrap
from pathlib import Path
from typing import Annotated, Any

import typer

from nst_lib.base.files import FIGURE_FORMATS, validate_output
from nst_lib.base.terminal import unwatched
from nst_lib.base.threads import free_threads
from nst_lib.base.validation import validate_memory
from nst_lib.batch.estimate import estimate
from nst_lib.cli.interrupt import stop_on_interrupt
from nst_lib.config import STARTS, parse_settings
from nst_lib.features import TransferConfig
from nst_lib.metrics import weights
from nst_lib.pipeline import transfer as run_transfer
from nst_lib.session import SUFFIXES
from nst_lib.show import report
from nst_lib.show.progress import track
from nst_lib.sound import audio
from nst_lib.sound.decoding import probe
from nst_lib.system import (
    DEFAULT,
    DEFAULT_TEXTURE,
    System,
    default_preset,
    installed_presets,
    preset,
)


def transfer(
    style: Annotated[
        list[str],
        typer.Option(
            help="The recording that gives the timbre, or a summary that `nst style` wrote "
            "(.style). If it is given several times, the style is one texture between the "
            "recordings; FILE:0.7 gives a recording a share of it.",
            metavar="FILE[:SHARE]",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The sound file to write: .wav, .flac or .ogg.")],
    content: Annotated[
        Path | None,
        typer.Option(
            help="The recording that gives the rhythm. To synthesise a texture, leave it out and "
            "use --start noise."
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="The settings to start from; `nst presets` lists them. By default "
            f"{DEFAULT}, or {DEFAULT_TEXTURE} without a content."
        ),
    ] = None,
    transform: Annotated[
        str | None, typer.Option(help="The kind of spectrogram.", metavar="stft|cqt|cwt")
    ] = None,
    pooling: Annotated[
        str | None, typer.Option(help="The pooling of the network.", metavar="max|average")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            help="The number of evaluations of the loss. With 0, the starting point only goes "
            "through the transform and back."
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            help="The sound that the optimisation starts from. The result keeps much of its fine "
            "structure. content and noise are the usual starts. envelope, vocoder, mosaic and "
            "driedger2015 shape the style by the content without a network. Or give the path of a "
            "sound file.",
            metavar=f"{'|'.join(STARTS)}|FILE",
        ),
    ] = None,
    content_weight: Annotated[
        float | None,
        typer.Option(
            help="The weight of the content: 0 is only style, 1 is only content.", metavar="0..1"
        ),
    ] = None,
    channels: Annotated[
        int | None, typer.Option(help="The number of channels of the network.")
    ] = None,
    blend: Annotated[
        str | None,
        typer.Option(
            help="How several styles are joined: mix, everywhere; path, from the first at the "
            "beginning to the last at the end.",
            metavar="mix|path",
        ),
    ] = None,
    sr: Annotated[
        int | None,
        typer.Option(
            help="The sampling rate in Hz. By default the content's own, 48000 at most; published "
            "systems use their own."
        ),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(
            help="Trim or pad the recordings to this many seconds. By default they are used whole; "
            "published systems use 5 s."
        ),
    ] = None,
    mono: Annotated[bool, typer.Option("--mono", help="Mix all channels to one.")] = False,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the random weights, the noise and the phase.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="The device that runs the network.", metavar="auto|cpu|cuda")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Another setting; can be given several times. `nst presets NAME` lists all "
            "settings.",
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="The figure to write: .png, .svg or .pdf.")
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="A file (.ckpt) that keeps the state during the transfer. After a crash, the same "
            "command continues from it. It is removed at the end."
        ),
    ] = None,
) -> None:
    """Transfer the style of one recording onto the content of another.

    The command writes the sound, and beside it a record of settings, losses, scores, timings and
    versions in JSON.
    Ctrl-C stops the optimisation and writes the best sound so far. A second Ctrl-C ends the command
    without writing anything.
    """
    options = {
        "transform": transform,
        "pooling": pooling,
        "steps": steps,
        "start": start,
        "content_weight": content_weight,
        "blend": blend,
        "sr": sr,
        "duration": duration,
        "mono": mono or None,
        "channels": channels,
        "seed": seed,
        "device": device,
    }
    styles, shares = _shares(style)
    overrides: dict[str, Any] = {
        name: value for name, value in options.items() if value is not None
    }
    overrides |= {"style_weights": shares} if shares else {}
    parsed = parse_settings(settings or [], {"preset", *overrides})
    name = preset or default_preset(content)
    config = TransferConfig.from_preset(name, **overrides, **parsed)
    config.validate_content(content)
    inputs = [*styles, *([] if content is None else [content]), *config.files().values()]
    _validate_outputs(out, plot, checkpoint, inputs=inputs)
    _announce(config, content)
    with track(config, hidden=unwatched()) as progress, stop_on_interrupt() as stop:
        result = run_transfer(
            content,
            styles,
            config,
            callback=progress,
            stop=stop,
            checkpoint=checkpoint,
        )
    names = [str(path) for path in styles]
    record = report.write(
        result,
        out,
        inputs={
            "content": None if content is None else str(content),
            "style": names if len(names) > 1 else names[0],
        },
    )
    if plot is not None:
        from nst_lib.show import plots

        plots.save_transfer_figure(result, plot)
    if result.outcome in ("stopped", "diverged"):
        done = f"evaluation {len(result.evaluations)} of {config.steps}"
        print(f"{result.outcome} at {done}: the sound is the best result before it")
    elif checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    if result.scores is not None:
        print(result.scores)
        print(result.scores.recognised() or weights.MISSING)
    for path in (out, record, plot):
        if path is not None:
            print(path)


def presets(
    name: Annotated[
        str | None, typer.Argument(help="The preset to show with all its settings.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Describe each preset.")] = False,
) -> None:
    """List all presets, or all settings of one preset."""
    for entry in installed_presets().values() if name is None else [preset(name)]:
        print(f"{entry.name}: {entry.source}")
        if verbose or name is not None:
            for text in (
                entry.about,
                f"As published: {entry.exact}",
                f"Our choice: {entry.ours}",
            ):
                print(textwrap.fill(text, 100, initial_indent="    ", subsequent_indent="    "))
    if name is not None:
        about = preset(name).config.describe()
        for key, value in preset(name).config.to_dict().items():
            print(f"{key} = {_show(value)}    # {about[key]}")


def demo(
    out: Annotated[Path, typer.Option(help="The folder for the files.")] = Path("out/demo"),
) -> None:
    """Run one transfer and write a page with its sounds."""
    from nst_lib.show import demo

    with track(demo.CONFIG, hidden=unwatched()) as progress:
        files = demo.run(out, callback=progress)
    for path in files:
        print(path)


def _shares(style: list[str]) -> tuple[list[Path], tuple[float, ...]]:
    """Return the paths of the styles, and their shares if there are any."""
    paths, shares = [], []
    for text in style:
        path, colon, share = text.rpartition(":")
        if colon and _is_number(share) and not Path(text).exists():
            paths.append(Path(path))
            shares.append(float(share))
        else:
            paths.append(Path(text))
    if shares and len(shares) < len(paths):
        raise ValueError("--style: some styles have a share and some have none; give all or none")
    return paths, tuple(shares)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _announce(config: System, content: Path | None) -> None:
    """Say what a long recording takes. Raise ValueError if this machine has too little memory."""
    if content is None or not content.is_file():
        return
    found = probe(content)
    seconds = config.duration or found.seconds
    if seconds is None or not config.is_in_blocks(seconds):
        return
    needed = estimate(config.at(found.sr), length=seconds)
    validate_memory(
        int(needed.memory),
        of=f"{seconds:.0f} s of sound",
        accepted="a part of the recording (--duration), or a lower rate (--sr)",
    )
    minutes = max(round(needed.seconds / free_threads() / 60), 1)
    print(
        f"{seconds:.0f} s of sound: about {minutes} min and {needed.memory / 1e9:.1f} GB of memory",
        file=sys.stderr,
    )


def _validate_outputs(
    out: Path, plot: Path | None, checkpoint: Path | None, *, inputs: list[Path]
) -> None:
    """Raise ValueError if an output cannot be written or would replace an input."""
    written = [
        validate_output(out, suffixes=tuple(audio.FORMATS)),
        validate_output(out.with_suffix(".json"), suffixes=(".json",)),
    ]
    if plot is not None:
        written.append(validate_output(plot, suffixes=FIGURE_FORMATS))
    if checkpoint is not None:
        written.append(validate_output(checkpoint, suffixes=SUFFIXES))
    for path in written:
        if path.resolve() in {source.resolve() for source in inputs}:
            raise ValueError(f"{path}: is an input, and would be replaced: choose another name")


def _show(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(value)
    return value if isinstance(value, str) else json.dumps(value)
