"""The constant delay of each recording, and clips in which somebody else speaks.

Sound and picture of a genuine recording may lie some frames apart from beginning to end. A network
that is trained on such clips learns that several delays are right. Once a first network exists, the
delay can be read from its rows and taken back (``Row.delay``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax

NEAR = 1  # frames: windows this close to a delay support it


@dataclass(frozen=True, kw_only=True)
class AlignmentSettings:
    """When an estimate is believed.

    Parameters
    ----------
    sure : float
        Nats by which the log-probabilities of all windows must favour the best delay over every
        delay more than a frame away.
    most : int
        Largest delay in frames that is believed.
    least_windows : int
        Windows whose every delay hears real sound that a clip needs to count by itself.
    least_share : float
        Clips with enough windows of which a smaller share points within a frame of the clip's best
        delay are left out: another person speaks, or nobody.

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
            raise ValueError("sure and most must be at least 0, least_windows at least 1")
        if not 0 <= self.least_share < 1:
            raise ValueError(f"least_share must be at least 0 and below 1, got {self.least_share}")


@dataclass(frozen=True)
class DelayEstimate:
    """The constant delay of some windows.

    Attributes
    ----------
    delay : int
        In frames; positive = the matching sound comes later than the picture.
    margin : float
        Nats by which it is more probable than the best delay more than a frame away.
    share : float
        Share of windows whose most likely delay lies within a frame of it.
    windows : int
        How many windows it rests on.
    """

    delay: int
    margin: float
    share: float
    windows: int


def estimate_delay(rows: np.ndarray) -> DelayEstimate:
    """Best constant delay of windows.

    Parameters
    ----------
    rows : float array, (N, 2 * tau + 1)
        Logits of windows whose every delay hears real sound.
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
    """What was found out about a clip.

    Attributes
    ----------
    delay : int
        To be taken back, in frames.
    basis : str
        ``recording``, ``clip``, or ``unsure`` (the delay is 0).
    voice_over : bool
        Whether the clip is to be left out.
    own : DelayEstimate
        From the clip alone.
    """

    delay: int
    basis: str
    voice_over: bool
    own: DelayEstimate


def align(
    clips: Sequence[np.ndarray], recordings: Sequence[str], settings: AlignmentSettings
) -> list[Alignment]:
    """Delays of clips, by recording where several clips agree, else by clip.

    Parameters
    ----------
    clips : sequence of float array, (N, 2 * tau + 1)
        For each clip the logits of its windows whose every delay hears real sound.
    recordings : sequence of str
        Which recording a clip is of; empty = its own.

    Returns
    -------
    list of Alignment, one for each clip
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
