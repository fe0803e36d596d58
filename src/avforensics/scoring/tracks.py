"""From the results of a video's faces to one result of the video.

All windows count on the video's own clock: window ``k`` covers the video's frames ``k..k+4``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from avforensics.applicability import Measures, of_video
from avforensics.errors import ConfigError
from avforensics.faces.track import FaceTrack
from avforensics.scoring.result import Score, VideoResult
from avforensics.scoring.speakers import NOBODY, speaking_shares, speaking_spans, who_speaks

RULES = ("speaker", "max", "mean")


@dataclass
class FaceResult:
    """What became of one face.

    Attributes
    ----------
    result : VideoResult
        Of the face's stretch, its windows on the video's own clock.
    speaks : float
        Share of the windows with a face in which this one speaks; the faces' shares add up to 1.
    spans : list of (float, float)
        When it speaks, in seconds on the video's clock.
    """

    track: FaceTrack
    result: VideoResult
    speaks: float = 0.0
    spans: tuple[tuple[float, float], ...] = ()


def on_video_clock(result: VideoResult, first: int) -> VideoResult:
    """A result of a part that begins at frame ``first``, with windows counted from the video's."""
    features, steps = result.features, result.steps
    if features is not None:
        features = replace(features, first_window=features.first_window + first)
    if steps is not None:
        steps = replace(steps, window=steps.window + first)
    return replace(result, features=features, steps=steps)


def find_speakers(faces: Sequence[FaceResult]) -> np.ndarray:
    """Who speaks at each window; notes on each face for how long and when.

    Parameters
    ----------
    faces : sequence of FaceResult
        ``speaks`` and ``spans`` are filled.

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
    """One score for each lam from those of the faces.

    Parameters
    ----------
    faces : sequence of FaceResult
        At least one of them scored.
    speaker : int array
        As `find_speakers` gives it.
    rule : str
        ``speaker`` = the mean of the step losses of whoever speaks at the time; ``max`` = the
        highest of the faces' scores; ``mean`` = their mean, each face alike.

    Raises
    ------
    ConfigError
        There is no such rule.
    """
    check_rule(rule)
    scored = [face.result for face in faces if face.result.scores]
    by_lam = list(zip(*(result.scores for result in scored), strict=True))
    if rule == "max":
        return [max(scores, key=lambda score: score.score) for scores in by_lam]
    if rule == "mean":
        return [_mean(scores) for scores in by_lam]
    main = faces[main_face(faces)].result.scores
    losses = _spoken_losses(faces, speaker)
    if not len(losses[0]):  # so few windows that whoever speaks has no step of its own there
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
    """What says whether the score of a video means anything; None where it was not measured."""
    scored = [face for face in faces if face.result.scores]
    return of_video(
        [face.result.measures for face in scored if face.result.measures is not None],
        [
            (face.track.first_frame, face.result.speaking)
            for face in scored
            if face.result.speaking is not None
        ],
    )


def check_rule(rule: str) -> None:
    """Raise ConfigError unless ``rule`` is one of `RULES`."""
    if rule not in RULES:
        raise ConfigError(f"the rule of a video's score must be one of {RULES}, not {rule!r}")


def _mean(scores: Sequence[Score]) -> Score:
    """The mean of the scores of several faces for one lam."""
    names = ("score", "distribution_score", "activation_score")
    means = {name: float(np.mean([getattr(score, name) for score in scores])) for name in names}
    return replace(scores[0], **means, maximum=max(score.maximum for score in scores))


def _spoken_losses(
    faces: Sequence[FaceResult], speaker: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Step losses of both models at the windows in which each face speaks."""
    distribution, activation = [], []
    for index, face in enumerate(faces):
        if face.result.scores:
            steps = face.result.steps
            speaks = speaker[steps.window] == index
            distribution.append(steps.distribution[speaks])
            activation.append(steps.activation[speaks])
    return np.concatenate(distribution), np.concatenate(activation)


def main_face(faces: Sequence[FaceResult]) -> int:
    """Which face is shown first: the scored one that speaks longest; 0 where none is scored."""
    told = [(face.result.steps is not None, face.speaks) for face in faces]
    return told.index(max(told))
