"""Where one shot ends and the next begins."""

from __future__ import annotations

from array import array
from collections import deque

import numpy as np

THUMB = 64  # pixels a side taken from a frame...
CELL = 4  # ...and averaged over cells of so many
EACH = 3  # frames on each side of a cut that are compared
AROUND = 12  # frames on each side that say how much the picture moves anyway
SLOWEST = 5  # frames for which a slow video shows the same
STEADY = 5.0  # a cut changes so many times as much


class ShotCuts:
    """Find hard cuts in frames that come one after the other.

    A cut is where every one of the three frames before differs from every one of the three from
    there on: a flash, or a damaged frame, lasts one or two. The difference is the mean over a
    coarse picture of 16 x 16 cells, in levels of 0..255, and has to stand out from what the picture
    does around it anyway. Shots of fewer than three frames are not told from flashes.

    Parameters
    ----------
    least : float
        Least difference of a cut.
    """

    def __init__(self, least: float = 12.0) -> None:
        self.least = least
        self._thumbs: deque[np.ndarray] = deque(maxlen=2 * EACH)
        self._steps = array("f")  # from the frame before to frame 1, 2...
        self._candidates: list[tuple[int, float]] = []
        self.n_frames = 0

    def add(self, thumb: np.ndarray) -> float:
        """Take the next frame.

        Parameters
        ----------
        thumb : uint8 array, (THUMB, THUMB, 3)

        Returns
        -------
        float
            Its difference from the frame before; 0 for the first.
        """
        cells = THUMB // CELL
        sums = thumb.astype(np.int32).reshape(cells, CELL, THUMB * 3).sum(1)
        self._thumbs.append(sums.reshape(cells, cells, CELL, 3).sum(2))
        self.n_frames += 1
        if self.n_frames == 1:
            return 0.0
        step = _difference(self._thumbs[-1], self._thumbs[-2])
        self._steps.append(step)
        if len(self._thumbs) == 2 * EACH:
            self._judge(self.n_frames - EACH)
        return step

    def cuts(self) -> tuple[int, ...]:
        """Frames at which another shot begins, once all frames have been given."""
        steps = _without_repeats(np.asarray(self._steps))
        found = []
        for frame, difference in self._candidates:
            around = steps[max(frame - 1 - AROUND, 0) : frame + AROUND]
            if difference > STEADY * np.median(around):
                found.append(frame)
        return tuple(found)

    def _judge(self, frame: int) -> None:
        if self._steps[frame - 1] <= self.least:
            return
        thumbs = list(self._thumbs)
        difference = min(_difference(a, b) for a in thumbs[:EACH] for b in thumbs[EACH:])
        if difference > self.least:
            self._candidates.append((frame, difference))


def _without_repeats(steps: np.ndarray) -> np.ndarray:
    """Steps, (T,), of which none is 0 only because a slow video repeats its frames."""
    clock = np.arange(len(steps))
    moved = np.maximum.accumulate(np.where(steps > 0, clock, -SLOWEST))
    return np.where(clock - moved < SLOWEST, steps[np.maximum(moved, 0)], 0)


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    """Mean over the cells, in levels, of two pictures of sums over cells."""
    return float(np.abs(a - b).mean()) / CELL**2
