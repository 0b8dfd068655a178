"""How many threads are used, and for what.

Small tensors are computed faster by one thread than by several: beside another busy process, each
short parallel loop waits for a thread that does not run. So a transfer computes on one thread
unless its network is large. What can be split into independent parts (the blocks of a long sound)
runs on as many threads as this machine has free. Neither choice changes a result.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def free_threads() -> int:
    """Return how many threads this machine has free, at least 1, at most those of PyTorch."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    busy = round(os.getloadavg()[0]) if hasattr(os, "getloadavg") else 0
    return max(min((cores or 1) - busy, MOST), 1)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Compute on a number of threads until the block ends."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


#: Number of threads of PyTorch when this package was imported: the user's limit.
MOST = torch.get_num_threads()
