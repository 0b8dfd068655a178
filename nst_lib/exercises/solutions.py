"""Solutions of exercises: read them from Markdown, and put them into a lesson.

The solutions of ``notebooks/07_transfer.ipynb`` are in ``notebooks/solutions/07_transfer.md``. Each
has a heading with the number of the exercise, a Python program that replaces the answer cell, and
an explanation.
"""

import copy
import os
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

#: Tags of the cells of an exercise: the answer, and the check that follows.
ANSWER, CHECK = "answer", "check"
#: Tag of a cell that the teacher's version has and the student's lacks.
SOLUTION = "solution"


@dataclass(frozen=True)
class Solution:
    """The solution of an exercise.

    Parameters
    ----------
    program : str
        The Python program that replaces the answer cell.
    explanation : str
        What it shows, in Markdown.
    """

    program: str
    explanation: str


def read(path: str | os.PathLike[str]) -> list[Solution]:
    """Return the solutions of a lesson, in the order of its exercises.

    Raises
    ------
    ValueError
        If the headings are not 1, 2, 3, ..., or a solution lacks its program.
    """
    _, *parts = re.split(r"^## (.*)\n", Path(path).read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = []
    for k, (heading, text) in enumerate(zip(parts[::2], parts[1::2], strict=True), start=1):
        program = re.match(r"\s*```python\n(.*?)\n```\n", text, re.DOTALL)
        if heading.strip() != str(k) or program is None:
            raise ValueError(
                f"{path}: '## {heading}': write '## {k}' and a Python program in a fence below it"
            )
        found.append(Solution(program[1], text[program.end() :].strip()))
    return found


def solve(lesson: NotebookNode, solutions: list[Solution]) -> NotebookNode:
    """Return a copy of a lesson with the solutions in the answer cells.

    The explanation of each solution follows its check.

    Raises
    ------
    ValueError
        If the lesson has another number of answer cells.
    """
    solved = copy.deepcopy(lesson)
    answers = [n for n, cell in enumerate(solved.cells) if ANSWER in tags(cell)]
    if len(answers) != len(solutions):
        raise ValueError(f"{len(answers)} answer cells and {len(solutions)} solutions")
    for n, solution in reversed(list(zip(answers, solutions, strict=True))):
        cell = solved.cells[n]
        cell.source = solution.program
        told = nbformat.v4.new_markdown_cell(f"**Solution.** {solution.explanation}")
        told.id, told.metadata = f"{cell.id[:50]}-solution", {"tags": [SOLUTION]}
        solved.cells.insert(n + 2, told)  # after the check
    return solved


def tags(cell: NotebookNode) -> list[str]:
    """Return the tags of a cell."""
    return list(cell.metadata.get("tags", []))
