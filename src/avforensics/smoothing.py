"""Filters over time in plain NumPy, numerically identical to those of ``scipy.ndimage``.

SciPy is avoided because importing it takes longer than scoring a short clip.
"""

from __future__ import annotations

import numpy as np

MODES = {
    "nearest": "edge",
    "reflect": "symmetric",
    "constant": "constant",
}  # SciPy's names to NumPy's
_ROWS = 10_000  # rows sorted at a time, which bounds memory


def gaussian(values: np.ndarray, deviation: float) -> np.ndarray:
    """Filter with a Gaussian along the first axis, repeating the end values.

    Parameters
    ----------
    values : float64 array, (T, ...)
    deviation : float
        Standard deviation in steps; the filter is truncated at four deviations.
    """
    reach = reach_of(deviation)
    weights = np.exp(-0.5 / deviation**2 * np.arange(-reach, reach + 1) ** 2)
    weights /= weights.sum()
    padded = _padded(values, 2 * reach + 1, "nearest")
    count = len(values)
    total = padded[reach : reach + count] * weights[reach]
    for near in range(reach):  # outermost first, in SciPy's order of summation
        far = 2 * reach - near
        total += (padded[near : near + count] + padded[far : far + count]) * weights[near]
    return total


def reach_of(deviation: float) -> int:
    """Return the number of steps on each side that the result of `gaussian` depends on."""
    return int(4 * deviation + 0.5)


def running_mean(values: np.ndarray, size: int, *, mode: str) -> np.ndarray:
    """Compute the running mean along the first axis.

    Parameters
    ----------
    values : float64 array, (T, ...)
    size : int
        Window length in steps.
    mode : {"nearest", "reflect", "constant"}
        Padding: the last value, mirrored values, or zeros.
    """
    padded = _padded(values, size, mode)
    total = np.concatenate([np.cumsum(padded[:size], axis=0)[-1:], padded[size:]])
    total[1:] -= padded[:-size]
    np.cumsum(total, axis=0, out=total)
    total /= size
    return total


def running_rank(values: np.ndarray, size: int, rank: int, *, mode: str) -> np.ndarray:
    """Compute the value of a given rank (0 = minimum) in running windows along the first axis.

    The median has rank ``size // 2``, and the 90th percentile has rank ``int(0.9 * size)``. The
    other parameters are those of `running_mean`.
    """
    windows = np.lib.stride_tricks.sliding_window_view(_padded(values, size, mode), size, axis=0)
    parts = [windows[start : start + _ROWS] for start in range(0, len(windows), _ROWS)]
    return np.concatenate([np.partition(part, rank, axis=-1)[..., rank] for part in parts])


def widened(flags: np.ndarray, size: int) -> np.ndarray:
    """Mark each step that has at least one of the (T,) flags in its surrounding window."""
    return running_rank(flags, size, size - 1, mode="constant")


def _padded(values: np.ndarray, size: int, mode: str) -> np.ndarray:
    around = [(size // 2, size - size // 2 - 1), *[(0, 0)] * (values.ndim - 1)]
    return np.pad(values, around, mode=MODES[mode])
