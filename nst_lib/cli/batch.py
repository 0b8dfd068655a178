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
from nst_lib.sound.datasets import Clip, RecordedClip
from nst_lib.sound.decoding import AudioError, probe
from nst_lib.system import System

Out = Annotated[str, typer.Argument(help="Folder or URL that `nst batch` wrote to.")]


def batch(
    grid: Annotated[Path, typer.Argument(help="Conditions to run, in YAML.")],
    out: Annotated[str, typer.Option(help="Folder for the results, or a URL that fsspec opens.")],
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Conditions at a time; by default one for each core.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the conditions and what they take; run none.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Replace a setting of the grid."),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(min=1, help="Longest time for one condition.", metavar="SECONDS"),
    ] = None,
    memory: Annotated[
        float | None,
        typer.Option(
            min=0.1, metavar="GB", help="Most memory for one condition; by default its share."
        ),
    ] = None,
    retries: Annotated[
        int, typer.Option(min=0, help="How often a kernel that died is replaced.")
    ] = 2,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Threads of each condition; by default its share."),
    ] = None,
    notebook: Annotated[
        Path, typer.Option(help="Notebook to execute for each condition.", show_default=False)
    ] = driver.NOTEBOOK,
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run on the workers of this Dask scheduler."),
    ] = None,
    resource: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=COUNT",
            help="With --dask: what each condition takes of a worker, for example GPU=1.",
        ),
    ] = None,
) -> None:
    """Run a grid of conditions, each as an executed notebook; go on where an earlier run ended.

    What is finished and has not changed is not run again. Exit status: 0 if all conditions are
    done, 1 if some failed, 130 after Ctrl-C.
    """
    resources = _resources(resource or [])
    if resources and dask is None:
        raise ValueError("--resource without --dask; accepted: both, or neither")
    load = psutil.getloadavg()[0]  # of others, before this makes its own
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
        print(f"{out.rstrip('/')}/{RESULTS}")
    if status.counts["queued"]:
        print("nst: interrupted; the same command goes on from here", file=sys.stderr)
        raise typer.Exit(130)
    if status.counts["done"] < len(status.entries):
        raise typer.Exit(1)


def status(out: Out) -> None:
    """Say where a batch stands: from another terminal while it runs, or afterwards."""
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
        print("no driver is running; the same `nst batch` goes on from here")


def gallery(
    out: Out,
    to: Annotated[
        Path | None, typer.Option(help="Folder for the page; by default OUT/gallery.")
    ] = None,
) -> None:
    """Make a page to listen to of the results of a batch: static, offline, one folder to copy."""
    from nst_lib.batch.gallery import write_gallery

    with count("gallery", "sound") as callback:
        page = write_gallery(out, to, callback=callback)
    print(page)


@dataclass(frozen=True)
class _Place:
    """Where conditions run: how many at a time, with how much each, and what runs them."""

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
            raise ValueError("--jobs with --dask; accepted: --jobs here, the workers there")
        with closing(Cluster(dask, resources=resources)) as cluster:
            yield _Place(jobs=cluster.slots, threads=1, memory=None, runner=cluster.run)
        return
    from nst_lib.batch import pool

    most = max((one.memory for one in estimates.values()), default=1.0)
    # As many as for all conditions, done or not: the number of threads changes the last digits.
    count = jobs or driver.default_jobs(most, wanted=len(plan.conditions))
    threads, memory = driver.share(count)
    yield _Place(count, threads, memory, lambda units: pool.run(units, jobs=count))


def _run(plan: Plan, place: _Place, limits: Limits, estimates: dict[str, Estimate]) -> Status:
    """Run a plan with a display."""
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
    """Estimate what is left, each different set of settings once."""
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
    """Return the seconds of a clip; what cannot be read is refused when it is run."""
    if isinstance(clip, RecordedClip):
        with suppress(AudioError):
            return probe(clip.path).seconds or 5.0
    return 5.0


def _list(plan: Plan, estimates: dict[str, Estimate]) -> None:
    """Print what would be run."""
    width = max(map(len, plan.conditions))
    for name in plan.conditions:
        one = estimates.get(name)
        what = "done" if one is None else f"{duration(one.seconds):>12} {one.memory / 1e9:5.1f} GB"
        print(f"{name:{width}} {what}")


def _forecast(plan: Plan, estimates: dict[str, Estimate], jobs: int, *, load: float | None) -> str:
    """Say how long all of it takes, and on what machine; `load` is None where it is another one."""
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
    return f"{said}; its load is {load:.1f} now, and as long as that lasts about {duration(now)}"


def _resources(given: list[str]) -> dict[str, float]:
    resources = {}
    for text in given:
        name, _, count = text.partition("=")
        try:
            resources[name] = float(count)
        except ValueError as error:
            raise ValueError(f"--resource {text!r}; accepted: NAME=COUNT") from error
    return resources
