"""Style and content losses over feature maps.

A feature map F has the shape ``(channels, positions)``, C x U. Its Gram matrix is G = F F^T / U, a
mean over positions (L. A. Gatys, A. S. Ecker, M. Bethge, CVPR 2016, except for their factor). Each
source scales the terms in its own way, and its weights are only meant for that scale:

=========  ==================================  ===========================  ======================
name       style term of a layer               content term of a layer      used by
=========  ==================================  ===========================  ======================
code       ||G_s - G_x||^2 / C^2               ||F_c - F_x||^2 / (C U)      the study's program
report     ||G_s - G_x||^2 / C                 ||F_c - F_x||^2 / C          its equations (3), (4)
gatys      ||G_s - G_x||^2 / (4 C^2)           ||F_c - F_x||^2 / 2          Gatys et al. 2016
sum        ||G_s - G_x||^2                     ||F_c - F_x||^2              Ulyanov, Lebedev 2016
raw        ||G_s - G_x||^2 U^2                 ||F_c - F_x||^2              Grinstein et al. 2018
relative   ||G_s - G_x||^2 / ||G_s||^2         ||F_c - F_x||^2 / ||F_c||^2  Antognini et al. 2019
=========  ==================================  ===========================  ======================

Gatys et al. have sums over positions with the factor 1 / (4 C^2 U^2). With the means that we use,
this becomes the factor of "gatys". "raw" has such sums without a factor; U is the number of
positions of the style. With several styles, the target is the mean of their Gram matrices.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nst_lib.base.validation import validate_choice

NORMALISATIONS = ("code", "report", "gatys", "sum", "raw", "relative")


@dataclass(frozen=True)
class Distances:
    """How far a spectrogram is from the style and from the content, layer by layer, unweighted.

    Attributes
    ----------
    style, content : dict of str to Tensor
        The distance for each layer: a 0-dimensional tensor, 0 or more (up to rounding).
    """

    style: dict[str, Tensor]
    content: dict[str, Tensor]


def style_scale(normalisation: str, *, channels: int, positions: int, energy: float) -> float:
    """Return the factor of ||G_s - G_x||^2. The argument `energy` is ||G_s||^2."""
    factors = {
        "code": 1 / channels**2,
        "report": 1 / channels,
        "gatys": 1 / (4 * channels**2),
        "sum": 1.0,
        "raw": float(positions**2),
        "relative": 1 / energy if energy else 1.0,
    }
    return factors[normalisation]


def content_scale(normalisation: str, *, channels: int, positions: int, energy: float) -> float:
    """Return the factor of ||F_c - F_x||^2. The argument `energy` is ||F_c||^2."""
    factors = {
        "code": 1 / (channels * positions),
        "report": 1 / channels,
        "gatys": 0.5,
        "sum": 1.0,
        "raw": 1.0,
        "relative": 1 / energy if energy else 1.0,
    }
    return factors[normalisation]


def several(style: Tensor | Sequence[Tensor]) -> list[Tensor]:
    """Return one style or several styles as a list."""
    return [style] if isinstance(style, Tensor) else list(style)


def gram_matrix(F: Tensor) -> Tensor:
    """Return the Gram matrices F F^T / U ``(..., C, C)`` of feature maps ``(..., C, U)``."""
    return F @ F.mT / F.shape[-1]


def gram_distance(F: Tensor, F_s: Tensor) -> Tensor:
    """Return the squared Frobenius distance between the Gram matrices of two feature maps.

    If there are fewer positions than channels, the C x C matrices are not computed. The identity
    ||F F^T - H H^T||^2 = ||F^T F||^2 - 2 ||F^T H||^2 + ||H^T H||^2 only needs matrices of
    positions by positions.

    Parameters
    ----------
    F, F_s : Tensor, shape=(C, U) and (C, U_s)
        Feature maps with the same number of channels.

    Returns
    -------
    Tensor
        A 0-dimensional tensor; float64 if there are fewer positions than channels.
    """
    if max(F.shape[-1], F_s.shape[-1]) >= F.shape[-2]:
        return (gram_matrix(F) - gram_matrix(F_s)).square().sum()
    return _inner(F, F) - 2 * _inner(F, F_s) + _inner(F_s, F_s)


def _inner(F: Tensor, H: Tensor) -> Tensor:
    """Return the inner product of two Gram matrices, in float64 because such are subtracted."""
    return (F.mT @ H).double().square().sum() / (F.shape[-1] * H.shape[-1])


def side_by_side(maps: Sequence[Tensor]) -> Tensor:
    """Join feature maps ``(C, U_k)`` into one whose Gram matrix is the mean of theirs."""
    total = sum(F.shape[-1] for F in maps)
    return torch.cat([F * math.sqrt(total / (len(maps) * F.shape[-1])) for F in maps], dim=-1)


class StyleTerm(nn.Module):
    """Distance between the Gram matrices of a feature map and the style; see `gram_distance`.

    Parameters
    ----------
    F_s : Tensor, shape=(C, U_s)
        The style's feature map.
    normalisation : str
        One of `NORMALISATIONS`.
    """

    F_s: Tensor
    target: Tensor

    def __init__(self, F_s: Tensor, *, normalisation: str = "code") -> None:
        super().__init__()
        channels, positions = F_s.shape
        self.register_buffer("F_s", F_s)
        wide = positions < channels
        self.register_buffer("target", _inner(F_s, F_s) if wide else gram_matrix(F_s))
        energy = float(self.target if wide else self.target.square().sum())
        self.scale = style_scale(
            normalisation, channels=channels, positions=positions, energy=energy
        )

    def forward(self, F: Tensor) -> Tensor:
        """Return the term of a feature map ``(C, U)``."""
        if self.target.ndim == 2:
            return (gram_matrix(F) - self.target).square().sum() * self.scale
        if F.shape[-1] >= F.shape[-2]:
            return gram_distance(F, self.F_s) * self.scale
        return (_inner(F, F) - 2 * _inner(F, self.F_s) + self.target) * self.scale


class ContentTerm(nn.Module):
    """Squared distance between a feature map and the content's.

    Parameters
    ----------
    F_c : Tensor, shape=(C, U)
        The content's feature map.
    normalisation : str
        One of `NORMALISATIONS`.
    """

    F_c: Tensor

    def __init__(self, F_c: Tensor, *, normalisation: str = "code") -> None:
        super().__init__()
        channels, positions = F_c.shape
        self.scale = content_scale(
            normalisation,
            channels=channels,
            positions=positions,
            energy=float(F_c.square().sum()),
        )
        self.register_buffer("F_c", F_c)

    def forward(self, F: Tensor) -> Tensor:
        """Return the term of a feature map ``(C, U)``."""
        return (F - self.F_c).square().sum() * self.scale


class GramDistances(nn.Module):
    """Distances to style and content in the feature maps of a network.

    Parameters
    ----------
    network : nn.Module
        Computes the feature maps. It is called with a spectrogram and the names of layers, and
        returns a dict of feature maps, as :class:`nst_lib.RandomCNN` does.
    style : Tensor, shape=(freq, time), or sequence of them
        The spectrogram of the style, or the spectrograms of several styles.
    content : Tensor, shape=(freq, time), or None
        The spectrogram of the content, or None for texture synthesis.
    style_layers, content_layers : sequence of str
        Names of feature maps.
    normalisation : str
        One of `NORMALISATIONS`.

    Raises
    ------
    ValueError
        If a layer or the normalisation is unknown.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        style: Tensor | Sequence[Tensor],
        content: Tensor | None,
        style_layers: Sequence[str],
        content_layers: Sequence[str],
        normalisation: str = "code",
    ) -> None:
        super().__init__()
        validate_choice(normalisation=(normalisation, NORMALISATIONS))
        self.network = network
        self.style_terms = nn.ModuleDict()
        self.content_terms = nn.ModuleDict()
        with torch.no_grad():
            maps = [network(S, style_layers) for S in several(style)]
            for name in style_layers:
                F = side_by_side([one[name].flatten(1) for one in maps])
                self.style_terms[name] = StyleTerm(F, normalisation=normalisation)
            if content is not None:
                for name, F in network(content, content_layers).items():
                    self.content_terms[name] = ContentTerm(
                        F.flatten(1), normalisation=normalisation
                    )

    def forward(self, S: Tensor) -> Distances:
        """Return the distances of a spectrogram ``(freq, time)``."""
        maps = self.network(S, {*self.style_terms, *self.content_terms})
        return Distances(
            style={name: term(maps[name].flatten(1)) for name, term in self.style_terms.items()},
            content={
                name: term(maps[name].flatten(1)) for name, term in self.content_terms.items()
            },
        )
