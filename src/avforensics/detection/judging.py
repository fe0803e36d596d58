"""What a calibration on real videos says of a score."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from avforensics.evaluation.calibration import Calibration
from avforensics.media.types import MediaReport
from avforensics.report.sentences import Calibrated
from avforensics.scoring.result import VideoResult


class Judge:
    """Turns scores into p-values, with a threshold, and warns of videos unlike the calibration's.

    Parameters
    ----------
    path : path
        A calibration file.
    false_positive_rate : float
        The share of real videos that may lie above the threshold.
    setting : mapping
        How videos are scored here; see `avforensics.evaluation.calibration`.

    Raises
    ------
    CheckpointError
        The file is missing or something else.
    ConfigError
        It was made for another scoring, or has too few videos for the rate.
    """

    def __init__(
        self, path: str | os.PathLike, *, false_positive_rate: float, setting: Mapping
    ) -> None:
        path = Path(path).expanduser()
        self.calibration = Calibration.load(path)
        self.calibration.check_setting(setting)
        self.false_positive_rate = false_positive_rate
        self.threshold = self.calibration.threshold(false_positive_rate)
        self.source = path.name

    def judge(self, result: VideoResult, *, cropped: bool = False) -> Calibrated | None:
        """Note the p-value and warnings on a scored result, and give them for its report.

        ``cropped`` = a face was cut out of the picture, whose size then says nothing.
        """
        if result.error is not None:
            return None
        result.p_value = float(self.calibration.p_value(result.scores[0].score))
        if result.media is not None:
            found = media_properties(result.media) | {"leading_silence": result.silence}
            if cropped:
                found = {k: v for k, v in found.items() if k not in ("width", "height")}
            result.warnings += self.calibration.unlike(found)
        return Calibrated(
            p_value=result.p_value,
            n_real=len(self.calibration.scores),
            source=self.source,
            threshold=self.threshold,
            false_positive_rate=self.false_positive_rate,
        )


def media_properties(media: MediaReport) -> dict[str, float]:
    """What a calibration compares of a file, beside its leading silence."""
    return {
        "frames_per_second": round(media.fps, 3),
        "width": float(media.width),
        "height": float(media.height),
    }
