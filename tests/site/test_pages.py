"""README, CONTRIBUTING and the guides: their links, programs and commands work."""

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer

from nst_lib.cli.main import app
from nst_lib.system import PRESETS

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
GUIDES = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, ROOT / "CONTRIBUTING.md", *GUIDES, ROOT / "benchmarks" / "front.md"]


def sections(page: Path) -> set[str]:
    """Return the anchors of a page's headings, in the form that GitHub and the site use."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    lost = []
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text("utf-8")):
        path, _, section = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (section and section not in sections(target)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_program_in_python_can_be_read(page: Path) -> None:
    for program in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        compile(program, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_the_readme_is_an_entrance() -> None:
    text = README.read_text("utf-8")
    assert len(text.splitlines()) <= 120
    for name in ("CONTRIBUTING.md", *(f"docs/{guide.name}" for guide in GUIDES)):
        assert f"({name})" in text
    for lesson in (ROOT / "notebooks").glob("*.ipynb"):
        assert f"| [{lesson.stem}](notebooks/{lesson.name}) | " in text


def test_the_guide_to_systems_has_every_preset() -> None:
    table = re.findall(r"^\| (`.*?) \|", (ROOT / "docs" / "systems.md").read_text("utf-8"), re.M)
    assert sorted(re.findall(r"`(\w+)`", " ".join(table))) == sorted(PRESETS)


def test_the_makefile_has_every_target_that_is_named() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"(?:`|^ {4})make ([a-z]+)", page.read_text("utf-8"), re.MULTILINE))
        assert named <= targets, page.name


def commands(page: Path) -> list[list[str]]:
    """Return the calls of `nst` in the blocks of a page, as lists of words."""
    lines = re.findall(
        r"^(?: {4})?(?:\.venv/bin/)?nst (.+)$", page.read_text("utf-8"), re.MULTILINE
    )
    return [shlex.split(line, comments=True) for line in lines]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_has_the_options_that_it_is_given(page: Path) -> None:
    for words in commands(page):
        command = typer.main.get_command(app)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        assert not hasattr(command, "commands"), words
        known = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if re.match(r"--?[a-z]", word)} <= known | {"--help"}
