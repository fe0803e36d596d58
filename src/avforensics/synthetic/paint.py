"""Soft shapes on a float canvas, from which faces and rooms are painted."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np


class Canvas:
    """A square image with alpha, painted back to front.

    Parameters
    ----------
    side : int
        Side in pixels.
    reach : float
        The canvas covers ``-reach .. reach`` in both coordinates.

    Attributes
    ----------
    x, y : float32 array, (1, side) and (side, 1)
        Coordinates of pixel centres, x to the right, y downwards.
    pixel : float
        Size of a pixel in these units.
    colour : float32 array, (3, side, side), 0..255, premultiplied by ``alpha``
    alpha : float32 array, (side, side), 0..1
    """

    def __init__(self, side: int, reach: float) -> None:
        line = ((np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1) * reach
        self.x, self.y = line[None, :], line[:, None]
        self.pixel = 2 * reach / side
        self.colour = np.zeros((3, side, side), np.float32)
        self.alpha = np.zeros((side, side), np.float32)

    def part(self, left: float, right: float, top: float, bottom: float) -> Canvas:
        """Return a view of a region. Painting on the view changes this canvas and is faster."""
        columns = slice(*np.searchsorted(self.x[0], (left, right)))
        rows = slice(*np.searchsorted(self.y[:, 0], (top, bottom)))
        box = copy(self)
        box.x, box.y = self.x[:, columns], self.y[rows]
        box.colour, box.alpha = self.colour[:, rows, columns], self.alpha[rows, columns]
        return box

    def fill(self, colour: Sequence[float] | np.ndarray, cover: np.ndarray) -> None:
        """Paint a colour, (3,) or (3, side, side), with alpha ``cover``."""
        box, cover, colour = _visible(cover, colour)
        self.colour[box] += cover * (colour - self.colour[box])
        self.alpha[box[1:]] += cover * (1 - self.alpha[box[1:]])

    def tint(self, colour: Sequence[float], cover: np.ndarray) -> None:
        """Paint only where the canvas is painted already."""
        box, cover, colour = _visible(cover, colour)
        self.colour[box] += cover * (colour * self.alpha[box[1:]] - self.colour[box])

    def lay(self, other: Canvas) -> None:
        """Composite another canvas of the same side on top."""
        self.colour += other.colour - self.colour * other.alpha
        self.alpha += other.alpha * (1 - self.alpha)

    def shade(self, factor: np.ndarray) -> None:
        """Multiply the painted colours: factors below 1 darken, factors above 1 brighten."""
        self.colour *= factor

    def inside(self, distance: np.ndarray, softness: float = 0.0) -> np.ndarray:
        """Compute a shape's antialiased coverage from its signed distance (positive = inside)."""
        return np.clip(distance / max(softness, self.pixel) + 0.5, 0, 1)

    def oval(
        self, cx: float, cy: float, rx: float, ry: float, *, softness: float = 0.0, p: float = 2.0
    ) -> np.ndarray:
        """Compute the coverage of a (super-)ellipse."""
        return self.inside(self.oval_distance(cx, cy, rx, ry, p=p), softness)

    def oval_distance(
        self, cx: float, cy: float, rx: float, ry: float, *, p: float = 2.0
    ) -> np.ndarray:
        """Approximate the distance to the edge of a (super-)ellipse, positive inside."""
        u, v = np.abs((self.x - cx) / rx), np.abs((self.y - cy) / ry)
        radius = np.hypot(u, v) if p == 2 else (u**p + v**p) ** (1 / p)
        return (1 - radius) * min(rx, ry)

    def glow(self, cx: float, cy: float, sx: float, sy: float) -> np.ndarray:
        """Compute the coverage of a Gaussian spot."""
        gx = np.exp(-0.5 * ((self.x - cx) / sx) ** 2)
        return gx * np.exp(-0.5 * ((self.y - cy) / sy) ** 2)


def _visible(
    cover: np.ndarray, colour: Sequence[float] | np.ndarray
) -> tuple[tuple[slice, slice, slice], np.ndarray, np.ndarray]:
    """Return the bounding box of a shape, and its coverage and colour there, to save time."""
    rows = np.flatnonzero(cover.max(axis=1) > 1 / 512)
    columns = np.flatnonzero(cover.max(axis=0) > 1 / 512)
    across = slice(0, 0), slice(0, 0)
    if len(rows):
        across = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    box, colour = (slice(None), *across), np.asarray(colour, np.float32)
    colour = colour[box] if colour.ndim == 3 else colour[:, None, None]
    return box, np.clip(cover[across], 0, 1), colour
