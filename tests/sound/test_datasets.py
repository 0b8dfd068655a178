import re
import shutil

import numpy as np
import pytest

from nst_lib import ESC50, Synthetic
from nst_lib.sound.datasets import STUDY_PAIRS, chosen, credit, open_dataset


@pytest.fixture
def small(tmp_path, make_wav):
    """A partial ESC-50: three clips listed, two present."""
    (tmp_path / "meta").mkdir()
    (tmp_path / "audio").mkdir()
    (tmp_path / "meta" / "esc50.csv").write_text(
        "filename,fold,target,category,esc10,src_file,take\n"
        "1-100-A-49.wav,1,49,hand_saw,False,100,A\n"
        "4-200-A-28.wav,4,28,snoring,False,200,A\n"
        "5-300-A-28.wav,5,28,snoring,False,300,A\n"
    )
    (tmp_path / "LICENSE").write_text(
        "ESC-50 is CC BY-NC 3.0 [see below]\n"
        "- 4-200-A-28.wav: clip derived from Snoring [take 2] (http://example.org) by ann [CC-BY]\n"
    )
    for name in ("1-100-A-49.wav", "4-200-A-28.wav"):
        shutil.move(make_wav(name, sr=44100), tmp_path / "audio" / name)
    return tmp_path


def test_partial_folder_holds_what_is_there(small):
    dataset = ESC50(small)
    assert [clip.name for clip in dataset] == ["1-100-A-49", "4-200-A-28"]
    assert dataset.categories == ("hand_saw", "snoring")
    assert dataset.folds == (1, 4)
    assert dataset.clips(category="snoring") == (dataset["4-200-A-28.wav"],)
    assert dataset.clips(fold=1) == (dataset[0],)
    assert dataset[0].load().shape == (5 * 22050,)


def test_clips_know_their_rate_and_channels(tmp_path, make_wav, rng):
    make_wav("noise.wav", 0.1 * rng.standard_normal((48000, 2)), 48000)
    clip = open_dataset(tmp_path)["noise"]
    assert (clip.sr, clip.channels) == (48000, 2)
    assert clip.load(sr=48000, duration=None, mono=False).shape == (2, 48000)
    assert clip.load(sr=48000, duration=None).shape == (48000,)
    simulated = Synthetic()["hen-0"]
    assert (simulated.sr, simulated.channels) == (22050, 1)
    assert simulated.load(sr=simulated.sr, mono=False).shape == (5 * 22050,)


def test_licence_and_attribution_of_each_clip(small):
    dataset = ESC50(small)
    assert dataset["4-200-A-28"].licence == "CC-BY"
    assert dataset["4-200-A-28"].attribution == (
        "clip derived from Snoring [take 2] (http://example.org) by ann"
    )
    assert dataset["1-100-A-49"].licence == "CC BY-NC 3.0"


def test_wrong_names_are_answered_with_what_is_there(small):
    dataset = ESC50(small)
    with pytest.raises(KeyError, match="nearest: 4-200-A-28"):
        dataset["4-200-B-28"]
    with pytest.raises(ValueError, match="category 'dog'; accepted: hand_saw, snoring"):
        dataset.clips(category="dog")
    with pytest.raises(ValueError, match="fold 9; accepted: 1, 4"):
        dataset.clips(fold=9)


def test_wrong_folders_are_refused(small, tmp_path):
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        ESC50(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"has no meta/esc50.csv; choose the folder of an ESC-50"):
        ESC50(tmp_path / "audio")
    for wav in (small / "audio").iterdir():
        wav.unlink()
    with pytest.raises(ValueError, match=r"audio/ holds none of the 3 clips in esc50.csv"):
        ESC50(small)
    (small / "meta" / "esc50.csv").write_text("filename,fold\n")
    with pytest.raises(ValueError, match=r"esc50.csv: has no column category"):
        ESC50(small)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b"2-400-A-1.wav", "has no fold; a row needs filename, fold, category"),
        (b"2-400-A-1.wav,2", "has no category; a row needs filename, fold, category"),
        (b"2-400-A-1.wav,x,1,rooster", "fold 'x'; accepted: a whole number from 1"),
        (b"2-400-A-1.wav,0,1,rooster", "fold '0'; accepted: a whole number from 1"),
        (b"2-400-A-1.wav,2,1,s\xe4ge", "byte 0xe4; accepted: UTF-8"),
    ],
)
def test_rows_that_are_none(small, row, message):
    table = small / "meta" / "esc50.csv"
    table.write_bytes(table.read_bytes() + row + b"\n5-300-B-28.wav,5,28,snoring\n")
    with pytest.raises(ValueError, match=re.escape(f"{table}: line 5: {message}")):
        ESC50(small)


def test_study_pairs_are_seeded(dataset):
    pairs = dataset.pairs(seed=3)
    assert tuple((pair.style.category, pair.content.category) for pair in pairs) == STUDY_PAIRS
    assert pairs == dataset.pairs(seed=3)
    assert len({dataset.pairs(seed=seed)[0] for seed in range(8)}) > 1


def test_real_folder(esc50_root):
    dataset = ESC50(esc50_root)
    clip = dataset["4-180337-A-28"]
    assert (clip.category, clip.fold, clip.licence) == ("snoring", 4, "CC-BY")
    assert "sankalp" in clip.attribution
    assert {category for pair in STUDY_PAIRS for category in pair} <= set(dataset.categories)
    assert all(clip.licence in ("CC0", "CC-BY") for clip in dataset if clip.fold == 4)


def test_synthetic_has_the_same_interface():
    dataset = Synthetic(takes=2)
    assert len(dataset) == 20
    assert set(dataset.categories) == {category for pair in STUDY_PAIRS for category in pair}
    clip = dataset["snoring-1"]
    np.testing.assert_array_equal(clip.load(), clip.load())
    assert not np.array_equal(clip.load(), dataset["snoring-0"].load())
    assert clip.load(sr=8000, duration=2.0).shape == (16000,)
    with pytest.raises(ValueError, match="takes 0; accepted: 1 or more"):
        Synthetic(takes=0)


def test_open_dataset_by_name(small, monkeypatch, tmp_path):
    monkeypatch.delenv("NST_ESC50", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert isinstance(open_dataset(), Synthetic)
    assert isinstance(open_dataset(small), ESC50)
    with pytest.raises(ValueError, match="set NST_ESC50 to its folder, or run `nst data download`"):
        open_dataset("esc50")
    monkeypatch.setenv("NST_ESC50", str(small))
    assert isinstance(open_dataset(), ESC50)
    assert isinstance(open_dataset("synthetic"), Synthetic)


def test_the_recordings_of_a_transfer_are_files_or_clips(small, make_wav):
    own = make_wav("own.wav")
    given = chosen(open_dataset(small), content=str(own), style="4-200-A-28.wav")
    assert credit(given["content"]) == str(own)
    assert credit(given["style"]) == (
        "snoring (4-200-A-28, recorded), clip derived from Snoring [take 2] "
        "(http://example.org) by ann [CC-BY]"
    )
    first = Synthetic().pairs()[0]
    assert chosen(Synthetic()) == {"content": first.content, "style": first.style}
    assert re.match(r"hand saw \(hand_saw-\d, simulated\)", credit(first.content))


def test_recordings_that_cannot_be_chosen_are_said(tmp_path, make_wav):
    make_wav("own.wav")
    folder = open_dataset(tmp_path)
    with pytest.raises(ValueError, match=f"{tmp_path} is not ESC-50: set content and style"):
        chosen(folder, content="own")
    with pytest.raises(
        ValueError, match=r"style: no file on\.wav in .*, and no clip 'on\.wav' among"
    ):
        chosen(folder, content="own", style="on.wav")


def test_a_folder_of_recordings(tmp_path, make_wav):
    make_wav("bell.wav")
    (tmp_path / "birds").mkdir()
    make_wav("birds/crow.wav")
    make_wav("birds/owl.flac")
    (tmp_path / "notes.txt").touch()
    folder = open_dataset(tmp_path)
    assert [(clip.name, clip.category) for clip in folder] == [
        ("bell", "bell"),
        ("crow", "birds"),
        ("owl", "birds"),
    ]
    assert folder["owl"].attribution == "birds/owl.flac"
    assert folder["bell"].load().shape == (5 * 22050,)
    make_wav("birds/bell.wav")
    (tmp_path / "cats").mkdir()
    make_wav("cats/crow.wav")
    names = {clip.attribution: clip.name for clip in open_dataset(tmp_path)}
    assert names == {
        "bell.wav": "bell",
        "birds/bell.wav": "birds-bell",
        "birds/crow.wav": "birds-crow",
        "birds/owl.flac": "owl",
        "cats/crow.wav": "cats-crow",
    }
    make_wav("birds/crow.flac")
    with pytest.raises(ValueError, match=r"birds/crow\.flac and birds/crow\.wav have the same"):
        open_dataset(tmp_path)


def test_a_folder_without_recordings(tmp_path):
    with pytest.raises(ValueError, match=r"holds no recordings; choose a folder of audio files"):
        open_dataset(tmp_path)
