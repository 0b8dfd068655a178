"""Solutions are read from Markdown and put into a lesson."""

from pathlib import Path

import nbformat
import pytest

from nst_lib.exercises.solutions import Solution, read, solve, tags

TEXT = """# Solutions of a lesson

## 1

```python
answer_1 = 2

print(answer_1)
```

Two, because $1 + 1 = 2$.

## 2

```python
answer_2 = "rhythm"
```

It is the rhythm.
"""


def lesson(answers: int) -> nbformat.NotebookNode:
    cells = [nbformat.v4.new_markdown_cell("# 1 · Lesson", id="title")]
    for n in range(1, answers + 1):
        for tag, source in (
            ("exercise", f"**{n}. Sum.**"),
            ("answer", f"answer_{n} = ..."),
            ("check", f"check.sum(answer_{n})"),
        ):
            make = nbformat.v4.new_code_cell
            if tag == "exercise":
                make = nbformat.v4.new_markdown_cell
            cells.append(make(source, id=f"{tag}-{n}", metadata={"tags": [tag]}))
    return nbformat.v4.new_notebook(cells=cells)


def test_solutions_take_the_place_of_the_answers(tmp_path: Path) -> None:
    path = tmp_path / "lesson.md"
    path.write_text(TEXT, encoding="utf-8")
    given = lesson(2)
    solved = solve(given, read(path))
    nbformat.validate(solved)
    assert [(tags(cell), cell.source) for cell in solved.cells[1:]] == [
        (["exercise"], "**1. Sum.**"),
        (["answer"], "answer_1 = 2\n\nprint(answer_1)"),
        (["check"], "check.sum(answer_1)"),
        (["solution"], "**Solution.** Two, because $1 + 1 = 2$."),
        (["exercise"], "**2. Sum.**"),
        (["answer"], 'answer_2 = "rhythm"'),
        (["check"], "check.sum(answer_2)"),
        (["solution"], "**Solution.** It is the rhythm."),
    ]
    assert given == lesson(2), "the student's version stays as it is"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT.replace("## 2", "## 3"), "'## 3': write '## 2'"),
        (TEXT.replace("```python", "```"), "'## 1': write '## 1' and a Python program"),
    ],
)
def test_faults_are_said(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "lesson.md"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=f"lesson.md: {said}"):
        read(path)


def test_each_exercise_needs_a_solution() -> None:
    with pytest.raises(ValueError, match="2 answer cells and 1 solutions"):
        solve(lesson(2), [Solution("answer_1 = 2", "Two.")])
