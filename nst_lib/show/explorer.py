"""Choose recordings and settings by hand in a notebook, and run the transfer."""

import os
from typing import Any

import ipywidgets
from IPython.display import display

from nst_lib.config import HIGHEST_RATE, STARTS, TRANSFORMS
from nst_lib.features import TransferConfig
from nst_lib.show.kept import Kept
from nst_lib.show.live import LiveTransfer
from nst_lib.show.player import Compare
from nst_lib.sound.datasets import Clip, Dataset, open_dataset
from nst_lib.system import DEFAULT, System, installed_presets

#: The content weights to choose from: a logarithmic scale and 0. The preset's weight is added.
WEIGHTS = (0.0, *(n / tens for tens in (1000, 100, 10) for n in (1, 2, 3, 5, 7)), 1.0)


class Explorer:
    """Controls to choose two recordings and a few settings, listen to them, and run a transfer.

    The last result stays in the saved notebook. If there was no transfer, the chosen pair stays.

    Parameters
    ----------
    dataset : str or path
        A dataset as in :func:`nst_lib.sound.datasets.open_dataset`. The user can type another one.
    preset : str
        The preset that is chosen at the start.
    interactive : bool
        If False, there are no controls: only players of the first pair are shown.

    Attributes
    ----------
    widget : ipywidgets.VBox
        The controls.
    live : LiveTransfer or None
        The last transfer.

    Raises
    ------
    ValueError
        If the dataset or the preset does not exist.
    """

    def __init__(
        self,
        dataset: str | os.PathLike[str] = "auto",
        *,
        preset: str = DEFAULT,
        interactive: bool = True,
    ) -> None:
        self.interactive = interactive
        self.live: LiveTransfer | None = None
        self._dataset, self._opened, self._filling = open_dataset(dataset), str(dataset), True
        config: System = TransferConfig.from_preset(preset)
        text = {"style": {"description_width": "9em"}, "layout": {"width": "24em"}}
        self._name = ipywidgets.Text(str(dataset), description="Dataset", continuous_update=False)
        self._roles = {role: self._choices(role) for role in ("content", "style")}
        self._preset = ipywidgets.Dropdown(
            options=list(installed_presets()), value=preset, description="Preset", **text
        )
        self._transform = ipywidgets.Dropdown(
            options=TRANSFORMS,
            value=getattr(config, "transform", None),
            description="Transform",
            **text,
        )
        self._start = ipywidgets.Dropdown(description="Start", **text)
        self._weight = ipywidgets.SelectionSlider(
            options=_stops(), description="Content weight", continuous_update=False, **text
        )
        self._steps = ipywidgets.BoundedIntText(
            min=0, max=100000, description="Evaluations", **text
        )
        self._go = ipywidgets.Button(description="Transfer", button_style="primary")
        self._message = ipywidgets.Label()
        self._heard, self._result = ipywidgets.Output(), ipywidgets.Output()
        settings = [self._preset, self._transform, self._start, self._weight, self._steps]
        clips = [ipywidgets.HBox(list(pair)) for pair in self._roles.values()]
        self.widget = ipywidgets.VBox(
            [
                self._name,
                *clips,
                self._heard,
                ipywidgets.HBox(settings[:2]),
                ipywidgets.HBox(settings[2:4]),
                ipywidgets.HBox(settings[4:]),
                ipywidgets.HBox([self._go, self._message]),
                self._result,
            ]
        )
        self._kept = Kept(self.widget, lasting=True)
        self._adopt(config)
        self._fill(_first(self._dataset))
        self._name.observe(lambda _: self._open(), "value")
        self._preset.observe(lambda _: self._adopt(self._chosen()), "value")
        self._go.on_click(lambda _: self.transfer())

    def _ipython_display_(self) -> None:
        if self.interactive:
            self._kept.show()
        else:
            display(self._pair())

    @property
    def config(self) -> System:
        """The chosen settings.

        Raises
        ------
        ConfigError
            If the settings cannot be combined.
        """
        settings: dict[str, Any] = {}
        chosen = self._chosen()
        if self._transform.value != getattr(chosen, "transform", None):
            settings["transform"] = self._transform.value
        if self._start.value != chosen.start:
            settings["start"] = self._start.value
        weight = getattr(chosen, "content_weight", None)
        if weight is not None and self._weight.value != weight:
            settings["content_weight"] = self._weight.value
        if self._steps.value != chosen.steps:
            settings["steps"] = self._steps.value
        return TransferConfig.from_preset(self._preset.value, **settings)

    def clip(self, role: str) -> Clip:
        """Return the recording that was chosen as "content" or as "style"."""
        wanted = self._roles[role][1].value
        return next(clip for clip in self._dataset if clip.name == wanted)

    def transfer(self) -> None:
        """Start a transfer with the chosen recordings and settings. It replaces the last one."""
        if self.live is not None and self.live.running:
            self._message.value = "a transfer is running: stop it first"
            return
        try:
            config, pair = self.config, (self.clip("content"), self.clip("style"))
            self.live = LiveTransfer(*pair, config, kept=self._kept)
        except ValueError as error:
            self._message.value = " ".join(str(error).split())
            return
        self._message.value = ""
        self._kept.heading = f"{self._said()}, preset {config.preset}, {self._transform.value}"
        self._kept.heading += f", {config.steps} evaluations, start: {config.start}"
        if (weight := getattr(config, "content_weight", None)) is not None:
            self._kept.heading += f", content weight {weight:g}"
        self._kept.keep("")
        self._result.outputs = ()
        self._result.append_display_data(self.live.widget)
        self.live.start()

    def _chosen(self) -> System:
        return TransferConfig.from_preset(self._preset.value)

    def _choices(self, role: str) -> tuple[ipywidgets.Dropdown, ipywidgets.Dropdown]:
        """Return a menu of categories and a menu of clips."""
        category = ipywidgets.Dropdown(description=role.capitalize())
        clip = ipywidgets.Dropdown()
        category.observe(lambda _: self._list(role), "value")
        clip.observe(lambda _: self._listen(), "value")
        return category, clip

    def _fill(self, clips: dict[str, Clip]) -> None:
        """Fill the menus with the categories of the dataset, and choose these clips."""
        self._filling = True
        for role, clip in clips.items():
            category = self._roles[role][0]
            category.options = self._dataset.categories
            category.value = clip.category
            self._list(role)
            self._roles[role][1].value = clip.name
        self._filling = False
        self._listen()

    def _list(self, role: str) -> None:
        category, clip = self._roles[role]
        if category.value is not None:
            clip.options = [one.name for one in self._dataset.clips(category=category.value)]

    def _listen(self) -> None:
        if self._filling or not all(clip.value for _, clip in self._roles.values()):
            return
        self._heard.outputs = ()
        try:
            pair = self._pair()
        except ValueError as error:
            self._message.value = " ".join(str(error).split())
            return
        self._message.value = ""
        self._heard.append_display_data(pair)
        if self.live is None:
            self._kept.heading = self._said()
            self._kept.keep(pair.to_html())

    def _said(self) -> str:
        return ", ".join(f"{role}: {self.clip(role).name}" for role in self._roles).capitalize()

    def _pair(self) -> Compare:
        sounds = {role: self.clip(role) for role in self._roles}
        sr = min(sounds["content"].sr, HIGHEST_RATE)
        return Compare(sounds, sr=sr, interactive=self.interactive)

    def _adopt(self, config: System) -> None:
        """Set the controls to the settings of a preset."""
        weight = getattr(config, "content_weight", None)
        self._transform.value = getattr(config, "transform", None)
        self._start.options = list(dict.fromkeys([config.start, *STARTS]))
        self._start.value = config.start
        self._weight.disabled = weight is None
        self._weight.options = _stops(weight or 0.0)
        self._weight.value = weight or 0.0
        self._steps.value = config.steps

    def _open(self) -> None:
        """Open the dataset that was typed. Keep the chosen clips if the dataset has them."""
        try:
            self._dataset = open_dataset(self._name.value.strip())
        except ValueError as error:
            said = " ".join(str(error).split())
            self._message.value = f"{said} (the menus still show the clips of {self._opened})"
            return
        self._opened = self._name.value.strip()
        chosen = {role: clip.value for role, (_, clip) in self._roles.items()}
        clips = {clip.name: clip for clip in self._dataset if clip.name in chosen.values()}
        kept = clips.keys() == set(chosen.values())
        self._fill(
            {role: clips[name] for role, name in chosen.items()} if kept else _first(self._dataset)
        )


def _stops(*own: float) -> list[tuple[str, float]]:
    """Return the labels and values of the slider for the content weight."""
    return [(f"{weight:g}", weight) for weight in sorted({*WEIGHTS, *own})]


def _first(dataset: Dataset) -> dict[str, Clip]:
    """Return the first pair of the study, or else clips of the first and the last category."""
    try:
        pair = dataset.pairs()[0]
    except ValueError:
        first, second = dataset.categories[0], dataset.categories[-1]
        return {"content": dataset.choose(second), "style": dataset.choose(first)}
    return {"content": pair.content, "style": pair.style}
