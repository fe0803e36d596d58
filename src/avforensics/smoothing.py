"""Filters over time in plain NumPy, with the very numbers of ``scipy.ndimage``.

To score a short clip takes less time than to import SciPy.
"""

from __future__ import annotations

import numpy as np

MODES = {"nearest": "edge", "reflect": "symmetric", "constant": "constant"}  # SciPy's and NumPy's
_ROWS = 10_000  # sorted at a time: windows over an hour would fill the memory


def gaussian(values: np.ndarray, deviation: float) -> np.ndarray:
    """A Gaussian over the first axis, (T, ...); beyond the ends the last values repeat.

    Parameters
    ----------
    values : float64 array, (T, ...)
    deviation : float
        Standard deviation in steps of the first axis; the filter ends at four of them.
    """
    reach = int(4 * deviation + 0.5)
    weights = np.exp(-0.5 / deviation**2 * np.arange(-reach, reach + 1) ** 2)
    weights /= weights.sum()
    padded = _padded(values, 2 * reach + 1, "nearest")
    count = len(values)
    total = padded[reach : reach + count] * weights[reach]
    for near in range(reach):  # outermost first, as SciPy adds them up
        far = 2 * reach - near
        total += (padded[near : near + count] + padded[far : far + count]) * weights[near]
    return total


def running_mean(values: np.ndarray, size: int, *, mode: str) -> np.ndarray:
    """Mean over windows along the first axis, (T, ...).

    Parameters
    ----------
    values : float64 array, (T, ...)
    size : int
        Steps of a window, around each.
    mode : {"nearest", "reflect", "constant"}
        What lies beyond the ends: the last value, the values mirrored, or zeros.
    """
    padded = _padded(values, size, mode)
    first = np.cumsum(padded[:size], axis=0)[-1:]
    return np.cumsum(np.concatenate([first, padded[size:] - padded[:-size]]), axis=0) / size


def running_rank(values: np.ndarray, size: int, rank: int, *, mode: str) -> np.ndarray:
    """The value of a rank (0 = the least) in windows along the first axis, (T, ...).

    The median has rank ``size // 2``, the 90th percentile ``int(0.9 * size)``. Other parameters are
    those of `running_mean`.
    """
    windows = np.lib.stride_tricks.sliding_window_view(_padded(values, size, mode), size, axis=0)
    parts = [windows[start : start + _ROWS] for start in range(0, len(windows), _ROWS)]
    return np.concatenate([np.partition(part, rank, axis=-1)[..., rank] for part in parts])


def widened(flags: np.ndarray, size: int) -> np.ndarray:
    """Whether any flag of a window around is set: bool, (T,)."""
    return running_rank(flags, size, size - 1, mode="constant")


def _padded(values: np.ndarray, size: int, mode: str) -> np.ndarray:
    around = [(size // 2, size - size // 2 - 1), *[(0, 0)] * (values.ndim - 1)]
    return np.pad(values, around, mode=MODES[mode])
