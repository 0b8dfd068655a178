"""The network aiSFX and its features, after their description.

A. B. Ma and A. Lerch, "Representation Learning for the Automatic Indexing of Sound Effects
Libraries", ISMIR 2022. The network hears features of the shape ``(frames, mels)`` in blocks of
2.3 s. With the authors' weights, it responds as their own program does.
"""

import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pad

from nst_lib.sound import audio
from nst_lib.sound.audio import Audio

#: The authors' features: rate in Hz, STFT window and hop in samples, number of mel bands.
RATE, N_FFT, HOP, N_MELS = 44100, 2048, 1024, 96
#: Factor before the logarithm, and the number that the authors divide by.
GAIN, SCALE = 1e4, 9.457798957824707
#: Frames of a block, and from one block to the next.
BLOCK, BLOCK_HOP = 100, 50
#: Length of a block in seconds.
BLOCK_SECONDS = (BLOCK - 1) * HOP / RATE
#: Channels of the four blocks of the network; the last is the length of a response.
CHANNELS = (64, 128, 256, 512)


class Network(nn.Module):
    """Four blocks of two convolutions, after the description in the paper.

    The names of the modules are those in the file of weights.
    """

    def __init__(self) -> None:
        super().__init__()
        for n, (inputs, outputs) in enumerate(zip((1, *CHANNELS), CHANNELS, strict=False), 1):
            self.add_module(f"conv_block{n}", _Block(inputs, outputs))

    def forward(self, X: Tensor) -> Tensor:
        """Return the mean over frequency and then the maximum over time of the last channels.

        Parameters
        ----------
        X : Tensor, shape=(blocks, frames, mels)
            Features.

        Returns
        -------
        Tensor, shape=(blocks, 512)
        """
        X = X[:, None].contiguous(memory_format=torch.channels_last)
        first, *others = self.children()
        X = first(X)
        for block in others:
            X = block(max_pool2d(X, 2))
        return X.mean(3).amax(2)


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)

    def forward(self, X: Tensor) -> Tensor:
        X = self.bn1(self.conv1(X)).relu_()
        result: Tensor = self.bn2(self.conv2(X)).relu_()
        return result


def read(path: Path) -> dict[str, Tensor]:
    """Return the weights in the file by their names in :class:`Network`, channels last."""
    # The file also holds the sizes of the authors' datasets as NumPy numbers.
    scalar = np.int64(0).__reduce__()[0]
    allowed: list[Any] = [np.dtype, np.dtypes.Int64DType, (scalar, "numpy.core.multiarray.scalar")]
    with torch.serialization.safe_globals(allowed):
        state, _ = torch.load(path, map_location="cpu", weights_only=True)
    prefix = "embedding_net."
    own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    fastest = torch.channels_last
    return {k: v.contiguous(memory_format=fastest) if v.ndim == 4 else v for k, v in own.items()}


def features(y: Audio, *, sr: int) -> Tensor:
    """Return the features of a sound: logarithms of mel band powers.

    Parameters
    ----------
    y : np.ndarray, shape=(samples,)
        A sound.
    sr : int > 0
        Sampling rate in Hz.

    Returns
    -------
    Tensor, shape=(frames, N_MELS)
        log10(1 + GAIN * power) / SCALE, at 43 frames per second. The weights of a band add up to 1.
    """
    y = audio.resample(y, sr, RATE)
    spectrum = torch.stft(
        torch.from_numpy(y),
        N_FFT,
        HOP,
        window=torch.hann_window(N_FFT),
        pad_mode="constant",
        return_complex=True,
    )
    power = spectrum.real.square() + spectrum.imag.square()
    result: Tensor = (GAIN * (mel_filters() @ power)).log1p().mT / (math.log(10) * SCALE)
    return result


def blocks(X: Tensor) -> Tensor:
    """Cut features ``(frames, mels)`` into blocks ``(blocks, BLOCK, mels)`` that overlap by half.

    The last block is dropped if it is incomplete. If it is the only one, it is padded with zeros.
    """
    X = pad(X, (0, 0, 0, max(0, BLOCK - len(X))))
    return X.unfold(0, BLOCK, BLOCK_HOP).mT


@lru_cache(maxsize=1)
def mel_filters() -> Tensor:
    """Return the weights ``(N_MELS, bins)`` of the mel bands from 0 to half of `RATE`.

    They are triangles on the mel scale of HTK, as the authors compute them with Essentia. The
    weights of each band add up to 1.
    """
    mel = 2595 * np.log10(1 + np.fft.rfftfreq(N_FFT, 1 / RATE) / 700)
    edges = np.linspace(0, mel[-1], N_MELS + 2)
    distance = np.abs(mel - edges[1:-1, None]) / edges[1]
    triangles = (1 - distance).clip(0)
    return torch.from_numpy(triangles / triangles.sum(1, keepdims=True)).float()
