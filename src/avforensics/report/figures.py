"""Figures for papers: observed and predicted delays, and losses over time (paper Fig. 3).

The figures use only matplotlib's ``Figure``, which needs neither pyplot nor a display nor global
state.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from avforensics.files import atomic_path
from avforensics.media.types import FPS
from avforensics.report.plot_data import PlotData, middle_of, plot_data_of
from avforensics.scoring.offset import FRAME_MS
from avforensics.scoring.result import VideoResult

# Colour-blind readers can distinguish Okabe and Ito's colours and the cividis map.
BLUE, ORANGE = "#0072B2", "#D55E00"
COLORMAP = "cividis"

COLUMN_INCHES = 5.5  # width of a figure; CVPR and NeurIPS pages have 5.5 to 6.9 inches of text
STYLE = {
    "font.size": 8,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "pdf.fonttype": 42,  # store text as text in PDF files, as conferences require
    "savefig.dpi": 300,
}
FORMATS = ("png", "pdf", "svg")


def save_figures(
    result: VideoResult,
    folder: str | os.PathLike,
    formats: Sequence[str] = ("png", "pdf"),
) -> list[Path]:
    """Write the figures ``delays`` and ``losses`` of a scored video in each format.

    Parameters
    ----------
    result : VideoResult
        Result with scores, features and steps.
    folder : str or PathLike
        Output folder, which is created if it is missing.
    formats : sequence of str
        Formats among ``png`` (300 dpi), ``pdf`` and ``svg``.

    Returns
    -------
    list of Path
        Paths of the written files.

    Raises
    ------
    ValueError
        A format is unknown, or the result has no scores, features or steps.
    """
    if unknown := sorted(set(formats) - set(FORMATS)):
        raise ValueError(f"unknown figure format {unknown[0]!r}; known: {', '.join(FORMATS)}")
    if not result.scores:
        raise ValueError(f"{result.path}: not scored, so there is nothing to draw")
    curves = plot_data_of(result, result.scores[0].lam)
    written = []
    with rc_context(STYLE):
        for name, figure in (("delays", delays_figure(curves)), ("losses", losses_figure(curves))):
            for suffix in formats:
                path = Path(folder) / f"{name}.{suffix}"
                with atomic_path(path) as partial:
                    # Without dates, the bytes depend only on the result.
                    dated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
                    figure.savefig(partial, metadata=dated.get(suffix))
                written.append(path)
    return written


def delays_figure(curves: PlotData) -> Figure:
    """Plot the observed probability of each delay over time and, below, the predicted one."""
    figure = Figure(figsize=(COLUMN_INCHES, 3.4), layout="constrained")
    axes = figure.subplots(2, 1, sharex=True, sharey=True)
    predicted = np.full(curves.probabilities.shape, np.nan)
    predicted[curves.window - curves.first_window] = curves.prediction
    top = float(max(curves.probabilities.max(), np.nanmax(predicted, initial=0)))
    for axis, rows, title in zip(
        axes, (curves.probabilities, predicted), ("Observed", "Predicted"), strict=True
    ):
        image = _heat_map(axis, rows, curves, top)
        axis.set_title(title, loc="left", fontsize=8)
    axes[1].set_xlabel("time (s)")
    bar = figure.colorbar(image, ax=axes, pad=0.02, aspect=40)
    bar.set_label("probability")
    bar.outline.set_linewidth(0.6)
    return figure


def losses_figure(curves: PlotData) -> Figure:
    """Plot the step losses and, below, their cumulative sum."""
    figure = Figure(figsize=(COLUMN_INCHES, 2.8), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    time = middle_of(curves.window)
    upper.plot(time, curves.loss, color=BLUE, linewidth=1, label="step loss")
    if curves.lam:
        weighed = curves.lam * curves.activation
        upper.plot(time, weighed, color=ORANGE, linewidth=1, linestyle="--", label="activation")
        upper.legend(frameon=False, ncols=2, loc="upper right")
    upper.set_ylabel("step loss")
    lower.plot(time, curves.cumulative, color=BLUE, linewidth=1.2)
    lower.set_ylabel("cumulative loss")
    lower.set_xlabel("time (s)")
    for axis in (upper, lower):
        axis.set_ylim(bottom=0)
        axis.set_xlim(_extent(curves))
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def _extent(curves: PlotData) -> tuple[float, float]:
    half = 0.5 / FPS
    ends = [curves.first_window, curves.first_window + len(curves.probabilities) - 1]
    start, end = middle_of(np.array(ends))
    return start - half, end + half


def _heat_map(axis: Axes, rows: np.ndarray, curves: PlotData, top: float) -> AxesImage:
    """Draw a heat map of delays in frames (left axis) and milliseconds (right axis) over time."""
    delays = curves.delays
    image = axis.imshow(
        rows.T,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap=COLORMAP,
        vmin=0,
        vmax=top,
        extent=(*_extent(curves), delays[0] - 0.5, delays[-1] + 0.5),
    )
    axis.set_yticks(delays[delays % 5 == 0])
    axis.set_ylabel("delay (frames)")
    axis.axhline(0, color="white", linewidth=0.4, alpha=0.5)
    to_ms, to_frames = (lambda frames: frames * FRAME_MS), (lambda ms: ms / FRAME_MS)
    right = axis.secondary_yaxis("right", functions=(to_ms, to_frames))
    right.set_ylabel("delay (ms)")
    return image
