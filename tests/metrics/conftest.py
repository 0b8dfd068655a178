import numpy as np
import pytest

from nst_lib.sound.synth import synthesise
from tests.metrics.sounds import SR


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    """A content and a style, of different lengths."""
    return (
        synthesise("water_drops", seed=0, sr=SR, duration=3.0),
        synthesise("frog", seed=0, sr=SR, duration=4.0),
    )
