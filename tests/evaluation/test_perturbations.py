"""Each perturbation against an independent formula, and its seeds."""

import io
import os

import av
import numpy as np
import pytest
from scipy import ndimage

from avforensics.errors import ConfigError
from avforensics.evaluation.robustness import edits
from avforensics.media.conditions import PLATFORMS, SOUND_CONDITIONS
from avforensics.media.perturbations import (
    PAPER_PERTURBATIONS,
    PERTURBATIONS,
    frame_rng,
    perturb,
    perturbation,
)  # fmt: skip
from avforensics.scoring.edits import edit_of

LEVEL_RANGE = range(1, 6)


def _frames(count=6, height=64, width=80, seed=0):
    """Frames of a face-like blob on a textured background, with the full colour range."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    ground = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3)).repeat(8, 0).repeat(8, 1)
    frames = []
    for index in range(count):
        frame = ground[:height, :width].copy()
        blob = (x - width / 2 - 2 * index) ** 2 + (y - height / 2) ** 2 < (height / 4) ** 2
        frame[blob] = (224, 172, 140)
        frames.append(frame.astype(np.uint8))
    return frames


def _run(name, level, frames=None, **setting):
    return list(perturb(frames or _frames(), name, level, **setting))


def _assert_close(ours, expected, levels=1.0):
    for frame, other in zip(ours, expected, strict=True):
        assert frame.dtype == np.uint8
        assert np.abs(frame.astype(float) - np.clip(other, 0, 255)).max() <= levels


def _ycbcr(rgb):
    """Convert to BT.601 studio YCbCr in [0, 1]."""
    matrix = np.array(
        [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112, -93.786, -18.214]]
    )
    return (rgb / 255.0 @ matrix.T + (16, 128, 128)) / 255, matrix


def _rgb(ycbcr):
    _, matrix = _ycbcr(np.zeros(3))
    return (ycbcr * 255 - (16, 128, 128)) @ np.linalg.inv(matrix).T * 255


def test_the_table_is_the_specified_one():
    assert PAPER_PERTURBATIONS == ("CS", "CC", "BW", "GNC", "GB", "JPEG", "VC")
    others = {*SOUND_CONDITIONS, *PLATFORMS}
    assert set(PERTURBATIONS) == {*PAPER_PERTURBATIONS, "BW_small", *others}
    assert {name for name, one in PERTURBATIONS.items() if one.sound} == others


def test_one_of_ones_own_is_an_edit_and_has_five_levels(monkeypatch):
    monkeypatch.setattr(PERTURBATIONS, "_entries", dict(PERTURBATIONS._entries))

    @perturbation("dark", title="darker", levels=(10, 20, 30, 40, 50))
    def darker(frame, p):
        return np.clip(frame.astype(int) - int(p), 0, 255).astype(np.uint8)

    _assert_close(_run("dark", 2), [frame.astype(float) - 20 for frame in _frames()])
    (frame,) = edit_of("dark=5", "clip.mp4").pictures(_frames(1))
    _assert_close([frame], [_frames(1)[0].astype(float) - 50])
    assert edits(["dark"], [1], 3) == {("dark", 1): "dark=1/3"}
    with pytest.raises(ValueError, match="short: a perturbation must have 5 levels, got 2"):
        perturbation("few", title="short", levels=(1, 2))(darker)
    with pytest.raises(ConfigError, match=r"perturbation must be one of .*dark, got 'haze'"):
        edits(["haze"], [1], 0)


@pytest.mark.parametrize("level", LEVEL_RANGE)
def test_saturation(level):
    """The result equals a conversion to YCbCr and back, with chroma scaled about 128 of 255."""
    expected = []
    for frame in _frames():
        ycbcr, _ = _ycbcr(frame)
        middle = 128 / 255
        ycbcr[..., 1:] = middle + (ycbcr[..., 1:] - middle) * (0.4, 0.3, 0.2, 0.1, 0)[level - 1]
        expected.append(_rgb(ycbcr))
    _assert_close(_run("CS", level), expected)


@pytest.mark.parametrize("level", LEVEL_RANGE)
def test_contrast(level):
    scale = (0.85, 0.725, 0.6, 0.475, 0.35)[level - 1]
    ours = _run("CC", level)
    _assert_close(ours, [frame * scale for frame in _frames()])
    assert np.mean(ours) == pytest.approx(np.mean(_frames()) * scale, abs=0.6)  # it darkens


@pytest.mark.parametrize("level", LEVEL_RANGE)
def test_noise(level):
    """The result equals adding the same random numbers in YCbCr, in double precision."""
    variance = (0.001, 0.002, 0.005, 0.01, 0.05)[level - 1]
    expected = []
    for index, frame in enumerate(_frames()):
        rng = frame_rng(3, "a/b.mp4", index)
        noise = rng.standard_normal(frame.shape, dtype=np.float32).astype(float)
        noisy = _rgb(_ycbcr(frame)[0] + np.sqrt(variance) * noise)
        expected.append(np.floor(noisy))  # cut to whole grey levels, as published
    ours = _run("GNC", level, seed=3, video="a/b.mp4")
    _assert_close(ours, expected)
    grey = [np.full((128, 128, 3), 128, np.uint8)]
    luma = _run("GNC", 1, grey)[0] @ np.array([0.299, 0.587, 0.114])
    assert luma.std() == pytest.approx(255 / 219 * 255 * np.sqrt(0.001), rel=0.03)


@pytest.mark.parametrize("level", LEVEL_RANGE)
def test_blur(level):
    """The result equals a sum of shifted frames, one for each entry of the 2-D kernel."""
    size = (7, 9, 13, 17, 21)[level - 1]
    half = size // 2
    square = np.arange(-half, half + 1) ** 2
    kernel = np.exp(-(square[:, None] + square[None]) / (2 * (size / 6) ** 2))
    kernel /= kernel.sum()
    blurred = []
    for frame in _frames(2):
        padded = np.pad(frame.astype(float), ((half, half), (half, half), (0, 0)), mode="reflect")
        views = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(0, 1))
        blurred.append(np.einsum("hwcij,ij->hwc", views, kernel))
    _assert_close(_run("GB", level, _frames(2)), blurred)


@pytest.mark.parametrize("level", LEVEL_RANGE)
@pytest.mark.parametrize("size", [(64, 80), (97, 131)])
def test_pixelation(level, size):
    """The result equals bilinear interpolation at the centres of the new pixels."""
    factor = (2, 3, 4, 5, 6)[level - 1]

    def resize(frame, height, width):
        rows = (np.arange(height) + 0.5) * frame.shape[0] / height - 0.5
        columns = (np.arange(width) + 0.5) * frame.shape[1] / width - 0.5
        grid = np.meshgrid(rows, columns, indexing="ij")
        planes = [
            ndimage.map_coordinates(frame[..., c].astype(float), grid, order=1, mode="nearest")
            for c in range(3)
        ]
        return np.floor(np.stack(planes, -1) + 0.5)

    frames = _frames(2, *size)
    small = [resize(frame, size[0] // factor, size[1] // factor) for frame in frames]
    _assert_close(_run("JPEG", level, frames), [resize(frame, *size) for frame in small])


@pytest.mark.parametrize("level", LEVEL_RANGE)
def test_blocks_are_grey_many_enough_and_none_on_small_frames(level):
    count = (16, 32, 48, 64, 80)[level - 1]
    white = [np.full((520, 560, 3), 255, np.uint8)] * 2  # 520 // 256 = 2
    first, second = _run("BW", level, white)
    for frame in (first, second):
        assert set(np.unique(frame)) == {128, 255}
        covered = (frame == 128).all(-1)
        assert 0.9 * 2 * count * 64 < covered.sum() <= 2 * count * 64
        opened = ndimage.binary_opening(covered, np.ones((8, 8)))
        assert (opened == covered).all()  # only whole 8 x 8 blocks
    assert (first != second).any()  # new blocks in each frame
    small = _frames(1, 255, 300)
    assert (_run("BW", level, small)[0] == small[0]).all()
    covered = (_run("BW_small", level, [np.zeros((224, 224, 3), np.uint8)])[0] == 128).all(-1)
    assert 0.7 * count * 64 < covered.sum() <= count * 64


def _ffmpeg_crf(frames, crf):
    """Compress through a real MP4 file in a buffer."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as out:
        options = {"crf": str(crf), "threads": "1", "x264-params": "asm=sse4.2"}
        stream = out.add_stream("libx264", rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


@pytest.mark.parametrize("level", LEVEL_RANGE)
def test_compression_equals_a_file_encoded_at_that_crf(level):
    frames = _frames(30)
    ours = _run("VC", level, frames)
    assert len(ours) == 30
    _assert_close(ours, _ffmpeg_crf(frames, (30, 32, 35, 38, 40)[level - 1]))


def test_compression_streams_and_takes_odd_sizes():
    frames = _frames(90, 63, 79)
    taken = []

    def source():
        for index, frame in enumerate(frames):
            taken.append(index)
            yield frame

    stream = perturb(source(), "VC", 1)
    first = next(stream)
    assert len(taken) < 90
    rest = list(stream)
    assert first.shape == (63, 79, 3)
    assert len(rest) == 89
    pairs = zip(frames, [first, *rest], strict=True)
    assert (
        max(np.abs(a.astype(float) - b).mean() for a, b in pairs) < 12
    )  # in order; a frame that is late by one would differ much more


@pytest.mark.parametrize("name", [*PAPER_PERTURBATIONS, "BW_small", "PLATFORM"])
def test_worse_by_level_deterministic_and_input_kept(name):
    frames = _frames(4, 264, 264)
    before = [frame.copy() for frame in frames]
    runs = [_run(name, level, frames, seed=1, video="v") for level in range(6)]
    errors = [np.mean(np.abs(np.float32(run) - np.float32(frames))) for run in runs]
    assert errors == sorted(errors)
    assert errors[0] == 0 < errors[1]
    again = _run(name, 5, frames, seed=1, video="v")
    assert all((a == b).all() for a, b in zip(runs[5], again, strict=True))
    assert all((a == b).all() for a, b in zip(before, frames, strict=True))


@pytest.mark.parametrize("name", ["GNC", "BW"])
def test_seed_video_and_frame_each_change_the_noise(name):
    frames = [np.full((264, 264, 3), 100, np.uint8)] * 2
    base = _run(name, 3, frames, seed=1, video="v")
    for other in ({"seed": 2, "video": "v"}, {"seed": 1, "video": "w"}):
        assert (_run(name, 3, frames, **other)[0] != base[0]).any()
    assert (base[0] != base[1]).any()


@pytest.mark.parametrize(("name", "level"), [("CX", 1), ("CS", 6), ("CS", -1), ("CS", 1.5)])
def test_nonsense_is_refused(name, level):
    with pytest.raises(ValueError, match=r"perturbation must be|level must be"):
        perturb([], name, level)
    assert list(perturb([], "VC", 3)) == []


def test_a_file_name_need_not_be_text():
    assert frame_rng(0, os.fsdecode(b"caf\xe9.mp4"), 0).random() < 1
