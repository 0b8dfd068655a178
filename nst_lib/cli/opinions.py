"""The commands ``nst mos`` and ``nst power``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nst_lib.base.files import FIGURE_FORMATS, atomic, validate_output
from nst_lib.base.terminal import count
from nst_lib.base.validation import hint

if TYPE_CHECKING:
    from nst_lib.opinions.analysis import Opinions
    from nst_lib.opinions.judgements import Judgements
    from nst_lib.opinions.simulation import Spread


#: Figures of several questions stand side by side if none has more conditions than this.
BESIDE = 6


def mos(
    ratings: Annotated[
        Path,
        typer.Argument(
            help="CSV file of a listening test: ratings (columns listener, item, rating), "
            "preferences (listener, first, second, preferred), ABX trials (listener, a, b, x, "
            "chosen), each with factors; or results of webMUSHRA or of the P.808 toolkit."
        ),
    ],
    by: Annotated[
        str,
        typer.Option(
            metavar="FACTOR[,...]",
            help="Factors that make a condition; required for ratings. Without it, each item of a "
            "test of preferences or ABX is a condition.",
        ),
    ] = "",
    order: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FACTOR=LEVEL,...",
            help="Order of the levels of a factor in tables and figures. A difference is the later "
            "level − the earlier one. By default levels are sorted. Repeat it for other factors.",
        ),
    ] = None,
    items: Annotated[
        str | None,
        typer.Option(
            metavar="TABLE",
            help="Table with more columns for each item: a CSV file with one row per item, or the "
            "folder of a batch.",
        ),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Regular expression for the names of the items. Its named groups, as in "
            "(?P<pooling>...), become columns.",
        ),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,HIGH",
            help="Range of the ratings; by default that in the column scale, or 1,5.",
        ),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(
            help="YAML file with the rules by which listeners are left out; by default our rules."
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="JSON file to write all results to.")] = None,
    plot: Annotated[
        Path | None, typer.Option(help=f"File to draw opinions to: {', '.join(FIGURE_FORMATS)}.")
    ] = None,
    boot: Annotated[int, typer.Option(min=0, help="Number of draws of the bootstrap.")] = 10000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
) -> None:
    """Analyse a listening test: ratings, preferences, ABX trials or MUSHRA.

    The columns of the file tell which of them it has.
    """
    from nst_lib.opinions import choices, judgements
    from nst_lib.opinions.analysis import Opinions, analyse
    from nst_lib.opinions.judgement_summary import summary as choice_summary
    from nst_lib.opinions.reading import read
    from nst_lib.opinions.screening import Rules
    from nst_lib.opinions.summary import summary
    from nst_lib.opinions.tables import read_table

    for path, suffixes in ((json, (".json",)), (plot, FIGURE_FORMATS)):
        if path is not None:
            validate_output(path, suffixes=suffixes)
    levels = dict(_levels(text) for text in order or [])
    limits = _numbers(scale, "scale")
    chosen = Rules.read(rules) if rules is not None else Rules()
    factors = [name.strip() for name in by.split(",") if name.strip()]
    given: Opinions | Judgements
    kind = choices.kind(map(str, read_table(ratings).frame))
    if kind is None:
        found = read(ratings, items=items, pattern=pattern, scale=limits).ordered(levels)
        given = analyse(found, factors, rules=chosen, n_boot=boot, seed=seed)
    elif limits is not None:
        raise ValueError(f"scale {scale}: {kind} are not rated on a scale; leave --scale out")
    else:
        answers = choices.read(ratings, items=items, pattern=pattern).ordered(levels)
        given = judgements.analyse(answers, factors, rules=chosen, n_boot=boot, seed=seed)
    with count("mos", "analysis") as callback:
        text = given.to_json(callback)
    print(summary(given) if isinstance(given, Opinions) else choice_summary(given))
    if json is not None:
        with atomic(json) as scratch:
            scratch.write_text(text + "\n", encoding="utf-8")
        print(json)
    if plot is not None:
        _draw(given, plot)
        print(plot)


def power(
    difference: Annotated[float, typer.Option(help="Difference in MOS between two conditions.")],
    listeners: Annotated[
        str, typer.Option(metavar="N[,...]", help="Numbers of listeners to try.")
    ] = "6,12,18,30,60",
    pairs: Annotated[int, typer.Option(min=2, help="Number of pairs of recordings.")] = 5,
    mean: Annotated[float, typer.Option(help="Mean of the two MOS.")] = 3.0,
    spread: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SD",
            help="Standard deviation of listener, pair, listener_effect, pair_effect or residual, "
            "in points of the scale.",
        ),
    ] = None,
    level: Annotated[
        float,
        typer.Option(
            help="Significance level: a difference counts as detected if its p is below this level."
        ),
    ] = 0.05,
    sims: Annotated[
        int, typer.Option(min=1, help="Number of simulated tests for each number of listeners.")
    ] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first test.")] = 0,
) -> None:
    """Find out by simulation how many listeners are needed to detect a difference."""
    from nst_lib.opinions import simulation

    assumed = _spread(spread or [])
    counts = [_integer(text, "listeners") for text in listeners.split(",")]
    with count("power", "test") as callback:
        table = simulation.power(
            difference,
            listeners=counts,
            pairs=pairs,
            mean=mean,
            spread=assumed,
            level=level,
            n_sims=sims,
            seed=seed,
            callback=callback,
        )
    stated = ", ".join(f"{name} {sd:g}" for name, sd in vars(assumed).items())
    print(f"simulated tests; standard deviations: {stated}")
    print(f"{pairs} pairs, difference {difference:g} around MOS {mean:g}, p < {level:g}")
    print(table.to_string(index=False, float_format="%.2f"))
    enough = table.loc[table["power"] >= simulation.WANTED, "listeners"]
    wanted = f"power {simulation.WANTED:.0%}"
    print(f"{wanted}: {enough.min()} listeners" if len(enough) else f"{wanted}: not reached")


def _draw(given: "Opinions | Judgements", path: Path) -> None:
    """Write a figure of the results of all listeners, with axes for each question."""
    from matplotlib.figure import Figure

    from nst_lib.opinions import plots
    from nst_lib.opinions.abx import Abx
    from nst_lib.opinions.analysis import ALL, Analysis, Opinions
    from nst_lib.show import plots as figures

    figures.use_style()
    drawn = [variants[ALL] for variants in given.analyses.values()]
    rows = [one.comparisons if isinstance(one, Abx) else one.conditions for one in drawn]
    longest, rated = max(map(len, rows)), isinstance(given, Opinions)
    down, across = (1, len(drawn)) if rated and longest <= BESIDE else (len(drawn), 1)
    size = (max(5.0, 1.3 * longest), 4.0) if rated else (8.0, 1.6 + 0.35 * longest)
    fig = Figure(figsize=(size[0] * across, size[1] * down))
    axes = fig.subplots(down, across, squeeze=False).flat
    for ax, question, one in zip(axes, given.analyses, drawn, strict=True):
        if isinstance(one, Analysis):
            plots.opinions(ax, one, title=question)
        elif isinstance(one, Abx):
            plots.abx(ax, one, title=question)
        else:
            plots.worths(ax, one, title=question)
    figures.save(fig, path)


def _numbers(text: str | None, name: str) -> tuple[float, float] | None:
    """Read two numbers: "0,100"."""
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{name} {text!r}; accepted: two numbers, for example 0,100") from None
    return low, high


def _levels(text: str) -> tuple[str, list[str]]:
    """Read a factor and its levels: "width=2,10"."""
    name, equals, levels = text.partition("=")
    if not equals:
        raise ValueError(f"order {text!r}; accepted: a factor and its levels, as in width=2,10")
    return name.strip(), [level.strip() for level in levels.split(",")]


def _integer(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{name} {text!r}; accepted: whole numbers, as in 12,18,30") from None


def _spread(given: list[str]) -> "Spread":
    """Read standard deviations: "pair=0.5"."""
    from nst_lib.opinions.simulation import Spread

    values = {}
    names = list(vars(Spread()))
    for text in given:
        name, equals, value = text.partition("=")
        if name not in names:
            raise ValueError(f"spread {text!r}; {hint(name, names)}")
        if not equals:
            raise ValueError(f"spread {text!r}; accepted: a name and a number, as in {name}=0.5")
        try:
            values[name] = float(value)
        except ValueError:
            raise ValueError(f"spread {text!r}; accepted: a number") from None
    return Spread(**values)
