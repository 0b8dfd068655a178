"""Deeper networks, the study's future work: whether pooling matters with 4 to 8 stacks.

Eight stacks in the limit of infinite width, every rectified layer in the style, all with equal
shares. Weights have the variance 4 / (fan_in + fan_out) of Ulyanov and Lebedev, twice the inverse
of the channels behind the first layer, and no biases, so that a signal is as large in the eighth
layer as in the first; with the study's, the fourth sees little but its biases. With fewer `stacks`
the deepest style layers are left out; nothing else changes.

Measured over the study's five pairs (`notebooks/conditions/deep.yaml`, 80 evaluations): no
difference between max and average pooling can be shown with 4, 6 or 8 stacks, in any score; that
there is none, within 0.05, only for rhythm with 4 and 6. Depth itself copies: 8 stacks see longer
than five seconds, and half of the style's course comes back (:func:`nst_lib.metrics.copying`).
"""

from typing import Any, Self

from nst_lib.features import TransferConfig
from nst_lib.system import Preset
from nst_lib.systems import fast


class Deep(TransferConfig):
    """Settings of the core; where `stacks` is replaced, the style layers follow."""

    def replace(self, **overrides: Any) -> Self:
        """Return a copy with other values for some settings."""
        stacks = overrides.get("stacks")
        followed = {"style_layers": _rectified(stacks)} if isinstance(stacks, int) else {}
        return super().replace(**{**followed, **overrides})


def _rectified(stacks: int) -> tuple[str, ...]:
    return tuple(f"relu{stack}" for stack in range(1, stacks + 1))


PRESETS = (
    Preset(
        config=Deep(
            **{
                **fast.CONFIG.to_dict(),
                "preset": "deep",
                "stacks": 8,
                "init": "ulyanov2016",
                "style_layers": _rectified(8),
            }
        ),
        source="ours: the future work of D. Milacic 2020, on top of the preset fast",
        about=(
            "Eight random stacks in the limit of infinite width, their layers balanced; `stacks` "
            "is the depth. Whether pooling matters then: not that five pairs could show. So much "
            "depth copies much of the style's course."
        ),
        exact="The limit; more stacks than three, as the study proposes.",
        ours="Depth, draw of the weights, and all that the preset fast has.",
    ),
)
