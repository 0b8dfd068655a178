"""Parts of a list of sounds: what is balanced, exactly; and who gets which, while others leave."""

import heapq
import json
import math
import os
import time
from collections import Counter
from contextlib import closing
from itertools import pairwise, product

import numpy as np
import pytest

from nst_lib.survey import subsets
from nst_lib.survey.answers import Answer, Answers
from nst_lib.survey.assignment import SILENT, Presence, choose, heard_by
from nst_lib.survey.files import ANSWERS_FILE
from nst_lib.survey.order import arrange, row, rows
from nst_lib.survey.subsets import Cell
from nst_lib.survey.survey import Survey
from tests.surveys import make_survey

#: Numbers of pairs and of conditions, up to 24 sounds, and some larger ones.
GRIDS = [(p, c) for p, c in product(range(1, 9), range(1, 7)) if 3 <= p * c <= 24]
GRIDS += [(5, 6), (10, 4), (6, 6)]


def crossing(pairs: int, conditions: int, times: int = 1) -> list[Cell]:
    return [Cell(*cell) for cell in product(range(pairs), range(conditions)) for _ in range(times)]


def table(cells: list[Cell], k: int, *, seed: int = 0) -> np.ndarray:
    """Return all rows, shape=(rows, k); of all items where `k` is their number."""
    n = len(cells)
    one = (lambda r: row(n, r, seed=seed)) if k == n else None
    return np.array(
        [one(r) if one else subsets.row(cells, k, r, seed=seed) for r in range(rows(n))]
    )


def spread(counts: np.ndarray, axis: int | None = None) -> int:
    return int(np.max(counts.max(axis) - counts.min(axis)))


def heard_in(found: np.ndarray, labels: list[int]) -> np.ndarray:
    """Return how often each listener hears each pair, or condition."""
    return np.array([np.bincount(np.array(labels)[r], minlength=max(labels) + 1) for r in found])


@pytest.mark.parametrize(("pairs", "conditions"), GRIDS)
def test_blocks_are_balanced(pairs, conditions):
    cells, n = crossing(pairs, conditions), pairs * conditions
    coprime = math.gcd(pairs, conditions) == 1
    for k in range(2, n):
        found = table(cells, k, seed=k)
        assert all(len(set(r)) == k for r in found.tolist())
        # Each listener: all pairs equally often, or differing by one, and all conditions.
        assert spread(heard_in(found, [cell.pair for cell in cells]), axis=1) == (k % pairs > 0)
        per_condition = heard_in(found, [cell.condition for cell in cells])
        assert spread(per_condition, axis=1) == (k % conditions > 0)
        # Every n listeners: each sound once at each place, so k times.
        for part in np.split(found, len(found) // n):
            assert all(sorted(place) == list(range(n)) for place in part.T)
            follows = Counter(pair for r in part.tolist() for pair in pairwise(r))
            assert max(follows.values()) <= (1 if coprime and n % 2 == 0 else 3)
        # At any time: the sounds equally often, or nearly.
        assert worst_spread(heard_by(found, n), n) <= (1 if coprime else 3)


def worst_spread(heard: np.ndarray, n: int) -> int:
    """Return the largest spread of a sound's listeners, one listener after the other, to the end.

    At the end, and whenever the number of listeners allows it, all sounds are equal.
    """
    taken: list[int] = []
    worst = 0
    for _ in range(len(heard)):
        taken.append(choose(heard, taken))
        worst = max(worst, spread(heard[taken].sum(0)))
    assert spread(heard[taken].sum(0)) == 0
    return worst


def test_ten_of_the_study_are_two_of_each_pair():
    cells = crossing(5, 4)
    for r in range(20):
        options = {"seed": 0, "heard": 10, "repeats": 2, "catches": 2}
        order = arrange(20, r, cells=cells, **options)
        heard = [p.index for p in order if p.presentation == 1 and not p.catch]
        assert Counter(cells[item].pair for item in heard) == dict.fromkeys(range(5), 2)
        assert set(Counter(cells[item].condition for item in heard).values()) == {2, 3}
        assert len(order) == 14


@pytest.mark.parametrize(("pairs", "conditions", "times"), [(3, 2, 2), (4, 1, 3), (1, 4, 5)])
def test_several_sounds_of_a_cell(pairs, conditions, times):
    cells = crossing(pairs, conditions, times)
    n = len(cells)
    for k in range(2, n):
        found = table(cells, k)
        assert spread(heard_in(found, [cell.pair for cell in cells]), axis=1) <= 1
        assert spread(heard_in(found, [cell.condition for cell in cells]), axis=1) <= 1
        assert all(sorted(place) == list(range(n)) for place in found[:n].T)


@pytest.mark.parametrize("seed", range(12))
def test_what_is_no_crossing_is_nearly_balanced(seed):
    generator = np.random.default_rng(seed)
    cells = crossing(*generator.integers(2, 7, 2))
    cells = [cells[k] for k in generator.permutation(len(cells))[1 + len(cells) // 8 :]]
    n = len(cells)
    for k in range(2, n):
        found = table(cells, k, seed=seed)
        assert all(sorted(place) == list(range(n)) for place in found[:n].T)
        for labels in ([cell.pair for cell in cells], [cell.condition for cell in cells]):
            due = k * np.bincount(labels, minlength=max(labels) + 1) / n
            assert np.abs(heard_in(found, labels) - due).max() < 2


def test_seeds_give_other_blocks():
    cells = crossing(5, 4)
    assert table(cells, 7, seed=1).tolist() == table(cells, 7, seed=1).tolist()
    assert table(cells, 7, seed=1).tolist() != table(cells, 7, seed=2).tolist()


class Crowd:
    """Simulated listeners, of whom some leave; time is simulated, too."""

    LENGTH, LEAVE, STEP = 10, 0.3, 60.0

    def __init__(self, heard: np.ndarray, seed: int) -> None:
        self.heard, self.now = heard, 0.0
        self.generator = np.random.default_rng(seed)
        self.presence = Presence(lambda: self.now)
        self.rows: list[int] = []
        self.given: dict[int, int] = {}

    def join(self) -> int:
        here = self.presence.present(self.given)
        taken = [self.rows[who] for who, n in self.given.items() if n == self.LENGTH or who in here]
        self.rows.append(choose(self.heard, taken))
        who = len(self.given)
        self.given[who] = 0
        self.presence.note(who)
        return who

    def run(self, arrivals: list[float], *, leave: float = LEAVE) -> None:
        events = [(self.now + when, -1) for when in arrivals]
        heapq.heapify(events)
        while events:
            self.now, who = heapq.heappop(events)
            if who < 0:
                who = self.join()
                left = self.generator.random() < leave
                stop = self.generator.integers(self.LENGTH) if left else self.LENGTH
                for k in range(stop):
                    heapq.heappush(events, (self.now + self.STEP * (k + 1), who))
            else:
                self.given[who] += 1
                self.presence.note(who)

    def completed(self) -> np.ndarray:
        done = [self.rows[who] for who, n in self.given.items() if n == self.LENGTH]
        return self.heard[done].sum(0)


CLASSES = [86400.0 * (k // 30) + k % 30 for k in range(90)]
ONE_BY_ONE = [2 * SILENT * k for k in range(60)]
#: Pairs, conditions, sounds for each, and how far cells may be apart.
DESIGNS = [(5, 4, 20, 0), (5, 4, 10, 1), (5, 4, 9, 1), (5, 4, 12, 1), (4, 2, 5, 2), (5, 5, 11, 3)]


@pytest.mark.parametrize(("pairs", "conditions", "k", "most"), DESIGNS)
@pytest.mark.parametrize("arrivals", [CLASSES, ONE_BY_ONE], ids=["classes", "one by one"])
def test_three_of_ten_leave_and_the_cells_are_balanced(pairs, conditions, k, most, arrivals):
    heard = heard_by(table(crossing(pairs, conditions), k), pairs * conditions)
    for seed in range(3):
        crowd = Crowd(heard, seed)
        crowd.run(arrivals)
        left = sum(n < Crowd.LENGTH for n in crowd.given.values())
        assert left > len(arrivals) / 5
        if arrivals is CLASSES and k < pairs * conditions:
            # Nobody has come since the last ones left: each of them is a hole.
            assert spread(crowd.completed()) <= most + 12
            crowd.now += SILENT
            crowd.run([700.0 * n for n in range(12)], leave=0.0)
        assert spread(crowd.completed()) <= most


class TestStore:
    """Who keeps a row, and who does not, with the answers on the disk."""

    @pytest.fixture
    def made(self, tmp_path):
        folder = make_survey(tmp_path, headphones=None)
        survey, clock = Survey.read(folder), [0.0]

        def opened() -> Answers:
            return Answers(folder / ANSWERS_FILE, survey.key, clock=lambda: clock[0])

        return survey, clock, opened

    @staticmethod
    def join(survey: Survey, answers: Answers) -> tuple[int, int]:
        token, _ = answers.register(heard=survey.heard, length=survey.length)
        found = answers.participant(token)
        return found.id, found.row

    @staticmethod
    def rate(survey: Survey, answers: Answers, who: tuple[int, int], start: int, stop: int) -> None:
        for place in survey.places(who[1])[start:stop]:
            screen = place.screen
            given = ("style", screen.name, screen.presentation, screen.position, screen.items)
            answers.answer(who[0], Answer(*given, {"rating": 3}, [1], 1.0))

    def test_who_has_left_frees_the_row_and_who_has_finished_does_not(self, made):
        survey, clock, opened = made
        with closing(opened()) as answers:
            people = [self.join(survey, answers) for _ in range(3)]
            assert [row for _, row in people] == [0, 1, 2]
            self.rate(survey, answers, people[0], 0, None)
            clock[0] = 0.9 * SILENT
            self.rate(survey, answers, people[1], 0, 2)
            assert self.join(survey, answers)[1] == 3  # participant 2 has never rated
            clock[0] = 1.1 * SILENT
            assert self.join(survey, answers)[1] == 2
            clock[0] = 3 * SILENT
            assert self.join(survey, answers)[1] == 1

    def test_who_comes_back_has_the_same_row_and_keeps_it(self, made):
        survey, clock, opened = made
        with closing(opened()) as answers:
            late = self.join(survey, answers)
            clock[0] = 2 * SILENT
            other = self.join(survey, answers)
            assert other[1] == late[1] == 0
            self.rate(survey, answers, late, 0, None)
            clock[0] = 4 * SILENT
            assert [self.join(survey, answers)[1] for _ in range(6)] == [1, 2, 3, 4, 5, 0]

    def test_a_start_waits_for_those_who_were_under_way(self, made):
        survey, clock, opened = made
        with closing(opened()) as answers:
            self.rate(survey, answers, self.join(survey, answers), 0, 2)
        clock[0] = 5 * SILENT
        with closing(opened()) as answers:
            assert self.join(survey, answers)[1] == 1
            clock[0] += 1.1 * SILENT
            assert self.join(survey, answers)[1] == 0

    def test_a_start_the_next_day_does_not_wait(self, made):
        survey, _, opened = made
        with closing(opened()) as answers:
            self.rate(survey, answers, self.join(survey, answers), 0, 2)
            self.rate(survey, answers, self.join(survey, answers), 0, None)
        yesterday = time.time() - 86400
        os.utime(survey.folder / ANSWERS_FILE, (yesterday, yesterday))
        opened().close()  # as an export does
        with closing(opened()) as answers:
            assert [self.join(survey, answers)[1] for _ in range(2)] == [0, 2]

    def test_two_servers_see_whom_the_other_serves(self, made):
        survey, clock, opened = made
        with closing(opened()) as one, closing(opened()) as two:
            first = self.join(survey, one)
            assert self.join(survey, two)[1] == 1
            for k in range(3):
                clock[0] += 0.8 * SILENT
                self.rate(survey, one, first, k, k + 1)
                assert self.join(survey, two)[1] != 0
            clock[0] += 1.1 * SILENT
            assert self.join(survey, two)[1] == 0

    def test_simulated_participants_have_a_turn_of_their_own(self, made):
        survey, _, opened = made
        with closing(opened()) as answers:
            for row_ in (0, 1):
                for simulated in (False, True):
                    options = {"heard": survey.heard, "length": survey.length}
                    token, _ = answers.register(**options, simulated=simulated)
                    assert answers.participant(token).row == row_


def test_a_survey_of_an_older_version_keeps_its_orders(tmp_path):
    folder = make_survey(tmp_path, per_listener=4)
    new = Survey.read(folder)
    path = folder / "survey.json"
    today = json.loads(path.read_text())
    (block,) = today["blocks"]
    older = {name: block[name] for name in ("wording", "labels", "repeats", "per_listener")}
    kept = {name: today[name] for name in ("title", "consent", "thanks", "seed", "rest_every")}
    path.write_text(
        json.dumps({**older, **kept, "question": "style", "headphones": True, "open": True})
    )
    old = Survey.read(folder)
    assert new.settings.blocks[0].balanced
    assert not old.settings.blocks[0].balanced
    assert new.key != old.key
    items = [one.item for one in old.stimuli if one.role == "trial"]
    for r in range(old.rows):
        screens = [one.screen for one in old.places(r)]
        first = [one.name for one in screens if one.presentation == 1 and one.position]
        assert [i for i in first if i in items] == [items[k] for k in row(6, r, seed=0)[:4]]
    assert sorted(old.heard.sum(0).tolist()) == [*[4] * 6, *[6] * 2]  # two are catch trials
