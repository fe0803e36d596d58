"""One upload through the detector: report and scores, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import av

from avforensics.detection.judging import Judge
from avforensics.detection.rows import COLUMNS, row_of, write_csv
from avforensics.errors import MediaError
from avforensics.media.container import open_container
from avforensics.media.types import FPS
from avforensics.models.sync import WINDOW_FRAMES
from avforensics.report.page import write_video_report
from avforensics.report.sentences import number
from avforensics.scoring.detector import Detector
from avforensics.scoring.source import Clip
from avforensics.serving.jobs import Answer, Job


class Scorer:
    """Does the work of a `JobQueue`.

    Parameters
    ----------
    detector : Detector
    judge : Judge, optional
    provenance : mapping
        For the report's end.
    """

    def __init__(
        self, detector: Detector, judge: Judge | None, provenance: Mapping[str, Any]
    ) -> None:
        self.detector = detector
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
        expected = self._expected_windows(job)

        def progress(clip: Clip, windows: int) -> None:
            job.tell("scoring", windows / expected)

        job.tell("scoring")
        (result,) = self.detector.score_many([job.video], progress=progress)
        if result.error is not None:
            raise MediaError(job.video, result.error)
        calibrated = None if self.judge is None else self.judge.judge(result)
        job.tell("writing the report", 1.0)
        report, scores = job.folder / "report.html", job.folder / "scores.csv"
        write_video_report(
            result,
            report,
            provenance=self.provenance | {"file": job.name},
            calibrated=calibrated,
            media_options=self.detector.media,
        )
        write_csv(scores, COLUMNS, [row_of(result) | {"path": job.name}])
        score = number(result.scores[0].score)
        return Answer(f"Anomaly score {score}.", {"report.html": report, "scores.csv": scores})

    def _expected_windows(self, job: Job) -> int:
        """Windows that will be scored, by what the file says of its length."""
        with open_container(job.video) as container:
            frames = FPS * (container.duration or 0) / av.time_base
        windows = max(int(frames) - WINDOW_FRAMES + 1, 1)
        most = self.detector.extractor.max_windows
        return windows if most is None else min(windows, most)
