"""Judge a score by a calibration on real videos."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from avforensics.errors import ConfigError
from avforensics.evaluation.alarms import check_per_minute
from avforensics.evaluation.calibration import Calibration, check_rate
from avforensics.evaluation.setting import scoring_setting
from avforensics.files import sha256_file, typed_path
from avforensics.media.types import MediaReport
from avforensics.report.statements import evidence_meaning, ratio_statement
from avforensics.scoring.clips import ClipScorer
from avforensics.scoring.result import Calibrated, VideoResult

log = logging.getLogger(__name__)

FALSE_SEGMENTS = 0.5  # default number of tolerated segments per minute of real video
AUTO = "auto"  # value of ``calibration``: use the file next to the checkpoint


class Judge:
    """Turns scores into p-values and warns if a video is unlike the calibration's videos.

    Parameters
    ----------
    path : path
        Calibration file.
    false_positive_rate : float
        Share of real videos that may have scores above the threshold.
    false_segments_per_minute : float
        Tolerated number of segments per minute of real video; see `SegmentAlarms`.
    setting : mapping
        Settings with which videos are scored; see `avforensics.evaluation.calibration`.
    crop : str or mapping, optional
        Recipe with which faces are cropped. A calibration that names a different ``crop`` is
        rejected; if it names no crop, a warning is added to each result.

    Raises
    ------
    CheckpointError
        The file is missing or is not a calibration.
    ConfigError
        The calibration was made with other scoring settings, or has too few videos for the rate.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        false_positive_rate: float,
        setting: Mapping,
        crop: str | Mapping | None = None,
        false_segments_per_minute: float = FALSE_SEGMENTS,
    ) -> None:
        path = typed_path(path)
        self.calibration = Calibration.load(path)
        self.calibration.check_setting(setting)
        self._remarks = [] if crop is None else _check_crop(self.calibration, path, crop)
        self.false_positive_rate = false_positive_rate
        self.threshold = self.calibration.threshold(false_positive_rate)
        self.false_segments_per_minute = false_segments_per_minute
        self.segment_threshold = None
        if (segments := self.calibration.segments) is not None:
            self.segment_threshold = segments.threshold(false_segments_per_minute)
        self.source = path.name
        self.path, self.sha256 = path, sha256_file(path)

    def judge(
        self, result: VideoResult, *, cropped: bool = False, highest_of: int = 1
    ) -> Calibrated | None:
        """Add the p-value and warnings to a scored result; return the p-value for the report.

        Parameters
        ----------
        cropped : bool
            Whether a face was cropped; if so, the frame size is not compared.
        highest_of : int
            Number n of scores among which this score is the highest. If n > 1, the p-value refers
            to the highest of n independent real scores, and no threshold is returned.

        Returns
        -------
        Calibrated or None
            The p-value and its context; None if the video has no finite score.
        """
        if result.error is not None:
            return None
        score = result.scores[0].score
        if not math.isfinite(score):
            result.warnings.append("no p-value: the score is not a finite number")
            return None
        p_value = float(self.calibration.p_value(score))
        result.p_value = 1 - (1 - p_value) ** highest_of if highest_of > 1 else p_value
        unlike = []
        if result.media is not None:
            found = media_properties(result.media) | {"leading_silence": result.silence}
            if cropped:
                found = {k: v for k, v in found.items() if k not in ("width", "height")}
            unlike = self.calibration.unlike(found)
            result.warnings += unlike
        result.warnings += self._remarks
        self._weigh(result, unlike)
        return Calibrated(
            p_value=result.p_value,
            n_real=len(self.calibration.scores),
            source=self.source,
            threshold=self.threshold if highest_of == 1 else None,
            false_positive_rate=self.false_positive_rate if highest_of == 1 else None,
            statements=result.statements,
            highest_of=highest_of,
        )

    def _weigh(self, result: VideoResult, unlike: Sequence[str]) -> None:
        """Add evidence and a likelihood ratio to a result if the calibration supports them."""
        evidence, likelihood = self.calibration.evidence, self.calibration.likelihood
        statements = []
        if evidence is not None:
            if result.inner == evidence.inner:
                result.evidence = evidence.value(result.statistics)
            else:
                result.warnings.append(f"no evidence: {_OTHER_LENGTH[evidence.inner]}")
        if result.evidence is not None:
            result.evidence_p_value = evidence.p_value(result.evidence)
            statements.append(
                evidence_meaning(result.evidence_p_value, len(evidence.scores), evidence.names)
            )
        if likelihood is not None:
            about = dict(likelihood.about)
            value = result.evidence if about["of"] == "evidence" else result.scores[0].score
            if unlike and not likelihood.refused:
                about["refused"] = "; ".join(unlike)
            elif value is not None and (found := likelihood(value)) is not None:
                result.likelihood = asdict(found)
            statements.append(ratio_statement(about, result.likelihood))
        # no statements about a video whose numbers are meaningless
        result.statements = () if result.not_applicable else tuple(statements)


_OTHER_LENGTH = {
    True: "too few windows have sound at every delay, unlike in the videos of the calibration",
    False: "the calibration's videos are short clips, but this video is longer",
}


def judge_for(
    calibration: str | os.PathLike | None,
    detector: ClipScorer,
    *,
    false_positive_rate: float,
    crop: str | Mapping | None = None,
    false_segments_per_minute: float = FALSE_SEGMENTS,
) -> Judge | None:
    """Create the judge for a ``calibration`` setting.

    Parameters
    ----------
    calibration : path, optional
        ``auto`` = the first file next to the checkpoint's bundle that was made with these scoring
        settings; if files exist but none fits, the reasons are logged. None = no judge.
    detector : ClipScorer
        Scorer of the videos, which determines the scoring settings.
    false_positive_rate, crop, false_segments_per_minute
        As in `Judge`.

    Raises
    ------
    CheckpointError
        A calibration file is missing or damaged.
    ConfigError
        A rate is out of range. Or the named file was made with other scoring settings, or has too
        few videos for the rate.
    """
    if calibration is None:
        return None
    # Checked here: with calibration=auto, an error below would only mean that none is used.
    check_rate(false_positive_rate)
    check_per_minute(false_segments_per_minute)
    options = {
        "false_positive_rate": false_positive_rate,
        "setting": scoring_setting(detector.models, detector.policy, detector.lams[0]),
        "crop": crop,
        "false_segments_per_minute": false_segments_per_minute,
    }
    if calibration != AUTO:
        return Judge(calibration, **options)
    reasons = []
    for path in detector.models.calibrations:
        try:
            return Judge(path, **options)
        except ConfigError as error:
            reasons.append(str(error))
    if reasons:
        log.info(
            "no p-values, because no calibration of these weights can be used: %s",
            "; ".join(reasons),
        )
    return None


def _check_crop(calibration: Calibration, path: Path, crop: str | Mapping) -> list[str]:
    """Return a warning if a calibration names no crop; raise ConfigError if it names another."""
    fitted = calibration.setting.get("crop")
    if fitted is None:
        return [
            "the calibration does not record the crop of its videos; "
            f"it may differ from crop={crop} of this run"
        ]
    if fitted != crop:
        raise ConfigError(
            f"{path}: the calibration was made with crop={fitted}, but this run uses crop={crop}; "
            f"set faces.crop, or calibrate on clips made by `avforensics preprocess crop={crop}`"
        )
    return []


def media_properties(media: MediaReport) -> dict[str, float]:
    """Return the properties of a file that are compared with the calibration's videos."""
    level = {} if media.level is None else {"audio_level": round(media.level, 1)}  # dBFS
    return {
        "frames_per_second": round(media.fps, 3),
        "width": float(media.width),
        "height": float(media.height),
    } | level
