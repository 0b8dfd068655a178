"""A system of one's own: the style's mean spectrum on the content, and no network."""

from nst_lib.config import GriffinLim, StyleWeight, Transforms
from nst_lib.core.losses import several
from nst_lib.core.objective import Losses
from nst_lib.system import Preset, System


class MeanSpectrum(StyleWeight, GriffinLim, Transforms, System):
    """Has the settings of the groups that it inherits, and a loss."""

    preset: str = "mean_spectrum"

    def loss(self, transform, *, style, content):
        """Return the squared distance to the mean spectrum of the styles."""
        spectra = [S.mean(-1) for S in several(style)]
        target = sum(spectra) / len(spectra)

        def loss(S):
            distance = self.beta * (S.mean(-1) - target).square().mean()
            return Losses.of({"mean spectrum": distance}, {}, zero=0 * distance)

        return loss


PRESET = Preset(
    config=MeanSpectrum(beta=1.0, line_search="strong_wolfe", history=10, steps=40),
    source="an example, docs/example_system",
    about="The mean spectrum of the style on the content, and nothing else.",
    ours="Everything.",
)
