"""Write to SQLite from many threads; each write is on the disk before it is acknowledged.

Writes that wait at the same time share one transaction, and each has its own savepoint. A disk
needs some milliseconds to confirm a transaction. Without sharing, a class whose members all press
a key at the same time would wait for a second or more.
"""

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

#: The largest number of writes that share a transaction.
MOST_WRITES = 200

#: How long writing, and emptying the log, wait for other processes that use the file (ms).
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
    """Open a file. When a commit returns, it is on the disk; deleted data are overwritten."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.executescript(_PRAGMAS)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def empty_log(connection: sqlite3.Connection) -> bool:
    """Empty the log of the file. Return False if another process reads it, so that it cannot be."""
    connection.execute(f"PRAGMA busy_timeout = {EMPTY}")
    try:
        (busy, *_), *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error:
        return False
    finally:
        connection.execute(f"PRAGMA busy_timeout = {WRITE}")
    return not busy


def transaction(connection: sqlite3.Connection, write: Write) -> Any:
    """Run `write` in a transaction, which is undone if it fails. Return its result."""
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
    """The only thread that writes.

    Parameters
    ----------
    connection : sqlite3.Connection
        A connection from :func:`connect`; the writer closes it.
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
            Function of the connection; it runs within a transaction.
        deletes : bool
            Whether the write deletes data. Then the log, which has copies of them, is emptied too.
            If another process reads the log, it is emptied after a later write.

        Raises
        ------
        Exception
            The exception of `write`, whose changes are undone, or an error of the disk.
        """
        future: Future[Any] = Future()
        self._queue.put(_Job(write, deletes, future))
        return future.result()

    def close(self) -> None:
        """Do all waiting writes, and close the connection."""
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _work(self) -> None:
        """Do the writes of the queue until None comes. Writes that wait together are one batch."""
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
        """Do writes in one transaction. If one fails, only this one is undone."""
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
        except sqlite3.Error as error:  # for example, the disk is full
            settle = [partial(job.future.set_exception, error) for job in jobs]
        if self._log_has_copies or any(job.deletes for job in jobs):
            self._log_has_copies = not empty_log(self._connection)
        for one in settle:
            one()
