"""What `make demo` makes, in few evaluations, and what a browser would find in it."""

import base64
import io
import re

import numpy as np
import pytest
import soundfile as sf

from nst_lib import demo


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    short = demo.CONFIG.replace(steps=8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "CONFIG", short)
        paths = demo.run(tmp_path_factory.mktemp("demo") / "new" / "folder")
    return {path.name: path for path in paths}


def test_files(files):
    assert list(files) == [
        *("content.wav", "style.wav", "result.wav"),
        *("result.json", "figure.png", "index.html"),
    ]
    for name in ("content.wav", "style.wav", "result.wav"):
        y, sr = sf.read(files[name])
        assert (sr, len(y)) == (22050, 5 * 22050)
        assert 0.01 < np.sqrt(np.mean(y**2)) < 0.3
        assert np.abs(y).max() < 1


def test_page_is_self_contained(files):
    page = files["index.html"].read_text()
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "http-equiv" not in page
    sounds = re.findall(r'src="data:audio/wav;base64,([^"]+)"', page)
    assert len(sounds) == 3
    for encoded, name in zip(sounds, ("content.wav", "style.wav", "result.wav"), strict=True):
        assert base64.b64decode(encoded) == files[name].read_bytes()
        sf.read(io.BytesIO(base64.b64decode(encoded)))
    assert page.count("<section>") == 3
    assert "$" not in page.split("</style>")[1].split("<script>")[0].replace("$schema", "")
