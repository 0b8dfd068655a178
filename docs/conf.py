"""Settings of Sphinx. Neither the build nor the finished site loads anything from other sites."""

from importlib import resources

import jupyter_server_mathjax

from nst_lib import __version__

project = "nst_lib"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
# Sphinx takes words in types, such as "of", for the names of members.
suppress_warnings = ["ref.python"]
exclude_patterns = ["README.md"]
default_role = "code"

html_theme = "furo"
html_title = f"nst_lib {__version__}"
html_copy_source = False
html_show_copyright = False
# A page on a disk cannot read other files, so it cannot show summaries of search results.
html_show_search_summary = False
html_extra_path = ["extra"]
html_static_path = [str(resources.files(jupyter_server_mathjax) / "static"), "docs/site.css"]
html_css_files = ["site.css"]
mathjax_path = "MathJax.js?config=TeX-AMS-MML_HTMLorMML-full"
mathjax2_config = {
    "jax": ["input/TeX", "output/HTML-CSS"],
    "HTML-CSS": {
        "availableFonts": [],
        "preferredFont": None,
        "webFont": "STIX-Web",
        "imageFont": None,
    },
    "fast-preview": {"disabled": True},
    "messageStyle": "none",
}

nb_execution_mode = "off"
nb_ipywidgets_js = {}
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
myst_update_mathjax = False

autodoc_member_order = "bysource"
autodoc_typehints = "none"
viewcode_follow_imported_members = False
napoleon_google_docstring = False
napoleon_custom_sections = [("Attributes", "params_style")]


_texts = {}


def setup(app):
    """Process docstrings before and after napoleon does."""
    app.connect("autodoc-process-docstring", _keep_blocks, priority=100)
    app.connect("autodoc-process-docstring", _keep_text, priority=100)
    app.connect("autodoc-process-docstring", _restore_text, priority=900)


def _keep_blocks(app, what, name, obj, options, lines):
    """Keep the line breaks of indented blocks in module docstrings (formulas, tables, trees)."""
    if what != "module":
        return
    margin, kept = 0, []
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if line and indent >= margin + 4 and not lines[number - 1]:
            kept += [" " * margin + "::", ""]
        if line and indent < margin + 4:
            margin = indent
        kept.append(line)
    lines[:] = kept


def _keep_text(app, what, name, obj, options, lines):
    """Remember the text of a constant. Napoleon would take the part before a colon for a type."""
    if what in ("attribute", "data"):
        _texts[name] = list(lines)


def _restore_text(app, what, name, obj, options, lines):
    """Put the remembered text of a constant back."""
    lines[:] = _texts.pop(name, lines)
