"""One curve of a whole video: at each window the probabilities and the loss of whoever speaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import softmax

from avforensics.scoring.result import VideoResult
from avforensics.scoring.tracks import FaceResult, find_speakers


@dataclass(frozen=True)
class Course:
    """What is known of each window of a video, on its own clock.

    Attributes
    ----------
    probabilities : float64 array, (N, D)
        Over delays; NaN where nothing was scored.
    loss : float64 array, (N,)
        Step loss, NaN where there is none.
    """

    probabilities: np.ndarray
    loss: np.ndarray

    def __len__(self) -> int:
        return len(self.loss)

    @cached_property
    def running(self) -> np.ndarray:
        """Mean of the step losses so far, (N,); NaN before the first."""
        known = np.isfinite(self.loss)
        count = np.cumsum(known)
        total = np.cumsum(np.where(known, self.loss, 0.0))
        return np.divide(total, count, out=np.full(len(self), np.nan), where=count > 0)


def course_of(result: VideoResult, faces: Sequence[FaceResult] = (), lam: float = 0.0) -> Course:
    """The curve of a video.

    Parameters
    ----------
    result : VideoResult
        With features and steps; used where there are no faces.
    faces : sequence of FaceResult
        On the video's own clock.
    lam : float
        Weight of the activation loss.
    """
    if not faces:
        parts = [(result, None)]
    else:
        speaker = find_speakers(faces)
        parts = [
            (face.result, speaker == index)
            for index, face in enumerate(faces)
            if face.result.steps is not None
        ]
    ends = [part.features.first_window + part.features.n_windows for part, _ in parts]
    delays = parts[0][0].features.sync_logits.shape[1]
    course = Course(np.full((max(ends), delays), np.nan), np.full(max(ends), np.nan))
    for part, speaks in parts:
        windows = part.features.first_window + np.arange(part.features.n_windows)
        chosen = slice(None) if speaks is None else speaks[windows]
        rows = softmax(part.features.sync_logits.astype(np.float64), axis=1)
        course.probabilities[windows[chosen]] = rows[chosen]
        loss = part.steps.distribution.astype(np.float64)
        loss = loss + lam * part.steps.activation if lam else loss
        chosen = slice(None) if speaks is None else speaks[part.steps.window]
        course.loss[part.steps.window[chosen]] = loss[chosen]
    return course
