"""The constant delay of a video, from the windows of which every delay hears sound.

Near both ends of a recording some delays of a window reach into padding, which nobody recorded: a
network that finds silence unlikely (or likely) then says something about the padding. Everything
that is said of a video as a whole is therefore taken from its inner windows where there are enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from avforensics.media.types import FPS
from avforensics.scoring.result import Features

FRAME_MS = 1000 // FPS
ENOUGH = 10  # inner windows, 0.56 s; a clip with fewer is judged by all of its windows


@dataclass(frozen=True)
class ConstantOffset:
    """The delay that fits the whole video best.

    Attributes
    ----------
    frames : int
        Positive = the matching sound comes later than the picture.
    probability : float
        Mean probability of that delay over the windows.
    chance : float
        What it would be if all delays were equally likely.
    """

    frames: int
    probability: float
    chance: float

    @property
    def milliseconds(self) -> int:
        return self.frames * FRAME_MS

    @property
    def is_clear(self) -> bool:
        """Whether the delay stands out: twice as likely as chance."""
        return self.probability >= 2 * self.chance


def delay_probabilities(logits: ArrayLike) -> np.ndarray:
    """Softmax of rows of logits over delays (Eq. 1): (N, D) -> float64 (N, D).

    Raises
    ------
    ValueError
        There are no rows, or they are not rows.
    """
    powers = np.exp(_below_largest(logits))
    return powers / powers.sum(axis=1, keepdims=True)


def log_probabilities(logits: ArrayLike) -> np.ndarray:
    """The logarithm of `delay_probabilities`, also where those are too small for a float."""
    below = _below_largest(logits)
    return below - np.log(np.exp(below).sum(axis=1, keepdims=True))


def _below_largest(logits: ArrayLike) -> np.ndarray:
    rows = np.asarray(logits, dtype=np.float64)
    if rows.ndim != 2 or not len(rows):
        raise ValueError(f"rows over delays must be (N, 2 * tau + 1), not {rows.shape}")
    return rows - rows.max(axis=1, keepdims=True)


def inner_windows(valid_audio: ArrayLike) -> tuple[np.ndarray, bool]:
    """Positions of the windows that speak for a whole video.

    Parameters
    ----------
    valid_audio : bool array, (N,)
        Whether every delay of a window hears sound, not padding.

    Returns
    -------
    int64 array, (M,)
        Those windows; all of them where fewer than `ENOUGH` are heard in full.
    bool
        Whether there were enough.
    """
    valid_audio = np.asarray(valid_audio, dtype=bool)
    found = np.flatnonzero(valid_audio)
    enough = len(found) >= ENOUGH
    return (found if enough else np.arange(len(valid_audio))), enough


def constant_offset(features: Features) -> ConstantOffset:
    """The delay with the highest mean probability over a video's inner windows.

    The mean is taken of distributions over delays (Eq. 1), so each window has one vote, however
    large its logits.
    """
    chosen, _ = inner_windows(features.valid_audio)
    mean = delay_probabilities(features.sync_logits)[chosen].mean(axis=0)
    best = int(mean.argmax())
    return ConstantOffset(best - len(mean) // 2, float(mean[best]), 1 / len(mean))
