"""Localise forged segments from a curve over windows, and evaluate the proposals.

Segments are rows ``(start, end)`` in seconds; proposals are rows ``(start, end, score)``. A window
represents its middle frame: window k (frames k..k+4) covers ``[(k + 2) / 25, (k + 3) / 25)`` s.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from avforensics.evaluation.metrics import RocCurve
from avforensics.media.types import FPS
from avforensics.scoring.speakers import MIDDLE

AP_IOUS = (0.5, 0.75, 0.95)
AR_COUNTS = (5, 10, 20, 30, 50, 100)
AR_IOUS = np.arange(0.5, 0.96, 0.05).round(2)


def window_seconds(window: ArrayLike) -> np.ndarray:
    """Return the start in seconds of the middle frame of each window."""
    return (np.asarray(window) + MIDDLE) / FPS


def propose_segments(
    curve: ArrayLike,
    window: ArrayLike,
    *,
    count: int = 100,
    min_windows: int = 5,
    max_windows: int = 250,
    overlap: float = 0.7,
    over_gaps: bool = True,
    least: float = 0.0,
) -> np.ndarray:
    """Propose the segments that differ most from the rest of a video, at any position and length.

    A segment of l out of n windows scores ``(mean inside - mean outside) * sqrt(l * (n - l) / n)``,
    the statistic of a change in mean: longer segments count for more, and no threshold is needed. A
    segment that overlaps a better one by more than ``overlap`` is dropped; otherwise its score is
    reduced by that overlap, because a second guess at the same segment must not outrank the first
    guess in another video.

    Parameters
    ----------
    curve, window : array, (S,)
        Anomaly of each window (higher = less expected) and the window's index in the video,
        ascending; missing windows get the median anomaly.
    count : int
        Maximum number of proposals.
    min_windows, max_windows : int
        Minimum and maximum length of a segment.
    overlap : float
        Intersection over union above which a weaker proposal is dropped.
    over_gaps : bool
        Whether a segment may contain missing windows.
    least : float
        Score that a segment must exceed.

    Returns
    -------
    float array, (P, 3)
        Start and end in seconds, and score; best first.
    """
    curve, window = np.asarray(curve, np.float64), np.asarray(window, np.int64)
    dense = np.full(window[-1] - window[0] + 1, np.median(curve))
    dense[window - window[0]] = curve
    first, length, score = _stretches(dense, min_windows, max_windows, max(least, 1e-12))
    if not over_gaps:
        present = np.zeros(len(dense) + 1, int)
        present[window - window[0] + 1] = 1
        present = np.cumsum(present)
        whole = present[first + length] - present[first] == length
        first, length, score = first[whole], length[whole], score[whole]
    chosen = []
    while len(score) and len(chosen) < count:
        best = int(score.argmax())
        chosen.append((first[best], first[best] + length[best], score[best]))
        shared = np.minimum(first + length, chosen[-1][1]) - np.maximum(first, chosen[-1][0])
        keep = shared <= overlap * (length + length[best] - shared)
        keep[best] = False
        first, length, score = first[keep], length[keep], score[keep]
    proposals = np.array(chosen, dtype=np.float64).reshape(-1, 3)
    better = np.tril(iou(proposals, proposals), -1).max(1, initial=0.0)
    proposals[:, 2] *= 1 - better
    proposals[:, :2] = window_seconds(proposals[:, :2] + window[0])
    return proposals[np.argsort(-proposals[:, 2], kind="stable")]


def _stretches(
    curve: np.ndarray, min_windows: int, max_windows: int, least: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the first window, length and score of each segment scoring above ``least``."""
    n, centred = len(curve), curve - curve.mean()
    running = np.append(0.0, np.cumsum(centred))
    parts = []
    for length in _lengths(min_windows, min(max_windows, n - 1)):
        total = running[length:] - running[:-length]
        # the sum inside is minus the sum outside, so this is the difference between the two means
        score = total * n / (length * (n - length)) * np.sqrt(length * (n - length) / n)
        first = np.flatnonzero(score > least)
        parts.append((first, np.full(len(first), length), score[first]))
    if not parts:
        return np.zeros(0, int), np.zeros(0, int), np.zeros(0)
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _lengths(shortest: int, longest: int) -> list[int]:
    """Return all lengths up to 50 windows, then steps of 4 %: fine enough for an IoU of 0.95."""
    lengths, length = [], max(1, shortest)
    while length <= longest:
        lengths.append(length)
        length = max(length + 1, int(length * 1.04))
    return lengths


def iou(proposals: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the intersection over union of each proposal with each true segment, (P, G)."""
    start = np.maximum(proposals[:, None, 0], truth[None, :, 0])
    end = np.minimum(proposals[:, None, 1], truth[None, :, 1])
    shared = np.clip(end - start, 0, None)
    lengths = (proposals[:, 1] - proposals[:, 0])[:, None] + (truth[:, 1] - truth[:, 0])[None]
    union = lengths - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def average_precision(
    proposals: Sequence[np.ndarray], truth: Sequence[np.ndarray], threshold: float
) -> float:
    """Compute the AP of the proposals of all videos at one IoU, as in LAV-DF and ActivityNet.

    A proposal is correct if it overlaps a true segment of its video that no proposal with a higher
    score has matched. Proposals in real videos are false alarms. Precision is made non-increasing
    in recall before integration.

    Parameters
    ----------
    proposals : sequence of float array, (P, 3)
        Proposals of each video, best first.
    truth : sequence of float array, (G, 2)
        True segments of each video, (0, 2) for a real video; at least one segment in all.
    threshold : float
        Minimum intersection over union.
    """
    right, scores = [], []
    for found, real in zip(proposals, truth, strict=True):
        right.append(_matched(iou(found, np.asarray(real).reshape(-1, 2)), threshold))
        scores.append(found[:, 2])
    order = np.argsort(-np.concatenate(scores), kind="stable")
    hits = np.cumsum(np.concatenate(right)[order])
    if not len(hits):
        return 0.0
    precision = hits / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(hits, prepend=0) * envelope).sum() / _count(truth))


def average_recall(
    proposals: Sequence[np.ndarray], truth: Sequence[np.ndarray], count: int
) -> float:
    """Compute the AR: share of true segments hit by the ``count`` best proposals per video.

    The result is the mean over IoU thresholds from 0.5 to 0.95 in steps of 0.05.
    """
    met = np.zeros(len(AR_IOUS))
    for found, real in zip(proposals, truth, strict=True):
        if len(found) and len(real):
            overlaps = iou(found[:count], np.asarray(real).reshape(-1, 2)).max(0)
            met += (overlaps[None] >= AR_IOUS[:, None] - 1e-9).sum(1)
    return float(met.mean() / _count(truth))


def window_labels(window: ArrayLike, segments: ArrayLike) -> np.ndarray:
    """Label windows: 1 if the middle frame starts in a fake segment, else 0; int64, (S,)."""
    seconds = window_seconds(window)[:, None]
    segments = np.asarray(segments, dtype=np.float64).reshape(-1, 2)
    inside = (seconds >= segments[:, 0] - 1e-9) & (seconds < segments[:, 1] - 1e-9)
    return inside.any(1).astype(np.int64)


def localisation_metrics(
    curves: Sequence[tuple[ArrayLike, ArrayLike]], truth: Sequence[np.ndarray]
) -> dict[str, float | int]:
    """Compute AP at IoU 0.5, 0.75, 0.95, AR at 5 to 100 proposals and the window-level AUC.

    Parameters
    ----------
    curves : sequence of (curve, window)
        Anomaly and window indices of each video, from which segments are proposed; windows of all
        videos are ranked together.
    truth
        As in :func:`average_precision`.

    Returns
    -------
    dict
        ``ap_50``, ``ap_75``, ``ap_95``, ``ar_5`` ... ``ar_100``, ``window_auc`` (if some windows
        are inside segments and some are not), ``n_videos``, ``n_segments``; fractions of 1.
    """
    proposals = [propose_segments(*pair) for pair in curves]
    values = {f"ap_{100 * t:.0f}": average_precision(proposals, truth, t) for t in AP_IOUS}
    values |= {f"ar_{count}": average_recall(proposals, truth, count) for count in AR_COUNTS}
    pairs = zip(curves, truth, strict=True)
    labels = np.concatenate([window_labels(window, real) for (_, window), real in pairs])
    if 0 < labels.sum() < len(labels):
        anomaly = np.concatenate([np.asarray(curve) for curve, _ in curves])
        values["window_auc"] = float(RocCurve.from_scores(labels, anomaly).auc())
    return values | {"n_videos": len(truth), "n_segments": _count(truth)}


def _matched(overlaps: np.ndarray, threshold: float) -> np.ndarray:
    """Mark the proposals (best first) that match a true segment not yet taken; bool, (P,)."""
    taken = np.zeros(overlaps.shape[1], dtype=bool)
    right = np.zeros(len(overlaps), dtype=bool)
    for place in np.flatnonzero((overlaps >= threshold - 1e-9).any(1)):
        free = np.where(taken, -1.0, overlaps[place])
        best = int(free.argmax())
        if free[best] >= threshold - 1e-9:
            taken[best] = right[place] = True
    return right


def _count(truth: Sequence[np.ndarray]) -> int:
    return sum(len(segments) for segments in truth)
