"""M. Huzaifah and L. Wyse, Applying visual domain style transfer ... to audio, 2020.

"Applying visual domain style transfer and texture synthesis techniques to audio: insights and
challenges", Neural Computing and Applications 32. Spectrograms are scaled to a fixed range. The
authors compare random with trained weights, and the axes of the convolution (`orientation`). The
optimised variable is the scaled spectrogram x = S / log_range of log-magnitudes S, and

    loss = style and content in the network's features of x  +  bound * ||x - clip(x, 0, 1)||_2

Values that are still below 0 are clipped before the inversion. `nst train` trains the weights.

These parts are exact, from the public code: STFT, scaling, bound, clipping, network, layers, losses
and their weights, optimiser, inversion. The presets list our own choices. The pseudo-CQT of the
code, a log-frequency matrix applied to the STFT, is left out because `transform` offers a CQT.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import model_validator
from torch import Tensor, nn

from nst_lib.base.validation import setting
from nst_lib.config import ConfigError
from nst_lib.core import tensors
from nst_lib.core.losses import several
from nst_lib.core.objective import Losses
from nst_lib.core.transforms import Transform
from nst_lib.features import TransferConfig
from nst_lib.system import Preset

#: Settings that must be the same as in training. With orientation "time", the duration must be too.
BELONGS = (
    "sr",
    "transform",
    "n_fft",
    "hop_length",
    "n_bins",
    "bins_per_octave",
    "fmin",
    "residual",
    "log_range",
    "orientation",
    "stacks",
    "channels",
    "kernel",
    "batch_norm",
    "level",
    "level_target",
    "pad_mode",
    "w0",
    "scale",
)
#: The settings among them that each transform does not use.
NO_USE = {
    "stft": {"n_bins", "bins_per_octave", "fmin", "residual", "w0", "scale"},
    "cqt": {"n_fft", "w0"},
    "cwt": {"n_fft"},
}


class BoundedLoss(nn.Module):
    """Losses of a scaled spectrogram, with the cost of leaving its range.

    Parameters
    ----------
    loss : callable
        Function that returns the losses of a scaled spectrogram. If they have a bound (with a
        content weight), this cost is added to it.
    log_range : float > 0
        Log-magnitude that is scaled to 1.
    bound : float >= 0
        Weight of the Euclidean norm of the parts of values below 0 or above 1.
    """

    def __init__(self, loss: Callable[[Tensor], Losses], *, log_range: float, bound: float) -> None:
        super().__init__()
        self.loss, self.log_range, self.bound = loss, log_range, bound

    def forward(self, S: Tensor) -> Losses:
        """Return the losses of a log-magnitude spectrogram ``(freq, time)``."""
        x = S / self.log_range
        losses = self.loss(x)
        cost = self.bound * torch.linalg.vector_norm(x - x.clamp(0, 1))
        return replace(losses, bound=cost if losses.bound is None else losses.bound + cost)


def read_weights(path: str | Path) -> dict[str, Any]:
    """Return the content of a file of weights; see :meth:`nst_lib.train.training.Trained.write`.

    Raises
    ------
    ConfigError
        If the file is missing, or ``nst train`` did not write it.
    """
    try:
        trained = tensors.read(path)
    except ValueError as error:
        raise _refusal(path, str(error)) from error
    if not isinstance(trained, dict) or not all(
        isinstance(trained.get(part), dict) for part in ("settings", "network")
    ):
        raise _refusal(path, "holds something else")
    return trained


def _refusal(path: str | Path | None, reason: str) -> ConfigError:
    return ConfigError(f"weights={str(path)!r}: {reason}; accepted: a file that `nst train` wrote")


def _belonging(trained: dict[str, Any]) -> list[str]:
    """Return the names of the settings that must be as `trained`, those of the training."""
    no_use = set(NO_USE.get(str(trained.get("transform")), ()))
    if trained.get("level") == "off":
        no_use.add("level_target")
    names = (*BELONGS, *(("duration",) if trained.get("orientation") == "time" else ()))
    return [name for name in names if name not in no_use]


class Huzaifah2020(TransferConfig):
    """A transfer between spectrograms of a fixed range, with random or trained weights."""

    content_terms: tuple[str, ...] = setting(
        ("features",),
        "what the content loss compares; features are the content_layers",
        choices=("features", "spectrogram"),
    )
    log_range: float = setting(7.0, "log-magnitude that is scaled to 1", ge=0.1, le=100)
    bound: float = setting(
        1e-3, "weight of values outside the range from 0 to log_range", ge=0, le=1e15
    )
    weights: str | None = setting(
        None, "trained weights of the network: a file that `nst train` wrote; null: random weights"
    )

    @model_validator(mode="after")
    def _trained(self) -> Self:
        for name, only in (("engine", "finite"), ("convolution", "direct")):
            if self.weights is not None and getattr(self, name) != only:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} with trained weights; accepted: {only}"
                )
        return self

    @property
    def unit(self) -> float:
        """The log-magnitude that is 1 in the scaled spectrogram."""
        return self.log_range

    def files(self) -> dict[str, Path]:
        """Return the files of the start and of the trained weights, if there are any."""
        if self.weights is None:
            return super().files()
        return {**super().files(), "weights": Path(self.weights).expanduser()}

    def network(self, *, n_freq: int, n_frames: int) -> nn.Module:
        """Return the network with random weights, or with the trained ones that fit it."""
        network = super().network(n_freq=n_freq, n_frames=n_frames)
        if path := self.files().get("weights"):
            trained = read_weights(path)
            _validate_settings(self, trained["settings"])
            _validate_network(self, trained["network"], network)
            state = {name: trained["network"][name] for name in network.state_dict()}
            network.load_state_dict(state)
        return network

    def loss(
        self, transform: Transform, *, style: Tensor | Sequence[Tensor], content: Tensor | None
    ) -> BoundedLoss:
        """Return the loss of the scaled spectrogram with the cost of leaving its range."""
        loss = super().loss(
            transform,
            style=[S / self.log_range for S in several(style)],
            content=None if content is None else content / self.log_range,
        )
        return BoundedLoss(loss, log_range=self.log_range, bound=self.bound)

    def finish(self, S: Tensor) -> Tensor:
        """Return the optimised spectrogram with values below 0 set to 0."""
        return S.clamp_min(0)

    def in_small(self, length: float) -> Self:
        """Return the settings of a trial.

        With trained weights, the number of channels stays the same; with orientation "time", the
        duration too.
        """
        small = super().in_small(length)
        if self.weights is None:
            return small
        fixed: dict[str, Any] = {"channels": self.channels}
        if self.orientation == "time":
            fixed["duration"] = self.duration
        return small.replace(**fixed)


def _validate_settings(config: Huzaifah2020, trained: dict[str, Any]) -> None:
    """Raise ConfigError unless the settings are those that the weights were trained with."""
    ours = config.to_dict()
    names = _belonging(trained)
    for name in names:
        if not isinstance(trained.get(name, ...), str | int | float | None):
            raise _refusal(config.weights, f"does not give its {name}")
    differ = {name: trained[name] for name in names if trained[name] != ours[name]}
    if differ:
        words = [
            f"{name}={value if isinstance(value, str) else json.dumps(value)}"
            for name, value in differ.items()
        ]
        raise ConfigError(
            f"weights={config.weights!r} was trained with {', '.join(words)}: use "
            + " ".join(f"--set {word}" for word in words)
        )


def _validate_network(config: Huzaifah2020, trained: dict[str, Any], network: nn.Module) -> None:
    """Raise ConfigError unless the weights are finite and fit the network."""
    for name, ours in network.state_dict().items():
        value = trained.get(name)
        if not isinstance(value, Tensor) or value.dtype != ours.dtype:
            raise _refusal(config.weights, f"has no {name} of {ours.dtype}")
        if value.shape != ours.shape:
            if config.orientation == "time" and name == "layers.conv1.weight" and value.ndim == 3:
                raise ConfigError(
                    f"weights={config.weights!r} was trained on sounds of {value.shape[1]} frames, "
                    f"not {ours.shape[1]}: use recordings as long as in its training"
                )
            shapes = f"{tuple(value.shape)} instead of {tuple(ours.shape)}"
            raise _refusal(config.weights, f"{name} has shape {shapes}")
        if not value.isfinite().all():
            raise _refusal(config.weights, f"{name} is not finite")


_TRANSFER = Huzaifah2020(
    preset="huzaifah2020",
    hop_length=256,
    pooling="max",
    init="pytorch",
    style_layers=("relu1",),
    beta=1e7,
    n_iter=500,
    momentum=0.0,
)
_SOURCE = (
    "M. Huzaifah, L. Wyse, Applying visual domain style transfer and texture synthesis techniques "
    "to audio, Neural Computing and Applications 32, 2020; settings of its public code"
)
_EXACT = (
    "STFT, scaling of log-magnitudes from [0, 7] to [0, 1], soft bound, clipping at 0, network "
    "with PyTorch's draw, layers, losses, L-BFGS without line search, Griffin-Lim."
)
_OURS = (
    "The best evaluation is kept. The authors did not publish trained weights: train some with "
    "`nst train`, and give them as `weights`."
)

PRESETS = (
    Preset(
        config=_TRANSFER,
        source=_SOURCE,
        about=(
            "The study's network and losses on spectrograms of a fixed range, with max pooling. "
            "Style from relu1, content from relu3, and the content is the start. The authors "
            "compare orientations: convolution along time (freq), frequency (time), or both (2d)."
        ),
        exact=f"{_EXACT} Style weight 1e7.",
        ours=_OURS,
    ),
    Preset(
        config=_TRANSFER.replace(
            preset="huzaifah2020_texture", start="noise", start_std=7e-3, beta=1e9
        ),
        source=_SOURCE,
        about=(
            "A texture from noise, as long as the style or `texture_duration`. Several styles give "
            "one texture between them."
        ),
        exact=f"{_EXACT} Style weight 1e9.",
        ours=(
            f"{_OURS} The start is normal noise of 0.001 (scaled), one of the choices in the code; "
            "its default is uniform noise between 0 and 0.1."
        ),
    ),
)
