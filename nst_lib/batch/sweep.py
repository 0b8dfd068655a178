"""Try several settings on two recordings in one line: :func:`sweep`.

    from nst_lib.batch.sweep import sweep

    found = sweep("saw.wav", "snoring.wav", content_weight=[0, 0.1, 0.5], steps=[10, 40])
    found.table

A sweep is a batch in this process, without notebooks. Its folder has the same files as that of
``nst batch``, so ``nst gallery``, ``nst survey build`` and ``nst batch`` accept it, and each
continues what the other began.
"""

import itertools
import os
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from nst_lib.base.files import atomic
from nst_lib.batch import driver, results
from nst_lib.batch.driver import Plan
from nst_lib.batch.grid import parse_grid, word
from nst_lib.batch.store import Store
from nst_lib.batch.unit import FILES, Limits, Outcome, Report, Unit, one_line, publish
from nst_lib.core.optimise import Evaluation
from nst_lib.pipeline import transfer
from nst_lib.recordings import remembered
from nst_lib.show import plots, report
from nst_lib.show.player import Compare
from nst_lib.sound.datasets import Clip, RecordedClip, SyntheticClip

#: What content and style may be given as: a path, a clip, or a category or clip of the dataset.
Source = str | os.PathLike[str] | Clip
#: Largest number of conditions that have a player in a notebook.
PLAYED = 12
#: The scores that are at most 1 and have one scale in a plot.
_SHARES = tuple(name for name in results.SCORES if name != "noise")
#: The files of a condition; a batch also has its notebook.
_FILES = tuple(name for name in FILES if name != "notebook.ipynb")


@dataclass(frozen=True)
class Sweep:
    """The results of :func:`sweep`. In a notebook it shows its table, its plot and its players.

    Attributes
    ----------
    table : pd.DataFrame
        One row for each sound: the pair, the settings that vary, the scores, the losses, and more;
        see :func:`nst_lib.batch.results.collect`.
    factors : list of str
        The settings that vary.
    out : Path
        The folder with all files.
    message : str
        How many conditions are done, and what to do if some are not.
    grid : dict
        The grid, as ``nst batch`` reads it.
    """

    table: pd.DataFrame
    factors: list[str]
    out: Path
    message: str
    grid: dict[str, Any]

    @property
    def scores(self) -> pd.DataFrame:
        """The columns of the table that one looks at first: what varies, and the scores."""
        several = [name for name in ("pair", "seed") if self._varies(name)]
        return self.table[[*several, *self.factors, *results.scores_in(self.table)]]

    def plot(self, scores: Sequence[str] | None = None) -> Figure:
        """Plot scores against the first setting that varies; the second one has colours.

        More settings, pairs and seeds are points at the same place.

        Parameters
        ----------
        scores : sequence of str or None
            Columns of the table, one panel for each; None shows all scores.

        Raises
        ------
        ValueError
            If the table has no such column, or no score.
        """
        shown = list(scores) if scores else list(results.scores_in(self.table))
        if not shown:
            raise ValueError(f"no condition has a score: {self.message}")
        for name in shown:
            if name not in self.table:
                raise ValueError(f"score {name!r}; accepted: {', '.join(map(str, self.table))}")
        from matplotlib import pyplot  # it makes notebooks show figures as pictures

        across, colour = [*self.factors, None, None][:2]
        columns = min(3, len(shown))
        rows = -(-len(shown) // columns)
        fig = pyplot.figure(figsize=(1.5 + 3.2 * columns, 2.8 * rows), layout="constrained")
        pyplot.close(fig)  # otherwise a notebook would show it twice
        axes = fig.subplots(rows, columns, squeeze=False)
        lowest = min(0.0, *(self.table[name].min() for name in shown if name in _SHARES))
        for ax, name in zip(axes.flat, shown, strict=False):
            _draw(ax, self.table, name, across, colour)
            if name in _SHARES:
                ax.set_ylim(lowest - 0.05, 1.05)
        for ax in axes.flat[len(shown) :]:
            ax.remove()
        if colour is not None:
            axes[0, -1].legend(title=colour, loc="upper left", bbox_to_anchor=(1, 1))
        return fig

    def players(self, *, interactive: bool = True) -> Compare:
        """Return a player of the first pair's recordings and results, at one position.

        It has at most `PLAYED` results; ``nst gallery`` makes a page of all.

        Parameters
        ----------
        interactive : bool
            Whether the player is a widget; otherwise there are plain players.
        """
        first = self.table[self.table["pair"] == self.table["pair"].iloc[0]].head(PLAYED)
        batch = Store(self.out).batch()
        about = next(c for c in batch["conditions"] if c["id"] == first["id"].iloc[0])
        sounds: dict[str, Any] = {
            role: self.out / about["inputs"][role] for role in ("content", "style")
        }
        named = [*self.factors, *(["seed"] if self._varies("seed") or not self.factors else [])]
        for _, row in first.iterrows():
            sounds[", ".join(f"{name} {word(row[name])}" for name in named)] = (
                self.out / row["sound"]
            )
        return Compare(sounds, interactive=interactive)

    def write_grid(self, path: str | os.PathLike[str]) -> Path:
        """Write the grid as a file for ``nst batch``, for example to run it on a cluster.

        ``nst batch FILE --out FOLDER`` with the folder of the sweep finds its results done.
        """
        with atomic(path) as temporary:
            temporary.write_text(yaml.safe_dump(self.grid, sort_keys=False), encoding="utf-8")
        return Path(path)

    def _varies(self, name: str) -> bool:
        return name in self.table and self.table[name].nunique() > 1

    def __repr__(self) -> str:
        return f"{self.message}\n{self.scores.round(2).to_string(index=False)}"

    def _ipython_display_(self) -> None:
        from IPython.display import Image, Markdown, display

        display(Markdown(self.message))
        if len(self.table):
            display(self.scores.round(2).style.format(precision=2).hide())
            display(Image(plots.png(self.plot(), dpi=100)))
            display(self.players())
            if len(self.table) > PLAYED:
                display(Markdown(f"`nst gallery {self.out}` makes a page with all sounds."))


def sweep(
    content: Source | Sequence[Source],
    style: Source | Sequence[Source],
    *,
    out: str | os.PathLike[str] = "sweep",
    dataset: str = "auto",
    hidden: bool = False,
    **settings: Any,
) -> Sweep:
    """Transfer with every combination of settings. The same call continues where it stopped.

    Parameters
    ----------
    content, style : path, Clip or str, or list of them
        The recordings. A word is a category or a clip of the dataset. All pairs of contents and
        styles are made. Each file is read once.
    out : path
        The folder for the results. Conditions that are there already are not run again.
    dataset : str
        The dataset of words; see :func:`nst_lib.sound.datasets.open_dataset`.
    hidden : bool
        Whether to show no progress.
    **settings
        Settings, as :meth:`nst_lib.TransferConfig.from_preset` takes them, and "preset". A list
        (or an array or a range) has the values that are tried. Anything else is the same for all;
        so is a tuple, for settings that have several words.

    Returns
    -------
    Sweep
        After an interruption (■ in the toolbar, or Ctrl-C), the conditions that are done.

    Raises
    ------
    ValueError
        If a setting, a recording or the folder is not accepted, or if every condition failed.
    """
    grid = _grid(content, style, dataset, settings)
    plan = driver.plan(parse_grid(grid, name="sweep"), out)
    total = sum(condition.config.steps for condition in plan.left.values())
    with (
        tqdm(total=total, unit="eval", disable=hidden or not plan.left) as bar,
        remembered(),
    ):
        status = driver.run(
            plan,
            jobs=1,
            limits=Limits(),
            runner=lambda units: _run(units, plan, bar),
            expected=dict.fromkeys(plan.left, 1.0),
        )
    failed = {n: e.message for n, e in status.entries.items() if e.state == "failed"}
    if failed and not status.counts["done"]:
        raise ValueError("; ".join(sorted(set(failed.values()))))
    return Sweep(
        table=results.collect(plan.store) if status.counts["done"] else pd.DataFrame(),
        factors=list(plan.grid.factors),
        out=Path(out),
        message=_message(len(plan.conditions), status.counts["done"], failed, out),
        grid=grid,
    )


def _grid(
    content: Source | Sequence[Source],
    style: Source | Sequence[Source],
    dataset: str,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the grid of a sweep, with the types of YAML."""
    contents, styles = _listed(content), _listed(style)
    if any(isinstance(source, SyntheticClip) for source in (*contents, *styles)):
        dataset = "synthetic"
    given = {name: _plain(value) for name, value in settings.items()}
    varied = {n: given[n] for n, v in settings.items() if isinstance(v, list | range | np.ndarray)}
    same = {name: value for name, value in given.items() if name not in varied}
    seeds = varied.pop("seed", [same.pop("seed", 0)])
    return {
        "dataset": dataset,
        "pairs": [[_key(s), _key(c)] for c, s in itertools.product(contents, styles)],
        "factors": varied,
        "settings": same,
        "seeds": seeds,
    }


def _listed(sources: Source | Sequence[Source]) -> list[Source]:
    listed: list[Any] = list(sources) if isinstance(sources, list | tuple) else [sources]
    for source in listed:
        if not isinstance(source, str | os.PathLike | Clip):
            raise ValueError(
                f"a recording is a {type(source).__name__}; accepted: a path, a clip, a category"
            )
    return listed


def _key(source: Source) -> str:
    if isinstance(source, Clip):
        return str(source.path) if isinstance(source, RecordedClip) else source.name
    return os.fspath(source)


def _plain(value: Any) -> Any:
    """Return a value with the types of YAML: no tuples, paths, ranges or NumPy types."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple | range):
        return [_plain(item) for item in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _run(units: Sequence[Unit], plan: Plan, bar: Any) -> Generator[Report | None]:
    """Run conditions in this process, one after the other, and report how each ended."""
    for number, unit in enumerate(units, 1):
        condition = plan.conditions[unit.id]
        bar.set_description(f"{number} of {len(units)}")
        yield unit.id, None
        began = time.monotonic()
        sources = {role: plan.grid.clips[getattr(condition, role)] for role in ("content", "style")}
        given = {
            role: clip.path if isinstance(clip, RecordedClip) and not clip.category else clip
            for role, clip in sources.items()
        }

        def on_evaluation(_: Evaluation) -> None:
            bar.update()

        try:
            result = transfer(
                given["content"], given["style"], condition.config, callback=on_evaluation
            )
        except (ValueError, RuntimeError, OSError) as error:
            yield unit.id, Outcome("failed", one_line(str(error)))
            continue
        if result.outcome == "stopped":
            raise KeyboardInterrupt
        bar.update(condition.config.steps - len(result.evaluations))  # it may converge early
        names = {role: str(unit.parameters[role]) for role in ("content", "style")}
        with plan.store.scratch(unit.id) as folder:
            report.write(result, folder / "result.wav", inputs=names)
            plots.save_transfer_figure(result, folder / "figure.png")
            seconds = time.monotonic() - began
            publish(unit, plan.store, folder, seconds=seconds, files=_FILES)
        yield unit.id, Outcome("done", seconds=seconds)


def _message(wanted: int, done: int, failed: Mapping[str, str], out: str | os.PathLike[str]) -> str:
    """Say in words how a sweep ended."""
    said = f"{done} of {wanted} conditions are done, in the folder {os.fspath(out)}."
    if failed:
        said += f" {len(failed)} failed: {'; '.join(sorted(set(failed.values())))}."
    if done + len(failed) < wanted:
        said += " Run the same call again to continue."
    return said


def _draw(ax: Any, table: pd.DataFrame, score: str, across: str | None, colour: str | None) -> None:
    """Draw one score of a sweep."""
    groups = [(None, table)] if colour is None else list(table.groupby(colour, sort=False))
    for label, rows in groups:
        if across is None:
            ax.plot(range(len(rows)), rows[score], "o")
            continue
        x = rows[across]
        numbers = pd.api.types.is_numeric_dtype(x) and x.dtype != bool
        places = x if numbers else x.map(word)
        means = rows.assign(at=places).groupby("at", sort=numbers)[score].mean()
        course = {"ls": "-", "label": label} if numbers else {"ls": "none"}
        (line,) = ax.plot(means.index, means, **course)
        ax.plot(places, rows[score], "o", color=line.get_color(), label=None if numbers else label)
    ax.set(xlabel=across or "Condition", title=score)
    ax.set_ylabel("dB" if score == "noise" else "")
