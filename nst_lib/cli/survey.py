"""The commands ``nst survey build``, ``nst survey serve`` and ``nst survey export``."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nst_lib.base.terminal import count
from nst_lib.base.validation import hint
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
        str | None,
        typer.Option(
            help="What participants judge; several questions, separated by commas, make a test of "
            "several blocks.",
            metavar="style|content|quality[,...]",
        ),
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            help="How they judge it: ratings of single sounds, paired preference, ABX, or pages of "
            "MUSHRA.",
            metavar="rating|pair|abx|mushra",
        ),
    ] = "rating",
    plan: Annotated[
        Path | None,
        typer.Option(
            help="YAML file with a list of blocks, in place of --question and --kind; "
            "docs/survey.md shows one."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to create; by default SOURCE/survey_QUESTION.")
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            help="CSV file that lists the sounds: file; optionally description, item, pair, role, "
            "block, lowest, highest. All other columns are factors."
        ),
    ] = None,
    descriptions: Annotated[
        Path | None,
        typer.Option(
            help="YAML file with a description for each clip or category; by default, the "
            "description is the category."
        ),
    ] = None,
    reference: Annotated[
        bool,
        typer.Option(
            "--reference",
            help="Play the recording that the question is about beside each sound, and ask how "
            "similar they are.",
        ),
    ] = False,
    points: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=11,
            help="Number of points of the scale, with --labels; by default five, with our labels.",
        ),
    ] = None,
    continuous: Annotated[
        bool, typer.Option("--continuous", help="Ratings are numbers from 0 to 100.")
    ] = False,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="LABEL,...",
            help="Labels of the scale, the lowest first: one for each point, or two or more along "
            "a continuous scale.",
        ),
    ] = None,
    language: Annotated[
        str,
        typer.Option(
            help="Language of the page: en, de, fr, es, or a message file of your own (JSON)."
        ),
    ] = "en",
    title: Annotated[str | None, typer.Option(help="Title of the test, for participants.")] = None,
    consent: Annotated[
        Path | None, typer.Option(help="Text file: the text that participants agree to.")
    ] = None,
    questionnaire: Annotated[
        bool,
        typer.Option(
            "--questionnaire",
            help="Ask about age, hearing and experience before the test, and about device, place "
            "and comments after it. No answer is obligatory.",
        ),
    ] = False,
    repeats: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Number of sounds, or comparisons, that each participant hears twice in a block; "
            "by default 2 sounds. For ABX: how often each comparison comes; by default twice.",
        ),
    ] = None,
    per_listener: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of different trials, or comparisons, that each participant hears in a "
            "block; by default all.",
            metavar="N",
        ),
    ] = None,
    rest_every: Annotated[
        int, typer.Option(min=1, help="Number of screens between two breaks.")
    ] = 10,
    loudness: Annotated[
        float | None,
        typer.Option(
            metavar="LUFS", help="Loudness of all sounds; by default their levels do not change."
        ),
    ] = None,
    headphones: Annotated[
        str,
        typer.Option(
            help="Headphone check: the tones of Woods et al., the pitch of Huggins, or none.",
            metavar="woods|huggins|none",
        ),
    ] = "woods",
    channels: Annotated[
        bool, typer.Option("--channels", help="Check the left and the right channel, too.")
    ] = False,
    platform: Annotated[
        str | None,
        typer.Option(
            help="Where participants come from: their identity is in the address of the test, and "
            "only its keyed hash is stored.",
            metavar="prolific|mturk|list",
        ),
    ] = None,
    completion_code: Annotated[
        str | None, typer.Option(help="Code that participants get at the end, for the platform.")
    ] = None,
    completion_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Address to which they return at the end; by default that of Prolific for the "
            "code.",
        ),
    ] = None,
    screened_out_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Address for those whom --require-headphones leaves out."),
    ] = None,
    no_consent_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Address for those who do not agree.")
    ] = None,
    require_headphones: Annotated[
        bool,
        typer.Option(
            "--require-headphones",
            help="Screen out participants who fail the headphone check twice; with --platform.",
        ),
    ] = False,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the orders, the catch trials and the file names.")
    ] = 0,
) -> None:
    """Build a listening test from a batch, or from a folder of sounds with a table."""
    from nst_lib.survey import build as maker
    from nst_lib.survey import plan as planning
    from nst_lib.survey.sources import read_descriptions

    chosen = planning.read(plan) if plan is not None else None
    if chosen is None:
        chosen = planning.of_questions(
            ["style"] if kind == "abx" else _list(question),
            kind=kind,
            reference=reference or None,
            continuous=continuous or None,
            labels=_labels(labels, points),
            repeats=repeats,
            per_listener=per_listener,
        )
    elif question is not None:
        raise ValueError("--question and --plan cannot be given together; give one of them")
    from_platform = _platform(
        platform,
        completion_code=completion_code,
        completion_url=completion_url,
        screened_out_url=screened_out_url,
        no_consent_url=no_consent_url,
        require_headphones=require_headphones,
    )
    with count("survey", "sound") as callback:
        folder = maker.build(
            source,
            out,
            plan=chosen,
            table=table,
            descriptions=None if descriptions is None else read_descriptions(descriptions),
            title=title,
            consent=None if consent is None else _text(consent),
            language=language,
            questionnaires=questionnaire,
            rest_every=rest_every,
            loudness=loudness,
            headphones=_headphones(headphones),
            channels=channels,
            platform=from_platform,
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
        Path | None,
        typer.Option(
            help="CSV file to write; by default SURVEY/ratings.csv, or the name of another kind of "
            "data. Further tables are written beside it."
        ),
    ] = None,
) -> None:
    """Write the answers for `nst mos`, and the meaning of the columns of each table."""
    from nst_lib.survey.export import write

    for path in write(folder, out):
        print(path)


def _summarise(folder: Path, *, same_loudness: bool) -> None:
    """Print the numbers of sounds, how long a participant takes, and the levels of a new survey."""
    from nst_lib.survey.files import SETTINGS_FILE
    from nst_lib.survey.settings import read_json
    from nst_lib.survey.sources import ANCHORS
    from nst_lib.survey.stimuli import ANCHOR, CATCH, REFERENCE, ROLES, TRAINING
    from nst_lib.survey.survey import Survey

    survey, about = Survey.read(folder), read_json(folder / SETTINGS_FILE)
    roles = [one.role for one in survey.stimuli]
    counts = ", ".join(f"{roles.count(role)} {role}" for role in ROLES if role in roles)
    blocks = ", ".join(f"{one.name} ({one.kind})" for one in survey.settings.blocks)
    print(f"blocks: {blocks}")
    print(
        f"sounds: {counts}; a participant gives {len(survey.places(0))} answers, "
        f"which takes about {survey.minutes} minutes"
    )
    others = sum(role in (TRAINING, CATCH) for role in roles)
    if others < about["wanted"]:
        print(
            f"only {others} of {about['wanted']} training and catch sounds: the batch has no more "
            "recordings that are different from each other and from the trials"
        )
    pages = [one for one in survey.settings.blocks if one.kind == "mushra"]
    given = [one.role for block in pages for one in survey.of(block)]
    if given.count(ANCHOR) < len(ANCHORS) * given.count(REFERENCE):
        print(
            f"only {given.count(ANCHOR)} of {len(ANCHORS) * given.count(REFERENCE)} anchors: the "
            "others need a higher sampling rate of the references"
        )
    low, high, unit = (about["levels"][name] for name in ("lowest", "highest", "unit"))
    equal = same_loudness or high - low < AUDIBLE
    print(f"levels: {low} to {high} {unit}{'' if equal else '; --loudness makes them equal'}")


def _announce(server: "Server") -> None:
    """Print the addresses of a survey, and who can reach it."""
    lines = [
        f"participants: {server.url}{_parameters(server)}",
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


def _parameters(server: "Server") -> str:
    """Return what a platform adds to the address of the test."""
    platform = server.survey.settings.platform
    if platform is None:
        return ""
    values = {"prolific": "{{%PROLIFIC_PID%}}", "mturk": "${workerId}"}
    return f"?{platform.parameter}={values.get(platform.name, 'NAME')}"


def _list(question: str | None) -> list[str]:
    """Read questions: "style,content"."""
    found = [part.strip() for part in (question or "").split(",") if part.strip()]
    if not found:
        raise ValueError(
            "no question; accepted: --question with style, content, quality or several of them, or "
            "--plan"
        )
    return found


def _labels(text: str | None, points: int | None) -> list[str] | None:
    """Read the labels of a scale. Points without labels are numbered."""
    if text is None:
        return None if points is None else [str(n) for n in range(1, points + 1)]
    found = [part.strip() for part in text.split(",")]
    if points is not None and len(found) != points:
        raise ValueError(f"labels: {len(found)} of them; accepted: {points}, one for each point")
    return found


def _headphones(text: str) -> str | None:
    accepted = ("woods", "huggins", "none")
    if text not in accepted:
        raise ValueError(f"headphones {text!r}; {hint(text, accepted)}")
    return None if text == "none" else text


def _platform(name: str | None, **given: str | bool | None) -> dict[str, Any] | None:
    """Return the settings of a platform; None if there is none."""
    from nst_lib.survey.settings import PARAMETERS, PROLIFIC

    named = [option for option, value in given.items() if value]
    if name is None:
        if named:
            option = named[0].replace("_", "-")
            raise ValueError(f"--{option} needs a platform; add --platform prolific, for example")
        return None
    if name not in PARAMETERS:
        raise ValueError(f"platform {name!r}; {hint(name, PARAMETERS)}")
    code = given["completion_code"]
    if name == "prolific" and code and not given["completion_url"]:
        given["completion_url"] = f"{PROLIFIC}{code}"
    return {"name": name, "parameter": PARAMETERS[name], **given}


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
