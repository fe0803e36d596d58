"""Square crops that move and rotate from frame to frame of a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, cos, floor, sin

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image

from avforensics.media.frames import View, upright_part
from avforensics.media.planes import Surroundings

MARGIN = 4  # pixels that the filter needs around a square at the reduced size


@dataclass(frozen=True, eq=False)
class MovingCrop:
    """Square region for each frame of a video.

    Parameters
    ----------
    squares : float array, (T, 3) or (T, 4)
        One row for each frame read: x and y of the centre and the side, in pixels of the upright
        frame. Squares may extend beyond the frame. The optional fourth column is the clockwise
        rotation in radians, to follow a tilted head.
    fill : int or None
        Pixel value (0..255) outside the frame; None repeats the edge pixels.

    Raises
    ------
    ValueError
        The squares have the wrong shape or are not finite, a side is not positive, or ``fill`` is
        out of range.
    """

    squares: np.ndarray
    fill: int | None = None

    def __post_init__(self) -> None:
        squares = np.asarray(self.squares)
        if squares.ndim != 2 or squares.shape[1] not in (3, 4) or len(squares) == 0:
            raise ValueError(f"squares must be (T, 3) or (T, 4), got {squares.shape}")
        if not np.isfinite(squares).all() or squares[:, 2].min() <= 0:
            raise ValueError("squares must be finite, and their sides must be > 0")
        if self.fill is not None and not 0 <= self.fill <= 255:
            raise ValueError(f"fill must be 0..255 or None, got {self.fill}")

    def __len__(self) -> int:
        return len(self.squares)

    def cut(self, picture: np.ndarray, index: int, size: int) -> np.ndarray:
        """Cut out the square of frame ``index`` and resize it with PIL's bicubic filter.

        Parameters
        ----------
        picture : uint8 array, (H, W, 3)
        index : int
            Frame number, counted from the first frame read.
        size : int
            Side of the result in pixels.

        Returns
        -------
        uint8 array, (size, size, 3)
        """
        return _resized(picture, self.squares[index], size, self.fill)

    def cut_stored(
        self,
        frame: av.VideoFrame | Surroundings,
        view: View,
        index: int,
        size: int,
        reformatter: VideoReformatter,
    ) -> np.ndarray:
        """Cut the square out of a stored frame, as `cut` does, converting only its surroundings.

        Squares of at least twice ``size`` are first reduced by an integer factor, as with PIL's
        ``reducing_gap``. The result does not depend on other squares. Pass the same ``reformatter``
        for every frame, because it caches the conversion.
        """
        x, y, side, *angle = (float(value) for value in self.squares[index])
        factor, room = room_of(side, angle, size)
        part, left, top = upright_part(frame, view, (x, y), room, factor, reformatter)
        square = np.array([(x - left) / factor, (y - top) / factor, side / factor, *angle])
        return _resized(part, square, size, self.fill)


def room_of(side: float, angle: Sequence[float], size: int) -> tuple[int, int]:
    """Return the factor by which a square is first reduced, and the side of the region around it.

    The region is the part of the stored frame that must be converted.
    """
    factor = max(int(side // size), 1)
    reach = sum(abs(cos(turned)) + abs(sin(turned)) for turned in angle) if angle else 1.0
    room = ceil(side * reach + 2 * MARGIN * max(factor, side / size)) + 4 * factor
    return factor, room


def _resized(picture: np.ndarray, square: np.ndarray, size: int, fill: int | None) -> np.ndarray:
    x, y, side, *angle = (float(value) for value in square)
    turned = angle[0] if angle else 0.0
    left, top = x - side / 2, y - side / 2
    margin = MARGIN * max(1.0, side / size)
    reach = side * (abs(cos(turned)) + abs(sin(turned)) - 1) / 2 + margin
    first = floor(left - reach), floor(top - reach)
    last = ceil(left + side + reach), ceil(top + side + reach)
    image = Image.fromarray(_part(picture, first, last, fill))
    if turned:
        centre = (x - first[0], y - first[1])
        degrees = float(np.degrees(turned))
        image = image.rotate(degrees, Image.Resampling.BICUBIC, center=centre)
    box = (left - first[0], top - first[1], left + side - first[0], top + side - first[1])
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=box))


def _part(
    picture: np.ndarray, first: tuple[int, int], last: tuple[int, int], fill: int | None
) -> np.ndarray:
    """Cut out columns and rows ``first .. last - 1`` of a picture; pad outside the picture."""
    height, width = picture.shape[:2]
    if first[0] >= 0 and first[1] >= 0 and last[0] <= width and last[1] <= height:
        return np.ascontiguousarray(picture[first[1] : last[1], first[0] : last[0]])
    left, top = max(first[0], 0), max(first[1], 0)
    right, bottom = min(last[0], width), min(last[1], height)
    if left < right and top < bottom:
        around = ((top - first[1], last[1] - bottom), (left - first[0], last[0] - right), (0, 0))
        inside = picture[top:bottom, left:right]
        if fill is None:
            return np.pad(inside, around, mode="edge")
        return np.pad(inside, around, constant_values=fill)
    if fill is not None:
        return np.full((last[1] - first[1], last[0] - first[0], 3), fill, np.uint8)
    columns, rows = np.arange(first[0], last[0]), np.arange(first[1], last[1])
    return picture[np.clip(rows, 0, height - 1)[:, None], np.clip(columns, 0, width - 1)]
