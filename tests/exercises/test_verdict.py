"""What a check says of answers that it cannot read, and of no answer."""

import numpy as np
import pytest
import torch

from nst_lib.exercises.verdict import Verdict, array, choice, exercise, number, right, wrong


@exercise
def doubled(answer: object, *, of: float) -> Verdict:
    """Check whether the answer is twice a number."""
    return right("Twice.") if number(answer, "a length in s") == 2 * of else wrong("Measure again.")


@exercise
def named(answer: object) -> Verdict:
    """Check whether the answer is a score."""
    return right("It is.") if choice(answer, ("timbre", "rhythm")) == "rhythm" else wrong("No.")


@exercise
def shaped(answer: object) -> Verdict:
    """Check whether the answer is an array of ones."""
    found = array(answer, "the frames", shape=(2, 3))
    return right("Ones.") if (found == 1).all() else wrong("Some are not 1.")


@pytest.mark.parametrize("answer", [4, 4.0, np.float32(4), np.array([4]), torch.tensor(4.0)])
def test_numbers_of_every_kind(answer: object) -> None:
    assert doubled(answer, of=2) == Verdict(True, "Twice.")


def test_a_verdict_is_a_sentence_in_a_notebook_and_in_a_terminal() -> None:
    assert doubled(3, of=2)._repr_markdown_() == "✗ **Not yet.** Measure again."
    assert repr(doubled(4, of=2)) == "✓ Right. Twice."


def test_no_answer_yet() -> None:
    verdict = doubled(..., of=2)
    assert verdict.right is None
    assert repr(verdict).startswith("○ No answer yet. Replace the `...`")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("4", "The answer is a text; the question asks for a length in s, one number."),
        (None, "The answer is None; "),
        (True, "The answer is True or False; "),
        ([4], "The answer is a list; "),
        (np.ones(3), "The answer is an array; "),
        (float("nan"), "The answer is nan; the question asks for a length in s, a finite number."),
        (torch.nn.ReLU(), "The answer is a ReLU; "),
    ],
)
def test_what_is_no_number(answer: object, said: str) -> None:
    verdict = doubled(answer, of=2)
    assert verdict.right is False
    assert verdict.why.startswith(said)


def test_choices_forgive_case_and_blanks() -> None:
    assert named(" Rhythm ").right
    assert named("timbre").right is False
    assert named("tempo").why == 'The answer is \'tempo\'; choose one of "timbre", "rhythm".'
    assert named(3).why.startswith("The answer is a number; choose one of")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            np.ones((3, 2)),
            "The answer has the shape (3, 2); the question asks for the frames, of the shape",
        ),
        ("ones", "The answer is a text; the question asks for the frames, an array."),
        (1.0, "The answer is a number; the question asks for the frames, an array."),
        (np.full((2, 3), np.inf), "The answer contains values that are not finite"),
        ([[1, 2], [3]], "The answer is a list; "),
    ],
)
def test_what_is_no_such_array(answer: object, said: str) -> None:
    assert shaped(answer).why.startswith(said)
    assert shaped(torch.ones(2, 3)).right
