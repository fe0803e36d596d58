"""Likelihood ratios: how much more probable a value is for forgeries than for real videos.

All ratios are log10; positive values favour a forgery. The functions make no assumption about the
meaning of the values.

References: cost Cllr and its calibrated minimum, Brümmer and du Preez 2006; empirical bounds
(ELUB), Vergeer et al. 2016; pool-adjacent-violators, Zadrozny and Elkan 2002.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import ArrayLike

ELUB_STEP = 0.01  # grid step of the bounds, log10
_LN10 = np.log(10)


def split(log10_lr: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Split values by label into forgeries (1) and real videos (0), float64.

    Raises
    ------
    ValueError
        A label is invalid, a class is missing, or a value is NaN.
    """
    values, labels = np.asarray(log10_lr, np.float64), np.asarray(labels)
    if values.ndim != 1 or values.shape != labels.shape or np.isnan(values).any():
        raise ValueError(
            "log10_lr and labels must be (n,) without NaN, got shapes "
            f"{values.shape} and {labels.shape}"
        )
    fakes, reals = values[labels == 1], values[labels == 0]
    if not len(fakes) or not len(reals) or len(fakes) + len(reals) < len(values):
        raise ValueError("labels must be 0 (real) or 1 (fake), and both must occur")
    return fakes, reals


def cllr(log10_lr: ArrayLike, labels: ArrayLike) -> float:
    """Return the cost of the ratios: 0 = perfect, 1 = no better than a constant ratio of 1."""
    fakes, reals = split(log10_lr, labels)
    of_fakes = np.logaddexp(0, -fakes * _LN10).mean()
    of_reals = np.logaddexp(0, reals * _LN10).mean()
    return float((of_fakes + of_reals) / (2 * np.log(2)))


def best_calibrated(log10_lr: ArrayLike, labels: ArrayLike) -> np.ndarray:
    """Return the ratios that fit these videos best without changing the ranking (PAV), (n,).

    A ratio is infinite if no video of the other class has a more extreme value.
    """
    from sklearn.isotonic import isotonic_regression  # slow import, not needed for scoring

    fakes, reals = split(log10_lr, labels)
    known, place = np.unique(np.asarray(log10_lr, np.float64), return_inverse=True)
    of_fakes = np.bincount(place, np.asarray(labels) == 1, len(known)) / len(fakes)
    of_reals = np.bincount(place, np.asarray(labels) == 0, len(known)) / len(reals)
    weight = of_fakes + of_reals  # both classes have equal weight, whatever their sizes
    probability = isotonic_regression(of_fakes / weight, sample_weight=weight)
    with np.errstate(divide="ignore"):
        return np.log10(probability / (1 - probability))[place]


def cllr_min(log10_lr: ArrayLike, labels: ArrayLike) -> float:
    """Return the cost (`cllr`) that the same ranking would have with perfect calibration."""
    return cllr(best_calibrated(log10_lr, labels), labels)


def elub(log10_lr: ArrayLike, labels: ArrayLike, *, step: float = ELUB_STEP) -> tuple[float, float]:
    """Return empirical bounds of the ratios that the videos can support.

    Beyond these bounds, deciding by the ratios would cost more than ignoring them if one more video
    of each class were misleading.

    Parameters
    ----------
    log10_lr : array, (n,)
    labels : array, (n,)
    step : float
        Grid step of the search.

    Returns
    -------
    float, float
        Lower bound, at most 0, and upper bound, at least 0.
    """
    fakes, reals = split(np.clip(log10_lr, -20, 20), labels)
    lowest = max(min(fakes.min(), reals.min()), -np.log10(len(fakes) + 1))
    highest = min(max(fakes.max(), reals.max()), np.log10(len(reals) + 1))
    first = min(0, int(lowest // step))
    last = max(0, int(highest // step) + 1)
    grid = np.linspace(first * step, last * step, last - first + 1)
    odds = 10**grid
    # compared as ratios, not logarithms, as in the published definition
    missed = np.searchsorted(np.sort(10**fakes), odds, side="right")
    alarms = len(reals) - np.searchsorted(np.sort(10**reals), odds, side="right")
    cost = (missed + 1) / (len(fakes) + 1) + odds * (alarms + 1) / (len(reals) + 1)
    worse = np.minimum(odds, 1) / cost < 1
    lower = np.max(grid[worse & (grid <= 0)] + step, initial=grid[0])
    upper = np.min(grid[worse & (grid >= 0)] - step, initial=grid[-1])
    return min(float(lower), 0.0), max(float(upper), 0.0)


def tippett(log10_lr: ArrayLike, at: ArrayLike) -> np.ndarray:
    """Return the share of ratios at or above each point of a Tippett plot, (...)."""
    values = np.sort(np.asarray(log10_lr, np.float64))
    return 1 - np.searchsorted(values, np.asarray(at), side="left") / len(values)


def reliability(
    log10_lr: ArrayLike, labels: ArrayLike, *, bins: int = 10
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compare stated and observed shares of forgeries at prior odds of 1:1, in equal-sized bins.

    Returns
    -------
    float array, (bins,)
        Mean stated probability of a forgery.
    float array, (bins,)
        Observed share, with equal class weights.
    int array, (bins,)
        Number of videos per bin.
    """
    split(log10_lr, labels)
    values, labels = np.asarray(log10_lr, np.float64), np.asarray(labels)
    stated = 1 / (1 + 10 ** -np.clip(values, -300, 300))
    order = np.argsort(values, kind="stable")
    means, observed, counts = [], [], []
    for part in np.array_split(order, min(bins, len(values))):
        fakes = (labels[part] == 1).sum() / (labels == 1).sum()
        reals = (labels[part] == 0).sum() / (labels == 0).sum()
        means.append(stated[part].mean())
        observed.append(fakes / (fakes + reals))
        counts.append(len(part))
    return np.array(means), np.array(observed), np.array(counts)


Ratio = Callable[[np.ndarray], np.ndarray]


def logistic(values: np.ndarray, labels: np.ndarray) -> Ratio:
    """Fit the log10 ratio as a linear function of the value, with balanced logistic regression."""
    from sklearn.linear_model import LogisticRegression

    found = LogisticRegression(class_weight="balanced").fit(np.asarray(values)[:, None], labels)
    slope, start = float(found.coef_[0, 0]), float(found.intercept_[0])
    return lambda at: (start + slope * np.asarray(at, np.float64)) / _LN10


def kde(values: np.ndarray, labels: np.ndarray) -> Ratio:
    """Fit the log10 ratio of two kernel density estimates (normal kernels, Silverman's width)."""
    fakes, reals = split(values, labels)
    densities = [_log_density(part) for part in (fakes, reals)]
    return lambda at: (densities[0](at) - densities[1](at)) / _LN10


METHODS: dict[str, Callable[[np.ndarray, np.ndarray], Ratio]] = {"logistic": logistic, "kde": kde}


def _log_density(values: np.ndarray) -> Ratio:
    spread = values.std() or 1.0
    width = spread * (4 / (3 * len(values))) ** 0.2

    def log_density(at: np.ndarray) -> np.ndarray:
        away = (np.asarray(at, np.float64)[..., None] - values) / width
        kernels = torch.logsumexp(torch.from_numpy(-0.5 * away**2), dim=-1).numpy()
        return kernels - np.log(len(values) * width * np.sqrt(2 * np.pi))

    return log_density
