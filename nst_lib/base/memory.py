"""How much memory this process takes while something runs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

#: Seconds between two looks.
INTERVAL = 0.02


@dataclass
class Peak:
    """Largest resident memory seen so far.

    Attributes
    ----------
    size : int
        Bytes of the whole process, libraries included.
    """

    size: int = 0


@contextmanager
def watch() -> Iterator[Peak]:
    """Look at this process's resident memory every `INTERVAL` until the block ends."""
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
