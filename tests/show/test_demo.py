"""What `make demo` makes, in few evaluations, and what a browser would find in it."""

import base64
import io
import re

import numpy as np
import pytest
import soundfile as sf
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from nst_lib.show import demo
from nst_lib.sound.datasets import open_dataset
from tests.pages import watch


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    short = demo.CONFIG.replace(steps=8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "CONFIG", short)
        paths = demo.run(tmp_path_factory.mktemp("demo") / "new" / "folder")
    return {path.name: path for path in paths}


def test_files(files):
    rate = open_dataset().pairs(seed=0)[0].content.sr
    assert list(files) == [
        *("content.wav", "style.wav", "result.wav"),
        *("result.json", "figure.png", "index.html"),
    ]
    for name in ("content.wav", "style.wav", "result.wav"):
        y, sr = sf.read(files[name])
        assert (sr, len(y)) == (rate, 5 * rate)
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_phones_and_follows_the_colours_of_the_system(files, browser: Browser, scheme):
    troubles: list[str] = []
    page = watch(browser.new_page(color_scheme=scheme), troubles, ours=r"file:///|data:")
    page.goto(files["index.html"].as_uri())
    for width in (390, 320):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") == width
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colour == {"light": "rgb(255, 255, 255)", "dark": "rgb(16, 16, 18)"}[scheme]
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_snapshot()
    assert troubles == []
    page.close()
