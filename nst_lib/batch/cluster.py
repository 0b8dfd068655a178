"""Run conditions on the workers of an existing Dask scheduler.

If a worker is lost, the scheduler gives its conditions to other workers.
"""

import contextlib
import queue
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import Any

from nst_lib.batch import unit
from nst_lib.batch.unit import HEARTBEAT, Outcome, Report, Unit

_TOPIC = "nst-progress"
_SCHEMES = ("tcp", "tls", "ucx", "ws", "wss")
#: The longest time to wait for a scheduler, in seconds.
_PATIENCE = 20


class Cluster:
    """A connection to a Dask scheduler.

    Parameters
    ----------
    address : str
        The address of the scheduler, for example "tcp://10.0.0.1:8786", or the path of its
        scheduler file.
    resources : mapping of str to float
        The resources of a worker that each condition uses, for example {"GPU": 1}.

    Raises
    ------
    ValueError
        If `distributed` is not installed, no scheduler answers, or no worker has the resources.
    """

    def __init__(self, address: str, *, resources: Mapping[str, float]) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise ValueError("--dask needs distributed: pip install 'nst-lib[dask]'") from error
        scheme = address.partition("://")[0] if "://" in address else "tcp"
        if scheme not in _SCHEMES:
            raise ValueError(f"--dask {address}; accepted: {', '.join(_SCHEMES)}://HOST:PORT")
        where = {"scheduler_file": address} if address.endswith(".json") else {"address": address}
        try:
            self._client = Client(**where, timeout=_PATIENCE, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"--dask {address}: no scheduler answers ({reason})") from error
        self._resources = dict(resources)
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        room = sum(map(self._fit, workers))
        if workers and not room:
            self.close()
            wanted = ", ".join(f"{name}={count:g}" for name, count in resources.items())
            raise ValueError(
                f"--resource {wanted}: no worker of {address} has that much: ask for less, or "
                "start a worker with it"
            )
        #: The number of conditions that the workers known so far can run at a time.
        self.slots = max(1, room)

    def _fit(self, worker: Mapping[str, Any]) -> int:
        has = worker["resources"]
        counts = [has.get(name, 0) // count for name, count in self._resources.items()]
        return int(min([worker["nthreads"], *counts]))

    def run(self, units: Sequence[Unit]) -> Generator[Report | None]:
        """Run conditions on all workers; see :func:`nst_lib.batch.pool.run`."""
        reports: queue.Queue[Report] = queue.Queue()
        self._client.subscribe_topic(_TOPIC, lambda event: reports.put(tuple(event[1])))
        futures = {
            self._client.submit(
                _run, wanted, key=f"nst-{wanted.id}", resources=self._resources, pure=False
            ): wanted
            for wanted in units
        }
        for future, wanted in futures.items():
            future.add_done_callback(lambda f, name=wanted.id: reports.put((name, _outcome(f))))
        left = {wanted.id for wanted in units}
        try:
            while left:
                try:
                    name, news = reports.get(timeout=HEARTBEAT)
                except queue.Empty:
                    yield None
                    continue
                if name not in left:
                    continue
                if isinstance(news, Outcome):
                    left.remove(name)
                yield name, news
        finally:
            self._client.unsubscribe_topic(_TOPIC)
            self._client.cancel(list(futures))

    def close(self) -> None:
        """Close the connection to the scheduler."""
        self._client.close()


def _run(wanted: Unit) -> Outcome:
    """Run a condition on a worker."""
    from distributed import get_worker

    worker = get_worker()
    task = worker.state.tasks[worker.get_current_task()]

    def on_progress(state: dict[str, Any] | None) -> None:
        if task.state == "cancelled":
            raise CancelledError
        with contextlib.suppress(Exception):  # a lost progress report must not cost the result
            worker.log_event(_TOPIC, (wanted.id, state))

    on_progress(None)
    return unit.run(wanted, on_progress)


def _outcome(future: Any) -> Outcome:
    """Return the outcome of a condition that has ended for the scheduler."""
    if future.status == "finished":
        outcome: Outcome = future.result()
        return outcome
    error = future.exception() if future.status == "error" else None
    message = "the scheduler cancelled it" if error is None else " ".join(str(error).split())
    return Outcome("killed", message[:500])
