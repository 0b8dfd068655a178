"""The lessons of a class: a small lesson, written as `make class` does it, and its pages."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from playwright.sync_api import Browser, Page, expect

from tests.pages import watch
from tests.site.test_docs import Links

pytestmark = [pytest.mark.kernel, pytest.mark.process]

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("classroom", ROOT / "docs" / "classroom.py")
classroom = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(classroom)
NAME = "00_small"
#: The lesson's own check, so that its kernel need not load the package.
CHECK = """\
def check(answer):
    said = {...: "○ **No answer yet.**", 42: "✓ **Right.**"}.get(answer, "✗ **Not yet.**")
    display(Markdown(said))"""
LESSON = [
    new_markdown_cell(
        "# 0 · Small\n\nSee [lesson 1](01_other.ipynb), [lesson 0](00_small.ipynb) and "
        "[a guide](../docs/batch.md).\n\n$$ G = \\frac{1}{U} F F^\\top $$"
    ),
    new_code_cell("from IPython.display import Markdown, display\nfrom PIL import Image"),
    new_code_cell("width: int = 40  # width of the picture", metadata={"tags": ["parameters"]}),
    new_code_cell(f"{CHECK}\n\n\nImage.new('RGB', (width * 40, 20))"),
    new_markdown_cell("## Exercises\n\nWrite answers.\n\n**1. Six times seven.** How many?"),
    new_code_cell("answer_1 = ...  # a number", metadata={"tags": ["answer"]}),
    new_code_cell("check(answer_1)", metadata={"tags": ["check"]}),
    new_markdown_cell("## Further reading\n\n- A book"),
]
SOLUTION = (
    "# Solutions\n\n## 1\n\n```python\nanswer_1 = 6 * 7\n```\n\nThe product $6 \\cdot 7$ of both.\n"
)
SLIDES = ("00_tour", "04_from_scratch")
#: The lowest and the rightmost point of the visible parts of a slide, when its equations are set.
REACHES = """async () => {
    await new Promise(done => MathJax.Hub.Queue(done));
    const skipped = "aside, script, .MathJax_Preview, .MJX_Assistive_MathML";
    const boxes = [...Reveal.getCurrentSlide().querySelectorAll("*")]
        .filter(element => element.offsetParent && !element.closest(skipped))
        .map(element => element.getBoundingClientRect()).filter(box => box.width && box.height);
    return [Math.max(...boxes.map(box => box.bottom)), Math.max(...boxes.map(box => box.right))];
}"""
SECRETS = ("6 * 7", "of both")


def run(*command: object) -> int:
    return classroom.main([*map(str, command)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a lesson, its solutions and both runs."""
    folder = tmp_path_factory.mktemp("class")
    notebooks = folder / "notebooks"
    for part in ("solutions", "pictures", "conditions"):
        (notebooks / part).mkdir(parents=True)
    (notebooks / "conditions" / "table.csv").write_text("a,b\n")
    (notebooks / "solutions" / f"{NAME}.md").write_text(SOLUTION)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    lesson = notebooks / f"{NAME}.ipynb"
    nbformat.write(new_notebook(cells=LESSON, metadata=kernel), lesson)
    other = nbformat.from_dict(new_notebook(cells=LESSON[:4], metadata=kernel))
    nbformat.write(other, notebooks / "01_other.ipynb")
    for version in ("student", "teacher"):
        (folder / version).mkdir()
    shutil.copy(lesson, folder / "student")
    run("solve", lesson, folder / "solved.ipynb")
    papermill.execute_notebook(
        folder / "solved.ipynb",
        folder / "teacher" / lesson.name,
        parameters={"width": 50},
        cwd=notebooks,
        progress_bar=False,
    )
    return folder


@pytest.fixture(scope="module")
def written(folder: Path) -> Path:
    """The class; an earlier one is replaced."""
    runs = ("--runs", folder / "student", folder / "teacher")
    for _ in range(2):
        run("write", *runs, "--notebooks", folder / "notebooks", folder / "out", NAME)
    return folder / "out"


def text(path: Path) -> str:
    return path.read_text("utf-8")


def test_only_the_teacher_has_the_solutions(written: Path) -> None:
    files = [path for path in written.rglob("*") if path.suffix in (".ipynb", ".html", ".md")]
    for path in files:
        for secret in SECRETS:
            found = secret in re.sub(r"<[^>]*>", "", text(path))
            assert found == ("teacher" in path.parts or path.stem == "solutions"), path
    assert "Six times seven" in text(written / "solutions.html")


def test_the_notebooks_run_where_they_are(written: Path) -> None:
    student = nbformat.read(written / "student" / f"{NAME}.ipynb", as_version=4)
    assert (written / "student" / "conditions" / "table.csv").exists()
    assert not any(cell.get("outputs") for cell in student.cells)
    teacher = nbformat.read(written / "teacher" / f"{NAME}.ipynb", as_version=4)
    assert "✓ **Right.**" in json.dumps(teacher, ensure_ascii=False)
    assert "papermill" not in text(written / "teacher" / f"{NAME}.ipynb")
    for notebook in (student, teacher):
        nbformat.validate(notebook)
        assert not any("width = 50" in cell.source for cell in notebook.cells)
        assert "lesson 1, [lesson 0](00_small.ipynb) and a guide" in notebook.cells[0].source


def test_every_link_leads_somewhere_and_nothing_is_loaded_from_elsewhere(written: Path) -> None:
    for path in written.rglob("*.html"):
        if "mathjax" in path.parts:
            continue
        page = Links(path)
        for link in page.links:
            assert link.startswith("#") or (path.parent / link).exists(), f"{path.name}: {link}"
        for link in page.loaded:
            kept = (path.parent / link.partition("?")[0]).exists()
            assert link.startswith("data:") or kept, f"{path.name}: {link[:60]}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("name", "02_none: no such lesson; accepted: 00_small, 01_other"),
        ("run", "01_other.ipynb: no such file"),
        ("wrong", "00_small: the check of exercise 1 does not accept its solution"),
        ("foreign", "has files that are no class; choose another folder"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, said: str
) -> None:
    runs = [folder / "student", folder / "student" if change == "wrong" else folder / "teacher"]
    name = {"name": "02_none", "run": "01_other"}.get(change, NAME)
    if change == "foreign":
        (tmp_path / "student").mkdir()
    with pytest.raises(SystemExit, match="1"):
        run("write", "--runs", *runs, "--notebooks", folder / "notebooks", tmp_path, name)
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_lesson_without_slides_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"):
        run("slides", "--runs", folder / "teacher", tmp_path, NAME)
    assert "00_small: no cell begins a slide" in capsys.readouterr().err


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The slides of the lessons that have some, without outputs."""
    folder = tmp_path_factory.mktemp("slides")
    run("slides", "--runs", ROOT / "notebooks", folder, *SLIDES)
    return folder


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a phone's width; an error or a request to another site fails the test."""
    troubles: list[str] = []
    page = watch(
        browser.new_page(viewport={"width": 390, "height": 800}),
        troubles,
        ours="file:///|data:|blob:",
    )
    yield page
    page.close()
    # MathJax requests fonts that it does not need.
    font = (
        r"about:blank|Access to font at 'about:blank'|failed: (about:blank|\S+\.otf)|Failed to load"
    )
    assert [trouble for trouble in troubles if not re.match(font, trouble)] == []


@pytest.mark.parametrize("name", [f"html/teacher/{NAME}.html", "solutions.html"])
def test_pages_fit_and_their_equations_are_set(page: Page, written: Path, name: str) -> None:
    page.goto((written / name).as_uri())
    expect(page.locator(".MathJax").first).to_be_visible(timeout=30000)
    assert page.locator(".MathJax .merror, .MathJax_Error").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    if "teacher" in name:
        expect(page.locator("strong", has_text="Right.")).to_be_visible()
        expect(page.locator("img")).to_be_visible()
        page.get_by_role("link", name="all lessons").click()
        expect(page.get_by_role("link", name="page of all solutions")).to_be_visible()


@pytest.mark.parametrize("name", SLIDES)
def test_every_slide_fits(page: Page, slides: Path, name: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto((slides / f"{name}.html").as_uri())
    page.wait_for_function("window.Reveal && Reveal.isReady() && window.MathJax", timeout=30000)
    assert page.evaluate("Reveal.getTotalSlides()") >= 12
    large = []
    while True:
        bottom, right = page.evaluate(REACHES)
        if bottom > 720 or right > 1280:
            large.append(page.evaluate("Reveal.getCurrentSlide().innerText").strip()[:40])
        if page.evaluate("Reveal.isLastSlide()"):
            break
        page.evaluate("do Reveal.next(); while (Reveal.availableFragments().next)")
    assert large == []
    assert page.locator(".merror, .MathJax_Error").count() == 0


def test_the_plans_name_sections_and_exercises_that_exist() -> None:
    page = text(ROOT / "docs" / "teaching.md")
    rows = [row.strip("|").split("|") for row in re.findall(r"^\| [\d–]+ \|.*\]\(.*$", page, re.M)]
    assert len(rows) == 12
    for _, link, sections, skipped, numbers in rows:
        name = re.search(r"\[(\w+)\]", link)[1]
        lesson = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        prose = "\n".join(cell.source for cell in lesson.cells if cell.cell_type == "markdown")
        for section in re.findall(r"\*(.*?)\*", sections + skipped):
            assert f"## {section}\n" in prose, f"{name}: {section}"
        for number in re.findall(r"\d", numbers):
            assert f"**{number}. " in prose, f"{name}: exercise {number}"


def test_the_seconds_for_teachers_are_those_that_were_measured() -> None:
    page = text(ROOT / "docs" / "teaching.md")
    lessons, seconds = (
        re.findall(r"\d+", re.search(rf"^\| {row} \|(.*)$", page, re.M)[1])
        for row in ("lesson", "seconds")
    )
    measured = json.loads(text(ROOT / "benchmarks" / "lessons.json"))
    for number, told in zip(lessons, map(int, seconds), strict=True):
        for name, rows in measured.items():
            if name.startswith(f"{int(number):02d}_"):
                taken = max(row["cpu_seconds"] for row in rows.values())
                assert abs(told - taken) <= max(15, 0.3 * taken), name


def test_containers_and_binder_have_the_pins_of_the_repository(tmp_path: Path) -> None:
    assert sorted(path.name for path in (ROOT / "binder").iterdir()) == ["postBuild", "runtime.txt"]
    python = re.search(r"with Python (3\.\d+)", text(ROOT / "requirements.txt"))[1]
    assert text(ROOT / "binder" / "runtime.txt") == f"python-{python}\n"
    (tmp_path / "python").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "python").chmod(0o755)
    told = subprocess.run(
        [ROOT / "binder" / "postBuild"],
        cwd=ROOT,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    torch, pins, package = told.splitlines()
    assert torch.endswith(re.search("^torch==.*$", text(ROOT / "requirements.txt"), re.M)[0])
    assert pins.endswith("--requirement requirements.txt")
    assert package.endswith("--no-deps --editable .")
    container = json.loads(text(ROOT / ".devcontainer" / "devcontainer.json"))
    assert container["image"] == f"python:{python}-bookworm"  # has git, make and a compiler
    assert container["postCreateCommand"] == "make .venv/.ready"
    assert "\nREADY := .venv/.ready\n" in text(ROOT / "Makefile")


def test_colab_gets_pinned_versions_of_what_it_lacks() -> None:
    names = re.search(r'grep -oE "\^\((\S+)\)', text(ROOT / "docs" / "lessons.md"))[1].split("|")
    for name in names:
        assert re.search(rf"^{name}==[0-9.]+$", text(ROOT / "requirements.txt"), re.M)
