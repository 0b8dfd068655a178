"""The result of a transfer."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nst_lib.core.optimise import Evaluation
from nst_lib.core.transforms import Transform
from nst_lib.metrics import Scores
from nst_lib.sound.audio import Audio
from nst_lib.system import System

if TYPE_CHECKING:
    import pandas as pd

Spectrogram = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TransferResult:
    """The new sound, and everything that was computed on the way to it.

    Attributes
    ----------
    audio : np.ndarray, shape=(samples,) or (channels, samples)
        The new sound, peak at most 0.999.
    gain : float
        Factor that kept the peak there; 1 where none was needed.
    content : np.ndarray, shape=(samples,) or (channels, samples), or None
        The content as it was used: trimmed or padded, and levelled. None for texture synthesis.
    style : np.ndarray, shape=(samples,) or (channels, samples)
        The style as it was used, condensed if it was long; several styles, one after the other.
    spectrograms : dict of str to np.ndarray, shape=(freq, time)
        "content" (if any), "style", "optimised" (what the optimiser left; of a waveform, its
        spectrogram) and "result" (the spectrogram of `audio`: what is heard). Of several channels
        it is that of their power. Long sounds have fewer frames; `transform` is the one with these.
    evaluations : list of Evaluation
        The losses, evaluation by evaluation; `losses` is the same as a table.
    best_step : int or None
        Index of the evaluation that gave the returned sound; None at 0 steps.
    convergence : float or None
        Spectral convergence of the inversion, from the optimised spectrogram to a sound; see
        :class:`nst_lib.core.inversion.Inversion`. None where the sound was optimised from the
        start.
    realised : dict of str to float
        The losses recomputed from `audio`: "style", "content", "total" and the terms. Empty for a
        baseline, which has no loss.
    scores : Scores or None
        Scores of `audio`; None without a content, or for sounds too short to score.
    outcome : str
        Why the (last) optimisation ended; see :class:`nst_lib.core.optimise.Optimised`.
    subtype : str or None
        Sample format of the content's file, by libsndfile's name ("PCM_16"); None if it has none.
    warnings : list of str
        Faults of the files that were read and used; see :func:`nst_lib.sound.audio.read`.
    seconds : dict of str to float
        Time spent in each of `STAGES`, and "total".
    device : str
        Device that the network ran on.
    transform : Transform
        The transform that made the spectrograms; it labels their axes.
    config : System
        All settings.
    """

    audio: Audio
    gain: float
    content: Audio | None
    style: Audio
    spectrograms: dict[str, Spectrogram]
    evaluations: list[Evaluation]
    best_step: int | None
    convergence: float | None
    realised: dict[str, float]
    scores: Scores | None
    outcome: str
    subtype: str | None
    warnings: list[str]
    seconds: dict[str, float]
    device: str
    transform: Transform
    config: System

    @property
    def losses(self) -> "pd.DataFrame":
        """The loss table: step, seconds, domain, style, content, total and the terms."""
        import pandas as pd

        return pd.DataFrame([evaluation.row() for evaluation in self.evaluations])
