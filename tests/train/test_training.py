"""A classifier learns, on clips that it is not asked about; and where it broke off it goes on."""

import json
import re
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from nst_lib import Synthetic
from nst_lib.config import ConfigError
from nst_lib.sound.datasets import Folder, RecordedClip
from nst_lib.train.classifier import Classifier, training_config
from nst_lib.train.folds import choose_clips, clip_folds, held_out_folds
from nst_lib.train.training import train
from tests.cli.test_commands import Terminal

CLASSES = ("chainsaw", "frog", "hen", "snoring")
OPTIONS = {"classes": CLASSES, "epochs": 3, "batch": 4}


@pytest.fixture(scope="module")
def clips():
    return Synthetic(takes=3)


@pytest.fixture(scope="module")
def config():
    return training_config(channels=12, kernel=5, duration=1.0, n_fft=512)


def written(trained, path):
    """The bytes of the weights, and the record without its times."""
    record = json.loads(trained.write(path).read_text())
    for fold in record["folds"]:
        for epoch in fold["epochs"]:
            assert epoch.pop("seconds") > 0
    return path.read_bytes(), record


def test_training_beats_guessing_on_clips_that_it_never_saw(tmp_path):
    config = training_config(channels=16, kernel=5, duration=2.5)
    trained = train(Synthetic(takes=4), config, classes=CLASSES, fold="all", epochs=10, batch=4)
    assert [fold.fold for fold in trained.folds] == [1, 2, 3, 4]
    for fold in trained.folds:
        losses = [epoch.loss for epoch in fold.epochs]
        assert len(losses) == 10
        assert losses[-1] < 0.25 * losses[0]
        assert fold.epochs[-1].accuracy > 0.9
        assert fold.epochs[-1].held_out_accuracy == fold.accuracy
    assert trained.chance == 0.25
    assert trained.accuracy >= 0.6
    assert trained.accuracy == np.mean([fold.accuracy for fold in trained.folds])
    record = written(trained, tmp_path / "t.pt")[1]
    assert np.trace(record["confusion"]) == round(16 * trained.accuracy)
    assert np.sum(record["confusion"], axis=1).tolist() == [4, 4, 4, 4], "each clip is asked once"
    assert len(str(trained).splitlines()) == 7


def test_held_out_clips_are_never_learned_from(clips, config, monkeypatch):
    batches = {True: [], False: []}
    forward = Classifier.forward

    def spy(self, S):
        batches[self.training].extend(S.numpy().tobytes() for S in S)
        return forward(self, S)

    monkeypatch.setattr(Classifier, "forward", spy)
    for fold in (1, 2, 3):
        batches[True].clear(), batches[False].clear()
        trained = train(clips, config, fold=fold, **OPTIONS)
        learned, asked = set(batches[True]), set(batches[False])
        assert (len(learned), len(asked)) == (8, 4)
        assert not learned & asked
        assert len(batches[True]) == 3 * 8, "every other clip once an epoch"
        held_out = trained.folds[0].held_out
        assert held_out == [
            clip.name for clip in clips.clips(fold=fold) if clip.category in CLASSES
        ]


def test_same_seed_same_bytes(clips, config, tmp_path):
    first, again, other = (
        written(train(clips, config.replace(seed=seed), **OPTIONS), tmp_path / f"{n}.pt")
        for n, seed in enumerate((0, 0, 1))
    )
    assert first == again
    assert first[0] != other[0]


@pytest.mark.parametrize("at", [(1, 1), (2, 3), (3, 2)])
def test_an_interrupted_training_goes_on_to_the_same_end(clips, config, tmp_path, at):
    whole = train(clips, config, fold="all", **OPTIONS)
    path, stop = tmp_path / "t.ckpt", threading.Event()

    def interrupt(epoch):
        if (epoch.fold, epoch.epoch) == at:
            stop.set()

    with pytest.raises(KeyboardInterrupt):
        train(clips, config, fold="all", checkpoint=path, on_epoch=interrupt, stop=stop, **OPTIONS)
    epochs, progress = [], []
    resumed = train(
        clips,
        config,
        fold="all",
        checkpoint=path,
        on_epoch=epochs.append,
        callback=progress.append,
        **OPTIONS,
    )
    assert len(epochs) == 9 - 3 * (at[0] - 1) - at[1], "not from the start"
    assert [p.done for p in progress] == list(range(72 - 8 * len(epochs) + 4, 73, 4))
    assert {p.total for p in progress} == {72}
    assert written(resumed, tmp_path / "a.pt") == written(whole, tmp_path / "b.pt")
    for other in ({"epochs": 4}, {"batch": 5}, {"learning_rate": 0.1}, {"classes": CLASSES[:2]}):
        with pytest.raises(
            ValueError, match=r"t.ckpt: belongs to another training \(settings, weig"
        ):
            train(clips, config, fold="all", checkpoint=path, **OPTIONS | other)
    with pytest.raises(ValueError, match="belongs to another training"):
        train(clips, config.replace(seed=3), fold="all", checkpoint=path, **OPTIONS)


def test_weights_are_loaded_without_running_code(clips, config, tmp_path):
    trained = train(clips, config, **OPTIONS)
    trained.write(tmp_path / "t.pt")
    weights = torch.load(tmp_path / "t.pt", weights_only=True)
    assert (weights["classes"], weights["fold"], weights["epochs"]) == ([*CLASSES], 3, 3)
    assert weights["accuracy"] == trained.accuracy == trained.folds[0].accuracy
    assert (weights["settings"]["channels"], weights["settings"]["n_fft"]) == (12, 512)
    drawn = Classifier(config, n_freq=257, n_frames=87, n_classes=4)
    before = drawn.state_dict()["network.layers.conv2.weight"].clone()
    drawn.network.load_state_dict(weights["network"])
    drawn.linear.load_state_dict(weights["linear"])
    after = drawn.state_dict()["network.layers.conv2.weight"]
    assert (after - before).norm() > 0.01 * before.norm()
    S = torch.rand(2, 257, 87)
    assert torch.equal(drawn.eval()(S), trained.classifier(S))


def test_statistics_are_the_mean_over_the_last_epoch(clips, config):
    trained = train(clips, config, **OPTIONS | {"learning_rate": 1e-12, "epochs": 2, "batch": 8})
    network, norm = trained.classifier.network, trained.classifier.network.layers["bn1"]
    transform_of = {}
    original = Classifier.forward
    assert norm.num_batches_tracked == 1

    def spy(self, S):
        transform_of[self.training] = S
        return original(self, S)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Classifier, "forward", spy)
        train(clips, config, **OPTIONS | {"learning_rate": 1e-12, "epochs": 1, "batch": 8})
    with torch.no_grad():
        x = network(transform_of[True] / 7, ["conv1"])["conv1"].transpose(0, 1).flatten(1)
    torch.testing.assert_close(norm.running_mean, x.mean(1), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(norm.running_var, x.var(1), rtol=1e-3, atol=1e-6)


def test_channels_and_other_settings(clips):
    assert training_config().channels == 256
    config = training_config(
        channels=4, stacks=2, orientation="2d", pooling="average", duration=0.5, n_fft=512
    )
    trained = train(clips, config, **OPTIONS | {"epochs": 1})
    assert trained.classifier.linear.weight.shape == (4, 4 * (257 // 4) * (44 // 4))
    with pytest.raises(ConfigError, match="kernal: a training does not depend on it; did you mean"):
        training_config(kernal=3)
    with pytest.raises(ConfigError, match="beta: a training does not depend on it"):
        training_config(beta=1.0)


def recorded(name, category, fold=4):
    return RecordedClip(
        name=name, category=category, fold=fold, licence="", attribution="", path=Path(name)
    )


def test_recordings_of_one_fold_are_dealt_out_by_source():
    hens = [recorded(f"4-{source}-22", "hen") for source in ("10-A", "10-B", "30-A", "20-A")]
    frogs = [recorded(f"4-{source}-4", "frog") for source in ("11-A", "11-B", "10-C")]
    folds = clip_folds([*hens, *frogs])
    by_name = dict(zip((clip.name for clip in (*hens, *frogs)), folds, strict=True))
    assert by_name["4-10-A-22"] == by_name["4-10-B-22"] == by_name["4-10-C-4"]
    assert by_name["4-11-A-4"] == by_name["4-11-B-4"]
    assert {by_name["4-20-A-22"], by_name["4-30-A-22"]} == {1, 2}
    assert max(clip_folds([recorded(f"{n}", "hen") for n in range(12)])) == 5
    own = [*hens, recorded("1-9-A-22", "hen", fold=1)]
    assert clip_folds(own) == [4, 4, 4, 4, 1], "the dataset's where it has several"


def test_what_leaves_nothing_to_learn_is_refused(clips):
    with pytest.raises(ValueError, match=r"unknown class 'frogs'; did you mean frog\?"):
        choose_clips(clips, ["hen", "frogs"])
    for one in (["hen"], ["hen", "hen"]):
        with pytest.raises(ValueError, match="classes: hen; choose two or more"):
            choose_clips(clips, one)
    chosen, classes = choose_clips(clips, ["hen", "frog", "hen"])
    assert (len(chosen), classes) == (6, ("frog", "hen"))
    folds = clip_folds(chosen)
    assert held_out_folds(None, chosen, folds) == [3]
    assert held_out_folds("all", chosen, folds) == [1, 2, 3]
    for fold in (9, "some"):
        with pytest.raises(ValueError, match=f"fold {fold} has no clips; accepted: 1, 2, 3, all"):
            held_out_folds(fold, chosen, folds)
    lone = [*chosen, recorded("x", "owl", fold=2)]
    with pytest.raises(ValueError, match="all clips of class owl are in fold 2, so none are left"):
        held_out_folds("all", lone, [*folds, 2])
    assert held_out_folds(1, lone, [*folds, 2]) == [1]


def test_recordings_must_have_one_length(make_wav, tmp_path, config):
    for n in range(4):
        (tmp_path / "ab"[n % 2]).mkdir(exist_ok=True)
        tone = np.sin(np.arange(9000 + 1000 * n))
        make_wav(f"{n}.wav", tone).rename(tmp_path / "ab"[n % 2] / f"{n}.wav")
    with pytest.raises(ConfigError, match="duration=null: the recordings differ in length"):
        train(Folder(tmp_path), config.replace(duration=None), epochs=1)
    with pytest.raises(ValueError, match=r"learning_rate 1e\+30: the loss is (nan|inf)"):
        train(Folder(tmp_path), config, epochs=3, learning_rate=1e30, batch=2)


SMALL = ("--data", "synthetic", "--classes", "hen,frog", "--channels", 8, "--set", "kernel=5")
SMALL = (*SMALL, "--set", "duration=1", "--epochs", 2)


def test_train_then_transfer(nst, make_wav, tmp_path):
    result = nst("train", "--out", "t.pt", *SMALL, "--fold", "all", OMP_NUM_THREADS="1")
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["fold", "clips", "accuracy"]
    assert [line.split()[:2] for line in lines[1:5]] == [[str(n), "2"] for n in (1, 2, 3, 4)]
    assert re.fullmatch(r"mean +\d+%", lines[5])
    assert re.fullmatch(r"guessing +50%", lines[6])
    assert lines[7:] == ["t.pt", "t.json"]
    lines = result.stderr.splitlines()
    assert len(lines) == 8
    assert re.fullmatch(
        r"fold 1, epoch 1 of 2: loss \S+, accuracy \d+%; held out: loss \S+, accuracy \d+%",
        lines[0],
    )
    record = json.loads((tmp_path / "t.json").read_text())
    assert (record["classes"], record["chance"]) == (["frog", "hen"], 0.5)
    assert [len(fold["epochs"]) for fold in record["folds"]] == [2, 2, 2, 2]
    assert not (tmp_path / "t.ckpt").exists()
    sf.write(tmp_path / "style.wav", Synthetic()[0].load(duration=1.0), 22050)
    options = ("--preset", "huzaifah2020", "--content", make_wav(), "--style", "style.wav")
    options = (*options, "--out", "C.wav", "--steps", 2, "--set", "n_iter=2", "--set", "duration=1")
    options = (*options, "--set", "weights=t.pt")
    result = nst("transfer", *options)
    assert (result.returncode, result.stderr) == (
        2,
        "nst: weights='t.pt' was trained with channels=8, kernel=5: "
        "use --set channels=8 --set kernel=5\n",
    )
    result = nst("transfer", *options, "--set", "channels=8", "--set", "kernel=5")
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads((tmp_path / "C.json").read_text())["config"]["weights"] == "t.pt"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "t.txt"), "t.txt: cannot write .txt; accepted: .pt"),
        (("--data", "nowhere"), "nowhere: no such folder"),
        (("--set", "steps=3"), "steps: a training does not depend on it; "),
    ],
)
def test_bad_input_gets_one_line_and_status_2(nst, tmp_path, arguments, message):
    base = {"--out": "t.pt", "--data": "synthetic", "--classes": "hen,frog"}
    base = {name: value for name, value in base.items() if name not in arguments}
    result = nst("train", *[text for option in base.items() for text in option], *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"nst: {message}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
def test_interrupt_keeps_the_last_epoch(tmp_path):
    endless = (*SMALL[:-1], 10**6, "--out", "t.pt")
    terminal = Terminal("train", *endless, cwd=tmp_path)
    terminal.wait_for("loss")
    while not (tmp_path / "t.ckpt").exists():
        time.sleep(0.05)
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.finish() == ""
    assert terminal.process.returncode == 130
    assert re.search(r"fold 4, epoch \d+ of 1000000 .*<.*, loss \S+, accuracy \d+%", terminal.shown)
    assert terminal.shown.splitlines()[-1] == (
        "nst: interrupted: run the same command again to continue from t.ckpt"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["t.ckpt"]
