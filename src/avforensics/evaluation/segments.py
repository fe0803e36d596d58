"""Localisation of a run: proposals from the step losses of stored clips against true segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from avforensics.evaluation.localisation import localisation_metrics, propose_segments
from avforensics.evaluation.stored import StoredScore
from avforensics.features.store import FeatureStore


def localise(
    store: FeatureStore, found: Sequence[StoredScore], lam: float, *, min_windows: int = 5
) -> dict | None:
    """Metrics of partial forgeries; None where no scored clip has segments.

    Clips with segments and real ones take part. Fakes without segments are forged from beginning
    to end: there is nothing to find in them.

    Parameters
    ----------
    store : FeatureStore
    found : sequence of StoredScore
        With steps.
    lam : float
    min_windows : int
        Shortest proposal.

    Returns
    -------
    dict or None
        As of `localisation_metrics`.
    """
    proposals, truth, curves = [], [], []
    for item in found:
        entry = store[item.index]
        if item.steps is None or (entry.label == 1 and not entry.segments):
            continue
        curve = item.steps.distribution + lam * item.steps.activation
        curve = curve.astype(np.float64)
        proposals.append(propose_segments(curve, item.steps.window, min_windows=min_windows))
        truth.append(np.array(entry.segments, dtype=np.float64).reshape(-1, 2))
        curves.append((curve, item.steps.window))
    if not any(len(segments) for segments in truth):
        return None
    return localisation_metrics(proposals, truth, curves)


def sentence(metrics: Mapping[str, float]) -> str:
    """The metrics in a line for tables' notes."""
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
        f"Localisation of {metrics['n_segments']} segments in {metrics['n_videos']} videos: "
        f"{', '.join(values)}"
    )
