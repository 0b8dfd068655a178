"""Run conditions in worker processes of this machine. Each worker has one kernel at a time."""

import multiprocessing
import signal
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from nst_lib.batch import unit
from nst_lib.batch.kernels import FORKS, Template, exit_with_parent, preloaded
from nst_lib.batch.unit import HEARTBEAT, Outcome, Report, Unit


def run(units: Sequence[Unit], *, jobs: int) -> Generator[Report | None]:
    """Run conditions, `jobs` at a time. A worker that dies is replaced.

    If the iteration ends early, for whatever reason, the running conditions are killed.

    Parameters
    ----------
    units : sequence of Unit
        The conditions, in the order in which they start.
    jobs : int > 0
        The number of workers.

    Yields
    ------
    (str, dict or Outcome or None) or None
        A report; None if there was none for `HEARTBEAT` seconds.
    """
    waiting, deaths = deque(units), Counter[str]()
    context = preloaded()
    workers: dict[Connection, _Worker] = {}
    try:
        while waiting or any(worker.unit for worker in workers.values()):
            while waiting and len(workers) < jobs:
                worker = _Worker(context)
                workers[worker.connection] = worker
            for worker in workers.values():
                if waiting and worker.unit is None:
                    begun = waiting.popleft()
                    worker.give(begun)
                    yield begun.id, None
            ready = wait(list(workers), timeout=HEARTBEAT)
            for connection in [c for c in workers if c in ready]:
                worker = workers[connection]
                try:
                    report = connection.recv()
                except (EOFError, OSError):
                    del workers[connection]
                    worker.kill()
                    if worker.unit is not None:
                        yield from _bury(worker.unit, waiting, deaths)
                    continue
                if isinstance(report[1], Outcome):
                    worker.unit = None
                yield report
            if not ready:
                yield None
    finally:
        for worker in workers.values():
            worker.kill()


def _bury(lost: Unit, waiting: deque[Unit], deaths: Counter[str]) -> Iterator[Report]:
    """Queue a condition again after its worker died, unless that happened too often."""
    deaths[lost.id] += 1
    count = deaths[lost.id]
    if count <= lost.limits.retries:
        waiting.appendleft(lost)
        return
    times = "once" if count == 1 else f"{count} times"
    yield lost.id, Outcome("killed", f"its worker died {times}", attempts=count)


class _Worker:
    """A process that runs conditions one after the other."""

    def __init__(self, context: Any) -> None:
        self.connection, theirs = multiprocessing.Pipe()
        self.unit: Unit | None = None
        self._process = context.Process(target=_serve, args=(theirs,))
        self._process.start()
        theirs.close()

    def give(self, wanted: Unit) -> None:
        """Send a condition to this worker. A dead worker is only noticed when it is read from."""
        self.unit = wanted
        try:
            self.connection.send(wanted)
        except OSError:
            return

    def kill(self) -> None:
        """Kill this worker and its kernel."""
        self._process.kill()
        self._process.join()
        self.connection.close()


def _serve(connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if FORKS:
        Template()
    exit_with_parent()
    while True:
        wanted: Unit = connection.recv()

        def on_progress(state: dict[str, Any], name: str = wanted.id) -> None:
            connection.send((name, state))

        connection.send((wanted.id, unit.run(wanted, on_progress)))
