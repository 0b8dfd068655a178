"""Writes to SQLite from many threads at once, each on the disk before it is acknowledged.

Writes that wait at the same time share one transaction, each with a savepoint of its own: a disk
takes some milliseconds to confirm, and otherwise a class that presses a key together would queue
for a second or more.
"""

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

#: Most writes that share a transaction.
MOST_WRITES = 200

#: How long a write, and the emptying of the log, wait for others who have the file open (ms).
WRITE, EMPTY = 10000, 200

_PRAGMAS = f"""
PRAGMA busy_timeout = {WRITE};
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA secure_delete = ON;
"""

Write = Callable[[sqlite3.Connection], Any]


def connect(path: Path) -> sqlite3.Connection:
    """Open a file; a commit is on the disk when it returns, and what is deleted is overwritten."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.executescript(_PRAGMAS)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def empty_log(connection: sqlite3.Connection) -> bool:
    """Empty the log beside the file, and return whether it could be: somebody else may read it."""
    connection.execute(f"PRAGMA busy_timeout = {EMPTY}")
    try:
        (busy, *_), *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error:
        return False
    finally:
        connection.execute(f"PRAGMA busy_timeout = {WRITE}")
    return not busy


def transaction(connection: sqlite3.Connection, write: Write) -> Any:
    """Write all or nothing, and return what `write` returns."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = write(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


class _Job(NamedTuple):
    write: Write
    deletes: bool
    future: Future[Any]


class Writer:
    """The one thread that writes.

    Parameters
    ----------
    connection : sqlite3.Connection
        Of :func:`connect`; it is closed with the writer.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._log_has_copies = False
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="survey-writer", daemon=True)
        self._thread.start()

    def do(self, write: Write, *, deletes: bool = False) -> Any:
        """Do a write, and return its result when it is on the disk.

        Parameters
        ----------
        write : callable
            Takes the connection, within a transaction.
        deletes : bool
            Whether the log beside the file, which has copies, is emptied too: now, or where
            somebody else reads it, after a later write.

        Raises
        ------
        Exception
            What `write` raises, which is undone then, or the disk.
        """
        future: Future[Any] = Future()
        self._queue.put(_Job(write, deletes, future))
        return future.result()

    def close(self) -> None:
        """Do what waits, and close the connection."""
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _work(self) -> None:
        """Do what is in the queue, as much as waits at a time, until None comes."""
        while (job := self._queue.get()) is not None:
            jobs = [job]
            while len(jobs) < MOST_WRITES and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    self._queue.put(None)
                    break
                jobs.append(following)
            self._commit(jobs)

    def _commit(self, jobs: list[_Job]) -> None:
        """Do writes in one transaction; what fails is undone alone."""
        settle: list[Callable[[], None]] = []

        def write_all(connection: sqlite3.Connection) -> None:
            for job in jobs:
                connection.execute("SAVEPOINT one")
                try:
                    settle.append(partial(job.future.set_result, job.write(connection)))
                except Exception as error:
                    connection.execute("ROLLBACK TO one")
                    settle.append(partial(job.future.set_exception, error))
                connection.execute("RELEASE one")

        try:
            transaction(self._connection, write_all)
        except sqlite3.Error as error:  # the disk is full, or gone
            settle = [partial(job.future.set_exception, error) for job in jobs]
        if self._log_has_copies or any(job.deletes for job in jobs):
            self._log_has_copies = not empty_log(self._connection)
        for one in settle:
            one()
