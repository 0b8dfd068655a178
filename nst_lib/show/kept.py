"""Keep something of a cell's controls in a notebook that is saved, exported or restarted.

A notebook is saved without its widgets, and JupyterLab shows an error in their place. So a cell
with controls gets a second output of plain HTML, and a style sheet shows only one of the two: the
controls while a kernel is connected to them, and the HTML otherwise. Both outputs have a display
id. With it, any thread can update them in the cell that showed them. A plain `display` from the
callback of a button comes from another thread and would go to the cell that ran last.
"""

import html
import uuid

import ipywidgets
from IPython.display import display, update_display

_WIDGET = "application/vnd.jupyter.widget-view+json"
#: A panel with a widget that is connected to its kernel, in JupyterLab 4 and ipywidgets 8.
_LIVE = "> .jupyter-widgets:not(.jupyter-widgets-disconnected)"
_STYLE = f"""<style>
.jp-OutputArea-child:has(> .lm-Panel {_LIVE}) + .jp-OutputArea-child .nst-kept,
.jp-OutputArea-child:has(+ .jp-OutputArea-child .nst-kept) > .lm-Panel:not(:has({_LIVE}))
{{ display: none; }}
</style>"""
_GONE = "<p>The controls of this cell need a running kernel. Run the cell to show them again.</p>"


class Kept:
    """Controls, and the HTML that the notebook keeps in their place.

    Parameters
    ----------
    controls : ipywidgets.Widget
        The controls, shown while a kernel is connected.
    lasting : bool
        Whether the controls stay after the work that they started is done.

    Attributes
    ----------
    heading : str
        Text above the HTML.
    """

    def __init__(self, controls: ipywidgets.Widget, *, lasting: bool = False) -> None:
        self.heading = ""
        self._controls, self._lasting = controls, lasting
        self._html, self._over, self._shown = "", False, False
        self._names = uuid.uuid4().hex, uuid.uuid4().hex

    @property
    def alone(self) -> bool:
        """Whether the HTML is shown and the controls have gone away."""
        return self._shown and self._over

    def show(self) -> None:
        """Show the controls and the HTML as outputs of the running cell."""
        self._shown = True
        for bundle, name in zip((self._live(), self._still()), self._names, strict=True):
            display(bundle, raw=True, display_id=name)

    def keep(self, html: str, *, over: bool = False) -> None:
        """Replace the HTML that is kept.

        Parameters
        ----------
        html : str
            A part of a page that needs no other files.
        over : bool
            Whether the work of the controls is done. The controls then go away, unless they are
            lasting.
        """
        self._html = html
        self._set_over(over and not self._lasting)

    def go_on(self) -> None:
        """Show the controls again if they are hidden."""
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
