"""Checks of the answers to the exercises of lesson 13, preferences."""

import math

import numpy as np

from nst_lib.exercises.verdict import Verdict, choice, exercise, number, right, wrong
from nst_lib.opinions import davidson
from nst_lib.opinions.abx import binomial
from nst_lib.opinions.preferences import Preferences

#: Significance level of all tests.
LEVEL = 0.05
LIKELIHOOD, LISTENERS, BOTH, NEITHER = "likelihood ratio", "over listeners", "both", "neither"
_CLOSE = 0.01


@exercise
def no_ties(answer: object, *, model: davidson.Fit) -> Verdict:
    """Check exercise 1: how often the first condition wins against the last, without ties.

    Parameters
    ----------
    answer : float
        The probability.
    model : davidson.Fit
        The fitted model.
    """
    found = number(answer, "a probability")
    d = float(model.worths[0] - model.worths[-1])
    expected = 1 / (1 + math.exp(-d))
    win, lose, _ = davidson.probabilities(np.array(d), model.tie)

    def close(value: float) -> bool:
        return math.isclose(found, value, abs_tol=_CLOSE)

    if close(expected):
        return right(
            "Without ties only the odds e^d remain, so the probability is e^d / (1 + e^d), the "
            "logistic function of the difference. This is the model of Bradley and Terry as they "
            "published it, and the upper axis of the figure of worths."
        )
    if close(100 * expected):
        return wrong("The answer seems to be in percent. Give a probability between 0 and 1.")
    if close(1 - expected):
        return wrong("The size is right. Which of the two conditions wins so often?")
    if close(float(win)) or close(float(lose)):
        return wrong("With this probability some answers are ties. What if v = 0?")
    if close(math.exp(d)) or close(math.exp(-d)):
        return wrong("These are the odds, wins for each loss. How many of all answers are wins?")
    if close(d) or close(-d):
        return wrong("This is the difference of the worths. Put it into the equation for P(i).")
    return wrong("Use the equation for P(i), with both worths from the table, o = 0 and v = 0.")


@exercise
def sixteen_trials(answer: object, *, n: int) -> Verdict:
    """Check exercise 2: the least number of right answers that is significant.

    Parameters
    ----------
    answer : int
        Number of right answers.
    n : int
        Number of trials.
    """
    found = number(answer, "a number of right answers")
    if not 0 <= found <= n or found != int(found):
        return wrong(f"Give a whole number of right answers, from 0 to {n}.")
    k = int(found)
    if binomial(k, n) >= LEVEL:
        return wrong(
            f"By guessing, {k} or more of {n} answers are right with p = {binomial(k, n):.3f}. "
            "This is not below 0.05."
        )
    if binomial(k - 1, n) < LEVEL:
        return wrong(f"{k} right answers are enough, but one less would still be enough.")
    return right(
        f"p is {binomial(k, n):.3f} here, and {binomial(k - 1, n):.3f} with one right answer less. "
        f"A listener who hears the difference in half of the trials, and guesses in the others, is "
        f"right in three of four: {0.75 * n:g} of {n} on average. So this listener often fails. "
        "Plan more trials, or more listeners."
    )


@exercise
def best_of_many(answer: object, *, limit: float) -> Verdict:
    """Check exercise 3: how many random scores it takes until one correlates.

    Parameters
    ----------
    answer : int
        Number of scores.
    limit : float
        The correlation over four conditions that the best score should exceed.
    """
    found = number(answer, "a number of scores")
    exact = math.log(0.5) / math.log(limit)
    if found == math.ceil(exact):
        return right(
            "One random score reaches this with p = 1 − |r|, and none of n does with |r| to the "
            "power n. If you try many scores and report the best one, say how many you tried, or "
            "correct p (Holm)."
        )
    if found != int(found) or found < 1:
        return wrong("Give a whole number of scores. In which direction do you have to round?")
    if found in (round(0.5 / (1 - limit)), round(1 / (1 - limit))):
        return wrong(
            "Probabilities of independent events cannot be added: with twenty scores you would be "
            "above 1. How likely is it that *none* of the scores reaches the limit?"
        )
    share = 1 - limit**found
    way = "less" if share < 0.5 else "more"
    if abs(found - exact) < 1:
        return wrong(f"The best of {found:g} reaches the limit with {share:.0%}, {way} than half.")
    return wrong(
        f"The best of {found:g} scores reaches the limit with a probability of {share:.0%}. "
        f"You need {'more' if share < 0.5 else 'fewer'}."
    )


@exercise
def three_times_the_same(answer: object, *, analysis: Preferences) -> Verdict:
    """Check exercise 4: which test does not change if all answers are given three times.

    Parameters
    ----------
    answer : str
        One of the choices.
    analysis : Preferences
        The analysis of the lesson.
    """
    named = choice(answer, (LIKELIHOOD, LISTENERS, BOTH, NEITHER))
    chi2, F = analysis.tests["value"][:2]
    if named == LISTENERS:
        return right(
            f"The chi² of the likelihood ratio grows from {chi2:.1f} to {3 * chi2:.1f}, although "
            f"nobody has said anything new. F stays {F:.2f}: the listeners are as many as before, "
            "and they differ as much as before."
        )
    if named == NEITHER:
        return wrong(
            "One of them stays. Which test asks how much the *samples* differ from each other, and "
            "what are its samples?"
        )
    return wrong(
        "The likelihood ratio is a sum over all answers. What happens to a sum if each term comes "
        "three times?"
    )
