"""Combine the results of a video's faces into one result.

Windows are counted from the start of the video: window ``k`` covers frames ``k..k+4``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from avforensics.applicability import Measures, of_video
from avforensics.faces.track import FaceTrack
from avforensics.fields import check_choice
from avforensics.scoring.result import Score, VideoResult
from avforensics.scoring.speakers import NOBODY, speaking_shares, speaking_spans, who_speaks

RULES = ("speaker", "max", "mean")


@dataclass
class FaceResult:
    """Result of one face.

    Attributes
    ----------
    result : VideoResult
        Result of the track, with windows counted from the start of the video.
    speaks : float
        Share of the windows in which this face speaks; sums to 1 over faces.
    spans : list of (float, float)
        Times at which the face speaks, in seconds of the video.
    """

    track: FaceTrack
    result: VideoResult
    speaks: float = 0.0
    spans: tuple[tuple[float, float], ...] = ()


def on_video_clock(result: VideoResult, first: int) -> VideoResult:
    """Shift the windows of a part's result; the part begins at frame ``first`` of the video."""
    features, steps = result.features, result.steps
    if features is not None:
        features = replace(features, first_window=features.first_window + first)
    if steps is not None:
        steps = replace(steps, window=steps.window + first)
    return replace(result, features=features, steps=steps)


def find_speakers(faces: Sequence[FaceResult]) -> np.ndarray:
    """Find the speaker at each window; set ``speaks`` and ``spans`` of the faces.

    Parameters
    ----------
    faces : sequence of FaceResult
        Faces, whose ``speaks`` and ``spans`` are set here.

    Returns
    -------
    int64 array, (windows of the video,)
        Index into ``faces`` or `NOBODY`.
    """
    scored = [index for index, face in enumerate(faces) if face.result.steps is not None]
    features = [faces[index].result.features for index in scored]
    speaker = who_speaks([f.sync_logits for f in features], [f.first_window for f in features])
    speaker = np.append(scored, NOBODY)[speaker] if len(scored) else speaker
    for index, share in enumerate(speaking_shares(speaker, len(faces))):
        faces[index].speaks = float(share)
        faces[index].spans = tuple(speaking_spans(speaker, index))
    return speaker


def score_of_video(
    faces: Sequence[FaceResult], speaker: np.ndarray, rule: str = "speaker"
) -> list[Score]:
    """Combine the scores of the faces, one score for each lam.

    Parameters
    ----------
    faces : sequence of FaceResult
        Faces, of which at least one must be scored.
    speaker : int array
        Result of `find_speakers`.
    rule : str
        ``speaker`` = mean step loss of the speaking face at each window; ``max`` = highest of the
        faces' scores; ``mean`` = mean of the faces' scores, with equal weights.

    Raises
    ------
    ConfigError
        The rule is unknown.
    """
    check_choice("rule", rule, RULES)
    scored = [face.result for face in faces if face.result.scores]
    by_lam = list(zip(*(result.scores for result in scored), strict=True))
    if rule == "max":
        return [max(scores, key=lambda score: score.score) for scores in by_lam]
    if rule == "mean":
        return [_mean(scores) for scores in by_lam]
    main = faces[main_face(faces)].result.scores
    losses = _spoken_losses(faces, speaker)
    if not len(losses[0]):  # no face speaks in two consecutive windows
        return main
    distribution, activation = (float(part.mean(dtype=np.float64)) for part in losses)
    return [
        replace(
            score,
            score=distribution + score.lam * activation,
            distribution_score=distribution,
            activation_score=activation,
        )
        for score in main
    ]


def measures_of_video(faces: Sequence[FaceResult]) -> Measures | None:
    """Return the applicability measures of a video; None if not measured."""
    scored = [face for face in faces if face.result.scores]
    return of_video(
        [face.result.measures for face in scored if face.result.measures is not None],
        [
            (face.track.first_frame, face.result.speaking)
            for face in scored
            if face.result.speaking is not None
        ],
    )


def _mean(scores: Sequence[Score]) -> Score:
    """Average the scores of several faces for one lam."""
    names = ("score", "distribution_score", "activation_score")
    means = {name: float(np.mean([getattr(score, name) for score in scores])) for name in names}
    return replace(scores[0], **means, maximum=max(score.maximum for score in scores))


def _spoken_losses(
    faces: Sequence[FaceResult], speaker: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the step losses of both models at the windows in which each face speaks."""
    distribution, activation = [], []
    for index, face in enumerate(faces):
        if face.result.scores:
            steps = face.result.steps
            speaks = speaker[steps.window] == index
            distribution.append(steps.distribution[speaks])
            activation.append(steps.activation[speaks])
    return np.concatenate(distribution), np.concatenate(activation)


def main_face(faces: Sequence[FaceResult]) -> int:
    """Return the index of the scored face that speaks longest; 0 if no face is scored."""
    told = [(face.result.steps is not None, face.speaks) for face in faces]
    return told.index(max(told))
