import librosa
import numpy as np
import pyloudnorm
import pytest
import soundfile as sf

from nst_lib.sound import audio
from nst_lib.sound.audio import AudioError


def tone(hz: float = 440, sr: int = 22050, seconds: float = 1.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(sr * seconds)) / sr)).astype("float32")


@pytest.mark.parametrize("sr", [8000, 22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_read_agrees_with_librosa_load(make_wav, rng, sr, channels):
    path = make_wav("noise.wav", 0.1 * rng.standard_normal((sr, channels)), sr)
    expected, _ = librosa.load(path)
    np.testing.assert_allclose(audio.read(path), expected, atol=1e-6)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_reads_every_format(make_wav, suffix):
    path = make_wav(f"tone{suffix}", tone(sr=44100), 44100)
    y = audio.read(path, duration=1.0)
    assert y.dtype == np.float32
    assert y.shape == (22050,)
    spectrum = np.abs(np.fft.rfft(y * np.hanning(len(y))))
    assert np.argmax(spectrum) == 440


def test_duration_trims_and_pads_with_zeros(make_wav):
    path = make_wav()
    whole = audio.read(path)
    np.testing.assert_array_equal(audio.read(path, duration=0.25), whole[:5512])
    padded = audio.read(path, duration=2.0)
    np.testing.assert_array_equal(padded[:22050], whole)
    assert not padded[22050:].any()


def test_channels_are_averaged(make_wav):
    y = tone()
    np.testing.assert_allclose(
        audio.read(make_wav("stereo.wav", np.stack([y, np.zeros_like(y)], axis=1))),
        y / 2,
        atol=1e-4,
    )


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
@pytest.mark.parametrize("sr", [22050, 16000, 44100])
def test_channels_are_kept(make_wav, suffix, sr):
    """Each channel is what a file with only this channel gives."""
    y = np.stack([tone(440), tone(1000)], axis=1)
    kept = audio.read(make_wav(f"both{suffix}", y), sr=sr, duration=1.0, mono=False)
    assert kept.shape == (2, sr)
    assert kept.flags.c_contiguous
    for channel, one in zip(y.T, kept, strict=True):
        expected = audio.read(make_wav("one.wav", channel), sr=sr, duration=1.0, mono=False)
        assert expected.shape == (sr,)
        np.testing.assert_allclose(one, expected, atol=0.1 if suffix == ".ogg" else 2e-4)


def test_kept_channels_are_trimmed_and_padded(make_wav, rng):
    path = make_wav("noise.wav", 0.1 * rng.standard_normal((22050, 3)))
    whole = audio.read(path, mono=False)
    np.testing.assert_array_equal(
        audio.read(path, mono=False, duration=0.25), whole[:, : round(0.25 * 22050)]
    )
    padded = audio.read(path, mono=False, duration=2.0)
    np.testing.assert_array_equal(padded[:, :22050], whole)
    assert padded.shape == (3, 44100)
    assert not padded[:, 22050:].any()


def test_channels_that_cancel_are_kept(make_wav):
    path = make_wav("antiphase.wav", np.stack([tone(), -tone()], axis=1), subtype="FLOAT")
    np.testing.assert_array_equal(audio.read(path, mono=False), [tone(), -tone()])
    with pytest.raises(AudioError, match=r"antiphase\.wav: is digital silence"):
        audio.read(path)


def test_more_than_eight_channels_are_averaged_or_refused(make_wav, rng):
    y = 0.1 * rng.standard_normal((22050, 9))
    path = make_wav("nine.wav", y, subtype="FLOAT")
    np.testing.assert_allclose(audio.read(path), y.mean(axis=1), atol=1e-6)
    with pytest.raises(AudioError, match=r"nine\.wav: has 9 channels, and at most 8 can be kept"):
        audio.read(path, mono=False)


@pytest.mark.parametrize("shape", [(100,), (2, 100), (8, 100)])
def test_validate_accepts_one_channel_or_several(rng, shape):
    y = rng.standard_normal(shape).astype("float32")
    assert audio.validate(y, mono=False) is y
    y[..., :50] = 0
    y[:1] = 0 if len(shape) > 1 else y[:1]  # one silent channel is no silence
    audio.validate(y, mono=False, min_samples=100)
    with pytest.raises(AudioError, match="has 100 samples at this rate"):
        audio.validate(y, mono=False, min_samples=101)
    with pytest.raises(AudioError, match="is digital silence"):
        audio.validate(0 * y, mono=False)
    y[..., -1] = np.nan
    with pytest.raises(AudioError, match="holds NaN or Inf"):
        audio.validate(y, mono=False)


def test_validate_refuses_other_shapes(rng):
    assert audio.validate(np.ones((1, 100)), mono=False).shape == (100,)
    for shape in [(9, 100), (100, 2), (2, 2, 100), (0, 100), ()]:
        with pytest.raises(AudioError, match=r"shape \(.*; accepted: \(samples,\), or \(channels"):
            audio.validate(np.ones(shape), mono=False)
    with pytest.raises(AudioError, match=r"shape \(2, 100\); accepted: mono sound"):
        audio.validate(np.ones((2, 100)))


def test_fit_and_resample_work_on_each_channel(rng):
    y = rng.standard_normal((3, 4410)).astype("float32")
    for n in (100, 5000):
        np.testing.assert_array_equal(audio.fit(y, n), [audio.fit(one, n) for one in y])
    for rate in (16000, 44100):
        expected = [audio.resample(one, 22050, rate) for one in y]
        found = audio.resample(y, 22050, rate)
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert found.flags.c_contiguous


def test_channels_share_one_gain(rng):
    y = rng.standard_normal((2, 22050)).astype("float32") * [[0.01], [0.02]]
    for measure in audio.LEVELS:
        levelled = audio.level(y, sr=22050, measure=measure)
        assert audio.loudness(levelled, sr=22050, measure=measure) == pytest.approx(
            audio.LEVELS[measure], abs=0.01
        )
        gains = levelled / y
        np.testing.assert_allclose(gains, gains[0, 0], rtol=1e-5)
    guarded, gain = audio.guard(np.stack([4 * tone(), tone()]))
    assert gain == pytest.approx(audio.PEAK / 2)
    np.testing.assert_allclose(guarded, gain * np.stack([4 * tone(), tone()]), atol=1e-6)


def test_loudness_of_channels():
    """RMS is a mean over channels; LUFS is a sum of powers, so two equal channels are 3 dB more."""
    y = tone(997, 48000, 2.0)
    both = np.stack([y, y])
    one, two = (audio.loudness(sound, sr=48000, measure="rms") for sound in (y, both))
    assert two == pytest.approx(one)
    one, two = (audio.loudness(sound, sr=48000, measure="lufs") for sound in (y, both))
    assert two == pytest.approx(one + 3.01, abs=0.01)
    with pytest.raises(AudioError, match="at most 5 channels, and this sound has 6: choose rms"):
        audio.loudness(np.stack([y] * 6), sr=48000, measure="lufs")


def test_rms_of_a_long_sound(rng):
    y = rng.standard_normal((2, 3_000_000)).astype("float32")
    expected = 10 * np.log10(np.mean(y.astype("float64") ** 2))
    assert audio.loudness(y, sr=22050, measure="rms") == pytest.approx(expected, abs=1e-9)


def test_real_clip_reads_as_librosa_does(esc50_root):
    path = esc50_root / "audio" / "4-180337-A-28.wav"
    expected, _ = librosa.load(path)
    np.testing.assert_allclose(audio.read(path, duration=5.0), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("measure", "target"), [("rms", None), ("rms", -30.0), ("lufs", None), ("lufs", -30.0)]
)
def test_level_reaches_its_target(rng, measure, target):
    y = audio.level((0.01 * rng.standard_normal(22050)), sr=22050, measure=measure, target=target)
    expected = audio.LEVELS[measure] if target is None else target
    assert audio.loudness(y, sr=22050, measure=measure) == pytest.approx(expected, abs=0.01)


def test_rms_of_a_full_scale_sine_is_minus_3_db():
    assert audio.loudness(2 * tone(), sr=22050, measure="rms") == pytest.approx(-3.01, abs=0.01)


def test_lufs_of_the_standards_own_example():
    # ITU-R BS.1770-4: a full-scale 997 Hz sine in one channel reads -3.01 LKFS.
    y = 2 * tone(997, 48000, 2.0)
    assert audio.loudness(y, sr=48000, measure="lufs") == pytest.approx(-3.01, abs=0.05)
    assert pyloudnorm.Meter(48000).integrated_loudness(y) == pytest.approx(-3.01, abs=0.05)


def test_peak_guard_limits_levelling():
    click = np.zeros(22050, dtype="float32")
    click[100] = 0.5
    y = audio.level(click, sr=22050, measure="rms", target=-10.0)
    assert np.abs(y).max() == pytest.approx(audio.PEAK, abs=1e-6)


def test_level_refuses_silence_and_unknown_measures():
    with pytest.raises(AudioError, match="is silent, so it has no loudness in rms"):
        audio.level(np.zeros(22050, "float32"), sr=22050, measure="rms")
    with pytest.raises(ValueError, match="'peak'; accepted: rms, lufs"):
        audio.level(tone(), sr=22050, measure="peak")
    with pytest.raises(AudioError, match=r"LUFS needs 0.4 s of sound, and this sound is 0.100 s"):
        audio.loudness(tone(seconds=0.1), sr=22050, measure="lufs")


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_write_is_exact_to_24_bits(tmp_path, rng, suffix):
    y = rng.uniform(-0.99, 0.99, 5000).astype("float32")
    audio.write(tmp_path / f"y{suffix}", y, sr=22050)
    np.testing.assert_allclose(audio.read(tmp_path / f"y{suffix}"), y, atol=2**-23)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
@pytest.mark.parametrize("subtype", [None, *audio.SUBTYPES, "ULAW", "no format"])
@pytest.mark.parametrize("channels", [1, 2])
def test_write_keeps_sample_format_and_channels(tmp_path, suffix, subtype, channels):
    path = tmp_path / f"y{suffix}"
    y = audio.validate(np.stack([tone(440), tone(1000)])[:channels], mono=False)
    audio.write(path, y, sr=22050, subtype=subtype)
    kept = {".wav": audio.SUBTYPES, ".flac": ("PCM_16", "PCM_24"), ".ogg": ()}[suffix]
    written = subtype if subtype in kept else {".ogg": "VORBIS"}.get(suffix, "PCM_24")
    assert sf.info(path).subtype == written
    found = audio.read(path, duration=1.0, mono=False)
    assert found.shape == y.shape
    errors = {"PCM_16": 2**-15, "PCM_24": 2**-23, "PCM_32": 2**-24, "FLOAT": 0, "VORBIS": 0.1}
    np.testing.assert_allclose(found, y, atol=errors[written])


@pytest.mark.parametrize("subtype", audio.SUBTYPES)
def test_every_sample_format_has_the_same_level(tmp_path, subtype):
    y = np.stack([4 * tone(), tone()])
    with pytest.warns(UserWarning, match=r"was scaled by -6\.0 dB"):
        audio.write(tmp_path / "y.wav", y, sr=22050, subtype=subtype)
    found = audio.read(tmp_path / "y.wav", mono=False)
    np.testing.assert_allclose(found, y / 2 * audio.PEAK, atol=2**-14)


def test_writes_a_long_ogg(tmp_path):
    y = tone(seconds=70)
    audio.write(tmp_path / "y.ogg", y, sr=22050)
    assert np.corrcoef(audio.read(tmp_path / "y.ogg", duration=70.0), y)[0, 1] > 0.999


def test_write_scales_instead_of_clipping_and_says_so(tmp_path):
    with pytest.warns(UserWarning, match=r"y.wav: was scaled by -6.0 dB, or it would have"):
        audio.write(tmp_path / "y.wav", 4 * tone(), sr=22050)
    y = audio.read(tmp_path / "y.wav")
    np.testing.assert_allclose(y, 2 * audio.PEAK * tone(), atol=1e-6)


@pytest.mark.parametrize(
    ("y", "reason"),
    [
        (np.full(10, np.nan), "holds NaN or Inf"),
        (np.full((2, 10), np.inf), "holds NaN or Inf"),
        (np.zeros((10, 2)), r"shape \(10, 2\)"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)"),
        (np.zeros(0), r"shape \(0,\)"),
    ],
)
def test_write_refuses_what_is_no_sound_and_leaves_nothing(tmp_path, y, reason):
    with pytest.raises(AudioError, match=reason):
        audio.write(tmp_path / "y.wav", y, sr=22050)
    assert not list(tmp_path.iterdir())


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "y.wav"
    audio.write(path, tone(), sr=22050)
    before = path.read_bytes()

    def full(*_args):
        raise OSError("no space left on device")

    monkeypatch.setattr(sf.SoundFile, "write", full)
    with pytest.raises(OSError, match="no space"):
        audio.write(path, tone(880), sr=22050)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("y.mp4", r"cannot write .mp4; accepted: .wav, .flac, .ogg"),
        ("missing/y.wav", "missing does not exist"),
        ("folder.wav", "is a folder"),
    ],
)
def test_write_refuses_unwritable_paths(tmp_path, name, reason):
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(ValueError, match=reason):
        audio.write(tmp_path / name, tone(), sr=22050)


def test_streamed_wav_of_unknown_length_is_read(make_wav):
    path = make_wav()
    content = bytearray(path.read_bytes())
    data = content.index(b"data")
    content[data + 4 : data + 8] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert len(audio.read(path)) == 22050
