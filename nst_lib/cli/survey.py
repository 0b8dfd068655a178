"""The commands ``nst survey build``, ``nst survey serve`` and ``nst survey export``."""

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nst_lib.base.terminal import count
from nst_lib.survey import LOOPBACK

if TYPE_CHECKING:
    from nst_lib.survey.serve import Server

#: Difference of levels that is worth a word, in dB.
AUDIBLE = 1.0

app = typer.Typer(
    help="A listening test with real participants.", no_args_is_help=True, rich_markup_mode=None
)

SurveyFolder = Annotated[
    Path, typer.Argument(metavar="SURVEY", help="Folder of `nst survey build`.")
]


@app.command()
def build(
    source: Annotated[
        Path, typer.Argument(help="Folder of a batch; with --table, that of the sounds.")
    ],
    question: Annotated[str, typer.Option(help="What is asked.", metavar="style|content|quality")],
    out: Annotated[
        Path | None, typer.Option(help="Folder to make; by default SOURCE/survey_QUESTION.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            help="CSV file that lists the sounds: file, description; item, pair, role, lowest, "
            "highest and factors, where they are known."
        ),
    ] = None,
    descriptions: Annotated[
        Path | None,
        typer.Option(help="YAML file: clip or category: text. By default, the categories."),
    ] = None,
    title: Annotated[str | None, typer.Option(help="What participants see above all.")] = None,
    consent: Annotated[
        Path | None, typer.Option(help="Text file: what participants agree to.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=0, help="Sounds that each hears twice.")] = 2,
    per_listener: Annotated[
        int | None,
        typer.Option(min=2, help="Different sounds that each hears; by default all.", metavar="N"),
    ] = None,
    rest_every: Annotated[int, typer.Option(min=1, help="Sounds between two pauses.")] = 10,
    loudness: Annotated[
        float | None,
        typer.Option(metavar="LUFS", help="Of all sounds; by default their levels stay."),
    ] = None,
    headphones: Annotated[
        bool, typer.Option("--headphones/--no-headphones", help="Whether to check for them.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Of orders, catch trials and names.")] = 0,
) -> None:
    """Make a listening test from a batch, or from a folder of sounds with a table."""
    from nst_lib.survey import build as maker
    from nst_lib.survey.sources import read_descriptions
    from nst_lib.survey.stimuli import ROLES, TRIAL
    from nst_lib.survey.survey import SETTINGS_FILE, Survey

    with count("survey", "sound") as callback:
        folder = maker.build(
            source,
            out,
            question=question,
            table=table,
            descriptions=None if descriptions is None else read_descriptions(descriptions),
            title=title,
            consent=None if consent is None else _text(consent),
            repeats=repeats,
            per_listener=per_listener,
            rest_every=rest_every,
            loudness=loudness,
            headphones=headphones,
            seed=seed,
            callback=callback,
        )
    survey = Survey.read(folder)
    counts = ", ".join(f"{len(survey.of(role))} {role}" for role in ROLES)
    print(
        f"sounds: {counts}; a participant rates {len(survey.trials(0))}, "
        f"which takes about {survey.minutes} minutes"
    )
    about = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
    others = sum(one.role != TRIAL for one in survey.stimuli)
    if others < about["wanted"]:
        print(
            f"only {others} of {about['wanted']} training and catch sounds: the batch has no more "
            "recordings that are different from each other and from the trials"
        )
    levels = about["levels"]
    low, high, unit = (levels[name] for name in ("lowest", "highest", "unit"))
    advice = "" if loudness is not None or high - low < AUDIBLE else "; --loudness makes them equal"
    print(f"levels: {low} to {high} {unit}{advice}")
    print(folder if out is None else out)


@app.command()
def serve(
    folder: SurveyFolder,
    host: Annotated[
        str, typer.Option(help="Address to listen at; by default this machine only.")
    ] = LOOPBACK,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
    public_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Address for participants, where a web server on this machine passes requests on "
            "and sets X-Forwarded-For, or where this machine has a name.",
        ),
    ] = None,
) -> None:
    """Run a listening test until Ctrl-C; started again, it goes on where it was."""
    from nst_lib.survey.serve import Server

    with Server(folder, host=host, port=port, public_url=public_url) as server:
        _announce(server)
        with suppress(KeyboardInterrupt):
            server.wait()


@app.command()
def export(
    folder: SurveyFolder,
    out: Annotated[
        Path | None, typer.Option(help="CSV file to write; by default SURVEY/ratings.csv.")
    ] = None,
) -> None:
    """Write the ratings as `nst mos` reads them, and beside them what the columns mean."""
    from nst_lib.survey.export import write

    for path in write(folder, out):
        print(path)


def _announce(server: "Server") -> None:
    """Say where a survey is, and who can reach it."""
    lines = [
        f"participants: {server.url}",
        f"admin: {server.admin_url}",
    ]
    if server.local and server.public:
        lines.append(
            "Others reach it if a web server passes requests on, as "
            f"`caddy reverse-proxy --from {server.url.rstrip('/')} --to {server.address}` does."
        )
    elif server.local:
        lines.append(
            "Only this machine can reach it. For others, add --public-url https://YOUR.HOST, and "
            "have a web server with TLS pass requests on, as `caddy reverse-proxy --from YOUR.HOST "
            f"--to {server.address}` does."
        )
    else:
        lines.append(
            "Whoever reaches this machine can take part, and without TLS whoever is in between can "
            "read along: better to leave --host as it is, behind a web server with TLS."
        )
    if server.survey.checksums is None:
        lines.append(
            "An older version built this test, without checksums: nobody can tell whether a sound "
            "was replaced."
        )
    print("\n".join(lines), flush=True)


def _text(path: Path) -> str:
    accepted = "accepted: a text file"
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ValueError(f"{path}: cannot read ({reason}); {accepted}") from error
    if not text:
        raise ValueError(f"{path}: is empty; {accepted}")
    return text
