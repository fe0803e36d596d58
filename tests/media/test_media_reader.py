"""Timing: picture and sound are paired correctly, whatever clocks the file has."""

import os
import struct
import subprocess
import sys
from fractions import Fraction
from math import floor
from pathlib import Path

import numpy as np
import pytest
from media_files import (
    frames_at,
    lag,
    mux,
    noise,
    number_of,
    numbered,
    numbers,
    pictures,
    read,
    remux,
)  # fmt: skip
from PIL import Image

from avforensics.media import read_audio, write_clip

SOUND = noise(3)
PLAIN = frames_at(25, 75)


def expected_numbers(times, end):
    """Apply FFmpeg's rule for fps=25: show each frame from its rounded time to the next frame's."""
    ticks = [floor(25 * (time - times[0]) + Fraction(1, 2)) for time in times]
    count = floor(25 * (end - times[0]) + Fraction(1, 2))
    return [max(i for i, tick in enumerate(ticks) if tick <= k) for k in range(count)]


@pytest.mark.parametrize("b_frames", [0, 3])
def test_a_plain_file(tmp_path, b_frames):
    path = mux(tmp_path / "a.mp4", times=PLAIN, sounds=[[(0, SOUND)]], b_frames=b_frames)
    frames, sound, report = read(path)
    assert frames.shape == (75, 224, 224, 3)
    assert numbers(frames) == list(range(75))
    assert lag(sound, SOUND) == 0
    assert (report.n_frames, report.video_frames, report.duration) == (75, 75, 3.0)
    assert report.audio_samples // 640 == 75
    assert (report.fps, report.width, report.height, report.rotation) == (25.0, 128, 96, 0)
    assert (report.video_codec, report.audio_codec, report.reader) == ("h264", "aac", "pyav")
    assert report.skipped_packets == 0 and report.warnings == []


def test_late_sound_has_silence_in_front(tmp_path):
    path = mux(tmp_path / "a.mp4", times=PLAIN, sounds=[[(0.2, SOUND)]])
    _, sound, report = read(path)
    assert lag(sound, SOUND) == 3200
    assert not sound[:2000].any()
    assert any("audio starts" in warning for warning in report.warnings)


def test_sound_before_the_first_picture_is_cut(tmp_path):
    path = mux(tmp_path / "a.mp4", times=frames_at(25, 75, 0.3), sounds=[[(0, SOUND)]])
    frames, sound, _ = read(path)
    assert numbers(frames)[:3] == [0, 1, 2]
    assert lag(sound, SOUND) == -4800


@pytest.mark.parametrize("b_frames", [0, 2])
def test_edit_list(tmp_path, b_frames):
    whole = mux(tmp_path / "a.mp4", times=PLAIN, sounds=[[(0, SOUND)]], b_frames=b_frames)
    cut = remux(whole, tmp_path / "b.mp4", shift=-1.0)
    assert cut.stat().st_size > 0.9 * whole.stat().st_size  # all packets are still there
    frames, sound, report = read(cut)
    assert numbers(frames) == list(range(25, 75))
    assert lag(sound, SOUND) == -16_000
    assert report.video_frames == 50


def rearranged(path, starts):
    """Replace each track's edit list: one second of the track from each of ``starts`` on."""
    data = bytearray(path.read_bytes())
    assert data.index(b"mdat") < data.index(b"moov"), "else, positions in the file would change"
    movie = data.index(b"mvhd") + 16  # ticks per second of edit lists; FFmpeg versions differ
    (second,) = struct.unpack(">I", data[movie : movie + 4])
    for scale, at in zip((16_000, 60_000), reversed(find_all(data, b"elst")), strict=True):
        (first,) = struct.unpack(">i", data[at + 16 : at + 20])
        edits = [struct.pack(">IiI", second, first + start * scale, 65_536) for start in starts]
        size = struct.unpack(">I", data[at - 4 : at])[0]
        new = bytes(4) + struct.pack(">I", len(starts)) + b"".join(edits)
        data[at + 4 : at - 4 + size] = new
        outer = [data.index(b"moov"), data.rindex(b"trak", 0, at), data.rindex(b"edts", 0, at), at]
        for box in outer:
            (length,) = struct.unpack(">I", data[box - 4 : box])
            data[box - 4 : box] = struct.pack(">I", length + len(new) + 8 - size)
    path.write_bytes(data)
    return path


def find_all(data, word):
    return [place for place in range(len(data)) if data[place : place + 4] == word]


def test_parts_in_another_order(tmp_path):
    """Editors write lists of edits: packets between them are decoded, but not shown."""
    sounds = [[(0, SOUND)]]
    path = mux(tmp_path / "a.mov", times=PLAIN, sounds=sounds, audio_codec="pcm_s16le", b_frames=2)
    frames, sound, report = read(rearranged(path, [1, 0]))
    assert numbers(frames) == [*range(25, 50), *range(25)]
    assert lag(sound[:16_000], SOUND[16_000:32_000]) == 0
    assert 0 <= lag(sound[16_000:], SOUND[:16_000]) <= 160, "10 ms: packets are not cut"
    assert report.breaks == () and report.warnings == []


def test_a_gap_in_the_sound_is_filled(tmp_path):
    pieces = [(0, SOUND[:16_000]), (1.5, SOUND[24_000:])]
    path = mux(tmp_path / "a.mkv", times=PLAIN, sounds=[pieces], audio_codec="pcm_s16le")
    _, sound, _ = read(path)
    assert np.array_equal(sound[:16_000], SOUND[:16_000])
    assert not sound[16_000:24_000].any()
    assert np.array_equal(sound[24_000:], SOUND[24_000 : len(sound)])


def test_doubled_sound_is_cut(tmp_path):
    pieces = [(0, SOUND[:16_384]), (0.963, SOUND[15_408:])]
    path = mux(tmp_path / "a.mkv", times=PLAIN, sounds=[pieces], audio_codec="pcm_s16le")
    _, sound, _ = read(path)
    assert np.array_equal(sound, SOUND[: len(sound)])


@pytest.mark.parametrize(
    ("rate", "count"), [(Fraction(30_000, 1001), 90), (50, 150), (24, 72), (15, 45), (25, 75)]
)
def test_other_rates(tmp_path, rate, count):
    times = [index / Fraction(rate) for index in range(count)]
    path = mux(tmp_path / "a.mp4", times=times, rate=rate, sounds=[[(0, SOUND)]])
    found = numbers(pictures(path))
    assert found == expected_numbers(times, count / Fraction(rate))
    assert len(found) == 75


def test_variable_rate(tmp_path):
    gaps = np.random.default_rng(4).uniform(0.008, 0.11, 50)
    times = np.round(np.cumsum(gaps), 3).tolist()  # Matroska counts milliseconds
    path = mux(tmp_path / "a.mkv", times=times, sounds=[[(0, noise(4))]])
    found = numbers(pictures(path))
    expected = expected_numbers(times, times[-1] + 0.04)
    assert abs(len(found) - len(expected)) <= 1  # the last frame's duration is not stored
    assert found[: len(expected) - 1] == expected[:-1][: len(found)]
    _, sound, _ = read(path)
    assert lag(sound, noise(4)) == -round(times[0] * 16_000)


@pytest.mark.parametrize(
    ("name", "video", "pixels", "size"),
    [("a.dv", "dvvideo", "yuv420p", (720, 576)), ("a.mxf", "jpeg2000", "yuv422p", (128, 96))],
)
def test_a_rate_that_is_missing_or_implausible(tmp_path, name, video, pixels, size):
    path = mux(
        tmp_path / name,
        times=PLAIN,
        sounds=[[(0, noise(3, rate=48_000))]],
        video_codec=video,
        pix_fmt=pixels,
        size=size,
        audio_codec="pcm_s16le",
        audio_rate=48_000,
        layout="stereo",
    )
    frames, _, report = read(path)
    assert len(frames) == len(PLAIN) and report.fps == 25


@pytest.mark.parametrize(
    ("name", "video", "audio", "rate", "pixels"),
    [
        ("a.ts", "libx264", "aac", 16_000, "yuv420p"),
        ("a.mov", "mpeg4", "pcm_s16le", 44_100, "yuv420p"),
        ("a.webm", "libvpx-vp9", "libopus", 48_000, "yuv420p"),
        ("a.flv", "libx264", "aac", 16_000, "yuv420p"),
        ("a.mkv", "libx264", "flac", 48_000, "yuv420p10le"),
    ],
)
def test_other_containers_and_codecs(tmp_path, name, video, audio, rate, pixels):
    path = mux(
        tmp_path / name,
        times=PLAIN,
        sounds=[[(0, noise(3, rate=rate))]],
        video_codec=video,
        pix_fmt=pixels,
        audio_codec=audio,
        audio_rate=rate,
        layout="stereo" if rate > 16_000 else "mono",
    )
    frames, sound, _ = read(path)
    assert len(frames) >= 74
    assert numbers(frames) == list(range(len(frames)))
    at_16k = np.interp(np.arange(48_000) / 16_000, np.arange(3 * rate) / rate, noise(3, rate=rate))
    assert abs(lag(sound, at_16k)) <= 1


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_rotation(tmp_path, rotation):
    stored = np.zeros((64, 96, 3), np.uint8)
    stored[:16], stored[:, :16] = (200, 30, 30), (30, 200, 30)
    path = tmp_path / "a.mp4"
    write_clip(path, [stored] * 10, noise(0.4), rotation=rotation, crf=1)
    upright = np.rot90(stored, rotation // 90)
    shown = pictures(path)[0]
    assert shown.shape == upright.shape
    assert np.abs(shown.astype(int) - upright).mean() < 3
    frames, _, report = read(path, size=64)
    size = (report.width, report.height)
    assert (report.rotation, size) == (rotation, upright.shape[1::-1])
    expected = np.asarray(Image.fromarray(shown).resize((64, 64), Image.Resampling.BICUBIC))
    assert np.array_equal(frames[0], expected)


def test_mirrored_picture(tmp_path):
    """The display matrix of a selfie camera exchanges left and right."""
    path = tmp_path / "a.mp4"
    write_clip(path, [numbered(0b00010111)] * 10, noise(0.4))
    data = path.read_bytes()
    unity = np.array([65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30], ">i4").tobytes()
    mirror = np.array([-65536, 0, 0, 0, 65536, 0, 128 << 16, 0, 1 << 30], ">i4").tobytes()
    at = data.index(unity, data.index(b"tkhd"))
    path.write_bytes(data[:at] + mirror + data[at + 36 :])
    assert number_of(read(path)[0][0]) == 0b11101000


def test_crop_and_size(tmp_path):
    path = tmp_path / "a.mp4"
    write_clip(path, [numbered(0b00111100)] * 10, noise(0.4))
    frames, _, _ = read(path, size=48, crop=(0.25, 0.1, 0.75, 0.6))
    assert frames.shape == (10, 48, 48, 3)
    assert frames[0, 24, 4:44].min() > 200  # only the four bright stripes
    whole = Image.fromarray(pictures(path)[0])
    expected = whole.crop((32, 10, 96, 58)).resize((48, 48), Image.Resampling.BICUBIC)
    assert np.array_equal(frames[0], np.asarray(expected))


def test_frames_of_the_right_size_stay_as_decoded(tmp_path):
    path = tmp_path / "a.mp4"
    write_clip(path, [numbered(k, 96, 96) for k in range(10)], noise(0.4))
    assert np.array_equal(read(path, size=96)[0], pictures(path))


def test_choice_of_streams(tmp_path):
    sounds = [[(0, SOUND)], [(0, noise(3, seed=5))]]
    path = mux(tmp_path / "a.mp4", times=PLAIN, sounds=sounds)
    first, second = read(path)[1], read(path, audio_stream=1)[1]
    assert np.corrcoef(first, SOUND[: len(first)])[0, 1] > 0.9
    assert np.corrcoef(second, noise(3, seed=5)[: len(second)])[0, 1] > 0.9
    assert np.array_equal(read_audio(path, stream=1)[: len(second)], second)


def test_sound_of_another_file(tmp_path):
    silent = mux(tmp_path / "a.mp4", times=PLAIN)
    spoken = mux(tmp_path / "b.m4a", times=None, sounds=[[(0, SOUND)]])
    _, sound, report = read(silent, audio_path=spoken)
    assert lag(sound, SOUND) == 0 and report.n_frames == 75


def test_both_are_cut_to_the_shorter(tmp_path):
    path = mux(tmp_path / "a.mkv", times=PLAIN, sounds=[[(0, SOUND[:32_100])]], audio_codec="flac")
    _, _, report = read(path)
    assert (report.n_frames, report.video_frames, report.audio_samples) == (50, 75, 32_100)
    assert report.warnings == ["audio (2.01 s) shorter than video (3.00 s)"]
    path = mux(tmp_path / "b.mkv", times=PLAIN[:30], sounds=[[(0, SOUND)]], audio_codec="flac")
    _, _, report = read(path)
    assert (report.n_frames, report.video_frames, report.audio_samples) == (30, 30, 48_000)
    assert report.warnings == ["video (1.20 s) shorter than audio (3.00 s)"]


def test_blocks_and_early_stop_change_nothing(tmp_path):
    path = mux(tmp_path / "a.mp4", times=PLAIN, sounds=[[(0, SOUND)]])
    frames, sound, _ = read(path)
    for options in ({"block_frames": 7}, {"block_frames": 500}):
        other, heard, _ = read(path, **options)
        assert np.array_equal(frames, other) and np.array_equal(sound, heard)
    other, heard, report = read(path, max_frames=30, block_frames=8)
    assert np.array_equal(frames[:30], other) and np.array_equal(sound[: 30 * 640], heard)
    assert report.n_frames == 30 and report.warnings == []


def test_nonsense_is_refused(make_video):
    path = make_video(n_frames=10)
    wrong = [("crop", (0.5, 0, 0.4, 1)), ("crop", (0, 0, 1.2, 1))]
    for name, value in [*wrong, ("size", 0), ("block_frames", 0), ("max_frames", 0)]:
        with pytest.raises(ValueError, match=r"crop|must be >= 1"):
            read(path, **{name: value})


MEASURE = """
import sys
from pathlib import Path
from avforensics.media import MediaOptions, open_media
memory = []
with open_media(sys.argv[1], MediaOptions()) as stream:
    for block in stream:
        memory.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 1000_000)
print(stream.report.n_frames, *memory)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_memory_does_not_grow_with_length(tmp_path):
    path = tmp_path / "long.mp4"
    still = (numbered(k % 256, 64, 64) for k in range(25 * 30))
    write_clip(path, still, noise(30), preset="ultrafast")
    command = [sys.executable, "-c", MEASURE, str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stderr == ""
    n_frames, *memory = map(int, result.stdout.split())
    assert n_frames == 25 * 30 and len(memory) == 30
    assert max(memory) - memory[0] < 25, "the frames are 113 MB"


NAMES = [
    "with space [1] (2).v1.mp4",
    "-leading-dash.mp4",
    "Ünïcødé 漢字.mp4",
    "con:cat.mp4",
    "%03d.mp4",
    os.fsdecode(b"not-utf8-\xff\xfe.mp4"),
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_names(tmp_path, make_video, monkeypatch, name):
    try:
        make_video(n_frames=10).rename(tmp_path / name)
    except OSError:
        pytest.skip("the file system refuses this name")
    monkeypatch.chdir(tmp_path)
    assert len(read(tmp_path / name)[0]) == len(read(name)[0]) == 10
