"""How usual a number is among those of held-out real videos."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def p_values(reals: np.ndarray, values: ArrayLike) -> np.ndarray:
    """How likely a real video has at least this value, (...) in ``[1 / (n + 1), 1]``.

    The share of real values at or above, counting the video itself (the +1 that keeps the
    false-positive rate at what it says for any n), joined by straight lines between values: these
    never fall below the steps, so the promise holds. Above the highest real value nothing is
    extrapolated: n videos cannot tell one in n + 1 from one in a million.

    Parameters
    ----------
    reals : float array, (n,)
    values : array, (...)
        Higher = more unusual.
    """
    known, counts = np.unique(reals, return_counts=True)
    n = len(reals)
    below = np.cumsum(counts) - counts
    at_least = (n - below + 1) / (n + 1)
    values = np.asarray(values, dtype=np.float64)
    p = np.interp(values, known, at_least, left=1.0)
    return np.where(values > known[-1], 1 / (n + 1), p)
