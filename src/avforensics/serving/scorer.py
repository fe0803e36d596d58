"""Score an upload, report progress and write the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import av

from avforensics.detection.faces import FaceOptions, VideoScorer
from avforensics.detection.judging import Judge
from avforensics.detection.record import RunRecord, record_of
from avforensics.detection.rows import COLUMNS, rows_of, write_csv
from avforensics.detection.verdict import judge_outcome
from avforensics.errors import MediaError
from avforensics.faces.find import find_faces
from avforensics.faces.settings import FaceSettings
from avforensics.faces.track import Faces
from avforensics.media.container import open_container
from avforensics.media.types import FPS
from avforensics.models.visual import WINDOW_FRAMES
from avforensics.report.page import write_video_report
from avforensics.report.sentences import number
from avforensics.scoring.clips import ClipScorer
from avforensics.scoring.outcome import Outcome
from avforensics.scoring.source import Clip
from avforensics.serving.jobs import Answer, Upload
from avforensics.serving.limits import Limits


@dataclass(frozen=True)
class Scorer:
    """Score the uploads of a `JobQueue`.

    Parameters
    ----------
    faces : FaceOptions
        Settings for finding faces.
    judge : Judge or None
        Compares scores with a calibration; None = no calibration.
    provenance : mapping
        Versions and settings, shown at the end of the report.
    """

    detector: ClipScorer
    faces: FaceOptions
    judge: Judge | None
    provenance: Mapping[str, Any]
    limits: Limits

    def __call__(self, job: Upload) -> Answer:
        """Score an upload and write its results to its folder.

        Raises MediaError if the upload cannot be scored, and Stopped as `Upload.tell` does.
        """
        steps = _Steps(job, self.limits, self.detector.extractor.max_windows)
        scorer = VideoScorer(self.detector, self.faces, finder=steps.find)
        outcome = scorer.score(job.video, steps.scored)
        if outcome.result.error is not None:
            raise MediaError(job.video, outcome.result.error)
        job.tell("writing the report", 1.0)
        judge_outcome(outcome, scorer, self.judge)
        report, scores = job.folder / "report.html", job.folder / "scores.csv"
        write_video_report(
            outcome,
            report,
            provenance=self.provenance | {"file": job.name},
            media_options=self.detector.media,
        )
        rows = rows_of(record_of(outcome, Clip(job.video), None, RunRecord()))
        write_csv(scores, COLUMNS, [row | {"path": job.name} for row in rows])
        return Answer(summary(outcome), {"report.html": report, "scores.csv": scores})


class _Steps:
    """Report searched frames and scored windows as shares of the total, and check the limits."""

    def __init__(self, job: Upload, limits: Limits, max_windows: int | None) -> None:
        self.job = job
        self.limits = limits
        self.max_windows = inf if max_windows is None else max_windows
        self.frames = max(FPS * seconds(job.video), 1.0)
        self.windows = self._windows_in(self.frames)
        self.done: dict[Clip, int] = {}

    def find(self, path: Path, settings: FaceSettings, **options: Any) -> Faces:
        """Find faces and count the windows of their tracks."""
        faces = find_faces(path, settings, progress=self.looked, **options)
        lengths = [FPS * (track.end - track.start) for track in faces.tracks]
        self.windows = max(sum(map(self._windows_in, lengths)), 1.0)
        return faces

    def _windows_in(self, frames: float) -> float:
        return min(max(frames - WINDOW_FRAMES + 1, 1.0), self.max_windows)

    def looked(self, frame: int) -> None:
        self.limits.check_seconds(self.job.video, frame / FPS)
        self.job.tell("finding faces", frame / self.frames)

    def scored(self, clip: Clip, windows: int) -> None:
        self.limits.check_seconds(self.job.video, clip.start + windows / FPS)
        self.done[clip] = windows
        self.job.tell("scoring", sum(self.done.values()) / self.windows)


def seconds(video: Path) -> float:
    """Return the declared length of a video in seconds, or 0 if it declares none."""
    with open_container(video) as container:
        return (container.duration or 0) / av.time_base


def summary(outcome: Outcome) -> str:
    """Return a sentence with the score and the number of faces."""
    score = f"Anomaly score {number(outcome.result.scores[0].score)}"
    if reasons := outcome.result.not_applicable:
        score += f" (not applicable: {'; '.join(reasons)})"
    if not outcome.faces:
        return f"{score}."
    count = len(outcome.faces)
    return f"{score}; {count} face{'s' if count > 1 else ''} tracked."
