"""What is written of a transfer: sounds with their channels, and a page that is not too large."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import soundfile as sf
from matplotlib.figure import Figure

from nst_lib import TransferConfig, transfer
from nst_lib.result import TransferResult
from nst_lib.show import report
from nst_lib.show.embed import COMPRESSED

SR = 22050


@pytest.fixture(scope="module")
def result(pair) -> TransferResult:
    config = TransferConfig.from_preset("fast", steps=1, duration=0.5, n_iter=1)
    return transfer(pair.content, pair.style, config)


@pytest.mark.parametrize("subtype", [None, "PCM_16", "FLOAT"])
def test_a_stereo_result_is_written_in_its_sample_format(result, tmp_path, rng, subtype):
    y = rng.uniform(-0.5, 0.5, (2, SR)).astype(np.float32)
    inputs = {"content": "a", "style": "b"}
    path = tmp_path / "result.wav"
    record = report.write(replace(result, audio=y, subtype=subtype), path, inputs=inputs)
    assert json.loads(record.read_text())["inputs"] == inputs
    assert sf.info(path).subtype == (subtype or "PCM_24")
    heard, sr = sf.read(path, dtype="float32")
    assert sr == SR
    np.testing.assert_allclose(heard.T, y, rtol=0, atol=1.6 / 32768)


def test_long_sounds_are_compressed_for_the_page(tmp_path, rng):
    files = {name: tmp_path / f"{name}.wav" for name in ("long", "short")}
    for seconds, file in zip((60, 2), files.values(), strict=True):
        sf.write(file, rng.uniform(-0.5, 0.5, (seconds * SR, 2)), SR)
    figure, page = tmp_path / "figure.png", tmp_path / "page.html"
    Figure().savefig(figure)
    sounds = {name: (file, f"by {name}") for name, file in files.items()}
    report.write_page(page, title="t", note="n", sounds=sounds, figure=figure, facts={})
    text = page.read_text()
    assert re.findall('src="data:(audio/[a-z]+);', text) == ["audio/ogg", "audio/wav"]
    long, short = re.findall("<section>.*?</section>", text)
    assert (COMPRESSED in long, COMPRESSED in short) == (True, False)
    assert len(long) < 1.3e6
