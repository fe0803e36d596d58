"""Show the progress of a batch: a bar on a terminal, otherwise lines of text."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

from avforensics.applicability import NOT_APPLICABLE
from avforensics.detection.rows import Cells
from avforensics.progress import ON_BAR, Progress, speed
from avforensics.report.sentences import number
from avforensics.scoring.result import FACELESS, WITH_SCORE
from avforensics.tables import Table

log = logging.getLogger(__name__)

LISTED = 20  # maximum number of videos in the final table
LISTED_FAILURES = 100


class BatchProgress(Progress):
    """Reports each finished video.

    On a terminal, a line below the bar is printed only for failures; the log file has a line for
    each video.

    Parameters
    ----------
    total : int
        Number of pending videos.
    """

    def __init__(self, total: int) -> None:
        super().__init__("scoring", total, unit="videos", final=False)

    def finish(self, row: Cells) -> None:
        """Report a finished video."""
        self.advance()
        count, path = f"[{self.done}/{self.total}]", on_one_line(row["path"])
        if row["status"] not in WITH_SCORE:
            log.warning("%s %s  %s: %s", count, row["status"], path, row["error"])
            return
        score = "nan" if row["score"] is None else f"{row['score']:.4f}"
        pace = f"{self.left} left, {speed(self.rate)}"
        log.info("%s %s  %s  (%s)", count, score, path, pace, extra=ON_BAR)
        if row.get("not_applicable"):
            log.warning("%s %s  %s: %s", count, row["status"], path, row["not_applicable"])


def on_one_line(path: str) -> str:
    """Escape control characters of a file name, which could add lines or steer a terminal."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda c: c[0].encode("unicode_escape").decode(), path)


def _p_value(row: Cells) -> str:
    """Format the p-value of a row; return a hyphen if it is missing or not applicable."""
    judged = row["p_value"] is not None and row["status"] != NOT_APPLICABLE
    return number(row["p_value"], 2) if judged else "-"


def summarise(rows: list[Cells], folder: str, dropped: Mapping[str, int] | None = None) -> None:
    """Report the scores (the highest, if there are many) and failures of a finished batch.

    ``dropped`` counts the faces that were found but not used, by reason.
    """
    scored = sorted(
        (row for row in rows if row["score"] is not None), key=lambda row: -row["score"]
    )
    failed = [row for row in rows if row["status"] not in WITH_SCORE]
    marked = [row for row in rows if row["status"] == NOT_APPLICABLE]
    if scored:
        shown = scored[:LISTED]
        title = f"highest {LISTED} of {len(scored)} scores" if len(scored) > LISTED else ""
        columns = {
            "score": lambda row: f"{row['score']:.4f}",
            "p-value": _p_value,
            "offset": lambda row: f"{row['offset_ms']:+d} ms",
            "windows": lambda row: row["n_windows"],
            "video": lambda row: on_one_line(row["path"]),
            "not applicable": lambda row: row.get("not_applicable") or "",
        }
        if all(row["p_value"] is None for row in shown):
            del columns["p-value"]
        if not marked:
            del columns["not applicable"]
        cells = [[cell(row) for cell in columns.values()] for row in shown]
        Table([list(columns), *cells], title, words=["video", "not applicable"]).show()
    without = sum(row["status"] in FACELESS for row in failed)
    apart = f" ({len(marked)} of them not applicable)" if marked else ""
    counts = f"{len(rows) - len(failed)} scored{apart}, {len(failed) - without} failed"
    counts += f", {without} without a usable face" if without else ""
    log.info("%s; results in %s", counts, folder)
    for reason, count in sorted((dropped or {}).items()):
        log.info("face tracks not used: %d %s", count, reason)
    for row in failed[:LISTED_FAILURES]:
        log.warning("%s: %s: %s", row["status"], on_one_line(row["path"]), row["error"])
    if len(failed) > LISTED_FAILURES:
        log.warning("and %d more: see scores.csv", len(failed) - LISTED_FAILURES)
