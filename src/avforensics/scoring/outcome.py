"""Outcome of scoring one video: its result, its faces and its unusual segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from avforensics.faces.track import Faces
from avforensics.scoring.result import Calibrated, VideoResult
from avforensics.scoring.tracks import FaceResult

OWN_DELAY, STEP_LOSS = "own_delay", "step_loss"  # measures in which segments stand out


@dataclass(frozen=True)
class Segment:
    """An unusual part of a video.

    Attributes
    ----------
    start, end : float
        Start and end in seconds of the video.
    value : float
        ``own_delay``: how far the segment stands out, see `avforensics.evaluation.alarms`;
        ``step_loss``: mean loss in the segment.
    threshold : float or None
        Threshold that the value exceeds; None = the segment was only compared with the rest of its
        video.
    track : str
        Track of the face, if the video has several faces.
    measure : str
        ``own_delay`` or ``step_loss``.
    """

    start: float
    end: float
    value: float
    threshold: float | None = None
    track: str = ""
    measure: str = STEP_LOSS

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Segment:
        """Build a segment from its row; accepts rows from journals of earlier versions."""
        return cls(
            row["start"],
            row["end"],
            row["value"] if "value" in row else row["loss"],
            row["threshold"],
            row["track"] or "",
            row.get("measure", STEP_LOSS),
        )

    def row(self) -> dict[str, Any]:
        """Return the row of segments.csv, without the path."""
        return {
            "track": self.track or None,
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "measure": self.measure,
            "value": self.value,
            "threshold": self.threshold,
        }


@dataclass
class Outcome:
    """Result of scoring one video.

    Attributes
    ----------
    result : VideoResult
        Result of the video. If there are faces, ``rule`` determines the score, and the windows come
        from the main speaker.
    faces : tuple of FaceResult
        Each tracked face, in order of appearance; empty if faces were not searched for.
    found : Faces or None
        Result of the face search; None if faces were not searched for.
    rule : str
        How the video's score is computed from its faces' scores; see `score_of_video`.
    calibrated : Calibrated or None
        Rank of the video's score among real videos; None without a calibration.
    segments : sequence of Segment
        Unusual parts; found only if every window is scored.
    segments_per_minute : float or None
        Number of segments allowed per minute of real video; None without a threshold.
    """

    result: VideoResult
    faces: tuple[FaceResult, ...] = ()
    found: Faces | None = None
    rule: str = "speaker"
    calibrated: Calibrated | None = None
    segments: Sequence[Segment] = ()
    segments_per_minute: float | None = None

    @property
    def n_windows(self) -> int:
        """Number of windows in the results of all faces, or in the only result without faces."""
        results = [face.result for face in self.faces] or [self.result]
        return sum(one.features.n_windows for one in results if one.features is not None)
