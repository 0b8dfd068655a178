"""Deeper networks, the study's future work: whether pooling matters with 4 to 8 stacks.

Eight stacks in the limit of infinite width, every rectified layer in the style, all with equal
shares. Weights have the variance 4 / (fan_in + fan_out) of Ulyanov and Lebedev, twice the inverse
of the channels behind the first layer, and no biases, so that a signal is as large in the eighth
layer as in the first; with the study's, the fourth sees little but its biases. A shallower network
is one whose deepest style layers are left out: nothing is computed beyond the deepest.

Measured over the study's five pairs (`notebooks/conditions/deep.yaml`, 80 evaluations): no
difference between max and average pooling can be shown with 4, 6 or 8 stacks, in any score; that
there is none, within 0.05, only for rhythm with 4 and 6. Depth itself copies: 8 stacks see longer
than five seconds, and half of the style's course comes back (:func:`nst_lib.metrics.copying`).
"""

from nst_lib.systems import Preset, fast

STACKS = 8

PRESETS = (
    Preset(
        config=fast.CONFIG.replace(
            preset="deep",
            stacks=STACKS,
            init="ulyanov2016",
            style_layers=tuple(f"relu{stack}" for stack in range(1, STACKS + 1)),
        ),
        source="ours: the future work of D. Milacic 2020, on top of the preset fast",
        about=(
            "Eight random stacks in the limit of infinite width, their layers balanced. Whether "
            "pooling matters then: not that five pairs could show. So much depth copies much of "
            "the style's course."
        ),
        exact="The limit; more stacks than three, as the study proposes.",
        ours="Depth, draw of the weights, and all that the preset fast has.",
    ),
)
