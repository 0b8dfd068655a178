"""The command ``nst``.

It exits with status 0 on success, and with status 2 and one line on standard error for bad input.
"""

import sys
import warnings
from typing import Annotated

import typer
from tqdm import tqdm

from nst_lib import __version__
from nst_lib.cli import batch, data, opinions, reproduce, style, survey, train, transfer

app = typer.Typer(
    name="nst",
    help="Neural style transfer of environmental sound.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    *(transfer.transfer, reproduce.reproduce, transfer.presets, transfer.demo, style.style),
    train.train,
    *(batch.batch, batch.status, batch.gallery, opinions.mos, opinions.power),
):
    app.command()(command)
app.add_typer(data.app, name="data")
app.add_typer(survey.app, name="survey")


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
    """Print a warning as one line above any progress bar."""
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
