"""The command ``nst``: 0 on success; 2, with one line on standard error, for bad input."""

import json
import signal
import sys
import textwrap
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm

from nst_lib import __version__
from nst_lib.base.files import FIGURE_FORMATS, validate_output
from nst_lib.base.terminal import unwatched
from nst_lib.cli import batch as commands
from nst_lib.cli import opinions, survey
from nst_lib.config import ConfigError, parse_settings
from nst_lib.features import TransferConfig
from nst_lib.pipeline import transfer as run_transfer
from nst_lib.session import SUFFIXES
from nst_lib.show import report
from nst_lib.show.progress import track
from nst_lib.sound import audio
from nst_lib.sound.datasets import open_dataset
from nst_lib.system import installed_presets, preset
from nst_lib.train import classifier, training
from nst_lib.train.progress import track_training

app = typer.Typer(
    name="nst",
    help="Neural style transfer of environmental sound.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data = typer.Typer(help="Recordings to work with.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data, name="data")
app.add_typer(survey.app, name="survey")
for command in (commands.batch, commands.status, commands.gallery, opinions.mos, opinions.power):
    app.command()(command)


def main() -> None:
    """Run the command line."""
    warnings.showwarning = _show_warning
    try:
        status = app(standalone_mode=False)
    except (ValueError, OSError, typer.TyperException) as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        print(f"nst: {' '.join(message.split())}", file=sys.stderr)
        status = 2
    except (KeyboardInterrupt, typer.Abort):
        print("nst: interrupted, nothing written", file=sys.stderr)
        status = 130
    sys.exit(status)


def _show_warning(message: Warning | str, *_where: object, **_more: object) -> None:
    """Print a warning as one line, above any progress bar."""
    tqdm.write(f"nst: {message}", file=sys.stderr)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"nst {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
def transfer(
    style: Annotated[
        list[Path],
        typer.Option(
            help="Recording that gives the timbre; given several times, one texture between them."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Sound to write: .wav, .flac or .ogg.")],
    content: Annotated[
        Path | None,
        typer.Option(
            help="Recording that gives the rhythm; leave it out, with --set start=noise, to "
            "synthesise a texture."
        ),
    ] = None,
    preset: Annotated[
        str, typer.Option(help="Settings to start from; `nst presets` lists them.")
    ] = "fast",
    transform: Annotated[
        str | None, typer.Option(help="Spectrogram.", metavar="stft|cqt|cwt")
    ] = None,
    pooling: Annotated[
        str | None, typer.Option(help="Pooling of the network.", metavar="max|average")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Evaluations of the loss; 0: through the transform and back."),
    ] = None,
    content_weight: Annotated[
        float | None,
        typer.Option(help="From 0, all style, to 1, all content.", metavar="0..1"),
    ] = None,
    channels: Annotated[int | None, typer.Option(help="Channels of the network.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of weights, noise and phase.")] = None,
    device: Annotated[
        str | None, typer.Option(help="Where the network runs.", metavar="auto|cpu|cuda")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any other setting; `nst presets NAME` lists them."
        ),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Figure to write: .png, .svg or .pdf.")] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="File (.ckpt) to go on from after a break: kept up to date, removed at the end."
        ),
    ] = None,
) -> None:
    """Transfer the style of one recording onto the content of another.

    Writes the sound, and beside it a record of settings, losses, scores, timings and versions in
    JSON.
    Ctrl-C ends the optimisation and writes the best sound so far; once more gives up.
    """
    options = {
        "transform": transform,
        "pooling": pooling,
        "steps": steps,
        "content_weight": content_weight,
        "channels": channels,
        "seed": seed,
        "device": device,
    }
    overrides = {name: value for name, value in options.items() if value is not None}
    parsed = parse_settings(settings or [], {"preset", *overrides})
    config = TransferConfig.from_preset(preset, **overrides, **parsed)
    if content is None and config.start == "content":
        raise ConfigError("no --content; accepted: a recording, or --set start=noise for a texture")
    inputs = style if content is None else [content, *style]
    _validate_outputs(out, plot, checkpoint, inputs=inputs)
    with track(config, hidden=unwatched()) as progress, _stop_on_interrupt() as stop:
        result = run_transfer(
            content,
            style,
            config,
            callback=progress,
            stop=stop,
            checkpoint=checkpoint,
        )
    names = [str(path) for path in style]
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
        print(f"{result.outcome} at {done}; this is the best before it")
    elif checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    if result.scores is not None:
        print(result.scores)
    for path in (out, record, plot):
        if path is not None:
            print(path)


@app.command()
def presets(
    name: Annotated[str | None, typer.Argument(help="Show every setting of this preset.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what each does.")] = False,
) -> None:
    """List the presets with their sources, or one with all its settings."""
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


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="Weights to write: .pt.")],
    data: Annotated[
        str,
        typer.Option(help="auto, synthetic, esc50, or a folder: an ESC-50 copy, or recordings."),
    ] = "auto",
    classes: Annotated[
        str | None,
        typer.Option(help="Categories to tell apart; by default all.", metavar="NAME,NAME"),
    ] = None,
    fold: Annotated[
        str | None,
        typer.Option(
            help="Fold to hold out, by default the last; all: each in turn, ending with the last.",
            metavar="N|all",
        ),
    ] = None,
    epochs: Annotated[
        int, typer.Option(min=1, help="How often each clip is learned from.")
    ] = training.EPOCHS,
    batch: Annotated[int, typer.Option(min=1, help="Clips at a time.")] = training.BATCH,
    learning_rate: Annotated[
        float, typer.Option(help="Of Adam.", metavar="RATE")
    ] = training.LEARNING_RATE,
    channels: Annotated[
        int, typer.Option(help="Channels of the network; the paper has 4096.")
    ] = classifier.CHANNELS,
    seed: Annotated[int, typer.Option(help="Of the weights and the order of clips.")] = 0,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda")] = "auto",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any other setting of spectrogram and network."
        ),
    ] = None,
) -> None:
    """Train the network of huzaifah2020 to tell sounds apart, for its setting `weights`.

    Writes the weights, and beside them a record of loss and accuracy in JSON.
    After each epoch the state is saved beside them too (.ckpt, removed at the end): after Ctrl-C or
    a crash the same command goes on from there.
    """
    options = {"channels": channels, "seed": seed, "device": device}
    config = classifier.training_config(**options, **parse_settings(settings or [], options))
    for suffix in (".pt", ".json", ".ckpt"):
        path = out if suffix == ".pt" else out.with_suffix(suffix)
        validate_output(path, suffixes=(suffix,))
    checkpoint = out.with_suffix(".ckpt")
    try:
        with (
            track_training(epochs=epochs, hidden=unwatched()) as progress,
            _stop_on_interrupt() as stop,
        ):
            trained = training.train(
                open_dataset(data),
                config,
                classes=None if classes is None else [name.strip() for name in classes.split(",")],
                fold=int(fold) if fold is not None and fold.isdecimal() else fold,
                epochs=epochs,
                batch=batch,
                learning_rate=learning_rate,
                checkpoint=checkpoint,
                **progress,
                stop=stop,
            )
    except KeyboardInterrupt:
        if not checkpoint.exists():
            raise
        print(
            f"nst: interrupted; the same command goes on after the last whole epoch ({checkpoint})",
            file=sys.stderr,
        )
        raise typer.Exit(130) from None
    record = trained.write(out)
    checkpoint.unlink(missing_ok=True)
    print(trained)
    if trained.dealt:
        print("all recordings lie in one fold: these were dealt out, by source")
    print(out)
    print(record)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("out/demo"),
) -> None:
    """Transfer one style onto one content, and make a page of it."""
    from nst_lib.show import demo

    with track(demo.CONFIG, hidden=unwatched()) as progress:
        files = demo.run(out, callback=progress)
    for path in files:
        print(path)


@data.command()
def download(
    root: Annotated[
        Path | None, typer.Option(help="Folder to make; by default one in your cache.")
    ] = None,
) -> None:
    """Fetch ESC-50 (646 MB, CC BY-NC 3.0): resumed where it broke off, checked, unpacked."""
    from nst_lib.sound.download import download as fetch

    print(fetch(root))


def _validate_outputs(
    out: Path, plot: Path | None, checkpoint: Path | None, *, inputs: list[Path]
) -> None:
    """Refuse, before any work, outputs that cannot be written or would replace an input."""
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
            raise ValueError(f"{path}: is an input; accepted: another name")


@contextmanager
def _stop_on_interrupt() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into a stop event; the next one interrupts as usual.

    An exception could be lost in an import that the optimiser makes on its first step.
    """
    stop = threading.Event()
    previous = signal.getsignal(signal.SIGINT)

    def on_interrupt(_signal: int, _frame: Any) -> None:
        stop.set()
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)


def _show(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(value)
    return value if isinstance(value, str) else json.dumps(value)
