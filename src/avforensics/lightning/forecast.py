"""Figures of observed and predicted delays."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor


def draw_delays(axes: Axes, rows: Tensor, *, first: int = 0) -> None:
    """Draw the delay probabilities (N, 2 * tau + 1) of windows from window ``first`` on."""
    n, delays = rows.shape
    axes.imshow(
        rows.T.numpy(),
        origin="lower",
        aspect="auto",
        cmap="cividis",
        extent=(first - 0.5, first + n - 0.5, -delays / 2, delays / 2),
    )


def forecast_figure(clips: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Figure:
    """Draw clips side by side, each with observed delays, predicted delays and losses (Fig. 3).

    Parameters
    ----------
    clips : sequence of (Tensor, Tensor, Tensor)
        Logits (L - 1, 2 * tau + 1), predicted probabilities of the same shape, step losses
        (L - 1,).
    """
    figure = Figure(figsize=(3.2 * len(clips), 5.2), layout="constrained")
    axes = figure.subplots(3, len(clips), sharex="col", squeeze=False)
    for column, (logits, predicted, losses) in zip(axes.T, clips, strict=True):
        for panel, rows in zip(column, (logits.softmax(-1), predicted), strict=False):
            draw_delays(panel, rows, first=1)
        column[2].plot(range(1, len(losses) + 1), losses.numpy(), color="0.2")
        column[2].set_ylim(bottom=0)
        column[2].set_xlabel("window")
    for panel, name in zip(axes[:, 0], ("observed", "predicted", "step loss"), strict=True):
        panel.set_ylabel(name if name == "step loss" else f"{name}\ndelay (frames)")
    return figure
