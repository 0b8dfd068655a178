"""The loop of the optimisation never waits for the device: no number leaves it in the loss."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from nst_lib import TransferConfig
from nst_lib.core.blocks import Parts, Samples
from nst_lib.core.gains import Gains

#: Operators that copy a value from the device to the host.
WAITS = {"aten._local_scalar_dense", "aten.item", "aten.is_nonzero", "aten.nonzero"}


class Waits(TorchDispatchMode):
    """Collects the operators that make the host wait for the device."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func.overloadpacket)
        if name in WAITS:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


SYSTEMS = {
    "shaped": {},
    "samples": {"preset": "shaped", "domain": "waveform", "start": "content"},
    "finite": {"preset": "shaped", "engine": "finite", "channels": 32, "domain": "waveform"},
    "fast": {"domain": "waveform"},
    "milacic2020": {"channels": 16, "duration": 1.5},
    "infinite": {"preset": "milacic2020", "engine": "infinite", "pooling": "max"},
    "ulyanov2016": {"channels": 16},
    "deep": {"channels": 8},
}


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("long", [False, True])
def test_loss_and_gradient_do_not_wait(name, long, rng):
    settings = {"sr": 22050, "duration": 1.5} | SYSTEMS[name]
    config = TransferConfig.from_preset(settings.pop("preset", name), **settings)
    transform = config.analysis()
    style, w = (torch.from_numpy(0.1 * rng.standard_normal(33075)).float() for _ in range(2))
    loss = None
    if long:
        short = config.replace(whole=1.0) if hasattr(config, "whole") else config
        loss = short.loss_in_blocks(transform, style=[style], content=w)
        if loss is None:
            pytest.skip(f"{name} computes a long sound at once")
    view = config.view(transform)
    if loss is None:
        loss = config.loss(transform, style=view(style), content=view(w))
    shape, start = None, w.clone()
    if config.domain == "gains":
        shape = Gains(w, sr=config.rate)
        start = shape.unchanged()
    x = start.requires_grad_()

    def evaluate() -> torch.Tensor:
        if long:
            return loss(Parts(x, shape or Samples())).total
        return loss(view(x if shape is None else shape(x))).total

    evaluate().backward()  # what is kept after the first evaluation may wait once
    with Waits() as waits:
        evaluate().backward()
    assert waits.found == []


def test_the_losses_leave_the_device_at_once(rng):
    config = TransferConfig.from_preset("shaped", sr=22050, duration=1.5)
    transform = config.analysis()
    style, w = (torch.from_numpy(0.1 * rng.standard_normal(33075)).float() for _ in range(2))
    losses = config.loss(transform, style=transform(style), content=transform(w))(transform(w))
    with Waits() as waits:
        values = losses.values()
    assert len(waits.found) <= 1
    assert values["total"] == pytest.approx(float(losses.total))
