"""How many threads are used, and for what.

Small tensors are computed faster by one thread than by several: beside another busy process, each
short parallel loop waits for a thread that does not run. So transforms and transfers compute on one
thread, unless a transfer has large products (:attr:`nst_lib.system.System.n_threads`). What can be
split into independent parts, the blocks of a long sound, runs on as many threads as the machine has
free; the result does not depend on their number.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

#: Seconds for which the machine is watched.
WATCH = 0.2
#: Number of threads of PyTorch when this package was imported: the user's limit.
MOST = torch.get_num_threads()

_LOCK = threading.Lock()
_inside = 0
_outside = MOST


def free_threads() -> int:
    """Return how many threads this machine has free: at least 1, and at most `MOST`.

    The machine is watched for `WATCH` seconds.
    """
    cores = psutil.cpu_count() or 1
    busy = round(cores * psutil.cpu_percent(interval=WATCH) / 100)
    return max(min(cores - busy, MOST), 1)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let PyTorch compute on a number of threads until the block ends.

    Blocks may be nested, and may overlap in several threads of Python. When the last one ends,
    PyTorch has the number that it had before the first one.
    """
    global _inside, _outside
    with _LOCK:
        before = torch.get_num_threads()
        if not _inside:
            _outside = before
        _inside += 1
        torch.set_num_threads(count)
    try:
        yield
    finally:
        with _LOCK:
            _inside -= 1
            torch.set_num_threads(before if _inside else _outside)
