"""A square that moves over the pictures of a video, cut out at any size."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from PIL import Image

MARGIN = 4  # pixels around the square that the filter may look at, times the reduction


@dataclass(frozen=True, eq=False)
class MovingCrop:
    """Which part of each frame is read.

    Parameters
    ----------
    squares : float array, (T, 3)
        x and y of the centre and the side, in pixels of the upright picture, for the first frame
        read and those after it. It may reach beyond the picture.
    fill : int or None
        Level (0..255) of what lies beyond the picture; None repeats its edge.

    Raises
    ------
    ValueError
        The squares have another shape, are not finite or not positive.
    """

    squares: np.ndarray
    fill: int | None = None

    def __post_init__(self) -> None:
        squares = np.asarray(self.squares)
        if squares.ndim != 2 or squares.shape[1] != 3 or len(squares) == 0:
            raise ValueError(f"squares must be (T, 3), not {squares.shape}")
        if not np.isfinite(squares).all() or squares[:, 2].min() <= 0:
            raise ValueError("squares must be finite and have a positive side")
        if self.fill is not None and not 0 <= self.fill <= 255:
            raise ValueError(f"fill must be 0..255 or none, not {self.fill}")

    def __len__(self) -> int:
        return len(self.squares)

    def cut(self, picture: np.ndarray, index: int, size: int) -> np.ndarray:
        """The square of frame ``index``, resized as whole frames are (PIL's bicubic).

        Parameters
        ----------
        picture : uint8 array, (H, W, 3)
        index : int
            Counted from the first frame read.
        size : int
            Side of the result.

        Returns
        -------
        uint8 array, (size, size, 3)
        """
        x, y, side = (float(value) for value in self.squares[index])
        left, top = x - side / 2, y - side / 2
        margin = MARGIN * max(1.0, side / size)
        first = floor(left - margin), floor(top - margin)
        last = ceil(left + side + margin), ceil(top + side + margin)
        part = _part(picture, first, last, self.fill)
        box = (left - first[0], top - first[1], left + side - first[0], top + side - first[1])
        image = Image.fromarray(part)
        return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=box))


def _part(
    picture: np.ndarray, first: tuple[int, int], last: tuple[int, int], fill: int | None
) -> np.ndarray:
    """Columns and rows ``first .. last - 1`` of a picture, made up where it does not reach."""
    height, width = picture.shape[:2]
    if first[0] >= 0 and first[1] >= 0 and last[0] <= width and last[1] <= height:
        return np.ascontiguousarray(picture[first[1] : last[1], first[0] : last[0]])
    columns, rows = np.arange(first[0], last[0]), np.arange(first[1], last[1])
    part = picture[np.clip(rows, 0, height - 1)[:, None], np.clip(columns, 0, width - 1)]
    if fill is not None:
        part[(rows < 0) | (rows >= height)] = fill
        part[:, (columns < 0) | (columns >= width)] = fill
    return part
