"""What the page of a video says of its faces: a table, a strip of who speaks, curves of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avforensics.media.types import FPS
from avforensics.report.annotations import Face, FaceBoxes
from avforensics.report.curves import Curves, binned
from avforensics.report.markup import numbers, packed, text
from avforensics.report.sentences import number, percent, signed
from avforensics.scoring.offset import constant_offset

MOST_ROWS = 6000  # of heat maps in a page; with more windows, neighbours are averaged
HALF_A_FRAME = 0.5 / FPS  # boxes are told at the middle of their frame


def stride_for(curves: Sequence[Curves]) -> int:
    """Windows that one drawn column stands for, 1 where there is room for all."""
    total = sum(len(part.probabilities) for part in curves)
    return max(1, -(-total // MOST_ROWS))


def curve_data(curves: Curves, stride: int, silence: Sequence[int | None]) -> dict[str, object]:
    """The curves of one face as the page's script draws them; windows are counted in bins."""
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
    """A face's boxes for the overlay."""
    return {
        "label": track.label,
        "time": numbers(track.time, 7),
        "box": [numbers(box, 4) for box in track.box],
        "spans": [[round(start, 3), round(end, 3)] for start, end in track.spans],
    }


def strip_data(faces: Sequence[Face]) -> list[dict[str, object]]:
    """A bar for each face: from when to when, and in which lane, so that none covers another."""
    free: list[float] = []  # when each lane is free again
    bars = []
    for face in faces:
        start = float(face.boxes.time[0]) - HALF_A_FRAME
        end = float(face.boxes.time[-1]) + HALF_A_FRAME
        lane = next((i for i, until in enumerate(free) if until <= start), len(free))
        free[lane : lane + 1] = [end]
        bars.append({"start": start, "end": end, "lane": lane})
    return bars


def strip_canvas(faces: Sequence[Face]) -> str:
    """The canvas on which the script draws who speaks."""
    if not faces:
        return ""
    lanes = 1 + max(bar["lane"] for bar in strip_data(faces))
    return (
        '<div class="caption"><h3>Who speaks</h3><span>each face, green while its lips fit the '
        "sound best</span></div>"
        f'<canvas class="speakers" id="speakers" style="height:{8 + 18 * lanes}px"></canvas>'
    )


def face_table(faces: Sequence[Face], shown: int) -> str:
    """A row for each face; its button shows that face's curves."""
    if not faces:
        return ""
    with_p = any(face.result.p_value is not None for face in faces)
    heads = ["face", "from", "to", "speaks", "score", *(["p-value"] if with_p else []), "offset"]
    rows = "".join(_row(face, index == shown, index, with_p) for index, face in enumerate(faces))
    return (
        '<section class="card faces" aria-label="Faces"><h2>Faces</h2>'
        '<div class="scroll"><table><thead><tr>'
        + "".join(f'<th scope="col">{head}</th>' for head in heads)
        + f"</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _row(face: Face, shown: bool, index: int, with_p: bool) -> str:
    result = face.result
    cells = [
        f"{face.boxes.time[0]:.2f} s",
        f"{face.boxes.time[-1]:.2f} s",
        percent(face.speaks),
        number(result.scores[0].score) if result.scores else text(result.error),
    ]
    if with_p:
        cells.append("" if result.p_value is None else number(result.p_value, 2))
    offset = (
        "" if not result.scores else f"{signed(constant_offset(result.features).milliseconds)} ms"
    )
    button = (
        f'<button type="button" data-face="{index}" aria-pressed="{str(shown).lower()}"'
        f"{'' if result.scores else ' disabled'}>{text(face.boxes.label)}</button>"
    )
    return f"<tr><td>{button}</td>{''.join(f'<td>{cell}</td>' for cell in [*cells, offset])}</tr>"
