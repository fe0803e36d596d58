"""Where files begin and end: foreign bytes, files joined byte by byte, files that are cut off."""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from media_files import damage, frames_at, lag, mux, noise, numbered, numbers, read, remux

from avforensics.errors import MediaError
from avforensics.media.container import Tally, open_container, packets, seek
from avforensics.media.extent import extent, lacks_index
from avforensics.media.fragments import stored_times
from avforensics.media.joined import ranges_of
from avforensics.media.order import MAX_REORDER, ShownOrder
from avforensics.media.seek import key_time_before
from avforensics.media.stills import stills
from avforensics.media.video import VideoReader

SIZE = 64, 48
COUNT = 50
WHOLE = {"time_base": Fraction(1, 25)}
FAST = {"deadline": "realtime", "cpu-used": "8"}
VPX = {"video_codec": "libvpx", "options": FAST, "audio_codec": "libopus", "audio_rate": 48_000}
KINDS = {
    "flv": {},
    "avi": WHOLE | {"video_codec": "mpeg4", "audio_codec": "pcm_s16le"},
    "mp4": {},
    "mov": {},
    "3gp": {},
    "mkv": {},
    "webm": VPX,
    "mxf": WHOLE | {"video_codec": "mpeg2video", "audio_codec": "pcm_s16le", "audio_rate": 48_000},
    "asf": WHOLE | {"video_codec": "wmv2", "audio_codec": "pcm_s16le"},
    "ogv": WHOLE | VPX,
    "ts": {"audio_codec": "mp2"},
    "m2ts": {"audio_codec": "ac3", "audio_rate": 48_000},
    "mpg": WHOLE | {"video_codec": "mpeg2video", "audio_codec": "mp2"},
    "dv": {
        "video_codec": "dvvideo",
        "size": (720, 576),
        "audio_codec": "pcm_s16le",
        "audio_rate": 48_000,
        "layout": "stereo",
    },
}


def clip(path: Path, *, first: int = 0, seconds: float = 2.0, **options) -> Path:
    """Write 50 frames numbered from ``first`` on; ``first`` also seeds the noise."""
    options = {"size": SIZE} | KINDS[path.suffix[1:]] | options
    sound = noise(seconds, seed=first, rate=options.get("audio_rate", 16_000))
    return mux(
        path,
        times=frames_at(25, COUNT),
        sounds=[[(0, sound)]],
        picture=lambda number, *size: numbered(first + number, *size),
        **options,
    )


def joined(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


@pytest.mark.parametrize("kind", ["flv", "avi", "mkv", "webm"])
def test_all_of_several_joined_files_is_read(tmp_path, kind):
    firsts = (0, 60, 120)
    parts = [clip(tmp_path / f"{first}.{kind}", first=first) for first in firsts]
    path = joined(tmp_path / f"a.{kind}", *parts)
    frames, sound, report = read(path, size=64)
    shown = numbers(frames)
    assert {*range(50), *range(60, 110), *range(120, 169)} <= {*shown}
    assert len(shown) == pytest.approx(150, abs=2)
    rate = KINDS[kind].get("audio_rate", 16_000)
    for first in firsts:
        heard = noise(2, seed=first, rate=rate)
        heard = np.interp(np.arange(32_000) / 16_000, np.arange(2 * rate) / rate, heard)
        begin = shown.index(first) * 640
        assert abs(lag(sound[begin : begin + 32_000], heard)) <= 16, f"1 ms, from frame {first}"
    size = parts[0].stat().st_size
    words = f"3 files joined (at bytes {size}, {size + parts[1].stat().st_size}): all were read"
    assert any(warning.startswith(words) for warning in report.warnings)


@pytest.mark.parametrize("seconds", [1.6, 2.4])
def test_sound_of_another_length_moves_nothing_in_later_files(tmp_path, seconds):
    """AVI has no clock, so sound missing in the first part must not come from the second part."""
    parts = clip(tmp_path / "a.avi", seconds=seconds), clip(tmp_path / "b.avi", first=60)
    frames, sound, _ = read(joined(tmp_path / "c.avi", *parts), size=64)
    begin = numbers(frames).index(60)
    assert begin == max(COUNT, round(25 * seconds))
    assert lag(sound[begin * 640 :], noise(2, seed=60)) == 0


@pytest.mark.parametrize("kind", ["mp4", "mov", "3gp", "mxf", "asf", "ogv"])
def test_joined_files_that_cannot_be_read_are_named(tmp_path, kind):
    first, second = clip(tmp_path / f"a.{kind}"), clip(tmp_path / f"b.{kind}", first=60)
    frames, _, report = read(joined(tmp_path / f"c.{kind}", first, second), size=64)
    assert numbers(frames) == list(range(COUNT))
    size, behind = first.stat().st_size, second.stat().st_size
    words = f"could not be read ({behind} of {size + behind} bytes)"
    (told,) = (warning for warning in report.warnings if warning.endswith(words))
    assert told.startswith(f"2 files joined: 1, at byte {size}")


@pytest.mark.parametrize(("kind", "unread"), [("wav", 1), ("mp3", 0), ("aac", 0)])
def test_sound_files_of_their_own_that_are_joined(tmp_path, kind, unread):
    """FFmpeg reads past the first file in formats without a header; a WAV file declares its end."""
    codec = {"wav": "pcm_s16le", "mp3": "libmp3lame", "aac": "aac"}[kind]
    picture = mux(tmp_path / "a.mp4", times=frames_at(25, 2 * COUNT), size=SIZE)
    parts = [
        mux(tmp_path / f"{n}.{kind}", times=None, sounds=[[(0, noise(2))]], audio_codec=codec)
        for n in range(2)
    ]
    path = joined(tmp_path / f"b.{kind}", *parts)
    report = read(picture, audio_path=path, size=64)[2]
    told = [text for text in report.warnings if text.startswith("audio file: 2 files joined: 1")]
    assert len(told) == unread
    assert report.audio_samples == pytest.approx(32_000 * (2 - unread), abs=4000)


def test_files_of_two_kinds_joined(tmp_path):
    parts = clip(tmp_path / "a.mkv"), clip(tmp_path / "b.mp4"), clip(tmp_path / "c.flv")
    _, _, report = read(joined(tmp_path / "d.mkv", *parts), size=64)
    assert any("3 files joined: 2, at byte" in warning for warning in report.warnings)


@pytest.mark.parametrize("kind", ["mp4", "mkv", "avi", "flv"])
def test_other_bytes_behind_a_file_are_no_file(tmp_path, kind):
    path = clip(tmp_path / f"a.{kind}")
    data, plain = path.read_bytes(), read(path, size=64)[2].warnings
    for junk in (bytes(5000), b"a trailer of some camera\n" * 40):
        path.write_bytes(data + junk)
        frames, _, report = read(path, size=64)
        assert set(range(COUNT)) <= {*numbers(frames)} and report.warnings == plain


BEFORE = [
    ("mp4", b"ID3\x03\0\0\0\0\x03\0TIT2\0\0\x01v\0\0" + b"x" * 374),
    ("mov", b"saved by some tool\n"),
    ("mkv", b"HTTP/1.1 200 OK\r\nContent-Type: video/x-matroska\r\n\r\n"),
    ("webm", bytes(4096)),
    ("flv", np.random.default_rng(0).bytes(300_000)),
    ("avi", b"RIFF"),
    ("asf", b"\n"),
    ("ogv", b"Ogg"),
    ("mxf", bytes(70_000)),
]


@pytest.mark.parametrize(("kind", "foreign"), BEFORE, ids=[kind for kind, _ in BEFORE])
def test_foreign_bytes_before_a_file_are_skipped_and_counted(tmp_path, kind, foreign):
    path = clip(tmp_path / f"a.{kind}")
    data = path.read_bytes()
    plain = read(path, size=64)
    path.write_bytes(foreign + data)
    told = f"{len(foreign)} foreign bytes before the video were skipped"
    found = read(path, size=64)
    assert found[2].warnings == [told, *plain[2].warnings]
    assert np.array_equal(found[0], plain[0]) and np.array_equal(found[1], plain[1])
    # Cut off as well: the structure is still known.
    path.write_bytes(foreign + data[: int(0.8 * len(data))])
    assert extent(path).starts == (len(foreign),)
    assert lacks_index(path) == (kind == "mov")


def test_joined_files_behind_foreign_bytes(tmp_path):
    for kind, words in (("mkv", "all were read"), ("avi", "all were read"), ("mp4", "could not")):
        parts = clip(tmp_path / f"a.{kind}"), clip(tmp_path / f"b.{kind}", first=60)
        foreign = tmp_path / "foreign"
        foreign.write_bytes(b"a header\n")
        report = read(joined(tmp_path / f"c.{kind}", foreign, *parts), size=64)[2]
        assert report.joins.startswith("9 foreign bytes before the video were skipped; 2 files")
        assert words in report.joins


@pytest.mark.parametrize("kind", ["mp4", "flv"])
def test_what_is_no_file_behind_foreign_bytes(tmp_path, kind):
    """A lone signature, a file with trailing bytes and a video in a picture are not found."""
    path = clip(tmp_path / f"a.{kind}")
    data = path.read_bytes()
    for content in (b"text" + data[:12] + bytes(5000), b"text" + data + bytes(50), bytes(2**20)):
        path.write_bytes(content)
        with pytest.raises(MediaError, match="not a media file"):
            read(path)
    path.write_bytes(b"\xff\xd8\xff" + data)
    assert extent(path).starts == (0,)


def fragmented(source: Path, path: Path, flags: str, *, edits: bool = True) -> Path:
    options = {"movflags": f"frag_keyframe{'+delay_moov' * edits}{flags}"}
    with av.open(str(source)) as src, av.open(str(path), "w", options=options) as out:
        copies = {stream.index: out.add_stream_from_template(stream) for stream in src.streams}
        for packet in src.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    return path


@pytest.mark.parametrize("flags", ["", "+dash", "+cmaf+negative_cts_offsets"])
def test_a_fragmented_file_is_one(tmp_path, flags):
    """FFmpeg delays all times by negative composition offsets, which must be undone."""
    source = clip(tmp_path / "a.mp4", b_frames=2)
    path = fragmented(source, tmp_path / "b.mp4", flags)
    frames, sound, report = read(path, size=64)
    assert numbers(frames) == list(range(COUNT)) and lag(sound, noise(2)) == 0
    assert report.warnings == []
    part, heard, _ = read(path, size=64, start_frame=30)
    assert np.array_equal(part, frames[30:]) and np.array_equal(heard, sound[30 * 640 :])
    with open_container(path) as container:
        stream = container.streams.video[0]
        key = key_time_before(path, 0, round(1.2 / stream.time_base))
        seek(container, stream, key)
        assert next(packets(container, stream, Tally(), after_seek=True)).pts == key > 0
    path.write_bytes(path.read_bytes()[:-2500])
    assert any(text.startswith("cut off:") for text in read(path, size=64)[2].warnings)


@pytest.mark.parametrize("b_frames", [0, 1])
@pytest.mark.parametrize("flags", ["", "+empty_moov", "+dash"])
def test_a_fragmented_file_without_edit_lists_is_in_step(tmp_path, flags, b_frames):
    """FFmpeg stores the encoder's delay in the length of the first frame."""
    rate = {"audio_rate": 48_000, "options": {"bf": str(b_frames)}, "b_frames": b_frames}
    source = clip(tmp_path / "a.mp4", **rate)
    path = fragmented(source, tmp_path / "b.mp4", flags, edits=False)
    frames, sound, report = read(path, size=64)
    assert numbers(frames) == list(range(COUNT)) and report.warnings == []
    assert abs(lag(sound, read(source)[1])) <= 1
    part, heard, _ = read(path, size=64, start_frame=30)
    assert np.array_equal(part, frames[30:]) and np.array_equal(heard, sound[30 * 640 :])
    wanted = [3, 7, 15, 23, 31]
    shown = stills(path, [number / 25 for number in wanted])
    assert numbers(map(np.asarray, shown)) == wanted


def test_frames_of_a_fragmented_file_may_last_longer_than_the_first(tmp_path):
    """At 30 frames per second and a clock of 1 kHz, as in WebM, rounded lengths differ."""
    source = mux(tmp_path / "a.mkv", times=frames_at(30, COUNT))
    path = fragmented(source, tmp_path / "b.mp4", "+empty_moov", edits=False)
    with VideoReader(path) as video:
        assert video.origin == 0 and len(list(video)) == round(25 * COUNT / 30)
    assert key_time_before(path, None, 0) == 0


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("seconds", [0.01, 0.5, 0.987])
def test_a_file_trimmed_amid_a_frame_is_in_step(tmp_path, b_frames, seconds):
    """FFmpeg shows the first whole frame at the beginning of the edit, up to a frame early."""
    source = clip(tmp_path / "a.mp4", b_frames=b_frames)
    frames, sound, report = read(remux(source, tmp_path / "b.mp4", shift=-seconds), size=64)
    first = int(np.ceil(25 * seconds))
    assert numbers(frames)[:20] == list(range(first, first + 20)) and report.warnings == []
    assert abs(lag(sound, noise(2)[640 * first :])) <= 1
    part = read(tmp_path / "b.mp4", size=64, start_frame=13)[0]
    assert np.array_equal(part, frames[13:])


@pytest.mark.parametrize("flags", ["", "+default_base_moof"])
def test_fragmented_files_joined(tmp_path, flags):
    """FFmpeg would assign the second file's fragments to the first file and mix their frames."""
    parts = clip(tmp_path / "a.mp4"), clip(tmp_path / "b.mp4", first=60)
    ready = [fragmented(part, part.with_suffix(".m4v"), flags) for part in parts]
    frames, _, report = read(joined(tmp_path / "c.mp4", *ready), size=64)
    assert numbers(frames) == list(range(COUNT))
    assert any("2 files joined: 1, at byte" in text for text in report.warnings)


def test_fragments_whose_header_is_repeated_are_one_file(tmp_path):
    """Stream downloaders write such files: a header and fragments, several times."""
    path = fragmented(clip(tmp_path / "a.mp4"), tmp_path / "b.mp4", "+default_base_moof")
    data = path.read_bytes()
    first = data.index(b"moof") - 4
    later = data.index(b"moof", data.index(b"moof", first + 8) + 4) - 4
    path.write_bytes(data[:later] + data[:first] + data[later:])
    frames, sound, report = read(path, size=64)
    assert numbers(frames) == list(range(COUNT)) and lag(sound, noise(2)) == 0
    (told,) = report.warnings
    assert told.startswith("2 files joined") and told.endswith("all were read in order")


def test_frames_whose_times_step_back_are_counted(tmp_path):
    """Matroska has no times before zero, so the frames that were cut there have no times."""
    source = clip(tmp_path / "a.mp4", b_frames=2)
    _, _, report = read(remux(source, tmp_path / "a.mkv", shift=-0.5), size=64)
    assert (
        report.disordered == pytest.approx(COUNT - report.video_frames, abs=1) and report.disordered
    )
    told = f"frames left out because their time stamps step back: {report.disordered}"
    assert told in report.warnings


CUTS = [(kind, 0.53) for kind in KINDS if kind not in ("mov", "3gp", "webm", "ogv")]
CUTS += [(kind, 0.93) for kind in ("mp4", "avi", "flv", "mkv", "ogv")]


@pytest.mark.parametrize(("kind", "share"), CUTS)
def test_a_file_that_is_cut_off_says_so(tmp_path, kind, share):
    path = clip(tmp_path / f"a.{kind}", **({"audio_rate": 48_000} if kind == "ts" else {}))
    whole = read(path, size=64)[2]
    assert whole.warnings == []
    data = path.read_bytes()
    path.write_bytes(data[: round(share * len(data)) | 1])
    frames, _, report = read(path, size=64)
    assert len(frames) < whole.n_frames
    (told,) = (warning for warning in report.warnings if warning.startswith("cut off:"))
    if "declares" in told:
        assert f"{report.declared:.2f} s" in told and report.declared == pytest.approx(2, abs=0.1)
    else:
        missing = int(told.split()[2])
        assert 0 < missing <= len(data) - path.stat().st_size + 12_000
        if kind in ("mp4", "mkv", "avi", "flv", "asf"):
            assert missing <= len(data) - path.stat().st_size


@pytest.mark.parametrize(
    "kind", ["mp4", "m4v", "mkv", "flv", "avi", "mxf", "asf", "ogv", "ts", "mpg"]
)
def test_damaged_structures_raise_nothing(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    if kind == "m4v":
        fragmented(clip(tmp_path / "a.mp4"), path, "+cmaf")
    else:
        clip(path)
    whole, random = np.frombuffer(path.read_bytes() * 2, np.uint8), np.random.default_rng(0)
    for number in range(60):
        data = whole.copy()
        most = 2000 if number % 2 else len(data)
        data[random.integers(0, most, 100)] = random.integers(0, 256, 100)
        path.write_bytes(data[: random.integers(100, len(data))].tobytes())
        assert extent(path).lacks >= 0
        assert all(0 <= start <= end <= extent(path).size for start, end in ranges_of(path))
        stored_times(path), lacks_index(path)


@pytest.mark.parametrize(
    ("codec", "b_frames", "share"), [("mp2", 0, 0.02), ("mp2", 2, 0.15), ("ac3", 2, 0.135)]
)
def test_a_program_stream_whose_beginning_is_cut_is_in_step(tmp_path, codec, b_frames, share):
    """FFmpeg guesses the first time stamps, with errors of up to 140 ms."""
    path = tmp_path / "a.mpg"
    options = KINDS["mpg"] | {"audio_codec": codec, "audio_rate": 48_000, "b_frames": b_frames}
    mux(path, times=frames_at(25, 100), sounds=[[(0, noise(4, rate=48_000))]], **options)
    whole, data = read(path)[1], path.read_bytes()
    path.write_bytes(data[int(share * len(data)) :])
    frames, heard, _ = read(path)
    first = numbers(frames)[12] - 12
    assert first > 20 and abs(lag(heard, whole[first * 640 :])) <= 1


def test_a_gap_at_the_beginning_of_a_program_stream_is_no_wrong_guess(tmp_path):
    options = KINDS["mpg"] | {"audio_codec": "mp2", "audio_rate": 48_000, "b_frames": 2}
    sound, cut = noise(4, rate=48_000), 12 * 1152
    heard = []
    for gap in (0.0, 0.2):
        parts = [(0, sound[:cut]), (cut / 48_000 + gap, sound[cut:])]
        mux(tmp_path / "a.mpg", times=frames_at(25, 100), sounds=[parts], **options)
        _, found, report = read(tmp_path / "a.mpg")
        heard.append(found)
        assert report.warnings == []
    assert abs(lag(heard[1][:4000], heard[0][:4000])) <= 1


def test_a_transport_stream_cut_between_packets_says_so(tmp_path):
    """The last sound packet spans several packets of the transport stream."""
    path = clip(tmp_path / "a.ts")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 188 // 2 * 188])
    (told,) = read(path, size=64)[2].warnings
    assert told.startswith("cut off:") and told.endswith("bytes of its last packet are missing")


def test_packets_that_are_missing_from_a_transport_stream_are_counted(tmp_path):
    path = clip(tmp_path / "a.ts")
    data = path.read_bytes()
    middle = len(data) // 376 * 188
    path.write_bytes(data[:middle] + data[middle + 20 * 188 :])
    report = read(path, size=64)[2]
    assert report.warnings == [
        f"damaged packets skipped: {report.skipped_packets} of video, 0 of audio"
    ]
    assert 3 <= report.skipped_packets <= 8
    path.write_bytes(data + data)  # the counter begins anew, but nothing is missing
    assert read(path, size=64)[2].skipped_packets == 0


def test_an_avi_that_was_never_finished_says_so(tmp_path):
    """A recorder writes the length and the index when the recording ends."""
    path = clip(tmp_path / "a.avi")
    data = bytearray(path.read_bytes())
    data[4:8] = bytes(4)
    path.write_bytes(data[: len(data) * 2 // 3])
    assert extent(path).cut == "its index is missing"
    assert any(text.startswith("cut off:") for text in read(path, size=64)[2].warnings)


PEAK = 25  # a flash and a click come together at this frame


def flash(number, width, height):
    return np.full((height, width, 3), 235 if number == PEAK else 16, np.uint8)


ORDERS = {
    "h264": {"video_codec": "libx264"},
    "h264 with B-frames": {"video_codec": "libx264", "b_frames": 2},
    "h264 with a pyramid": {
        "video_codec": "libx264",
        "b_frames": 3,
        "options": {"x264-params": "b-pyramid=normal:b-adapt=0"},
    },
    "mpeg4": {"video_codec": "mpeg4"},
    "mpeg4 with B-frames": {"video_codec": "mpeg4", "b_frames": 2},
}


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
@pytest.mark.parametrize("options", ORDERS.values(), ids=ORDERS)
def test_flash_and_click_come_together(tmp_path, options, suffix):
    click = np.zeros(32_000, np.int16)
    click[PEAK * 640 : PEAK * 640 + 320] = 20_000
    path = mux(
        tmp_path / f"a{suffix}",
        times=frames_at(25, COUNT),
        sounds=[[(0, click)]],
        picture=flash,
        audio_codec="pcm_s16le" if suffix == ".avi" else "aac",
        **WHOLE,
        **options,
    )
    frames, sound, report = read(path, size=64)
    assert len(frames) == COUNT and int(frames.mean((1, 2, 3)).argmax()) == PEAK
    assert abs(int(np.argmax(np.abs(sound) > 5000)) - PEAK * 640) <= 16, "1 ms"
    told = [text for text in report.warnings if "does not say when its frames" in text]
    assert len(told) == (suffix == ".avi" and "b_frames" in options)


def packed(path: Path) -> Path:
    """Write MPEG-4 with packed B-frames, as DivX did: a B-frame is in the previous chunk."""
    encoder = av.CodecContext.create("mpeg4", "w")
    encoder.width, encoder.height, encoder.pix_fmt = *SIZE, "yuv420p"
    encoder.time_base, encoder.max_b_frames, encoder.gop_size = Fraction(1, 25), 1, 12
    units = []
    for number in range(COUNT):
        frame = av.VideoFrame.from_ndarray(numbered(number, *SIZE), format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, 25)
        units += map(bytes, encoder.encode(frame))
    units += map(bytes, encoder.encode(None))
    start = b"\0\0\1\xb6"
    vops = [unit[unit.rindex(start) + 4] >> 6 for unit in units]  # 0: I, 1: P, 2: B
    units[0] = units[0].replace(b"\0\0\1\xb2Lavc", b"\0\0\1\xb2DivX503b1393p\0\0\1\xb2Xxxx", 1)
    chunks = []
    for unit, vop in zip(units, vops, strict=True):
        if vop == 2:
            chunks[-1] = chunks[-1] + unit
            chunks.append(start + b"\x50\x5f")  # nothing coded: show the picture before
        else:
            chunks.append(unit)
    plain = clip(path.with_name("plain.avi"))
    with av.open(str(plain)) as src, av.open(str(path), "w") as out:
        copies = {stream.type: out.add_stream_from_template(stream) for stream in src.streams}
        copies["video"].codec_context.extradata = None
        made = []
        for number, chunk in enumerate(chunks):
            packet = av.Packet(chunk)
            packet.pts = packet.dts = number
            packet.time_base, packet.duration = Fraction(1, 25), 1
            packet.is_keyframe = b"\0\0\1\xb6\x10" in chunk
            packet.stream = copies["video"]
            made.append(packet)
        for packet in src.demux(audio=0):
            if packet.size:
                packet.stream = copies["audio"]
                made.append(packet)
        for packet in sorted(made, key=lambda one: float(one.dts * one.time_base)):
            out.mux(packet)
    return path


def test_packed_b_frames_are_shown_in_order(tmp_path):
    frames, sound, _ = read(packed(tmp_path / "a.avi"), size=64)
    assert numbers(frames) == list(range(COUNT)) and lag(sound, noise(2)) == 0


def test_lost_frames_move_no_later_ones(tmp_path):
    path = clip(tmp_path / "a.avi", video_codec="libx264", b_frames=2)
    damage(path, "video", slice(14, 17))
    frames, _, report = read(path, size=64)
    assert report.skipped_packets or report.concealed
    assert numbers(frames)[-12:] == list(range(COUNT - 12, COUNT))


def test_a_frame_that_never_comes_moves_later_ones_only_for_a_while():
    """The stream has no B-frames, although its decoder may reorder frames."""
    order = ShownOrder()
    for time in range(50):
        order.add(SimpleNamespace(size=1, pts=time, dts=time, is_discard=False))
        frame = SimpleNamespace(pts=time, key_frame=time == 0)
        if time != 10:
            order.put(frame, reorders=True)
        assert time in range(10, 12 + MAX_REORDER) or frame.pts == time
    assert order.delay == 0


def test_decoding_times_alone_give_the_order_in_any_container(tmp_path):
    """The MOV file has no composition times, as if it had been copied from AVI."""
    path = clip(tmp_path / "a.avi", video_codec="libx264", b_frames=2)
    with av.open(str(path)) as src, av.open(str(tmp_path / "b.mov"), "w") as out:
        copies = {stream.index: out.add_stream_from_template(stream) for stream in src.streams}
        for packet in src.demux():
            if packet.size:
                packet.pts = packet.dts
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    frames, sound, report = read(tmp_path / "b.mov", size=64)
    assert numbers(frames) == list(range(COUNT)) and lag(sound, noise(2)) == 0
    assert any("does not say when its frames are shown" in text for text in report.warnings)
    part, _, _ = read(tmp_path / "b.mov", size=64, start_frame=30)
    assert np.array_equal(part, frames[30:])
