"""Settings of a transfer, in groups. Each system combines the groups that it needs.

Every group is frozen and validates itself (:class:`nst_lib.base.validation.Model`). A system
(:mod:`nst_lib.system`) inherits the groups that it needs; what it does not inherit it does not
have. On the command line, in JSON and in YAML the settings of all groups lie side by side.
"""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import field_validator, model_validator

from nst_lib.base.validation import Model, hint, setting
from nst_lib.core.baselines import BASELINES
from nst_lib.core.convolution import CONVOLUTIONS
from nst_lib.core.filterbank import PAD_MODES
from nst_lib.core.losses import NORMALISATIONS
from nst_lib.core.network import (
    INITS,
    ORIENTATIONS,
    PADDINGS,
    POOLINGS,
    layer_names,
    validate_layers,
)
from nst_lib.core.objective import CONTENT_TERMS, LAYER_WEIGHTS
from nst_lib.core.optimise import LINE_SEARCHES, OPTIMISERS
from nst_lib.core.transforms import C1, CQT, CWT, STFT, Transform, window_length
from nst_lib.sound.audio import LEVELS

#: Rate that lengths in samples are given for if `sr` is null, and the highest rate of that kind.
REFERENCE_RATE, HIGHEST_RATE = 22050, 48000
TRANSFORMS = ("stft", "cqt", "cwt")
ENGINES = ("finite", "infinite")
STARTS = ("content", "noise", *BASELINES)
_SOUND = "the path of a sound file"
BLENDS = ("mix", "path")
PHASES = ("random", "content")
DEVICES = ("auto", "cpu", "cuda")
DOMAINS = ("spectrogram", "waveform", "hybrid", "gains")
PRECISIONS = ("float32", "float64")
RESULT_LEVELS = ("optimised", "style")


class ConfigError(ValueError):
    """A setting that does not exist, or has a value that is not accepted."""


class Settings(Model):
    """A group of settings."""

    Error: ClassVar[type[ValueError]] = ConfigError

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON's types."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in self}

    def to_json(self) -> str:
        """Return the settings as a JSON object."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)


class Recordings(Settings):
    """How the recordings are read."""

    sr: int | None = setting(
        22050,
        "sampling rate (Hz); null: the content's own, 48 000 at most, with n_fft and hop_length "
        f"given for {REFERENCE_RATE} Hz and scaled to it",
        ge=1000,
        le=192000,
    )
    duration: float | None = setting(
        5.0,
        "both recordings are trimmed or zero-padded to this (s); null: their own lengths",
        ge=0.1,
    )
    mono: bool = setting(
        True, "whether channels are mixed to one; false: the result has the content's channels"
    )
    style_duration: float | None = setting(
        None,
        "a longer style is condensed to stretches of this total length, with its statistics (s); "
        "null: it is used as it is",
        ge=2,
    )
    style_weights: tuple[float, ...] = setting(
        (),
        "shares of several styles, in their order, above 0; none: each style counts the same",
        words="numbers",
    )
    level: str = setting(
        "off", "how both recordings are brought to a common loudness", choices=("off", *LEVELS)
    )
    level_target: float | None = setting(
        None,
        "that loudness (dBFS for rms, LUFS for lufs); null: -20 dBFS or -23 LUFS",
        ge=-60,
        le=0,
    )

    @field_validator("style_weights")
    @classmethod
    def _are_shares(cls, weights: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 < weight < math.inf for weight in weights):
            raise ValueError(f"style_weights={list(weights)}; accepted: numbers above 0")
        return weights

    @property
    def rate(self) -> int:
        """The sampling rate in Hz.

        Raises
        ------
        ConfigError
            If `sr` is None, so that it depends on the content; see :meth:`Frames.at`.
        """
        if self.sr is None:
            raise ConfigError("sr is null, the content's own rate; ask for that of at(rate)")
        return self.sr


class Frames(Recordings):
    """The short-time Fourier transform."""

    n_fft: int = setting(1024, "window and FFT length of the STFT (samples)", ge=16, le=65536)
    hop_length: int | None = setting(
        None,
        "samples between frames; null: an eighth of n_fft (STFT), 128 (CQT, CWT)",
        ge=1,
        le=65536,
    )
    pad_mode: str = setting(
        "reflect",
        "what lies beyond the ends of a recording: silence, or its mirror image",
        choices=PAD_MODES,
    )

    def make_transform(self) -> Transform:
        """Return the transform that the settings describe."""
        return STFT(n_fft=self.n_fft, **self._frames())

    def _frames(self) -> dict[str, Any]:
        frames: dict[str, Any] = {"sr": self.rate, "pad_mode": self.pad_mode}
        return frames if self.hop_length is None else {**frames, "hop_length": self.hop_length}

    def at(self, sr: int) -> Self:
        """Return the settings for recordings of a rate in Hz, if `sr` is null; else the same."""
        if self.sr is not None:
            return self
        rate = min(sr, HIGHEST_RATE)
        scale, hop = rate / REFERENCE_RATE, self.hop_length
        return self.replace(
            sr=rate,
            n_fft=window_length(self.n_fft / REFERENCE_RATE, sr=rate),
            hop_length=None if hop is None else max(round(hop * scale), 1),
        )


class Transforms(Frames):
    """A choice of transforms: STFT, constant-Q or wavelet transform."""

    transform: str = setting("stft", "transform whose spectrogram is optimised", choices=TRANSFORMS)
    n_bins: int = setting(512, "number of bins of CQT and CWT", ge=1, le=4096)
    bins_per_octave: int = setting(
        64, "bins in an octave of CQT and CWT (voices of the CWT)", ge=1, le=512
    )
    fmin: float = setting(C1, "lowest frequency of CQT and CWT (Hz); C1 by default", ge=1, le=96000)
    w0: float | None = setting(
        None,
        "centre frequency over bandwidth of the CWT; null: twice bins_per_octave",
        ge=5,
        le=1000,
    )
    residual: bool = setting(
        False, "whether CQT and CWT have extra bands below and above, so that nothing is lost"
    )
    scale: float = setting(
        1.0,
        "factor of CQT and CWT before the logarithm; 1 is librosa's, which hardly compresses",
        ge=1e-6,
        le=1e6,
    )

    def make_transform(self) -> Transform:
        """Return the transform that the settings describe."""
        if self.transform == "stft":
            return super().make_transform()
        bands: dict[str, Any] = {
            "n_bins": self.n_bins,
            "fmin": self.fmin,
            "residual": self.residual,
            "scale": self.scale,
            **self._frames(),
        }
        if self.transform == "cqt":
            return CQT(bins_per_octave=self.bins_per_octave, **bands)
        return CWT(voices=self.bins_per_octave, w0=self.w0, **bands)


class Filters(Settings):
    """Convolutions with random filters, drawn or in the limit of infinite width."""

    engine: str = setting(
        "finite",
        "finite: a network with drawn weights; infinite: its exact limit of infinite width",
        choices=ENGINES,
    )
    channels: int = setting(4096, "channels of every convolution", ge=1, le=65536)
    kernel: int = setting(11, "length of the filters (odd)", ge=1, le=511)
    padding: str = setting(
        "same",
        "padding of the convolutions: same, zeros that keep the number of positions; valid, none",
        choices=PADDINGS,
    )
    init: str = setting("milacic2020", "source whose draw of the weights is used", choices=INITS)
    convolution: str = setting(
        "direct",
        "how the finite network convolves; fft is faster on a CPU and takes 3 times the memory",
        choices=CONVOLUTIONS,
    )

    @model_validator(mode="after")
    def _odd(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel={self.kernel!r}; accepted: odd numbers")
        return self


class Layers(Settings):
    """The feature maps that the losses compare."""

    style_layers: tuple[str, ...] = setting(
        ("relu1", "relu2"), "feature maps of the style loss", words="names of feature maps"
    )
    content_layers: tuple[str, ...] = setting(
        ("relu3",), "feature maps of the content loss", words="names of feature maps"
    )

    def layer_names(self) -> tuple[str, ...]:
        """Return the names of the network's feature maps."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in ("style_layers", "content_layers"):
            try:
                validate_layers(getattr(self, name), self.layer_names())
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        return self


class Stacks(Filters, Layers):
    """A random network of several stacks: convolution, batch norm, ReLU, pooling."""

    orientation: str = setting(
        "freq", "axis of the spectrogram that becomes channels; 2d: neither", choices=ORIENTATIONS
    )
    stacks: int = setting(
        3, "number of stacks of convolution, batch norm, ReLU and pooling", ge=1, le=16
    )
    pooling: str = setting("average", "pooling by 2 at the end of a stack", choices=POOLINGS)
    batch_norm: bool = setting(True, "whether a stack has batch norm, in evaluation mode")

    def layer_names(self) -> tuple[str, ...]:
        """Return the names of the network's feature maps."""
        return layer_names(stacks=self.stacks, batch_norm=self.batch_norm)

    @model_validator(mode="after")
    def _direct(self) -> Self:
        if self.convolution == "fft" and self.orientation == "2d":
            raise ValueError("convolution='fft' with orientation='2d'; accepted: direct")
        return self


class StyleWeight(Settings):
    """The weight of the style loss."""

    beta: float = setting(1e8, "weight of the style loss", ge=0, le=1e15)


class Weighing(StyleWeight):
    """The weights and the scaling of the style loss and the content loss."""

    alpha: float = setting(1.0, "weight of the content loss", ge=0, le=1e15)
    normalisation: str = setting(
        "code",
        "factors of the losses: those of the study's code or report, or of another source",
        choices=NORMALISATIONS,
    )


class Balance(Weighing):
    """What the content loss compares, and how layers, style and content are weighed."""

    layer_weights: str = setting(
        "published",
        "published: layers as they are; balanced: equal shares of the loss at the start",
        choices=LAYER_WEIGHTS,
    )
    content_terms: tuple[str, ...] = setting(
        ("features",),
        "what the content loss compares; features are the content_layers",
        choices=CONTENT_TERMS,
    )
    content_weight: float | None = setting(
        None, "0: all style, 1: all content; null: alpha and beta are the weights", ge=0, le=1
    )


class Search(Settings):
    """What is optimised, from which start, by which method."""

    domain: str = setting(
        "spectrogram",
        "what is optimised; hybrid: the spectrogram for half of the steps, then the sound; gains: "
        "how loud each band of the start is over time",
        choices=DOMAINS,
    )
    gain_weight: float = setting(
        0.5,
        "weight of the gains in domain gains; the higher, the nearer the result stays to its start",
        ge=0,
        le=1e6,
    )
    start: str = setting(
        "content",
        "sound that the optimisation starts from: the content, noise, the style shaped by the "
        f"content without a network ({', '.join(BASELINES)}), or {_SOUND}",
        words=f"{', '.join(STARTS)}, or {_SOUND}",
    )
    blend: str = setting(
        "mix",
        "how several styles are joined by the start mosaic: mix, everywhere; path, from the first "
        "at the beginning to the last at the end",
        choices=BLENDS,
    )
    start_std: float | None = setting(
        None,
        "standard deviation of noise around 0; null: the style's mean and standard deviation",
        ge=1e-9,
        le=10,
    )
    texture_duration: float | None = setting(
        None,
        "length of a texture, which has no content (s); null: the style's length",
        ge=0.1,
    )
    optimiser: str = setting("lbfgs", "method of optimisation", choices=OPTIMISERS)
    line_search: str = setting("none", "line search of L-BFGS", choices=LINE_SEARCHES)
    learning_rate: float | None = setting(
        None, "step size; null: 1 for lbfgs, 0.05 for adam", ge=1e-9, le=1e3
    )
    history: int = setting(100, "number of steps that L-BFGS remembers", ge=1, le=1000)
    steps: int = setting(
        500,
        "evaluations of the loss; 0: the start goes through the transform and back",
        ge=0,
        le=1000000,
    )
    result_level: str = setting(
        "optimised",
        "level (RMS) of the result: as the optimisation leaves it, or the style's",
        choices=RESULT_LEVELS,
    )

    @property
    def inverts(self) -> bool:
        """Whether a spectrogram is optimised, so that it must be inverted."""
        return self.domain in ("spectrogram", "hybrid")

    @model_validator(mode="after")
    def _path_is_heard(self) -> Self:
        if self.blend == "path" and self.start != "mosaic":
            raise ValueError(f"blend='path' with start={self.start!r}; accepted: start=mosaic")
        return self

    @field_validator("start")
    @classmethod
    def _is_start(cls, start: str) -> str:
        """Refuse a word that is no start and does not look like the path of a file."""
        if start not in STARTS and "/" not in start and not Path(start).suffix:
            raise ValueError(f"start={start!r}; {hint(start, [*STARTS, _SOUND])}")
        return start


class Blocks(Settings):
    """How long sounds are evaluated."""

    whole: float = setting(
        15.0,
        "longest sound whose loss is computed at once (s); that of a longer one is computed in "
        "blocks, if gains or samples are optimised",
        ge=1,
        le=60,
    )


class GriffinLim(Settings):
    """How a spectrogram becomes a sound: fast Griffin-Lim."""

    n_iter: int = setting(32, "iterations of Griffin-Lim", ge=0, le=10000)
    momentum: float = setting(0.99, "momentum of Griffin-Lim", ge=0, le=0.9999)
    phase: str = setting("random", "phase that Griffin-Lim starts from", choices=PHASES)


class SoundItself(Settings):
    """The sound itself is optimised, so that nothing is inverted."""

    domain: str = setting("waveform", "what is optimised: the sound itself", choices=("waveform",))


class Machine(Settings):
    """Seed, device and precision."""

    seed: int = setting(0, "seed of weights, noise and phase", ge=0, le=2**32 - 1)
    device: str = setting(
        "auto", "device of the network; auto: CUDA if there is any", choices=DEVICES
    )
    precision: str = setting(
        "float32", "precision of network, losses and optimisation", choices=PRECISIONS
    )


def parse_value(text: str) -> Any:
    """Read a value from the command line: JSON, or else a word or a comma-separated list."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text.split(",") if "," in text else text


def parse_settings(settings: Iterable[str], given: Iterable[str] = ()) -> dict[str, Any]:
    """Read KEY=VALUE pairs from the command line; names in `given` are refused."""
    parsed: dict[str, Any] = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {text!r}; accepted: KEY=VALUE")
        if key in {*given, *parsed}:
            raise ConfigError(f"--set {text!r}: {key} is given twice; give it once")
        parsed[key] = parse_value(value)
    return parsed
