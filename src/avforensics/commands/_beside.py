"""Comparisons that ``avforensics evaluate`` adds: with other runs, across seeds, by group."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from avforensics.errors import ManifestError
from avforensics.evaluation.breakdown_table import cells as group_cells
from avforensics.evaluation.breakdown_table import (
    choose_threshold,
    notes,
    with_columns,
    write_breakdowns,
)
from avforensics.evaluation.breakdowns import break_down
from avforensics.evaluation.calibration import Calibration
from avforensics.evaluation.comparison import cells as difference_cells
from avforensics.evaluation.comparison import compare, read_run, sentence, write_comparison
from avforensics.evaluation.repeats import cells as repeat_cells
from avforensics.evaluation.repeats import repeat, write_repeats
from avforensics.evaluation.repeats import sentence as repeat_sentence
from avforensics.evaluation.rows import ScoredVideo, printable
from avforensics.files import typed_path
from avforensics.tables import Table

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Beside:
    """Data to compare a result with, read before anything is scored."""

    against: list[ScoredVideo] | None
    repeats: list[list[ScoredVideo]]
    calibration: Calibration | None

    @classmethod
    def read(cls, cfg: DictConfig) -> Beside:
        """Read all files; raise AVForensicsError if a file cannot be read."""
        wanted = cfg.breakdowns
        if wanted.table is not None:
            with_columns([], typed_path(wanted.table), wanted.columns)
        return cls(
            against=None if cfg.against is None else read_run(cfg.against),
            repeats=[read_run(path) for path in cfg.repeats],
            calibration=None
            if wanted.calibration is None
            else Calibration.load(typed_path(wanted.calibration)),
        )

    def described(self, cfg: DictConfig, rows: Sequence[ScoredVideo]) -> Sequence[ScoredVideo]:
        """Add the columns of ``breakdowns.table`` to the scored videos."""
        wanted = cfg.breakdowns
        if wanted.table is None:
            return rows
        rows, missing = with_columns(rows, typed_path(wanted.table), wanted.columns)
        if missing:
            log.warning("%s does not list %d of %d videos", wanted.table, missing, len(rows))
        return rows

    def write(self, cfg: DictConfig, rows: Sequence[ScoredVideo], summary: Mapping) -> None:
        """Write and print the requested comparison, repeats and breakdowns."""
        folder = Path(cfg.output_dir)
        intervals = OmegaConf.to_container(cfg.intervals)
        if self.against is not None:
            difference = compare(self.against, rows, seed=cfg.seed, **intervals)
            write_comparison(difference, str(cfg.against), folder)
            title = f"against {cfg.against}: {sentence(difference)}"
            Table(difference_cells(difference), title).show()
        if any(row.statistics.get("evidence") is not None for row in rows):
            compare_evidence(cfg, rows)
        if self.repeats:
            repeated = repeat([rows, *self.repeats], seed=cfg.seed, **intervals)
            write_repeats(repeated, [str(path) for path in cfg.repeats], folder)
            Table(repeat_cells(repeated), repeat_sentence(repeated)).show()
        if cfg.breakdowns.columns and summary["overall"]:
            by_group(cfg, rows, self.calibration)


def compare_evidence(cfg: DictConfig, rows: Sequence[ScoredVideo]) -> None:
    """Write and print the paired difference between evidence and score of videos that have both."""
    fused = [replace(row, score=row.statistics.get("evidence")) for row in rows]
    try:
        difference = compare(rows, fused, seed=cfg.seed, **OmegaConf.to_container(cfg.intervals))
    except ManifestError as error:
        log.warning("evidence is not compared with the score: %s", error)
        return
    write_comparison(
        difference,
        "the score (other run)",
        cfg.output_dir,
        what="Evidence (this run)",
        stem="evidence",
    )
    title = f"evidence (this run) against the score (other run): {sentence(difference)}"
    Table(difference_cells(difference), title).show()


def threshold_of(
    cfg: DictConfig, rows: Sequence[ScoredVideo], calibration: Calibration | None
) -> tuple[float | None, str]:
    """Return the score above which a video is called fake, and a note on its origin."""
    wanted = cfg.breakdowns
    return choose_threshold(
        rows, threshold=wanted.threshold, calibration=calibration, rate=wanted.false_alarms
    )


def by_group(cfg: DictConfig, rows: Sequence[ScoredVideo], calibration: Calibration | None) -> None:
    """Write and print the breakdowns by group."""
    wanted = cfg.breakdowns
    threshold, origin = threshold_of(cfg, rows, calibration)
    found = break_down(
        rows,
        list(wanted.columns),
        threshold=threshold,
        bins=wanted.bins,
        min_videos=wanted.min_videos,
        seed=cfg.seed,
        **OmegaConf.to_container(cfg.intervals),
    )
    found["origin"] = origin
    write_breakdowns(found, cfg.output_dir)
    for column in found["columns"]:
        Table(group_cells(found, column), f"by {printable(column)}").show()
    for line in notes(found):
        log.info("%s", line)
