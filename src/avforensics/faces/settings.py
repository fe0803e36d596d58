"""Settings of face detection and tracking."""

from __future__ import annotations

from dataclasses import dataclass

from avforensics.fields import check_numbers
from avforensics.media.types import FPS


@dataclass(frozen=True, kw_only=True)
class FaceSettings:
    """Settings of face detection and tracking.

    Parameters
    ----------
    every : int
        Number of frames (25 fps) from one search to the next; boxes in between are interpolated.
    long_side : int
        Longer side, in pixels, to which frames are reduced for a search; smaller frames are not
        enlarged.
    quick_side : int
        Longer side, in pixels, for quick searches of the whole frame if the known faces are large.
        If they are small, a quick search covers only the region around them.
    usual_every : int
        Maximum number of frames between usual searches; 1 = no quick searches.
    full_side : int
        Longer side, in pixels, for a second search for small faces if the first found nothing.
    full_every : int
        Minimum number of frames from a second search that found nothing to the next one.
    score : float
        Minimum confidence, 0 to 1, of a face that starts a track.
    score_on : float
        Minimum confidence, 0 to 1, of a face that continues a track. Faces in profile, blurred or
        occluded faces have low confidence.
    overlap : float
        Minimum intersection over union of a face's boxes in successive searches.
    gap : float
        Longest interruption (s) that a track bridges.
    smooth : float
        Standard deviation (s) of the zero-phase Gaussian over boxes and landmarks.
    cut : float
        Minimum difference between frames at a hard cut; see `ShotCuts`.
    min_seconds : float
        Minimum length of a track (s), unless it spans the whole video.
    min_size : float
        Minimum size of a track's box (median of the longer side, pixels).
    min_seen : float
        Minimum share of the searched frames in which a track's face was detected.

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
            raise ValueError(
                "every, usual_every and full_every must be >= 1, got "
                f"{self.every}, {self.usual_every} and {self.full_every}"
            )
        if not 32 <= self.quick_side <= self.long_side <= self.full_side:
            raise ValueError(
                "quick_side, long_side and full_side must be >= 32 and ascending, got "
                f"{self.quick_side}, {self.long_side} and {self.full_side}"
            )
        if not (0 < self.score < 1 and 0 < self.overlap < 1 and 0 <= self.min_seen <= 1):
            raise ValueError(
                "score and overlap must be within (0, 1) and min_seen within 0..1, got "
                f"{self.score}, {self.overlap} and {self.min_seen}"
            )
        if not 0 < self.score_on <= self.score:
            raise ValueError(
                f"score_on must be > 0 and <= score ({self.score}), got {self.score_on}"
            )
        for name in ("gap", "smooth", "cut", "min_seconds", "min_size"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be >= 0, got {getattr(self, name)}")

    @property
    def gap_frames(self) -> int:
        """Maximum number of frames between two detections of a track."""
        return max(round(self.gap * FPS), self.every)

    @property
    def too_short(self) -> str:
        """Reason for dropping a short track."""
        return f"shorter than {self.min_seconds:g} s"
