"""What is minimised: style and content, weighed.

Published, with `content_weight` None (alpha = 1 and beta = 1e8 in the study):

    beta * sum_l w_l S_l(x)  +  alpha * (sum_l w_l C_l(x) + other content terms)

Acting, with a `content_weight` w between 0 (all style) and 1 (all content):

    (1 - w) * sqrt(sum_l w_l S_l(x) / sum_l w_l S_l(reference))  +  w * mean of the content terms
        +  mean((x - x clipped to [0, m])^2) / mean(s^2)

S_l and C_l are the distances of layers (:mod:`nst_lib.core.losses`,
:mod:`nst_lib.core.kernel`). The
reference is the content, so that the style's part is 1 there and 0 at the style; without a content,
silence. The root makes of the squared distance, which spans six decades, one that w can weigh.
Content terms are 0 at the content and about 1 at an unrelated sound: the correlations of
:mod:`nst_lib.core.content`, and the features' distances relative to that of silence.

The last part keeps a spectrogram x within the range of style s and content, m the larger of their
maxima: logarithms hardly mind a loud click or an amplitude below 0, ears do.

The weights of layers w_l are 1 ("published") or make the layers' terms equal at the reference
("balanced"; for content at silence), with the sum as published.

Where the style's relative loss has come down to r, both objectives pull the same way if
alpha C_0 / (beta S_0) = 2 sqrt(r) w / (1 - w), with S_0 and C_0 the normalisers above
(:meth:`TransferLoss.published_weight`): the study's weights amount to a w of 5e-9 at the start and
5e-6 where r is 1e-6.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn

from nst_lib.base.validation import validate_choice
from nst_lib.core.content import CORRELATIONS, correlation_term
from nst_lib.core.kernel import InfiniteCNN, KernelDistances
from nst_lib.core.losses import Distances, GramDistances, several
from nst_lib.core.transforms import Transform

LAYER_WEIGHTS = ("published", "balanced")
CONTENT_TERMS = ("features", *CORRELATIONS)

#: Added under the root, so that its gradient stays finite at the style.
_FLOOR = 1e-8
#: Least normaliser, as a share of the distance to silence: where content and style are one sound.
_LEAST = 1e-6


@dataclass(frozen=True)
class Losses:
    """Value of the objective, as 0-dimensional tensors.

    Attributes
    ----------
    style, content : Tensor
        The two weighted parts.
    terms : dict of str to Tensor
        What they are made of, for example "style relu1": weighted terms that add up to them, or,
        with a content weight, relative distances.
    bound : Tensor or None
        What leaving the range of style and content costs; with a content weight.
    """

    style: Tensor
    content: Tensor
    terms: dict[str, Tensor]
    bound: Tensor | None = None

    @classmethod
    def of(cls, style: dict[str, Tensor], content: dict[str, Tensor], *, zero: Tensor) -> Self:
        """Sum weighted terms; `zero` stands for a sum without terms."""
        return cls(
            style=sum(style.values(), zero),
            content=sum(content.values(), zero),
            terms=_named(style, content),
        )

    @property
    def total(self) -> Tensor:
        """Style plus content (plus bound): what is minimised."""
        total = self.style + self.content
        return total if self.bound is None else total + self.bound

    def values(self) -> dict[str, float]:
        """Return "style", "content", "total", every term and any "bound" as numbers."""
        named = {"style": self.style, "content": self.content, "total": self.total, **self.terms}
        if self.bound is not None:
            named["bound"] = self.bound
        return {name: float(value.detach()) for name, value in named.items()}


class TransferLoss(nn.Module):
    """The objective of a transfer; see the module.

    Parameters
    ----------
    network : nn.Module
        What the features are of; see :class:`nst_lib.core.losses.GramDistances`.
    style : Tensor, shape=(freq, time), or sequence of them
        The style's spectrogram, or those of several at once.
    content : Tensor, shape=(freq, time), or None
        The content's; None for texture synthesis, without a content term.
    style_layers, content_layers : sequence of str
        Names of feature maps; see `content_terms` for the latter.
    alpha, beta : float >= 0
        Weights of content and style where there is no `content_weight`.
    normalisation : str
        See :mod:`nst_lib.core.losses`.
    layer_weights : {"published", "balanced"}
        See the module.
    content_terms : sequence of {"features", "onset", "spectrogram"}
        "features" are the `content_layers`; the others are in :mod:`nst_lib.core.content`.
    content_weight : float in [0, 1] or None
        See the module.
    transform : Transform or None
        What the spectrograms are of; the correlations need it.

    Raises
    ------
    ValueError
        If a name is unknown, or nothing is left to minimise.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        style: Tensor | Sequence[Tensor],
        content: Tensor | None,
        style_layers: Sequence[str],
        content_layers: Sequence[str],
        alpha: float = 1.0,
        beta: float = 1e8,
        normalisation: str = "code",
        layer_weights: str = "published",
        content_terms: Sequence[str] = ("features",),
        content_weight: float | None = None,
        transform: Transform | None = None,
    ) -> None:
        super().__init__()
        validate_choice(layer_weights=(layer_weights, LAYER_WEIGHTS))
        for name in content_terms:
            validate_choice(content_terms=(name, CONTENT_TERMS))
        styles = several(style)
        kind = KernelDistances if isinstance(network, InfiniteCNN) else GramDistances
        self.distances = kind(
            network,  # type: ignore[arg-type]
            style=styles,
            content=content,
            style_layers=style_layers,
            content_layers=content_layers if "features" in content_terms else (),
            normalisation=normalisation,
        )
        self.correlations = nn.ModuleDict()
        if content is not None:
            for name in sorted(set(content_terms) & set(CORRELATIONS)):
                if transform is None:
                    raise ValueError(f"content_terms {name!r} without a transform; accepted: one")
                self.correlations[name] = correlation_term(name, content, transform)
        self.alpha, self.beta = alpha, beta
        self.balanced = layer_weights == "balanced"
        self.content_weight = content_weight
        sounds = styles if content is None else [*styles, content]
        self.ceiling = max(float(sound.max()) for sound in sounds)
        self.energy = float(torch.cat([S.flatten() for S in styles]).square().mean()) or 1.0
        features = content is not None and "features" in content_terms and content_layers
        if not style_layers and not features and not self.correlations:
            raise ValueError("nothing to match; accepted: a style layer, or content and its term")
        self.style_weights = dict.fromkeys(style_layers, 1.0)
        self.content_weights = dict.fromkeys(content_layers, 1.0)
        if self.balanced or content_weight is not None:
            self._normalise(styles[0], content)

    @torch.no_grad()
    def _normalise(self, style: Tensor, content: Tensor | None) -> None:
        silence: Distances = self.distances(torch.zeros_like(style if content is None else content))
        reference = silence if content is None else self.distances(content)
        at = {
            name: max(float(value), _LEAST * float(silence.style[name]))
            for name, value in reference.style.items()
        }
        self.style_weights = _layer_weights(at, balanced=self.balanced)
        self.style_scale = sum(self.style_weights[name] * at[name] for name in at)
        self.content_scales = {name: float(value) for name, value in silence.content.items()}
        self.content_weights = _layer_weights(self.content_scales, balanced=self.balanced)

    def forward(self, S: Tensor) -> Losses:
        """Return the losses of a spectrogram ``(freq, time)``."""
        distances: Distances = self.distances(S)
        correlations = {name: term(S) for name, term in self.correlations.items()}
        if self.content_weight is None:
            style = _weighted(distances.style, self.style_weights, self.beta)
            content = _weighted(distances.content, self.content_weights, self.alpha)
            content |= {name: self.alpha * value for name, value in correlations.items()}
            return Losses.of(style, content, zero=S.new_zeros(()))
        losses = self._act(distances, correlations, S.new_zeros(()))
        excess = S - S.clamp(0, self.ceiling)
        return replace(losses, bound=excess.square().mean() / self.energy)

    def _act(self, distances: Distances, correlations: dict[str, Tensor], zero: Tensor) -> Losses:
        style = _weighted(distances.style, self.style_weights, 1 / (self.style_scale or 1))
        features = {n: value / self.content_scales[n] for n, value in distances.content.items()}
        content = [*correlations.values()]
        if features:
            content.append(sum(features.values(), zero) / len(features))
        weight = float(self.content_weight or 0) if content else 0.0
        relative = sum(style.values(), zero).clamp_min(0)
        return Losses(
            style=(1 - weight) * ((relative + _FLOOR).sqrt() if style else zero),
            content=weight * sum(content, zero) / max(len(content), 1),
            terms=_named(style, features | correlations),
        )

    def published_weight(self, *, relative_style_loss: float) -> float:
        """Return the content weight that alpha and beta amount to, for the features' terms.

        For an objective with a content weight or balanced layers, which has the normalisers.

        Parameters
        ----------
        relative_style_loss : float > 0
            Style loss as a share of the content's own: how far the optimisation has come.

        Returns
        -------
        float
            0 to 1; 0 without content layers.
        """
        content = sum(self.content_scales.values()) / max(len(self.content_scales), 1)
        ratio = self.alpha * content / (self.beta * self.style_scale)
        odds = ratio / (2 * relative_style_loss**0.5)
        return float(odds / (1 + odds))


def _layer_weights(at: Mapping[str, float], *, balanced: bool) -> dict[str, float]:
    """Weights of layers from their distances somewhere; balanced ones share the sum equally."""
    mean = sum(at.values()) / max(len(at), 1)
    return {name: mean / value if balanced else 1.0 for name, value in at.items()}


def _weighted(
    distances: Mapping[str, Tensor], weights: Mapping[str, float], factor: float
) -> dict[str, Tensor]:
    return {name: factor * weights[name] * value for name, value in distances.items()}


def _named(style: Mapping[str, Tensor], content: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        **{f"style {name}": value for name, value in style.items()},
        **{f"content {name}": value for name, value in content.items()},
    }
