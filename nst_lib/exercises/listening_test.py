"""Checks of the answers to the exercises of lesson 11, a listening test."""

import math

import numpy as np
from numpy.typing import NDArray

from nst_lib.exercises.verdict import Verdict, array, exercise, number, right, wrong
from nst_lib.opinions.ratings import Ratings, catch_trials

#: Share of the participants with random keys who may pass the catch trials.
SHARE = 0.05
#: The chance that a random key is a right answer, and that an attentive listener is right.
GUESS, ATTENTIVE = 2 / 5, 0.95
QUESTIONS, NEEDED, SOUNDS = 6, 5, 5
_CLOSE = 0.002


@exercise
def random_keys(answer: object) -> Verdict:
    """Check exercise 1: how many catch trials stop random keys.

    Parameters
    ----------
    answer : int
        The number of catch trials.
    """
    found = number(answer, "a number of catch trials")
    needed = math.ceil(math.log(SHARE) / math.log(GUESS))
    if found != int(found) or found < 0:
        return wrong(
            "Give a whole number of catch trials. In which direction do you have to round?"
        )
    k = int(found)
    if k == needed:
        lost = 1 - ATTENTIVE**k
        return right(
            f"{GUESS**k:.1%} of the random keys pass. But a listener who is attentive, and wrong "
            f"in one catch trial out of twenty, fails with {lost:.0%}. If one error is allowed, "
            "you need six, and lose only three attentive listeners in a hundred. But then every "
            "listener spends the time for six."
        )
    if k == math.ceil(math.log(SHARE) / math.log(1 - GUESS)):
        return wrong("Is 3/5 the probability that a random key is right, or that it is wrong?")
    if k == math.ceil(math.log(SHARE) / math.log(1 / 5)):
        return wrong("How many of the five answers to a catch trial count as right?")
    way = "that is more than" if k < needed else "but fewer trials also keep it below"
    return wrong(f"With {k}, random keys pass with {GUESS**k:.1%}; {way} {SHARE:.0%}.")


@exercise
def five_sounds(answer: object) -> Verdict:
    """Check exercise 2: orders of five sounds that are balanced in places and in neighbours.

    Parameters
    ----------
    answer : array of int, shape=(listeners, 5)
        The orders.
    """
    orders = array(answer, "orders of the sounds 0 to 4, with a row for each listener")
    if orders.ndim != 2 or orders.shape[1] != SOUNDS or not len(orders):
        return wrong(
            f"The array has the shape {orders.shape}. Give a row for each listener, with a column "
            "for each of the five places."
        )
    if not (np.sort(orders, axis=1) == np.arange(SOUNDS)).all():
        return wrong("Each row must have each of the sounds 0, 1, 2, 3 and 4 once.")
    at, after = _counts(orders.astype(int))
    if np.ptp(at):
        return wrong(
            "Some sounds are more often at a place than others. See a column of the array."
        )
    follows = after[~np.eye(SOUNDS, dtype=bool)]
    if np.ptp(follows):
        return wrong(
            "Each sound is equally often at each place. But some sounds follow another sound "
            f"{follows.max()} times, and others {follows.min()} times."
        )
    return right(
        f"{len(orders)} listeners are balanced. An odd number of sounds needs twice as many rows "
        "as an even one, each with its mirror image. If you shift the list by one for each "
        "listener, the places are balanced, but the carry-over from one bad sound always "
        "affects the same neighbour."
    )


@exercise
def too_strict(answer: object, *, chance: float) -> Verdict:
    """Check exercise 3: how often a listener with headphones is flagged.

    Parameters
    ----------
    answer : float
        The probability.
    chance : float
        The probability of a right answer to one question.
    """
    found = number(answer, "a probability")
    passes = sum(
        math.comb(QUESTIONS, k) * chance**k * (1 - chance) ** (QUESTIONS - k)
        for k in range(NEEDED, QUESTIONS + 1)
    )
    expected = 1 - passes

    def close(value: float) -> bool:
        return math.isclose(found, value, abs_tol=_CLOSE)

    if close(expected):
        return right(
            f"About {100 * expected:.0f} in 100 attentive listeners with headphones are flagged, "
            "and 2 in 100 who guess are not. If six right answers were needed, guessing would "
            f"hardly ever pass, but {1 - chance**QUESTIONS:.0%} of the attentive listeners would "
            "be flagged. This is one reason why the check excludes nobody by itself."
        )
    if math.isclose(found, 100 * expected, rel_tol=0.02):
        return wrong("The answer seems to be in percent. Give a probability between 0 and 1.")
    if close(passes):
        return wrong(
            "This listener *passes* with this probability. The question is about the flag."
        )
    if close(1 - chance**QUESTIONS):
        return wrong("One wrong answer is allowed: five right answers are a pass.")
    if close(1 - chance) or close(1 - chance**NEEDED):
        return wrong("There are six questions. Sum over the numbers of right answers that pass.")
    return wrong("Use the sum of the lesson, with other probabilities for right and wrong answers.")


@exercise
def what_counts(answer: object, *, ratings: Ratings) -> Verdict:
    """Check exercise 4: how many rows count as opinions.

    Parameters
    ----------
    answer : int
        The number of rows.
    ratings : Ratings
        The ratings of the test.
    """
    found = number(answer, "a number of rows")
    table, expected = ratings.table, len(ratings.opinions)
    known = catch_trials(table)
    if found == expected:
        return right(
            f"{len(table)} ratings were given, and {expected} count: {table['listener'].nunique()} "
            f"listeners rated {ratings.opinions['item'].nunique()} sounds. The others say "
            "something about the listeners: a catch trial, whether they listen; a repeat, "
            "how far they agree with themselves."
        )
    if found == len(table):
        return wrong("These are all rows. Which ratings say something about the listener only?")
    if found == (~known).sum():
        return wrong("Catch trials are left out, as they should be. What about repeats?")
    if found == (table["presentation"] == 1).sum():
        return wrong("Repeats are left out, as they should be. What about catch trials?")
    if found == ratings.opinions["item"].nunique():
        return wrong("This is the number of sounds. How many opinions are there of each sound?")
    return wrong(
        "Look at the columns `presentation` (2 is a repeat), `lowest` and `highest` (limits of a "
        "catch trial). Training has no rows."
    )


def _counts(orders: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how often each sound is at each place, and how often it follows each other sound."""
    n = orders.shape[1]
    at, after = np.zeros((n, n), dtype=np.int64), np.zeros((n, n), dtype=np.int64)
    for row in orders:
        np.add.at(at, (row, np.arange(n)), 1)
        np.add.at(after, (row[1:], row[:-1]), 1)
    return at, after
