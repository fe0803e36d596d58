"""One upload through the detector: report and scores, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import av

from avforensics.detection.faces import FaceOptions, Outcome, VideoScorer
from avforensics.detection.judging import Judge
from avforensics.detection.pages import write_outcome_report
from avforensics.detection.rows import COLUMNS, face_row, row_of, write_csv
from avforensics.detection.verdict import verdict_of
from avforensics.errors import MediaError
from avforensics.faces.find import find_faces
from avforensics.media.container import open_container
from avforensics.media.types import FPS
from avforensics.models.sync import WINDOW_FRAMES
from avforensics.report.sentences import number
from avforensics.scoring.detector import Detector
from avforensics.scoring.source import Clip
from avforensics.serving.jobs import Answer, Job


class Scorer:
    """Does the work of a `JobQueue`.

    Parameters
    ----------
    detector : Detector
    faces : FaceOptions
        What of a picture is scored.
    judge : Judge or None
        Of a calibration.
    provenance : mapping
        For the report's end.
    """

    def __init__(
        self,
        detector: Detector,
        faces: FaceOptions,
        judge: Judge | None,
        provenance: Mapping[str, Any],
    ) -> None:
        self.detector = detector
        self.faces = faces
        self.judge = judge
        self.provenance = provenance

    def __call__(self, job: Job) -> Answer:
        """Score an upload into its folder.

        Raises
        ------
        MediaError
            It cannot be scored.
        Stopped
            From `Job.tell`.
        """
        steps = _Steps(job, seconds(job.video), self.detector.extractor.max_windows)
        finder = partial(find_faces, progress=steps.looked)
        scorer = VideoScorer(self.detector, self.faces, finder=finder)
        outcome = scorer.score(job.video, steps.scored)
        if outcome.result.error is not None:
            raise MediaError(job.video, outcome.result.error)
        job.tell("writing the report", 1.0)
        verdict = verdict_of(outcome, scorer, self.judge)
        report, scores = job.folder / "report.html", job.folder / "scores.csv"
        write_outcome_report(
            outcome,
            report,
            provenance=self.provenance | {"file": job.name},
            rule=self.faces.rule,
            calibrated=verdict.calibrated,
            stretches=verdict.stretches,
            media_options=self.detector.media,
        )
        rows = [row_of(outcome.result), *map(face_row, outcome.faces)]
        write_csv(scores, COLUMNS, [row | {"path": job.name} for row in rows])
        return Answer(summary(outcome), {"report.html": report, "scores.csv": scores})


class _Steps:
    """Turns frames looked at and windows scored into shares of what there is."""

    def __init__(self, job: Job, seconds: float, max_windows: int | None) -> None:
        self.job = job
        self.frames = max(FPS * seconds, 1.0)
        windows = max(self.frames - WINDOW_FRAMES + 1, 1.0)
        self.windows = windows if max_windows is None else min(windows, max_windows)
        self.done: dict[float, int] = {}  # by where a clip starts: a face's own stretch has its own

    def looked(self, frame: int) -> None:
        self.job.tell("finding faces", frame / self.frames)

    def scored(self, clip: Clip, windows: int) -> None:
        self.done[clip.start] = windows
        self.job.tell("scoring", sum(self.done.values()) / self.windows)


def seconds(video: Path) -> float:
    """How long a video is, by its own word; 0 where it says nothing."""
    with open_container(video) as container:
        return (container.duration or 0) / av.time_base


def summary(outcome: Outcome) -> str:
    """The score and the number of faces, in a sentence."""
    score = f"Anomaly score {number(outcome.result.scores[0].score)}"
    if not outcome.faces:
        return f"{score}."
    count = len(outcome.faces)
    return f"{score}; {count} face{'s' if count > 1 else ''} followed."
