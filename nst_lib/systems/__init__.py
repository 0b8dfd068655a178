"""Every system that the study cites or builds on: one file for each, with its source.

A file holds a :class:`Preset` or two, and whatever settings, network or terms only that system
needs. What it is made of otherwise are settings of the core; `presets.py` lists all.
"""

from dataclasses import dataclass
from typing import ClassVar

from nst_lib.config import KINDS, TransferConfig, choice

#: Settings of the random network, of what its loss weighs against it, and of the inversion: what a
#: system that has something else instead has no use for.
NETWORK = frozenset(
    {
        "engine",
        "orientation",
        "stacks",
        "channels",
        "kernel",
        "padding",
        "pooling",
        "batch_norm",
        "init",
        "convolution",
        "style_layers",
        "content_layers",
    }
)
WEIGHING = frozenset({"alpha", "normalisation", "layer_weights", "content_terms", "content_weight"})
INVERSION = frozenset({"n_iter", "momentum", "phase"})


@dataclass(frozen=True, kw_only=True)
class SoundConfig(TransferConfig):
    """Settings of a system that optimises the sound itself, so that nothing is inverted."""

    UNUSED: ClassVar[frozenset[str]] = INVERSION

    domain: str = choice("waveform", ("waveform",), "what is optimised: the sound itself")


@dataclass(frozen=True)
class Preset:
    """A configuration that someone published, or that we recommend.

    Attributes
    ----------
    config : TransferConfig
        Its settings; ``config.preset`` is its name.
    source : str
        Where it comes from.
    about : str
        What it does, in a sentence or two.
    exact, ours : str
        What is as published, and what is our choice, where the source leaves it open.
    """

    config: TransferConfig
    source: str
    about: str
    exact: str = ""
    ours: str = ""

    def __post_init__(self) -> None:
        KINDS[self.name] = type(self.config)

    @property
    def name(self) -> str:
        """The name to ask for it by."""
        return self.config.preset
