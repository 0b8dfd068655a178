"""Lessons for a class: notebooks with and without solutions, web pages, slides.

    python docs/classroom.py solve LESSON SOLVED
    python docs/classroom.py write --runs STUDENT TEACHER CLASS [NAME ...]
    python docs/classroom.py slides --runs EXECUTED SLIDES [NAME ...]

`make class` calls the first two, `make slides` the third. All pages work without a network.
"""

import argparse
import copy
import html
import re
import shutil
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import jupyter_server_mathjax
import nbformat
import sphinx_revealjs
from jinja2 import DictLoader
from nbconvert import HTMLExporter, SlidesExporter
from nbformat import NotebookNode
from traitlets.config import Config

from nst_lib.exercises import solutions

ROOT = Path(__file__).parents[1]
#: Folders of the notebooks that the lessons read.
READ = ("pictures", "conditions")
#: Settings of MathJax, as on the site.
MATHJAX = """\
<script type="text/x-mathjax-config">
MathJax.Hub.Config({
  jax: ["input/TeX", "output/HTML-CSS"],
  tex2jax: {inlineMath: [["$", "$"], ["\\\\(", "\\\\)"]],
            displayMath: [["$$", "$$"], ["\\\\[", "\\\\]"]], processEscapes: true},
  "HTML-CSS": {availableFonts: [], preferredFont: null, webFont: "STIX-Web", imageFont: null,
               linebreaks: {automatic: true}},
  "fast-preview": {disabled: true},
  messageStyle: "none"
});
</script>
<script src="{{ resources.mathjax_url }}"></script>
"""
#: nbconvert's page, without what it would load from other sites.
PAGE = (
    """\
{% extends "lab/index.html.j2" %}
{% block html_head_js %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
{% block html_head_js_mathjax %}"""
    + MATHJAX
    + """{% endblock %}
{% block html_head_css %}<style>
main { max-width: 62rem; margin: 0 auto; }
.jp-OutputArea-output img { max-width: 100%; height: auto; }
.jp-RenderedHTMLCommon table { display: block; overflow-x: auto; margin-left: 0; }
.jp-RenderedHTMLCommon pre, .highlight pre { overflow-x: auto; }
.jp-RenderedHTMLCommon pre, .jp-RenderedHTMLCommon pre code { white-space: pre; }
.jp-RenderedHTMLCommon .highlight { margin-bottom: 1em; }
.jp-RenderedMarkdown.jp-OutputArea-output { padding-left: 8px; }
nav.class { font: 14px system-ui, sans-serif; padding: 1rem 0 0 72px; max-width: 62rem; }
nav.class { margin: 0 auto; box-sizing: border-box; }
nav.class a { color: #1565c0; }
@media (max-width: 45rem) {
  body.jp-Notebook { padding: 8px; }
  nav.class { padding-left: 8px; }
  .jp-InputPrompt, .jp-OutputPrompt { display: none; }
  .jp-RenderedHTMLCommon { padding-right: 0; }
}
</style>{% endblock %}
{% block body_header %}{{ super() }}{{ resources.nav }}{% endblock %}
"""
)
#: Tag of a cell whose slide shows its output without its code.
OUTPUT_ONLY = "output-only"
#: nbconvert's slides, without what they would load from other sites. They have 1280 x 720 pixels.
SLIDES = (
    """\
{% extends "reveal/index.html.j2" %}
{% block html_head_js %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
{% block html_head_js_mathjax %}"""
    + MATHJAX
    + """{% endblock %}
{% block html_head_css %}<style>
:root { --jp-content-font-size1: 27px; --jp-code-font-size: 20px; --jp-cell-prompt-width: 0; }
.reveal { font-size: 27px; }
.reveal .slides section { padding: 0; }
.reveal .slides section section { padding: 16px 40px 0; box-sizing: border-box; }
.reveal .slides h1, .reveal .slides h2 { text-transform: none; font-size: 38px; }
.reveal .slides h1, .reveal .slides h2 { margin: 0 0 16px; }
.reveal .slide-number { left: 8px; right: auto; }
.jp-InputPrompt, .jp-OutputPrompt { display: none; }
.jp-Cell { padding: 3px 0; }
.reveal p, .reveal ul, .reveal ol { margin: 0 0 12px; }
.reveal pre, .reveal pre code { white-space: pre; }
.reveal div.highlight > pre { line-height: 1.25; }
.reveal .jp-RenderedMarkdown pre { font-size: 20px; line-height: 1.3; background: none; }
.reveal .jp-RenderedMarkdown pre { box-shadow: none; margin: 0; width: auto; }
.reveal .jp-OutputArea .jp-RenderedMarkdown { font-size: 22px; padding: 0; }
.reveal table { font-size: 20px; margin: 0 0 8px; }
.reveal .jp-OutputArea-output img { margin: 0; max-height: none; }
.reveal .jp-RenderedImage img { max-width: 100%; max-height: 270px; width: auto; }
/* Sounds of a player without a kernel stand side by side; beside a figure, without pictures. */
.jp-RenderedHTML:has(> p > audio) { display: flex; flex-wrap: wrap; gap: 0 16px; }
.jp-RenderedHTML > p:has(> audio) { flex: 1 1 30%; font-size: 18px; margin: 0; }
.jp-RenderedHTML > p > audio { height: 36px; width: 100%; max-width: 370px; }
.reveal .jp-RenderedHTML > p > img { max-height: 180px; }
.jp-OutputArea:has(.jp-RenderedImage) .jp-RenderedHTML > p > img { display: none; }
.jp-OutputArea:has(.jp-RenderedImage) .nst-player .view { display: none; }
.reveal .jp-OutputArea:has(p > audio) .jp-RenderedImage img { max-height: 440px; }
</style>{% endblock %}
{% block footer_js %}
<script src="reveal/dist/reveal.js"></script>
<script src="reveal/plugin/notes/notes.js"></script>
<script>
Reveal.initialize({
  width: 1280, height: 720, margin: 0, center: false, hash: true, slideNumber: "c/t",
  transition: "none", plugins: [RevealNotes]
});
/* MathJax cannot measure a hidden slide. */
const typeset = slide => MathJax.Hub.Queue(["Rerender", MathJax.Hub, slide]);
Reveal.on("slidechanged", event => typeset(event.currentSlide));
</script>
{% endblock %}
"""
)
#: Files of reveal.js that the slides load.
REVEAL = ("LICENSE", "dist/reveal.js", "dist/reveal.css", "dist/theme/white.css", "plugin/notes")
INDEX = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Lessons for a class</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; }}
body {{ max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid #ddd; }}
.wide {{ overflow-x: auto; }}
</style>
</head>
<body>
<h1>Lessons for a class</h1>
<p>Give your students the folder <code>student</code> (notebooks) or <code>html</code> without its
folder <code>teacher</code> (pages to read and listen to, without Python). The folders
<code>teacher</code> and the <a href="solutions.html">page of all solutions</a>
(<a href="solutions.ipynb">as a notebook</a>) are for you. No page needs a network.</p>
<div class="wide">
<table>
<tr><th>lesson</th><th>exercises</th><th>student</th><th>teacher</th></tr>
{rows}
</table>
</div>
</body>
</html>
"""
ROW = """\
<tr><td>{title}</td><td>{exercises}</td>
<td>{links[student]}</td>
<td>{links[teacher]}</td></tr>"""
LINKS = """\
<a href="html/{version}/{name}.html">page</a> · <a href="{version}/{name}.ipynb">notebook</a>"""


class Exercise(NamedTuple):
    """An exercise of a lesson, in Markdown, and its solution."""

    text: str
    solution: solutions.Solution


class ClassError(Exception):
    """Something that is missing or wrong, said in one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("solve", help="write a lesson with its solutions in place")
    command.add_argument("lesson", type=Path, help="notebook of the lesson")
    command.add_argument("solved", type=Path, help="notebook to write")
    command.set_defaults(run=lambda args: solve(args.lesson, args.solved))
    command = commands.add_parser("write", help="write the folder of a class")
    command.add_argument(
        *("--runs", "-r"),
        **{"type": Path, "nargs": 2, "required": True, "metavar": ("STUDENT", "TEACHER")},
        help="folders of the executed lessons, without and with solutions",
    )
    command.add_argument(
        *("--notebooks", "-n"),
        **{"type": Path, "default": ROOT / "notebooks"},
        help="folder of the lessons (default: notebooks of this repository)",
    )
    command.add_argument(
        "folder", type=Path, help="folder to write; files of an earlier class in it are replaced"
    )
    command.add_argument("names", nargs="*", help="names of lessons (default: all)")
    command.set_defaults(
        run=lambda args: write(args.folder, args.names, notebooks=args.notebooks, runs=args.runs)
    )
    command = commands.add_parser("slides", help="write slides of the lessons that have some")
    command.add_argument(
        *("--runs", "-r"), type=Path, required=True, help="folder of the executed lessons"
    )
    command.add_argument("folder", type=Path, help="folder to write")
    command.add_argument("names", nargs="+", help="names of lessons")
    command.set_defaults(run=lambda args: write_slides(args.folder, args.names, runs=args.runs))
    args = parser.parse_args(arguments)
    try:
        args.run(args)
    except (ClassError, OSError) as problem:
        parser.exit(1, f"{problem}\n")
    return 0


def solve(lesson: Path, solved: Path) -> None:
    """Write a lesson with its solutions in the answer cells."""
    try:
        notebook = solutions.solve(_read(lesson), _solutions(lesson))
    except ValueError as problem:
        raise ClassError(f"{lesson}: {problem}") from None
    nbformat.write(notebook, solved)


def write(folder: Path, names: Sequence[str], *, notebooks: Path, runs: Sequence[Path]) -> None:
    """Write the folder of a class: both versions of each lesson, pages, solutions, an index."""
    known = sorted(path.stem for path in notebooks.glob("*.ipynb"))
    if lost := sorted(set(names) - set(known)):
        raise ClassError(f"{', '.join(lost)}: no such lesson; accepted: {', '.join(known)}")
    names = [name for name in known if name in names] if names else known
    _clear(folder)
    for version in ("student", "teacher"):
        (folder / "html" / version).mkdir(parents=True)
        (folder / version).mkdir()
        for name in READ:
            if (notebooks / name).is_dir():
                shutil.copytree(notebooks / name, folder / version / name)
    shutil.copytree(_mathjax(), folder / "html" / "mathjax")
    rows, collected = [], []
    for name in names:
        lesson = _read(notebooks / f"{name}.ipynb")
        told = exercises(name, lesson, _solutions(notebooks / f"{name}.ipynb"))
        student, teacher = (_read(run / f"{name}.ipynb") for run in runs)
        check(name, teacher)
        _save(folder / "student" / f"{name}.ipynb", lesson, names)
        _save(folder / "teacher" / f"{name}.ipynb", clean(teacher), names)
        for version, run in (("student", student), ("teacher", teacher)):
            page = folder / "html" / version / f"{name}.html"
            links = {"all lessons": "../../index.html"} if version == "teacher" else {}
            _save_page(page, clean(run), names, mathjax="../mathjax", links=links)
        title = lesson.cells[0].source.partition("\n")[0].lstrip("# ")
        both = {v: LINKS.format(version=v, name=name) for v in ("student", "teacher")}
        rows.append(ROW.format(title=html.escape(title), links=both, exercises=len(told)))
        collected.append((title, told))
        print(f"{name}: {len(told)} exercises", flush=True)
    book = solution_book(collected)
    _save(folder / "solutions.ipynb", book, ())
    page = folder / "solutions.html"
    _save_page(page, book, (), mathjax="html/mathjax", links={"all lessons": "index.html"})
    (folder / "index.html").write_text(INDEX.format(rows="\n".join(rows)), encoding="utf-8")
    print(folder / "index.html")


def write_slides(folder: Path, names: Sequence[str], *, runs: Path) -> None:
    """Write slides of lessons whose cells say where a slide begins."""
    shutil.copytree(_mathjax(), folder / "mathjax", dirs_exist_ok=True)
    reveal = Path(str(resources.files(sphinx_revealjs) / "_static" / "revealjs"))
    for name in (*REVEAL, "dist/theme/fonts/source-sans-pro"):
        target = folder / "reveal" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (reveal / name).is_dir():
            shutil.copytree(reveal / name, target, dirs_exist_ok=True)
        else:
            shutil.copy(reveal / name, target)
    for name in names:
        lesson = clean(_read(runs / f"{name}.ipynb"))
        kinds = [cell.metadata.get("slideshow", {}).get("slide_type") for cell in lesson.cells]
        if "slide" not in kinds:
            raise ClassError(f"{name}: no cell begins a slide; set slideshow.slide_type of cells")
        exporter = SlidesExporter(
            extra_loaders=[DictLoader({"slides.html.j2": SLIDES})],
            template_file="slides.html.j2",
            config=Config(
                TagRemovePreprocessor={"enabled": True, "remove_input_tags": {OUTPUT_ONLY}}
            ),
            mathjax_url="mathjax/MathJax.js?config=TeX-AMS-MML_HTMLorMML-full",
            reveal_url_prefix="reveal",
            reveal_theme="white",
        )
        exporter.log.setLevel("ERROR")
        page, _ = exporter.from_notebook_node(
            _relinked(lesson, lambda target: ""), {"metadata": {"name": name}}
        )
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
        count = sum(kind in ("slide", "subslide") for kind in kinds)
        print(f"{folder / name}.html: {count} slides", flush=True)


def exercises(
    name: str, lesson: NotebookNode, solved: Sequence[solutions.Solution]
) -> list[Exercise]:
    """Return the exercises of a lesson with their solutions."""
    texts: list[str] = []
    said = ""
    for cell in lesson.cells:
        if cell.cell_type == "markdown":
            said += f"\n\n{cell.source}"
        elif solutions.ANSWER in solutions.tags(cell):
            texts.append(said[re.search(rf"(?m)^\*\*{len(texts) + 1}\. |\Z", said).start() :])
            said = ""
    if len(texts) != len(solved):
        raise ClassError(
            f"{name}: {len(texts)} exercises and {len(solved)} solutions; "
            f"complete notebooks/solutions/{name}.md"
        )
    return [Exercise(*both) for both in zip(texts, solved, strict=True)]


def check(name: str, run: NotebookNode) -> None:
    """Check that each check of a run with solutions says that the answer is right."""
    checks = [cell for cell in run.cells if solutions.CHECK in solutions.tags(cell)]
    for number, cell in enumerate(checks, start=1):
        said = "".join(o.get("data", {}).get("text/markdown", "") for o in cell.outputs)
        if not said.startswith("✓ **Right.**"):
            raise ClassError(
                f"{name}: the check of exercise {number} does not accept its solution: "
                f"{said or 'it says nothing'}"
            )


def clean(run: NotebookNode) -> NotebookNode:
    """Return a run without notes of papermill, progress bars and states of widgets."""
    run = copy.deepcopy(run)
    run.cells = [cell for cell in run.cells if "injected-parameters" not in solutions.tags(cell)]
    for part in (run, *run.cells):
        for key in ("papermill", "widgets", "execution"):
            part.metadata.pop(key, None)
        if outputs := part.get("outputs"):
            part.outputs = [one for one in outputs if _lasts(one)]
    return run


def solution_book(lessons: Sequence[tuple[str, Sequence[Exercise]]]) -> NotebookNode:
    """Return a notebook of all exercises: their texts, programs and explanations."""
    cell = nbformat.v4.new_markdown_cell
    cells = [cell("# Solutions\n\nA program goes into the answer cell of its exercise.")]
    for title, told in lessons:
        cells.append(cell(f"## {title}"))
        for text, solution in told:
            program = f"```python\n{solution.program}\n```"
            cells.append(cell(f"{text.strip()}\n\n{program}\n\n{solution.explanation}"))
    for number, one in enumerate(cells):
        one.id = f"solutions-{number}"
    return nbformat.v4.new_notebook(cells=cells)


def relink(text: str, place: Callable[[str], str]) -> str:
    """Return Markdown with other targets of its links; a link without a target becomes text."""

    def changed(found: re.Match[str]) -> str:
        said, target = found.groups()
        if re.match(r"[a-z]+:|#", target):
            return found[0]
        return f"[{said}]({new})" if (new := place(target)) else said

    return re.sub(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)", changed, text)


def page_of(notebook: NotebookNode, title: str, *, mathjax: str, nav: str = "") -> str:
    """Return a notebook as a page."""
    exporter = HTMLExporter(
        extra_loaders=[DictLoader({"class.html.j2": PAGE})],
        template_file="class.html.j2",
        mathjax_url=f"{mathjax}/MathJax.js?config=TeX-AMS-MML_HTMLorMML-full",
    )
    exporter.log.setLevel("ERROR")
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title}, "nav": nav})
    return page


def _save(path: Path, notebook: NotebookNode, names: Sequence[str]) -> None:
    def place(target: str) -> str:
        lesson = target.partition("#")[0].removesuffix(".ipynb")
        return target if lesson in names or (path.parent / target).exists() else ""

    nbformat.write(_relinked(notebook, place), path)


def _save_page(
    path: Path, notebook: NotebookNode, names: Sequence[str], *, mathjax: str, links: dict[str, str]
) -> None:
    def place(target: str) -> str:
        lesson, _, section = target.partition(".ipynb")
        return f"{lesson}.html{section}" if lesson in names else ""

    nav = "".join(f'<a href="{target}">{said}</a>' for said, target in links.items())
    nav = f'<nav class="class">{nav}</nav>' if nav else ""
    name = notebook.cells[0].source.partition("\n")[0].lstrip("# ")
    page = page_of(_relinked(notebook, place), name, mathjax=mathjax, nav=nav)
    path.write_text(page, encoding="utf-8")


def _relinked(notebook: NotebookNode, place: Callable[[str], str]) -> NotebookNode:
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = relink(cell.source, place)
    return notebook


def _lasts(output: NotebookNode) -> bool:
    """Return whether an output shows something without a kernel: no progress bar, no widget."""
    data = output.get("data", {})
    widget = data.pop("application/vnd.jupyter.widget-view+json", None)
    return output.get("name") != "stderr" and not (widget and set(data) <= {"text/plain"})


def _read(path: Path) -> NotebookNode:
    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise ClassError(f"{path}: no such file; `make class` makes it") from None


def _solutions(lesson: Path) -> list[solutions.Solution]:
    """Return the solutions of a lesson; none if it has no file of them."""
    path = lesson.parent / "solutions" / f"{lesson.stem}.md"
    try:
        return solutions.read(path) if path.exists() else []
    except ValueError as problem:
        raise ClassError(str(problem)) from None


def _mathjax() -> Path:
    return Path(str(resources.files(jupyter_server_mathjax) / "static"))


def _clear(folder: Path) -> None:
    """Remove the files of an earlier class."""
    parts = [folder / name for name in ("student", "teacher", "html")]
    if any(part.exists() for part in parts) and not (folder / "index.html").exists():
        raise ClassError(f"{folder}: has files that are no class; choose another folder")
    for part in parts:
        if part.exists():
            shutil.rmtree(part)


if __name__ == "__main__":
    raise SystemExit(main())
