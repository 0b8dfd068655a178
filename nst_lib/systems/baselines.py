"""Baselines: the style shaped by the content, without a network and without a loss.

They are presets like all others, so that every table, batch and listening test can have them beside
the systems that they question. Each returns a start (:mod:`nst_lib.core.baselines`) as it is. To
optimise from there, use another preset with the setting `start`.
"""

from collections.abc import Callable, Sequence

from pydantic import field_validator
from torch import Tensor

from nst_lib.base.validation import setting
from nst_lib.config import ConfigError, SoundItself, Transforms
from nst_lib.core.baselines import BASELINES
from nst_lib.core.objective import Losses
from nst_lib.core.transforms import Transform
from nst_lib.system import OF_TRANSFORMS, Preset, System
from nst_lib.systems import fast


class Baseline(SoundItself, Transforms, System):
    """A sound made of the style in one pass. Its transform only draws the spectrograms."""

    replaceable = {"transform": OF_TRANSFORMS}  # noqa: RUF012

    start: str = setting(
        "envelope", "how the style is shaped by the content", choices=tuple(BASELINES)
    )
    steps: int = setting(
        0, "evaluations of a loss: always 0, because there is none", ge=0, le=1000000
    )

    @field_validator("steps")
    @classmethod
    def _none(cls, steps: int) -> int:
        """Return 0, so that a baseline can be in a batch whose other systems make steps."""
        return 0

    def validate_content(self, content: object) -> None:
        """Raise ConfigError if there is no content."""
        if content is None:
            raise ConfigError(f"{self.preset} shapes the style by a content: give a content")

    def loss(
        self, transform: Transform, *, style: Tensor | Sequence[Tensor], content: Tensor | None
    ) -> Callable[[Tensor], Losses]:
        """Return a loss without any term: it is 0 for every sound."""
        return lambda x: Losses.of({}, {}, zero=0 * x.sum())


def _config(name: str) -> Baseline:
    """Return the settings of a baseline: recordings and pictures are those of the default."""
    shared = fast.CONFIG.to_dict()
    same = ("level", "level_target", "n_fft", "residual", "scale")
    return Baseline(preset=name, start=name, **{key: shared[key] for key in same})


_NONE = "There is no network and no loss, and nothing is random."

PRESETS = (
    Preset(
        config=_config("envelope"),
        source="ours: a baseline, the envelope of H. Dudley's vocoder (1939) in a single band",
        about=f"The style's waveform under the content's loudness over time. {_NONE}",
        exact="No publication is followed.",
        ours=(
            "The waveform of the style times the ratio of both envelopes: power, smoothed by a "
            "Gaussian of 10 ms. What is 40 dB below the style's loudest moment is not raised "
            "further. The result has the style's level. Of a longer style, the beginning is used; "
            "a shorter one is repeated."
        ),
    ),
    Preset(
        config=_config("vocoder"),
        source=(
            "ours: a baseline after H. Dudley, Remaking speech, Journal of the Acoustical Society "
            "of America 11, 1939"
        ),
        about=(
            "The style in 16 bands, each under the loudness of the same band of the content. "
            f"{_NONE}"
        ),
        exact="Bands of one sound under the envelopes of another.",
        ours=(
            "16 bands of equal width in ERBs, which add up to the sound. Each keeps the level that "
            "it has in the style. A band that is empty in the content follows the whole content. "
            "Envelopes as in the preset envelope."
        ),
    ),
    Preset(
        config=_config("mosaic"),
        source=(
            "ours: a baseline after D. Schwarz, Corpus-based concatenative synthesis, IEEE Signal "
            "Processing Magazine 24, 2007"
        ),
        about=(
            "Pieces of the style in an order that follows the content, silent where the content "
            f"is silent. {_NONE}"
        ),
        exact="Units of a recording, selected by features and by a cost for each join.",
        ours=(
            "A moment of the style every 12 ms, compared in loudness and onset strength; a fixed "
            "cost for each jump; the cheapest sequence that plays no moment more than about twice; "
            "crossfades of 12 ms. 50 dB below the content's mean level, the mosaic fades. It has "
            "the style's level."
        ),
    ),
    Preset(
        config=_config("driedger2015"),
        source=(
            "J. Driedger, T. Praetzlich, M. Mueller, Let it Bee: towards NMF-inspired audio "
            "mosaicing, ISMIR 2015"
        ),
        about=(
            "The content's spectrogram as a sum of frames of the style, by non-negative matrix "
            f"factorisation with sparse diagonal activations. {_NONE}"
        ),
        exact=(
            "According to public implementations, because the full paper was not available: the "
            "style's frames as fixed templates, updates for the Kullback-Leibler divergence, the "
            "rules for repetition (3 frames), polyphony (10 templates) and continuity (3 frames), "
            "complex frames of the style, then Griffin-Lim."
        ),
        ours=(
            "STFT of 2048 samples every 512; 20 updates from activations of 1; 32 iterations of "
            "Griffin-Lim from the phase of the sum; the style's level. The style is not "
            "transposed."
        ),
    ),
)
