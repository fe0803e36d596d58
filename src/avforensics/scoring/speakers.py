"""Find the current speaker: the face whose lips fit the audio best.

For the speaking face, one delay stands out and stays constant; for a listening face, rows are
flat or their peak wanders. The measure is therefore the likelihood of one constant delay over
1.5 s.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avforensics.media.types import FPS
from avforensics.models.visual import WINDOW_FRAMES
from avforensics.scoring.offset import log_probabilities
from avforensics.smoothing import running_mean

# windows, 1.5 s; on pairs of GRID clips, means over 25 windows find the speaker 88 % of the time,
# means over 35 windows 92 %
SMOOTH = 37
NOBODY = -1
MIDDLE = WINDOW_FRAMES // 2  # middle frame of a window


def constant_delay_fit(sync_logits: np.ndarray, *, smooth: int = SMOOTH) -> np.ndarray:
    """Measure how well one constant delay explains the windows around each window.

    The measure is the mean log-probability of the best delay over the surrounding ``smooth``
    windows (fewer at the ends), relative to equally likely delays.

    Parameters
    ----------
    sync_logits : float array, (N, D)

    Returns
    -------
    float64 array, (N,)
        Fit at each window: log D if only one delay is possible, 0 if all are equally likely,
        negative if windows confidently disagree.
    """
    rows = log_probabilities(sync_logits)
    # mode "nearest" would repeat the last rows, so divide by the number of real rows instead
    total = running_mean(rows, smooth, mode="constant")
    share = running_mean(np.ones(len(rows)), smooth, mode="constant")
    total /= share[:, None]
    return total.max(axis=1) + np.log(rows.shape[1])


def who_speaks(rows: Sequence[np.ndarray], first_windows: Sequence[int]) -> np.ndarray:
    """Find the face with the highest confidence at each window of a video.

    Parameters
    ----------
    rows : sequence of float array, (N, D)
        Logits of consecutive windows of each face.
    first_windows : sequence of int
        Index of each face's first window in the video.

    Returns
    -------
    int64 array, (windows of the video,)
        Index of the speaking face in ``rows``; `NOBODY` if there is no face. The array ends with
        the last window of any face.
    """
    ends = [first + len(part) for part, first in zip(rows, first_windows, strict=True)]
    best = np.full(max(ends, default=0), -np.inf)
    speaker = np.full(len(best), NOBODY)
    for face, (part, first, end) in enumerate(zip(rows, first_windows, ends, strict=True)):
        confidence = constant_delay_fit(part)
        higher = confidence > best[first:end]
        best[first:end][higher] = confidence[higher]
        speaker[first:end][higher] = face
    return speaker


def speaking_shares(speaker: np.ndarray, n_faces: int) -> np.ndarray:
    """Return the share of windows in which each face speaks; float64, (n_faces,), sum 1."""
    counts = np.bincount(speaker[speaker != NOBODY], minlength=n_faces)
    return counts / max(1, counts.sum())


def speaking_spans(speaker: np.ndarray, face: int) -> list[tuple[float, float]]:
    """Return the spans in which a face speaks: (start, end) in seconds of the video, in order.

    A window represents its middle frame. If the previous or the next window has no face, the two
    outer frames on that side are included.
    """
    speaks = speaker == face
    edges = np.flatnonzero(np.diff(speaks, prepend=False, append=False))
    spans = []
    for first, end in edges.reshape(-1, 2):
        opens = first == 0 or speaker[first - 1] == NOBODY
        closes = end == len(speaker) or speaker[end] == NOBODY
        start = first + (0 if opens else MIDDLE)
        stop = end + (WINDOW_FRAMES - 1 if closes else MIDDLE)
        spans.append((start / FPS, stop / FPS))
    return spans


def within(seconds: np.ndarray, spans: Sequence[tuple[float, float]]) -> np.ndarray:
    """Test whether each time is within a span, ``start <= time < end``; bool, (n,).

    Parameters
    ----------
    seconds : float array, (n,)
    spans : sequence of (float, float)
        Spans, sorted and disjoint.
    """
    edges = np.asarray(spans, np.float64).reshape(-1)
    return np.searchsorted(edges, np.asarray(seconds) + 1e-9, side="right") % 2 == 1
