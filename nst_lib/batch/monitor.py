"""Show a batch while it runs: progress bars on a terminal or in a notebook, otherwise lines."""

import sys
import time
from typing import Any

from tqdm.auto import tqdm

from nst_lib.batch.status import Entry, Status
from nst_lib.show.progress import STAGE_WORDS

#: Seconds between two lines about the running conditions.
_QUIET = 30.0


class Bars:
    """A progress bar for the batch, and one for each running condition."""

    def __init__(self, *, left: int) -> None:
        self._total = tqdm(total=left, unit="run", desc="batch", position=0)
        self._bars: dict[str, Any] = {}

    def __call__(self, status: Status, name: str | None, entry: Entry | None) -> None:
        """Take in what changed."""
        eta = status.eta
        self._total.set_postfix_str("" if eta is None else f"about {duration(eta)} left")
        if name is None or entry is None:
            return
        if entry.state == "running":
            bar = self._bar(name)
            bar.total = entry.progress.get("steps")
            bar.n = entry.progress.get("step", 0)
            bar.set_postfix_str(describe(entry), refresh=False)
            bar.refresh()
            return
        if name in self._bars:
            self._bars.pop(name).close()
        self._total.write(finished(name, entry), file=sys.stderr)
        self._total.update()

    def _bar(self, name: str) -> Any:
        if name not in self._bars:
            taken = {bar.pos for bar in self._bars.values()}
            free = next(n for n in range(1, len(taken) + 2) if -n not in taken)
            self._bars[name] = tqdm(desc=name, unit="eval", position=free, leave=False)
        return self._bars[name]

    def close(self) -> None:
        """Remove the bars."""
        for bar in (*self._bars.values(), self._total):
            bar.close()


class Lines:
    """A line on standard error for each condition that ends; sometimes one for each running one."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, status: Status, name: str | None, entry: Entry | None) -> None:
        """Take in what changed."""
        if name is not None and entry is not None and entry.state != "running":
            counts = status.counts
            ended = len(status.entries) - counts["queued"] - counts["running"]
            print(f"[{ended}/{len(status.entries)}] {finished(name, entry)}", file=sys.stderr)
        elif time.monotonic() - self._said > _QUIET:
            for name, entry in status.entries.items():
                if entry.state == "running":
                    print(f"running {name}: {describe(entry)}", file=sys.stderr)
        else:
            return
        self._said = time.monotonic()
        sys.stderr.flush()

    def close(self) -> None:
        """Do nothing: the lines stay."""


def describe(entry: Entry) -> str:
    """Return the progress of a running condition in words."""
    progress = entry.progress
    if not progress:
        return "starting"
    words = STAGE_WORDS.get(progress.get("stage", ""), "")
    if "step" not in progress:
        return words
    return f"{words}, {progress['step']} of {progress['steps']}, style {progress['style']:.3g}"


def finished(name: str, entry: Entry) -> str:
    """Return in words how a condition ended."""
    again = f", attempt {entry.attempts}" if entry.attempts > 1 else ""
    reason = f": {entry.message}" if entry.message else ""
    return f"{entry.state} {name} ({duration(entry.seconds)}{again}){reason}"


def duration(seconds: float) -> str:
    """Return a duration in words, for example "3 min 20 s"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
