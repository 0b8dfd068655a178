"""Scores of a transfer, computed from the waveforms alone.

All sounds are brought to the same RMS first, so that no score depends on level.

========  ==================================  =================================================
score     from -> to                          what it compares
========  ==================================  =================================================
timbre    0 (as the content) -> 1 (as the     mean band energy to the power 0.3
          style); below 0: further away
texture   as for timbre                       each family of statistics in `FAMILIES`, averaged
rhythm    0 -> 1 (as the content)             correlation of smoothed onset strength
noise     0 dB or less is good                background relative to the louder one of the inputs
ear       0 (unrelated) -> 1 (as the style)   embeddings of a network that was trained on sound
                                              effects; None if it is not installed
========  ==================================  =================================================

Timbre and texture are 1 - d(result, style) / d(content, style), where d is the Euclidean distance.
They have no lower bound. A band that is almost silent in one of the sounds has extreme skew, so a
result without the high frequencies of the style may have a texture score of -2.

The first four use the front end in :mod:`nst_lib.metrics.hearing`. The trained ear is described in
:mod:`nst_lib.metrics.ear`.
"""

from nst_lib.core.bands import BAND_RANGE, N_BANDS
from nst_lib.metrics.comparison import bounds, copying, distances, snr
from nst_lib.metrics.hearing import (
    BACKGROUND,
    COMPRESSION,
    ENVELOPE_RATE,
    MIN_SAMPLES,
    ONSET_RATE,
    ONSET_SMOOTHING,
    background,
    envelopes,
    onset_strength,
)
from nst_lib.metrics.scoring import Scores, scores
from nst_lib.metrics.texture import (
    CORRELATION_OFFSETS,
    FAMILIES,
    MODULATION_RANGE,
    N_MODULATIONS,
    STATISTICS,
    correlation,
    cross_band,
    mean,
    modulation,
    skew,
    timbre,
    variation,
)

__all__ = [
    "BACKGROUND",
    "BAND_RANGE",
    "COMPRESSION",
    "CORRELATION_OFFSETS",
    "ENVELOPE_RATE",
    "FAMILIES",
    "MIN_SAMPLES",
    "MODULATION_RANGE",
    "N_BANDS",
    "N_MODULATIONS",
    "ONSET_RATE",
    "ONSET_SMOOTHING",
    "STATISTICS",
    "Scores",
    "background",
    "bounds",
    "copying",
    "correlation",
    "cross_band",
    "distances",
    "envelopes",
    "mean",
    "modulation",
    "onset_strength",
    "scores",
    "skew",
    "snr",
    "timbre",
    "variation",
]
