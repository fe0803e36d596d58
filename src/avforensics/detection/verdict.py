"""What is said of a scored video: where it stands among real ones, and where it is unusual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from avforensics.detection.faces import Outcome, VideoScorer
from avforensics.detection.judging import Judge
from avforensics.detection.measuring import measure_outcome
from avforensics.detection.segments import Stretch, stretches_of
from avforensics.report.sentences import Calibrated


@dataclass(frozen=True)
class Verdict:
    """Beside the scores of an outcome.

    Attributes
    ----------
    calibrated : Calibrated or None
        Where the video's score stands among real videos; None without a calibration.
    stretches : sequence of Stretch
        Unusual parts; only where every window is scored.
    """

    calibrated: Calibrated | None = None
    stretches: Sequence[Stretch] = ()


def verdict_of(outcome: Outcome, scorer: VideoScorer, judge: Judge | None) -> Verdict:
    """Measure and judge a video and its faces; what is found is noted on their results."""
    if outcome.result.error is not None:
        return Verdict()
    evidence = None if judge is None else judge.calibration.evidence
    measure_outcome(
        outcome, scorer.detector.policy, None if evidence is None else evidence.delay_frequency
    )
    calibrated = None
    if judge is not None:
        scored = sum(bool(face.result.scores) for face in outcome.faces)
        calibrated = judge.judge(
            outcome.result,
            cropped=bool(outcome.faces),
            highest_of=scored if scorer.options.rule == "max" and scored else 1,
        )
        for face in outcome.faces:
            judge.judge(face.result, cropped=True)
    policy = scorer.detector.policy
    if policy.windows != "all":
        return Verdict(calibrated)
    stretches = stretches_of(
        outcome,
        lam=scorer.detector.lams[0],
        length=policy.max_len - 1,
        threshold=None if judge is None else judge.threshold,
        rule=scorer.options.rule,
    )
    return Verdict(calibrated, stretches)
