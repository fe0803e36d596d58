"""``avforensics extract``: run clips through the synchronisation network into a feature store.

  avforensics extract clips.csv --out STORE checkpoint.sync=sync_model.pth
  avforensics extract clips.csv --out STORE features=external external.folder=ARRAYS
  torchrun --nproc-per-node 8 -m avforensics extract manifest=clips.csv output_dir=STORE ...

With features=external, the rows come from another network: one array per video (docs/extending.md).
Anomaly models are trained and evaluated from the store (features=STORE) without the network. Rerun
the same command to resume. Exit code 0: all clips are in the store; 1: some failed and are listed;
2: wrong usage.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from avforensics.data.manifest import Manifest
from avforensics.features.external import ExternalFeatures, import_features
from avforensics.features.fill import Filled, extract_features
from avforensics.features.settings import ExtractionSettings
from avforensics.fields import check_choice
from avforensics.files import typed_path, write_json
from avforensics.pool import EngineOptions, rank_and_world
from avforensics.provenance import versions
from avforensics.scoring.runtime import RuntimeOptions

log = logging.getLogger(__name__)

MOST_LISTED = 20  # failures shown on the terminal; the index has all of them


def run(cfg: DictConfig) -> int:
    """Fill the store ``cfg.output_dir``."""
    manifest = Manifest.read(typed_path(cfg.manifest))
    manifest = manifest.select(**OmegaConf.to_container(cfg.select, resolve=True))
    rank, world = rank_and_world() if cfg.world is None else (cfg.rank, cfg.world)
    check_choice("features", cfg.features, ("network", "external"))
    make = _imported(cfg) if cfg.features == "external" else _computed(cfg, world)
    folder = Path(cfg.output_dir)
    outcome = make(manifest, folder, rank=rank, world=world)
    write_json(folder / "versions.json", versions())
    _report(outcome, folder)
    return int(bool(outcome.failed))


def _computed(cfg: DictConfig, world: int) -> Callable[..., Filled]:
    settings = ExtractionSettings(
        max_windows=_max_windows(cfg),
        max_delay=cfg.max_delay,
        activations=cfg.activations,
        runtime=replace(RuntimeOptions.of(cfg), device=_device(cfg.device, world)),
        measure=cfg.measure,
    )
    return partial(
        extract_features,
        checkpoint=OmegaConf.to_container(cfg.checkpoint, resolve=True),
        settings=settings,
        workers=1 if world > 1 and cfg.workers is None else cfg.workers,
        engine=EngineOptions(**cfg.engine),
    )


def _imported(cfg: DictConfig) -> Callable[..., Filled]:
    source = ExternalFeatures(**OmegaConf.to_container(cfg.external, resolve=True))
    return partial(import_features, source=source)


def _device(device: str, world: int) -> str:
    """Resolve ``auto`` under torchrun or srun to the GPU of the process's local rank."""
    local = os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID"))
    if device != "auto" or world == 1 or local is None:
        return device
    import torch

    count = torch.cuda.device_count()
    return f"cuda:{int(local) % count}" if count else "cpu"


def _max_windows(cfg: DictConfig) -> int | None:
    check_choice("windows", cfg.windows, ("first", "all"))
    return cfg.max_windows if cfg.windows == "first" else None


def _report(outcome: Filled, folder: Path) -> None:
    for path in outcome.damaged:
        log.warning("%s could not be read; its clips were extracted again", path)
    if outcome.left:
        log.info(
            "other processes are extracting %d clips; the last one to finish writes the index",
            outcome.left,
        )
    log.info(
        "%d of %d clips are in %s (%d from earlier runs), %d failed",
        outcome.extracted,
        outcome.listed,
        folder,
        outcome.reused,
        len(outcome.failed),
    )
    for path, reason in outcome.failed[:MOST_LISTED]:
        log.warning("%s: failed: %s", path, reason)
    if len(outcome.failed) > MOST_LISTED:
        log.warning("and %d more; index.jsonl lists all", len(outcome.failed) - MOST_LISTED)
