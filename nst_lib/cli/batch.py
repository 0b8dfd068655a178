"""The commands ``nst batch``, ``nst status`` and ``nst gallery``."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psutil
import typer
from tqdm.auto import tqdm

from nst_lib.base.terminal import count, unwatched
from nst_lib.batch import driver
from nst_lib.batch.driver import Plan
from nst_lib.batch.estimate import START_SECONDS, Estimate, estimate, makespan
from nst_lib.batch.grid import read_grid
from nst_lib.batch.monitor import Bars, Lines, describe, duration, finished
from nst_lib.batch.results import RESULTS
from nst_lib.batch.status import Status
from nst_lib.batch.store import Store
from nst_lib.batch.unit import Limits
from nst_lib.config import parse_settings
from nst_lib.metrics import weights
from nst_lib.sound.datasets import Clip, RecordedClip
from nst_lib.sound.decoding import AudioError, probe
from nst_lib.system import System

Out = Annotated[str, typer.Argument(help="The folder or URL that `nst batch` wrote to.")]


def batch(
    grid: Annotated[Path, typer.Argument(help="The YAML file with the grid of conditions.")],
    out: Annotated[
        str, typer.Option(help="The folder for the results, or a URL that fsspec can open.")
    ],
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="The number of conditions that run at a time; by default one for each core.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="List the conditions with estimates of time and memory, and run nothing.",
        ),
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Replace a setting of the grid; can be given several times.",
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(min=1, help="The longest time for one condition.", metavar="SECONDS"),
    ] = None,
    memory: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            metavar="GB",
            help="The largest memory for one condition; by default the free memory is shared out "
            "evenly.",
        ),
    ] = None,
    retries: Annotated[
        int, typer.Option(min=0, help="The number of times that a dead kernel is replaced.")
    ] = 2,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="The number of threads per condition; by default the cores are shared out evenly.",
        ),
    ] = None,
    notebook: Annotated[
        Path,
        typer.Option(
            help="The notebook to execute for each condition; by default lesson 7.",
            show_default=False,
        ),
    ] = driver.NOTEBOOK,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Run the conditions on the workers of this Dask scheduler."
        ),
    ] = None,
    resource: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=COUNT",
            help="With --dask: a resource of the worker that each condition uses, for example "
            "GPU=1.",
        ),
    ] = None,
) -> None:
    """Run a grid of conditions, each as a notebook.

    The same command continues a batch that was interrupted: finished conditions that have not
    changed are not run again. Exit status: 0 if all conditions are done, 1 if some failed, 130
    after Ctrl-C.
    """
    resources = _resources(resource or [])
    if resources and dask is None:
        raise ValueError("--resource without --dask: give both or neither")
    load = psutil.getloadavg()[0]  # the load of other programs, before this batch adds its own
    wanted = read_grid(grid, parse_settings(settings or []))
    plan = driver.plan(wanted, out, notebook=notebook)
    if plan.left and not dry_run and dask is None:
        from nst_lib.batch import kernels

        kernels.preloaded()  # while the estimates are made
    estimates = _estimate(plan)
    with _place(plan, estimates, jobs=jobs, dask=dask, resources=resources) as place:
        if dry_run:
            _list(plan, estimates)
            print(_forecast(plan, estimates, place.jobs, load=None if dask else load))
            return
        limits = Limits(
            timeout=timeout,
            memory=place.memory if memory is None else 1e9 * memory,
            retries=retries,
            threads=threads or place.threads,
        )
        status = _run(plan, place, limits, estimates)
    print(status.summary())
    for name, entry in status.entries.items():
        if entry.state not in ("done", "queued"):
            print(finished(name, entry))
    if status.counts["done"]:
        if dask is None and weights.find() is None:
            print(weights.MISSING)
        print(f"{out.rstrip('/')}/{RESULTS}")
    if status.counts["queued"]:
        print("nst: interrupted: run the same command again to continue", file=sys.stderr)
        raise typer.Exit(130)
    if status.counts["done"] < len(status.entries):
        raise typer.Exit(1)


def status(out: Out) -> None:
    """Show the progress of a batch.

    Use this command from another terminal while the batch runs, or afterwards.
    """
    store = Store(out)
    status = Status.read(store)
    print(status.summary())
    for name, entry in status.entries.items():
        if entry.state == "running":
            print(f"running {name}: {describe(entry)}")
        elif entry.state not in ("done", "queued"):
            print(finished(name, entry))
    if status.alive:
        eta = status.eta
        left = "" if eta is None else f", about {duration(eta)} left"
        print(f"driver: process {status.driver['pid']} on {status.driver['host']}{left}")
    elif status.counts["done"] < len(status.entries):
        print("no driver is running: run the same `nst batch` command again to continue")


def gallery(
    out: Out,
    to: Annotated[
        Path | None, typer.Option(help="The folder for the page; by default OUT/gallery.")
    ] = None,
) -> None:
    """Write a page to listen to the results of a batch.

    The page works without a server and without a connection. Its folder can be copied.
    """
    from nst_lib.batch.gallery import write_gallery

    with count("gallery", "sound") as callback:
        page = write_gallery(out, to, callback=callback)
    print(page)


@dataclass(frozen=True)
class _Place:
    """The place where conditions run: number at a time, threads and memory of each, and runner."""

    jobs: int
    threads: int
    memory: float | None
    runner: driver.Runner


@contextmanager
def _place(
    plan: Plan,
    estimates: dict[str, Estimate],
    *,
    jobs: int | None,
    dask: str | None,
    resources: dict[str, float],
) -> Iterator[_Place]:
    if dask is not None:
        from nst_lib.batch.cluster import Cluster

        if jobs is not None:
            raise ValueError(
                "--jobs with --dask: leave out --jobs, because the workers decide how many "
                "conditions run at a time"
            )
        with closing(Cluster(dask, resources=resources)) as cluster:
            yield _Place(jobs=cluster.slots, threads=1, memory=None, runner=cluster.run)
        return
    from nst_lib.batch import pool

    most = max((one.memory for one in estimates.values()), default=1.0)
    # Count finished conditions too: another number of threads would change the last digits.
    count = jobs or driver.default_jobs(most, wanted=len(plan.conditions))
    threads, memory = driver.share(count)
    yield _Place(count, threads, memory, lambda units: pool.run(units, jobs=count))


def _run(plan: Plan, place: _Place, limits: Limits, estimates: dict[str, Estimate]) -> Status:
    """Run a plan and show its progress."""
    display = Lines() if unwatched() else Bars(left=len(plan.left))
    try:
        return driver.run(
            plan,
            jobs=place.jobs,
            limits=limits,
            runner=place.runner,
            expected={name: one.seconds for name, one in estimates.items()},
            observer=display,
        )
    finally:
        display.close()


def _estimate(plan: Plan) -> dict[str, Estimate]:
    """Estimate the conditions that are not done. Each different set of settings is run once."""
    known: dict[tuple[System, float], Estimate] = {}
    wanted = {
        name: (
            one.config.replace(seed=0),
            one.config.duration
            or max(_length(plan.grid.clips[key]) for key in (one.style, one.content)),
        )
        for name, one in plan.left.items()
    }
    different = set(wanted.values())
    bar = tqdm(different, desc="estimating", delay=1, leave=False, disable=unwatched())
    for config, length in bar:
        known[config, length] = estimate(config, length=length)
    return {name: known[key] for name, key in wanted.items()}


def _length(clip: Clip) -> float:
    """Return the duration of a clip in seconds. A bad file is only refused when it is run."""
    if isinstance(clip, RecordedClip):
        with suppress(AudioError):
            return probe(clip.path).seconds or 5.0
    return 5.0


def _list(plan: Plan, estimates: dict[str, Estimate]) -> None:
    """Print all conditions with their estimates."""
    width = max(map(len, plan.conditions))
    for name in plan.conditions:
        one = estimates.get(name)
        what = "done" if one is None else f"{duration(one.seconds):>12} {one.memory / 1e9:5.1f} GB"
        print(f"{name:{width}} {what}")


def _forecast(plan: Plan, estimates: dict[str, Estimate], jobs: int, *, load: float | None) -> str:
    """Return how long the batch takes, in words. `load` is None if it runs on other machines."""
    count = f"{len(plan.conditions)} conditions, {len(plan.left)} to run"
    if not estimates:
        return count
    alone = START_SECONDS + makespan((one.seconds for one in estimates.values()), jobs=jobs)
    most = max(one.memory for one in estimates.values()) / 1e9
    if load is None:
        return (
            f"{count}: about {duration(alone)} with {jobs} at a time, up to {most:.1f} GB each, if "
            "the workers are as fast as this machine"
        )
    idle, now = (alone * driver.slowdown(jobs, load=busy) for busy in (0.0, load))
    said = (
        f"{count}: about {duration(idle)} with {jobs} at a time, up to {most:.1f} GB each, if this "
        f"machine ({psutil.cpu_count()} cores) does nothing else"
    )
    if now < 1.2 * idle:
        return said
    return f"{said}; about {duration(now)} if its load stays at {load:.1f}"


def _resources(given: list[str]) -> dict[str, float]:
    resources = {}
    for text in given:
        name, _, count = text.partition("=")
        try:
            resources[name] = float(count)
        except ValueError as error:
            raise ValueError(f"--resource {text!r}; accepted: NAME=COUNT") from error
    return resources
