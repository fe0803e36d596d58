"""Pixels that are not square: an anamorphic file shows the same as one with square pixels."""

from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from media_files import frames_at, mux, noise, read
from PIL import Image, ImageDraw

from avforensics.media.crop import MovingCrop
from avforensics.media.remarks import of_pictures
from avforensics.media.stills import stills
from avforensics.media.video import VideoReader

SIZE = 240, 192  # as it is shown
DISC = 70, 90, 30  # x, y, radius


def drawn(size=SIZE):
    """Draw a disc on a shaded background, left of the centre."""
    width, height = SIZE
    ground = np.linspace(30, 90, width)[None, :, None] + np.linspace(0, 40, height)[:, None, None]
    image = Image.fromarray(np.broadcast_to(ground, (height, width, 3)).astype(np.uint8))
    x, y, radius = DISC
    ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), (230,) * 3)
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC))


def written(path, stored, sar=None, codec="libx264", count=12, pix_fmt="yuv420p", at=0, **more):
    """Write a file of a still picture with ``stored`` width and height."""
    still = drawn(stored)
    return mux(
        path,
        times=frames_at(25, count, at / 25),
        size=stored,
        picture=lambda *_: still,
        video_codec=codec,
        options={"crf": "8", "preset": "ultrafast"} if codec == "libx264" else {"b": "4M"},
        pix_fmt=pix_fmt,
        sar=sar,
        time_base=Fraction(1, 25),
        sounds=[[(at / 25, noise(count / 25, rate=48_000))]],
        audio_codec={".ts": "mp2", ".avi": "mp2", ".mov": "aac"}.get(path.suffix, "libopus"),
        audio_rate=48_000,
        **more,
    )


def declaring(path, width, height):
    """Make a Matroska or MP4 file declare the size or the pixel shape of its picture."""
    content = bytearray(path.read_bytes())
    if path.suffix == ".mkv":  # DisplayUnit and MaxBlockAdditionID become DisplayWidth and -Height
        at = content.index(b"\x54\xb2\x81\x04\x55\xee\x81\x00")
        content[at : at + 8] = bytes([0x54, 0xB0, 0x81, width, 0x54, 0xBA, 0x81, height])
        content[at - 7] += 4  # length of the enclosing element
    else:
        at = content.index(b"pasp") + 4
        content[at : at + 8] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    path.write_bytes(content)
    return path


def shown(path, **options):
    """Return the first picture, and the reader's width, height and remarks."""
    with VideoReader(path, **options) as video:
        pictures = [np.asarray(video.upright(frame)) for frame in video]
        tally = video.tally
        told = of_pictures(tally.concealed, tally.resized, tally.refused_aspect)
        return pictures, (video.width, video.height), list(told)


def roundness(picture):
    """Ratio of width to height of the disc."""
    rows, columns = np.nonzero(picture[..., 1] > 170)
    return (np.ptp(columns) + 1) / (np.ptp(rows) + 1)


KINDS = [
    ("a.mkv", (180, 192), "4/3", "libx264"),
    ("a.mp4", (180, 192), "4/3", "libx264"),
    ("a.ts", (180, 192), "4/3", "libx264"),  # declared by the codec only
    ("a.mkv", (180, 192), "4/3", "mjpeg"),
    ("a.avi", (180, 192), "4/3", "mpeg4"),
    ("a.mp4", (240, 96), "1/2", "libx264"),  # single fields
    ("a.mkv", (240, 144), "3/4", "libx264"),
    ("a.mov", (220, 192), "12/11", "libx264"),
    ("a.ts", (144, 192), "16/9", "mpeg2video"),  # 4:3, one of the few ratios of MPEG-2
    ("a.mkv", (96, 192), "5/2", "libx264"),
]


@pytest.mark.parametrize("name, stored, sar, codec", KINDS, ids=[f"{k[0]}-{k[3]}" for k in KINDS])
def test_squeezed_pictures_are_shown_at_full_width(tmp_path, name, stored, sar, codec):
    path = tmp_path / name
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    (first, *_), size, remarks = shown(written(path, stored, sar, codec, pix_fmt=pixels))
    assert size == (round(stored[0] * max(Fraction(sar), 1)), 192) and not remarks
    assert first.shape == (size[1], size[0], 3)
    wanted = np.asarray(Image.fromarray(drawn()).resize(size, Image.Resampling.BICUBIC))
    assert roundness(first) == pytest.approx(roundness(wanted), rel=0.03)
    if size == SIZE:
        assert np.abs(first.astype(int) - wanted).mean() < 3
    if path.suffix != ".ts":
        (still,) = stills(path, [0.2])
        assert still.size == size


@pytest.mark.parametrize(
    "name, said, size",
    [
        ("vp8.mkv", (240, 192), SIZE),
        ("a.mkv", (240, 192), SIZE),
        ("a.mkv", (4, 3), (256, 192)),  # a ratio
        ("a.mkv", (90, 192), (180, 384)),
        ("a.mkv", (255, 1), (180, 192)),
        ("a.mp4", (4, 3), SIZE),
        ("a.mp4", (1000, 1), (240, 192)),  # implausible, unlike that of the codec
        ("a.mp4", (0, 1), (240, 192)),
        ("a.mp4", (7, 0), (240, 192)),
        ("a.mp4", (2**32 - 1, 1), (240, 192)),
        ("a.mp4", (1, 1), (180, 192)),
    ],
)
def test_what_the_container_says_comes_first(tmp_path, name, said, size):
    codec = "libvpx" if name == "vp8.mkv" else "libx264"
    inner = "4/3" if name == "a.mp4" else None
    path = declaring(written(tmp_path / name, (180, 192), inner, codec), *said)
    pictures, found, remarks = shown(path)
    assert found == size and len(pictures) == 12
    assert any("implausible pixel aspect" in remark for remark in remarks) == (
        said in {(1000, 1), (255, 1)}
    )


def test_a_moving_crop_is_that_of_the_square_file(tmp_path):
    square = written(tmp_path / "square.mkv", SIZE)
    squares = np.array([[60 + 4 * n, 90 - 2 * n, 70] for n in range(10)], float)

    def cut(path):
        frames, _, report = read(path, size=64, crop=MovingCrop(squares))
        return frames.astype(int), report

    wanted, report = cut(square)
    assert report.display_aspect is None and (report.width, report.height) == SIZE
    for name, stored, sar in [
        ("a.mkv", (180, 192), "4/3"),
        ("b.mp4", (240, 144), "3/4"),
        ("c.ts", (220, 192), "12/11"),
        ("d.mp4", (96, 192), "5/2"),
    ]:
        frames, report = cut(written(tmp_path / name, stored, sar))
        assert np.abs(frames - wanted).mean() < 3, name
        assert (report.width, report.height) == stored, "what is stored, beside how it is shown"
        assert report.display_aspect == pytest.approx(SIZE[0] / SIZE[1], rel=0.01)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_phones_with_squeezed_pictures(tmp_path, rotation):
    """The pixel shape refers to the stored picture, which is rotated afterwards."""
    path = written(tmp_path / "a.mp4", (180, 192), "4/3", rotation=rotation)
    (first, *_), size, _ = shown(path)
    assert size == (SIZE if rotation == 180 else SIZE[::-1])
    wanted = np.rot90(drawn(), rotation // 90)
    assert np.abs(first.astype(int) - wanted).mean() < 3
    squares = np.array([[100, 80, 90]] * 8, float)
    frames, *_ = read(path, size=90, crop=MovingCrop(squares))
    assert np.abs(frames[0].astype(int) - wanted[35:125, 55:145]).mean() < 4


@pytest.mark.parametrize("sar", ["30", "5", "1/5", "1800/1799", "1", None])
def test_nonsense_and_rounding_leave_pixels_as_they_are(tmp_path, sar):
    path = written(tmp_path / "a.mkv", SIZE, sar)
    (first, *_), size, remarks = shown(path)
    assert size == SIZE
    assert np.abs(first.astype(int) - drawn()).mean() < 3
    absurd = sar in {"30", "5", "1/5"}
    assert [("implausible pixel aspect" in remark) for remark in remarks] == [True] * absurd
    frames, _, report = read(path)
    assert frames.shape[1:] == (224, 224, 3)
    assert any("implausible pixel aspect" in line for line in report.warnings) == absurd


def test_whole_pictures_are_taken_as_they_are_stored(tmp_path):
    """The published method ignores the aspect ratio, which must not change."""
    path = written(tmp_path / "a.mp4", (180, 192), "4/3")
    with VideoReader(path, square=False) as video:
        (first, *_) = video
        plain = Image.fromarray(first.to_ndarray(format="rgb24"))
        assert (video.width, video.height) == (180, 192)
    frames, *_ = read(path, size=112)
    wanted = plain.resize((112, 112), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(frames[0], np.asarray(wanted))


def joined(tmp_path, *parts):
    """Make a transport stream of pieces that differ in size or pixel shape."""
    path = tmp_path / "joined.ts"
    pieces = [
        written(tmp_path / f"{n}.ts", stored, sar, codec, at=12 * n).read_bytes()
        for n, (stored, sar, codec) in enumerate(parts)
    ]
    path.write_bytes(b"".join(pieces))
    return path


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_a_shape_that_changes_on_the_way(tmp_path, codec):
    """A broadcast changes from 4:3 to 16:9 with pictures of the same size."""
    stored = (180, 192)
    sars = ("4/3", "128/135" if codec == "mpeg2video" else "1")
    if codec == "mpeg2video":
        stored, sars = (144, 192), ("16/9", "64/27")
    path = joined(tmp_path, (stored, sars[0], codec), (stored, sars[1], codec))
    pictures, size, remarks = shown(path)
    first_aspect, second_aspect = (stored[0] / stored[1] * Fraction(sar) for sar in sars)
    assert size == (round(192 * first_aspect), 192)
    assert len(remarks) == 1 and "shape" in remarks[0]
    count = int(remarks[0].split(":")[-1])
    assert 10 <= count <= 14 and len(pictures) >= 23
    # the drawing fills the stored picture, so the pixel shape determines the width of the disc
    assert roundness(pictures[3]) == pytest.approx(float(first_aspect / Fraction(5, 4)), rel=0.06)
    assert roundness(pictures[-2]) == pytest.approx(float(second_aspect / Fraction(5, 4)), rel=0.06)


def test_a_call_whose_phone_is_turned_keeps_its_shapes(tmp_path):
    path = joined(tmp_path, ((240, 192), None, "libx264"), ((96, 192), "1", "libx264"))
    pictures, size, _ = shown(path)
    assert size == (240, 192)
    last = pictures[-2]
    assert last[:, :70].max() < 40 and last[:, 170:].max() < 40, "black on both sides"
    assert roundness(last) == pytest.approx(0.4, rel=0.1), "the drawing was squeezed to 96 pixels"
    stretched, _, _ = shown(path, square=False)
    assert stretched[-2][:, :50].max() > 40, "whole pictures are stretched as ever"


def test_a_part_of_a_file_that_changes(tmp_path):
    """A reader that begins in the second part knows the shape of the first part."""
    path = joined(tmp_path, ((180, 192), "4/3", "libx264"), ((180, 192), "1", "libx264"))
    whole, _, _ = shown(path)
    with VideoReader(path, start=15) as video:
        part = [np.asarray(video.upright(frame)) for frame in islice(video, 5)]
    for a, b in zip(whole[15:20], part, strict=True):
        np.testing.assert_array_equal(a, b)


def test_plain_files_are_untouched(tmp_path):
    path = mux(tmp_path / "a.mp4", times=frames_at(25, 10), sounds=[[(0, noise(0.4))]])
    with VideoReader(path) as video:
        for frame in video:
            image = np.asarray(video.upright(frame))
            np.testing.assert_array_equal(image, frame.to_ndarray(format="rgb24"))
        assert video.aspect is None and not video.view.stretches
