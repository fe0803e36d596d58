"""Turn decoded frames upright, crop them and resize them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import Interpolation, VideoReformatter
from PIL import Image

from avforensics.media.aspect import square_size
from avforensics.media.colour import ColourTags
from avforensics.media.planes import Surroundings, convert, cut_planes

Orientation = tuple[int, int, int, int]
Part = tuple[int, int, int, int]
ROUNDED = 8  # sides of converted parts are multiples of this, because a new size needs setup time


@dataclass(frozen=True)
class View:
    """Conversion of stored frames to upright images with square pixels.

    Attributes
    ----------
    turn : tuple of int
        Rotation and mirroring, see `orientation`.
    stretch : (float, float)
        Horizontal and vertical scale factors; 1, 1 if pixels are square.
    """

    turn: Orientation = (1, 0, 0, 1)
    stretch: tuple[float, float] = (1.0, 1.0)

    @classmethod
    def of(cls, frame: av.VideoFrame, aspect: Fraction) -> View:
        """Create the view of a video.

        Parameters
        ----------
        frame : av.VideoFrame
            First frame of the video. `orientation` explains why only this frame is used.
        aspect : Fraction
            Width over height of a stored pixel.
        """
        width, height = square_size(frame.width, frame.height, aspect)
        return cls(orientation(frame), (width / frame.width, height / frame.height))

    @property
    def stretches(self) -> bool:
        """True if stored pixels are not square."""
        return self.stretch != (1.0, 1.0)

    def stretched(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Return the width and height of a frame in square pixels, before rotation."""
        return round(frame.width * self.stretch[0]), round(frame.height * self.stretch[1])

    def size(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Return the width and height of an upright frame."""
        width, height = self.stretched(frame)
        return (width, height) if self.turn[0] else (height, width)


def orientation(frame: av.VideoFrame) -> Orientation:
    """Read ``(a, b, c, d)`` of the display matrix: ``x' = a x + c y``, ``y' = b x + d y``.

    The matrix is rounded to quarter turns and mirrors; cameras write nothing else. Call this for
    only one frame of a stream: reading the side data makes a frame part of a reference cycle, so
    its memory is kept until the next garbage collection. At 1080p, many frames would take hundreds
    of megabytes.
    """
    data = frame.side_data.get(SideDataType.DISPLAYMATRIX)
    if data is None:
        return (1, 0, 0, 1)
    a, b, _, c, d = np.frombuffer(bytes(data), "<i4")[:5].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (-1 if a < 0 else 1, 0, 0, -1 if d < 0 else 1)
    return (0, -1 if b < 0 else 1, -1 if c < 0 else 1, 0)


def upright_part(
    frame: av.VideoFrame | Surroundings,
    view: View,
    centre: tuple[float, float],
    room: int,
    factor: int,
    reformatter: VideoReformatter,
) -> tuple[np.ndarray, float, float]:
    """Cut out the surroundings of a point in the upright frame and reduce them by a factor.

    Without reduction and stretching, the pixels are the same as in `upright_rgb`, but converting a
    part of a frame is several times faster.

    Parameters
    ----------
    frame : av.VideoFrame or Surroundings
        Stored frame, or a region of it that contains the part to cut out.
    view : View
        As in `upright_rgb`.
    centre : (float, float)
        x and y of the point in the upright frame, in pixels.
    room : int
        Side in pixels of the square around the point; the square is clipped to the frame.
    factor : int
        Factor of the reduction.
    reformatter : VideoReformatter
        As in `scaled`.

    Returns
    -------
    part : uint8 array, (h, w, 3)
    left, top : float
        Upper left corner of the part in the upright frame, in pixels; whole numbers unless pixels
        are stretched.
    """
    turn = view.turn
    across, down = stored_ranges((frame.width, frame.height), view, centre, room, factor)
    (x, width, wide, left), (y, height, high, top) = across, down
    way = Interpolation.BICUBIC if view.stretches else Interpolation.BILINEAR
    way = way if factor == 1 else Interpolation.AREA
    cut = frame.cut if isinstance(frame, Surroundings) else partial(cut_planes, frame)
    part = cut(x, y, width, height)
    part = turned(convert(part, (wide, high), reformatter, interpolation=way), turn)
    return (part, left, top) if turn[0] else (part, top, left)


def stored_ranges(
    size: tuple[int, int], view: View, centre: tuple[float, float], room: int, factor: int
) -> list[tuple[int, int, int, float]]:
    """Return the columns and rows of a stored frame that `upright_part` converts.

    Each element is a range as returned by `_range_of_axis`.
    """
    stored = centre if view.turn[0] else centre[::-1]
    if not view.stretches:
        room = -(-room // ROUNDED) * ROUNDED
    axes = zip(stored, size, _flips(view.turn), view.stretch, strict=True)
    return [_range_of_axis(*axis, room + 2 * factor, factor) for axis in axes]


def _range_of_axis(
    at: float, length: int, flip: bool, stretch: float, extent: int, factor: int
) -> tuple[int, int, int, float]:
    """Determine the range of stored columns (or rows) around a point.

    The result is the first column, the number of columns before and after scaling, and the position
    of the first column in the upright frame. If pixels are not square, the number of columns after
    scaling is rounded, but the position of the point stays exact.
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
    """Return whether stored columns, and stored rows, run backwards in the upright frame."""
    a, b, c, d = turn
    across, down = a + c < 0, b + d < 0
    return (across, down) if a else (down, across)


def _stored_part(frame: av.VideoFrame, part: Part, view: View) -> Part:
    """Convert a part of the upright frame to column, row, width and height in the stored frame."""
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


def upright_rgb(frame: av.VideoFrame, view: View, least: float | None = None) -> Image.Image:
    """Convert a frame to an upright RGB image in BT.709 with square pixels.

    Parameters
    ----------
    view : View
        View of the stream.
    least : float, optional
        Minimum of the shorter side in pixels. Tone mapping is slow, so a frame that needs it is
        first reduced by the largest integer factor that keeps this minimum.

    Returns
    -------
    PIL.Image.Image
        RGB image; it shares memory with the converted frame if no rotation was needed.
    """
    if ColourTags.of(frame).tone_map is not None:
        sides = view.stretched(frame)
        factor = 1 if least is None else max(int(min(sides) // least), 1)
        small = (max(round(side / factor), 1) for side in sides)
        way = Interpolation.BICUBIC if factor == 1 else Interpolation.AREA
        rgb = convert(frame, tuple(small), VideoReformatter(), interpolation=way)
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
    """Resize and convert a stored frame in one step; not for scoring.

    Parameters
    ----------
    size : (int, int)
        Width and height of the result.
    reformatter : VideoReformatter
        Reuse one object for all frames of the same size; it is not thread-safe.
    part : tuple of int, optional
        ``(left, top, right, bottom)`` in pixels of the upright frame, even numbers; None = the
        whole frame. The part may be off by a pixel if the frame is mirrored and has an odd side.
    view : View
        As in `upright_rgb`.
    pixels : {"rgb24", "bgr24"}
    interpolation : Interpolation
        Scaling filter.

    Returns
    -------
    uint8 array, (height, width, 3)
    """
    if part is not None:
        frame = cut_planes(frame, *_stored_part(frame, part, view))
    width, height = size if view.turn[0] else size[::-1]
    small = convert(frame, (width, height), reformatter, pixels=pixels, interpolation=interpolation)
    return np.ascontiguousarray(turned(small, view.turn))


def turned(picture: np.ndarray, turn: Orientation) -> np.ndarray:
    """Return a rotated and mirrored view of an image, (H, W, 3), without copying it."""
    a, b, c, d = turn
    if a == 0:
        picture = picture.transpose(1, 0, 2)
    if a + c < 0:
        picture = picture[:, ::-1]
    if b + d < 0:
        picture = picture[::-1]
    return picture


def to_square(
    image: Image.Image, size: int, crop: tuple[float, float, float, float] | None = None
) -> np.ndarray:
    """Crop an image and resize it to a square.

    The aspect ratio is not preserved; PIL's bicubic filter is antialiased. An image that already
    has this size is returned unchanged (method Sec. 1).

    Parameters
    ----------
    size : int
        Side in pixels.
    crop : tuple of float, optional
        ``(left, top, right, bottom)`` as fractions of the image, rounded to pixels.

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
