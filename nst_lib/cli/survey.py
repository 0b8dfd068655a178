"""The commands ``nst survey build``, ``nst survey serve`` and ``nst survey export``."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nst_lib.base.terminal import count
from nst_lib.survey import LOOPBACK

if TYPE_CHECKING:
    from nst_lib.survey.serve import Server

#: Difference of levels that is worth mentioning, in dB.
AUDIBLE = 1.0

app = typer.Typer(
    help="Run a listening test with participants.", no_args_is_help=True, rich_markup_mode=None
)

SurveyFolder = Annotated[
    Path, typer.Argument(metavar="SURVEY", help="Folder that `nst survey build` made.")
]


@app.command()
def build(
    source: Annotated[
        Path, typer.Argument(help="Folder of a batch; with --table, the folder of the sounds.")
    ],
    question: Annotated[
        str, typer.Option(help="What participants rate.", metavar="style|content|quality")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder to create; by default SOURCE/survey_QUESTION.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            help="CSV file that lists the sounds: file; optionally description, item, pair, role, "
            "lowest, highest. All other columns are factors."
        ),
    ] = None,
    descriptions: Annotated[
        Path | None,
        typer.Option(
            help="YAML file with a description for each clip or category; by default, the "
            "description is the category."
        ),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the test, for participants.")] = None,
    consent: Annotated[
        Path | None, typer.Option(help="Text file: the text that participants agree to.")
    ] = None,
    repeats: Annotated[
        int, typer.Option(min=0, help="Number of sounds that each participant hears twice.")
    ] = 2,
    per_listener: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Number of different trials that each participant hears; by default all trials.",
            metavar="N",
        ),
    ] = None,
    rest_every: Annotated[
        int, typer.Option(min=1, help="Number of sounds between two breaks.")
    ] = 10,
    loudness: Annotated[
        float | None,
        typer.Option(
            metavar="LUFS", help="Loudness of all sounds; by default their levels do not change."
        ),
    ] = None,
    headphones: Annotated[
        bool,
        typer.Option(
            "--headphones/--no-headphones", help="Whether participants do the headphone check."
        ),
    ] = True,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the orders, the catch trials and the file names.")
    ] = 0,
) -> None:
    """Build a listening test from a batch, or from a folder of sounds with a table."""
    from nst_lib.survey import build as maker
    from nst_lib.survey.sources import read_descriptions

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
    _summarise(folder, same_loudness=loudness is not None)
    print(folder if out is None else out)


@app.command()
def serve(
    folder: SurveyFolder,
    host: Annotated[
        str, typer.Option(help="Address to listen at; by default, only this machine can reach it.")
    ] = LOOPBACK,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen at; 0 is any free port.")
    ] = 8000,
    public_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Address for participants, if it differs from --host: for example, if a web "
            "server on this machine forwards requests. It must set X-Forwarded-For.",
        ),
    ] = None,
) -> None:
    """Serve a listening test until Ctrl-C. No rating is lost; start it again to continue."""
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
    """Write the ratings for `nst mos`, and a second file with the meaning of the columns."""
    from nst_lib.survey.export import write

    for path in write(folder, out):
        print(path)


def _summarise(folder: Path, *, same_loudness: bool) -> None:
    """Print the numbers of sounds, how long a participant takes, and the levels of a new survey."""
    from nst_lib.survey.files import SETTINGS_FILE
    from nst_lib.survey.settings import read_json
    from nst_lib.survey.stimuli import ROLES, TRIAL
    from nst_lib.survey.survey import Survey

    survey, about = Survey.read(folder), read_json(folder / SETTINGS_FILE)
    counts = ", ".join(f"{len(survey.of(role))} {role}" for role in ROLES)
    print(
        f"sounds: {counts}; a participant rates {len(survey.trials(0))}, "
        f"which takes about {survey.minutes} minutes"
    )
    others = sum(one.role != TRIAL for one in survey.stimuli)
    if others < about["wanted"]:
        print(
            f"only {others} of {about['wanted']} training and catch sounds: the batch has no more "
            "recordings that are different from each other and from the trials"
        )
    low, high, unit = (about["levels"][name] for name in ("lowest", "highest", "unit"))
    equal = same_loudness or high - low < AUDIBLE
    print(f"levels: {low} to {high} {unit}{'' if equal else '; --loudness makes them equal'}")


def _announce(server: "Server") -> None:
    """Print the addresses of a survey, and who can reach it."""
    lines = [
        f"participants: {server.url}",
        f"admin: {server.admin_url}",
    ]
    if server.local and server.public:
        lines.append(
            "Others can reach it if a web server forwards requests, for example with "
            f"`caddy reverse-proxy --from {server.url.rstrip('/')} --to {server.address}`."
        )
    elif server.local:
        lines.append(
            "Only this machine can reach it. To let others take part, add --public-url "
            "https://YOUR.HOST, and let a web server with TLS forward requests, for example with "
            f"`caddy reverse-proxy --from YOUR.HOST --to {server.address}`."
        )
    else:
        lines.append(
            "Anybody who can reach this machine can take part. Without TLS, others on the network "
            "can read the ratings: it is safer to leave out --host, and to let a web server with "
            "TLS forward requests."
        )
    if server.survey.checksums is None:
        lines.append(
            "An older version built this test, without checksums: the server cannot check whether "
            "a sound was replaced."
        )
    print("\n".join(lines), flush=True)


def _text(path: Path) -> str:
    advice = "choose a text file"
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ValueError(f"{path}: cannot read ({reason}); {advice}") from error
    if not text:
        raise ValueError(f"{path}: is empty; write the text into it")
    return text
