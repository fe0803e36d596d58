"""Judge a scored video: statistics, p-value among real videos, suspicious segments."""

from __future__ import annotations

import numpy as np

from avforensics.detection.faces import VideoScorer
from avforensics.detection.judging import Judge
from avforensics.detection.segments import find_segments, segments_off_delay
from avforensics.scoring.memory import release_after
from avforensics.scoring.outcome import Outcome
from avforensics.scoring.own_delay import own_delay_curve
from avforensics.scoring.result import VideoResult
from avforensics.scoring.rows import VideoRows
from avforensics.scoring.sequences import SequencePolicy
from avforensics.scoring.statistics import measure
from avforensics.scoring.tracks import find_speakers, main_face


def judge_outcome(outcome: Outcome, scorer: VideoScorer, judge: Judge | None) -> None:
    """Measure and judge a video and its faces; store the findings in the outcome."""
    if outcome.result.error is not None:
        return
    policy = scorer.detector.policy
    evidence = None if judge is None else judge.calibration.evidence
    measure_outcome(outcome, policy, None if evidence is None else evidence.delay_frequency)
    release_after(outcome.n_windows)
    if judge is not None:
        scored = sum(bool(face.result.scores) for face in outcome.faces)
        outcome.calibrated = judge.judge(
            outcome.result,
            cropped=bool(outcome.faces),
            highest_of=scored if outcome.rule == "max" and scored else 1,
        )
        for face in outcome.faces:
            judge.judge(face.result, cropped=True)
    _note_curves(outcome, policy)
    release_after(outcome.n_windows)
    if policy.windows != "all" or outcome.result.not_applicable:
        return
    if judge is not None and judge.segment_threshold is not None:
        outcome.segments = segments_off_delay(outcome, judge.segment_threshold)
        outcome.segments_per_minute = judge.false_segments_per_minute
    else:
        outcome.segments = find_segments(
            outcome,
            lam=scorer.detector.lams[0],
            length=policy.max_len - 1,
            threshold=None if judge is None else judge.threshold,
        )


def _note_curves(outcome: Outcome, policy: SequencePolicy) -> None:
    """Store a curve for each face: how far its delay departs from its usual delay.

    With the rule ``speaker``, the curve covers only the time in which the face speaks.
    """
    speaker = find_speakers(outcome.faces) if outcome.rule == "speaker" and outcome.faces else None
    parts = [face.result for face in outcome.faces] or [outcome.result]
    for index, part in enumerate(parts):
        if not part.scores or (features := part.features) is None:
            continue
        windows = features.first_window + np.arange(features.n_windows)
        part.off_delay = own_delay_curve(
            features.sync_logits,
            features.valid_audio,
            policy,
            first_window=features.first_window,
            speaks=None if speaker is None else speaker[windows] == index,
        )
    if outcome.faces and outcome.result.scores:
        outcome.result.off_delay = parts[main_face(outcome.faces)].off_delay


def measure_outcome(
    outcome: Outcome, policy: SequencePolicy, delay_frequency: np.ndarray | None = None
) -> None:
    """Store statistics in the results of a video and its faces.

    The statistics of a video come from the face that speaks at each time, whatever rule determines
    the score. The statistics of a face come from all its windows.

    Parameters
    ----------
    policy : SequencePolicy
        Policy that determined which windows were scored.
    delay_frequency : float array, (D,), optional
        As in `VideoRows`.
    """
    result = outcome.result
    if not result.scores or result.features is None:
        return
    scored = [
        (index, face.result)
        for index, face in enumerate(outcome.faces)
        if face.result.scores and face.result.features is not None
    ]
    for _, of_face in scored:
        _note(of_face, _rows(of_face, policy, delay_frequency))
    if not scored:
        _note(result, _rows(result, policy, delay_frequency))
        return
    speaker = find_speakers(outcome.faces)
    parts = []
    for index, of_face in scored:
        windows = of_face.features.first_window + np.arange(of_face.features.n_windows)
        if (speaks := speaker[windows] == index).any():
            parts.append(_rows(of_face, policy, delay_frequency, speaks))
    if parts:  # no face speaks if the network's outputs are not finite
        _note(result, VideoRows.joined(parts, score=result.scores[0].score))


def _rows(
    result: VideoResult,
    policy: SequencePolicy,
    delay_frequency: np.ndarray | None,
    speaks: np.ndarray | None = None,
) -> VideoRows:
    return VideoRows.of(
        result.features,
        policy,
        result.steps,
        score=result.scores[0].score,
        delay_frequency=delay_frequency,
        speaks=speaks,
    )


def _note(result: VideoResult, rows: VideoRows) -> None:
    result.statistics = measure(rows)
    result.inner = rows.inner
