"""Systems that compare the feature maps of a network, among them the study's random network."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
from pydantic import model_validator
from torch import Tensor, nn

from nst_lib.base.threads import MOST, free_threads
from nst_lib.base.validation import setting, validate_memory
from nst_lib.config import (
    Balance,
    Blocks,
    ConfigError,
    Filters,
    GriffinLim,
    Layers,
    Stacks,
    Transforms,
)
from nst_lib.core import landmarks
from nst_lib.core.blocks import BlockTerms
from nst_lib.core.kernel import InfiniteCNN
from nst_lib.core.landmarks import LandmarkCNN
from nst_lib.core.losses import several
from nst_lib.core.network import RandomCNN, n_weights
from nst_lib.core.objective import ContentTermMaker, Losses, TradeOff, WeightedSum, transfer_loss
from nst_lib.core.transforms import STFT, Transform
from nst_lib.system import OF_STARTS, OF_TRANSFORMS, Growth, System

#: What an evaluation in blocks takes, over one that keeps all for its gradient.
TWO_PASSES = 1.4
#: Number of channels from which on the products of a finite network are faster on all threads.
WIDE = 512
#: Longest sound of a trial whose time grows with the square of the length, in seconds.
TRIAL_SECONDS_SQUARED = 5.0


class FeatureTransfer(Balance, Layers, GriffinLim, Transforms, System):
    """A system whose loss compares the feature maps of a network."""

    replaceable = {  # noqa: RUF012
        "transform": OF_TRANSFORMS,
        "start": OF_STARTS,
        "network": tuple(Stacks.model_fields),
        "content_term": ("content_terms",),
    }

    def network(self, *, n_freq: int, n_frames: int) -> nn.Module:
        """Return the network for views of a size."""
        raise NotImplementedError(
            f"{type(self).__name__} has no network: define its method network"
        )

    def loss(
        self, transform: Transform, *, style: Tensor | Sequence[Tensor], content: Tensor | None
    ) -> Callable[[Tensor], Losses]:
        """Return the loss in the feature maps; see :meth:`System.loss`."""
        styles = several(style)
        network, layers = self._own_network()
        if network is None:
            network = self.network_for(styles[0] if content is None else content)
        term: ContentTermMaker | None = self._parts.get("content_term")
        return transfer_loss(
            self.prepare(network.to(styles[0].device, styles[0].dtype), styles, content),
            style=styles,
            content=content,
            alpha=self.alpha,
            beta=self.beta,
            normalisation=self.normalisation,
            layer_weights=self.layer_weights,
            content_terms=self.content_terms if term is None else (),
            content_weight=self.content_weight,
            transform=transform,
            own_term=term,
            **layers,
        )

    def prepare(
        self, network: nn.Module, style: Sequence[Tensor], content: Tensor | None
    ) -> nn.Module:
        """Return the network, fitted to views of the recordings if the system does that."""
        return network

    def network_for(self, view: Tensor) -> nn.Module:
        """Return the network for a view ``(..., freq, time)``: size, device and precision."""
        n_freq, n_frames = view.shape[-2:]
        return self.network(n_freq=n_freq, n_frames=n_frames).to(view.device, view.dtype)

    def _own_network(self) -> tuple[nn.Module | None, dict[str, Sequence[str]]]:
        """Return the caller's own network, if any, and the layers that are compared."""
        network: nn.Module | None = self._parts.get("network")
        if network is None:
            return None, {
                "style_layers": self.style_layers,
                "content_layers": self.content_layers,
            }
        names = getattr(network, "style_layers", None) or getattr(network, "layer_names", None)
        if not names:
            raise ConfigError(
                f"network {type(network).__name__} does not name its feature maps; give it an "
                "attribute layer_names, or style_layers and content_layers"
            )
        return network, {
            "style_layers": tuple(names),
            "content_layers": tuple(getattr(network, "content_layers", ())),
        }

    @model_validator(mode="after")
    def _has_content(self) -> Self:
        without = set() if self.content_layers else {"features"}
        if self.content_weight and not {*self.content_terms} - without:
            raise ValueError(
                f"content_weight={self.content_weight:g}: {self.preset} has no content loss; "
                "use null, or give content_layers or content_terms too"
            )
        return self


def random_network(
    filters: Filters,
    *,
    n_freq: int,
    n_frames: int,
    seed: int,
    stacks: int = 1,
    orientation: str = "freq",
    pooling: str = "average",
    batch_norm: bool = False,
) -> RandomCNN | InfiniteCNN:
    """Return a network of random filters, drawn or in the limit, if its weights fit in memory."""
    settings: dict[str, Any] = {
        "orientation": orientation,
        "stacks": stacks,
        "channels": filters.channels,
        "kernel": filters.kernel,
        "padding": filters.padding,
        "pooling": pooling,
        "batch_norm": batch_norm,
        "init": filters.init,
    }
    if filters.engine == "infinite":
        return InfiniteCNN(n_freq=n_freq, n_frames=n_frames, **settings)
    needed = random_weights(
        filters, n_freq=n_freq, n_frames=n_frames, stacks=stacks, orientation=orientation
    )
    validate_memory(
        4 * needed,
        of=f"channels={filters.channels}, stacks={stacks}: the weights",
        accepted="fewer",
    )
    return RandomCNN(
        n_freq=n_freq,
        n_frames=n_frames,
        convolution=filters.convolution,
        seed=seed,
        **settings,
    )


def random_weights(
    filters: Filters, *, n_freq: int, n_frames: int, stacks: int = 1, orientation: str = "freq"
) -> int:
    """Return the number of weights that :func:`random_network` draws."""
    return n_weights(
        fan={"freq": n_freq, "time": n_frames, "2d": 1}[orientation],
        stacks=stacks,
        channels=filters.channels,
        kernel=filters.kernel,
        dimensions=2 if orientation == "2d" else 1,
        convolution=filters.convolution,
    )


class TransferConfig(Blocks, Stacks, FeatureTransfer):
    """Settings of a transfer by a network with random weights; the defaults are the study's.

    A transfer that is given no settings uses the preset ``shaped``.
    ``TransferConfig.from_preset(name)`` gives the settings of any system,
    ``TransferConfig.describe()`` the meaning of each setting and what it accepts. A value that is
    not accepted raises :class:`nst_lib.config.ConfigError`.
    """

    front_door = True
    trial_width = {"channels": 256}  # noqa: RUF012

    preset: str = setting("milacic2020", "name of the preset that the settings come from")

    def network(self, *, n_freq: int, n_frames: int) -> nn.Module:
        """Return the random network for views of a size, if its weights fit in memory."""
        return random_network(
            self,
            n_freq=n_freq,
            n_frames=n_frames,
            seed=self.seed,
            stacks=self.stacks,
            orientation=self.orientation,
            pooling=self.pooling,
            batch_norm=self.batch_norm,
        )

    def prepare(
        self, network: nn.Module, style: Sequence[Tensor], content: Tensor | None
    ) -> nn.Module:
        """Return the network. Raise ConfigError if it is not of the kind that `engine` names."""
        kind = InfiniteCNN if self.engine == "infinite" else RandomCNN
        if "network" not in self._parts and not isinstance(network, kind):
            raise ConfigError(
                f"engine={self.engine!r}: the network of {type(self).__name__} is not the "
                f"{kind.__name__} that this setting stands for; inherit from FeatureTransfer "
                "(nst_lib.features), not from TransferConfig"
            )
        return network

    @property
    def n_threads(self) -> int:
        """Number of threads that PyTorch computes on: one, or all for a wide finite network."""
        return MOST if self.engine == "finite" and self.channels >= WIDE else 1

    def loss_in_blocks(
        self, transform: Transform, *, style: Sequence[Tensor], content: Tensor | None
    ) -> TradeOff | WeightedSum | None:
        """Return the loss if content or style is longer than `whole`; see :class:`System`.

        An infinitely wide network is approximated through landmarks
        (:mod:`nst_lib.core.landmarks`), a finite one is used as it is.
        """
        if content is None or not isinstance(transform, STFT):
            return None
        if not self.is_in_blocks(max(map(len, (content, *style))) / transform.sr):
            return None
        spectrograms = [transform(w) for w in style]
        network = self.network_for(spectrograms[0])
        if isinstance(network, InfiniteCNN):
            seen = [*spectrograms, *_excerpts(content, transform)]
            network = LandmarkCNN(network, landmarks.choose(seen), self.style_layers)
        terms = BlockTerms(
            network.to(content.device, content.dtype),
            channels=self.channels,
            margin=sum(self.kernel // 2 * 2**stack for stack in range(self.stacks)),
            style=spectrograms,
            content=content,
            transform=transform,
            style_layers=self.style_layers,
            onset="onset" in self.content_terms,
            normalisation=self.normalisation,
            workers=free_threads(),
        )
        balanced = self.layer_weights == "balanced"
        if self.content_weight is None:
            return WeightedSum(terms, alpha=self.alpha, beta=self.beta, balanced=balanced)
        return TradeOff(terms, content_weight=self.content_weight, balanced=balanced)

    def is_in_blocks(self, seconds: float) -> bool:
        """Whether recordings are long, and the loss is made of sums over frames, and of onsets."""
        compared = {*self.content_terms} - ({"features"} if not self.content_layers else set())
        return (
            seconds > self.whole
            and self.transform == "stft"
            and self.domain in ("gains", "waveform")
            and self.orientation == "freq"
            and self.padding == "same"
            and (self.engine == "finite" or self.pooling != "max")
            and compared <= {"onset"}
            and not self._parts.keys() & {"network", "content_term"}
        )

    def n_weights(self, *, n_freq: int, n_frames: int) -> int:
        """Return the number of weights of the network, for views of a size."""
        return random_weights(
            self,
            n_freq=n_freq,
            n_frames=n_frames,
            stacks=self.stacks,
            orientation=self.orientation,
        )

    def in_small(self, length: float) -> Self:
        """Return settings of a trial; with engine "infinite", the trial is longer."""
        small = super().in_small(length)
        if self.engine == "infinite":
            return small.replace(duration=min(length, TRIAL_SECONDS_SQUARED))
        return small

    def growth(self, small: Self, *, n_freq: int, n_frames: int, longer: float) -> Growth:
        """Return the factors from a trial to the transfer; kernels grow with the squared length."""
        if self.is_in_blocks(longer * (small.duration or 0.0)):
            return Growth(time=TWO_PASSES * longer, memory=1.0)
        if self.engine == "infinite":
            square = 1.0 if self.orientation == "time" else longer**2
            return Growth(time=square, memory=square)
        return super().growth(small, n_freq=n_freq, n_frames=n_frames, longer=longer)


def _excerpts(content: Tensor, transform: STFT) -> list[Tensor]:
    """Return spectrograms of excerpts that are spread over a long content: for its landmarks."""
    length = landmarks.STRETCH * transform.hop_length + transform.n_fft
    firsts = torch.linspace(0, len(content) - length, landmarks.LANDMARKS // landmarks.STRETCH // 2)
    excerpts = [transform(content[int(first) : int(first) + length]) for first in firsts]
    return [torch.cat([S[:, : landmarks.STRETCH] for S in excerpts], dim=-1)]
