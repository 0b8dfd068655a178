"""The participants and answers of a survey, in one SQLite file.

The file has these data of a participant: a number in order of arrival, the row of the order, the
results of the headphone check and of the check of channels, whether the participant is simulated,
and hashes of the token, of the withdrawal code and of the identity on a platform (see
:mod:`nst_lib.survey.identity`). It has no name, no address and no time.

An answer is on the disk before it is acknowledged; see :mod:`nst_lib.survey.writer`. A file that an
older version made, with ratings only, is converted when it is opened.
"""

import hmac
import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, fields
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
CREATE TABLE IF NOT EXISTS answers (
    participant INTEGER NOT NULL REFERENCES participants (id) ON DELETE CASCADE,
    block TEXT NOT NULL,
    screen TEXT NOT NULL,
    presentation INTEGER NOT NULL,
    position INTEGER NOT NULL,
    items TEXT NOT NULL,
    answer TEXT NOT NULL,
    plays TEXT NOT NULL,
    seconds REAL NOT NULL,
    PRIMARY KEY (participant, block, screen, presentation)
) WITHOUT ROWID;
"""
#: Columns of participants that files of older versions lack.
_NEWER = {"headphones_right": "INTEGER", "channels": "INTEGER", "person": "TEXT"}
_CONVERT = """
INSERT OR IGNORE INTO answers
    SELECT participant, question, item, presentation, position, json_array(item),
        json_object('rating', rating), json_array(plays), seconds
    FROM ratings;
DROP TABLE ratings;
"""
_PERSON = "CREATE UNIQUE INDEX IF NOT EXISTS people ON participants (person)"
_ABOUT = "id, row, simulated, headphones, headphones_right, channels"


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
    headphones_right : int or None
        Number of right answers in the headphone check.
    channels : bool or None
        Whether the participant passed the check of channels; None if there was no check.
    """

    id: int
    row: int
    simulated: bool
    headphones: bool | None = None
    headphones_right: int | None = None
    channels: bool | None = None


@dataclass(frozen=True)
class Answer:
    """The answer to a screen with its circumstances.

    Attributes
    ----------
    block, screen : str
        The names of the block and of the screen.
    presentation : int
        1 for the first time that the participant saw the screen, 2 for a repeat.
    position : int
        1, 2, ... in the test of the block; 0 in its training.
    items : list of str
        The names of the sounds that were judged, in the order in which they were presented.
    answer : dict
        The answer, as the kind of the block accepted it.
    plays : list of int
        How often each sound was played, the reference first.
    seconds : float
        Time from the appearance of the screen to the answer.
    """

    block: str
    screen: str
    presentation: int
    position: int
    items: list[str]
    answer: dict[str, Any]
    plays: list[int]
    seconds: float


_ANSWER = tuple(field.name for field in fields(Answer))
_TEXTS = ("items", "answer", "plays")


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
            _prepare(connection)
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
        self,
        *,
        heard: npt.NDArray[np.int64],
        length: int,
        simulated: bool = False,
        person: str | None = None,
    ) -> tuple[str, str]:
        """Add a participant; see :mod:`nst_lib.survey.assignment` for the choice of the row.

        A person who is known stays the same participant, with another token and another code.

        Simulated participants have no influence on the rows of the others, and vice versa.

        Parameters
        ----------
        heard : np.ndarray, shape=(rows, trials)
            1 where a row of the order includes a screen of the test, else 0.
        length : int
            Number of answers of a participant who has finished, without the training.
        simulated : bool
            Whether the participant is a program.
        person : str or None
            Hash of the participant's identity on a platform.

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
            again = connection.execute(
                "UPDATE participants SET token = ?, code = ? WHERE person = ? RETURNING id",
                (hash_secret(token), _hash_code(code), person),
            ).fetchone()
            if again is not None:
                return int(again[0])
            begun = _begun(connection)
            present = self._presence.present({who: answers for who, _, _, answers, _ in begun})
            taken = [
                row
                for who, row, kind, _, in_test in begun
                if kind == simulated and (in_test == length or who in present)
            ]
            return connection.execute(
                "INSERT INTO participants (token, code, row, simulated, person) "
                "VALUES (?, ?, ?, ?, ?)",
                (hash_secret(token), _hash_code(code), choose(heard, taken), simulated, person),
            ).lastrowid

        self._presence.note(self._writer.do(write))
        return token, code

    def participant(self, token: str) -> Participant | None:
        """Return the participant who has a token, or None."""
        query = f"SELECT token, {_ABOUT} FROM participants WHERE token = ?"
        for kept, *about in self._read(query, hash_secret(token)):
            if hmac.compare_digest(kept, hash_secret(token)):
                return _participant(*about)
        return None

    def participants(self) -> list[Participant]:
        """Return all participants in order of arrival."""
        query = f"SELECT {_ABOUT} FROM participants ORDER BY id"
        return [_participant(*about) for about in self._read(query)]

    def answered(self, participant: int) -> set[tuple[str, str, int]]:
        """Return block, screen and presentation of all answers of a participant."""
        query = "SELECT block, screen, presentation FROM answers WHERE participant = ?"
        return set(self._read(query, participant))

    def read_all(self) -> list[tuple[int, Answer]]:
        """Return all answers, each with the number of its participant, in order."""
        query = f"SELECT participant, {', '.join(_ANSWER)} FROM answers"
        with closing(connect(self.path)) as connection:  # so that requests do not wait for this
            found = connection.execute(f"{query} ORDER BY participant, block, position, screen")
            return [(who, _answer(values)) for who, *values in found.fetchall()]

    def progress(self) -> dict[int, int]:
        """Return the number of answers of each participant, without the training."""
        query = "SELECT participant, COUNT(*) FROM answers WHERE position > 0 GROUP BY participant"
        return dict(self._read(query))

    def tally(self) -> list[tuple[str, str, dict[str, Any], int]]:
        """Return block, items (as JSON), answer and count of all answers, without repeats."""
        query = (
            "SELECT block, items, answer, COUNT(*) FROM answers "
            "WHERE position > 0 AND presentation = 1 GROUP BY block, items, answer"
        )
        return [
            (block, items, json.loads(answer), n) for block, items, answer, n in self._read(query)
        ]

    def answer(self, participant: int, answer: Answer) -> dict[str, Any]:
        """Store an answer, unless the participant has answered the screen already.

        Returns
        -------
        dict
            The stored answer; the first one counts.

        Raises
        ------
        LookupError
            If the participant has withdrawn.
        """
        marks = ", ".join("?" * len(_ANSWER))
        insert = (
            f"INSERT OR IGNORE INTO answers (participant, {', '.join(_ANSWER)}) VALUES (?, {marks})"
        )
        find = (
            "SELECT answer FROM answers "
            "WHERE participant = ? AND block = ? AND screen = ? AND presentation = ?"
        )
        values = [
            json.dumps(value, ensure_ascii=False) if name in _TEXTS else value
            for name, value in vars(answer).items()
        ]

        def write(connection: sqlite3.Connection) -> str:
            _need(connection, participant)
            connection.execute(insert, (participant, *values))
            key = (participant, answer.block, answer.screen, answer.presentation)
            (kept,) = connection.execute(find, key).fetchone()
            return str(kept)

        kept = self._writer.do(write)
        self._presence.note(participant)
        found: dict[str, Any] = json.loads(kept)
        return found

    def check_headphones(self, participant: int, right: int, *, passed: bool) -> bool:
        """Store the result of a headphone check. The first one counts.

        Parameters
        ----------
        participant : int
            The participant.
        right : int
            Number of right answers.
        passed : bool
            Whether that is enough.

        Returns
        -------
        bool
            The stored result.

        Raises
        ------
        LookupError
            If the participant has withdrawn.
        """
        return self._check(participant, {"headphones": passed, "headphones_right": right})

    def check_channels(self, participant: int, *, passed: bool) -> bool:
        """Store the result of the check of channels; see :meth:`check_headphones`."""
        return self._check(participant, {"channels": passed})

    def _check(self, participant: int, values: dict[str, int]) -> bool:
        """Store values that are not stored yet. Return the first one, as it is stored then."""
        names = [*values]
        change = ", ".join(f"{name} = COALESCE({name}, ?)" for name in names)

        def write(connection: sqlite3.Connection) -> bool:
            _need(connection, participant)
            connection.execute(
                f"UPDATE participants SET {change} WHERE id = ?", (*values.values(), participant)
            )
            query = f"SELECT {names[0]} FROM participants WHERE id = ?"
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
            _prepare(connection)
            found = connection.execute("SELECT COUNT(*) FROM participants").fetchone()
            return int(found[0])
    except sqlite3.Error as error:
        raise _unusable(path, error) from error


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, and convert those of an older version."""
    connection.executescript(_SCHEMA)

    def convert(connection: sqlite3.Connection) -> None:
        there = {row[1] for row in connection.execute("PRAGMA table_info(participants)")}
        for name, kind in _NEWER.items():
            if name not in there:
                connection.execute(f"ALTER TABLE participants ADD COLUMN {name} {kind}")
        connection.execute(_PERSON)
        tables = "SELECT 1 FROM sqlite_master WHERE name = 'ratings'"
        if connection.execute(tables).fetchone():
            for statement in _CONVERT.split(";"):
                connection.execute(statement)

    transaction(connection, convert)


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
    """Return for each participant: id, row, simulated, number of answers, and of those in the test.

    The first number of answers includes the training.
    """
    return connection.execute(
        "SELECT id, row, simulated, COUNT(answer), COALESCE(SUM(position > 0), 0) "
        "FROM participants LEFT JOIN answers ON participant = id GROUP BY id"
    ).fetchall()


def _need(connection: sqlite3.Connection, participant: int) -> None:
    query = "SELECT 1 FROM participants WHERE id = ?"
    if connection.execute(query, (participant,)).fetchone() is None:
        raise LookupError(participant)


def _participant(
    number: int,
    row: int,
    simulated: int,
    headphones: int | None,
    right: int | None,
    channels: int | None,
) -> Participant:
    passed = None if headphones is None else bool(headphones)
    both = None if channels is None else bool(channels)
    return Participant(number, row, bool(simulated), passed, right, both)


def _answer(values: list[Any]) -> Answer:
    given = dict(zip(_ANSWER, values, strict=True))
    return Answer(**{**given, **{name: json.loads(given[name]) for name in _TEXTS}})


def hash_secret(secret: str) -> str:
    """Return the SHA-256 of a token or a code. Only this hash is stored."""
    return checksum(secret.encode(errors="replace"))


def _hash_code(code: str) -> str:
    """Hash a withdrawal code. Hyphens, spaces and case do not count; O is 0, and I and L are 1."""
    plain = "".join(filter(str.isalnum, code)).upper().translate(_READ_AS)
    return hash_secret(plain)
