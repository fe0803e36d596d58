"""Rows from which the statistics of a video are computed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from avforensics.scoring.offset import delay_probabilities, inner_windows
from avforensics.scoring.result import Features, Steps
from avforensics.scoring.sequences import SequencePolicy

NEAR = 1  # frames; delays this close count as equal because they share most of their audio


@dataclass(frozen=True, eq=False)
class VideoRows:
    """Input of the statistics: the windows of one video, in order.

    Attributes
    ----------
    logits : float array, (N, D)
        Rows of logits over delays.
    window : int array, (N,)
        Index of each window in the video; a gap separates windows that are not consecutive.
    inner : bool
        Whether every delay of these windows has valid audio. False = this holds for fewer than
        `avforensics.scoring.offset.ENOUGH` windows, so all windows are included.
    score : float or None
        The published score.
    activation : float array, (N,), or None
        Step loss of the activation model, NaN where a window was not predicted.
    delay_frequency : float array, (D,), or None
        Log-probability that each delay is the most likely delay of a window in real videos.
    """

    logits: np.ndarray
    window: np.ndarray
    inner: bool = True
    score: float | None = None
    activation: np.ndarray | None = None
    delay_frequency: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        features: Features,
        policy: SequencePolicy,
        steps: Steps | None = None,
        *,
        score: float | None = None,
        delay_frequency: np.ndarray | None = None,
        speaks: np.ndarray | None = None,
    ) -> VideoRows:
        """Select the inner windows among the scored windows, or all of them if too few are inner.

        Parameters
        ----------
        policy : SequencePolicy
            Scoring policy; windows that it does not score are left out.
        score, delay_frequency
            As in `VideoRows`.
        speaks : bool array, (N,), optional
            Windows in which the face speaks; other windows are left out.
        """
        kept = policy.kept(features.valid_audio)
        if speaks is not None and speaks[kept].any():
            kept = kept[speaks[kept]]
        if not len(kept):
            kept = np.arange(features.n_windows)
        chosen, inner = inner_windows(features.valid_audio[kept])
        position = kept[chosen]
        window = features.first_window + position
        activation = None
        if steps is not None and features.projected.shape[1]:
            losses = dict(zip(steps.window.tolist(), steps.activation.tolist(), strict=True))
            activation = np.array([losses.get(number, np.nan) for number in window.tolist()])
        logits = features.sync_logits[position]
        return cls(logits, window, inner, score, activation, delay_frequency)

    @classmethod
    def joined(cls, parts: Iterable[VideoRows], score: float | None = None) -> VideoRows:
        """Join the windows of several faces of one video, with a gap between parts.

        If ``inner`` is True for any part, the other parts are left out.
        """
        parts = list(parts)
        inner = any(part.inner for part in parts)
        parts = [part for part in parts if part.inner == inner]
        windows, after = [], 0
        for part in parts:
            windows.append(part.window - part.window[0] + after)
            after = int(windows[-1][-1]) + 2  # a gap: the next part does not follow this one
        with_activation = all(part.activation is not None for part in parts)
        return cls(
            np.concatenate([part.logits for part in parts]),
            np.concatenate(windows),
            inner,
            score,
            np.concatenate([part.activation for part in parts]) if with_activation else None,
            parts[0].delay_frequency,
        )

    @cached_property
    def probability(self) -> np.ndarray:
        """Softmax of the rows (Eq. 1), float64, (N, D)."""
        return delay_probabilities(self.logits)

    @cached_property
    def likeliest(self) -> np.ndarray:
        """Index of the most likely delay of each window, int64, (N,)."""
        return self.probability.argmax(axis=1)

    @cached_property
    def delay(self) -> int:
        """Index of the clip's delay, which has the highest mean probability."""
        return int(self.probability.mean(axis=0).argmax())

    @cached_property
    def mass_at_delay(self) -> np.ndarray:
        """Probability within `NEAR` frames of the clip's delay in each window, (N,)."""
        first = max(0, self.delay - NEAR)
        return self.probability[:, first : self.delay + NEAR + 1].sum(axis=1)

    @cached_property
    def follows(self) -> np.ndarray:
        """True where a window directly follows the previous window, bool, (N - 1,)."""
        return np.diff(self.window) == 1
