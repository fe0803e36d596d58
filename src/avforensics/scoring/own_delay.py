"""A curve over windows that is high where a video's constant delay is not most probable.

The curve compares the probability mass at the constant delay, as in the statistic `mass_at_delay`,
with the mass at each window's most probable delay. A part with different audio stands out over its
whole length, whereas low confidence of the network alone has no effect. The curve needs no training
and no real videos.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from avforensics.scoring.offset import delay_probabilities, inner_windows
from avforensics.scoring.result import DelayCurve
from avforensics.scoring.rows import NEAR
from avforensics.scoring.sequences import SequencePolicy
from avforensics.smoothing import running_mean

SLIDING = 11  # windows per running mean
LEAST_RATIO = 0.02  # bounds the logarithm of (mass at the constant delay / mass at the best delay)


def off_own_delay(
    sync_logits: ArrayLike, valid_audio: ArrayLike, chosen: ArrayLike | None = None
) -> np.ndarray:
    """Measure how much less probable the constant delay is than the best delay: float64, (N,).

    The value is the logarithm of the ratio of the two masses, each within `NEAR` frames of its
    delay, averaged over `SLIDING` windows; 0 = the constant delay is the best throughout. If some
    delays of a window reach into padding, only the remaining delays are compared, and any excess
    over the median of the inner windows is multiplied by the share of remaining delays.

    Parameters
    ----------
    sync_logits : float array, (N, 2 * tau + 1)
    valid_audio : bool array, (N,)
        Whether every delay of a window has audio, not padding.
    chosen : int array, (M,), optional
        Positions of the windows to use, ascending. Means do not cross gaps, and values are returned
        only for these windows. None = all windows.
    """
    valid_audio = np.asarray(valid_audio, bool)
    chosen = np.arange(len(valid_audio)) if chosen is None else np.asarray(chosen)
    probability = delay_probabilities(np.asarray(sync_logits)[chosen])
    heard = _heard(valid_audio, probability.shape[1])[chosen]
    inner, _ = inner_windows(valid_audio[chosen])
    own = int(probability[inner].mean(axis=0).argmax())
    probability[~heard] = 0.0
    mass = running_mean(probability.T, 2 * NEAR + 1, mode="constant").T
    highest = np.maximum(mass.max(axis=1), np.finfo(np.float64).tiny)
    loss = -np.log(np.clip(mass[:, own], 0, None) / highest + LEAST_RATIO)
    usual = np.median(loss[inner])
    share = np.where(heard[:, own], heard.mean(axis=1), 0.0)
    loss = np.minimum(loss, usual + share * (loss - usual))
    runs = np.split(loss, np.flatnonzero(np.diff(chosen) > 1) + 1)
    return np.concatenate([running_mean(run, SLIDING, mode="nearest") for run in runs])


def _heard(valid_audio: np.ndarray, delays: int) -> np.ndarray:
    """Return a mask (N, delays) that is True at the delays at which a window has audio.

    The k-th window before the first valid window lacks audio at the k lowest delays; the k-th
    window after the last valid window lacks audio at the k highest delays. If no window is valid,
    the mask is True everywhere.
    """
    whole = np.flatnonzero(valid_audio)
    if not len(whole):
        return np.ones((len(valid_audio), delays), bool)
    window, index = np.arange(len(valid_audio))[:, None], np.arange(delays)
    before = (window < whole[0]) & (index >= whole[0] - window)
    after = (window > whole[-1]) & (index < delays - (window - whole[-1]))
    return valid_audio[:, None] | before | after


def own_delay_curve(
    sync_logits: np.ndarray,
    valid_audio: np.ndarray,
    policy: SequencePolicy,
    *,
    first_window: int = 0,
    speaks: np.ndarray | None = None,
) -> DelayCurve | None:
    """Compute `off_own_delay` for the scored windows; None if too few have audio at every delay.

    Parameters
    ----------
    sync_logits, valid_audio
        As in `off_own_delay`, for all windows.
    policy : SequencePolicy
        Scoring policy; windows that it does not score are ignored.
    first_window : int
        Index of the first row's window in the video.
    speaks : bool array, (N,), optional
        Windows in which the face speaks; other windows are ignored.
    """
    kept = policy.kept(valid_audio)
    if speaks is not None:
        kept = kept[speaks[kept]]
    if not inner_windows(np.asarray(valid_audio)[kept])[1]:
        return None
    return DelayCurve(first_window + kept, off_own_delay(sync_logits, valid_audio, kept))
