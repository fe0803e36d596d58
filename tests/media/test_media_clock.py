"""Clocks of files: wrong headers, and time stamps that restart, step back or jump."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from media_files import frames_at, lag, mux, noise, numbers, read, restamp

from avforensics.media import SoundSpool
from avforensics.media.clock import Run, mend
from avforensics.media.stills import stills
from avforensics.media.video import VideoReader

SOUND = noise(3)
PLAIN = frames_at(25, 75)
FRAME = 1 / 25
KEY = 36  # a key frame of `mux` in mid-file


BREAKS = {
    "steps back": ("a.ts", [(0, 10), (KEY * FRAME, 4)]),
    "restarts": ("a.mpg", [(0, 500), (KEY * FRAME, -KEY * FRAME)]),
    "jumps ahead": ("a.m2ts", [(0, 2), (KEY * FRAME, 42)]),
    "jumps by hours": ("a.ts", [(0, 2), (KEY * FRAME, 20_000)]),
    "steps back a little": ("a.ts", [(0, 2), (KEY * FRAME, 1.6)]),
    "insertion": ("a.mpg", [(0, 5), (12 * FRAME, 900), (KEY * FRAME, 5 - 24 * FRAME)]),
    "back twice": ("a.ts", [(0, 60), (12 * FRAME, 30), (KEY * FRAME, 0)]),
}
KINDS = {
    "a.ts": {"audio_codec": "mp2"},
    "a.mpg": {"audio_codec": "mp2", "video_codec": "mpeg2video", "time_base": Fraction(1, 25)},
    "a.m2ts": {"audio_codec": "ac3", "audio_rate": 48_000},
}


@pytest.mark.parametrize(("name", "parts"), BREAKS.values(), ids=BREAKS)
def test_a_broken_clock_changes_nothing_but_the_report(tmp_path, name, parts):
    rate = KINDS[name].get("audio_rate", 16_000)
    clean = mux(
        tmp_path / f"clean-{name}",
        times=PLAIN,
        sounds=[[(0, noise(3, rate=rate))]],
        b_frames=0 if name == "a.mpg" else 2,  # B frames of MPEG-2 reach across key frames
        **KINDS[name],
    )
    whole = restamp(clean, tmp_path / f"whole-{name}", [(0, parts[0][1])])
    broken = restamp(clean, tmp_path / name, parts)
    frames, sound, report = read(broken)
    expected, heard, plain = read(whole)
    assert plain.breaks == ()
    assert numbers(frames)[: len(expected)] == numbers(expected)
    assert len(frames) in (74, 75)
    assert abs(lag(sound, heard)) <= 160, "10 ms"
    half = len(sound) // 2
    assert abs(lag(sound[half:], heard[half:])) <= 160, "10 ms, behind the break"
    assert len(report.breaks) == len(parts) - 1
    first = report.breaks[0]
    shift = parts[1][1] - parts[0][1]
    assert first.jump == pytest.approx(shift, abs=0.1)
    assert first.time == pytest.approx(parts[1][0], abs=0.1)
    way = "jumps ahead by" if shift > 0 else "steps back by"
    assert any(warning.startswith(f"the file's clock {way}") for warning in report.warnings)


def test_an_advertisement_with_identifiers_of_its_own_continues_the_tracks(tmp_path):
    """Without ``merge_pmt_versions``, the rest would be further tracks of unknown size."""
    clean = mux(tmp_path / "a.ts", times=PLAIN, sounds=[[(0, noise(3))]], audio_codec="mp2")
    other = restamp(clean, tmp_path / "b.ts", [(0, 0)], {"mpegts_start_pid": "512"})
    path = tmp_path / "c.ts"
    path.write_bytes(clean.read_bytes() + other.read_bytes() + clean.read_bytes())
    frames, sound, report = read(path)
    shown = numbers(frames)
    assert 222 <= len(frames) <= 225 and [shown.count(n) for n in range(72)] == [3] * 72
    for begin in (number for number, one in enumerate(shown) if one == 0):
        assert abs(lag(sound[640 * begin :][:45_000], noise(3))) <= 160, "10 ms"
    (words,) = report.warnings
    assert words.startswith("the file's clock steps back by") and "breaks 1 more time" in words


@pytest.mark.parametrize(
    "tracks",
    [{0: 256, 1: 258, 2: 257}, {2: 512, 0: 513}],
    ids=["a language before the first sound", "sound before video"],
)
def test_other_tracks_of_a_transport_stream_are_not_mixed_with_the_first(tmp_path, tracks):
    kind = {"times": PLAIN, "audio_codec": "mp2"}
    first = mux(tmp_path / "a.ts", sounds=[[(0, SOUND)]], **kind)
    both = mux(tmp_path / "both.ts", sounds=[[(0, noise(3, seed=5))], [(0, SOUND)]], **kind)
    second = tmp_path / "b.ts"
    with av.open(str(both)) as src, av.open(str(second), "w") as out:
        copies = {}
        for index, identifier in tracks.items():
            copies[index] = out.add_stream_from_template(src.streams[index])
            copies[index].id = identifier
        for packet in src.demux():
            if packet.dts is not None and packet.stream.index in copies:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    path = tmp_path / "c.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes() + first.read_bytes())
    frames, sound, report = read(path)
    begins = [0, *(np.flatnonzero(np.diff(numbers(frames)) < 0) + 1)]
    assert len(begins) == (3 if 256 in tracks.values() else 2) == len(report.breaks) + 1
    for begin in begins:
        heard = sound[640 * begin :][:40_000]
        assert np.corrcoef(heard, SOUND[:40_000])[0, 1] > 0.9


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.flv"])
def test_a_jump_of_all_tracks_is_closed_in_any_container(tmp_path, name):
    times = [time if time < KEY * FRAME else time + 40 for time in PLAIN]
    cut = round(KEY * FRAME * 16_000)
    pieces = [(0, SOUND[:cut]), (cut / 16_000 + 40, SOUND[cut:])]
    frames, sound, report = read(mux(tmp_path / name, times=times, sounds=[pieces]))
    assert numbers(frames) == list(range(75))
    assert abs(lag(sound, SOUND)) <= 16 and abs(lag(sound[32_000:], SOUND[32_000:])) <= 16
    assert report.breaks[0].jump == pytest.approx(40, abs=0.1)


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """Make a transport stream whose second part steps back in time, and one without the step."""
    folder = tmp_path_factory.mktemp("clock")
    clean = mux(folder / "clean.ts", times=PLAIN, sounds=[[(0, SOUND)]], audio_codec="mp2")
    whole = restamp(clean, folder / "whole.ts", [(0, 10)])
    return restamp(clean, folder / "broken.ts", [(0, 10), (KEY * FRAME, 4)]), whole


def test_every_reader_takes_the_mended_clock(broken):
    path, whole = broken
    frames, sound, _ = read(path)
    assert numbers(frames) == list(range(len(frames)))
    part, heard, _ = read(path, start_frame=50, max_frames=20)
    assert np.array_equal(part, frames[50:70])
    assert np.array_equal(heard, sound[50 * 640 : 70 * 640])
    with SoundSpool(path) as spool:
        assert np.array_equal(spool.read(0, len(sound)), sound)
    assert numbers(map(np.asarray, stills(path, [2.0, 0.4]))) == [50, 10]
    with VideoReader(path) as video, VideoReader(whole) as plain:
        assert video.length == pytest.approx(plain.length, abs=0.1)


def run(stream, order, start, end, **more):
    kind = "video" if stream == 0 else "audio"
    times = {"first": start, "last": end - FRAME, "start": start, "end": end}
    times = {name: Fraction(value).limit_denominator(1000) for name, value in times.items()}
    return Run(stream=stream, kind=kind, packet=order * 10, order=order, **times, **more)


def mended(*runs):
    return mend(runs, lead=0, pause=Fraction(3, 10), wraps=False)


def shifts(result, stream):
    return [float(piece.shift) for piece in result["pieces"][stream]]


NO_BREAKS = {
    "a pause of the picture": [(0, 0, 0, 3), (1, 1, 0, 10), (0, 5, 7, 10)],
    "lost sound": [(0, 0, 0, 10), (1, 1, 0, 3), (1, 5, 7, 10)],
    "doubled sound": [(0, 0, 0, 10), (1, 1, 0, 3), (1, 5, 2.9, 10)],
}


@pytest.mark.parametrize("runs", NO_BREAKS.values(), ids=NO_BREAKS)
def test_what_is_no_break(runs):
    result = mended(*(run(*one) for one in runs))
    assert result["breaks"] == () and shifts(result, 0) == shifts(result, 1) == [0]


@pytest.mark.parametrize("sound_first", [False, True])
def test_sound_and_picture_move_together(sound_first):
    """Both keep their offset of 80 ms, although the first part's sound is 0.3 s too long."""
    second = [run(0, 6, 3, 9), run(1, 7, 3.08, 9)]
    if sound_first:
        second = [run(0, 7, 3, 9), run(1, 6, 3.08, 9)]
    result = mended(run(0, 0, 0, 9), run(1, 1, 0, 9.3), *second)
    assert shifts(result, 0) == shifts(result, 1) == [0, 6]
    assert result["pieces"][1][0].end == result["pieces"][1][1].begin == Fraction("9.08")
    (found,) = result["breaks"]
    assert (found.time, found.jump) == (9, -6)


def test_one_damaged_stamp_is_put_back():
    result = mended(run(0, 0, 0, 3), run(1, 1, 0, 6), run(0, 5, 900, 900.04), run(0, 6, 3.04, 6))
    assert result["breaks"] == () and result["strays"] == 1
    assert shifts(result, 0) == [0, -897, 0]


def test_a_picture_alone_that_jumps_goes_on():
    """The sound shows that no time has passed."""
    first = run(0, 0, 0, 3)
    result = mended(first, run(1, 1, 0, 6), run(0, 5, 43, 46, other_end=Fraction(3)))
    assert shifts(result, 0) == [0, -40] and shifts(result, 1) == [0]


LONG = frames_at(5, 75)  # 15 s, longer than a reader might tolerate after a declared end


def short_header(path):
    """Make the header declare 1 s instead of 15 s."""
    data = bytearray(path.read_bytes())
    if path.suffix == ".mkv":
        at = data.index(b"\x44\x89\x88") + 3
        data[at : at + 8] = struct.pack(">d", 1000.0)
    elif path.suffix == ".flv":
        at = data.index(b"duration\x00") + 9
        data[at : at + 8] = struct.pack(">d", 1.0)
    elif path.suffix == ".avi":
        for name, place in ((b"avih", 24), (b"strh", 40)):
            at = data.index(name) + place
            data[at : at + 4] = struct.pack("<I", 5)
    else:
        for name, place in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20)):
            at = -1
            while (at := data.find(name, at + 1)) >= 0:
                length = struct.unpack(">I", data[at + place : at + place + 4])[0]
                data[at + place : at + place + 4] = struct.pack(">I", length // 15)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.flv", "a.avi"])
def test_a_header_that_declares_too_little_takes_nothing_away(tmp_path, name):
    options = {"time_base": Fraction(1, 5)} if name == "a.avi" else {}
    options["audio_codec"] = "pcm_s16le" if name in ("a.mkv", "a.avi") else "aac"
    sounds, size = [[(0, noise(15))]], (64, 48)
    path = mux(tmp_path / name, times=LONG, rate=5, sounds=sounds, size=size, **options)
    clean, heard, plain = read(path, size=64)
    with av.open(str(short_header(path))) as container:
        assert container.duration < 16 * av.time_base
    frames, sound, report = read(path, size=64)
    assert numbers(frames[2::5]) == list(range(len(frames[2::5]))) and len(frames) >= 370
    assert np.array_equal(frames, clean) and np.array_equal(sound, heard)
    assert report.skipped_packets == 0 and report.warnings == plain.warnings
    assert report.found == pytest.approx(15, abs=0.3)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.ts", "a.flv"])
@pytest.mark.parametrize("start", [3600.0, 36_000.0])
def test_a_clock_that_begins_late_is_no_cut(tmp_path, name, start):
    times, sounds = frames_at(25, 30, start), [[(start, SOUND[:19_200])]]
    path = mux(tmp_path / name, times=times, sounds=sounds, size=(64, 48))
    frames, sound, report = read(path)
    assert len(frames) >= 29 and abs(lag(sound, SOUND)) <= 16
    assert report.warnings == [] and report.breaks == ()


def test_a_late_clock_hides_no_cut(tmp_path):
    times, sounds = frames_at(25, 75, 3600.0), [[(3600.0, SOUND)]]
    path = mux(tmp_path / "a.mkv", times=times, sounds=sounds, audio_codec="pcm_s16le")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    (warning,) = read(path)[2].warnings
    assert warning.startswith("cut off:") and "declares 3.00 s" in warning
