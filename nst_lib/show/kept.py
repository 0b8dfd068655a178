"""What stays of a cell's controls where no kernel runs: saved, exported, or after a restart.

A notebook is saved without its widgets, and JupyterLab shows an error in their place. So a cell
with controls has a second output, of plain HTML, and a style sheet shows one of the two: the
controls while they are connected, else what is kept. Both are updated by their names, from any
thread, and stay in the cell that has shown them; a plain `display` of a button's callback, which
comes on another thread, would go to whatever cell ran last.
"""

import html
import uuid

import ipywidgets
from IPython.display import display, update_display

_WIDGET = "application/vnd.jupyter.widget-view+json"
#: A panel with a widget whose kernel is there, as JupyterLab 4 and ipywidgets 8 build it.
_LIVE = "> .jupyter-widgets:not(.jupyter-widgets-disconnected)"
_STYLE = f"""<style>
.jp-OutputArea-child:has(> .lm-Panel {_LIVE}) + .jp-OutputArea-child .nst-kept,
.jp-OutputArea-child:has(+ .jp-OutputArea-child .nst-kept) > .lm-Panel:not(:has({_LIVE}))
{{ display: none; }}
</style>"""
_GONE = "<p>The controls of this cell need a running kernel. Run the cell to have them again.</p>"


class Kept:
    """Controls, and what the notebook keeps of them.

    Parameters
    ----------
    controls : ipywidgets.Widget
        What is shown while there is a kernel.
    lasting : bool
        Whether the controls stay when what they have started is over.

    Attributes
    ----------
    heading : str
        Text above what is kept.
    """

    def __init__(self, controls: ipywidgets.Widget, *, lasting: bool = False) -> None:
        self.heading = ""
        self._controls, self._lasting = controls, lasting
        self._html, self._over, self._shown = "", False, False
        self._names = uuid.uuid4().hex, uuid.uuid4().hex

    def show(self) -> None:
        """Show it, as the outputs of the cell that runs."""
        self._shown = True
        for bundle, name in zip((self._live(), self._still()), self._names, strict=True):
            display(bundle, raw=True, display_id=name)

    def keep(self, html: str, *, over: bool = False) -> None:
        """Replace what is kept.

        Parameters
        ----------
        html : str
            A part of a page, with all that it needs.
        over : bool
            Whether the controls have done their work. They go away, unless they are lasting.
        """
        self._html = html
        self._set_over(over and not self._lasting)

    def go_on(self) -> None:
        """Show the controls again, if they are gone."""
        self._set_over(False)

    def _set_over(self, over: bool) -> None:
        before, self._over = self._over, over
        if not self._shown:
            return
        update_display(self._still(), raw=True, display_id=self._names[1])
        if before != over:
            update_display(self._live(), raw=True, display_id=self._names[0])

    def _live(self) -> dict[str, object]:
        view = {} if self._over else {_WIDGET: self._controls._repr_mimebundle_()[_WIDGET]}
        return {"text/plain": "", "text/html": ""} | view

    def _still(self) -> dict[str, object]:
        heading = f"<p>{html.escape(self.heading)}</p>" if self.heading else ""
        parts = [heading, self._html, "" if self._over else _GONE]
        page = "\n".join(filter(None, parts))
        return {"text/plain": "", "text/html": f'{_STYLE}\n<div class="nst-kept">\n{page}\n</div>'}
