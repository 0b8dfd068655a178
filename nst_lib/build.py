"""What the settings name: device, transform, network, loss.

A system whose view of a sound, network or loss is its own registers them here for its kind of
settings (`functools.singledispatch`); see :mod:`nst_lib.systems`.
"""

from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any

import torch
from torch import Tensor, nn

from nst_lib.base.validation import validate_memory
from nst_lib.config import ConfigError, TransferConfig
from nst_lib.core.kernel import InfiniteCNN
from nst_lib.core.losses import several
from nst_lib.core.network import RandomCNN, n_weights
from nst_lib.core.objective import Losses, TransferLoss
from nst_lib.core.transforms import CQT, CWT, STFT, Transform


def make_transform(config: TransferConfig) -> Transform:
    """Return the transform that the settings name."""
    frames: dict[str, Any] = {"sr": config.sr, "pad_mode": config.pad_mode}
    if config.hop_length is not None:
        frames["hop_length"] = config.hop_length
    if config.transform == "stft":
        return STFT(n_fft=config.n_fft, **frames)
    bands = {name: getattr(config, name) for name in ("n_bins", "fmin", "residual", "scale")}
    if config.transform == "cqt":
        return CQT(bins_per_octave=config.bins_per_octave, **bands, **frames)
    return CWT(
        voices=config.bins_per_octave,
        w0=config.w0,
        per_scale=config.per_scale,
        **bands,
        **frames,
    )


def choose_device(config: TransferConfig) -> torch.device:
    """Return the device that the settings name; "auto" is CUDA where there is one."""
    available = torch.cuda.is_available()
    if config.device == "cuda" and not available:
        raise ConfigError("device='cuda': this machine has none; accepted: auto, cpu")
    return torch.device("cuda" if available and config.device != "cpu" else "cpu")


@singledispatch
def make_view(config: TransferConfig, transform: Transform) -> Callable[[Tensor], Tensor]:
    """Return what the loss sees of a waveform: the transform's spectrogram."""
    return transform


@singledispatch
def count_weights(config: TransferConfig, *, n_freq: int, n_frames: int) -> int:
    """Return the number of weights that the settings draw, for spectrograms of a size."""
    return n_weights(
        fan={"freq": n_freq, "time": n_frames, "2d": 1}[config.orientation],
        stacks=config.stacks,
        channels=config.channels,
        kernel=config.kernel,
        dimensions=2 if config.orientation == "2d" else 1,
        convolution=config.convolution,
    )


@singledispatch
def make_network(config: TransferConfig, *, n_freq: int, n_frames: int) -> nn.Module:
    """Return the settings' network for spectrograms of a size, if its weights fit in memory."""
    settings: dict[str, Any] = {
        name: getattr(config, name)
        for name in (
            "orientation",
            "stacks",
            "channels",
            "kernel",
            "padding",
            "pooling",
            "batch_norm",
            "init",
        )
    }
    if config.engine == "infinite":
        return InfiniteCNN(n_freq=n_freq, n_frames=n_frames, **settings)
    validate_memory(
        4 * count_weights(config, n_freq=n_freq, n_frames=n_frames),
        of=f"channels={config.channels}, stacks={config.stacks}: the weights",
        accepted="fewer",
    )
    return RandomCNN(
        n_freq=n_freq,
        n_frames=n_frames,
        convolution=config.convolution,
        seed=config.seed,
        **settings,
    )


@singledispatch
def make_loss(
    config: TransferConfig,
    transform: Transform,
    *,
    style: Tensor | Sequence[Tensor],
    content: Tensor | None,
) -> Callable[[Tensor], Losses]:
    """Return the settings' loss towards what :func:`make_view` sees, on its device.

    Parameters
    ----------
    config : TransferConfig
        The settings.
    transform : Transform
        What spectrograms are of.
    style : Tensor, shape=(..., freq, time), or sequence of them
        View of the style, or of several at once.
    content : Tensor or None
        View of the content.
    """
    network = network_for(config, several(style)[0] if content is None else content)
    return transfer_loss(config, network, transform, style=style, content=content)


def network_for(config: TransferConfig, view: Tensor) -> nn.Module:
    """Return the settings' network for a view ``(..., freq, time)``: size, device and precision."""
    n_freq, n_frames = view.shape[-2:]
    network = make_network(config, n_freq=n_freq, n_frames=n_frames)
    return network.to(view.device, view.dtype)


def validate_engine(config: TransferConfig, loss: Callable[[Tensor], Losses]) -> None:
    """Raise ConfigError if a record of the settings would name a network that is not the loss's.

    Parameters
    ----------
    config : TransferConfig
        The settings; those of a system with a network of its own have "engine" in `UNUSED`.
    loss : callable
        What :func:`make_loss` made of them.
    """
    if "engine" in config.UNUSED:
        return
    kind = InfiniteCNN if config.engine == "infinite" else RandomCNN
    modules = loss.modules() if isinstance(loss, nn.Module) else ()
    if not any(type(module) is kind for module in modules):
        system = type(config).__name__
        raise ConfigError(
            f"engine={config.engine!r}: the loss of {system} has no {kind.__name__}, and the "
            f"record would name one; accepted: `UNUSED = NETWORK` in {system} (nst_lib.systems), "
            "less what its network uses"
        )


def transfer_loss(
    config: TransferConfig,
    network: nn.Module,
    transform: Transform,
    *,
    style: Tensor | Sequence[Tensor],
    content: Tensor | None,
) -> TransferLoss:
    """Return the settings' loss in the feature maps of a network."""
    return TransferLoss(
        network,
        style=style,
        content=content,
        style_layers=config.style_layers,
        content_layers=config.content_layers,
        alpha=config.alpha,
        beta=config.beta,
        normalisation=config.normalisation,
        layer_weights=config.layer_weights,
        content_terms=config.content_terms,
        content_weight=config.content_weight,
        transform=transform,
    )
