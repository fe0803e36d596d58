"""Settings of finding and following faces."""

from __future__ import annotations

from dataclasses import dataclass

from avforensics.fields import check_numbers
from avforensics.media.types import FPS


@dataclass(frozen=True, kw_only=True)
class FaceSettings:
    """How faces are found, and which tracks are kept.

    Parameters
    ----------
    every : int
        Frames (of 25 a second) from one look to the next; between them is interpolated.
    long_side : int
        Longer side in pixels at which the detector looks at a frame (never enlarged).
    quick_side : int
        Longer side for quick looks at all of the picture, where its faces are known and large.
        Where they are small, a quick look is at the part around them.
    usual_every : int
        Most frames of quick looks in a row; 1 = none is quick.
    full_side : int
        Longer side at which it looks again where it found nothing, for small faces...
    full_every : int
        ...but not sooner than so many frames after it did so in vain.
    score : float
        Least confidence of the detector, 0 to 1, with which a track begins.
    score_on : float
        Least confidence with which one goes on: in profile, blurred, behind a hand.
    overlap : float
        Least intersection over union from look to look.
    gap : float
        Seconds without the face that a track bridges.
    smooth : float
        Seconds; standard deviation of the (zero-phase) Gaussian over boxes and landmarks.
    cut : float
        Least difference of a hard cut, see `ShotCuts`.
    min_seconds : float
        Shorter tracks are dropped, unless they are as long as their video.
    min_size : float
        Tracks whose box is smaller (longer side, pixels, median) are dropped.
    min_seen : float
        Tracks seen in a smaller share of looks are dropped.

    Raises
    ------
    ValueError
        A value is invalid.
    """

    every: int = 5
    long_side: int = 640
    quick_side: int = 320
    usual_every: int = FPS
    full_side: int = 1920
    full_every: int = FPS
    score: float = 0.7
    score_on: float = 0.3
    overlap: float = 0.2
    gap: float = 1.0
    smooth: float = 0.2
    cut: float = 12.0
    min_seconds: float = 1.0
    min_size: float = 40.0
    min_seen: float = 0.4

    def __post_init__(self) -> None:
        check_numbers(self, smooth=60, gap=3600, full_side=16_384)
        if min(self.every, self.usual_every, self.full_every) < 1:
            raise ValueError("every, usual_every and full_every must be at least 1 frame")
        if not 32 <= self.quick_side <= self.long_side <= self.full_side:
            raise ValueError("it must be 32 <= quick_side <= long_side <= full_side")
        if not (0 < self.score < 1 and 0 < self.overlap < 1 and 0 <= self.min_seen <= 1):
            raise ValueError("score and overlap must lie within 0..1, min_seen too")
        if not 0 < self.score_on <= self.score:
            raise ValueError("score_on must lie between 0 and score")
        if min(self.gap, self.smooth, self.cut, self.min_seconds, self.min_size) < 0:
            raise ValueError("gap, smooth, cut, min_seconds and min_size cannot be negative")

    @property
    def too_short(self) -> str:
        """Why a short track is left out, in words."""
        return f"shorter than {self.min_seconds:g} s"
