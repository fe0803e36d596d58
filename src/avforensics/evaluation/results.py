"""Files of a run's results, and the table on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike

from rich.console import Console

from avforensics.evaluation.figures import write_figures
from avforensics.evaluation.rows import ScoredVideo, write_scores
from avforensics.evaluation.tables import rich_table, write_summary
from avforensics.tables import wide


def write_results(
    rows: Sequence[ScoredVideo], summary: Mapping, folder: str | PathLike, title: str = ""
) -> None:
    """Write scores.csv, metrics.json (.csv, .md, .tex), roc.png, pr.png and scores.png."""
    write_scores(rows, f"{folder}/scores.csv")
    write_summary(summary, folder)
    write_figures(rows, folder, title)


def show(summary: Mapping, console: Console, title: str = "") -> None:
    """Print the table."""
    wide(console).print(rich_table(summary, title))
