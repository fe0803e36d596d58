"""Localisation of a run: proposals from curves over the windows of stored clips, and metrics.

Three curves are tried. ``step_loss``, whose mean is the score, is high where delays change their
pattern and falls again once the decoder has seen the new pattern. ``delays`` is how unusual the
delays of a window are among real videos, independently of previous windows, so this curve stays
high to the end of a forged segment; it needs the naive Bayes baseline. ``own_delay`` is the curve
of `avforensics.scoring.own_delay`, by which `avforensics detect` finds segments; it needs no real
videos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from avforensics.evaluation.localisation import localisation_metrics, propose_segments
from avforensics.evaluation.stored_score import StoredScore
from avforensics.features.store import FeatureStore
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
    """Metrics of partial forgeries by curve; empty if no scored clip has segments.

    Includes real clips and clips with segments; excludes fakes that are forged throughout.

    Parameters
    ----------
    found : sequence of StoredScore
        Clips without steps are ignored.
    delay_frequency : float array, (D,), optional
        From `fit_delay_frequency`; adds the curve ``delays``.

    Returns
    -------
    dict of str to dict
        From `localisation_metrics`.
    """
    taking_part = [
        item
        for item in found
        if item.steps is not None and (store[item.index].label == 0 or store[item.index].segments)
    ]
    truth = [
        np.array(store[item.index].segments, dtype=np.float64).reshape(-1, 2)
        for item in taking_part
    ]
    if not any(len(segments) for segments in truth):
        return {}
    windows = [item.steps.window for item in taking_part]
    curves = {
        "step_loss": [item.steps.loss(lam) for item in taking_part],
        "own_delay": [
            off_own_delay(store.logits(item.index), store.valid_audio(item.index))[
                item.steps.window
            ]
            for item in taking_part
        ],
    }
    if delay_frequency is not None:
        curves["delays"] = [
            unusual_delays(store.logits(item.index)[item.steps.window], delay_frequency)
            for item in taking_part
        ]
    return {
        name: localisation_metrics(
            [propose_segments(*pair) for pair in zip(of_clips, windows, strict=True)],
            truth,
            list(zip(of_clips, windows, strict=True)),
        )
        for name, of_clips in curves.items()
    }


def unusual_delays(sync_logits: np.ndarray, delay_frequency: np.ndarray) -> np.ndarray:
    """Expected surprise of each window's delays among real videos, smoothed: float64, (N,).

    ``- sum_i S_i log p_i`` with S the window's distribution over delays (Eq. 1) and p how often
    each delay is the likeliest in real videos.

    Parameters
    ----------
    sync_logits : float array, (N, 2 * tau + 1)
    delay_frequency : float array, (2 * tau + 1,)
        Log-probabilities.
    """
    delays = delay_probabilities(sync_logits)
    return running_mean(-(delays @ delay_frequency), SMOOTH, mode="nearest")


def sentence(curve: str, metrics: Mapping[str, float]) -> str:
    """The metrics in one line, for notes of tables."""
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
