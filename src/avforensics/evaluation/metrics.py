"""Metrics of a ranking of videos, for one sample or for thousands of resamples at once.

The positive class (label 1) is "fake", and a higher score means more likely fake. Equal scores
share one threshold, as in scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from avforensics.fields import check_choice

FALSE_POSITIVE_RATES = (0.01, 0.05, 0.10)


@dataclass(frozen=True)
class RocCurve:
    """Counts above each threshold, from the strictest (nothing called fake) to the loosest.

    Optional leading axes hold resamples of the same videos.

    Attributes
    ----------
    false_positives, true_positives : float array, (..., K + 1)
        Weight of the real and fake videos scored at or above each threshold; starts at 0.
    thresholds : float array, (K + 1,)
        Distinct scores in descending order after a leading infinity.
    """

    false_positives: np.ndarray
    true_positives: np.ndarray
    thresholds: np.ndarray

    @classmethod
    def from_scores(
        cls, labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None
    ) -> RocCurve:
        """Build the curve.

        Parameters
        ----------
        labels : array, (n,)
            1 = fake, 0 = real.
        scores : array, (n,)
            Finite scores; higher = more likely fake.
        weights : array, (..., n), optional
            Weight of each video; a leading axis gives one curve per resample.

        Raises
        ------
        ValueError
            A score is not finite, a label is not 0 or 1, or a class is missing.
        """
        labels, scores = check_scores(labels, scores)
        order = np.argsort(-scores, kind="stable")
        falling = scores[order]
        last_of_tie = np.flatnonzero(np.append(falling[:-1] != falling[1:], True))
        fake = labels[order].astype(bool)
        weights = np.ones(len(scores)) if weights is None else np.asarray(weights)
        weights = weights[..., order]
        return cls(
            false_positives=_counts(weights, ~fake, last_of_tie),
            true_positives=_counts(weights, fake, last_of_tie),
            thresholds=np.append(np.inf, falling[last_of_tie]),
        )

    @property
    def fpr(self) -> np.ndarray:
        """False-positive rate at each threshold, (..., K + 1); NaN if a resample has no reals."""
        return _ratio(self.false_positives, self.false_positives[..., -1:])

    @property
    def tpr(self) -> np.ndarray:
        """True-positive rate at each threshold, (..., K + 1); NaN if a resample has no fakes."""
        return _ratio(self.true_positives, self.true_positives[..., -1:])

    def auc(self) -> np.ndarray:
        """Return the area under the ROC curve; ties between classes count one half."""
        area = np.diff(self.false_positives) * (
            self.true_positives[..., 1:] + self.true_positives[..., :-1]
        )
        pairs = self.false_positives[..., -1] * self.true_positives[..., -1]
        return _ratio(0.5 * area.sum(-1), pairs)

    def average_precision(self, *, balanced: bool = False) -> np.ndarray:
        """Sum precision times the rise in recall over all thresholds, without interpolation.

        Parameters
        ----------
        balanced : bool
            Weight both classes equally, so that the value does not depend on prevalence.
        """
        if balanced:
            true, false = self.tpr, self.fpr
        else:
            true, false = self.true_positives, self.false_positives
        called = true + false
        precision = np.divide(true, called, out=np.zeros_like(called), where=called > 0)
        precision = np.where(np.isnan(called), np.nan, precision)
        return (np.diff(self.tpr) * precision[..., 1:]).sum(-1)

    def equal_error_rate(self) -> np.ndarray:
        """Return the rate at which false alarms equal misses on the linearly interpolated curve."""
        fpr, surplus = self.fpr, 1 - self.tpr - self.fpr
        after = np.argmax(surplus <= 0, axis=-1)[..., None]
        before = np.maximum(after - 1, 0)
        above = np.take_along_axis(surplus, before, -1)
        below = np.take_along_axis(surplus, after, -1)
        share = _ratio(above, above - below)
        left, right = np.take_along_axis(fpr, before, -1), np.take_along_axis(fpr, after, -1)
        return (left + share * (right - left))[..., 0]

    def tpr_at_fpr(self, rate: float) -> np.ndarray:
        """Return the best true-positive rate with a false-positive rate of at most ``rate``.

        Rates are not interpolated: with fewer than ``1 / rate`` reals, no false alarm is allowed.
        """
        allowed = self.false_positives <= rate * self.false_positives[..., -1:] * (1 + 1e-9)
        last = allowed.sum(-1, keepdims=True) - 1
        return np.take_along_axis(self.tpr, last, -1)[..., 0]

    def metric(self, name: str) -> np.ndarray:
        """Compute a metric by its name in :data:`METRICS`, which ``metrics.json`` also uses."""
        check_choice("metric", name, METRICS, error=ValueError)
        return METRICS[name](self)


METRICS = {
    "auc": RocCurve.auc,
    "ap": RocCurve.average_precision,
    "ap_balanced": lambda curve: curve.average_precision(balanced=True),
    "eer": RocCurve.equal_error_rate,
    **{
        f"tpr_at_fpr_{100 * rate:.0f}": lambda curve, rate=rate: curve.tpr_at_fpr(rate)
        for rate in FALSE_POSITIVE_RATES
    },
}


def check_scores(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Validate labels and scores; return int64 and float64 arrays, (n,), or raise ValueError."""
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if labels.ndim != 1 or labels.shape != scores.shape:
        raise ValueError(
            f"labels and scores must have equal length, got {labels.shape} and {scores.shape}"
        )
    bad = np.flatnonzero(~np.isfinite(scores))
    if len(bad):
        raise ValueError(
            f"{len(bad)} of {len(scores)} scores are not finite (first at position {bad[0]}); "
            "leave out videos without a score"
        )
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("labels must be 0 (real) or 1 (fake)")
    labels = labels.astype(np.int64)
    if not 0 < labels.sum() < len(labels):
        only = "real" if not labels.any() else "fake"
        raise ValueError(f"all {len(labels)} videos are {only}: a ranking needs both classes")
    return labels, scores


def score_metrics(labels: ArrayLike, scores: ArrayLike) -> dict[str, float]:
    """Compute all metrics in :data:`METRICS` and the prevalence for one list of scored videos.

    Returns
    -------
    dict
        ``auc``, ``ap``, ``ap_balanced`` (AP at 1:1), ``eer``, ``tpr_at_fpr_1``, ``_5``, ``_10``,
        ``prevalence`` (share of fakes), all as fractions of 1; ``n_real`` and ``n_fake``.
    """
    curve = RocCurve.from_scores(labels, scores)
    n_real, n_fake = int(curve.false_positives[-1]), int(curve.true_positives[-1])
    values = {name: float(metric(curve)) for name, metric in METRICS.items()}
    return {
        **values,
        "prevalence": n_fake / (n_real + n_fake),
        "n_real": n_real,
        "n_fake": n_fake,
    }


def _counts(weights: np.ndarray, of_class: np.ndarray, last_of_tie: np.ndarray) -> np.ndarray:
    """Accumulate the weight of one class over distinct scores, with a leading zero."""
    running = np.cumsum(weights * of_class, axis=-1, dtype=np.float64)
    if len(last_of_tie) < running.shape[-1]:
        running = running[..., last_of_tie]
    return np.concatenate([np.zeros((*running.shape[:-1], 1)), running], axis=-1)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide; the result is NaN, without a warning, where a resample lacks a class."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.divide(numerator, denominator)
