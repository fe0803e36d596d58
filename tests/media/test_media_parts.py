"""Parts of a file have the same pixels and samples as when read from the beginning."""

import gc
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from media_files import frames_at, mux, noise, numbered, pictures, read, remux
from PIL import Image

from avforensics.errors import MediaError
from avforensics.media import FPS, HOP, MovingCrop, SoundSpool, write_clip
from avforensics.media import kept as kept_frames
from avforensics.media.kept import KeptFrames
from avforensics.media.seek import key_time_before
from avforensics.media.video import VideoReader

NTSC = Fraction(30_000, 1001)


GROUND = np.random.default_rng(0).integers(0, 60, (96, 500, 3), np.uint8)


def textured(number, width, height):
    """Make a frame that differs everywhere from its neighbours, with its number at the top."""
    picture = GROUND[:, 2 * number : 2 * number + width].copy()
    picture[: height // 2] = numbered(number, width, height // 2)
    return picture


def encoded(path, n_frames, *, rate=25, **x264):
    """Write a file of `textured` frames with these x264 settings, and noise as sound."""
    return mux(
        path,
        times=frames_at(rate, n_frames),
        picture=textured,
        options={"preset": "fast", **x264},
        rate=rate,
        time_base=1 / Fraction(rate),
        sounds=[[(0, noise(n_frames / float(rate) + 0.2, rate=44_100))]],
        audio_rate=44_100,
    )


def vfr_times(count):
    steps = np.random.default_rng(5).uniform(0.012, 0.09, count)
    return np.cumsum(steps).tolist()


FILES = {
    "25 fps, B-frames": lambda p: encoded(p / "a.mp4", 90, bf="3", g="15"),
    "30 fps, Matroska": lambda p: encoded(p / "a.mkv", 110, rate=30, bf="2", g="18"),
    "29.97 fps, open GOP": lambda p: encoded(
        p / "a.mp4", 110, rate=NTSC, bf="3", g="14", **{"x264-params": "open-gop=1"}
    ),
    "gradual refresh": lambda p: encoded(
        p / "a.mp4", 90, g="16", **{"x264-params": "intra-refresh=1:bframes=0"}
    ),
    "22.25 fps": lambda p: mux(
        p / "a.mp4", times=frames_at(22.25, 80), sounds=[[(0, noise(4))]], b_frames=2
    ),
    "variable rate": lambda p: mux(
        p / "a.mkv", times=vfr_times(80), sounds=[[(0.3, noise(4))]], b_frames=2
    ),
    "cut by an edit list": lambda p: remux(
        mux(p / "whole.mp4", times=frames_at(25, 90), sounds=[[(0, noise(4))]], b_frames=2),
        p / "a.mp4",
        shift=-0.5,
    ),
    "MPEG-TS": lambda p: mux(
        p / "a.ts", times=frames_at(25, 80, start=1.4), sounds=[[(1.4, noise(4))]], b_frames=2
    ),
    "AVI": lambda p: mux(
        p / "a.avi",
        times=frames_at(25, 80),
        sounds=[[(0, noise(4))]],
        video_codec="mpeg4",
        audio_codec="mp3",
        time_base=Fraction(1, 25),
    ),
}


@pytest.mark.parametrize("make", FILES.values(), ids=FILES)
def test_a_part_is_what_reading_from_the_beginning_gives_there(tmp_path, make):
    path = make(tmp_path)
    frames, audio, _ = read(path, size=48)
    assert len(frames) > 60
    with SoundSpool(path) as sound:
        for start, spool in ((1, None), (37, None), (len(frames) - 9, sound), (20, sound)):
            part, heard, _ = read(path, size=48, start_frame=start, max_frames=30, sound=spool)
            wanted = frames[start : start + 30]
            np.testing.assert_array_equal(part, wanted)
            np.testing.assert_array_equal(heard, audio[start * HOP :][: len(wanted) * HOP])


@pytest.mark.parametrize("start", [100, 110])
def test_a_part_does_not_decode_what_lies_before(tmp_path, start):
    path = encoded(tmp_path / "a.mp4", 150, g="25", bf="2")
    with VideoReader(path, start=start) as video:
        decoded = sum(1 for _ in video._rebased())
    assert decoded <= 150 - 100, "reading began at the key frame 100"


@pytest.mark.parametrize("name", ["30 fps, Matroska", "29.97 fps, open GOP", "variable rate"])
def test_parts_that_begin_beside_a_key_frame(tmp_path, name):
    """Begin at every frame in turn: at key frames and on both sides of them."""
    path = FILES[name](tmp_path)
    shown = pictures(path)
    for start in range(1, 50):
        with VideoReader(path, start=start) as video:
            first = np.asarray(video.upright(next(iter(video))))
        np.testing.assert_array_equal(first, shown[start])


@pytest.mark.parametrize("suffix, trusted", [("mp4", True), ("mkv", True), ("ts", False)])
def test_only_files_with_an_index_are_trusted(tmp_path, suffix, trusted):
    path = mux(tmp_path / f"a.{suffix}", times=frames_at(25, 40), sounds=[[(0, noise(2))]])
    assert (key_time_before(path, 0, 10**9) is not None) == trusted


def test_a_changed_file_is_looked_at_again(tmp_path):
    path = encoded(tmp_path / "a.mp4", 40, g="10")
    before = key_time_before(path, 0, 10**9)
    encoded(path, 60, g="10")
    assert key_time_before(path, 0, 10**9) > before


def test_upright_parts(make_video):
    path = make_video(n_frames=60, size=64, rotation=90, gop=10)
    frames, *_ = read(path)
    part, *_ = read(path, start_frame=33)
    np.testing.assert_array_equal(part, frames[33:])


def test_past_the_end(make_video):
    path = make_video(n_frames=30)
    with pytest.raises(MediaError, match=r"too short: 0 frames|no audio"):
        read(path, start_frame=40)
    with pytest.raises(ValueError, match="start_frame"):
        read(path, start_frame=-1)


@pytest.fixture
def picture_file(tmp_path):
    """Write sixty frames of 160 x 96 pixels in lossless colours, numbered by a bright column."""
    frames = [np.full((96, 160, 3), 40, np.uint8) for _ in range(60)]
    for n, frame in enumerate(frames):
        frame[:, 2 * n : 2 * n + 8] = 200
        frame[40:48] = 120
    path = tmp_path / "picture.mp4"
    write_clip(path, iter(frames), noise(60 / FPS), crf=0, gop=10)
    return path


def test_a_square_follows_pixel_by_pixel(picture_file):
    """At whole pixels, a square of the output's size shows exactly the picture."""
    squares = np.array([[30 + 2 * n, 48, 48] for n in range(40)], np.float32)
    frames, *_ = read(picture_file, size=48, start_frame=10, crop=MovingCrop(squares))
    assert len(frames) == 40, "as long as there are squares"
    shown = pictures(picture_file)[10:50]
    for n, (frame, picture) in enumerate(zip(frames, shown, strict=True)):
        np.testing.assert_array_equal(frame, picture[24:72, 6 + 2 * n : 54 + 2 * n])


def test_a_square_between_pixels_is_resized_as_whole_frames_are(picture_file):
    crop = MovingCrop(np.array([[80.3, 47.6, 71.5]] * 10))
    frames, *_ = read(picture_file, size=48, crop=crop)
    image = Image.fromarray(pictures(picture_file)[4])
    box = (80.3 - 35.75, 47.6 - 35.75, 80.3 + 35.75, 47.6 + 35.75)
    wanted = image.resize((48, 48), Image.Resampling.BICUBIC, box=box)
    assert np.abs(frames[4].astype(int) - np.asarray(wanted)).max() <= 1


@pytest.mark.parametrize("side", [48, 110.0])
def test_a_turned_square_sets_a_turned_picture_upright(tmp_path, side):
    """A cross that is turned by 30 degrees clockwise is read by a square with the same turn."""
    upright = np.full((192, 192, 3), 40, np.uint8)
    upright[92:100, 60:132] = upright[60:100, 92:100] = 200  # a T upside down
    turned = np.asarray(Image.fromarray(upright).rotate(-30, Image.Resampling.BICUBIC))
    path = tmp_path / "turned.mp4"
    write_clip(path, iter([turned] * 12), noise(12 / FPS), crf=0, gop=10)
    angle = np.radians(30)
    straight = MovingCrop(np.array([[96, 96, side]] * 12))
    tilted = MovingCrop(np.array([[96, 96, side, angle]] * 12))
    wanted = straight.cut(upright, 0, 48).astype(int)
    frames, *_ = read(path, size=48, crop=tilted)
    close = np.abs(frames[5].astype(int) - wanted)
    assert close.mean() < 4
    away, *_ = read(path, size=48, crop=MovingCrop(np.array([[96, 96, side, -angle]] * 12)))
    assert np.abs(away[5].astype(int) - wanted).mean() > 3 * close.mean()


@pytest.mark.parametrize("fill, left", [(110, 110), (None, 40)])
def test_beyond_the_picture(picture_file, fill, left):
    crop = MovingCrop(np.array([[0, 48, 48]] * 8), fill=fill)
    frames, *_ = read(picture_file, size=48, start_frame=20, crop=crop)
    assert abs(int(frames[0][5, 3, 0]) - left) <= 2
    outside = MovingCrop(np.array([[-500, -500, 30]] * 8), fill=fill)
    frames, *_ = read(picture_file, size=48, start_frame=20, crop=outside)
    assert np.abs(frames.astype(int) - (110 if fill else 40)).max() <= 2


def test_a_square_lies_in_the_upright_picture(make_video):
    path = make_video(n_frames=30, size=64, rotation=90)
    upright = pictures(path)
    crop = MovingCrop(np.array([[40, 30, 48]] * 12))
    frames, *_ = read(path, size=48, start_frame=9, crop=crop)
    np.testing.assert_array_equal(frames[3], upright[12][6:54, 16:64])


def test_parts_leave_no_frames_behind(make_video):
    """Each part asks its first frame for its rotation, which creates a reference cycle."""
    path = make_video(n_frames=30)

    def frames():
        return sum(isinstance(one, av.VideoFrame) for one in gc.get_objects())

    gc.collect()
    before = frames()
    for _ in range(8):
        read(path, start_frame=10, max_frames=10)
    assert frames() <= before + 1


def test_many_parts_share_one_spool(tmp_path):
    path = encoded(tmp_path / "a.mp4", 100)
    _, audio, _ = read(path)
    with SoundSpool(path) as sound:
        for first, last in pairwise((80, 95, 97)):
            np.testing.assert_array_equal(
                sound.read(first * HOP, (last - first) * HOP), audio[first * HOP : last * HOP]
            )
        np.testing.assert_array_equal(sound.read(0, 640), audio[:640])
        assert len(sound.read(10**8, 5)) == 0


NO_SQUARES = [
    (np.zeros((0, 3)), 0),
    (np.array([[1.0, 2.0, 0.0]]), 0),
    (np.array([[1.0, np.nan, 2.0]]), 0),
    (np.array([[1.0, 2.0, 3.0]]), 300),
]


@pytest.mark.parametrize("squares, fill", NO_SQUARES)
def test_nonsense(squares, fill):
    with pytest.raises(ValueError, match=r"squares must|fill must"):
        MovingCrop(squares, fill=fill)


def test_kept_frames_are_not_decoded_again(tmp_path, monkeypatch):
    path = encoded(tmp_path / "a.mp4", 60, bf="3", g="15")
    crop = MovingCrop(np.tile([64.0, 48.0, 60.0], (30, 1)))
    expected = read(path, start_frame=20, crop=crop)
    kept = KeptFrames()
    with VideoReader(path) as video:
        assert sum(1 for _ in kept.keep(video, video)) == 60
    with monkeypatch.context() as patch:
        patch.setattr(VideoReader, "__iter__", lambda self: pytest.fail("decoded again"))
        for found, same in zip(
            read(path, start_frame=20, crop=crop, kept=kept), expected, strict=True
        ):
            np.testing.assert_array_equal(found, same)
    for most, skipped in ((50, 0), (60, 1)):  # too many frames, a damaged packet
        monkeypatch.setattr(kept_frames, "MOST", most * 128 * 96 * 3 // 2)
        with VideoReader(path) as video:
            video.tally.skipped += skipped
            assert sum(1 for _ in kept.keep(video, video)) == 60
        assert not kept.complete
        np.testing.assert_array_equal(
            read(path, start_frame=20, crop=crop, kept=kept)[0], expected[0]
        )
