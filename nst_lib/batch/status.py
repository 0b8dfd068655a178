"""Where a batch stands: kept by its driver, read by anyone."""

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

#: File of a store.
STATUS = "status.json"
#: A driver that has not written for so long is gone, in seconds.
_SILENCE = 60.0


@dataclass(frozen=True)
class Entry:
    """One condition.

    Attributes
    ----------
    state : str
        One of `nst_lib.batch.unit.STATES`.
    message : str
        Why it failed.
    seconds : float
        That it took.
    attempts : int
        Kernels that it took.
    expected : float
        Estimated seconds.
    progress : dict
        Of a running one; see :func:`nst_lib.show.progress.read`.
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
        By the names of their folders, in the grid's order.
    jobs : int
        How many run at a time.
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
        """Return the status at the start, from what is finished: name -> `done`, or None."""
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
        """Return the status of a batch; what is finished is read off its folders.

        Raises
        ------
        ValueError
            If there is no batch.
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
        """Whether the driver still runs, as far as can be told from here."""
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
        """How many conditions are in each state."""
        counter = Counter(entry.state for entry in self.entries.values())
        return {state: counter[state] for state in STATES}

    @property
    def eta(self) -> float | None:
        """Seconds to go, at the pace of what is done here; None where nothing is."""
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
        """Take in a report; see :data:`nst_lib.batch.unit.Report`."""
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
        """Return it in JSON's types."""
        return asdict(self)

    def summary(self) -> str:
        """Return the counts in words."""
        counts = [f"{count} {state}" for state, count in self.counts.items() if count]
        return f"{len(self.entries)} conditions: {', '.join(counts)}"


def _settle(store: Store, name: str, entry: Entry, *, alive: bool) -> Entry:
    """Return what a condition's folder and its driver's absence say of it."""
    if store.exists(f"runs/{name}/{DONE}"):
        return entry if entry.state == "done" else Entry("done")
    failed = store.read_json(f"runs/{name}/{FAILED}")
    if failed and not (alive and entry.state in ("queued", "running")):
        return Entry(**failed)
    return entry if alive or entry.state not in ("running", "done") else Entry()
