"""What is known of one scored video: its result, its faces, and where it is unusual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from avforensics.faces.track import Faces
from avforensics.scoring.result import Calibrated, VideoResult
from avforensics.scoring.tracks import FaceResult

OWN_DELAY, STEP_LOSS = "own_delay", "step_loss"  # what segments are found by


@dataclass(frozen=True)
class Segment:
    """A part of a video that is unusual.

    Attributes
    ----------
    start, end : float
        Seconds on the video's clock.
    value : float
        By ``own_delay`` how far it stands out, see `avforensics.evaluation.alarms`; by
        ``step_loss`` the mean of the losses inside.
    threshold : float or None
        Threshold exceeded; None = it only stands out from the rest of its own video.
    track : str
        The face, where there are several.
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
        """A segment from its row, also from one of an earlier version's journal."""
        return cls(
            row["start"],
            row["end"],
            row["value"] if "value" in row else row["loss"],
            row["threshold"],
            row["track"] or "",
            row.get("measure", STEP_LOSS),
        )

    def row(self) -> dict[str, Any]:
        """A row of segments.csv, without the path."""
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
        Result of the video. With faces: score by the rule, windows of the main speaker.
    faces : tuple of FaceResult
        Each face that was followed, in the order of appearance; empty where none was looked for.
    found : Faces or None
        All that was found; None where none was looked for.
    rule : str
        How the video's score comes from those of its faces; see `score_of_video`.
    calibrated : Calibrated or None
        Where the video's score stands among real videos; None without a calibration.
    segments : sequence of Segment
        Unusual parts; only where every window is scored.
    segments_per_minute : float or None
        Maximum number of them per minute of real video; None without such a threshold.
    """

    result: VideoResult
    faces: tuple[FaceResult, ...] = ()
    found: Faces | None = None
    rule: str = "speaker"
    calibrated: Calibrated | None = None
    segments: Sequence[Segment] = ()
    segments_per_minute: float | None = None
