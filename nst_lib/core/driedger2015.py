"""J. Driedger, T. Praetzlich, M. Mueller, "Let it Bee: towards NMF-inspired audio mosaicing".

ISMIR 2015. The magnitude spectrogram V of the content is approximated by W H. The columns of W, the
templates, are the magnitudes of the style's own frames and stay as they are. Only the activations H
are learnt, in L iterations l = 0, 1, ... Each of them shapes H in three ways, and then makes one
multiplicative update towards a smaller Kullback-Leibler divergence between V and W H:

    repetition   an activation that is not the largest within r frames to both sides (of one
                 template) is multiplied by 1 - (l + 1) / L, so that no frame stutters
    polyphony    in each frame, all but the p largest activations are multiplied by the same factor
    continuity   H is summed over 2 c + 1 neighbours along its diagonals, so that frames of the
                 style follow one another as in the style
    update       H <- H * (W^T (V / (W H))) / (W^T 1)

In the last iteration the factor is 0. The mosaic is the sum of the complex frames of the style with
these activations; Griffin-Lim then finds phases that fit together.

r = c = 3 and p = 10 are the values of the public implementations that follow the paper (by D.
Kitamura, and by C. Tralie). The full paper was not at hand: the rules are as these implementations
describe them. Ours are the window and the hop of the STFT, L, activations of 1 at the start instead
of random ones, 32 iterations of Griffin-Lim from the phase of the sum, and the style's level.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool1d

from nst_lib.base.validation import validate_memory
from nst_lib.core.bands import FloatArray
from nst_lib.core.inversion import griffin_lim
from nst_lib.core.shaping import Waveform, as_loud_as
from nst_lib.core.transforms import STFT, window_length

#: Window of the STFT in seconds, rounded to a power of two: 2048 samples at 22 050 Hz. The hop is a
#: quarter of it.
WINDOW = 0.093
#: Iterations of Griffin-Lim.
N_ITER = 32


@dataclass(frozen=True)
class Restrictions:
    """The rules for activations; see the module.

    Attributes
    ----------
    repetition : int >= 0
        r: frames to both sides within which only the largest activation of a template stays; 0: no
        rule.
    polyphony : int >= 0
        p: largest number of templates in a frame; 0: no rule.
    continuity : int >= 0
        c: neighbours to both sides that are summed along the diagonals; 0: no rule.
    """

    repetition: int = 3
    polyphony: int = 10
    continuity: int = 3

    def shape(self, H: Tensor, factor: float) -> Tensor:
        """Return the activations with less repetition and polyphony, and more continuity."""
        if self.repetition:
            reach = self.repetition
            largest = max_pool1d(H[None], 2 * reach + 1, stride=1, padding=reach)[0]
            H = torch.where(largest == H, H, factor * H)
        if self.polyphony and self.polyphony < len(H):
            kept = H.topk(self.polyphony, dim=0).indices
            H = (factor * H).scatter(0, kept, H.gather(0, kept))
        if self.continuity:
            kernel = torch.eye(2 * self.continuity + 1).to(H)
            H = conv2d(H[None, None], kernel[None, None], padding=self.continuity)[0, 0]
        return H


def driedger2015(
    style: Waveform,
    content: Waveform,
    *,
    sr: int,
    restrictions: Restrictions | None = None,
    n_updates: int = 20,
) -> FloatArray:
    """Return the content's spectrogram, played with frames of the style.

    Parameters
    ----------
    style, content : np.ndarray, shape=(samples,)
        The recordings. The style may be longer or shorter than the content.
    sr : int > 0
        Sampling rate in Hz.
    restrictions : Restrictions or None
        The rules for activations; None is those of the paper.
    n_updates : int > 0
        L, the number of iterations.

    Returns
    -------
    np.ndarray, shape=(samples of the content,)
        The mosaic with the level of the style.

    Raises
    ------
    ValueError
        If the activations do not fit in memory: their number grows with the product of the lengths.
    """
    n, n_fft = len(content), window_length(WINDOW, sr=sr)
    stft = STFT(sr=sr, n_fft=n_fft, hop_length=n_fft // 4)
    length = max(n, n_fft)
    sounds = [np.pad(y.astype(np.float64), (0, max(0, n_fft - len(y)))) for y in (style, content)]
    pieces, target = (stft.analyse(torch.from_numpy(y)) for y in sounds)
    validate_memory(
        5 * 8 * pieces.shape[1] * target.shape[1],
        of=f"activations of {pieces.shape[1]} templates in {target.shape[1]} frames",
        accepted="shorter recordings",
    )
    H = activations(target.abs(), pieces.abs(), restrictions=restrictions, n_updates=n_updates)
    summed = stft.synthesise(pieces @ H.to(pieces), length=length)
    S = (pieces.abs() @ H).log1p()
    y = griffin_lim(S, stft, length=length, n_iter=N_ITER, momentum=0.0, phase_of=summed).y
    return as_loud_as(style, y[:n].numpy())


def activations(
    V: Tensor, W: Tensor, *, restrictions: Restrictions | None = None, n_updates: int = 20
) -> Tensor:
    """Return the activations H with which W H approximates V; see the module.

    Parameters
    ----------
    V : Tensor, shape=(freq, frames)
        Magnitudes of the content.
    W : Tensor, shape=(freq, templates)
        Magnitudes of the style's frames, in the order of time.
    restrictions : Restrictions or None
        The rules; None is those of the paper.
    n_updates : int > 0
        L, the number of iterations.

    Returns
    -------
    Tensor, shape=(templates, frames)
        0 or more. Frames of digital silence have no activations.
    """
    rules = Restrictions() if restrictions is None else restrictions
    least = torch.finfo(V.dtype).tiny
    H = torch.ones(W.shape[1], V.shape[1]).to(V)
    weights = W.sum(0)[:, None].clamp_min(least)
    for update in range(n_updates):
        H = rules.shape(H, 1 - (update + 1) / n_updates)
        H = H * (W.mT @ (V / (W @ H).clamp_min(least))) / weights
    return H


def divergence(V: Tensor, approximation: Tensor) -> float:
    """Return the generalised Kullback-Leibler divergence: sum of V log(V / A) - V + A."""
    logs = torch.xlogy(V, V) - torch.xlogy(V, approximation)
    return float((logs - V + approximation).sum())
