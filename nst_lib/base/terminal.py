"""A bar for a person who waits at a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm.auto import tqdm


def unwatched() -> bool:
    """Whether there is nobody to show a bar to: standard error is no terminal."""
    return not sys.stderr.isatty()


@contextmanager
def count(name: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show how many of all are done; yield a callback that takes both numbers.

    Parameters
    ----------
    name, unit : str
        What is done, and what is counted.
    """
    with tqdm(desc=name, unit=unit, delay=2, leave=False, disable=unwatched()) as bar:

        def callback(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield callback
