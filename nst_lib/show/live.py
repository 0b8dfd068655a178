"""Watch a transfer in a notebook while it runs, stop it, and resume it.

The transfer runs in its own thread, so that buttons work with every version of the kernel. All
drawing is done in this thread, from the loop of the optimiser. The callbacks of widgets come from
another thread and only set events. Pictures are drawn without pyplot and without a style sheet,
because neither is safe to use from several threads.
"""

import asyncio
import html
import threading
import time
from collections.abc import Callable, Sequence
from functools import cached_property

import ipywidgets
import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import torch
from IPython.display import Image, display
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nst_lib.core.optimise import Evaluation
from nst_lib.core.transforms import Transform
from nst_lib.pipeline import transfer
from nst_lib.recordings import Recording, load, load_style, rate_of, several
from nst_lib.result import TransferResult
from nst_lib.session import Callbacks, Pause
from nst_lib.show import plots
from nst_lib.show.embed import data_url
from nst_lib.show.kept import Kept
from nst_lib.show.overview import loudest_stretch
from nst_lib.show.player import Compare
from nst_lib.show.progress import STAGE_WORDS, track
from nst_lib.system import System, default_preset, preset

#: The shortest time between two pictures, in seconds.
INTERVAL = 0.7
#: The largest share of the time that drawing may take.
_SHARE = 0.2
#: Seconds between two checks whether the transfer has ended.
_POLL = 0.1
#: Length of the stretch of a recording that shows how loud it is, in samples.
_STRETCH = 2**18
_NAME = "nst transfer"
_SIZE, _DPI = (9.6, 3.0), 90
#: The axis of losses reaches at least from the highest value down to this share of it.
_DEPTH = 0.01


class LiveTransfer:
    """A transfer with buttons, its losses, the current spectrogram, and players of the sounds.

    When it is shown in a notebook, it waits until the user presses Start. :meth:`run` starts it and
    waits for its end, which is useful if later cells need the result. The Stop button or an
    interrupt of the kernel keeps the best result so far, and Resume continues from there. At the
    end, a figure and a player stay in the notebook, and the controls go away.

    Parameters
    ----------
    content : path, Clip, np.ndarray of shape=(samples,), or None
        The recording that gives the rhythm; see :func:`nst_lib.transfer`.
    style : path, Clip or np.ndarray, or sequence of them
        The recording that gives the timbre, or several.
    config : System or None
        Settings; None is the preset ``shaped``, or ``fast`` without a content.
    interactive : bool
        If False, there are no widgets: a progress bar, then the figure and plain audio elements.
        This is meant for papermill and for exported pages.
    kept : Kept or None
        If this transfer is part of larger controls, the place where they keep figure and player.

    Attributes
    ----------
    widget : ipywidgets.VBox
        The controls.
    result : TransferResult or None
        The last result; a stopped transfer has one too.
    error : Exception or None
        The error that ended the last transfer.
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
        self.config = preset(default_preset(content)).config if config is None else config
        self.interactive = interactive
        self.result: TransferResult | None = None
        self.error: Exception | None = None
        self._sounds = content, style
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
        """Whether the transfer is running."""
        return not self._done.is_set()

    @cached_property
    def _seen(self) -> System:
        """The settings, with the rate of the content, for the one channel that is drawn."""
        content, style = self._sounds
        rate = rate_of(several(style)[0] if content is None else content)
        return self.config.at(rate).replace(mono=True)

    @cached_property
    def _transform(self) -> Transform:
        return self._seen.analysis()

    def start(self) -> None:
        """Start the transfer, or resume a stopped one, and return at once.

        This has no effect while the transfer is running.
        """
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
        """Stop at the next evaluation. The best sound so far becomes the result.

        This has no effect if the transfer is not running.
        """
        if not self.running:
            return
        self._event.set()
        self._stop.disabled = True
        best = "the best spectrogram so far" if self._evaluations else "the starting point"
        self._text.value = f"stopping: turning {best} into a sound"

    def wait(self) -> TransferResult:
        """Wait for the end and return the result. An interrupt of the kernel stops the transfer.

        Raises
        ------
        ValueError
            If the transfer failed, or none was started.
        """
        try:
            self._join()
        except KeyboardInterrupt:
            self.stop()
            self._join()
        if self.error is not None:
            raise self.error
        if self.result is None:
            raise ValueError("no transfer was started: call start() or run() first")
        return self.result

    async def run(self) -> TransferResult:
        """Show and start the transfer, wait for its end, and return the result.

        Use it as ``await live.run()``: the buttons work while a cell awaits. An interrupt of the
        kernel stops the transfer and keeps the best sound so far.

        Raises
        ------
        ValueError
            If the transfer failed.
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
        """Wait for the end while the kernel handles messages. An interrupt cancels the wait."""
        try:
            while self.running:
                await asyncio.sleep(_POLL)
        except (KeyboardInterrupt, asyncio.CancelledError):
            self.stop()
        return self.wait()

    def _join(self) -> None:
        """Wait in small steps, because an interrupt is only noticed between them.

        This does not join the thread: after an interrupted join, Python 3.11 believes that the
        thread has ended.
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
        self._draw(S["result"], result.transform, "Result")
        players = self._players(result)
        self._heard.outputs = ()
        self._heard.append_display_data(players)
        self._text.value = self._said(result)
        figure = f'<img src="{data_url("image/webp", self._picture.value)}" style="max-width: 100%"'
        shown = (
            "Losses of the transfer, and the spectrogram" if self._evaluations else "Spectrogram"
        )
        figure += f' alt="{shown} of the result">'
        said = f"<p>{html.escape(self._text.value)}</p>"
        self._kept.keep("\n".join([said, figure, players.to_html()]), over=not stopped)
        if self._kept.alone:  # a notebook need not hold the sounds twice
            self._heard.outputs = ()

    def _said(self, result: TransferResult) -> str:
        """Return a sentence about the result."""
        if result.outcome == "stopped" and not result.evaluations:
            back = ", rebuilt from its spectrogram" if self.config.inverts else ""
            return (
                "stopped before the first evaluation: the result is the starting point "
                f"({self.config.start}{back})"
            )
        count = len(result.evaluations)
        text = f"{result.outcome} after {count} evaluations" if count else result.outcome
        if result.scores is None:
            return text
        text = f"{text}: timbre {result.scores.timbre:.2f}, rhythm {result.scores.rhythm:.2f}"
        recognised = result.scores.recognised()
        return f"{text}; {recognised}" if recognised else text

    def _players(self, result: TransferResult) -> Compare:
        found = {"content": result.content, "style": result.style, "result": result.audio}
        sounds = {name: y for name, y in found.items() if y is not None}
        return Compare(sounds, sr=result.config.rate, interactive=self.interactive)

    def _on_stage(self, stage: str) -> None:
        self._text.value = STAGE_WORDS[stage]

    def _on_evaluation(self, evaluation: Evaluation) -> None:
        self._evaluations.append(evaluation)
        self._bar.value = evaluation.step + 1

    def _on_spectrogram(
        self, current: Callable[[], npt.NDArray[np.float32]], transform: Transform
    ) -> None:
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
        self._draw(current(), transform, "Now")
        took = time.perf_counter() - now
        self._next = time.perf_counter() + max(INTERVAL, took * (1 - _SHARE) / _SHARE)

    def _draw(self, S: npt.NDArray[np.float32], transform: Transform, title: str) -> None:
        fig = Figure(figsize=_SIZE, layout="constrained")
        *left, right = fig.subplots(1, 2 if self._evaluations else 1, squeeze=False)[0]
        for ax in left:
            plots.losses(ax, self._evaluations)
            low, high = ax.get_ylim()
            ax.set_ylim(10 ** np.floor(np.log10(min(low, high * _DEPTH))), high)
            ax.set_xlim(0, max(self.config.steps, 1))
            ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        plots.spectrogram(right, S, transform, title=title, loudest=self._loudest)
        self._picture.value = plots.webp(fig, dpi=_DPI)
        self._picture.layout.display = ""

    def _find_loudest(self) -> float:
        """Return the largest value in the spectrograms of the recordings. It is drawn as 0 dB.

        Of a long recording, only the stretch with the largest power is transformed.
        """
        content, style = self._sounds
        config = self._seen.replace(style_duration=None)
        sounds = [load_style(one, config) for one in several(style)]
        if content is not None:
            sounds.append(load(content, config))
        loud = [loudest_stretch(y, _STRETCH) for y in sounds]
        return max(float(self._transform(torch.from_numpy(y)).max()) for y in loud)
