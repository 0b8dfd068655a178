"""The commands ``nst data ...``."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Get a dataset of recordings, and the trained ear.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def download(
    root: Annotated[
        Path | None, typer.Option(help="The folder to make; by default a folder in your cache.")
    ] = None,
) -> None:
    """Download the dataset ESC-50 (646 MB, CC BY-NC 3.0).

    If the download breaks off, the same command continues it. The archive is checked and unpacked.
    """
    from nst_lib.sound.download import download as fetch

    print(fetch(root))


@app.command()
def ear(
    root: Annotated[
        Path | None,
        typer.Option(
            help="The folder for the file; by default the one in the environment variable NST_EAR, "
            "or else one in your cache."
        ),
    ] = None,
    wheel: Annotated[
        Path | None,
        typer.Option("--from", help="A wheel of aisfx 0.1.2 to use instead of a download."),
    ] = None,
) -> None:
    """Download the trained ear, a network that scores what is recognised (23 MB, CC BY 4.0).

    pip downloads the wheel of aisfx 0.1.2 and installs nothing. The weights in it are checked and
    copied. With them, every transfer has the scores `ear` and `ear content`.
    """
    from nst_lib.metrics import weights

    path = weights.install(root, wheel=wheel)
    print(path)
    print(f"This is {weights.CREDIT}.")
    if path.parent.resolve() != weights.default_root().resolve():
        print(f"Set the environment variable {weights.VARIABLE} to {path.parent} to use it.")
