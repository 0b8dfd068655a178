"""The commands ``nst data ...``."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Get datasets of recordings.", no_args_is_help=True, rich_markup_mode=None)


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
