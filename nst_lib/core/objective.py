"""The objective: a weighted sum of distances to style and content, or a trade-off between them.

:class:`WeightedSum` is the published objective (alpha = 1 and beta = 1e8 in the study):

    beta * sum_l w_l S_l(x)  +  alpha * (sum_l w_l C_l(x) + other content terms)

:class:`TradeOff` has a content weight w with an audible effect, from 0 (all style) to 1 (all
content):

    (1 - w) * sqrt(sum_l w_l S_l(x) / sum_l w_l S_l(reference))  +  w * mean of the content terms
        +  mean((x - x clipped to [0, m])^2) / mean(s^2)

S_l and C_l are the distances in layer l (:mod:`nst_lib.core.losses`, :mod:`nst_lib.core.kernel`).
The reference is the content, or silence if there is no content. The style's part is 1 at the
reference and 0 at the style. The squared distance spans six decades; its root spans three, so that
w can weigh it against the content. Content terms are 0 at the content and about 1 at an unrelated
sound. They are the correlations of :mod:`nst_lib.core.content`, and the distances of features
relative to the distance of silence.

The last part keeps a spectrogram x within the range of the style s and the content; m is the larger
of their maxima. A loud click or an amplitude below 0 hardly changes a distance of logarithms, but
it is audible.

The weights of layers w_l are all 1 ("published"), or they give all layers the same share
("balanced"): for the style at the reference, for the content at silence. The sum stays the same.

When the relative style loss has fallen to r, the gradients of both objectives have the same
direction if alpha C_0 / (beta S_0) = 2 sqrt(r) w / (1 - w), where S_0 and C_0 are the normalisers
above (:func:`published_weight`). The study's weights correspond to w = 5e-9 at the start and to
w = 5e-6 at r = 1e-6.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Protocol, Self

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
#: The smallest normaliser, as a share of the distance between silence and the style. It is used
#: where content and style are the same sound.
LEAST_DISTANCE = 1e-6
#: The same where even silence is no distance away: for very soft sounds, or few channels.
TINY = 1e-30


@dataclass(frozen=True)
class Losses:
    """The value of the objective and its parts, as 0-dimensional tensors.

    Attributes
    ----------
    style, content : Tensor
        The weighted style loss and the weighted content loss.
    terms : dict of str to Tensor
        The terms of both losses by name, for example "style relu1". With :class:`WeightedSum` they
        are weighted and add up to the losses. With :class:`TradeOff` they are relative distances.
    bound : Tensor or None
        The cost of leaving the range of style and content, or None if there is no such cost.
    gains : Tensor or None
        The weighted cost of gains, in domain "gains"; else None.
    """

    style: Tensor
    content: Tensor
    terms: dict[str, Tensor]
    bound: Tensor | None = None
    gains: Tensor | None = None

    @classmethod
    def of(cls, style: dict[str, Tensor], content: dict[str, Tensor], *, zero: Tensor) -> Self:
        """Return the losses with these weighted terms. `zero` is the sum if there are no terms."""
        return cls(
            style=sum(style.values(), zero),
            content=sum(content.values(), zero),
            terms=_named(style, content),
        )

    @property
    def total(self) -> Tensor:
        """The value that is minimised: style plus content, plus the costs that there are."""
        return sum(self._costs().values(), self.style + self.content)

    def values(self) -> dict[str, float]:
        """Return "style", "content", "total", all terms and the costs (if any) as numbers."""
        named = {"style": self.style, "content": self.content, "total": self.total, **self.terms}
        named |= self._costs()
        device = self.total.device
        together = torch.stack([value.detach().double().to(device) for value in named.values()])
        return dict(zip(named, together.tolist(), strict=True))  # one wait for the device

    def _costs(self) -> dict[str, Tensor]:
        costs = {"bound": self.bound, "gains": self.gains}
        return {name: cost for name, cost in costs.items() if cost is not None}


#: A function that makes a content term from the content's spectrogram and the transform. The term
#: is a function of a spectrogram. It should be 0 at the content and about 1 at an unrelated sound.
ContentTermMaker = Callable[[Tensor, Transform], Callable[[Tensor], Tensor]]


class AnyTerms(Protocol):
    """What the objectives weigh: :class:`Terms`, or those of a long sound in blocks."""

    @property
    def style_at(self) -> dict[str, float]:
        """Distance between the reference and the style in each layer."""

    @property
    def content_at(self) -> dict[str, float]:
        """Distance between silence and the content in each layer."""

    def __call__(self, x: Any) -> tuple[Distances, dict[str, Tensor]]:
        """Return the distances in the network and the other content terms."""

    def excess(self, x: Any) -> Tensor:
        """Return the cost of leaving the range of style and content."""


class Terms(nn.Module):
    """All distances of a spectrogram to style and content, unweighted.

    Parameters
    ----------
    distances : nn.Module
        Computes the :class:`nst_lib.core.losses.Distances` of a spectrogram in the feature maps of
        a network.
    correlations : dict of str to callable
        The other content terms by name. Each is a function of a spectrogram.
    style : sequence of Tensor, shape=(freq, time)
        The spectrograms of the styles.
    content : Tensor, shape=(freq, time), or None
        The spectrogram of the content, if there is one.
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
        """Return the distances in the network and the other content terms."""
        return self.distances(S), {name: term(S) for name, term in self.correlations.items()}

    def excess(self, S: Tensor) -> Tensor:
        """Return the cost of leaving the range of style and content."""
        return (S - S.clamp(0, self.ceiling)).square().mean() / self.energy

    @cached_property
    def style_at(self) -> dict[str, float]:
        """Distance between the reference and the style in each layer.

        It is at least a small share of the distance between silence and the style.
        """
        reference = self._silence if self.content is None else self._at(self.content)
        return {
            name: max(float(value), LEAST_DISTANCE * float(self._silence.style[name]), TINY)
            for name, value in reference.style.items()
        }

    @cached_property
    def content_at(self) -> dict[str, float]:
        """Distance between silence and the content in each layer."""
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
        The distances that are weighted.
    alpha, beta : float >= 0
        Weights of content and style.
    balanced : bool
        Whether the weights of layers are "balanced"; see the module.
    """

    def __init__(
        self, terms: AnyTerms, *, alpha: float = 1.0, beta: float = 1e8, balanced: bool = False
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
        return Losses.of(style, content, zero=torch.zeros(()))


class TradeOff(nn.Module):
    """The objective with a content weight from 0 to 1; see the module.

    Parameters
    ----------
    terms : Terms
        The distances that are weighted.
    content_weight : float in [0, 1]
        Content weight: 0 is all style, 1 is all content.
    balanced : bool
        Whether the weights of style layers are "balanced"; see the module.
    """

    def __init__(self, terms: AnyTerms, *, content_weight: float, balanced: bool = False) -> None:
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
        zero = torch.zeros(())
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
        The network that computes the features; see :class:`nst_lib.core.losses.GramDistances`. If
        the network has a method `distances` with the same arguments, that one is used instead.
    style : Tensor, shape=(freq, time), or sequence of them
        The spectrogram of the style, or the spectrograms of several styles.
    content : Tensor, shape=(freq, time), or None
        The spectrogram of the content, or None for texture synthesis without content terms.
    style_layers, content_layers : sequence of str
        Names of feature maps. The content layers are used if `content_terms` has "features".
    alpha, beta : float >= 0
        Weights of content and style; not used if there is a `content_weight`.
    normalisation : str
        Scale of the terms; see :mod:`nst_lib.core.losses`.
    layer_weights : {"published", "balanced"}
        Weights of the layers; see the module.
    content_terms : sequence of {"features", "onset", "spectrogram"}
        "features" compares the `content_layers`; the others are in :mod:`nst_lib.core.content`.
    content_weight : float in [0, 1] or None
        A number selects :class:`TradeOff`, None selects :class:`WeightedSum`.
    transform : Transform or None
        The transform that makes the spectrograms. Content terms other than "features" need it.
    own_term : callable or None
        Maker of another content term: a function of the content's spectrogram and the transform
        that returns a function of a spectrogram.

    Raises
    ------
    ValueError
        If a name is unknown, or if there is nothing to minimise.
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
    """Return the content weight that corresponds to alpha and beta.

    Content terms other than distances of features are left out.

    Parameters
    ----------
    terms : Terms
        The distances that are weighted, with the layer weights "published".
    alpha, beta : float > 0
        Weights of content and style.
    relative_style_loss : float > 0
        Style loss as a share of the style loss of the content. It falls during the optimisation.

    Returns
    -------
    float
        Content weight from 0 to 1; 0 if there are no content layers.
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
        name = (wanted or ["own"])[0]
        raise ValueError(f"content_terms {name!r} needs a transform: give one")
    made: dict[str, Callable[[Tensor], Tensor]] = {
        name: correlation_term(name, content, transform) for name in wanted
    }
    return made if own is None else {**made, "own": own(content, transform)}


def _balance(at: Mapping[str, float]) -> dict[str, float]:
    """Return weights that give every layer the same share of the sum of these distances."""
    mean = sum(at.values()) / max(len(at), 1)
    return {name: mean / value for name, value in at.items()}


def _weighted(
    distances: Mapping[str, Tensor], weights: Mapping[str, float], factor: float
) -> dict[str, Tensor]:
    """Return the weighted distances. The weight of a layer that is not in `weights` is 1."""
    return {name: factor * weights.get(name, 1.0) * value for name, value in distances.items()}


def _named(style: Mapping[str, Tensor], content: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        **{f"style {name}": value for name, value in style.items()},
        **{f"content {name}": value for name, value in content.items()},
    }
