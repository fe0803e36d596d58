"""Prepare the data for the face plots of a page: curves, boxes and a bar for each face."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avforensics.media.types import FPS
from avforensics.report.markup import numbers, packed
from avforensics.report.plot_data import PlotData, binned
from avforensics.report.stills import FaceBoxes

MOST_ROWS = 6000  # maximum number of rows of heat maps; if there are more, neighbours are averaged
HALF_A_FRAME = 0.5 / FPS  # seconds; the time of a box is the middle of its frame


def stride_for(curves: Sequence[PlotData]) -> int:
    """Return the number of windows per column of the plots; 1 if all windows fit."""
    total = sum(len(part.probabilities) for part in curves)
    return max(1, -(-total // MOST_ROWS))


def curve_data(curves: PlotData, stride: int, silence: Sequence[int | None]) -> dict[str, object]:
    """Return the curves of a face for the page's script, in bins of ``stride`` windows."""
    every = curves.first_window + np.arange(len(curves.probabilities))
    observed, bins = binned(curves.probabilities, every, stride)
    predicted, window = binned(curves.prediction, curves.window, stride)
    return {
        "firstWindow": int(bins[0]),
        "windows": len(observed),
        "silence": list(silence),
        "observed": packed(observed),
        "predicted": packed(predicted),
        "window": window.tolist(),
        "loss": numbers(binned(curves.loss, curves.window, stride)[0]),
        "offDelay": numbers(binned(curves.off_delay, curves.window, stride)[0]),
        "cumulative": numbers(_last_of_bins(curves.cumulative, curves.window, stride)),
        "activation": numbers(
            binned(curves.activation * (curves.lam or 1), curves.window, stride)[0]
        ),
    }


def _last_of_bins(values: np.ndarray, window: np.ndarray, stride: int) -> np.ndarray:
    if stride == 1 or not len(window):
        return values
    ends = np.flatnonzero(np.diff(window // stride, append=-1))
    return values[ends]


def box_data(track: FaceBoxes) -> dict[str, object]:
    """Return the boxes of a face for the overlay."""
    return {
        "label": track.label,
        "time": numbers(track.time, 7),
        "box": [numbers(box, 4) for box in track.box],
        "spans": [[round(start, 3), round(end, 3)] for start, end in track.spans],
    }


def strip_data(boxes: Sequence[FaceBoxes]) -> list[dict[str, object]]:
    """Return a bar for each face, with start, end and a lane without overlapping bars."""
    free: list[float] = []  # end of the last bar in each lane
    bars = []
    for track in boxes:
        start = float(track.time[0]) - HALF_A_FRAME
        end = float(track.time[-1]) + HALF_A_FRAME
        lane = next((i for i, until in enumerate(free) if until <= start), len(free))
        free[lane : lane + 1] = [end]
        bars.append({"start": start, "end": end, "lane": lane})
    return bars
