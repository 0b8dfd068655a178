"""The model of preferences against published numbers and against R.

R 4.2.2 with BradleyTerry2 1.1-2, gnm 1.1-2 and its own glm.
"""

import numpy as np
import pytest

from nst_lib.opinions.davidson import (
    PRIOR,
    Design,
    fit,
    fit_many,
    newton,
    probabilities,
    separation,
)

#: R. R. Davidson, 1970, example 2: brands i and j of chocolate pudding, preferences for i, for j,
#: and none. As in puddings.txt of github.com/d-a-henderson/GPL, and in R's PlackettLuce.
PUDDING = np.array(
    [
        *((1, 2, 19, 22, 16), (1, 3, 16, 19, 12), (2, 3, 19, 19, 10), (1, 4, 18, 23, 13)),
        *((2, 4, 23, 19, 9), (3, 4, 19, 20, 15), (1, 5, 13, 19, 18), (2, 5, 16, 20, 12)),
        *((3, 5, 16, 15, 17), (4, 5, 17, 14, 16), (1, 6, 18, 21, 12), (2, 6, 22, 20, 12)),
        *((3, 6, 13, 18, 10), (4, 6, 14, 19, 18), (5, 6, 11, 21, 12)),
    ]
)
#: Davidson's own estimates: shares of the worths, and nu. As quoted in R's hyper2 (pudding.Rmd).
DAVIDSON = (0.1388005, 0.1729985, 0.1617420, 0.1653930, 0.1586805, 0.2023855), 0.7468147

TEAMS = ("Baltimore", "Boston", "Cleveland", "Detroit", "Milwaukee", "New York", "Toronto")
#: A. Agresti, Categorical Data Analysis: games of baseball teams in 1987, wins of the home team and
#: of the guest. Data set `baseball` of BradleyTerry2; rows are home teams, columns guests.
HOME = """
- 1/6 3/4 1/5 2/5 2/4 1/6
6/0 - 5/2 2/5 5/1 4/2 3/3
2/4 4/2 - 3/3 2/5 4/3 3/4
4/3 6/0 6/1 - 3/3 4/3 4/2
6/0 6/1 4/2 4/3 - 4/3 4/2
6/1 4/3 4/2 5/1 3/3 - 2/5
6/0 4/3 4/2 4/3 2/5 2/4 -
"""
#: Made-up counts for four conditions in both orders: first, second, wins of them, ties.
ORDERED = """
a b 14 6 5
b a 9 12 4
a c 17 3 5
c a 5 15 5
a d 18 4 3
d a 6 16 3
b c 13 8 4
c b 10 9 6
b d 12 7 6
d b 9 13 3
c d 11 9 5
d c 8 9 8
"""


def baseball() -> np.ndarray:
    """Return rows of home team, guest, wins of them."""
    rows = [line.split() for line in HOME.strip().splitlines()]
    return np.array(
        [
            (i, j, *map(int, cell.split("/")))
            for i, row in enumerate(rows)
            for j, cell in enumerate(row)
            if cell != "-"
        ]
    )


def ordered() -> np.ndarray:
    """Return rows of first, second, wins of them, ties."""
    rows = [line.split() for line in ORDERED.strip().splitlines()]
    return np.array([("abcd".index(a), "abcd".index(b), *map(int, n)) for a, b, *n in rows])


def contrasts_error(found, against: int) -> np.ndarray:
    """Return standard errors of the differences from one condition."""
    k = found.design.count
    M = found.design.contrasts
    L = np.delete(np.eye(k), against, axis=0) - np.eye(k)[against]
    covariance = M @ found.covariance()[: k - 1, : k - 1] @ M.T
    return np.sqrt(np.diag(L @ covariance @ L.T))


class TestPublished:
    def test_davidson_1970(self):
        """His iterations stopped after four digits."""
        i, j, *counts = PUDDING.T
        found = fit(np.array(counts, float).T, Design(i - 1, j - 1, 6, order=False))
        shares = np.exp(found.worths) / np.exp(found.worths).sum()
        assert shares == pytest.approx(DAVIDSON[0], abs=3e-5)
        assert found.tie == pytest.approx(DAVIDSON[1], abs=1e-4)
        assert found.separated is None

    def test_agresti_baseball(self):
        """BTm(cbind(home.wins, away.wins), home.team, away.team, ~ team)."""
        i, j, home, guest = baseball().T
        answers = np.column_stack([home, guest, 0 * home]).astype(float)
        found = fit(answers, Design(i, j, 7, ties=False, order=False))
        assert TEAMS[0] == "Baltimore"
        assert (found.worths - found.worths[0])[1:] == pytest.approx(
            [1.10769770, 0.68385277, 1.43640843, 1.58135588, 1.24761785, 1.29448512], abs=1e-7
        )
        assert contrasts_error(found, 0) == pytest.approx(
            [0.33387791, 0.33187640, 0.33956819, 0.34325566, 0.33586062, 0.33666909], rel=2e-6
        )
        assert (found.deviance, found.df) == (pytest.approx(44.0534612286), 36)

    def test_agresti_home_advantage(self):
        """Of the same games: update(..., ~ team + at.home)."""
        i, j, home, guest = baseball().T
        answers = np.column_stack([home, guest, 0 * home]).astype(float)
        found = fit(answers, Design(i, j, 7, ties=False))
        assert found.order == pytest.approx(0.302260655528)
        assert np.sqrt(found.covariance()[-1, -1]) == pytest.approx(0.130943642532)
        assert (found.worths - found.worths[0])[4] == pytest.approx(1.619554993578)
        assert (found.deviance, found.df) == (pytest.approx(38.642852144), 35)

    def test_davidson_and_beaver_1977(self):
        """Their log-linear form by R's glm, with one factor level per cell, and GenDavidson of
        BradleyTerry2, whose deviance and home.adv are the same.
        """
        i, j, *counts = ordered().T
        found = fit(np.array(counts, float).T, Design(i, j, 4))
        assert (found.worths - found.worths[0])[1:] == pytest.approx(
            [-0.7754413595, -1.1318559990, -1.2797688542]
        )
        assert found.order == pytest.approx(0.1952150961)
        assert np.log(found.tie) - found.order / 2 == pytest.approx(-0.7743383523)
        assert contrasts_error(found, 0) == pytest.approx(
            [0.2399120315, 0.2453585595, 0.2486056581]
        )
        assert (found.deviance, found.df) == (pytest.approx(7.147740352), 19)
        without = fit(np.array(counts, float).T, Design(i, j, 4, order=False))
        assert 2 * (found.loglik - without.loglik) == pytest.approx(2.045927738)
        assert np.log(without.tie) == pytest.approx(-0.6814832453)


class TestFit:
    def test_two_conditions_in_closed_form(self):
        """Davidson's estimates for two conditions are the observed shares."""
        found = fit(
            np.array([[12.0, 5.0, 3.0]]), Design(np.array([0]), np.array([1]), 2, order=False)
        )
        assert found.worths[0] - found.worths[1] == pytest.approx(np.log(12 / 5))
        assert found.probabilities[0] == pytest.approx([0.6, 0.25, 0.15])
        assert found.deviance == pytest.approx(0, abs=1e-9)
        assert found.df == 0

    def test_many_at_once_are_the_same_as_one_by_one(self):
        i, j, *counts = ordered().T
        generator = np.random.default_rng(0)
        drawn = generator.poisson(np.array(counts, float).T, (20, 12, 3)).astype(float)
        many, separated = fit_many(drawn, Design(i, j, 4))
        assert separated == 0
        for answers, parameters in zip(drawn, many, strict=True):
            assert fit(answers, Design(i, j, 4)).parameters == pytest.approx(parameters, abs=1e-7)

    def test_scores_sum_to_zero_and_sandwich_is_the_information_of_independent_answers(self):
        """For one answer per part, the mean square of the scores estimates the information."""
        i, j, *counts = ordered().T
        answers = 40 * np.array(counts, float).T
        found = fit(answers, Design(i, j, 4))
        cells, outcomes = np.nonzero(answers)
        parts = np.zeros((int(answers.sum()), *answers.shape))
        reached = 0
        for cell, outcome in zip(cells, outcomes, strict=True):
            n = int(answers[cell, outcome])
            parts[reached : reached + n, cell, outcome] = 1
            reached += n
        scores = found.scores(parts)
        assert scores.sum(axis=0) == pytest.approx(np.zeros(5), abs=1e-6)
        assert np.diag(found.covariance(scores)) == pytest.approx(
            np.diag(found.covariance()), rel=0.06
        )

    def test_unconnected_conditions_are_refused(self):
        design = Design(np.array([0, 2]), np.array([1, 3]), 4, order=False)
        assert design.groups() == [[0, 1], [2, 3]]
        with pytest.raises(ValueError, match="do not identify"):
            fit(np.ones((2, 3)), design)

    def test_order_is_not_identified_where_each_comparison_has_one(self):
        assert not Design(np.array([0]), np.array([1]), 2).identified()
        assert Design(np.array([0, 1]), np.array([1, 0]), 2).identified()

    def test_probabilities(self):
        assert probabilities(np.array(0.0), 1.0) == pytest.approx([1 / 3] * 3)
        assert probabilities(np.array(np.log(3)), 0.0) == pytest.approx([0.75, 0.25, 0])


class TestSeparation:
    def test_a_condition_that_always_wins(self):
        i, j, *counts = ordered().T
        answers = np.array(counts, float).T
        answers[i == 0] = 25, 0, 0
        answers[j == 0] = 0, 25, 0
        design = Design(i, j, 4)
        way = separation(answers, design)
        assert way is not None
        assert way[0] > way[1:].max() + 1e-6
        assert way[1:] == pytest.approx([way[1]] * 3)
        found = fit(answers, design)
        assert np.argmax(found.worths) == 0
        assert np.abs(found.worths).max() < 10
        best = newton(answers[None], design)[2]
        assert not best[0]

    def test_one_loss_is_enough_for_a_finite_estimate(self):
        i, j, *counts = ordered().T
        answers = np.array(counts, float).T
        answers[i == 0] = 25, 0, 0
        answers[j == 0] = 0, 25, 0
        answers[np.argmax(i == 0)] = 24, 1, 0
        assert separation(answers, Design(i, j, 4)) is None
        assert newton(answers[None], Design(i, j, 4))[2][0]

    def test_added_answers_are_jeffreys_prior_of_two_conditions(self):
        """Of n wins in n comparisons, the odds are (n + 1/2) / (1/2)."""
        design = Design(np.array([0, 1]), np.array([1, 0]), 2, ties=False, order=False)
        found = fit(np.array([[6.0, 0, 0], [0, 4.0, 0]]), design)
        assert found.worths[0] - found.worths[1] == pytest.approx(np.log((10 + PRIOR) / PRIOR))
        assert found.loglik == pytest.approx(0, abs=1e-5)
