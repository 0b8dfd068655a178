"""Named configurations, each with its source."""

from dataclasses import dataclass

from nst_lib.config import ConfigError, TransferConfig
from nst_lib.validation import hint


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
    """

    config: TransferConfig
    source: str
    about: str

    @property
    def name(self) -> str:
        """The name to ask for it by."""
        return self.config.preset


_MILACIC2020 = Preset(
    config=TransferConfig(preset="milacic2020"),
    source=(
        "D. Milacic, Neural Style Transfer of Environmental Audio Spectrograms, 2020; "
        "settings of its public code"
    ),
    about=(
        "Three random stacks of 4096 channels over frequency bins; style from relu1 and relu2, "
        "content from relu3 (inert at these weights: the content survives as the start), 500 "
        "evaluations of L-BFGS without line search, fast Griffin-Lim. The study crosses transform "
        "(stft, cqt) with pooling (max, average)."
    ),
)

_FAST = Preset(
    config=TransferConfig(
        preset="fast",
        level="rms",
        level_target=-26.0,
        n_fft=2048,
        residual=True,
        scale=30.0,
        engine="infinite",
        stacks=2,
        kernel=5,
        layer_weights="balanced",
        content_layers=(),
        content_terms=("onset", "spectrogram"),
        content_weight=0.02,
        domain="hybrid",
        line_search="strong_wolfe",
        history=10,
        steps=160,
    ),
    source="ours: the front of timbre against rhythm over the study's pairs, benchmarks/front.py",
    about=(
        "The default. Two random stacks in the limit of infinite width, their layers balanced, a "
        "content weight that acts on onsets and spectrogram; 80 evaluations of the spectrogram, "
        "then 80 of the sound itself. Seconds on a laptop."
    ),
)

PRESETS = {entry.name: entry for entry in (_FAST, _MILACIC2020)}


def preset(name: str) -> Preset:
    """Return a preset by name.

    Raises
    ------
    ConfigError
        If there is none of that name; the message has the nearest.
    """
    if name not in PRESETS:
        raise ConfigError(f"unknown preset {name!r}; {hint(str(name), PRESETS)}")
    return PRESETS[name]
