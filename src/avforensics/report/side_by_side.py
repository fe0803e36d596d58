"""One self-contained HTML page on several versions of one clip: scores and delay maps together."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

from avforensics.report.curves import Curves, curves_of
from avforensics.report.figures import COLORMAP, middle_of
from avforensics.report.markup import (
    asset,
    banner,
    provenance_section,
    relative_link,
    text,
    write_page,
)
from avforensics.report.sentences import Calibrated, number, percent
from avforensics.scoring.result import VideoResult

WIDTH, HEIGHT = 600, 60  # of the curve of losses, in its own units


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One version of the clip.

    Parameters
    ----------
    title, done : str
        What it is, and what was done in a sentence.
    result : VideoResult
        Scored, with features and steps.
    calibrated : Calibrated, optional
        Where the score stands among real videos.
    forged : tuple of (float, float), optional
        Where picture and sound do not belong together, in seconds.
    clip : bytes
        An MP4 file for the player; empty = none.
    report : str
        Relative path of its own page; empty = none.
    """

    title: str
    done: str
    result: VideoResult
    calibrated: Calibrated | None = None
    forged: tuple[float, float] | None = None
    clip: bytes = b""
    report: str = ""

    @property
    def score(self) -> float:
        return self.result.scores[0].score


def write_side_by_side(
    entries: Sequence[Entry],
    out: str | os.PathLike,
    *,
    title: str,
    lead: str,
    notes: Sequence[str] = (),
    provenance: Mapping[str, object],
) -> Path:
    """Write the page.

    Parameters
    ----------
    entries : sequence of Entry
        The clip as it is first: the others are compared with it.
    out : str or PathLike
        The HTML file; written whole or not at all.
    title, lead : str
        Heading, and a sentence on what the page shows.
    notes : sequence of str
        What else a reader must know, a line each.
    provenance : mapping
        As for the page of a video; ``notice`` becomes a banner.

    Returns
    -------
    Path
        ``out``.
    """
    curves = [curves_of(entry.result, entry.result.scores[0].lam) for entry in entries]
    heat = max(float(part.probabilities.max()) for part in curves)
    loss = max(float(np.nanmax(part.loss, initial=0)) for part in curves) or 1.0
    cards = [
        _card(entry, part, entries[0], heat, loss)
        for entry, part in zip(entries, curves, strict=True)
    ]
    items = "".join(f"<li>{text(note)}</li>" for note in notes)
    write_page(
        out,
        "side_by_side.html",
        title=text(title),
        style=asset("base.css") + asset("side_by_side.css"),
        banner=banner(provenance),
        lead=text(lead),
        notes=f"<ul>{items}</ul>" if items else "",
        cards="".join(cards),
        provenance=provenance_section(provenance),
        version=text(provenance.get("version", "")),
    )
    return Path(out)


def verdict(entry: Entry, original: Entry) -> str:
    """A short sentence on a version's score."""
    if entry is original:
        return "The score to compare with." if entry.calibrated is None else _rank(entry.calibrated)
    factor = entry.score / original.score if original.score > 0 else float("inf")
    if factor >= 1.5:
        said = f"{number(factor, 2)} times the score of the clip as it is."
    elif factor > 1.05:
        said = "A little above the clip as it is."
    else:
        said = "Not above the clip as it is: these weights do not notice it here."
    return said if entry.calibrated is None else f"{said} {_rank(entry.calibrated)}"


def _rank(calibrated: Calibrated) -> str:
    real = f"{calibrated.n_real:,} real videos"
    if calibrated.p_value <= 1 / (calibrated.n_real + 1):
        return f"More unusual than every one of {real}."
    return f"As unusual as the top {percent(calibrated.p_value)} of {real}."


def _card(entry: Entry, curves: Curves, original: Entry, heat: float, loss: float) -> str:
    start, end = curves.span
    mark = ""
    if entry.forged is not None:
        left, right = (
            100 * float(np.clip((at - start) / (end - start), 0, 1)) for at in entry.forged
        )
        mark = f'<i class="forged" style="left:{left:.2f}%;width:{right - left:.2f}%"></i>'
    last = int(curves.delays[-1])
    p_value = entry.result.p_value
    ranked = "" if p_value is None else f'<span class="p">p = {number(p_value, 2)}</span>'
    if (fused := entry.result.evidence_p_value) is not None:
        ranked += f'<span class="p">evidence: p = {number(fused, 2)}</span>'
    player = ""
    if entry.clip:
        data = base64.b64encode(entry.clip).decode("ascii")
        player = (
            f'<video controls playsinline preload="auto" '
            f'src="data:video/mp4;base64,{data}"></video>'
        )
    link = ""
    if entry.report:
        link = f'<p><a href="{text(relative_link(entry.report))}">full report</a></p>'
    title = text(entry.title)
    return (
        f'<section class="card version" aria-label="{title}"><h2>{title}</h2>'
        f'<p class="done">{text(entry.done)}</p>{player}'
        f'<p class="score"><strong>{number(entry.score)}</strong>{ranked}</p>'
        f'<p class="verdict">{text(verdict(entry, original))}</p>'
        f'<div class="plot"><span>+{last}</span><span>0</span><span>−{last}</span>'
        f'<div class="map"><img alt="Observed delays of {title}" src="{_picture(curves, heat)}">'
        f"{mark}</div></div>"
        f'<div class="plot losses"><div class="map">{_losses(curves, loss)}{mark}</div></div>'
        f'<div class="ends"><span>{start:.1f} s</span><span>{end:.1f} s</span></div>{link}'
        "</section>"
    )


def _picture(curves: Curves, top: float) -> str:
    """Delays upwards, windows to the right, as a ``data:`` address."""
    shares = np.clip(curves.probabilities.T[::-1] / top, 0, 1)
    colours = matplotlib.colormaps[COLORMAP](shares, bytes=True)[..., :3]
    packed = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(colours)).save(packed, "PNG")
    return f"data:image/png;base64,{base64.b64encode(packed.getvalue()).decode('ascii')}"


def _losses(curves: Curves, top: float) -> str:
    """Step losses over the same time as an inline SVG."""
    start, end = curves.span
    x = WIDTH * (middle_of(curves.window) - start) / (end - start)
    y = HEIGHT * (1 - 0.95 * np.nan_to_num(curves.loss) / top)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="Step losses"><polyline points="{points}"/></svg>'
    )
