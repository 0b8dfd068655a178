"""Deeper networks, the study's future work: whether pooling matters with 4 to 8 stacks.

The preset has eight stacks in the limit of infinite width. All rectified layers are style layers,
with equal shares. Weights have the variance 4 / (fan_in + fan_out) of Ulyanov and Lebedev. After
the first layer this is 2 / (number of channels). There are no biases. A signal is therefore as
large in the eighth layer as in the first. With the weights of the study, the output of the fourth
layer depends on little but its biases. With fewer `stacks`, the deepest style layers are left out,
and nothing else changes.

Measured over the study's five pairs (`notebooks/conditions/deep.yaml`, 80 evaluations), no score
shows a difference between max and average pooling with 4, 6 or 8 stacks. Equivalence within 0.05
can only be shown for rhythm with 4 and 6 stacks. Depth itself leads to copies: 8 stacks see more
than five seconds at once, and half of the style is repeated
(:func:`nst_lib.metrics.comparison.copying`).
"""

from typing import Any, Self

from nst_lib.features import TransferConfig
from nst_lib.system import Preset
from nst_lib.systems import fast


class Deep(TransferConfig):
    """The settings of :class:`nst_lib.TransferConfig`. Style layers follow the setting `stacks`."""

    def replace(self, **overrides: Any) -> Self:
        """Return a copy with other values for some settings.

        If `stacks` is replaced, and `style_layers` is not, the style layers become all its layers.
        """
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
        source="ours: future work that D. Milacic 2020 proposes, based on the preset fast",
        about=(
            "Eight random stacks in the limit of infinite width, with balanced layers; `stacks` is "
            "the depth. It answers whether pooling matters in deep networks: five pairs show no "
            "difference. Such a deep network copies long stretches of the style."
        ),
        exact="The limit of infinite width; more than three stacks, as the study proposes.",
        ours="The depth, the draw of the weights, and everything from the preset fast.",
    ),
)
