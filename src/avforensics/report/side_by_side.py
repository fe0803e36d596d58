"""Write a self-contained HTML page that compares versions of a clip by scores and delay maps."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avforensics.report.markup import write_page
from avforensics.report.plot_data import PlotData, middle_of, plot_data_of
from avforensics.report.sentences import among_reals, number
from avforensics.scoring.notebook import delay_map
from avforensics.scoring.result import Calibrated, VideoResult


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Version of the clip.

    Parameters
    ----------
    title, done : str
        Name of the version, and a sentence on how it was made.
    result : VideoResult
        Result with scores, features and steps.
    calibrated : Calibrated, optional
        Comparison of the score with the scores of real videos.
    forged : tuple of (float, float), optional
        Start and end, in seconds, of the part in which video and audio do not belong together.
    clip : bytes
        MP4 file for the player; empty = no player.
    report : str
        Relative path of the page on this version; empty = no page.
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
    """Write a page that compares versions of a clip, and return its path.

    Parameters
    ----------
    entries : sequence of Entry
        Unchanged clip, followed by the versions to compare with it.
    out : str or PathLike
        HTML file, which is written atomically.
    title, lead : str
        Heading of the page, and a sentence that describes its content.
    notes : sequence of str
        Further notes for the reader, one per line.
    provenance : mapping
        As in `write_video_report`; ``notice`` becomes a banner.
    """
    curves = [plot_data_of(entry.result, entry.result.scores[0].lam) for entry in entries]
    heat = max(float(part.probabilities.max()) for part in curves)
    loss = max(float(np.nanmax(part.loss, initial=0)) for part in curves) or 1.0
    return write_page(
        out,
        "side_by_side.html",
        provenance=provenance,
        title=title,
        lead=lead,
        notes=notes,
        cards=[
            (entry, _plot(part, entry.forged, heat, loss), verdict(entry, entries[0]))
            for entry, part in zip(entries, curves, strict=True)
        ],
    )


def verdict(entry: Entry, original: Entry) -> str:
    """Compare a version's score with the original's and, if calibrated, with real videos."""
    if reasons := entry.result.not_applicable:
        return f"This method cannot judge this version. Reason: {'; '.join(reasons)}."
    if entry is original:
        known = entry.calibrated
        return "Reference for the other scores." if known is None else among_reals(known)
    factor = entry.score / original.score if original.score > 0 else float("inf")
    if factor >= 1.5:
        said = f"{number(factor, 2)} times the score of the unchanged clip."
    elif factor > 1.05:
        said = "A little above the score of the unchanged clip."
    else:
        said = "Not above the score of the unchanged clip: these weights do not notice the change."
    return said if entry.calibrated is None else f"{said} {among_reals(entry.calibrated)}"


def _plot(
    curves: PlotData, forged: tuple[float, float] | None, heat: float, loss: float
) -> dict[str, object]:
    """Return the plot data of a version: a map of delays, and points as fractions of the plot."""
    start, end = curves.span
    time = (middle_of(curves.window) - start) / (end - start)
    return {
        "span": curves.span,
        "reach": int(curves.delays[-1]),
        "picture": delay_map(curves.probabilities, heat),
        "losses": list(zip(time, np.nan_to_num(curves.loss) / loss, strict=True)),
        "forged": forged and [100 * np.clip((at - start) / (end - start), 0, 1) for at in forged],
    }
