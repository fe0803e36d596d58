"""What a page can mark on a video besides its curves: stretches of time and faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A stretch of the video to jump to.

    Parameters
    ----------
    start, end : float
        Seconds on the video's clock.
    label : str
        What is said of it, e.g. ``"as unusual as the top 1 % of real speech"``.
    """

    start: float
    end: float
    label: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"a segment needs 0 <= start < end, got {self.start} and {self.end}")


@dataclass(frozen=True, kw_only=True)
class FaceBoxes:
    """One face followed through the video, drawn over the player.

    Parameters
    ----------
    label : str
        Name of the track.
    time : float array, (n,)
        Seconds on the video's clock, rising.
    box : float array, (n, 4)
        ``left, top, right, bottom`` in fractions of the upright picture.
    speaker : bool
        Drawn in the colour of the one who speaks.
    """

    label: str
    time: np.ndarray
    box: np.ndarray
    speaker: bool = False

    def __post_init__(self) -> None:
        if np.shape(self.box) != (len(self.time), 4):
            raise ValueError(f"box must be ({len(self.time)}, 4), got {np.shape(self.box)}")
        if np.any(np.diff(self.time) <= 0):
            raise ValueError("time must rise")
