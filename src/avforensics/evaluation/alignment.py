"""Estimate the constant delay of recordings, and find clips with a voice-over.

The audio and video of a genuine recording may be a few frames apart throughout. A network trained
on such clips learns that several delays are right. Its logits nevertheless show the delay of each
clip, which a second training run can then correct (``Row.delay``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax

NEAR = 1  # frames; windows this close to a delay support it


@dataclass(frozen=True, kw_only=True)
class AlignmentSettings:
    """Criteria for accepting an estimate.

    Parameters
    ----------
    sure : float
        Minimum margin (nats) between the summed log-probabilities of the best delay and of any
        delay more than a frame away.
    most : int
        Largest accepted delay in frames.
    least_windows : int
        Minimum number of windows with valid audio for an estimate from a single clip.
    least_share : float
        Minimum share of a clip's windows that point to its best delay (within a frame). Clips with
        enough windows but a smaller share are dropped: the visible person is not the speaker, or
        nobody speaks.

    Raises
    ------
    ValueError
        A value is out of range.
    """

    sure: float = 10.0
    most: int = 12
    least_windows: int = 20
    least_share: float = 0.2

    def __post_init__(self) -> None:
        if self.sure < 0 or self.most < 0 or self.least_windows < 1:
            raise ValueError(
                f"`sure` and `most` must be >= 0 and `least_windows` >= 1, got {self.sure:g}, "
                f"{self.most} and {self.least_windows}"
            )
        if not 0 <= self.least_share < 1:
            raise ValueError(f"least_share must be within [0, 1), got {self.least_share}")


@dataclass(frozen=True)
class DelayEstimate:
    """Estimated constant delay of a set of windows."""

    delay: int  # in frames; positive = the matching audio comes later than the video
    margin: float  # margin (nats) over the best of the delays that are more than a frame away
    share: float  # share of windows whose most likely delay lies within a frame of ``delay``
    windows: int


def estimate_delay(rows: np.ndarray) -> DelayEstimate:
    """Estimate the constant delay of windows.

    Parameters
    ----------
    rows : float array, (N, 2 * tau + 1)
        Logits of windows with valid audio at every delay.
    """
    tau = rows.shape[1] // 2
    if not len(rows):
        return DelayEstimate(0, 0.0, 0.0, 0)
    total = log_softmax(rows.astype(np.float64), axis=1).sum(axis=0)
    best = int(total.argmax())
    far = np.abs(np.arange(len(total)) - best) > NEAR
    near = np.abs(rows.argmax(axis=1) - best) <= NEAR
    margin = float(total[best] - total[far].max()) if far.any() else 0.0
    return DelayEstimate(best - tau, margin, float(near.mean()), len(rows))


@dataclass(frozen=True)
class Alignment:
    """Result for one clip."""

    delay: int  # delay to compensate, in frames
    basis: str  # ``recording``, ``clip``, or ``unsure`` (the delay is 0)
    voice_over: bool  # whether to drop the clip
    own: DelayEstimate  # estimate from this clip only


def align(
    clips: Sequence[np.ndarray], recordings: Sequence[str], settings: AlignmentSettings
) -> list[Alignment]:
    """Estimate the delay of each clip, jointly with the other clips of its recording if possible.

    Parameters
    ----------
    clips : sequence of float array, (N, 2 * tau + 1)
        Logits of each clip's windows with valid audio at every delay.
    recordings : sequence of str
        Recording of each clip; clips with an empty (unknown) recording are treated separately.
    """
    own = [estimate_delay(rows) for rows in clips]
    voice_over = [
        estimate.windows >= settings.least_windows and estimate.share < settings.least_share
        for estimate in own
    ]
    of: dict[str, list[int]] = {}
    for index, name in enumerate(recordings):
        if name and not voice_over[index] and own[index].windows:
            of.setdefault(name, []).append(index)
    pooled = {
        name: estimate_delay(np.concatenate([clips[index] for index in members]))
        for name, members in of.items()
        if len(members) > 1
    }
    found = []
    for index, name in enumerate(recordings):
        delay, basis = 0, "unsure"
        if name in pooled and _believed(pooled[name], settings):
            delay, basis = pooled[name].delay, "recording"
        elif own[index].windows >= settings.least_windows and _believed(own[index], settings):
            delay, basis = own[index].delay, "clip"
        found.append(Alignment(delay, basis, voice_over[index], own[index]))
    return found


def _believed(estimate: DelayEstimate, settings: AlignmentSettings) -> bool:
    return estimate.margin >= settings.sure and abs(estimate.delay) <= settings.most
