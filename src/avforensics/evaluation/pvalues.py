"""P-values with respect to held-out real videos."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def p_values(reals: np.ndarray, values: ArrayLike) -> np.ndarray:
    """Return the p-value of each value, (...) in ``[1 / (n + 1), 1]``.

    The p-value is the share of real values at or above the given value, counting the tested video
    itself, which keeps the false-positive rate valid for any n. Between real values, linear
    interpolation never falls below the step function, so the rate remains valid. Values above
    the highest real value all get 1 / (n + 1): n videos cannot tell rarer values apart.

    Parameters
    ----------
    reals : float array, (n,)
        Values of held-out real videos.
    values : array, (...)
        Values to rank; higher = more unusual.
    """
    known, counts = np.unique(reals, return_counts=True)
    n = len(reals)
    below = np.cumsum(counts) - counts
    at_least = (n - below + 1) / (n + 1)
    values = np.asarray(values, dtype=np.float64)
    p = np.interp(values, known, at_least, left=1.0)
    return np.where(values > known[-1], 1 / (n + 1), p)
