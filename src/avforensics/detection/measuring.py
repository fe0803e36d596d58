"""The statistics of a scored video and of each of its faces."""

from __future__ import annotations

import numpy as np

from avforensics.detection.faces import Outcome
from avforensics.scoring.result import VideoResult
from avforensics.scoring.sequences import SequencePolicy
from avforensics.scoring.statistics import VideoRows, measure
from avforensics.scoring.tracks import find_speakers


def measure_outcome(
    outcome: Outcome, policy: SequencePolicy, delay_frequency: np.ndarray | None = None
) -> None:
    """Note statistics on the results of a video and its faces.

    Those of a video are of whoever speaks at the time, whatever rule its score follows; those of a
    face are of all its windows.

    Parameters
    ----------
    policy : SequencePolicy
        Which windows were scored.
    delay_frequency : float array, (D,), optional
        As for `VideoRows`.
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
