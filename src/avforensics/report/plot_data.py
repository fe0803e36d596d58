"""Numbers that a report plots over time.

Time is counted from the video's first frame, at 25 frames per second. The values of a window are
drawn over its middle frame: window ``k`` covers frames ``k..k+4`` and is drawn from
``(k + 2) / 25`` to ``(k + 3) / 25`` seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avforensics.media.types import FPS
from avforensics.models.visual import WINDOW_FRAMES
from avforensics.scoring.offset import delay_probabilities
from avforensics.scoring.result import VideoResult


@dataclass(frozen=True)
class PlotData:
    """Delay probabilities and losses of a video, for plotting.

    Attributes
    ----------
    first_window : int
        Index of the window in the first row of ``probabilities``.
    probabilities : float64, (N, D)
        Softmax of the synchronisation logits over the D delays (Eq. 1).
    valid_audio : bool, (N,)
        True if there is audio at every delay of the window.
    window : int64, (S,)
        Indices of the predicted windows.
    prediction : float64, (S, D)
        Predicted delay probabilities of the predicted windows.
    distribution, activation : float64, (S,)
        Step losses of the distribution and activation models.
    lam : float
        Weight of the activation loss.
    off_delay : float64, (S,)
        Departure of the predicted windows from the face's usual delay, see `own_delay_curve`; NaN
        if unknown.
    """

    first_window: int
    probabilities: np.ndarray
    valid_audio: np.ndarray
    window: np.ndarray
    prediction: np.ndarray
    distribution: np.ndarray
    activation: np.ndarray
    lam: float
    off_delay: np.ndarray

    @property
    def loss(self) -> np.ndarray:
        """Step losses, weighted as in the score, (S,)."""
        if self.lam == 0:  # without an activation model, its losses are NaN
            return self.distribution
        return self.distribution + self.lam * self.activation

    @property
    def cumulative(self) -> np.ndarray:
        """Cumulative sum of the step losses, (S,), as in the paper's Fig. 3."""
        return np.nancumsum(self.loss)

    @property
    def delays(self) -> np.ndarray:
        """Delay in frames of each column of ``probabilities``, (D,)."""
        count = self.probabilities.shape[1]
        return np.arange(count) - count // 2

    @property
    def span(self) -> tuple[float, float]:
        """Start of the first window and end of the last window, in seconds."""
        last = self.first_window + len(self.probabilities) - 1
        return self.first_window / FPS, (last + WINDOW_FRAMES) / FPS


def plot_data_of(result: VideoResult, lam: float) -> PlotData:
    """Collect the plot data of a scored video.

    Parameters
    ----------
    result : VideoResult
        Result with features and steps.
    lam : float
        Weight of the activation loss in the score.

    Raises
    ------
    ValueError
        The result has no features or steps (scoring failed, or they were dropped).
    """
    features, steps = result.features, result.steps
    if features is None or steps is None:
        raise ValueError(
            f"{result.path}: the result has no features or steps, which a report needs"
        )
    off_delay = np.full(len(steps.window), np.nan)
    if (curve := result.off_delay) is not None:
        _, here, there = np.intersect1d(steps.window, curve.window, return_indices=True)
        off_delay[here] = curve.value[there]
    return PlotData(
        first_window=features.first_window,
        probabilities=delay_probabilities(features.sync_logits),
        valid_audio=np.asarray(features.valid_audio, bool),
        window=np.asarray(steps.window, np.int64),
        prediction=np.asarray(steps.prediction, np.float64),
        distribution=np.asarray(steps.distribution, np.float64),
        activation=np.asarray(steps.activation, np.float64),
        lam=lam,
        off_delay=off_delay,
    )


def middle_of(window: np.ndarray) -> np.ndarray:
    """Return the time in seconds at the centre of each window's middle frame."""
    return (np.asarray(window) + WINDOW_FRAMES / 2) / FPS


def binned(values: np.ndarray, index: np.ndarray, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Average rows over bins of ``stride`` windows, to draw long videos in fewer columns.

    Parameters
    ----------
    values : float array, (n, ...)
    index : int array, (n,)
        Window of each row, increasing.
    stride : int
        Number of windows per bin: bin ``b`` contains windows ``b * stride`` to
        ``(b + 1) * stride - 1``.

    Returns
    -------
    float array, (m, ...)
        Mean of each non-empty bin.
    int array, (m,)
        Indices of the non-empty bins.
    """
    if stride == 1 or not len(index):
        return values, index
    bins, first = np.unique(index // stride, return_index=True)
    counts = np.diff(np.append(first, len(index))).reshape(-1, *[1] * (values.ndim - 1))
    return np.add.reduceat(values, first, axis=0) / counts, bins
