"""Detect hard cuts between shots."""

from __future__ import annotations

from array import array
from collections import deque

import numpy as np

THUMB = 64  # side of reduced frames, in pixels
CELL = 4  # side of the cells over which reduced frames are averaged, in pixels
EACH = 3  # number of frames to compare on each side of a cut
AROUND = 12  # number of frames on each side over which the usual motion is measured
SLOWEST = 5  # maximum number of repeated frames in a slow video
STEADY = 5.0  # minimum ratio of the difference at a cut to the usual difference


class ShotCuts:
    """Detect hard cuts in a sequence of frames.

    At a cut, each of the three previous frames differs from each of the three next frames, whereas
    a flash or damage lasts only one or two frames. The difference is the mean over 16 x 16 cells,
    in levels of 0..255, and must exceed the usual motion. Shots of fewer than three frames count as
    flashes.

    Parameters
    ----------
    least : float
        Minimum difference at a cut.
    """

    def __init__(self, least: float = 12.0) -> None:
        self.least = least
        self._thumbs: deque[np.ndarray] = deque(maxlen=2 * EACH)
        self._steps = array("f")  # difference between frames k and k + 1
        self._candidates: list[tuple[int, float]] = []  # possible cuts, which may still change
        self._settled: list[int] = []
        self.n_frames = 0

    def add(self, thumb: np.ndarray) -> float:
        """Add the next frame.

        Parameters
        ----------
        thumb : uint8 array, (THUMB, THUMB, 3)
            Reduced frame.

        Returns
        -------
        float
            Difference from the previous frame; 0 for the first frame.
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
        """Return the frame numbers of cuts; cuts in the last `AROUND` frames may still change."""
        if not self._candidates:
            return tuple(self._settled)
        first = max(self._candidates[0][0] - 1 - AROUND - SLOWEST, 0)
        steps = _without_repeats(np.asarray(self._steps[first:]))
        found, still_open = list(self._settled), []
        for frame, difference in self._candidates:
            around = steps[max(frame - 1 - AROUND, 0) - first : frame + AROUND - first]
            cut = [frame] if difference > STEADY * np.median(around) else []
            found += cut
            if frame + AROUND > len(self._steps):
                still_open.append((frame, difference))
            else:
                self._settled += cut
        self._candidates = still_open
        return tuple(found)

    def _judge(self, frame: int) -> None:
        if self._steps[frame - 1] <= self.least:
            return
        thumbs = list(self._thumbs)
        difference = min(_difference(a, b) for a in thumbs[:EACH] for b in thumbs[EACH:])
        if difference > self.least:
            self._candidates.append((frame, difference))


def _without_repeats(steps: np.ndarray) -> np.ndarray:
    """Replace zeros, due to repeated frames in slow video, by the last step: (T,) -> (T,)."""
    clock = np.arange(len(steps))
    moved = np.maximum.accumulate(np.where(steps > 0, clock, -SLOWEST))
    return np.where(clock - moved < SLOWEST, steps[np.maximum(moved, 0)], 0)


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    """Compute the mean difference per cell, in levels, from two arrays of sums over cells."""
    return float(np.abs(a - b).mean()) / CELL**2
