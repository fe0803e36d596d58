"""Cut regions from the planes of decoded frames, and convert frames to RGB in BT.709."""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter

from avforensics.media.colour import BT709, ColourTags

# Output format of swscale for frames that are tone-mapped. In the packed 16-bit format (rgb48),
# swscale writes wrong colours if the width is odd.
DEEP = "gbrp16le"
# Chroma subsampling (horizontal, vertical) of the formats whose planes can be cut.
HALVED = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}
PLANAR = {
    f"{kind}{sampling}p{bits}": halved
    for sampling, halved in HALVED.items()
    for kind, depths in (("yuv", ("", "10le", "12le")), ("yuvj", ("",)))
    for bits in depths
}
LOOK = 160  # longer side in pixels to which a frame is reduced to check its gamut


def cut_planes(frame: av.VideoFrame, x: int, y: int, width: int, height: int) -> av.VideoFrame:
    """Copy a region of a stored frame into a new frame; x and y must be even."""
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
    cut.colorspace, cut.color_range = frame.colorspace, frame.color_range
    cut.color_trc, cut.color_primaries = frame.color_trc, frame.color_primaries
    return cut


class Surroundings:
    """Region of a stored frame, from which parts can be cut as from the whole frame.

    Parameters
    ----------
    frame : av.VideoFrame
    x, y, width, height : int
        Upper left corner and size of the region in pixels; x and y must be even.

    Attributes
    ----------
    width, height : int
        Size of the whole frame in pixels.
    n_bytes : int
        Size of the region in memory, in bytes.
    """

    def __init__(self, frame: av.VideoFrame, x: int, y: int, width: int, height: int) -> None:
        self.width, self.height = frame.width, frame.height
        self._corner = x, y
        self._region = cut_planes(frame, x, y, width, height)
        self.n_bytes = sum(plane.buffer_size for plane in self._region.planes)

    def holds(self, x: int, y: int, width: int, height: int) -> bool:
        """Return True if a part of the frame lies within the region."""
        left, top = x - self._corner[0], y - self._corner[1]
        fits = left + width <= self._region.width and top + height <= self._region.height
        return min(left, top) >= 0 and fits

    def cut(self, x: int, y: int, width: int, height: int) -> av.VideoFrame:
        """Cut out a part, given in coordinates of the whole frame, as `cut_planes` does."""
        return cut_planes(self._region, x - self._corner[0], y - self._corner[1], width, height)


def _cut_converted(frame: av.VideoFrame, x: int, y: int, width: int, height: int) -> av.VideoFrame:
    """Convert a frame whose planes cannot be cut, then cut out a region."""
    if ColourTags.of(frame).tone_map is None:
        rows = _pixels(frame.reformat(format="rgb24", threads=1))[y : y + height, x : x + width]
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(rows), format="rgb24")
    rows = _deep_pixels(frame.reformat(format=DEEP, threads=1))[y : y + height, x : x + width]
    cut = av.VideoFrame.from_ndarray(np.ascontiguousarray(rows), format=DEEP)
    cut.color_trc, cut.color_primaries = frame.color_trc, frame.color_primaries
    return cut


def convert(
    frame: av.VideoFrame,
    size: tuple[int, int],
    reformatter: VideoReformatter,
    *,
    pixels: str = "rgb24",
    interpolation: Interpolation,
) -> np.ndarray:
    """Resize a stored frame and convert it to BT.709, uint8 (H, W, 3)."""
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


def colours_of(first: av.VideoFrame, said: ColourTags) -> ColourTags:
    """Determine the colour tags of a video.

    Parameters
    ----------
    first : av.VideoFrame
        First frame; its missing or wrong tags are corrected in place.
    said : ColourTags
        Tags that the container declares.

    Returns
    -------
    ColourTags
        Tags of the frame; the primaries are BT.709 if its content contradicts a wider gamut.
    """
    said.fill(first)
    tags = ColourTags.of(first)
    tone_map = tags.tone_map
    if tone_map is None or tags.primaries == BT709:
        return tags
    factor = max(max(first.width, first.height) / LOOK, 1)
    small = VideoReformatter().reformat(
        first,
        width=max(round(first.width / factor), 1),
        height=max(round(first.height / factor), 1),
        format=DEEP,
        interpolation=Interpolation.AREA,
        threads=1,
    )
    tags = tags.checked(tone_map.outside(_deep_pixels(small), _white(first)))
    tags.fill(first)
    return tags


def _pixels(frame: av.VideoFrame) -> np.ndarray:
    """View a packed frame of three bytes per pixel as (H, W, 3), without copying."""
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width * 3].reshape(frame.height, frame.width, 3)


def _deep_pixels(frame: av.VideoFrame) -> np.ndarray:
    """Return a frame in format `DEEP` as RGB, uint16 (H, W, 3)."""
    green, blue, red = (
        np.frombuffer(plane, "<u2").reshape(-1, plane.line_size // 2) for plane in frame.planes
    )
    rows, columns = slice(frame.height), slice(frame.width)
    return np.stack([plane[rows, columns] for plane in (red, green, blue)], axis=-1)


def _white(frame: av.VideoFrame) -> int:
    """Return white as a 16-bit value after swscale, which shifts bits without rounding up."""
    bits = frame.format.components[0].bits
    if frame.color_range == ColorRange.JPEG or frame.format.is_rgb:
        return (2**bits - 1) << (16 - bits)
    return 255 << 8
