"""Localise forged segments in stored clips by curves over windows, and evaluate the results.

Three curves are compared. ``step_loss``, whose mean is the score, is high where the pattern of
delays changes, and falls again once the decoder has seen the new pattern. ``delays`` shows how
unusual a window's delays are among real videos, regardless of previous windows, so it stays high to
the end of a forged segment; it needs the naive Bayes baseline. ``own_delay`` is the curve that
`avforensics detect` uses to find segments (`avforensics.scoring.own_delay`); it needs no real
videos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from avforensics.evaluation.localisation import localisation_metrics
from avforensics.evaluation.stored_score import StoredScore
from avforensics.features.store import Entry, FeatureStore
from avforensics.scoring.offset import delay_probabilities
from avforensics.scoring.own_delay import off_own_delay
from avforensics.smoothing import running_mean

SMOOTH = 5  # windows; windows closer than this share frames


def localise(
    store: FeatureStore,
    found: Sequence[StoredScore],
    lam: float,
    delay_frequency: np.ndarray | None = None,
) -> dict[str, dict]:
    """Return localisation metrics by curve; empty if no scored clip has segments.

    Real clips and clips with segments are included; fakes without segments, which are forged
    throughout, are excluded.

    Parameters
    ----------
    found : sequence of StoredScore
        Scored clips; those without step losses are ignored.
    delay_frequency : float array, (D,), optional
        Result of `fit_delay_frequency`; adds the curve ``delays``.

    Returns
    -------
    dict of str to dict
        Results of `localisation_metrics`.
    """
    taking_part = [
        item
        for item in found
        if item.steps is not None and (store[item.index].label == 0 or store[item.index].segments)
    ]
    truth = [_of_clip(store[item.index]) for item in taking_part]
    if not any(len(segments) for segments in truth):
        return {}
    curves: dict[str, list] = {"step_loss": [], "own_delay": [], "delays": []}
    for item in taking_part:
        window, logits = item.steps.window, store.logits(item.index)
        own_delay = off_own_delay(logits, store.valid_audio(item.index))
        curves["step_loss"].append((item.steps.loss(lam), window))
        curves["own_delay"].append((own_delay[window], window))
        if delay_frequency is not None:
            curves["delays"].append((unusual_delays(logits[window], delay_frequency), window))
    return {name: localisation_metrics(pairs, truth) for name, pairs in curves.items() if pairs}


def _of_clip(entry: Entry) -> np.ndarray:
    """Return the part of an entry's segments within its clip, in seconds of the clip, (G, 2)."""
    segments = np.reshape(np.array(entry.segments, np.float64), (-1, 2)) - entry.start
    segments = np.clip(segments, 0, entry.duration)
    return segments[segments[:, 0] < segments[:, 1]]


def unusual_delays(sync_logits: np.ndarray, delay_frequency: np.ndarray) -> np.ndarray:
    """Compute how unusual each window's delays are, and smooth the result: float64, (N,).

    The value is ``- sum_i S_i log p_i``, where S is the window's distribution (Eq. 1) and p_i
    is the share of windows of real videos in which delay i is the most likely.

    Parameters
    ----------
    sync_logits : float array, (N, 2 * tau + 1)
    delay_frequency : float array, (2 * tau + 1,)
        Log-probability of each delay in real videos.
    """
    delays = delay_probabilities(sync_logits)
    return running_mean(-(delays @ delay_frequency), SMOOTH, mode="nearest")


def sentence(curve: str, metrics: Mapping[str, float]) -> str:
    """Format metrics in one line, for the notes below a table."""
    named = {
        "AP@0.5": "ap_50",
        "AP@0.75": "ap_75",
        "AP@0.95": "ap_95",
        "AR@10": "ar_10",
        "AR@100": "ar_100",
        "window AUC": "window_auc",
    }
    values = [f"{name} {100 * metrics[key]:.1f}" for name, key in named.items() if key in metrics]
    return (
        f"Localisation by {curve.replace('_', ' ')}, {metrics['n_segments']} segments in "
        f"{metrics['n_videos']} videos: {', '.join(values)}"
    )
