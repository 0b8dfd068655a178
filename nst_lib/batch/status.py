"""The status of a batch. Its driver writes it, and any process can read it."""

import os
import socket
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import psutil

from nst_lib.batch.store import DONE, FAILED, Store
from nst_lib.batch.unit import STATES, Outcome

#: Name of the file with the status.
STATUS = "status.json"
#: A driver on another machine counts as ended after this many seconds without a write.
_SILENCE = 60.0


@dataclass(frozen=True)
class Entry:
    """The status of one condition.

    Attributes
    ----------
    state : str
        One of `nst_lib.batch.unit.STATES`.
    message : str
        The reason of a failure.
    seconds : float
        The time that it took, in seconds.
    attempts : int
        The number of kernels that it took.
    expected : float
        The estimated time, in seconds.
    progress : dict
        The progress of a running condition; see :func:`nst_lib.show.progress.read`.
    """

    state: str = "queued"
    message: str = ""
    seconds: float = 0.0
    attempts: int = 0
    expected: float = 0.0
    progress: dict[str, Any] = field(default_factory=dict)


@dataclass
class Status:
    """All conditions of a batch, and the process that drives it.

    Attributes
    ----------
    entries : dict of str to Entry
        Name of the folder -> entry, in the order of the grid.
    jobs : int
        The number of conditions that run at a time.
    driver : dict
        "host", "pid", "began" and "updated" (seconds since 1970).
    """

    entries: dict[str, Entry]
    jobs: int = 1
    driver: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def begin(
        cls,
        done: Mapping[str, dict[str, Any] | None],
        *,
        jobs: int,
        expected: Mapping[str, float],
    ) -> "Status":
        """Return the status at the start of a batch.

        Parameters
        ----------
        done : mapping of str to (dict or None)
            Name of the folder -> content of its file `done`; None if the condition is not done.
        jobs : int > 0
            The number of conditions that run at a time.
        expected : mapping of str to float
            The estimated time of each condition that is not done, in seconds.
        """
        entries = {
            name: Entry(expected=expected.get(name, 0.0))
            if marker is None
            else Entry("done", seconds=marker["seconds"], attempts=marker["attempts"])
            for name, marker in done.items()
        }
        now = time.time()
        driver = {"host": socket.gethostname(), "pid": os.getpid(), "began": now, "updated": now}
        return cls(entries=entries, jobs=jobs, driver=driver)

    @classmethod
    def read(cls, store: Store) -> "Status":
        """Read the status of a batch. The folders show which conditions are done.

        Raises
        ------
        ValueError
            If the store holds no batch.
        """
        written = store.read_json(STATUS)
        known = {name: Entry(**entry) for name, entry in written.get("entries", {}).items()}
        status = cls(
            entries={c["id"]: known.get(c["id"], Entry()) for c in store.batch()["conditions"]},
            jobs=written.get("jobs", 1),
            driver=written.get("driver", {}),
        )
        for name, entry in status.entries.items():
            status.entries[name] = _settle(store, name, entry, alive=status.alive)
        return status

    @property
    def alive(self) -> bool:
        """Whether the driver seems to be running, as seen from this machine."""
        if "ended" in self.driver or not self.driver:
            return False
        if self.driver["host"] == socket.gethostname():
            try:
                began = psutil.Process(self.driver["pid"]).create_time()
            except psutil.Error:
                return False
            return bool(began <= self.driver["began"])
        return bool(time.time() - self.driver["updated"] < _SILENCE)

    @property
    def counts(self) -> dict[str, int]:
        """The number of conditions in each state."""
        counter = Counter(entry.state for entry in self.entries.values())
        return {state: counter[state] for state in STATES}

    @property
    def eta(self) -> float | None:
        """Remaining seconds, at the pace of the conditions done so far; None if there are none."""
        done = [e for e in self.entries.values() if e.state == "done" and e.expected]
        if not done:
            return None
        pace = sum(entry.seconds for entry in done) / sum(entry.expected for entry in done)
        left = 0.0
        for entry in self.entries.values():
            if entry.state in ("queued", "running"):
                steps = entry.progress.get("steps") or 1
                left += entry.expected * (1 - entry.progress.get("step", 0) / steps)
        return pace * left / self.jobs

    def update(self, name: str, news: dict[str, Any] | Outcome | None) -> Entry:
        """Update a condition with a report; see :data:`nst_lib.batch.unit.Report`."""
        entry = self.entries[name]
        if isinstance(news, Outcome):
            entry = Entry(**vars(news), expected=entry.expected)
        elif news is None:
            entry = Entry("running", expected=entry.expected)
        else:
            entry = replace(entry, state="running", progress=news)
        self.entries[name] = entry
        return entry

    def to_dict(self) -> dict[str, Any]:
        """Return the status with the types of JSON."""
        return asdict(self)

    def summary(self) -> str:
        """Return the counts in words."""
        counts = [f"{count} {state}" for state, count in self.counts.items() if count]
        return f"{len(self.entries)} conditions: {', '.join(counts)}"


def _settle(store: Store, name: str, entry: Entry, *, alive: bool) -> Entry:
    """Return the entry of a condition, corrected by its folder and by whether the driver runs."""
    if store.exists(f"runs/{name}/{DONE}"):
        return entry if entry.state == "done" else Entry("done")
    failed = store.read_json(f"runs/{name}/{FAILED}")
    if failed and not (alive and entry.state in ("queued", "running")):
        return Entry(**failed)
    return entry if alive or entry.state not in ("running", "done") else Entry()
