"""The command ``nst train``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from nst_lib.base.files import validate_output
from nst_lib.base.terminal import unwatched
from nst_lib.cli.interrupt import stop_on_interrupt
from nst_lib.config import parse_settings
from nst_lib.sound.datasets import open_dataset
from nst_lib.train import classifier, training
from nst_lib.train.progress import track_training


def train(
    out: Annotated[Path, typer.Option(help="The file of weights to write: .pt.")],
    data: Annotated[
        str,
        typer.Option(
            help="The dataset: auto, synthetic, esc50, or a folder of recordings or of an ESC-50 "
            "copy."
        ),
    ] = "auto",
    classes: Annotated[
        str | None,
        typer.Option(help="The categories to tell apart; by default all.", metavar="NAME,NAME"),
    ] = None,
    fold: Annotated[
        str | None,
        typer.Option(
            help="The fold to hold out, by default the last. With all, each fold is held out in "
            "turn; the weights are those of the last training.",
            metavar="N|all",
        ),
    ] = None,
    epochs: Annotated[
        int, typer.Option(min=1, help="The number of times that each clip is learned from.")
    ] = training.EPOCHS,
    batch: Annotated[
        int, typer.Option(min=1, help="The number of clips in a batch.")
    ] = training.BATCH,
    learning_rate: Annotated[
        float, typer.Option(help="The learning rate of Adam.", metavar="RATE")
    ] = training.LEARNING_RATE,
    channels: Annotated[
        int, typer.Option(help="The number of channels of the network; 4096 in the paper.")
    ] = classifier.CHANNELS,
    seed: Annotated[
        int, typer.Option(help="Seed of the first weights and of the order of the clips.")
    ] = 0,
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|cuda", help="The device that runs the network.")
    ] = "auto",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Another setting of the spectrogram or the network; can be given several times.",
        ),
    ] = None,
) -> None:
    """Train the network of huzaifah2020 to recognise sounds.

    The command writes a file of weights for the setting `weights` of huzaifah2020, and beside it a
    record of loss and accuracy in JSON.
    After each epoch it also writes a checkpoint (.ckpt) beside them. After Ctrl-C or a crash, the
    same command continues from the checkpoint. The checkpoint is removed at the end.
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
            stop_on_interrupt() as stop,
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
            f"nst: interrupted: run the same command again to continue from {checkpoint}",
            file=sys.stderr,
        )
        raise typer.Exit(130) from None
    record = trained.write(out)
    checkpoint.unlink(missing_ok=True)
    print(trained)
    if trained.dealt:
        print("all recordings are in one fold, so they were divided into new folds by source")
    print(out)
    print(record)
