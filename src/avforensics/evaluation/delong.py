"""DeLong's test for two AUCs on the same videos, and Holm's correction for many tests.

DeLong, DeLong and Clarke-Pearson, Biometrics 1988, with the ranks of Sun and Xu, IEEE SPL 2014;
Holm, Scandinavian Journal of Statistics 1979. DeLong's test assumes independent videos. With many
videos of the same person it is too optimistic; use the bootstrap over identities instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from avforensics.evaluation.metrics import check_scores


@dataclass(frozen=True)
class DeLong:
    """Difference between two AUCs: run B minus run A."""

    a: float
    b: float
    difference: float
    error: float | None  # standard error of the difference; None if a class has only one video
    # two-sided; None if the error is None, or if the error is 0 and the AUCs differ
    p_value: float | None


def delong(labels: ArrayLike, a: ArrayLike, b: ArrayLike) -> DeLong:
    """Test whether two lists of scores rank the same videos equally well.

    Parameters
    ----------
    labels : array, (n,)
        1 = fake, 0 = real; both must occur.
    a, b : array, (n,)
        Finite scores of the two runs; higher = more likely fake.

    Raises
    ------
    ValueError
        See `avforensics.evaluation.metrics.check_scores`.
    """
    placed = [_placements(*check_scores(labels, scores)) for scores in (a, b)]
    fakes, reals = (np.stack(one) for one in zip(*placed, strict=True))
    first, second = (float(auc) for auc in fakes.mean(1))
    difference = second - first
    if min(fakes.shape[1], reals.shape[1]) < 2:
        return DeLong(first, second, difference, None, None)
    error = float(
        np.sqrt(sum(np.var(of[1] - of[0], ddof=1) / of.shape[1] for of in (fakes, reals)))
    )
    if error == 0:
        return DeLong(first, second, difference, 0.0, None if difference else 1.0)
    p_value = float(2 * stats.norm.sf(abs(difference) / error))
    return DeLong(first, second, difference, error, p_value)


def _placements(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return shares of reals below each fake, and of fakes above each real; ties count half."""
    fakes, reals = scores[labels == 1], scores[labels == 0]
    ranks = stats.rankdata(np.concatenate([fakes, reals]))
    below = (ranks[: len(fakes)] - stats.rankdata(fakes)) / len(reals)
    above = 1 - (ranks[len(fakes) :] - stats.rankdata(reals)) / len(fakes)
    return below, above


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct p-values with Holm's method, which controls the family-wise error rate.

    The smallest of n p-values is multiplied by n, the next by n - 1 and so on; the results are made
    non-decreasing and at most 1. None values are kept and not counted.
    """
    order = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for done, (p, place) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - done) * p))
        corrected[place] = largest
    return corrected
