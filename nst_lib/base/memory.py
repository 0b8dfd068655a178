"""Measure how much memory this process takes while a block of code runs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

#: Seconds between two measurements.
INTERVAL = 0.02


@dataclass
class Peak:
    """The largest resident memory measured so far.

    Attributes
    ----------
    size : int
        Memory of the whole process with its libraries, in bytes.
    """

    size: int = 0


@contextmanager
def watch() -> Iterator[Peak]:
    """Measure the resident memory of this process every `INTERVAL` until the block ends."""
    process, peak, done = psutil.Process(), Peak(), threading.Event()

    def look() -> None:
        while True:
            peak.size = max(peak.size, process.memory_info().rss)
            if done.wait(INTERVAL):
                return

    thread = threading.Thread(target=look, name="memory", daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()
