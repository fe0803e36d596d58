"""Who speaks: of several faces, the one whose lips fit the sound best at the time.

The synchronisation network gives each window of each face a row of logits over delays. For the
face that speaks, one delay stands out and stays where it is; for one that listens, rows are flat
or their peak wanders. So the measure is how likely one constant delay is over a second or so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avforensics.media.types import FPS
from avforensics.models.sync import WINDOW_FRAMES
from avforensics.scoring.offset import log_probabilities
from avforensics.smoothing import running_mean

SMOOTH = (
    37  # windows, 1.5 s: on pairs of GRID clips 25 find the speaker at 88 % of times, 35 at 92 %
)
NOBODY = -1
MIDDLE = WINDOW_FRAMES // 2


def constant_delay_fit(sync_logits: np.ndarray, *, smooth: int = SMOOTH) -> np.ndarray:
    """How well one constant delay explains the windows around each window.

    The mean log-probability of the best delay over the ``smooth`` windows around (fewer at the
    ends), above that of a flat row.

    Parameters
    ----------
    sync_logits : float array, (N, D)

    Returns
    -------
    float64 array, (N,)
        log D where that delay alone is possible, 0 where all are alike, less where windows are
        sure of different delays.
    """
    rows = log_probabilities(sync_logits)
    # mode "nearest" would repeat the row at each end: divide by what is really there instead
    total = running_mean(rows, smooth, mode="constant")
    share = running_mean(np.ones(len(rows)), smooth, mode="constant")
    return (total / share[:, None]).max(axis=1) + np.log(rows.shape[1])


def who_speaks(
    rows: Sequence[np.ndarray], first_windows: Sequence[int], *, smooth: int = SMOOTH
) -> np.ndarray:
    """The face with the highest confidence at each window of a video.

    Parameters
    ----------
    rows : sequence of float array, (N, D)
        Logits of consecutive windows of each face.
    first_windows : sequence of int
        Where each face's first window is on the video's own clock.
    smooth : int
        Windows that are averaged.

    Returns
    -------
    int64 array, (windows of the video,)
        Which face speaks, counted in ``rows``; `NOBODY` where there is none. It ends with the
        last window of any face.
    """
    ends = [first + len(part) for part, first in zip(rows, first_windows, strict=True)]
    best = np.full(max(ends, default=0), -np.inf)
    speaker = np.full(len(best), NOBODY)
    for face, (part, first, end) in enumerate(zip(rows, first_windows, ends, strict=True)):
        confidence = constant_delay_fit(part, smooth=smooth)
        higher = confidence > best[first:end]
        best[first:end][higher] = confidence[higher]
        speaker[first:end][higher] = face
    return speaker


def speaking_shares(speaker: np.ndarray, n_faces: int) -> np.ndarray:
    """Share of the windows with a face in which each one speaks; float64, (n_faces,), sum 1."""
    counts = np.bincount(speaker[speaker != NOBODY], minlength=n_faces)
    return counts / max(1, counts.sum())


def speaking_spans(speaker: np.ndarray, face: int) -> list[tuple[float, float]]:
    """When a face speaks, in seconds on the video's clock, in order.

    A window stands for its middle frame; at the ends of what was looked at, for the two frames
    outside of it too.
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
    """Whether each moment lies in one of the spans, ``start <= moment < end``; bool, (n,).

    Parameters
    ----------
    seconds : float array, (n,)
    spans : sequence of (float, float)
        In order, none covering another.
    """
    edges = np.asarray(spans, np.float64).reshape(-1)
    return np.searchsorted(edges, np.asarray(seconds) + 1e-9, side="right") % 2 == 1
