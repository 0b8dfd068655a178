"""The classifier that is trained: the network of a transfer, and a linear layer on its last pool.

M. Huzaifah and L. Wyse (2020), see :mod:`nst_lib.systems.huzaifah2020`: the linear layer has an
output for each class, FC-50 for the 50 classes of ESC-50. Batch norm keeps the mean of an epoch's
statistics, our choice: at two batches an epoch, PyTorch's moving average would take most of a
training to forget the values that it starts from.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from nst_lib.base.validation import hint
from nst_lib.config import ConfigError
from nst_lib.systems.huzaifah2020 import BELONGS, PRESETS, Huzaifah2020

#: Fewer than the paper's 4096, with which a clip takes 80 times as many products; our choice.
CHANNELS = 256
#: Settings that a training depends on.
SETTINGS = (
    *BELONGS,
    *("duration", "padding", "pooling", "init", "seed", "device"),
)


def training_config(**overrides: Any) -> Huzaifah2020:
    """Return the preset's settings with `CHANNELS`, and some of `SETTINGS` overridden.

    Raises
    ------
    ConfigError
        If a setting is not one of `SETTINGS`, or has a value that is not accepted.
    """
    for name in overrides:
        if name not in SETTINGS:
            raise ConfigError(f"{name}: a training does not depend on it; {hint(name, SETTINGS)}")
    preset = PRESETS[0].config
    settings = {name: getattr(preset, name) for name in SETTINGS} | {"channels": CHANNELS}
    return Huzaifah2020(
        preset=preset.preset, style_layers=(), content_layers=(), **(settings | overrides)
    )


class Classifier(nn.Module):
    """Logits of log-magnitude spectrograms.

    Parameters
    ----------
    config : Huzaifah2020
        Describes the network, and draws all weights.
    n_freq, n_frames : int > 0
        Size of the spectrograms.
    n_classes : int > 0
        Outputs.

    Raises
    ------
    ValueError
        If the spectrograms are too small for the network.
    """

    def __init__(self, config: Huzaifah2020, *, n_freq: int, n_frames: int, n_classes: int) -> None:
        super().__init__()
        self.log_range, self.last = config.log_range, f"pool{config.stacks}"
        self.network = config.network(n_freq=n_freq, n_frames=n_frames)
        for norm in self._norms():
            norm.momentum = None  # the mean over batches, since the last reset
        with torch.no_grad():
            size = self.features(torch.zeros(1, n_freq, n_frames)).shape[1]
            self.linear = skip_init(nn.Linear, size, n_classes)  # type: ignore[no-untyped-call]
            generator = torch.Generator().manual_seed(config.seed + 1)
            for values in self.linear.parameters():  # PyTorch's draw
                values.uniform_(-(size**-0.5), size**-0.5, generator=generator)
        self.requires_grad_(True)

    def features(self, S: Tensor) -> Tensor:
        """Return the flattened last pool ``(batch, features)`` of ``(batch, freq, time)``."""
        pooled: Tensor = self.network(S / self.log_range, [self.last])[self.last]
        return pooled.flatten(1)

    def forward(self, S: Tensor) -> Tensor:
        """Return logits ``(batch, classes)`` of spectrograms ``(batch, freq, time)``."""
        logits: Tensor = self.linear(self.features(S))
        return logits

    def forget_statistics(self) -> None:
        """Start a new mean of batch norm's statistics."""
        for norm in self._norms():
            norm.reset_running_stats()

    def _norms(self) -> list[nn.BatchNorm1d | nn.BatchNorm2d]:
        kinds = nn.BatchNorm1d | nn.BatchNorm2d
        return [module for module in self.network.modules() if isinstance(module, kinds)]
