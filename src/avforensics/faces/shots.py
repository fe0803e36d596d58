"""Detect hard cuts between shots."""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import dataclass

import numpy as np

THUMB = 64  # side of reduced frames, in pixels
CELL = 4  # side of the cells over which reduced frames are averaged, in pixels
EACH = 3  # number of frames to compare on each side of a cut
AROUND = 12  # number of frames on each side over which the usual motion is measured
SLOWEST = 5  # maximum number of repeated frames in a slow video
BACK = 1 / 3  # maximum difference between two frames of one picture, as a share of that at a cut
REST = 0.8  # share of the cells that change least at a cut
WIDE = 2 / 3  # minimum difference of these cells, as a share of the minimum of all cells
STEADY = 5.0  # minimum ratio of the difference at a cut to the usual difference


@dataclass
class Candidate:
    """Possible cut: its first frame, the difference, and the cells of the frame before it.

    ``back`` is True if it belongs to a short interruption, after which the picture returns.
    """

    frame: int
    difference: float
    before: np.ndarray
    back: bool


class ShotCuts:
    """Detect hard cuts in a sequence of frames.

    At a cut, each of the three previous frames differs from each of the three next frames, whereas
    a flash or damage lasts only one or two frames. The difference is the mean over 16 x 16 cells,
    in levels of 0..255, and must exceed the usual motion. It must not be limited to a fifth of the
    picture (a caption, a hand). Shots of fewer than three frames count as flashes, as does an
    interruption of up to half a second (a hand, a shaken camera) after which the picture returns.

    Parameters
    ----------
    least : float
        Minimum difference at a cut.
    """

    def __init__(self, least: float = 12.0) -> None:
        self.least = least
        self._thumbs: deque[np.ndarray] = deque(maxlen=AROUND + EACH + 1)
        self._steps = array("f")  # difference between frames k and k + 1
        self._candidates: list[Candidate] = []  # possible cuts, which may still change
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
        since = False  # the current frame shows the picture before an earlier candidate
        for one in self._candidates[-AROUND:]:
            if self.n_frames - 1 - one.frame <= AROUND:
                since |= self._is_back(one.before, self._thumbs[-1], one.difference)
                one.back |= since
        if len(self._thumbs) >= 2 * EACH:
            self._judge(self.n_frames - EACH)
        return step

    def _is_back(self, one: np.ndarray, other: np.ndarray, difference: float) -> bool:
        return _difference(one, other) <= max(self.least, BACK * difference)

    def cuts(self) -> tuple[int, ...]:
        """Return the frame numbers of cuts; cuts in the last `AROUND` frames may still change."""
        if not self._candidates:
            return tuple(self._settled)
        first = max(self._candidates[0].frame - 1 - AROUND - SLOWEST, 0)
        steps = _without_repeats(np.asarray(self._steps[first:]))
        found, still_open = list(self._settled), []
        for candidate in self._candidates:
            frame = candidate.frame
            around = steps[max(frame - 1 - AROUND, 0) - first : frame + AROUND - first]
            sudden = candidate.difference > STEADY * np.median(around)
            cut = [frame] if sudden and not candidate.back else []
            found += cut
            if frame + AROUND > len(self._steps):
                still_open.append(candidate)
            else:
                self._settled += cut
        self._candidates = still_open
        return tuple(found)

    def _judge(self, frame: int) -> None:
        if self._steps[frame - 1] <= self.least:
            return
        *earlier, a, b, c, after, d, e = self._thumbs
        cells = np.stack([_of_cells(x, y) for x in (a, b, c) for y in (after, d, e)])
        difference = float(cells.mean(axis=1).min())
        rest = np.sort(cells, axis=1)[:, : round(REST * cells.shape[1])].mean(axis=1).min()
        if difference > self.least and rest > WIDE * self.least:
            back = any(self._is_back(one, after, difference) for one in earlier)
            self._candidates.append(Candidate(frame, difference, c.astype(np.int16), back))


def _without_repeats(steps: np.ndarray) -> np.ndarray:
    """Replace zeros, due to repeated frames in slow video, by the last step: (T,) -> (T,)."""
    clock = np.arange(len(steps))
    moved = np.maximum.accumulate(np.where(steps > 0, clock, -SLOWEST))
    return np.where(clock - moved < SLOWEST, steps[np.maximum(moved, 0)], 0)


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    """Compute the mean difference per cell, in levels, from two arrays of sums over cells."""
    return float(_of_cells(a, b).mean())


def _of_cells(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compute the difference of each cell, (cells,), in levels."""
    return np.abs(a - b).mean(axis=2).ravel() / CELL**2
