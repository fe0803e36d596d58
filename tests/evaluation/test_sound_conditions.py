"""Each sound condition against an independent formula or a decoded file."""

import io

import av
import numpy as np
import pytest
from scipy import signal

from avforensics.errors import ConfigError
from avforensics.evaluation.robustness import edits
from avforensics.media.conditions import LEAD, PLATFORMS, SOUND_CONDITIONS, change_sound
from avforensics.media.perturbations import PERTURBATIONS, frame_rng
from avforensics.media.types import HOP, Block
from avforensics.scoring.edits import edit_of

N = 50  # frames


def speech(n=N * HOP, seed=0):
    """Noise through a resonance, divided into syllables."""
    rng = np.random.default_rng(seed)
    sound = signal.lfilter([1], [1, -1.6, 0.81], rng.standard_normal(n))
    envelope = 0.1 + np.abs(np.sin(np.arange(n) * 4 * np.pi / 16_000))
    return (sound / np.abs(sound).max() * envelope * 20_000).astype(np.int16)


def blocks(sound, lengths=(7, 1, 20, 22)):
    start = 0
    for length in lengths:
        frames = np.full((length, 2, 2, 3), start, np.uint8)
        yield Block(frames, sound[start * HOP : (start + length) * HOP])
        start += length


def run(name, level, sound=None, lengths=(7, 1, 20, 22), **setting):
    made = list(
        change_sound(blocks(speech() if sound is None else sound, lengths), name, level, **setting)
    )
    assert [len(block.frames) for block in made] == list(lengths)  # pictures stay as they are
    assert [block.frames[0, 0, 0, 0] for block in made] == list(np.cumsum((0, *lengths))[:-1])
    assert all(len(block.audio) == len(block.frames) * HOP for block in made)
    return np.concatenate([block.audio for block in made]).astype(np.float64)


def value(name, level):
    return PERTURBATIONS[name].levels[level - 1]


@pytest.mark.parametrize("name", [*SOUND_CONDITIONS, *PLATFORMS])
def test_seeded_streamed_and_worse_by_level(name):
    sound = speech().astype(np.float64)
    made = [run(name, level, seed=3, video="v") for level in range(1, 6)]
    assert (run(name, 3, seed=3, video="v") == made[2]).all()
    assert (run(name, 3, lengths=(N,), seed=3, video="v") == made[2]).all()  # in any blocks
    errors = [np.sqrt(np.mean((one - sound) ** 2)) for one in made]
    assert errors[0] > 0 and (errors[4] > errors[0] or name == "REVERB")  # REVERB gets longer
    assert len(run(name, 1, speech(HOP), lengths=(1,))) == HOP
    assert not run(name, 2, np.zeros(N * HOP, np.int16)).any()  # silence stays silence
    other = run(name, 3, seed=4, video="v")
    drawn = name in {"NOISE", "MUSIC", "BABBLE", "REVERB"}
    assert (other != made[2]).any() == drawn


@pytest.mark.parametrize("name", ["NOISE", "MUSIC", "BABBLE"])
@pytest.mark.parametrize("level", [1, 3, 5])
def test_what_is_added_is_so_many_decibels_below(name, level):
    sound = speech(12 * 25 * HOP) // 8
    made = run(name, level, sound, lengths=(100,) * 3)
    added = made - sound
    snr = 10 * np.log10(np.mean(sound[:LEAD].astype(float) ** 2) / np.mean(added**2))
    assert snr == pytest.approx(value(name, level), abs=0.6)
    assert value(name, level) == 20 - 5 * (level - 1)


@pytest.mark.parametrize("level", [1, 5])
def test_level_and_band_are_their_formulas(level):
    sound = speech()
    expected = np.rint(sound * 10 ** (value("LEVEL", level) / 20))
    assert (run("LEVEL", level) == expected).all()
    b, a = signal.butter(4, np.array([300, value("BAND", level)]) / 8000, "band")
    expected = signal.lfilter(b, a, sound.astype(np.float64))
    assert np.abs(run("BAND", level) - np.clip(expected, -32768, 32767)).max() <= 1


@pytest.mark.parametrize("level", [1, 3])
def test_a_room_is_its_direct_sound_and_a_decaying_tail(level):
    click = np.zeros(N * HOP, np.int16)
    click[1000] = 20_000
    response = run("REVERB", level, click)[1000:] / 20_000
    assert response[0] == pytest.approx(1, abs=1e-3)
    tail = response[1 : int(value("REVERB", level) * 16_000)]
    assert np.sum(tail**2) == pytest.approx(1, rel=0.1)  # as strong as the direct sound
    energy = (
        np.cumsum(tail[::-1] ** 2)[::-1] + 1e-12
    )  # Schroeder: -60 dB over the reverberation time
    decay = 10 * np.log10(energy / energy[0])
    first, last = (np.argmax(decay < bound) for bound in (-5, -25))
    seconds = 3 * (last - first) / 16_000
    assert seconds == pytest.approx(value("REVERB", level), rel=0.25)
    whole = signal.convolve(speech().astype(float), np.append(1, tail))[: N * HOP]
    assert np.corrcoef(whole, run("REVERB", level))[0, 1] > 0.999


@pytest.mark.parametrize("level", range(1, 6))
def test_resampling_takes_away_what_the_rate_cannot_hold(level):
    rate = value("RATE", level)
    made = run("RATE", level)
    there = signal.resample_poly(speech().astype(float), rate, 16_000, window=("kaiser", 9.0))
    back = signal.resample_poly(there, 16_000, rate, window=("kaiser", 9.0))[: N * HOP]
    assert np.corrcoef(made[800:-800], back[800:-800])[0, 1] > 0.995
    frequency, power = signal.welch(made, 16_000, nperseg=2048)
    assert power[frequency > 0.56 * rate].max(initial=0) < 1e-3 * power.max()


def file_of(sound, codec, kbit, form, rate):
    """Encode to a file in memory and decode it; the container's times remove the codec's delay."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=form) as out:
        stream = out.add_stream(codec, rate=rate)
        stream.bit_rate, stream.layout = kbit * 1000, "mono"
        frame = av.AudioFrame.from_ndarray(sound[None], format="s16", layout="mono")
        frame.sample_rate = 16_000
        for part in av.AudioResampler(stream.format.name, "mono", rate).resample(frame):
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer) as file:
        resampler = av.AudioResampler("s16", "mono", 16_000)
        frames = [one for part in file.decode(audio=0) for one in resampler.resample(part)]
    frames += resampler.resample(None)
    return np.concatenate([one.to_ndarray()[0] for one in frames]).astype(np.float64)


@pytest.mark.parametrize(
    ("name", "level", "codec", "form", "rate"),
    [
        ("AAC", 1, "aac", "mp4", 16_000),
        ("AAC", 4, "aac", "mp4", 16_000),
        ("PLATFORM", 5, "aac", "mp4", 16_000),
        ("OPUS", 2, "libopus", "ogg", 48_000),
        ("OPUS", 5, "libopus", "ogg", 48_000),
    ],
)
def test_codecs_are_files_at_that_rate(name, level, codec, form, rate):
    kbit = value(name, level)[2] if name == "PLATFORM" else value(name, level)
    made, decoded = run(name, level), file_of(speech(), codec, kbit, form, rate)
    decoded = decoded[1024:] if codec == "aac" else decoded  # a frame that comes before the sound
    n = min(len(made), len(decoded)) - 1600
    match = [np.corrcoef(made[800:n], decoded[800 + k : n + k])[0, 1] for k in range(-40, 41)]
    assert max(match) > 0.98
    assert abs(int(np.argmax(match)) - 40) <= 4  # nothing is moved by more than 0.25 ms


def test_a_platform_scales_and_compresses_the_picture():
    frames = [np.random.default_rng(n).integers(0, 256, (400, 500, 3), np.uint8) for n in (0, 1)]
    edit = edit_of("PLATFORM=5", "a.mp4")
    made = list(edit.pictures(iter(frames)))
    assert [frame.shape for frame in made] == [(400, 500, 3)] * 2
    assert np.std(made[0]) < 0.8 * np.std(frames[0])  # 360 lines of noise keep less of it
    assert edit.blocks is not None


def test_names_and_groups():
    assert edit_of("AAC=3", "a.mp4").pictures is None
    assert edit_of("GB=3", "a.mp4").blocks is None
    assert list(edits(["sound"], [2], 1)) == [(name, 2) for name in SOUND_CONDITIONS]
    assert list(edits(["platforms", "AAC"], [1], 0)) == [("PLATFORM", 1), ("AAC", 1)]
    assert len(edits(["paper"], [1], 0)) == 7
    with pytest.raises(ConfigError, match="must be one of paper, sound, platforms, CS"):
        edits(["speech"], [1], 0)
    assert frame_rng(0, "v", -1).random() != frame_rng(0, "v", 0).random()
