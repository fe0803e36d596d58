"""A result as a notebook shows it: a small table and the map of delays, in one piece of HTML."""

from __future__ import annotations

import base64
import io
from html import escape

import matplotlib
import numpy as np
from PIL import Image

from avforensics.media.types import FPS
from avforensics.scoring.offset import FRAME_MS, constant_offset, delay_probabilities
from avforensics.scoring.result import Features, VideoResult

WIDTH, HEIGHT = 620, 155  # of the map on the page, in pixels
LONGEST = 1500  # windows; longer videos are averaged to as many columns


def html_of(result: VideoResult) -> str:
    """The result of one video as HTML that needs nothing else."""
    rows = [("video", result.path.name), ("status", result.status)]
    if result.error is not None:
        rows.append(("reason", result.error))
    for score in result.scores:
        parts = f"{score.distribution_score:.4g} + {score.lam:g} x {score.activation_score:.4g}"
        parts = f" (= {parts})" if score.lam else ""
        rows.append(("score, higher = more likely fake", f"{score.score:.4g}{parts}"))
    if result.p_value is not None:
        rows.append(("real videos that score as high", f"{100 * result.p_value:.3g} %"))
    if result.features is not None:
        offset = constant_offset(result.features)
        clear = "" if offset.is_clear else ", unclear"
        rows.append(("windows", str(result.features.n_windows)))
        rows.append(("constant delay of the sound", f"{offset.milliseconds:+d} ms{clear}"))
    rows += [("warning", warning) for warning in result.warnings]
    cells = "".join(
        f'<tr><th style="text-align:left">{escape(_plain(name))}</th>'
        f'<td style="text-align:left">{escape(_plain(value))}</td></tr>'
        for name, value in rows
    )
    picture = "" if result.features is None else _figure(result.features)
    return f"<table>{cells}</table>{picture}"


def delay_map(features: Features) -> bytes:
    """Probabilities of delays as a PNG: a column a window, a row a delay, the latest on top."""
    rows = delay_probabilities(features.sync_logits)
    if len(rows) > LONGEST:
        parts = np.array_split(rows, LONGEST)
        rows = np.stack([part.mean(axis=0) for part in parts])
    shade = matplotlib.colormaps["cividis"](rows.T[::-1] / rows.max(), bytes=True)
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(shade[..., :3])).save(out, "PNG")
    return out.getvalue()


def _figure(features: Features) -> str:
    png = base64.b64encode(delay_map(features)).decode("ascii")
    reach = features.sync_logits.shape[1] // 2 * FRAME_MS
    first = features.first_window
    times = f"{first / FPS:.2f} to {(first + features.n_windows) / FPS:.2f} s"
    words = f"delay of the sound, +{reach} ms (top) to -{reach} ms, from {times}; bright = likely"
    style = f"width:{WIDTH}px;height:{HEIGHT}px;max-width:100%;image-rendering:pixelated"
    image = f'<img alt="map of delays" style="{style}" src="data:image/png;base64,{png}">'
    return f"<figure>{image}<figcaption>{words}</figcaption></figure>"


def _plain(text: str) -> str:
    """Text that any page can hold: bytes of file names that are not UTF-8 become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
