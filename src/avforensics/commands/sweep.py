"""``avforensics sweep``: score many settings from a feature store, in one table and one figure.

  avforensics sweep features=STORE checkpoint.bundle=FILE 'lam=[0,0.5,1]' 'max_len=[10,30,50]'
  avforensics sweep features=STORE checkpoint.bundle=FILE 'statistics=[mean_maximum,jump_rate]'
  avforensics sweep runs=FOLDER 'settings=[scoring.lam,scoring.max_len]'

The first form scores a feature store with every combination; the second adds other statistics of
the same rows as further points (docs/evidence.md); the third collects finished runs of `avforensics
evaluate -m`. OUT receives sweep.csv, sweep.md and sweep.png. Exit code 0: all scored; 1: some clips
have no score; 2: wrong usage.
"""

from __future__ import annotations

import logging
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from avforensics.applicability import limits_of
from avforensics.checkpoints import load_models
from avforensics.errors import ConfigError
from avforensics.evaluation.bootstrap import check_intervals
from avforensics.evaluation.checks import check_network
from avforensics.evaluation.stored import choose
from avforensics.evaluation.stored_score import not_measured
from avforensics.evaluation.sweep import (
    Point,
    best,
    read_runs,
    short_table,
    sweep_store,
    unscored,
    value_text,
    write_sweep,
)
from avforensics.features.store import FeatureStore
from avforensics.files import write_json
from avforensics.progress import Progress
from avforensics.provenance import versions
from avforensics.scoring.sequences import SequencePolicy
from avforensics.tables import Table

log = logging.getLogger(__name__)


def run(cfg: DictConfig) -> int:
    """Sweep ``cfg.features`` or collect ``cfg.runs``, and write ``cfg.output_dir``."""
    if (cfg.features is None) == (cfg.runs is None):
        raise ConfigError("a sweep needs either features=STORE or runs=FOLDER")
    check_intervals(cfg.intervals.resamples, cfg.intervals.level)
    if cfg.runs is not None and not cfg.settings:
        raise ConfigError("runs=FOLDER needs the settings that differ: 'settings=[scoring.lam]'")
    points = _scored(cfg) if cfg.runs is None else read_runs(cfg.runs, list(cfg.settings))
    folder = Path(cfg.output_dir)
    write_sweep(points, folder, cfg.title)
    write_json(folder / "versions.json", versions())
    Table(short_table(points), cfg.title or "AP/AUC (%)").show()
    top = ", ".join(f"{name} {value_text(value)}" for name, value in best(points).settings.items())
    for reason, paths in unscored(points).items():
        log.warning("videos without a score: %d (%s), e.g. %s", len(paths), reason, paths[0])
    log.info("highest AUC: %s (selected on these videos; report results on different ones)", top)
    log.info("wrote %s", folder)
    return int(any(point.summary["coverage"]["not_scored"] for point in points))


def _scored(cfg: DictConfig) -> list[Point]:
    if cfg.scoring.lam or cfg.scoring.max_len != SequencePolicy().max_len:
        raise ConfigError("a sweep needs lists: write lam=[...] and max_len=[...], not scoring.*")
    models = load_models(OmegaConf.to_container(cfg.checkpoint, resolve=True))
    store = FeatureStore.open(cfg.features)
    check_network(store, models)
    if notice := store.info.notice or models.notice:
        log.warning("%s", notice)
    chosen = choose(store, **OmegaConf.to_container(cfg.select, resolve=True))
    limits = limits_of(OmegaConf.to_container(cfg.applicability, resolve=True))
    if unknown := not_measured(store, chosen, limits):
        log.info("%s", unknown)
    with Progress("scoring", len(chosen)) as progress:
        return sweep_store(
            store,
            models,
            chosen,
            lams=list(cfg.lam),
            max_lens=list(cfg.max_len),
            statistics=list(cfg.statistics),
            windows=cfg.scoring.windows,
            audio=cfg.scoring.audio,
            part=cfg.part,
            seed=cfg.seed,
            **OmegaConf.to_container(cfg.intervals),
            limits=limits,
            advance=progress.advance,
        )
