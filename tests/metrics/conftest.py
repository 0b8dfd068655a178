from pathlib import Path

import numpy as np
import pytest

from nst_lib import ESC50
from nst_lib.metrics.ear import ORIGIN, Ear, installed
from nst_lib.sound.synth import synthesise
from tests.metrics.sounds import SR


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    """A content and a style, of different lengths."""
    return (
        synthesise("water_drops", seed=0, sr=SR, duration=3.0),
        synthesise("frog", seed=0, sr=SR, duration=4.0),
    )


@pytest.fixture(scope="session")
def ear() -> Ear:
    """The trained ear, which `.ci/run` installs."""
    found = installed()
    if found is None:
        pytest.skip("the trained ear is not installed: `nst data ear`")
    return found


@pytest.fixture(scope="session")
def recordings(esc50_root: Path) -> ESC50:
    """The development copy of ESC-50, which the numbers of the ear were measured on."""
    clips = ESC50(esc50_root)
    if (len(clips), len(clips.categories)) != (70, 25):
        pytest.skip("this is another copy of ESC-50")
    return clips


@pytest.fixture(scope="session")
def responses(ear: Ear, recordings: ESC50) -> np.ndarray:
    """The responses of the ear's network to all recordings."""
    return np.stack([ear.respond(clip.load(sr=SR), sr=SR) for clip in recordings])


@pytest.fixture(scope="session")
def embeddings(responses: np.ndarray) -> np.ndarray:
    """The embeddings of all recordings."""
    away = responses - ORIGIN
    return away / np.linalg.norm(away, axis=1, keepdims=True)
