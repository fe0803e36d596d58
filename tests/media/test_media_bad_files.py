"""Bad files: each is read as far as possible or refused with a reason."""

import os
import struct
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from media_files import RATE, damage, frames_at, lag, mux, noise, numbered, numbers, read, recopy
from PIL import Image

from avforensics.errors import MediaError
from avforensics.media import container, read_audio, write_clip, write_wav
from avforensics.media.audio import AudioReader
from avforensics.media.crop import MovingCrop
from avforensics.media.video import VideoReader

SOUND = noise(3)
PLAIN = frames_at(25, 75)
OPEN_FILES = Path("/proc/self/fd")


def reason(path, **options):
    with pytest.raises(MediaError) as caught:
        read(path, **options)
    assert str(caught.value) == f"{path}: {caught.value.reason}"
    return caught.value.reason


@pytest.fixture
def plain(tmp_path):
    return mux(tmp_path / "plain.mp4", times=PLAIN, sounds=[[(0, SOUND)]])


def test_no_usable_file(tmp_path):
    (tmp_path / "empty.mp4").touch()
    assert reason(tmp_path / "missing.mp4") == "no such file"
    assert reason(tmp_path / "empty.mp4") == "the file is empty"
    assert reason(tmp_path / "empty.mp4" / "below.mp4") == "no such file"
    assert reason(tmp_path) == "a folder, not a file"
    assert reason("/dev/null") == "not a regular file"


def test_no_permission(plain, monkeypatch):
    plain.chmod(0)
    if os.access(plain, os.R_OK):  # root can read everything, so simulate the refusal

        def refuse(*_, **__):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("pathlib.Path.open", refuse)
    assert reason(plain) == "no permission to read it"


FOREIGN = [  # playlists must not open the files that they list
    (b"This is not a video.\n" * 50, "not a media file, or damaged beyond recognition"),
    (bytes(5000), "not a media file, or damaged beyond recognition"),
    (np.random.default_rng(0).bytes(50_000), "not a media file, or damaged beyond recognition"),
    (b"ffconcat version 1.0\nfile plain.mp4\n", "a playlist, not a media file"),
    (b"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nplain.mp4\n", "not a media file"),
]


@pytest.mark.parametrize(("content", "what"), FOREIGN, ids=range(5))
def test_foreign_content(tmp_path, plain, content, what):
    (tmp_path / "a.mp4").write_bytes(content)
    assert what in reason(tmp_path / "a.mp4")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp"])
def test_pictures(tmp_path, plain, suffix):
    picture = tmp_path / f"a.{suffix}"
    Image.new("RGB", (64, 64)).save(picture)
    assert reason(picture) == "a still picture, not a video"
    with picture.open("ab") as file:
        file.write(plain.read_bytes())
    assert "motion photo" in reason(picture)


def test_missing_streams(tmp_path):
    assert reason(mux(tmp_path / "a.mp4", times=PLAIN)) == "no audio stream"
    assert reason(mux(tmp_path / "b.mp4", times=None, sounds=[[(0, SOUND)]])) == "no video stream"
    write_wav(tmp_path / "d.wav", SOUND)
    assert reason(tmp_path / "d.wav") == "no video stream"
    with pytest.raises(MediaError, match="no audio stream"):
        read_audio(tmp_path / "a.mp4")


def test_missing_stream_numbers(plain):
    assert reason(plain, video_stream=1) == "no video stream 1: the file has 1, numbered from 0"
    assert reason(plain, audio_stream=2) == "no audio stream 2: the file has 1, numbered from 0"
    assert "no audio stream -1" in reason(plain, audio_stream=-1)


def test_a_cover_picture_is_no_video(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as out:
        audio = out.add_stream("aac", rate=16_000, layout="mono")
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(numbered(3, 64, 64), format="rgb24")
        sound = av.AudioFrame.from_ndarray(SOUND[None], format="s16", layout="mono")
        sound.sample_rate = 16_000
        for stream, frame in ((cover, picture), (audio, sound)):
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    assert reason(path) == "no video stream"


def test_too_short(tmp_path):
    sounds = [[(0, SOUND)]]
    assert reason(mux(tmp_path / "a.mp4", times=PLAIN[:5], sounds=sounds)) == (
        "too short: 5 frames with audio, but at least 6 are needed"
    )
    assert read(mux(tmp_path / "b.mp4", times=PLAIN[:6], sounds=sounds))[2].n_frames == 6


def test_cut_off_before_or_within_its_index(tmp_path, plain):
    path = mux(tmp_path / "a.mov", times=PLAIN, sounds=[[(0, SOUND)]])  # the index is at the end
    late, early = path.read_bytes(), plain.read_bytes()
    sizes = (20, len(late) // 2, late.rindex(b"moov") - 4)
    for data in [*(late[:size] for size in sizes), *(early[:size] for size in (40, 200, 1000))]:
        path.write_bytes(data)
        assert reason(path) == "the file is cut off: its index (moov) is missing"


def test_cut_off_behind_its_index_is_read_as_far_as_it_goes(plain):
    data = plain.read_bytes()
    plain.write_bytes(data[: len(data) * 6 // 10])
    frames, sound, report = read(plain)
    assert 35 <= len(frames) <= 45
    assert numbers(frames) == list(range(len(frames)))
    assert lag(sound, SOUND) == 0
    assert any(warning.startswith("cut off:") for warning in report.warnings)
    plain.write_bytes(data[: data.index(b"mdat") + 200])
    assert reason(plain) in ("no frame of its video can be decoded", "no audio could be decoded")


@pytest.mark.parametrize("b_frames", [0, 3])
def test_damaged_packets_are_left_out_and_counted(tmp_path, b_frames):
    path = mux(tmp_path / "a.mp4", times=PLAIN, sounds=[[(0, SOUND)]], b_frames=b_frames)
    damage(path, "video", slice(22, 24))  # frame 24 is a key frame
    damage(path, "video", slice(25, 26))
    damage(path, "audio", slice(15, 17))
    frames, sound, report = read(path)
    assert report.skipped_packets == 5
    assert "damaged packets skipped: 3 of video, 2 of audio" in report.warnings
    assert len(frames) == 75  # the frames before stay on screen
    assert numbers(frames)[:15] == list(range(15)) and numbers(frames)[-1] == 74
    assert lag(sound, SOUND) == 0  # sound after the loss keeps its time
    assert lag(sound[32_000:], SOUND[32_000:]) == 0
    assert np.array_equal(read(path)[0], frames)


def test_a_stamp_far_past_the_end_is_not_filled_up_to(tmp_path):
    times, codec = [*PLAIN, 40_000.0], "pcm_s16le"
    path = mux(tmp_path / "a.mkv", times=times, sounds=[[(0, SOUND)]], audio_codec=codec)
    # The declared length includes the wrong time stamp; replace it by the true length.
    with av.open(str(path)) as container:
        declared = np.array([container.duration / 1000], ">f8").tobytes()
    data = path.read_bytes()
    assert declared in data
    path.write_bytes(data.replace(declared, np.array([3000.0], ">f8").tobytes()))
    frames, _, report = read(path)
    assert len(frames) == 75 and report.video_frames == 76 and report.skipped_packets == 0
    assert numbers(frames) == list(range(75))
    (warning,) = report.warnings
    assert warning.startswith("the file's clock jumps ahead by 39997.00 s at 3.00 s")


def lasts_long(packet, number):
    if packet.stream.type == "video" and number == 9:
        packet.duration = round(72_000 / packet.time_base)


def sound_comes_late(packet, number):
    if packet.stream.type == "audio":
        delay(packet, 3e8)


def steps_grow(packet, number):
    delay(packet, 100 * number**2)


def delay(packet, seconds):
    ticks = round(seconds / packet.time_base)
    packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks


HOURS = {
    "a picture lasts for 20 hours": ("a.mkv", lasts_long),
    "sound begins after ten years": ("a.mkv", sound_comes_late),
    "sound begins after ten years, MP4": ("a.mp4", sound_comes_late),
    "steps grow to hours": ("a.mkv", steps_grow),
    "steps grow to hours, TS": ("a.ts", steps_grow),
}


@pytest.mark.parametrize(("name", "change"), HOURS.values(), ids=HOURS)
def test_hours_that_a_file_only_declares_are_not_filled_up(tmp_path, name, change):
    codec = "mp2" if name == "a.ts" else "aac"
    clip = tmp_path / f"clip-{name}"
    mux(clip, times=frames_at(25, 10), sounds=[[(0, noise(0.4))]], audio_codec=codec)
    path = recopy(clip, tmp_path / name, change)
    with VideoReader(path) as video, AudioReader(path, origin=video.origin) as audio:
        assert sum(1 for _ in islice(video, 1000)) <= 10 * 25
        assert sum(map(len, islice(audio, 1000))) <= 10 * RATE
    if change is sound_comes_late:
        assert reason(path).startswith("audio and video do not overlap")


def test_a_clock_too_slow_for_pictures_is_a_damaged_header(tmp_path):
    clip = mux(
        tmp_path / "a.avi",
        times=frames_at(25, 10),
        sounds=[[(0, noise(0.4))]],
        video_codec="mpeg4",
        time_base=Fraction(1, 25),
        audio_codec="pcm_s16le",
    )
    data = bytearray(clip.read_bytes())
    struct.pack_into("<II", data, data.find(b"vids") + 20, 1000, 1)  # seconds per frame
    clip.write_bytes(data)
    assert reason(clip) == "damaged header: its video clock ticks every 1000 s"


def test_a_track_that_begins_on_the_way_takes_nothing_from_the_others(tmp_path):
    """The track is so far from both ends that FFmpeg does not know of it when it opens the file."""
    parts, size = [], (64, 48)
    for start, seconds, tracks in ((0, 20, 1), (20, 2, 2), (22, 2, 1)):
        times = frames_at(5, 5 * seconds, start)
        sounds = [[(start, noise(seconds))]] * tracks
        part = tmp_path / f"{start}.ts"
        mux(part, times=times, sounds=sounds, size=size, rate=5, audio_codec="mp2")
        parts.append(part.read_bytes())
    path = tmp_path / "a.ts"
    stuffing = (b"\x47\x1f\xff\x10" + bytes([255]) * 184) * 30_000
    path.write_bytes(stuffing.join([*parts, b""]))
    with av.open(str(path)) as opened:  # PyAV before 19 raises IndexError here
        assert len(opened.streams.audio) == 1
    _, sound, report = read(path, size=16)
    assert report.video_frames == pytest.approx(24 * 25, abs=2)
    assert len(sound) == pytest.approx(24 * RATE, abs=RATE / 10)


@pytest.fixture
def call(tmp_path):
    """Make a transport stream of 30 frames with 128 x 96 and 30 with 256 x 160 pixels."""
    parts = []
    for start, size in ((1.4, (128, 96)), (2.6, (256, 160))):
        times, sounds = frames_at(25, 30, start), [[(start, noise(1.2))]]
        parts.append(mux(tmp_path / "part.ts", times=times, sounds=sounds, size=size).read_bytes())
    path = tmp_path / "call.ts"
    path.write_bytes(b"".join(parts))
    return path


def test_pictures_that_change_their_size_are_scaled_and_counted(call):
    corner = MovingCrop(np.tile([32.0, 48.0, 64.0], (60, 1)))  # the four stripes on the left
    frames, _, report = read(call, size=64, crop=corner)
    (warning,) = (text for text in report.warnings if "different size" in text)
    assert warning.endswith(": 30") and (report.width, report.height) == (128, 96)
    # the second part shows its own numbers 0..29, with bits 000x xxxx
    assert len(frames) == 60
    stripes = (frames[:, 32, 8::16, 1] > 128).astype(int)
    np.testing.assert_array_equal(stripes[:, 3], [int(n % 30 >= 16) for n in range(60)])


def test_a_picture_of_absurd_size_is_damage(call, monkeypatch):
    with container.no_picture_above(20_000):
        bounded = read(call)[2]
    assert bounded.n_frames < 60 and bounded.skipped_packets >= 29
    assert read(call)[2].n_frames == 60, "it was for a while"
    monkeypatch.setattr(container, "MAX_PIXELS", 20_000)
    with container.no_picture_above(10**9):
        assert read(call)[2].n_frames == bounded.n_frames


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_nan_becomes_zero(tmp_path, rate):
    clean = (noise(3, rate=rate) / 32_768).astype(np.float32)
    broken = clean.copy()
    broken[5000:5100], broken[7000] = np.nan, np.inf
    sounds = [[(0, broken)]]
    options = {"audio_codec": "pcm_f32le", "audio_rate": rate, "times": PLAIN}
    _, sound, report = read(mux(tmp_path / "a.mkv", sounds=sounds, **options))
    assert report.warnings == ["NaN or infinite audio samples replaced by zeros: 101"]
    _, whole, _ = read(mux(tmp_path / "b.mkv", sounds=[[(0, clean)]], **options))
    differs = np.flatnonzero(np.abs(sound.astype(int) - whole) > 3) * rate / 16_000
    assert differs.min() > 4900 and differs.max() < 7100


@pytest.mark.parametrize("value", [0, np.nan])
def test_silent_sound_is_flagged(tmp_path, value):
    sounds = [[(0, np.full(48_000, value, np.float32))]]
    path = mux(tmp_path / "a.mkv", times=PLAIN, sounds=sounds, audio_codec="pcm_f32le")
    _, sound, report = read(path)
    assert not sound.any() and len(report.warnings) == (2 if value else 1)
    assert "audio is silent: all samples are zero" in report.warnings


@pytest.mark.parametrize("layout", ["stereo", "5.1", "3 channels", "octagonal"])
def test_channels_are_mixed(tmp_path, layout):
    sounds = [[(0, SOUND)]]
    options = {"audio_codec": "pcm_s16le", "layout": layout}
    _, sound, _ = read(mux(tmp_path / "a.mkv", times=PLAIN, sounds=sounds, **options))
    assert np.abs(sound.astype(int) - SOUND[: len(sound)]).max() <= 1


def test_nothing_is_printed(plain, capfd):
    data = bytearray(plain.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 500] = bytes(500)
    plain.write_bytes(data)
    read(plain)
    with pytest.raises(MediaError):
        read(plain.with_name("nothing.mp4"))
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="open files are counted in /proc")
def test_errors_leave_no_file_open(plain):
    before = len(list(OPEN_FILES.iterdir()))
    for _ in range(20):
        reason(plain, audio_stream=5)
        reason(plain, video_stream=5)
    write_clip(plain, [numbered(1)] * 3, SOUND[:1920])
    for _ in range(20):
        reason(plain)
    assert len(list(OPEN_FILES.iterdir())) <= before + 1


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_tags_that_are_not_utf8(tmp_path, plain, suffix):
    """Recorders write titles in local encodings, which every version of PyAV reads alike."""
    path = recopy(plain, tmp_path / f"tagged{suffix}", lambda *_: None, title="TITLE-TITLE")
    content = path.read_bytes()
    assert b"TITLE-TITLE" in content
    path.write_bytes(content.replace(b"TITLE-TITLE", b"TITL\xc9-\xff\xfeTLE"))
    with container.open_container(path) as opened:
        assert opened.metadata["title"] == os.fsdecode(b"TITL\xc9-\xff\xfeTLE")
    assert read(path)[2].n_frames == 75
