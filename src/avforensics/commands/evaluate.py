"""``avforensics evaluate``: scores to metrics by category, with intervals, baselines and coverage.

  avforensics evaluate features=STORE checkpoint.bundle=FILE output_dir=OUT select.split=test
  avforensics evaluate -m features=STORE checkpoint.bundle=FILE scoring.lam=0,0.5,1

OUT receives scores.csv, metrics.json (and .csv, .md, .tex), roc.png, pr.png and scores.png. Exit
code 0: all scored; 1: some failed and are listed; 2: wrong usage.
"""

from __future__ import annotations

import logging
from pathlib import Path

from omegaconf import DictConfig, ListConfig, OmegaConf
from rich import get_console
from rich.progress import track

from avforensics.checkpoints import Models, load_models
from avforensics.errors import ConfigError
from avforensics.evaluation.figures import write_figures
from avforensics.evaluation.rows import write_scores
from avforensics.evaluation.stored import StoreScorer, choose, fit_naive_bayes, scored_video
from avforensics.evaluation.summary import summarise
from avforensics.evaluation.tables import rich_table, write_summary
from avforensics.extraction import network_digest
from avforensics.features.store import FeatureStore
from avforensics.files import atomic_path
from avforensics.provenance import versions, write_json
from avforensics.scoring.sequences import SequencePolicy

log = logging.getLogger(__name__)


def run(cfg: DictConfig) -> int:
    """Evaluate ``cfg.features`` into ``cfg.output_dir``.

    Returns
    -------
    int
        0 all scored, 1 some failed.

    Raises
    ------
    AVForensicsError
        The store, a checkpoint or a setting makes no sense; nothing was scored.
    """
    if isinstance(cfg.scoring.lam, ListConfig):
        raise ConfigError(
            "evaluate takes one scoring.lam; -m scoring.lam=0,0.5 makes a run of each"
        )
    store = FeatureStore.open(cfg.features)
    models = load_models(OmegaConf.to_container(cfg.checkpoint, resolve=True))
    check_network(store, models)
    chosen = choose(store, **OmegaConf.to_container(cfg.select, resolve=True))
    scorer = StoreScorer(
        store,
        models,
        SequencePolicy(
            max_len=cfg.scoring.max_len, windows=cfg.scoring.windows, audio=cfg.scoring.audio
        ),
        lams=[cfg.scoring.lam],
        naive_bayes=fit_naive_bayes(store, cfg.baselines.fit_split, leave_out=chosen),
        seed=cfg.seed,
    )
    rows = [
        scored_video(store, scorer.score(index), statistic=cfg.statistic)
        for index in track(chosen, "scoring", console=get_console(), transient=True)
    ]
    summary = summarise(
        rows, resamples=cfg.intervals.resamples, level=cfg.intervals.level, seed=cfg.seed
    )
    if scorer.naive_bayes is None:
        summary["notes"].append(
            f"no naive Bayes baseline: no real videos of split {cfg.baselines.fit_split} "
            "beside those evaluated"
        )
    notices = dict.fromkeys(notice for notice in (store.info.notice, models.notice) if notice)
    summary["notes"] += [notice.rstrip(".") for notice in notices]
    summary["made_with"] = {
        "features": str(store.folder),
        "checkpoints": store.info.checkpoints | models.hashes,
        "scoring": OmegaConf.to_container(cfg.scoring, resolve=True),
        "statistic": cfg.statistic,
    }
    title = cfg.title or title_of(cfg)
    folder = Path(cfg.output_dir)
    write_scores(rows, folder / "scores.csv")
    write_summary(summary, folder)
    write_figures(rows, folder, title)
    with atomic_path(folder / "config.yaml") as partial:
        partial.write_text(OmegaConf.to_yaml(cfg, resolve=True), encoding="utf-8")
    write_json(folder / "versions.json", versions())
    get_console().print(rich_table(summary, title))
    for item in summary["coverage"]["not_scored"]:
        log.warning("not scored: %s: %s", item["path"], item["reason"])
    log.info("wrote %s", folder)
    return int(bool(summary["coverage"]["not_scored"]))


def check_network(store: FeatureStore, models: Models) -> None:
    """Refuse features of another synchronisation network than the checkpoint's own.

    Raises
    ------
    ConfigError
    """
    if models.sync is not None and network_digest(models.sync) != store.info.network:
        raise ConfigError(
            f"{store.folder} holds features of another synchronisation network than the one in the "
            "checkpoint, to which its decoders belong"
        )


def title_of(cfg: DictConfig) -> str:
    """The settings that tell one run from another."""
    scoring = cfg.scoring
    return (
        f"lam {scoring.lam:g}, {scoring.windows} {scoring.max_len} windows, audio {scoring.audio}"
    )
