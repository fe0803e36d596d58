"""Timeline of a whole video: delay probabilities and loss of the speaking face at each window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from avforensics.fields import check_choice
from avforensics.scoring.offset import delay_probabilities
from avforensics.scoring.result import Steps, VideoResult
from avforensics.scoring.tracks import RULES, FaceResult, find_speakers, main_face


@dataclass(frozen=True)
class Timeline:
    """Values of each window of a video.

    Attributes
    ----------
    probabilities : float64 array, (N, D)
        Probabilities over delays; NaN where a window is not scored.
    loss : float64 array, (N,)
        Step loss; NaN where a window is not predicted.
    running : float64 array, (N,)
        Score of the video up to each window; NaN before the first step.
    """

    probabilities: np.ndarray
    loss: np.ndarray
    running: np.ndarray

    def __len__(self) -> int:
        return len(self.loss)


def timeline_of(
    result: VideoResult,
    faces: Sequence[FaceResult] = (),
    lam: float = 0.0,
    rule: str = "speaker",
) -> Timeline:
    """Compute the timeline of a video.

    Parameters
    ----------
    result : VideoResult
        Result with features and steps; used if there are no faces.
    faces : sequence of FaceResult
        Faces, with windows counted from the start of the video.
    lam : float
        Weight of the activation loss.
    rule : str
        How the faces' scores are combined; see `score_of_video`.

    Raises
    ------
    ConfigError
        The rule is unknown.
    """
    check_choice("rule", rule, RULES)
    if not faces:
        parts = [(result, None)]
    else:
        speaker = find_speakers(faces)
        parts = [
            (face.result, speaker == index)
            for index, face in enumerate(faces)
            if face.result.steps is not None
        ]
    n_windows = max(part.features.first_window + part.features.n_windows for part, _ in parts)
    delays = parts[0][0].features.sync_logits.shape[1]
    probabilities = np.full((n_windows, delays), np.nan)
    loss = np.full(n_windows, np.nan)
    each = []
    for part, speaks in parts:
        windows = part.features.first_window + np.arange(part.features.n_windows)
        chosen = slice(None) if speaks is None else speaks[windows]
        rows = delay_probabilities(part.features.sync_logits)
        probabilities[windows[chosen]] = rows[chosen]
        each.append(_losses(part.steps, lam, n_windows))
        chosen = slice(None) if speaks is None else speaks
        loss[chosen] = each[-1][chosen]
    if faces and rule != "speaker":
        running = _joined([_mean_so_far(losses) for losses in each], rule)
    elif faces and not np.isfinite(loss).any():  # then the score comes from the main face
        main = faces[main_face(faces)].result
        running = _mean_so_far(_losses(main.steps, lam, n_windows))
    else:
        running = _mean_so_far(loss)
    return Timeline(probabilities, loss, running)


def _losses(steps: Steps, lam: float, n_windows: int) -> np.ndarray:
    """Return step losses by window of the video, (n_windows,); NaN where none is predicted."""
    losses = np.full(n_windows, np.nan)
    losses[steps.window] = steps.loss(lam)
    return losses


def _mean_so_far(loss: np.ndarray) -> np.ndarray:
    """Average the finite values up to each window, (N,); NaN before the first value."""
    known = np.isfinite(loss)
    count = np.cumsum(known)
    total = np.cumsum(np.where(known, loss, 0.0))
    return np.divide(total, count, out=np.full(len(loss), np.nan), where=count > 0)


def _joined(running: Sequence[np.ndarray], rule: str) -> np.ndarray:
    """Combine running scores of faces, (N,) each, ignoring faces that have not appeared yet."""
    if rule == "max":
        return np.fmax.reduce(running)
    begun = np.isfinite(running)
    total, count = np.where(begun, running, 0.0).sum(0), begun.sum(0)
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
