"""Decoded frames as pictures: upright, whole or in part, at any size."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from PIL import Image

from avforensics.media.aspect import square_size
from avforensics.media.colour import ColourTags

Orientation = tuple[int, int, int, int]
Part = tuple[int, int, int, int]
# What swscale converts pictures to that are tone-mapped. Its packed 16 bits (rgb48) have false
# colours where a width is odd.
DEEP = "gbrp16le"
# Planes that can be cut out without conversion: name -> how often colour is halved.
HALVED = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}
PLANAR = {
    f"{kind}{sampling}p{bits}": halved
    for sampling, halved in HALVED.items()
    for kind, depths in (("yuv", ("", "10le", "12le")), ("yuvj", ("",)))
    for bits in depths
}


@dataclass(frozen=True)
class View:
    """How the stored frames of a video become upright pictures with square pixels.

    Attributes
    ----------
    turn : tuple of int
        How they are turned and mirrored, see `orientation`.
    stretch : (float, float)
        Factors by which stored columns and rows are stretched; 1, 1 where pixels are square.
    """

    turn: Orientation = (1, 0, 0, 1)
    stretch: tuple[float, float] = (1.0, 1.0)

    @classmethod
    def of(cls, frame: av.VideoFrame, aspect: Fraction) -> View:
        """How a video is shown.

        Parameters
        ----------
        frame : av.VideoFrame
            Its first one; see `orientation` about asking more of them.
        aspect : Fraction
            Width over height of a stored pixel.
        """
        width, height = square_size(frame.width, frame.height, aspect)
        return cls(orientation(frame), (width / frame.width, height / frame.height))

    @property
    def stretches(self) -> bool:
        """Whether pixels are not square."""
        return self.stretch != (1.0, 1.0)

    def stretched(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Width and height of a frame in square pixels, not yet turned."""
        return round(frame.width * self.stretch[0]), round(frame.height * self.stretch[1])

    def size(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Width and height of a frame as it is shown."""
        width, height = self.stretched(frame)
        return (width, height) if self.turn[0] else (height, width)


def orientation(frame: av.VideoFrame) -> Orientation:
    """``(a, b, c, d)`` of a frame's display matrix: ``x' = a x + c y``, ``y' = b x + d y``.

    Rounded to quarter turns and mirrors, which is all that cameras write. Ask one frame of a
    stream only: a frame asked for its side data is part of a cycle and lives until Python next
    looks for those; at 1080p hundreds of megabytes pile up.
    """
    data = frame.side_data.get(SideDataType.DISPLAYMATRIX)
    if data is None:
        return (1, 0, 0, 1)
    a, b, _, c, d = np.frombuffer(bytes(data), "<i4")[:5].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (-1 if a < 0 else 1, 0, 0, -1 if d < 0 else 1)
    return (0, -1 if b < 0 else 1, -1 if c < 0 else 1, 0)


def upright_part(
    frame: av.VideoFrame,
    view: View,
    centre: tuple[float, float],
    room: int,
    factor: int,
    reformatter: VideoReformatter,
) -> tuple[np.ndarray, float, float]:
    """What a frame shows around a point, reduced by a whole factor.

    Unreduced and unstretched, its pixels are those of `upright_rgb`; converting a part only is
    several times as quick.

    Parameters
    ----------
    view : View
        As for `upright_rgb`.
    centre : (float, float)
        x, y in the upright picture.
    room : int
        Pixels on each side of a square around the point, cut off where the picture ends.
    reformatter : VideoReformatter
        As for `scaled`.

    Returns
    -------
    part : uint8 array, (h, w, 3)
    left, top : float
        Of the part in the upright picture, in its pixels; whole numbers unless it is stretched.
    """
    turn = view.turn
    stored = centre if turn[0] else centre[::-1]
    axes = zip(stored, (frame.width, frame.height), _flips(turn), view.stretch, strict=True)
    (x, width, wide, left), (y, height, high, top) = (
        _stretch_of_axis(*axis, room + 2 * factor, factor) for axis in axes
    )
    way = Interpolation.BICUBIC if view.stretches else Interpolation.BILINEAR
    way = way if factor == 1 else Interpolation.AREA
    part = _converted(
        _cut_planes(frame, x, y, width, height),
        (wide, high),
        reformatter,
        interpolation=way,
    )
    part = turned(part, turn)
    return (part, left, top) if turn[0] else (part, top, left)


def _stretch_of_axis(
    at: float, length: int, flip: bool, stretch: float, extent: int, factor: int
) -> tuple[int, int, int, float]:
    """Which stored columns or rows to take around a point, how many to make of them, and where
    the first of those lies in the upright picture.

    With pixels that are not square the number made is rounded; the point itself stays exact.
    """
    if stretch == 1:
        at = length - at if flip else at
        extent = min(extent, length) // factor * factor
        start = min(max(int(at - extent / 2), 0), length - extent) // 2 * 2
        return start, extent, extent // factor, length - start - extent if flip else start
    shown = at / stretch
    extent = min(round(extent / stretch), length)
    start = min(max(int((length - shown if flip else shown) - extent / 2), 0), length - extent)
    start = start // 2 * 2
    made = max(round(extent * stretch / factor), 1)
    first = length - start - extent if flip else start
    return start, extent, made, at - (shown - first) * factor * made / extent


def _flips(turn: Orientation) -> tuple[bool, bool]:
    """Whether columns and rows, as they are stored, run backwards in the upright picture."""
    a, b, c, d = turn
    across, down = a + c < 0, b + d < 0
    return (across, down) if a else (down, across)


def _stored_part(frame: av.VideoFrame, part: Part, view: View) -> Part:
    """Column, row, width and height in the stored frame of a part of its upright picture."""
    left, top, right, bottom = part
    across, down = (left, right), (top, bottom)
    turn = view.turn
    spans = (across, down) if turn[0] else (down, across)
    if view.stretches:
        spans = [
            (min(round(start / by), length - 1), min(max(round(end / by), 1), length))
            for (start, end), by, length in zip(
                spans, view.stretch, (frame.width, frame.height), strict=True
            )
        ]
    starts = [
        (length - end if flip else start) // 2 * 2
        for (start, end), length, flip in zip(
            spans, (frame.width, frame.height), _flips(turn), strict=True
        )
    ]
    (first, last), (upper, lower) = spans
    return starts[0], starts[1], last - first, lower - upper


def _cut_planes(frame: av.VideoFrame, x: int, y: int, width: int, height: int) -> av.VideoFrame:
    """A part of a stored frame as a frame of its own; x and y are even."""
    halved = PLANAR.get(frame.format.name)
    if halved is None:
        return _cut_converted(frame, x, y, width, height)
    size = 1 if frame.format.components[0].bits == 8 else 2  # bytes
    cut = av.VideoFrame(width, height, frame.format.name)
    for source, target, (across, down) in zip(
        frame.planes, cut.planes, ((1, 1), halved, halved), strict=True
    ):
        rows = np.frombuffer(source, np.uint8).reshape(-1, source.line_size)
        into = np.frombuffer(target, np.uint8).reshape(-1, target.line_size)
        columns = slice(x // across * size, -(-(x + width) // across) * size)
        part = rows[y // down : -(-(y + height) // down), columns]
        into[: part.shape[0], : part.shape[1]] = part
    _copy_colour(frame, cut)
    return cut


def _cut_converted(frame: av.VideoFrame, x: int, y: int, width: int, height: int) -> av.VideoFrame:
    """The same of a frame whose planes cannot be cut: all of it is converted first."""
    if ColourTags.of(frame).tone_map is None:
        rows = _pixels(frame.reformat(format="rgb24", threads=1))[y : y + height, x : x + width]
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(rows), format="rgb24")
    rows = _deep_pixels(frame.reformat(format=DEEP, threads=1))[y : y + height, x : x + width]
    cut = av.VideoFrame.from_ndarray(np.ascontiguousarray(rows), format=DEEP)
    cut.color_trc, cut.color_primaries = frame.color_trc, frame.color_primaries
    return cut


def _copy_colour(frame: av.VideoFrame, other: av.VideoFrame) -> None:
    other.colorspace, other.color_range = frame.colorspace, frame.color_range
    other.color_trc, other.color_primaries = frame.color_trc, frame.color_primaries


def _converted(
    frame: av.VideoFrame,
    size: tuple[int, int],
    reformatter: VideoReformatter,
    *,
    pixels: str = "rgb24",
    interpolation: Interpolation,
) -> np.ndarray:
    """A stored frame at another width and height, in the colours of BT.709: uint8 (H, W, 3)."""
    tone_map = ColourTags.of(frame).tone_map
    small = reformatter.reformat(
        frame,
        width=size[0],
        height=size[1],
        format=pixels if tone_map is None else DEEP,
        interpolation=interpolation,
        threads=1,
    )
    if tone_map is None:
        return _pixels(small)
    picture = tone_map(_deep_pixels(small), _white(frame))
    return picture if pixels == "rgb24" else picture[..., ::-1]


def upright_rgb(frame: av.VideoFrame, view: View, least: float | None = None) -> Image.Image:
    """A decoded frame as an RGB picture in BT.709, turned and mirrored, with square pixels.

    Parameters
    ----------
    view : View
        Of its stream.
    least : float, optional
        A picture that has to be tone-mapped, which takes long, is first reduced by the largest
        whole factor that leaves its shorter side as many pixels.

    Returns
    -------
    PIL.Image.Image
        Mode RGB. Shares memory with the converted frame where nothing had to be turned.
    """
    if ColourTags.of(frame).tone_map is not None:
        sides = view.stretched(frame)
        factor = 1 if least is None else max(int(min(sides) // least), 1)
        small = (max(round(side / factor), 1) for side in sides)
        way = Interpolation.BICUBIC if factor == 1 else Interpolation.AREA
        rgb = _converted(frame, tuple(small), VideoReformatter(), interpolation=way)
        return Image.fromarray(np.ascontiguousarray(turned(rgb, view.turn)))
    if view.stretches:
        width, height = view.stretched(frame)
        rgb = frame.reformat(
            width=width, height=height, format="rgb24", interpolation=Interpolation.BICUBIC
        )
    else:
        rgb = frame.reformat(format="rgb24")
    plane = rgb.planes[0]
    size = (rgb.width, rgb.height)
    image = Image.frombuffer("RGB", size, plane, "raw", "RGB", plane.line_size, 1)
    a, b, c, d = view.turn
    if a == 0:
        image = image.transpose(Image.Transpose.TRANSPOSE)
    if a + c < 0:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if b + d < 0:
        image = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return image


def scaled(
    frame: av.VideoFrame,
    size: tuple[int, int],
    reformatter: VideoReformatter,
    *,
    part: Part | None = None,
    view: View = View(),
    pixels: str = "rgb24",
    interpolation: Interpolation = Interpolation.AREA,
) -> np.ndarray:
    """A decoded frame at another size, straight from its stored form: for looking, not for scoring.

    Parameters
    ----------
    size : (int, int)
        Width and height of the result.
    reformatter : VideoReformatter
        Kept by the caller for frames of one size; not to be used in two threads at a time.
    part : tuple of int, optional
        ``(left, top, right, bottom)`` in the upright picture, even numbers within it; None = all.
        It may be taken a pixel aside where the picture is mirrored and its length odd.
    view : View
        As for `upright_rgb`.
    pixels : {"rgb24", "bgr24"}
    interpolation : Interpolation
        How the frame is scaled.

    Returns
    -------
    uint8 array, (height, width, 3)
    """
    if part is not None:
        frame = _cut_planes(frame, *_stored_part(frame, part, view))
    width, height = size if view.turn[0] else size[::-1]
    small = _converted(
        frame, (width, height), reformatter, pixels=pixels, interpolation=interpolation
    )
    return np.ascontiguousarray(turned(small, view.turn))


def turned(picture: np.ndarray, turn: Orientation) -> np.ndarray:
    """A view of a picture, (H, W, 3), turned and mirrored."""
    a, b, c, d = turn
    if a == 0:
        picture = picture.transpose(1, 0, 2)
    if a + c < 0:
        picture = picture[:, ::-1]
    if b + d < 0:
        picture = picture[::-1]
    return picture


def _pixels(frame: av.VideoFrame) -> np.ndarray:
    """A packed frame of three bytes a pixel as (H, W, 3), without a copy."""
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width * 3].reshape(frame.height, frame.width, 3)


def _deep_pixels(frame: av.VideoFrame) -> np.ndarray:
    """A frame of `DEEP` planes as red, green and blue, uint16 (H, W, 3)."""
    green, blue, red = (
        np.frombuffer(plane, "<u2").reshape(-1, plane.line_size // 2) for plane in frame.planes
    )
    rows, columns = slice(frame.height), slice(frame.width)
    return np.stack([plane[rows, columns] for plane in (red, green, blue)], axis=-1)


def _white(frame: av.VideoFrame) -> int:
    """What swscale makes of a frame's white in 16 bits: it shifts, and does not round up."""
    bits = frame.format.components[0].bits
    if frame.color_range == ColorRange.JPEG or frame.format.is_rgb:
        return (2**bits - 1) << (16 - bits)
    return 255 << 8


def to_square(
    image: Image.Image, size: int, crop: tuple[float, float, float, float] | None = None
) -> np.ndarray:
    """Cut a picture and resize it to a square.

    PIL's bicubic filter is antialiased; the aspect is ignored and a picture that has the size
    already is left as it is (method Sec. 1).

    Parameters
    ----------
    size : int
        Side in pixels.
    crop : tuple of float, optional
        ``(left, top, right, bottom)`` in fractions of the picture, rounded to whole pixels.

    Returns
    -------
    uint8 array, (size, size, 3)
    """
    if crop is not None:
        left, top, right, bottom = crop
        width, height = image.size
        x, y = round(left * width), round(top * height)
        image = image.crop(
            (x, y, max(x + 1, round(right * width)), max(y + 1, round(bottom * height)))
        )
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(image)
