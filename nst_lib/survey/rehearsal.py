"""Let programs take a listening test before people do. Nobody listens.

The programs send the same requests as the page, and say that they are simulated: they need not wait
until they can have heard a sound, and the export marks their answers. They know which sound is
which from the table of stimuli, which never leaves the server.
"""

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import requests

from nst_lib.survey import stimuli
from nst_lib.survey.files import SOUNDS_FOLDER, STIMULI_FILE
from nst_lib.survey.stimuli import Stimulus, SurveyError

#: The kinds of blocks that programs can take.
KINDS = ("rating", "pair")
#: Standard deviation of what is added to a rating when a sound comes again.
DOUBT = 0.7
_TIMEOUT = 30
_JOBS = 8


def rehearse(
    url: str,
    folder: str | os.PathLike[str],
    opinions: Sequence[Mapping[str, float]],
    *,
    careless: int = 0,
    points: int = 5,
    seed: int = 0,
) -> None:
    """Let programs take a test, all at once. They stand for participants with given opinions.

    A program rates a sound by its opinion, prefers the sound that it would rate higher, and answers
    catch trials rightly.

    Parameters
    ----------
    url : str
        Address of the server, with a slash at the end.
    folder : path
        Folder of the survey. Its blocks are ratings on a scale of points, and preferences.
    opinions : sequence of mapping of str to float
        For each program: the name of a sound -> its rating, for all sounds that are trials.
    careless : int >= 0
        How many of the programs, the last ones, press random keys.
    points : int > 1
        Number of points of the scale.
    seed : int
        Seed of random keys, and of the ratings of repeated sounds.

    Raises
    ------
    SurveyError
        If the test has a block of another kind.
    """
    folder = Path(folder)
    sounds = {
        (folder / SOUNDS_FOLDER / one.file).read_bytes(): one
        for one in stimuli.read(folder / STIMULI_FILE)
    }
    programs = [
        _Program(url, sounds, own, points, np.random.default_rng([seed, who]))
        for who, own in enumerate(opinions)
    ]
    for program in programs:
        program.join()
    for program in programs[len(programs) - careless :]:
        program.opinions = None
    with ThreadPoolExecutor(_JOBS) as pool:
        list(pool.map(_Program.take_part, programs))


@dataclass
class _Program:
    """A program that takes a test. Without opinions, it presses random keys."""

    url: str
    sounds: Mapping[bytes, Stimulus]
    opinions: Mapping[str, float] | None
    points: int
    generator: np.random.Generator
    token: str = ""

    def join(self) -> None:
        """Give consent."""
        with requests.Session() as session:
            body = {"consent": True, "simulated": True}
            self.token = self._ask(session, "POST", "participants", body).json()["token"]

    def take_part(self) -> None:
        """Answer all screens."""
        heard: set[bytes] = set()
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {self.token}"
            state = self._ask(session, "GET", "session").json()
            for k, screen in enumerate(state["screens"]):
                kind = state["blocks"][screen["block"]]["kind"]
                if kind not in KINDS:
                    raise SurveyError(
                        f"the test has a block of the kind {kind!r}; programs can take only "
                        f"{' and '.join(KINDS)}"
                    )
                count = len(screen["sounds"])
                paths = [f"screens/{k}/sounds/{n}" for n in range(count)]
                played = [self._ask(session, "GET", path).content for path in paths]
                body = {"answer": self._answer(kind, played, heard), "plays": [1] * count}
                body["seconds"] = sum(screen["sounds"]) + 2
                self._ask(session, "PUT", f"screens/{k}/answer", body)

    def _answer(self, kind: str, played: Sequence[bytes], heard: set[bytes]) -> dict[str, Any]:
        """Return the answer to a screen."""
        if kind == "rating":
            again = played[0] in heard
            heard.update(played)
            return {"rating": self._rating(played[0], again=again)}
        first, second = (self._rating(sound, again=False) for sound in played)
        return {"preferred": None if first == second else int(second > first)}

    def _rating(self, sound: bytes, *, again: bool) -> int:
        """Return the rating of a sound; a sound that comes again is rated with some doubt."""
        if self.opinions is None:
            return int(self.generator.integers(1, self.points + 1))
        one = self.sounds[sound]
        if one.role != "trial":
            known = one.lowest or one.highest or (1 + self.points) / 2
            return round(known)
        doubt = DOUBT * self.generator.standard_normal() if again else 0.0
        return int(np.clip(round(self.opinions[one.item] + doubt), 1, self.points))

    def _ask(
        self, session: requests.Session, method: str, path: str, body: dict[str, Any] | None = None
    ) -> requests.Response:
        """Return the server's answer; wait if the server asks for it."""
        address = f"{self.url}api/{path}"
        while True:
            response = session.request(method, address, json=body, timeout=_TIMEOUT)
            if response.status_code != requests.codes.too_many_requests:
                break
            time.sleep(int(response.headers["Retry-After"]))
        response.raise_for_status()
        return response
