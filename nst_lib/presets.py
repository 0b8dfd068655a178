"""Named configurations, each with its source."""

from nst_lib.config import ConfigError, TransferConfig
from nst_lib.systems import Preset, milacic2020
from nst_lib.validation import hint

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

PRESETS = {
    entry.name: entry
    for entry in (
        _FAST,
        *milacic2020.PRESETS,
    )
}


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
