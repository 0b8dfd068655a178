"""The participants and ratings of a survey, in one SQLite file.

The file has these data of a participant: a number in order of arrival, the row of the order,
whether the headphone check was passed, whether the participant is simulated, and the SHA-256 of
the token and of the withdrawal code. It has no name, no address and no time.

A rating is on the disk before it is acknowledged; see :mod:`nst_lib.survey.writer`.
"""

import hmac
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nst_lib.base.files import checksum
from nst_lib.survey.assignment import Presence, choose
from nst_lib.survey.stimuli import SurveyError
from nst_lib.survey.writer import Writer, connect, empty_log, transaction

#: Crockford's base 32: no I, L, O, U. Sixteen of them are 80 bits.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_GROUPS, CODE_GROUP = 4, 4

_READ_AS = str.maketrans("OIL", "011")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS survey (key TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS participants (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    token TEXT NOT NULL UNIQUE,
    code TEXT NOT NULL UNIQUE,
    row INTEGER NOT NULL,
    simulated INTEGER NOT NULL,
    headphones INTEGER
);
CREATE TABLE IF NOT EXISTS ratings (
    participant INTEGER NOT NULL REFERENCES participants (id) ON DELETE CASCADE,
    item TEXT NOT NULL,
    question TEXT NOT NULL,
    presentation INTEGER NOT NULL,
    position INTEGER NOT NULL,
    rating INTEGER NOT NULL,
    plays INTEGER NOT NULL,
    seconds REAL NOT NULL,
    PRIMARY KEY (participant, item, question, presentation)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Participant:
    """A participant.

    Attributes
    ----------
    id : int
        1, 2, ... in order of arrival; a number is never used again.
    row : int
        Row of the order; see :mod:`nst_lib.survey.order`.
    simulated : bool
        Whether the participant is a program.
    headphones : bool or None
        Whether the participant passed the headphone check; None if there was no check.
    """

    id: int
    row: int
    simulated: bool
    headphones: bool | None


@dataclass(frozen=True)
class Answer:
    """A rating with its circumstances.

    Attributes
    ----------
    item, question : str
        The item that was rated, and the question.
    presentation : int
        1 for the first rating of the item by the participant, 2 for a repeat.
    position : int
        1, 2, ... in the test; 0 in the training.
    rating : int
        1 to 5.
    plays : int
        How often the sound was played.
    seconds : float
        Time from the appearance of the question to the rating.
    """

    item: str
    question: str
    presentation: int
    position: int
    rating: int
    plays: int
    seconds: float


_ANSWER = tuple(field.name for field in fields(Answer))


class Answers:
    """The answers of a survey.

    Parameters
    ----------
    path : Path
        The file. A new file is readable by its owner only.
    key : str
        Key of the survey; see :class:`nst_lib.survey.survey.Survey`.
    clock : callable
        Clock in seconds, which decides who is still active.

    Raises
    ------
    SurveyError
        If the file cannot be opened, or the survey has changed since its first participant.
    """

    def __init__(
        self, path: Path, key: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = path
        try:
            silent = _since_written(path)
            if not path.exists():  # touching an old file would change its time
                path.touch(mode=0o600)
            connection, self._reader = connect(path), connect(path)
            connection.executescript(_SCHEMA)
            found = transaction(connection, lambda c: _claim(c, key))
            empty_log(connection)  # after a crash, the log may have copies of deleted data
        except (OSError, sqlite3.Error) as error:
            raise _unusable(path, error) from error
        if found != key:
            connection.close()
            self._reader.close()
            raise SurveyError(
                f"{path}: has answers to other sounds or settings than those of this survey; "
                "restore the survey as its first participant saw it, or build a new one in "
                "another folder"
            )
        self._lock = threading.Lock()
        self._presence = Presence(clock)
        begun = {who: answers for who, _, _, answers, _ in _begun(self._reader)}
        self._presence.present(begun, silent=silent)
        self._writer = Writer(connection)

    def close(self) -> None:
        """Finish all writes and close the file."""
        self._writer.close()
        self._reader.close()

    def register(
        self, *, heard: npt.NDArray[np.int64], length: int, simulated: bool = False
    ) -> tuple[str, str]:
        """Add a participant; see :mod:`nst_lib.survey.assignment` for the choice of the row.

        Simulated participants have no influence on the rows of the others, and vice versa.

        Parameters
        ----------
        heard : np.ndarray, shape=(rows, trials)
            1 where a row of the order includes a trial, else 0.
        length : int
            Number of ratings of a participant who has finished, without the training.
        simulated : bool
            Whether the participant is a program.

        Returns
        -------
        token, code : str
            The token of the session, and the withdrawal code. Only their hashes are stored.
        """
        token = secrets.token_urlsafe(32)
        code = "-".join(
            "".join(secrets.choice(ALPHABET) for _ in range(CODE_GROUP)) for _ in range(CODE_GROUPS)
        )

        def write(connection: sqlite3.Connection) -> int | None:
            begun = _begun(connection)
            present = self._presence.present({who: answers for who, _, _, answers, _ in begun})
            taken = [
                row
                for who, row, kind, _, in_test in begun
                if kind == simulated and (in_test == length or who in present)
            ]
            return connection.execute(
                "INSERT INTO participants (token, code, row, simulated) VALUES (?, ?, ?, ?)",
                (hash_secret(token), _hash_code(code), choose(heard, taken), simulated),
            ).lastrowid

        self._presence.note(self._writer.do(write))
        return token, code

    def participant(self, token: str) -> Participant | None:
        """Return the participant who has a token, or None."""
        query = "SELECT token, id, row, simulated, headphones FROM participants WHERE token = ?"
        for kept, *about in self._read(query, hash_secret(token)):
            if hmac.compare_digest(kept, hash_secret(token)):
                return _participant(*about)
        return None

    def participants(self) -> list[Participant]:
        """Return all participants in order of arrival."""
        query = "SELECT id, row, simulated, headphones FROM participants ORDER BY id"
        return [_participant(*about) for about in self._read(query)]

    def rated(self, participant: int) -> set[tuple[str, int]]:
        """Return the items that a participant has rated, each with its presentation."""
        query = "SELECT item, presentation FROM ratings WHERE participant = ?"
        return set(self._read(query, participant))

    def read_all(self) -> list[tuple[int, Answer]]:
        """Return all ratings, each with the number of its participant, in order."""
        query = f"SELECT participant, {', '.join(_ANSWER)} FROM ratings"
        with closing(connect(self.path)) as connection:  # so that requests do not wait for this
            found = connection.execute(f"{query} ORDER BY participant, position, item").fetchall()
        return [(who, Answer(*answer)) for who, *answer in found]

    def progress(self) -> dict[int, int]:
        """Return the number of ratings of each participant, without the training."""
        query = "SELECT participant, COUNT(*) FROM ratings WHERE position > 0 GROUP BY participant"
        return dict(self._read(query))

    def tally(self) -> list[tuple[str, int, int]]:
        """Return item, rating and count: how often an item got a rating, without repeats."""
        query = (
            "SELECT item, rating, COUNT(*) FROM ratings "
            "WHERE position > 0 AND presentation = 1 GROUP BY item, rating"
        )
        return self._read(query)

    def rate(self, participant: int, answer: Answer) -> int:
        """Store a rating, unless the participant has rated the sound already.

        Returns
        -------
        int
            The stored rating; the first one counts.

        Raises
        ------
        LookupError
            If the participant has withdrawn.
        """
        marks = ", ".join("?" * len(_ANSWER))
        insert = (
            f"INSERT OR IGNORE INTO ratings (participant, {', '.join(_ANSWER)}) VALUES (?, {marks})"
        )
        find = (
            "SELECT rating FROM ratings "
            "WHERE participant = ? AND item = ? AND question = ? AND presentation = ?"
        )

        def write(connection: sqlite3.Connection) -> int:
            _need(connection, participant)
            connection.execute(insert, (participant, *astuple(answer)))
            key = (participant, answer.item, answer.question, answer.presentation)
            (rating,) = connection.execute(find, key).fetchone()
            return int(rating)

        kept = int(self._writer.do(write))
        self._presence.note(participant)
        return kept

    def check_headphones(self, participant: int, passed: bool) -> bool:
        """Store whether a headphone check was passed, unless it is stored already.

        Returns
        -------
        bool
            The stored result; the first one counts.

        Raises
        ------
        LookupError
            If the participant has withdrawn.
        """

        def write(connection: sqlite3.Connection) -> bool:
            _need(connection, participant)
            connection.execute(
                "UPDATE participants SET headphones = COALESCE(headphones, ?) WHERE id = ?",
                (passed, participant),
            )
            query = "SELECT headphones FROM participants WHERE id = ?"
            (kept,) = connection.execute(query, (participant,)).fetchone()
            return bool(kept)

        kept = bool(self._writer.do(write))
        self._presence.note(participant)
        return kept

    def withdraw(self, code: str) -> bool:
        """Delete a participant and all ratings for good. Return whether the code was known."""
        hashed = _hash_code(code)
        query = "SELECT id, code FROM participants WHERE code = ?"
        known = self._read(query, hashed)
        found = [(who,) for who, kept in known if hmac.compare_digest(kept, hashed)]
        if not found:
            return False

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM participants WHERE id = ?", found[0])

        self._writer.do(write, deletes=True)
        return True

    def _read(self, query: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._reader.execute(query, values).fetchall()


def count(path: Path) -> int:
    """Return the number of participants in a file of answers.

    Raises
    ------
    SurveyError
        If the file cannot be opened.
    """
    try:
        with closing(connect(path)) as connection:
            connection.executescript(_SCHEMA)
            found = connection.execute("SELECT COUNT(*) FROM participants").fetchone()
            return int(found[0])
    except sqlite3.Error as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> SurveyError:
    return SurveyError(
        f"{path}: cannot write ({error}); restore the file that `nst survey serve` made, or move "
        "it away"
    )


def _claim(connection: sqlite3.Connection, key: str) -> str:
    """Bind an answers file to this survey if it has no participants yet.

    Return the key of the survey that it belongs to.
    """
    if connection.execute("SELECT COUNT(*) FROM participants").fetchone() == (0,):
        connection.execute("DELETE FROM survey")
        connection.execute("INSERT INTO survey VALUES (?)", (key,))
    (found,) = connection.execute("SELECT key FROM survey").fetchone()
    return str(found)


def _since_written(path: Path) -> float:
    """Return the seconds since a file or its log was last written; 0 if there is no file."""
    written = [one.stat().st_mtime for one in path.parent.glob(f"{path.name}*")]
    return max(0.0, time.time() - max(written)) if written else 0.0


def _begun(connection: sqlite3.Connection) -> list[tuple[int, int, int, int, int]]:
    """Return for each participant: id, row, simulated, number of ratings, and of those in the test.

    The first number of ratings includes the training.
    """
    return connection.execute(
        "SELECT id, row, simulated, COUNT(rating), COALESCE(SUM(position > 0), 0) "
        "FROM participants LEFT JOIN ratings ON participant = id GROUP BY id"
    ).fetchall()


def _need(connection: sqlite3.Connection, participant: int) -> None:
    query = "SELECT 1 FROM participants WHERE id = ?"
    if connection.execute(query, (participant,)).fetchone() is None:
        raise LookupError(participant)


def _participant(number: int, row: int, simulated: int, headphones: int | None) -> Participant:
    passed = None if headphones is None else bool(headphones)
    return Participant(number, row, bool(simulated), passed)


def hash_secret(secret: str) -> str:
    """Return the SHA-256 of a token or a code. Only this hash is stored."""
    return checksum(secret.encode(errors="replace"))


def _hash_code(code: str) -> str:
    """Hash a withdrawal code. Hyphens, spaces and case do not count; O is 0, and I and L are 1."""
    plain = "".join(filter(str.isalnum, code)).upper().translate(_READ_AS)
    return hash_secret(plain)
