"""Show a result in notebooks: a small table and the delay map as self-contained HTML."""

from __future__ import annotations

import base64
import io

import numpy as np
from jinja2 import Environment
from PIL import Image

from avforensics.colours import CIVIDIS
from avforensics.media.types import FPS
from avforensics.scoring.offset import FRAME_MS, constant_offset, delay_probabilities
from avforensics.scoring.result import Features, VideoResult

TEMPLATE = """<table>
{%- for name, value in rows -%}
<tr><th style="text-align:left">{{ name }}</th><td style="text-align:left">{{ value }}</td></tr>
{%- endfor -%}
</table>
{%- if map %}<figure>
<img alt="map of delays" style="width:620px;height:155px;max-width:100%;image-rendering:pixelated"
  src="data:image/png;base64,{{ map }}">
<figcaption>delay of the audio, +{{ reach }} ms (top) to -{{ reach }} ms, {{ times }}; bright =
likely</figcaption></figure>{% endif %}
"""
LONGEST = 1500  # windows; longer videos are averaged to this many columns


def html_of(result: VideoResult) -> str:
    """Format the result of one video as self-contained HTML."""
    rows = [("video", result.path.name), ("status", result.status)]
    if result.error is not None:
        rows.append(("reason", result.error))
    if result.not_applicable:
        rows.append(("reason", "; ".join(result.not_applicable)))
    for score in result.scores:
        parts = f"{score.distribution_score:.4g} + {score.lam:g} x {score.activation_score:.4g}"
        parts = f" (= {parts})" if score.lam else ""
        rows.append(("score, higher = more likely fake", f"{score.score:.4g}{parts}"))
    if result.p_value is not None and not result.not_applicable:
        rows.append(("real videos that score at least as high", f"{100 * result.p_value:.3g} %"))
    if result.features is not None:
        offset = constant_offset(result.features)
        clear = "" if offset.is_clear else ", unclear"
        rows.append(("windows", str(result.features.n_windows)))
        rows.append(("constant delay of the audio", f"{offset.milliseconds:+d} ms{clear}"))
    rows += [("warning", warning) for warning in result.warnings]
    return (
        Environment(autoescape=True)
        .from_string(TEMPLATE)
        .render(
            rows=[(name, _plain(value)) for name, value in rows],
            **({} if result.features is None else _map(result.features)),
        )
    )


def delay_map(probabilities: np.ndarray, top: float) -> bytes:
    """Draw probabilities (N, D) as a PNG: a column per window, a row per delay, latest on top.

    ``top`` is the probability that is drawn brightest.
    """
    shares = np.nan_to_num(np.clip(probabilities.T[::-1] / top, 0, 1))
    shade = CIVIDIS[np.minimum(shares * 256, 255).astype(np.uint8)]
    out = io.BytesIO()
    Image.fromarray(shade).save(out, "PNG")
    return out.getvalue()


def _map(features: Features) -> dict[str, object]:
    first = features.first_window
    rows = delay_probabilities(features.sync_logits)
    if len(rows) > LONGEST:
        parts = np.array_split(rows, LONGEST)
        rows = np.stack([part.mean(axis=0) for part in parts])
    return {
        "map": base64.b64encode(delay_map(rows, rows.max())).decode("ascii"),
        "reach": features.sync_logits.shape[1] // 2 * FRAME_MS,
        "times": f"{first / FPS:.2f} to {(first + features.n_windows) / FPS:.2f} s",
    }


def _plain(text: str) -> str:
    """Escape bytes that are not UTF-8, so that any page can hold the text."""
    return text.encode("utf-8", "backslashreplace").decode()
