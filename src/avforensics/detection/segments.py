"""Where a scored video is unusual: stretches above a threshold, or those that stand out in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from avforensics.detection.faces import Outcome
from avforensics.detection.rows import Row
from avforensics.evaluation.localisation import propose_segments, window_seconds
from avforensics.media.types import FPS
from avforensics.scoring.result import Steps
from avforensics.scoring.speakers import within

EDGE = 5  # windows over which the ends of a stretch are looked for: neighbours share frames so far
RELATIVE = 3  # stretches that are shown of a video without a threshold
RELATIVE_SECONDS = 10.0  # and of which length at least: in less there is nothing to stand out from
SHORTEST = FPS  # windows of such a stretch


@dataclass(frozen=True)
class Stretch:
    """A part of a video that is unusual.

    Attributes
    ----------
    start, end : float
        Seconds on the video's clock.
    loss : float
        Mean step loss inside.
    threshold : float or None
        What it is above; None = it stands out from the rest of its own video, no more.
    track : str
        The face, where there are several.
    """

    start: float
    end: float
    loss: float
    threshold: float | None = None
    track: str = ""

    def row(self) -> Row:
        """A row of segments.csv, without the path."""
        return {
            "track": self.track or None,
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "loss": self.loss,
            "threshold": self.threshold,
        }


def stretches_of(
    outcome: Outcome, *, lam: float, length: int, threshold: float | None, rule: str = "speaker"
) -> list[Stretch]:
    """Unusual stretches of a scored video, of each of its faces where it has any.

    By the rule ``speaker`` a face counts only while it speaks: the sound does not fit who listens.

    Parameters
    ----------
    outcome : Outcome
    lam, length, threshold
        As for `unusual_stretches`.
    rule : str
        How the video's score comes from those of its faces.

    Returns
    -------
    list of Stretch
        In order of time.
    """
    judged = {"lam": lam, "length": length, "threshold": threshold}
    if outcome.result.error is not None:
        return []
    if not outcome.faces:
        return unusual_stretches(outcome.result.steps, **judged)
    found = [
        stretch
        for face in outcome.faces
        if face.result.scores
        for stretch in unusual_stretches(
            face.result.steps,
            **judged,
            spoken=face.spans if rule == "speaker" else None,
            track=face.track.name,
        )
    ]
    return sorted(found, key=lambda stretch: (stretch.start, stretch.end))


def unusual_stretches(
    steps: Steps,
    *,
    lam: float,
    length: int,
    threshold: float | None,
    spoken: Sequence[tuple[float, float]] | None = None,
    track: str = "",
) -> list[Stretch]:
    """Stretches of a face's curve of step losses.

    With a threshold: every ``length`` steps in a row are judged as a video of that length would
    be, by their mean; those above it are joined, and cut at both ends to where the loss is high.
    Without one: in curves of ten seconds or more, the three stretches that stand out most.

    Parameters
    ----------
    steps : Steps
        On the video's clock.
    lam : float
        Weight of the activation loss in the score.
    length : int
        Steps of a sequence: what the threshold was calibrated on.
    threshold : float or None
    spoken : sequence of (float, float), optional
        When the face speaks, in seconds; only these windows count. None = all.
    track : str
        Name of the face.

    Returns
    -------
    list of Stretch
        In order of time.
    """
    window = np.asarray(steps.window)
    loss = steps.distribution.astype(np.float64)
    if lam:
        loss = loss + lam * steps.activation
    counts = np.isfinite(loss)
    if spoken is not None:
        counts &= within(window_seconds(window), spoken)
    window, loss = window[counts], loss[counts]
    if threshold is None:
        return _standing_out(window, loss, track)
    runs = np.split(np.arange(len(window)), np.flatnonzero(np.diff(window) > 1) + 1)
    return [
        Stretch(
            float(window_seconds(window[first])),
            float(window_seconds(window[last] + 1)),
            float(loss[first : last + 1].mean()),
            threshold,
            track,
        )
        for run in runs
        for first, last in _above(loss, run, length, threshold)
    ]


def _above(
    loss: np.ndarray, run: np.ndarray, length: int, threshold: float
) -> list[tuple[int, int]]:
    """First and last step of each stretch above the threshold in a run without gaps."""
    if len(run) < max(2, length // 2):  # too short to be judged
        return []
    inside = loss[run]
    length = min(length, len(inside))
    high = _means(inside, length) > threshold
    covered = np.convolve(high, np.ones(length)) > 0  # the steps of all sequences above it
    edges = np.flatnonzero(np.diff(covered, prepend=False, append=False)).reshape(-1, 2)
    near = np.convolve(inside, np.ones(EDGE), "same") / np.convolve(
        np.ones(len(inside)), np.ones(EDGE), "same"
    )
    found = []
    for first, end in edges:
        steep = first + np.flatnonzero(near[first:end] > threshold)
        if len(steep):
            found.append((int(run[steep[0]]), int(run[steep[-1]])))
    return found


def _means(values: np.ndarray, length: int) -> np.ndarray:
    """Mean of every ``length`` values in a row."""
    total = np.append(0.0, np.cumsum(values))
    return (total[length:] - total[:-length]) / length


def _standing_out(window: np.ndarray, loss: np.ndarray, track: str) -> list[Stretch]:
    if len(window) < RELATIVE_SECONDS * FPS:
        return []
    found = propose_segments(loss, window, count=RELATIVE, min_windows=SHORTEST, overlap=0.01)
    time = window_seconds(window)
    return [
        Stretch(
            start,
            end,
            float(loss[(time >= start - 1e-9) & (time < end - 1e-9)].mean()),
            None,
            track,
        )
        for start, end, _ in sorted(found.tolist())
    ]
