"""Segments and faces that a page marks on a video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avforensics.scoring.result import VideoResult


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A part of the video to jump to.

    Parameters
    ----------
    start, end : float
        Seconds on the video's clock.
    label : str
        Text on the page, e.g. ``"as unusual as the top 1 % of real speech"``.
    face : str
        Label of its face; empty = the only one.
    picture : str
        A still picture of it as a ``data:`` address; empty = none.
    """

    start: float
    end: float
    label: str = ""
    face: str = ""
    picture: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"a segment needs 0 <= start < end, got {self.start} and {self.end}")


@dataclass(frozen=True, kw_only=True)
class FaceBoxes:
    """The boxes of one tracked face, drawn over the player.

    Parameters
    ----------
    label : str
        Name of the track.
    time : float array, (n,)
        Seconds on the video's clock, rising. Between times that are at most a quarter of a second
        apart the box moves evenly; elsewhere it stands for half a frame before and after.
    box : float array, (n, 4)
        ``left, top, right, bottom`` in fractions of the upright picture.
    spans : sequence of (float, float)
        When it speaks, in seconds; it is then drawn in the speaker's colour.
    """

    label: str
    time: np.ndarray
    box: np.ndarray
    spans: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if np.shape(self.box) != (len(self.time), 4):
            raise ValueError(f"box must be ({len(self.time)}, 4), got {np.shape(self.box)}")
        if np.any(np.diff(self.time) <= 0):
            raise ValueError("time must rise")


@dataclass(frozen=True, kw_only=True)
class Face:
    """One face of a video, with its own curves.

    Parameters
    ----------
    result : VideoResult
        Scored result of this face, with windows on the video's clock.
    boxes : FaceBoxes
        Its boxes, label and spans of speech.
    speaks : float
        Share of the time in which it is the speaker.
    """

    result: VideoResult
    boxes: FaceBoxes
    speaks: float
