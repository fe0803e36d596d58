"""How far a batch has come: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from types import TracebackType

from rich import get_console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from avforensics.console import ON_BAR
from avforensics.detection.rows import Row
from avforensics.report.sentences import percent
from avforensics.scoring.result import FACELESS

log = logging.getLogger(__name__)

LISTED = 20  # videos that the closing table shows
LISTED_FAILURES = 100


class BatchProgress:
    """Tells of each finished video.

    On a terminal there is a bar with rate and remaining time, and only failures get a line of
    their own; the log file has them all. Elsewhere each video is a line.

    Parameters
    ----------
    total : int
        Videos to do.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self._started = time.monotonic()
        console = get_console()
        self._bar = Progress(
            TextColumn("scoring"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> BatchProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def advance(self, row: Row) -> None:
        """One more video is done."""
        self.done += 1
        self._bar.advance(self._task)
        count = f"[{self.done}/{self.total}]"
        if row["status"] != "scored":
            log.warning("%s %s  %s: %s", count, row["status"], row["path"], row["error"])
            return
        rate = self.done / max(time.monotonic() - self._started, 1e-9)
        left = duration((self.total - self.done) / rate)
        score = "nan" if row["score"] is None else f"{row['score']:.4f}"
        log.info(
            "%s %s  %s  (%s left, %s)", count, score, row["path"], left, speed(rate), extra=ON_BAR
        )


class _Rate(TextColumn):
    """Videos a second, or seconds a video."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        return Text(speed(task.speed) if task.speed else "")


def speed(rate: float) -> str:
    """A rate in the unit in which it can be read."""
    return f"{rate:.1f} videos/s" if rate >= 1 else f"{1 / max(rate, 1e-9):.1f} s/video"


def duration(seconds: float) -> str:
    """A time to wait, roughly."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def rank(p_value: float | None) -> str:
    """Where a score stands among the real videos of the calibration."""
    return "-" if p_value is None else f"the top {percent(p_value)} of real videos"


def summarise(rows: list[Row], folder: str, dropped: Mapping[str, int] | None = None) -> None:
    """Say how a batch ended: its scores, or the highest of many, and every failure.

    ``dropped`` counts faces that were found and not used, by the reason.
    """
    scored = sorted(
        (row for row in rows if row["score"] is not None), key=lambda row: -row["score"]
    )
    failed = [row for row in rows if row["status"] != "scored"]
    console = get_console()
    if scored:
        shown = scored[:LISTED]
        title = f"highest {LISTED} of {len(scored)} scores" if len(scored) > LISTED else None
        table = Table(title=title, title_justify="left")
        judged = any(row["p_value"] is not None for row in shown)
        for column in ("score", *(["as unusual as"] if judged else []), "offset", "windows"):
            table.add_column(column, justify="right")
        table.add_column("video", overflow="fold")
        for row in shown:
            cells = [f"{row['score']:.4f}", f"{row['offset_ms']:+d} ms", str(row["n_windows"])]
            if judged:
                cells.insert(1, rank(row["p_value"]))
            table.add_row(*cells, Text(row["path"]))
        console.print(table)
    without = sum(row["status"] in FACELESS for row in failed)
    counts = f"{len(rows) - len(failed)} scored, {len(failed) - without} failed"
    counts += f", {without} without a face of use" if without else ""
    log.info("%s; results in %s", counts, folder)
    for reason, count in sorted((dropped or {}).items()):
        log.info("face tracks not used: %d %s", count, reason)
    for row in failed[:LISTED_FAILURES]:
        log.warning("%s: %s: %s", row["status"], row["path"], row["error"])
    if len(failed) > LISTED_FAILURES:
        log.warning("and %d more: see scores.csv", len(failed) - LISTED_FAILURES)
