"""What is minimised: a weighted sum, or a trade-off, of distances to style and content.

:class:`WeightedSum` is the published objective (alpha = 1 and beta = 1e8 in the study):

    beta * sum_l w_l S_l(x)  +  alpha * (sum_l w_l C_l(x) + other content terms)

:class:`TradeOff` has a content weight w that acts, between 0 (all style) and 1 (all content):

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
(:func:`published_weight`): the study's weights amount to a w of 5e-9 at the start and
5e-6 where r is 1e-6.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Self

import torch
from torch import Tensor, nn

from nst_lib.base.validation import validate_choice
from nst_lib.core.content import CORRELATIONS, correlation_term
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


#: What a content term is made of: the content's spectrogram and the transform. It returns the
#: distance of a spectrogram: 0 at the content, about 1 at an unrelated sound.
ContentTermMaker = Callable[[Tensor, Transform], Callable[[Tensor], Tensor]]


class Terms(nn.Module):
    """Unweighted distances of a spectrogram to style and content, of every kind.

    Parameters
    ----------
    distances : nn.Module
        Spectrogram -> :class:`nst_lib.core.losses.Distances` in the feature maps of a network.
    correlations : dict of str to callable
        Other content terms, by name: spectrogram -> Tensor.
    style : sequence of Tensor, shape=(freq, time)
        The style's spectrograms.
    content : Tensor, shape=(freq, time), or None
        The content's.
    """

    def __init__(
        self,
        distances: nn.Module,
        correlations: Mapping[str, Callable[[Tensor], Tensor]],
        *,
        style: Sequence[Tensor],
        content: Tensor | None,
    ) -> None:
        super().__init__()
        self.distances = distances
        self.correlations = dict(correlations)
        self.modules_of_terms = nn.ModuleList(
            term for term in correlations.values() if isinstance(term, nn.Module)
        )
        sounds = [*style] if content is None else [*style, content]
        self.ceiling = max(float(sound.max()) for sound in sounds)
        self.energy = float(torch.cat([S.flatten() for S in style]).square().mean()) or 1.0
        self.content = content
        self.size = style[0] if content is None else content

    def forward(self, S: Tensor) -> tuple[Distances, dict[str, Tensor]]:
        """Return the distances in the network, and the other content terms."""
        return self.distances(S), {name: term(S) for name, term in self.correlations.items()}

    def excess(self, S: Tensor) -> Tensor:
        """Return the cost of leaving the range of style and content."""
        return (S - S.clamp(0, self.ceiling)).square().mean() / self.energy

    @cached_property
    def style_at(self) -> dict[str, float]:
        """Distance of the reference to the style in each layer; never quite 0."""
        reference = self._silence if self.content is None else self._at(self.content)
        return {
            name: max(float(value), _LEAST * float(self._silence.style[name]))
            for name, value in reference.style.items()
        }

    @cached_property
    def content_at(self) -> dict[str, float]:
        """Distance of silence to the content in each layer."""
        return {name: float(value) for name, value in self._silence.content.items()}

    @cached_property
    def _silence(self) -> Distances:
        return self._at(torch.zeros_like(self.size))

    @torch.no_grad()
    def _at(self, S: Tensor) -> Distances:
        distances: Distances = self.distances(S)
        return distances


class WeightedSum(nn.Module):
    """The published objective: alpha times content plus beta times style; see the module.

    Parameters
    ----------
    terms : Terms
        What is weighed.
    alpha, beta : float >= 0
        Weights of content and style.
    balanced : bool
        Whether layers have equal shares at the reference.
    """

    def __init__(
        self, terms: Terms, *, alpha: float = 1.0, beta: float = 1e8, balanced: bool = False
    ) -> None:
        super().__init__()
        self.terms, self.alpha, self.beta = terms, alpha, beta
        self.style_weights = _balance(terms.style_at) if balanced else {}
        self.content_weights = _balance(terms.content_at) if balanced else {}

    def forward(self, S: Tensor) -> Losses:
        """Return the losses of a spectrogram ``(freq, time)``."""
        distances, correlations = self.terms(S)
        style = _weighted(distances.style, self.style_weights, self.beta)
        content = _weighted(distances.content, self.content_weights, self.alpha)
        content |= {name: self.alpha * value for name, value in correlations.items()}
        return Losses.of(style, content, zero=S.new_zeros(()))


class TradeOff(nn.Module):
    """The objective with a content weight that acts; see the module.

    Parameters
    ----------
    terms : Terms
        What is weighed.
    content_weight : float in [0, 1]
        0 is all style, 1 all content.
    balanced : bool
        Whether layers have equal shares at the reference.
    """

    def __init__(self, terms: Terms, *, content_weight: float, balanced: bool = False) -> None:
        super().__init__()
        self.terms, self.content_weight = terms, content_weight
        self.style_weights = _balance(terms.style_at) if balanced else {}
        self.style_scale = sum(
            self.style_weights.get(name, 1.0) * value for name, value in terms.style_at.items()
        )
        self.content_scales = terms.content_at

    def forward(self, S: Tensor) -> Losses:
        """Return the losses of a spectrogram ``(freq, time)``."""
        distances, correlations = self.terms(S)
        zero = S.new_zeros(())
        style = _weighted(distances.style, self.style_weights, 1 / (self.style_scale or 1))
        features = {
            name: value / self.content_scales[name] for name, value in distances.content.items()
        }
        content = [*correlations.values()]
        if features:
            content.append(sum(features.values(), zero) / len(features))
        weight = self.content_weight if content else 0.0
        relative = sum(style.values(), zero).clamp_min(0)
        return Losses(
            style=(1 - weight) * ((relative + _FLOOR).sqrt() if style else zero),
            content=weight * sum(content, zero) / max(len(content), 1),
            terms=_named(style, features | correlations),
            bound=self.terms.excess(S),
        )


def transfer_loss(
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
    own_term: ContentTermMaker | None = None,
) -> WeightedSum | TradeOff:
    """Return the objective of a transfer in the feature maps of a network.

    Parameters
    ----------
    network : nn.Module
        What the features are of; see :func:`nst_lib.core.losses.GramDistances`. A network that
        compares sounds in a way of its own has a method `distances` with the same arguments.
    style : Tensor, shape=(freq, time), or sequence of them
        The style's spectrogram, or those of several styles at once.
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
        None gives :class:`WeightedSum`, a number :class:`TradeOff`.
    transform : Transform or None
        What the spectrograms are of; the content terms other than "features" need it.
    own_term : callable or None
        Another content term: a function of the content's spectrogram and the transform that
        returns a function of a spectrogram.

    Raises
    ------
    ValueError
        If a name is unknown, or nothing is left to minimise.
    """
    validate_choice(layer_weights=(layer_weights, LAYER_WEIGHTS))
    for name in content_terms:
        validate_choice(content_terms=(name, CONTENT_TERMS))
    styles = several(style)
    features = tuple(content_layers) if "features" in content_terms else ()
    correlations = _correlations(content_terms, own_term, content, transform)
    if not style_layers and not (features and content is not None) and not correlations:
        raise ValueError(
            "nothing to match: name a style layer, or give a content and name a content term"
        )
    compare = getattr(network, "distances", None) or partial(GramDistances, network)
    distances = compare(
        style=styles,
        content=content,
        style_layers=style_layers,
        content_layers=features,
        normalisation=normalisation,
    )
    terms = Terms(distances, correlations, style=styles, content=content)
    balanced = layer_weights == "balanced"
    if content_weight is None:
        return WeightedSum(terms, alpha=alpha, beta=beta, balanced=balanced)
    return TradeOff(terms, content_weight=content_weight, balanced=balanced)


def published_weight(
    terms: Terms, *, alpha: float, beta: float, relative_style_loss: float
) -> float:
    """Return the content weight that alpha and beta amount to, for the features' terms.

    Parameters
    ----------
    terms : Terms
        What is weighed; layers as published.
    alpha, beta : float > 0
        Weights of content and style.
    relative_style_loss : float > 0
        Style loss as a share of the content's own: how far the optimisation has come.

    Returns
    -------
    float
        0 to 1; 0 without content layers.
    """
    content = sum(terms.content_at.values()) / max(len(terms.content_at), 1)
    ratio = alpha * content / (beta * sum(terms.style_at.values()))
    odds = ratio / (2 * relative_style_loss**0.5)
    return float(odds / (1 + odds))


def _correlations(
    names: Sequence[str],
    own: ContentTermMaker | None,
    content: Tensor | None,
    transform: Transform | None,
) -> dict[str, Callable[[Tensor], Tensor]]:
    """Return the content terms that are not distances of features."""
    wanted = sorted(set(names) & set(CORRELATIONS))
    if content is None or not (wanted or own):
        return {}
    if transform is None:
        raise ValueError(f"content_terms {(wanted or ['own'])[0]!r} without a transform: give one")
    made: dict[str, Callable[[Tensor], Tensor]] = {
        name: correlation_term(name, content, transform) for name in wanted
    }
    return made if own is None else {**made, "own": own(content, transform)}


def _balance(at: Mapping[str, float]) -> dict[str, float]:
    """Return weights of layers that share the sum of their distances somewhere equally."""
    mean = sum(at.values()) / max(len(at), 1)
    return {name: mean / value for name, value in at.items()}


def _weighted(
    distances: Mapping[str, Tensor], weights: Mapping[str, float], factor: float
) -> dict[str, Tensor]:
    """Return weighted distances; a layer without a weight has 1."""
    return {name: factor * weights.get(name, 1.0) * value for name, value in distances.items()}


def _named(style: Mapping[str, Tensor], content: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        **{f"style {name}": value for name, value in style.items()},
        **{f"content {name}": value for name, value in content.items()},
    }
