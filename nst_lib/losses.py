"""Style and content losses over feature maps.

A feature map F is ``(channels, positions)``, C x U. Its Gram matrix is G = F F^T / U, the mean over
positions (L. A. Gatys, A. S. Ecker, M. Bethge, CVPR 2016, up to their factor). Two normalisations:

========  ===========================  ===========================
name      style term of a layer        content term of a layer
========  ===========================  ===========================
code      ||G_s - G_x||^2 / C^2        ||F_c - F_x||^2 / (C U)
report    ||G_s - G_x||^2 / C          ||F_c - F_x||^2 / C
========  ===========================  ===========================

"code" is what the study's program computes (two means of squares), and what its weights alpha = 1
and beta = 1e8 belong to; "report" is what its equations (3) and (4) say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from nst_lib.network import RandomCNN

NORMALISATIONS = ("code", "report")


@dataclass(frozen=True)
class Losses:
    """Value of the objective, as 0-dimensional tensors.

    Attributes
    ----------
    style, content : Tensor
        Sums over layers, with their weights beta and alpha.
    terms : dict of str to Tensor
        Weighted term of each layer, for example "style relu1".
    """

    style: Tensor
    content: Tensor
    terms: dict[str, Tensor]

    @classmethod
    def of(cls, style: dict[str, Tensor], content: dict[str, Tensor], *, zero: Tensor) -> Self:
        """Sum weighted terms; `zero` stands for a sum without terms."""
        return cls(
            style=sum(style.values(), zero),
            content=sum(content.values(), zero),
            terms=style | content,
        )

    @property
    def total(self) -> Tensor:
        """Style plus content: what is minimised."""
        return self.style + self.content

    def values(self) -> dict[str, float]:
        """Return "style", "content", "total" and every term as numbers."""
        named = {"style": self.style, "content": self.content, "total": self.total, **self.terms}
        return {name: float(value.detach()) for name, value in named.items()}


def gram_matrix(F: Tensor) -> Tensor:
    """Return F F^T / U, shape ``(..., C, C)``, of feature maps ``(..., C, U)``."""
    return F @ F.mT / F.shape[-1]


def gram_distance(F: Tensor, F_s: Tensor) -> Tensor:
    """Squared Frobenius distance between the Gram matrices of two feature maps.

    Uses whichever side is smaller: where there are fewer positions than channels,
    ||F F^T - H H^T||^2 = ||F^T F||^2 - 2 ||F^T H||^2 + ||H^T H||^2 needs only products of
    positions with positions, and the C x C matrices are never made.

    Parameters
    ----------
    F, F_s : Tensor, shape=(C, U) and (C, U_s)
        Feature maps with the same channels.

    Returns
    -------
    Tensor
        0-dimensional; float64 when positions are the smaller side.
    """
    if max(F.shape[-1], F_s.shape[-1]) >= F.shape[-2]:
        return (gram_matrix(F) - gram_matrix(F_s)).square().sum()
    return _inner(F, F) - 2 * _inner(F, F_s) + _inner(F_s, F_s)


def _inner(F: Tensor, H: Tensor) -> Tensor:
    """Inner product of two Gram matrices; the sum cancels against others, so it is in float64."""
    return (F.mT @ H).double().square().sum() / (F.shape[-1] * H.shape[-1])


def validate_normalisation(name: str) -> None:
    """Raise ValueError unless `name` is a normalisation."""
    if name not in NORMALISATIONS:
        raise ValueError(f"normalisation {name!r}; accepted: {', '.join(NORMALISATIONS)}")


class StyleTerm(nn.Module):
    """Distance of a feature map's Gram matrix to the style's; see :func:`gram_distance`.

    Parameters
    ----------
    F_s : Tensor, shape=(C, U_s)
        The style's feature map.
    normalisation : {"code", "report"}
        See the module.
    """

    F_s: Tensor
    target: Tensor

    def __init__(self, F_s: Tensor, *, normalisation: str = "code") -> None:
        super().__init__()
        channels, positions = F_s.shape
        self.scale = 1 / channels**2 if normalisation == "code" else 1 / channels
        self.register_buffer("F_s", F_s)
        wide = positions < channels
        self.register_buffer("target", _inner(F_s, F_s) if wide else gram_matrix(F_s))

    def forward(self, F: Tensor) -> Tensor:
        """Return the term of a feature map ``(C, U)``."""
        if self.target.ndim == 2:
            return (gram_matrix(F) - self.target).square().sum() * self.scale
        if F.shape[-1] >= F.shape[-2]:
            return gram_distance(F, self.F_s) * self.scale
        return (_inner(F, F) - 2 * _inner(F, self.F_s) + self.target) * self.scale


class ContentTerm(nn.Module):
    """Squared distance of a feature map to the content's.

    Parameters
    ----------
    F_c : Tensor, shape=(C, U)
        The content's feature map.
    normalisation : {"code", "report"}
        See the module.
    """

    F_c: Tensor

    def __init__(self, F_c: Tensor, *, normalisation: str = "code") -> None:
        super().__init__()
        channels, positions = F_c.shape
        self.scale = 1 / (channels * positions) if normalisation == "code" else 1 / channels
        self.register_buffer("F_c", F_c)

    def forward(self, F: Tensor) -> Tensor:
        """Return the term of a feature map ``(C, U)``."""
        return (F - self.F_c).square().sum() * self.scale


class TransferLoss(nn.Module):
    """alpha x content terms + beta x style terms, over the layers of a network.

    Parameters
    ----------
    network : RandomCNN
        Gives the feature maps.
    style : Tensor, shape=(freq, time)
        The style's spectrogram.
    content : Tensor, shape=(freq, time), or None
        The content's; None for texture synthesis, without a content term.
    style_layers, content_layers : sequence of str
        Names of feature maps; either may be empty, not both.
    alpha, beta : float >= 0
        Weights of content and style.
    normalisation : {"code", "report"}
        See the module.

    Raises
    ------
    ValueError
        If a layer or the normalisation is unknown, or nothing is left to minimise.
    """

    def __init__(
        self,
        network: RandomCNN,
        *,
        style: Tensor,
        content: Tensor | None,
        style_layers: Sequence[str],
        content_layers: Sequence[str],
        alpha: float = 1.0,
        beta: float = 1e8,
        normalisation: str = "code",
    ) -> None:
        super().__init__()
        validate_normalisation(normalisation)
        self.network = network
        self.alpha, self.beta = alpha, beta
        self.style_terms = nn.ModuleDict()
        self.content_terms = nn.ModuleDict()
        with torch.no_grad():
            for name, F in network(style, style_layers).items():
                self.style_terms[name] = StyleTerm(F.flatten(1), normalisation=normalisation)
            if content is not None:
                for name, F in network(content, content_layers).items():
                    self.content_terms[name] = ContentTerm(
                        F.flatten(1), normalisation=normalisation
                    )
        if not self.style_terms and not self.content_terms:
            raise ValueError("nothing to match; accepted: a style layer, or content and its layer")

    def forward(self, S: Tensor) -> Losses:
        """Return the losses of a spectrogram ``(freq, time)``."""
        maps = self.network(S, {*self.style_terms, *self.content_terms})
        style = {
            f"style {name}": self.beta * term(maps[name].flatten(1))
            for name, term in self.style_terms.items()
        }
        content = {
            f"content {name}": self.alpha * term(maps[name].flatten(1))
            for name, term in self.content_terms.items()
        }
        return Losses.of(style, content, zero=S.new_zeros(()))
