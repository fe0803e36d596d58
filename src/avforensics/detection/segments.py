"""Find unusual segments of a scored video, by a threshold or relative to the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from avforensics.evaluation.alarms import segments_off
from avforensics.evaluation.localisation import propose_segments, window_seconds
from avforensics.media.types import FPS
from avforensics.scoring.outcome import OWN_DELAY, Outcome, Segment
from avforensics.scoring.result import Steps
from avforensics.scoring.speakers import within

EDGE = 5  # windows over which the ends of a segment are smoothed; closer windows share frames
MOST_SEGMENTS = 3  # without a threshold, maximum number of segments per video
SHORTEST_VIDEO = 10 * FPS  # without a threshold, minimum number of windows in a video
SHORTEST_SEGMENT = FPS  # without a threshold, minimum number of windows in a segment


@dataclass(frozen=True)
class _Losses:
    """Step losses of a face, to be searched for segments; ``window`` and ``loss`` are (S,)."""

    window: np.ndarray
    loss: np.ndarray
    track: str

    def segment(self, first: int, last: int, threshold: float | None) -> Segment:
        """Create the segment from row ``first`` to row ``last``, inclusive."""
        return Segment(
            float(window_seconds(self.window[first])),
            float(window_seconds(self.window[last] + 1)),
            float(self.loss[first : last + 1].mean()),
            threshold,
            self.track,
        )


def segments_off_delay(outcome: Outcome, threshold: float) -> list[Segment]:
    """Find the segments in which the delay of a face departs from its usual delay.

    Stretches above the threshold that lie within `EDGE` windows of each other form one segment.

    Parameters
    ----------
    outcome : Outcome
        Outcome whose results have ``off_delay`` curves.
    threshold : float
        Threshold from `SegmentAlarms`.

    Returns
    -------
    list of Segment
        Segments in order of time.
    """
    parts = [(face.track.name, face.result) for face in outcome.faces] or [("", outcome.result)]
    found = []
    for track, result in parts:
        if result.off_delay is None:
            continue
        last = None
        segments = segments_off(result.off_delay, threshold)
        for start, end, value in segments[np.argsort(segments[:, 0])].tolist():
            if last is not None and start - last.end <= EDGE / FPS + 1e-9:
                start, value = last.start, max(last.value, value)
                found.pop()
            last = Segment(start, end, value, threshold, track, OWN_DELAY)
            found.append(last)
    return sorted(found, key=lambda segment: (segment.start, segment.end))


def find_segments(
    outcome: Outcome, *, lam: float, length: int, threshold: float | None
) -> list[Segment]:
    """Find the segments of high step loss in a scored video, or in the track of each face.

    This function is used with calibrations of earlier versions, or without a calibration.

    With a threshold, the mean of every ``length`` consecutive steps of a face is compared
    with it, like the score of a video of that length. Sequences above the threshold are joined, and
    the segment is trimmed at both ends to where the loss is high. Without a threshold, the three
    segments with the most unusual losses are returned, but none for videos under ten seconds.

    With the rule ``speaker``, a face counts only while it speaks, because the face of a listener
    does not match the audio.

    Parameters
    ----------
    lam : float
        Weight of the activation loss in the score.
    length : int
        Number of steps in a sequence, as in the calibration.
    threshold : float or None
        Threshold of the score from the calibration.

    Returns
    -------
    list of Segment
        Segments in order of time.
    """
    if outcome.result.error is not None:
        return []
    heard = outcome.rule == "speaker"
    parts = [
        _losses(face.result.steps, lam, face.spans if heard else None, face.track.name)
        for face in outcome.faces
        if face.result.scores
    ]
    parts = parts or [_losses(outcome.result.steps, lam)]
    if threshold is None:
        found = _standing_out(parts)
    else:
        found = [
            part.segment(first, last, threshold)
            for part in parts
            for run in _runs(part.window)
            for first, last in _above(part.loss, run, length, threshold)
        ]
    return sorted(found, key=lambda segment: (segment.start, segment.end))


def _losses(
    steps: Steps, lam: float, spoken: Sequence[tuple[float, float]] | None = None, track: str = ""
) -> _Losses:
    """Return the step losses of a face, limited to the spans ``spoken`` (s) if they are given."""
    window = np.asarray(steps.window)
    loss = steps.loss(lam)
    counts = np.isfinite(loss)
    if spoken is not None:
        counts &= within(window_seconds(window), spoken)
    return _Losses(window[counts], loss[counts], track)


def _runs(window: np.ndarray) -> list[np.ndarray]:
    """Return the row indices of each run of consecutive windows."""
    return np.split(np.arange(len(window)), np.flatnonzero(np.diff(window) > 1) + 1)


def _above(
    loss: np.ndarray, run: np.ndarray, length: int, threshold: float
) -> list[tuple[int, int]]:
    """Return the first and last row of each segment above the threshold in a run of windows."""
    if len(run) < max(2, length // 2):  # too short for a reliable mean
        return []
    inside = loss[run]
    length = min(length, len(inside))
    high = _means(inside, length) > threshold
    covered = np.convolve(high, np.ones(length)) > 0  # steps in sequences above the threshold
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
    """Return the mean of every ``length`` consecutive values."""
    total = np.append(0.0, np.cumsum(values))
    return (total[length:] - total[:-length]) / length


def _standing_out(parts: Sequence[_Losses]) -> list[Segment]:
    """Find segments that stand out among all parts; each lies within one run of windows."""
    runs = [(part, run) for part in parts for run in _runs(part.window) if len(run)]
    if sum(len(run) for _, run in runs) < SHORTEST_VIDEO:
        return []
    # Runs are concatenated with gaps, which no segment may span.
    ends = np.cumsum([len(run) + 1 for _, run in runs])
    loss = np.concatenate([part.loss[run] for part, run in runs])
    place = np.concatenate(
        [end - 1 - len(run) + np.arange(len(run)) for end, (_, run) in zip(ends, runs, strict=True)]
    )
    proposed = propose_segments(
        loss,
        place,
        count=MOST_SEGMENTS,
        min_windows=SHORTEST_SEGMENT,
        overlap=0.01,
        over_gaps=False,
    )
    found = []
    for start, end in np.rint((proposed[:, :2] - window_seconds(0)) * FPS).astype(int):
        index = int(np.searchsorted(ends, start, side="right"))
        part, run = runs[index]
        before = ends[index] - 1 - len(run)
        found.append(part.segment(run[start - before], run[end - 1 - before], None))
    return found
