"""The trained ear: how similar two sounds are to a network that recognises sound effects.

The network is aiSFX (A. B. Ma and A. Lerch, "Representation Learning for the Automatic Indexing of
Sound Effects Libraries", ISMIR 2022), which others trained on libraries of sound effects.
``nst data ear`` installs its weights (CC BY 4.0); see :mod:`nst_lib.metrics.weights`.

It gives 512 numbers for each block of 2.3 s, all 0 or more, so even unrelated sounds have a cosine
near 0.8. We subtract the mean over 70 clips of ESC-50 (`ORIGIN`). Then the cosine is 1 for equal
sounds, 0.35 on average for clips of one category, and 0.03 for unrelated clips (0.08 at 44.1 kHz;
`benchmarks/ear.json`). For clips of categories that are not part of the mean, it is near 0.06.

The ear is a score and never part of a loss: a judge that is optimised stops being one. It gives no
gradients.
"""

import hashlib
import math
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from nst_lib.base.files import file_checksum
from nst_lib.core.image import downmix
from nst_lib.metrics import aisfx, weights
from nst_lib.metrics.weights import EarError as EarError
from nst_lib.sound import audio
from nst_lib.sound.audio import Audio

#: Level of all sounds in dBFS (RMS). Our choice: of peak level 1 and RMS levels from -50 to -15,
#: clips are recognised best around this one.
LEVEL = -35.0
#: Mean embedding of the 70 clips of ESC-50 that the project is developed on, at 22 050 Hz.
ORIGIN = np.load(Path(__file__).with_name("ear_origin.npy"))
#: Mean cosine of two different clips of one category, over the same clips.
SAME_CATEGORY = 0.35
#: Of a longer sound, as many stretches of one block are heard, spread evenly (our choice).
STRETCHES = 60
#: Number of embeddings that are kept.
_KEPT = 32
#: Blocks that go through the network at once.
_BATCH = 12

Embedding = npt.NDArray[np.float32]


class Ear:
    """The trained network, loaded from a file.

    Parameters
    ----------
    path : Path
        The file that ``nst data ear`` writes.

    Raises
    ------
    EarError
        If the file is another one, or damaged.
    """

    def __init__(self, path: Path) -> None:
        if file_checksum(path) != weights.SHA256:
            raise EarError(
                f"{path}: is damaged (its SHA-256 differs): run `nst data ear` to replace it"
            )
        with torch.device("meta"):  # no random initial weights
            self.network = aisfx.Network()
        self.network.load_state_dict(aisfx.read(path), assign=True)
        self.network.eval()
        self._kept: dict[str, Embedding] = {}

    @torch.inference_mode()
    def respond(self, y: Audio, *, sr: int) -> Embedding:
        """Return the response of the network to a sound: the mean over its blocks (our choice).

        Parameters
        ----------
        y : np.ndarray, shape=(samples,) or (channels, samples)
            A sound, not silent; its level does not matter. Channels are mixed without loss of power
            (:func:`nst_lib.core.image.downmix`).
        sr : int > 0
            Sampling rate in Hz.

        Returns
        -------
        np.ndarray, shape=(512,)
            0 or more.

        Raises
        ------
        AudioError
            If the sound cannot be used.
        """
        y = audio.validate(y, mono=False)
        gain = 10 ** ((LEVEL - audio.loudness(y, sr=sr, measure="rms")) / 20)
        X = torch.cat([_blocks(part, gain, sr=sr) for part in _parts(y, sr=sr)])
        out = torch.cat([self.network(part) for part in torch.split(X, _BATCH)])
        return np.asarray(out.mean(0).numpy())

    def embed(self, y: Audio, *, sr: int) -> Embedding:
        """Return the embedding of a sound: its response without `ORIGIN`, scaled to length 1.

        Parameters and errors are those of :meth:`respond`. The last embeddings are kept.

        Returns
        -------
        np.ndarray, shape=(512,)
            Read-only.
        """
        y = np.ascontiguousarray(y, dtype=np.float32)
        key = f"{y.shape} {sr} {hashlib.sha256(y.data).hexdigest()}"
        if key not in self._kept:
            away = self.respond(y, sr=sr) - ORIGIN
            embedding = np.asarray(away / np.linalg.norm(away))
            embedding.setflags(write=False)
            self._kept[key] = embedding
            if len(self._kept) > _KEPT:
                del self._kept[next(iter(self._kept))]
        return self._kept[key]

    def cosine(self, a: Audio, b: Audio, *, sr: int) -> float:
        """Return the similarity of two sounds: the cosine of their embeddings, from -1 to 1."""
        return float(self.embed(a, sr=sr) @ self.embed(b, sr=sr))


def _parts(y: Audio, *, sr: int) -> Iterator[Audio]:
    """Yield a sound, or stretches of a long one."""
    samples, stretch = y.shape[-1], math.ceil(aisfx.BLOCK_SECONDS * sr)
    if samples <= STRETCHES * stretch:
        yield y
        return
    for first in np.linspace(0, samples - stretch, STRETCHES).round().astype(int):
        yield y[..., first : first + stretch]


def _blocks(y: Audio, gain: float, *, sr: int) -> torch.Tensor:
    """Return the network's input for a sound: one block for a stretch."""
    mono = y if y.ndim == 1 else downmix(y, sr=sr)
    return aisfx.blocks(aisfx.features(np.asarray(mono * gain, dtype=np.float32), sr=sr))


def installed() -> Ear | None:
    """Return the ear, or None if it is not installed. It is loaded once.

    Raises
    ------
    EarError
        If its file is damaged.
    """
    path = weights.find()
    return None if path is None else _load(path)


@lru_cache(maxsize=1)
def _load(path: Path) -> Ear:
    return Ear(path)
