"""The settings of the front: what runs on the development pairs, in groups."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
from torch import Tensor

from nst_lib import TransferConfig
from nst_lib.core import gains as gains_of_bands
from nst_lib.core import mosaic as mosaics
from nst_lib.core.baselines import BASELINES
from nst_lib.core.objective import Losses
from nst_lib.core.shaping import as_loud_as, gain, power, vocoder
from nst_lib.core.transforms import STFT, Transform
from nst_lib.system import System


def followed(style: np.ndarray, content: np.ndarray, *, sr: int, follow: float) -> np.ndarray:
    """Return the mosaic with some of the content's envelope: 0 is nothing of it, 1 is all."""
    y = mosaics.mosaic(style, content, sr=sr)
    powers = [power(x, std=mosaics.SMOOTHING * sr) for x in (y, content)]
    return as_loud_as(style, y * gain(*powers) ** follow)


#: Name of a start -> function ``f(style, content, sr=sr)`` of two waveforms ``(samples,)``.
STARTS: dict[str, Callable[..., np.ndarray]] = {
    "style": lambda style, content, *, sr: style,
    "content": lambda style, content, *, sr: content,
    "vocoder, 4 bands": partial(vocoder, n_bands=4),
    **{f"mosaic, follow {share:g}": partial(followed, follow=share) for share in (0.15, 0.5, 1.0)},
    **{f"mosaic, jump {jump:g}": partial(mosaics.mosaic, jump=jump) for jump in (2.0, 8.0, 32.0)},
}
#: A start that is not optimised.
AS_IT_IS = {"domain": "waveform", "steps": 0}
INFINITE = {"engine": "infinite"}
#: Settings of `fast` that optimise samples only.
SAMPLES = {"domain": "waveform", "content_weight": 0.05}
#: How every setting reads the recordings.
CLIPS = {"sr": 22050, "duration": 5.0, "mono": True}
#: Settings and constants that make no difference to such recordings.
IDLE = {"blend", "mono", "style_duration", "style_weights", "whole", "LEANING", "PIECE", "_PIECE"}


class Resolutions(TransferConfig):
    """The loss of the preset `shaped`, averaged over STFTs with windows of several lengths."""

    windows: tuple[int, ...] = (1024, 4096)

    def view(self, transform: Transform) -> Callable[[Tensor], Tensor]:
        return lambda w: w

    def loss(
        self, transform: Transform, *, style: Tensor | Sequence[Tensor], content: Tensor | None
    ) -> Callable[[Tensor], Losses]:
        parts = []
        for n_fft in self.windows:
            stft = STFT(sr=self.rate, n_fft=n_fft, pad_mode=self.pad_mode).to(content.device)
            seen = [stft(w) for w in style]
            parts.append((stft, super().loss(stft, style=seen, content=stft(content))))

        def mean(w: Tensor) -> Losses:
            each = [part(stft(w)) for stft, part in parts]
            n = len(each)
            return Losses(
                style=sum(one.style for one in each) / n,
                content=sum(one.content for one in each) / n,
                terms={},
                bound=sum(one.bound for one in each) / n,
            )

        return mean


@dataclass(frozen=True)
class Setting:
    """One point of the front.

    Attributes
    ----------
    group, name : str
        Its group, and its name in the table.
    config : System
        The settings of the transfer.
    start : str
        A name in `STARTS`, or "" for the start that the settings name.
    pairs : int
        How many of the pairs it runs on; the first ones.
    note : str
        What differs from the published settings.
    """

    group: str
    name: str
    config: System
    start: str = ""
    pairs: int = 20
    note: str = ""

    @property
    def key(self) -> str:
        """A checksum of the settings. Rows with another one are computed again."""
        made_of = {k: value for k, value in self.config.to_dict().items() if k not in IDLE}
        made_of["start"] = self.start or made_of["start"]
        if made_of["domain"] == "gains":
            made_of |= _constants(gains_of_bands)
        else:
            made_of.pop("gain_weight", None)
        if made_of["start"].startswith("mosaic"):
            made_of |= _constants(mosaics)
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:10]


def _constants(module: ModuleType) -> dict[str, float]:
    """Return the numbers that a module names; they are settings that nobody can set."""
    return {
        f"{module.__name__}.{name}": value
        for name, value in vars(module).items()
        if name.isupper() and name not in IDLE and isinstance(value, int | float)
    }


def default(**overrides: Any) -> System:
    return TransferConfig.from_preset(**CLIPS, **overrides)


def resolutions(*windows: int) -> System:
    settings = default().to_dict() | {"preset": "resolutions"}
    return Resolutions(**settings, windows=windows)


def references() -> list[Setting]:
    same = TransferConfig.from_preset("fast", **AS_IT_IS)
    return [
        Setting("reference", "the style itself", same, "style"),
        Setting("reference", "the content itself", same, "content"),
    ]


def baselines() -> list[Setting]:
    same = TransferConfig.from_preset("fast", **AS_IT_IS)
    group = "baseline"
    starts = ("vocoder, 4 bands", "mosaic, follow 0.15", "mosaic, follow 1")
    return [
        *(Setting(group, name, TransferConfig.from_preset(name)) for name in BASELINES),
        *(Setting(group, name, same, name) for name in starts),
    ]


def samples() -> list[Setting]:
    """Return the preset `fast`, and its loss in samples from several starts."""
    group = "samples"
    fast = partial(TransferConfig.from_preset, "fast")
    starts = {
        "the content": "content",
        "the envelope": "envelope",
        "the mosaic": "mosaic",
        "noise": "noise",
    }
    return [
        Setting(group, "fast", fast()),
        *(
            Setting(group, f"samples from {name}", fast(**SAMPLES, start=start))
            for name, start in starts.items()
        ),
    ]


def gains() -> list[Setting]:
    """Return the default, and the same from other starts."""
    group = "gains"
    return [
        Setting(group, "shaped (the default)", default()),
        *(
            Setting(group, f"gains from the {start}", default(start=start))
            for start in ("content", "envelope", "vocoder")
        ),
        Setting(group, "gains from the style", default(), "style"),
    ]


def variants() -> list[Setting]:
    """Return the default with one setting changed; what equals the default is left out."""
    changed: dict[str, dict[str, Any]] = {}
    for weight in (0.03, 0.1, 0.3, 0.5, 0.8):
        changed[f"content weight {weight:g}"] = {"content_weight": weight}
    changed["content terms onset, spectrogram"] = {"content_terms": ("onset", "spectrogram")}
    changed["content term features of relu2"] = {
        "content_terms": ("features",),
        "content_layers": ("relu2",),
    }
    for weight in (0.0, 0.1, 0.5, 1.0, 3.0):
        changed[f"gain weight {weight:g}"] = {"gain_weight": weight}
    changed["content weight 0.5, gain weight 1"] = {"content_weight": 0.5, "gain_weight": 1.0}
    for steps in (10, 20, 40, 80):
        changed[f"{steps} evaluations"] = {"steps": steps}
    for n_fft in (1024, 4096):
        changed[f"n_fft {n_fft}"] = {"n_fft": n_fft}
    for kernel in (3, 11):
        changed[f"kernel {kernel}"] = {"kernel": kernel}
    for stacks in (1, 3):
        layers = tuple(f"relu{n}" for n in range(1, stacks + 1))
        changed[f"{stacks} stack{'s' * (stacks > 1)}"] = {
            "stacks": stacks,
            "style_layers": layers,
        }
    group, usual = "variant", default().to_dict()
    found = [
        Setting(group, name, config)
        for name, overrides in changed.items()
        if (config := default(**overrides)).to_dict() != usual
    ]
    if default().start == "mosaic":
        same = f"mosaic, jump {mosaics.JUMP:g}"
        starts = [name for name in STARTS if name.startswith("mosaic") and name != same]
        found += [Setting(group, f"from the {name}", default(), name) for name in starts]
    for windows in ((1024, 4096), (1024, 2048, 4096)):
        name = "n_fft " + " and ".join(map(str, windows)) + " in one loss"
        found.append(Setting(group, name, resolutions(*windows)))
    return found


def published() -> list[Setting]:
    """Return the systems of other authors, and the deep network, as far as time allows."""
    wide = "at infinite width"
    no_content = {**INFINITE, "content_layers": ()}
    searched = {
        **no_content,
        "line_search": "strong_wolfe",
        "level": "rms",
        "level_target": -26.0,
        "steps": 120,
    }
    few = {"filters": 32, "steps": 60}
    found: list[tuple[str, str, dict[str, Any], int, str]] = [
        ("milacic2020", "", no_content, 2, f"{wide}, without its content term of 1e-7"),
        (
            "milacic2020",
            ", line search, level",
            searched,
            5,
            f"{wide}; 120 evaluations, strong Wolfe line search, recordings at -26 dBFS",
        ),
        ("ulyanov2016", "", INFINITE, 5, wide),
        ("grinstein2018", "", INFINITE, 5, wide),
        ("grinstein2018_texture", "", {}, 2, ""),
        ("mital2017", "", {**INFINITE, "steps": 150}, 2, f"{wide}; 150 evaluations"),
        ("huzaifah2020", "", {**INFINITE, "steps": 150}, 2, f"{wide}; 150 evaluations"),
        ("chen2020", "", {**INFINITE, "steps": 150}, 2, f"{wide}; 150 evaluations"),
        ("antognini2019", "", {"steps": 60, "filters": 128}, 2, "60 evaluations, 128 filters"),
        ("caracalla2020", "", few, 2, "60 evaluations, 32 filters"),
        ("deep", "", {}, 2, ""),
    ]
    return [
        Setting(
            "published",
            preset + more,
            TransferConfig.from_preset(preset, **overrides),
            pairs=n,
            note=note,
        )
        for preset, more, overrides, n, note in found
    ]


def all_settings() -> list[Setting]:
    return [*references(), *baselines(), *samples(), *gains(), *variants(), *published()]
