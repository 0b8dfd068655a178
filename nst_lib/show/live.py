"""A transfer to watch while it runs, to stop, and to go on with.

The transfer runs in a thread of its own, so that buttons answer whatever the version of the kernel,
and all drawing is done there, from its optimising loop: widget callbacks come on another thread
again, where pyplot is not safe, and only set events. Pictures are drawn without pyplot, and without
a style sheet, which is one for all threads.
"""

import asyncio
import html
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets
import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import torch
from IPython.display import Image, display
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nst_lib.core.optimise import Evaluation
from nst_lib.pipeline import Recording, load, transfer
from nst_lib.result import TransferResult
from nst_lib.session import Callbacks, Pause
from nst_lib.show import plots
from nst_lib.show.kept import Kept
from nst_lib.show.player import Compare, data_url
from nst_lib.show.progress import STAGE_WORDS, track
from nst_lib.system import DEFAULT, System, preset

#: Least seconds between two pictures; and drawing takes a fifth of the time at most.
INTERVAL = 0.7
_SHARE = 0.2
#: Seconds between two looks at whether it is done.
_POLL = 0.1
_NAME = "nst transfer"
_SIZE, _DPI = (9.6, 3.0), 90
#: Of the losses' axis to begin with, so that the curves are seen to come down.
_DEPTH = 0.01


class LiveTransfer:
    """A transfer with start, stop, losses, the spectrogram as it becomes, and what it sounds like.

    Shown in a notebook it waits for Start; :meth:`run` starts it and waits for its end, as a cell
    that others build on wants it. Stop, and interrupting the kernel, keep the best result so far,
    from which Resume goes on. At the end, a figure and a player stay in the notebook, and the
    controls go away.

    Parameters
    ----------
    content : path, Clip, np.ndarray of shape=(samples,), or None
        What happens when; see :func:`nst_lib.transfer`.
    style : path, Clip or np.ndarray, or sequence of them
        What it is to sound like.
    config : System or None
        Settings; None is the preset ``fast``.
    interactive : bool
        Without, there are no widgets: a progress bar, then the figure and plain audio, for
        papermill and for pages.
    kept : Kept or None
        Where figure and player are to stay, of controls that this is a part of; None is its own.

    Attributes
    ----------
    widget : ipywidgets.VBox
        What is shown.
    result : TransferResult or None
        The last one, also of a transfer that was stopped.
    error : Exception or None
        Why there is none.
    """

    def __init__(
        self,
        content: Recording | None,
        style: Recording | Sequence[Recording],
        config: System | None = None,
        *,
        interactive: bool = True,
        kept: Kept | None = None,
    ) -> None:
        self.config = preset(DEFAULT).config if config is None else config
        self.interactive = interactive
        self.result: TransferResult | None = None
        self.error: Exception | None = None
        self._sounds = content, style
        self._transform = self.config.analysis()
        self._pause, self._event, self._done = Pause(), threading.Event(), threading.Event()
        self._done.set()
        self._evaluations: list[Evaluation] = []
        self._next, self._loudest = 0.0, 0.0
        self._start = ipywidgets.Button(description="Start", button_style="primary")
        self._stop = ipywidgets.Button(description="Stop", disabled=True)
        self._bar = ipywidgets.IntProgress(max=max(self.config.steps, 1))
        self._text = ipywidgets.Label("ready")
        self._picture = ipywidgets.Image(format="webp", layout={"display": "none"})
        self._heard = ipywidgets.Output()
        self._start.on_click(lambda _: self.start())
        self._stop.on_click(lambda _: self.stop())
        controls = ipywidgets.HBox([self._start, self._stop, self._bar])
        self.widget = ipywidgets.VBox([controls, self._text, self._picture, self._heard])
        self._kept = Kept(self.widget) if kept is None else kept

    def _ipython_display_(self) -> None:
        self._kept.show()

    @property
    def running(self) -> bool:
        """Whether a transfer is under way."""
        return not self._done.is_set()

    def start(self) -> None:
        """Start, or go on where it was stopped, and return; without effect while it runs."""
        self._kept.go_on()
        self._begin(
            Callbacks(
                on_evaluation=self._on_evaluation,
                on_spectrogram=self._on_spectrogram,
                on_stage=self._on_stage,
            )
        )

    def _begin(self, callbacks: Callbacks) -> None:
        if self.running:
            return
        self._event.clear()
        self._done.clear()
        self.error = None
        self._start.disabled, self._stop.disabled = True, False
        worker = threading.Thread(target=self._work, args=[callbacks], name=_NAME, daemon=True)
        worker.start()

    def stop(self) -> None:
        """Stop at the next evaluation; the best sound so far becomes the result.

        Without effect if nothing runs.
        """
        if not self.running:
            return
        self._event.set()
        self._stop.disabled = True
        best = "the best spectrogram so far" if self._evaluations else "what it starts from"
        self._text.value = f"stopping: {best} becomes a sound"

    def wait(self) -> TransferResult:
        """Wait for the end, and return the result; an interrupt of the kernel stops the transfer.

        Raises
        ------
        ValueError
            What the transfer raised.
        """
        try:
            self._join()
        except KeyboardInterrupt:
            self.stop()
            self._join()
        if self.error is not None:
            raise self.error
        if self.result is None:
            raise ValueError("nothing was started; accepted: start() or run() first")
        return self.result

    async def run(self) -> TransferResult:
        """Show this, start it, wait for its end, and return the result: ``await live.run()``.

        While a cell awaits, its kernel listens to buttons. An interrupt of the kernel stops the
        transfer and keeps the best sound so far.

        Raises
        ------
        ValueError
            What the transfer raised.
        """
        if self.interactive:
            display(self)
            self.start()
            return await self._end()
        with track(self.config) as callbacks:
            self._begin(callbacks)
            result = await self._end()
        with mpl.style.context(plots.STYLE):
            fig = plots.transfer_figure(Figure(), result)
            display(Image(data=plots.png(fig, dpi=_DPI)))
        display(self._players(result))
        return result

    async def _end(self) -> TransferResult:
        """Wait while the kernel listens; it takes an interrupt for a wish to cancel what awaits."""
        try:
            while self.running:
                await asyncio.sleep(_POLL)
        except (KeyboardInterrupt, asyncio.CancelledError):
            self.stop()
        return self.wait()

    def _join(self) -> None:
        """Wait in small steps: an interrupt is only seen between them.

        Not for the thread itself: Python 3.11 takes a thread for ended whose join was interrupted.
        """
        while not self._done.wait(_POLL):
            pass

    def _work(self, callbacks: Callbacks) -> None:
        content, style = self._sounds
        before = self.result.evaluations if self.result and self._pause.state else []
        self._evaluations = list(before)
        self._next = 0.0
        try:
            self.result = transfer(
                content,
                style,
                self.config,
                stop=self._event,
                callback=callbacks,
                checkpoint=self._pause,
            )
        except Exception as error:
            self.error = error
            self._text.value = " ".join(str(error).split())
            self._kept.keep(f"<p>{html.escape(self._text.value)}</p>")
        else:
            if self.interactive:
                self._finish(self.result)
        finally:
            self._start.disabled, self._stop.disabled = False, True
            self._done.set()

    def _finish(self, result: TransferResult) -> None:
        stopped = result.outcome == "stopped"
        if not stopped:
            self._pause = Pause()
        self._start.description = "Resume" if stopped else "Start again"
        self._evaluations = result.evaluations
        self._bar.value = len(result.evaluations)
        S = result.spectrograms
        self._loudest = max(float(S[name].max()) for name in S.keys() - {"optimised"})
        self._draw(S["result"], "Result")
        players = self._players(result)
        self._heard.outputs = ()
        self._heard.append_display_data(players)
        self._text.value = self._said(result)
        figure = f'<img src="{data_url("image/webp", self._picture.value)}" style="max-width: 100%"'
        figure += ' alt="Losses of the transfer, and the spectrogram of the result">'
        said = f"<p>{html.escape(self._text.value)}</p>"
        self._kept.keep("\n".join([said, figure, players.to_html()]), over=not stopped)

    def _said(self, result: TransferResult) -> str:
        """Return what came out, in a sentence."""
        if result.outcome == "stopped" and not result.evaluations:
            back = "" if self.config.domain == "waveform" else ", as its spectrogram gives it back"
            return (
                f"stopped before the first evaluation: the {self.config.start} it starts from{back}"
            )
        text = f"{result.outcome} after {len(result.evaluations)} evaluations"
        if result.scores is None:
            return text
        return f"{text}: timbre {result.scores.timbre:.2f}, rhythm {result.scores.rhythm:.2f}"

    def _players(self, result: TransferResult) -> Compare:
        found = {"content": result.content, "style": result.style, "result": result.audio}
        sounds = {name: y for name, y in found.items() if y is not None}
        return Compare(sounds, sr=self.config.sr, interactive=self.interactive)

    def _on_stage(self, stage: str) -> None:
        self._text.value = STAGE_WORDS[stage]

    def _on_evaluation(self, evaluation: Evaluation) -> None:
        self._evaluations.append(evaluation)
        self._bar.value = evaluation.step + 1

    def _on_spectrogram(self, current: Callable[[], npt.NDArray[np.float32]]) -> None:
        now = time.perf_counter()
        if now < self._next:
            return
        self._loudest = self._loudest or self._find_loudest()
        last = self._evaluations[-1]
        done, first = last.step + 1, self._evaluations[0].step
        pace = (last.seconds - self._evaluations[0].seconds) / max(done - first - 1, 1)
        left = f", {pace * (self.config.steps - done):.0f} s left" if done > first + 1 else ""
        style = last.losses["style"]
        self._text.value = f"evaluation {done} of {self.config.steps}{left}; style {style:.3g}"
        self._draw(current(), "Now")
        took = time.perf_counter() - now
        self._next = time.perf_counter() + max(INTERVAL, took * (1 - _SHARE) / _SHARE)

    def _draw(self, S: npt.NDArray[np.float32], title: str) -> None:
        fig = Figure(figsize=_SIZE, layout="constrained")
        *left, right = fig.subplots(1, 2 if self._evaluations else 1, squeeze=False)[0]
        for ax in left:
            plots.losses(ax, self._evaluations)
            low, high = ax.get_ylim()
            ax.set_ylim(10 ** np.floor(np.log10(min(low, high * _DEPTH))), high)
            ax.set_xlim(0, max(self.config.steps, 1))
            ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        plots.spectrogram(right, S, self._transform, title=title, loudest=self._loudest)
        self._picture.value = plots.webp(fig, dpi=_DPI)
        self._picture.layout.display = ""

    def _find_loudest(self) -> float:
        """Return the largest value of the recordings' spectrograms, which is 0 dB all the time."""
        content, style = self._sounds
        sounds: list[Any] = [*style] if isinstance(style, list | tuple) else [style]
        if content is not None:
            sounds.append(content)
        S = [self._transform(torch.from_numpy(load(one, self.config))) for one in sounds]
        return max(float(one.max()) for one in S)
