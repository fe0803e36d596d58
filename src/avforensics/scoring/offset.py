"""Estimate a video's constant delay from the windows with valid audio at every delay.

Near the ends of a recording, some delays of a window reach into padding, where the network's output
is meaningless. Properties of a whole video are therefore measured on its inner windows if it has
enough of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from avforensics.media.types import FPS
from avforensics.scoring.result import Features

FRAME_MS = 1000 // FPS
ENOUGH = 10  # minimum number of inner windows (0.56 s); with fewer, all windows of a clip are used


@dataclass(frozen=True)
class ConstantOffset:
    """The delay that fits the whole video best.

    Attributes
    ----------
    frames : int
        The delay in frames; positive = the matching audio comes later than the video.
    probability : float
        Mean probability of that delay over the windows.
    chance : float
        Probability of each delay if all delays were equally likely.
    """

    frames: int
    probability: float
    chance: float

    @property
    def milliseconds(self) -> int:
        return self.frames * FRAME_MS

    @property
    def is_clear(self) -> bool:
        """True if the delay is at least twice as likely as by chance."""
        return self.probability >= 2 * self.chance


def delay_probabilities(logits: ArrayLike) -> np.ndarray:
    """Compute the softmax of rows of logits (Eq. 1), (N, D) -> float64 (N, D).

    Raises
    ------
    ValueError
        ``logits`` is empty or not two-dimensional.
    """
    powers = _below_largest(logits)
    np.exp(powers, out=powers)  # in place: an hour of rows takes 22 MB
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def log_probabilities(logits: ArrayLike) -> np.ndarray:
    """Compute the logarithm of `delay_probabilities` without underflow."""
    below = _below_largest(logits)
    below -= np.log(np.exp(below).sum(axis=1, keepdims=True))
    return below


def _below_largest(logits: ArrayLike) -> np.ndarray:
    rows = np.array(logits, dtype=np.float64)
    if rows.ndim != 2 or not len(rows):
        raise ValueError(f"logits must be (N, 2 * tau + 1), got {rows.shape}")
    rows -= rows.max(axis=1, keepdims=True)
    return rows


def inner_windows(valid_audio: ArrayLike) -> tuple[np.ndarray, bool]:
    """Return the positions of the windows that represent a whole video.

    Parameters
    ----------
    valid_audio : bool array, (N,)
        Whether every delay of a window has audio, not padding.

    Returns
    -------
    int64 array, (M,)
        The valid windows; all windows if fewer than `ENOUGH` are valid.
    bool
        Whether enough windows are valid.
    """
    valid_audio = np.asarray(valid_audio, dtype=bool)
    found = np.flatnonzero(valid_audio)
    enough = len(found) >= ENOUGH
    return (found if enough else np.arange(len(valid_audio))), enough


def constant_offset(features: Features) -> ConstantOffset:
    """Find the delay with the highest mean probability over a video's inner windows.

    Distributions over delays (Eq. 1) are averaged, so each window has one vote, whatever the size
    of its logits.
    """
    chosen, _ = inner_windows(features.valid_audio)
    mean = delay_probabilities(features.sync_logits)[chosen].mean(axis=0)
    best = int(mean.argmax())
    return ConstantOffset(best - len(mean) // 2, float(mean[best]), 1 / len(mean))
