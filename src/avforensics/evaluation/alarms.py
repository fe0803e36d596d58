"""Find segments that deviate from a video's constant delay, and their rate in real videos.

A segment's score is the mean of the delay curve (`avforensics.scoring.own_delay`) inside the
segment minus the mean outside, times roughly the square root of its length; see `propose_segments`.
The threshold is the score that segments of real videos exceed at a given rate per minute.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from avforensics.errors import ConfigError
from avforensics.evaluation.localisation import propose_segments
from avforensics.media.types import FPS
from avforensics.scoring.result import DelayCurve

LONGEST = 3 * FPS  # maximum windows per segment; most calibration videos last a few seconds
MOST_PER_MINUTE = 20  # segments kept per minute of real video; limits how low a threshold can be
SAME = 0.01  # intersection over union above which two segments count as the same


def segments_off(curve: DelayCurve, least: float = 0.0, count: int | None = None) -> np.ndarray:
    """Return the distinct segments that stand out in a delay curve.

    Parameters
    ----------
    least : float
        Score that a segment must exceed.
    count : int, optional
        Maximum number of segments; None = all.

    Returns
    -------
    float array, (P, 3)
        Start and end in seconds, and score; best first.
    """
    return propose_segments(
        curve.value,
        curve.window,
        count=len(curve.value) if count is None else count,
        max_windows=LONGEST,
        overlap=SAME,
        over_gaps=False,
        least=least,
    )


def check_per_minute(rate: float) -> None:
    """Raise ConfigError unless a rate of false segments is in (0, `MOST_PER_MINUTE`]."""
    if not 0 < rate <= MOST_PER_MINUTE:
        raise ConfigError(
            f"false_segments_per_minute must be above 0 and at most {MOST_PER_MINUTE}, got {rate}"
        )


@dataclass(frozen=True)
class SegmentAlarms:
    """Scores of segments that stand out in real videos.

    Attributes
    ----------
    scores : float64 array, (n,)
        The highest scores in descending order; at most `MOST_PER_MINUTE` per minute.
    minutes : float
        Duration of the real videos searched.
    """

    scores: np.ndarray
    minutes: float

    @classmethod
    def fit(cls, curves: Iterable[DelayCurve]) -> SegmentAlarms | None:
        """Fit to the curves of held-out real videos; return None if no curve is given."""
        found, windows = [], 0
        for curve in curves:
            most = math.ceil(MOST_PER_MINUTE * len(curve.value) / FPS / 60)
            found.append(segments_off(curve, count=max(most, 3))[:, 2])
            windows += len(curve.value)
        if not windows:
            return None
        minutes = windows / FPS / 60
        scores = np.sort(np.concatenate(found))[::-1]
        return cls(scores[: math.ceil(MOST_PER_MINUTE * minutes)], minutes)

    def threshold(self, per_minute: float) -> float | None:
        """Return a score exceeded by at most ``per_minute`` segments per minute of real video.

        Return None if there is too little real video for the rate.

        Raises
        ------
        ConfigError
            The rate is not in (0, `MOST_PER_MINUTE`].
        """
        check_per_minute(per_minute)
        above = int(per_minute * self.minutes * (1 + 1e-12))
        if not above:
            return None
        return float(self.scores[above - 1]) if above <= len(self.scores) else 0.0

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays to save, by name."""
        return {"scores": np.ascontiguousarray(self.scores, np.float64)}

    def header(self) -> str:
        """Return the header to save, as JSON."""
        return json.dumps({"minutes": self.minutes})

    @classmethod
    def restore(cls, header: str, arrays: Mapping[str, np.ndarray]) -> SegmentAlarms:
        """Rebuild from saved data; raises KeyError, TypeError or ValueError if it is damaged."""
        return cls(arrays["scores"], float(json.loads(header)["minutes"]))
