"""The documentation as one static site: lessons, guides, gallery, reference.

    python docs/build.py --lessons EXECUTED --gallery GALLERY SITE

Pages keep their places in the repository, so that the links between them still work.
"""

import argparse
import importlib
import pkgutil
import shutil
import tempfile
from pathlib import Path

from sphinx.cmd.build import build_main

import nst_lib

ROOT = Path(__file__).parents[1]
#: Pages besides the lessons, and the files that they show or link to.
PAGES = (
    *("README.md", "CONTRIBUTING.md", "LICENSE", "CITATION.cff"),
    *("docs", "benchmarks", "notebooks/conditions"),
)
CONTENTS = """\
```{{include}} README.md
```

```{{toctree}}
:hidden:
:caption: Lessons

{lessons}
```

```{{toctree}}
:hidden:
:caption: Guides

Gallery <gallery>
Using the lessons <docs/lessons>
Teaching with the lessons <docs/teaching>
Recordings and settings <docs/transfer>
Systems <docs/systems>
Experiments in batch <docs/batch>
Listening tests <docs/survey>
Opinion scores <docs/opinions>
The study <docs/study>
The default preset <benchmarks/front>
Contributing <CONTRIBUTING>
```

```{{toctree}}
:hidden:
:caption: Reference

api/index
```
"""
REFERENCE = """\
# Reference

All modules. Start with {{py:func}}`nst_lib.transfer`.

{rows}
"""
#: A module is no part of the navigation: with 200 of them, each page would take half a second.
MODULE = """\
---
orphan: true
---

# {name}

[All modules](index.md)

```{{eval-rst}}
.. automodule:: {name}
   :members:
   :ignore-module-all:
```
"""
GALLERY = """\
# Gallery

The study's twenty sounds, made with the preset `fast`, with their spectrograms and scores.

<p><a href="gallery/index.html">Open the gallery in a page of its own</a></p>
<iframe src="gallery/index.html" title="Gallery" width="100%" height="900"></iframe>
"""


def main() -> int:
    """Build the site. A warning is an error."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lessons", type=Path, required=True, help="folder of executed notebooks")
    parser.add_argument("--gallery", type=Path, required=True, help="what `nst gallery` wrote")
    parser.add_argument("site", type=Path, help="folder to write")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "source")
        write_source(source, lessons=args.lessons, gallery=args.gallery)
        return build_main(
            ["-q", "-W", "--keep-going", "-d", f"{scratch}/doctrees", str(source), str(args.site)]
        )


def write_source(source: Path, *, lessons: Path, gallery: Path) -> None:
    """Copy all pages into an empty folder."""
    for name in PAGES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, source / name)
    (source / "docs" / "conf.py").replace(source / "conf.py")
    names = sorted(path.stem for path in lessons.glob("*.ipynb"))
    for name in names:
        shutil.copy(lessons / f"{name}.ipynb", source / "notebooks")
    listed = "\n".join(f"notebooks/{name}" for name in names)
    (source / "index.md").write_text(CONTENTS.format(lessons=listed), encoding="utf-8")
    shutil.copytree(gallery, source / "extra" / "gallery")
    (source / "gallery.md").write_text(GALLERY, encoding="utf-8")
    _write_reference(source / "api")


def _write_reference(folder: Path) -> None:
    """Write one page for each module, and a page that lists all modules."""
    folder.mkdir()
    found = pkgutil.walk_packages(nst_lib.__path__, "nst_lib.")
    names = ["nst_lib", *sorted(module.name for module in found)]
    rows = ["| module | |", "|---|---|"]
    for name in names:
        about = (importlib.import_module(name).__doc__ or "").partition("\n")[0]
        rows.append(f"| [{name}]({name}.md) | {about} |")
        (folder / f"{name}.md").write_text(MODULE.format(name=name), encoding="utf-8")
    text = REFERENCE.format(rows="\n".join(rows))
    (folder / "index.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
