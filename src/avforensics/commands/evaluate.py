"""``avforensics evaluate``: scores to metrics by category, with intervals, baselines and coverage.

  avforensics evaluate features=STORE checkpoint.bundle=FILE output_dir=OUT select.split=test
  avforensics evaluate benchmark=fakeavceleb root=FOLDER checkpoint=released output_dir=OUT
  avforensics evaluate -m features=STORE checkpoint.bundle=FILE scoring.lam=0,0.5,1

With a benchmark, features are extracted first, into a store that later runs use again; the same
command goes on after an interruption. OUT receives scores.csv, metrics.json (and .csv, .md, .tex),
roc.png, pr.png and scores.png. Exit code 0: all scored; 1: some failed and are listed; 2: wrong
usage.
"""

from __future__ import annotations

import logging
import os
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.utils import instantiate
from omegaconf import DictConfig, ListConfig, OmegaConf
from pytorch_lightning.strategies import DDPStrategy
from rich import get_console

from avforensics.checkpoints import Models, load_models
from avforensics.data.manifest import Manifest
from avforensics.errors import ConfigError, ManifestError
from avforensics.evaluation.benchmark import store_name, tested_clips
from avforensics.evaluation.results import show, write_results
from avforensics.evaluation.rows import ScoredVideo
from avforensics.evaluation.stored import (
    StoreScorer,
    check_network,
    choose,
    fit_naive_bayes,
    scored_video,
)
from avforensics.evaluation.summary import summarise
from avforensics.extraction import Settings, network_digest
from avforensics.features.store import FeatureStore
from avforensics.files import atomic_path
from avforensics.lightning.testing import EvaluationModule, StoredClips
from avforensics.provenance import versions, write_json
from avforensics.scoring.sequences import SequencePolicy

log = logging.getLogger(__name__)

LONGEST_SEQUENCE = 50  # of the published decoders: a store serves every max_len up to it
PATIENCE = timedelta(days=30)  # one process may extract for hours after another has ended


def run(cfg: DictConfig) -> int:
    """Evaluate a benchmark or a feature store into ``cfg.output_dir``.

    Returns
    -------
    int
        0 all scored, 1 some failed.

    Raises
    ------
    AVForensicsError
        The data, a checkpoint or a setting makes no sense; nothing was scored.
    """
    if isinstance(cfg.scoring.lam, ListConfig):
        raise ConfigError("evaluate takes one scoring.lam; -m scoring.lam=0,0.5 runs one for each")
    trainer = build_trainer(cfg)
    if not trainer.is_global_zero:
        logging.getLogger("avforensics").setLevel(logging.ERROR)
    models = load_models(OmegaConf.to_container(cfg.checkpoint, resolve=True))
    clips = build_clips(cfg, models)
    module = EvaluationModule(models=models, scorer=partial(build_scorer, cfg))
    trainer.test(module, datamodule=clips, verbose=False)
    if not trainer.is_global_zero:
        return 0
    store = clips.store
    rows = [scored_video(store, found, statistic=cfg.statistic) for found in module.found]
    summary = describe(cfg, store, models, rows, baseline=module.scorer.naive_bayes is not None)
    title = cfg.title or title_of(cfg)
    folder = Path(cfg.output_dir)
    write_results(rows, summary, folder, title)
    with atomic_path(folder / "config.yaml") as partial_file:
        partial_file.write_text(OmegaConf.to_yaml(cfg, resolve=True), encoding="utf-8")
    write_json(folder / "versions.json", versions())
    show(summary, get_console(), title)
    for item in summary["coverage"]["not_scored"]:
        log.warning("not scored: %s: %s", item["path"], item["reason"])
    log.info("wrote %s", folder)
    return int(bool(summary["coverage"]["not_scored"]))


def build_trainer(cfg: DictConfig) -> pl.Trainer:
    """The trainer of a configuration, without what only training needs."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    options: dict[str, Any] = {}
    alone = cfg.trainer.devices in (1, "1") and "WORLD_SIZE" not in os.environ
    if cfg.trainer.get("strategy") in (None, "auto", "ddp") and not alone:
        options["strategy"] = DDPStrategy(timeout=PATIENCE)
    return instantiate(
        cfg.trainer,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        _convert_="all",
        **options,
    )


def policy_of(cfg: DictConfig) -> SequencePolicy:
    """What ``cfg.scoring`` says of windows and sound."""
    scoring = cfg.scoring
    return SequencePolicy(max_len=scoring.max_len, windows=scoring.windows, audio=scoring.audio)


def build_clips(cfg: DictConfig, models: Models) -> StoredClips:
    """The clips that ``cfg`` names: those of a store, or of a benchmark to be extracted.

    Raises
    ------
    ConfigError
        Neither or too little is named.
    ManifestError
        The benchmark is not where it is said to be.
    """
    select = OmegaConf.to_container(cfg.select, resolve=True)
    if cfg.benchmark is None:
        if cfg.features is None:
            raise ConfigError("nothing to evaluate: give features=STORE, or benchmark= and root=")
        if cfg.edit:
            raise ConfigError("edit changes clips while they are read: it needs a benchmark")
        return StoredClips(folder=cfg.features, choose=partial(choose, **select))
    models.require("sync")
    manifest = benchmark_manifest(cfg)
    settings = settings_of(cfg, models)
    folder = cfg.features
    if folder is None:
        name = store_name(
            cfg.benchmark.name,
            manifest,
            network_digest(models.sync),
            max_windows=settings.max_windows,
            edit=settings.edit,
        )
        folder = Path(cfg.paths.outputs, "features", name)
    return StoredClips(
        folder=folder,
        choose=choose,
        manifest=manifest,
        checkpoint=OmegaConf.to_container(cfg.checkpoint, resolve=True),
        settings=settings,
        workers=cfg.extract.workers,
    )


def benchmark_manifest(cfg: DictConfig) -> Manifest:
    """The tested clips of ``cfg.benchmark``, found below ``cfg.root``.

    Raises
    ------
    ManifestError
    """
    name = cfg.benchmark.name
    if cfg.root is None:
        raise ManifestError(f"the data set {name} is needed: give its folder as root=FOLDER")
    if not Path(cfg.root).expanduser().exists():
        raise ManifestError(f"the data set {name} is needed, and there is no {cfg.root}")
    whole = instantiate(cfg.benchmark.source, root=cfg.root, _convert_="all")
    chosen, drawn = cfg.benchmark.list, cfg.benchmark.sample
    manifest = tested_clips(
        whole,
        **OmegaConf.to_container(cfg.select, resolve=True),
        listed=chosen.path,
        listed_fake=chosen.fake,
        strict=chosen.strict,
        real=drawn.real,
        fake=drawn.fake,
        one_per_identity=drawn.one_per_identity,
        seed=cfg.seed,
    )
    if doubled := whole.doubled():
        log.warning("%s lists %d files more than once, e.g. %s", name, len(doubled), doubled[0])
    log.info("%s: %d of %d clips are tested", name, len(manifest), len(whole))
    return manifest


def settings_of(cfg: DictConfig, models: Models) -> Settings:
    """How features are extracted; ``windows=needed`` serves every max_len and both policies."""
    extract, scoring = cfg.extract, cfg.scoring
    if extract.windows not in ("needed", "all"):
        raise ConfigError(f"extract.windows must be needed or all, not {extract.windows!r}")
    everything = extract.windows == "all" or scoring.windows == "all"
    first = max(scoring.max_len, LONGEST_SEQUENCE) + models.sync.max_delay
    return Settings(
        max_windows=None if everything else first,
        activations=extract.activations,
        device=extract.device,
        precision=extract.precision,
        compile=extract.compile,
        batch_windows=extract.batch_windows,
        readers=extract.readers,
        edit=cfg.edit,
        max_seconds=extract.max_seconds,
    )


def build_scorer(cfg: DictConfig, store: FeatureStore, models: Models) -> StoreScorer:
    """The scorer of a store, with baselines fitted on what is not tested."""
    check_network(store, models)
    wanted = cfg.baselines
    if wanted.features is None:
        select = OmegaConf.to_container(cfg.select, resolve=True) if not cfg.benchmark else {}
        fitted = fit_naive_bayes(store, wanted.fit_split, leave_out=choose(store, **select))
    else:
        training = FeatureStore.open(wanted.features)
        if training.info.network != store.info.network:
            raise ConfigError(f"{training.folder}: features of another synchronisation network")
        fitted = fit_naive_bayes(training, wanted.fit_split)
    return StoreScorer(
        store, models, policy_of(cfg), lams=[cfg.scoring.lam], naive_bayes=fitted, seed=cfg.seed
    )


def describe(
    cfg: DictConfig, store: FeatureStore, models: Models, rows: list[ScoredVideo], *, baseline: bool
) -> dict:
    """The summary of a run, with its notes and what it was made with."""
    intervals = cfg.intervals
    summary = summarise(rows, resamples=intervals.resamples, level=intervals.level, seed=cfg.seed)
    if not baseline:
        summary["notes"].append(
            f"no naive Bayes baseline: no real videos of split {cfg.baselines.fit_split} beside "
            "those evaluated (baselines.features names a store that has some)"
        )
    notices = dict.fromkeys(notice for notice in (store.info.notice, models.notice) if notice)
    summary["notes"] += [notice.rstrip(".") for notice in notices]
    summary["made_with"] = {
        "features": str(store.folder),
        "edit": store.info.edit,
        "checkpoints": store.info.checkpoints | models.hashes,
        "config": OmegaConf.to_container(cfg, resolve=True),
    }
    return summary


def title_of(cfg: DictConfig) -> str:
    """What tells one run from another."""
    scoring = cfg.scoring
    parts = [
        cfg.benchmark.name if cfg.benchmark else "",
        cfg.edit,
        f"lam {scoring.lam:g}",
        f"{scoring.windows} {scoring.max_len} windows",
        f"audio {scoring.audio}",
    ]
    return ", ".join(part for part in parts if part)
