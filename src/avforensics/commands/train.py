"""``avforensics train``: train a model from a manifest of clips.

    avforensics train experiment=grid_compact data.manifest=clips/manifest.csv
    avforensics train experiment=grid_compact ckpt=last output_dir=FOLDER   # resume

The run's folder receives checkpoints/ (best and last), csv/ (the curve), sync.safetensors (the best
weights, for every other command) and metrics.json.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig
from pytorch_lightning.callbacks import ProgressBar
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from avforensics.checkpoints import save_bundle
from avforensics.checkpoints.states import read_torch
from avforensics.data.manifest import Manifest
from avforensics.errors import ConfigError, TrainingError
from avforensics.faces.sidecar import recipe_of_clips
from avforensics.files import typed_path, write_text
from avforensics.lightning.shared_memory import shared_memory_error

log = logging.getLogger(__name__)

HUSHED = (  # Lightning's notices that do not help the user
    ".*isinstance.treespec, LeafSpec.*",
    ".*does not have many workers.*",
    ".*is smaller than the logging interval.*",
    ".*dataloader is not resumable.*",  # ours is resumable: see data/sampling.py
)


def run(cfg: DictConfig) -> int:
    """Build the configured objects, train, and write the best weights."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("pytorch_lightning.callbacks").setLevel(logging.INFO)  # why it stopped early
    pl.seed_everything(cfg.seed, workers=True, verbose=False)
    folder = Path(cfg.output_dir)
    ckpt = resume_from(cfg.ckpt, folder, rate=cfg.optimizer.get("lr"))
    data = instantiate(cfg.data, _convert_="all")
    data.setup("fit")
    module = instantiate(cfg.module, _convert_="all")
    trainer = build_trainer(cfg)
    try:
        with warnings.catch_warnings():
            for message in HUSHED:
                warnings.filterwarnings("ignore", message)
            trainer.fit(module, datamodule=data, ckpt_path=ckpt, weights_only=True)
    except TrainingError as error:
        log.error("%s", error)
        return 1
    except RuntimeError as error:
        if (reason := shared_memory_error(error)) is not None:
            raise reason from None
        raise
    except SystemExit:  # raised by Lightning on Ctrl-C
        raise KeyboardInterrupt from None
    if trainer.is_global_zero and not trainer.fast_dev_run:
        finish(trainer, module, folder, part=cfg.part, recipe=clips_recipe(cfg, module))
    return 0


def build_trainer(cfg: DictConfig) -> pl.Trainer:
    """Build the trainer with its callbacks and loggers; null entries are left out."""
    made = [instantiate(c, _convert_="all") for c in (cfg.callbacks or {}).values() if c]
    callbacks = [callback for callback in made if callback is not None]
    loggers = [instantiate(c, _convert_="all") for c in (cfg.logger or {}).values() if c]
    try:
        return instantiate(
            cfg.trainer,
            callbacks=callbacks,
            logger=loggers or False,
            enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in callbacks),
            _convert_="all",
        )
    except InstantiationException as error:
        if isinstance(error.__cause__, MisconfigurationException):  # e.g. no GPU
            raise ConfigError(" ".join(str(error.__cause__).split())) from error
        raise


def resume_from(ckpt: str | None, folder: Path, *, rate: float | None) -> str | None:
    """Return the checkpoint to resume from; ``last`` is the last one in the run's folder.

    Warns if ``rate`` differs from the learning rate in the checkpoint, which Lightning keeps.
    """
    if ckpt is None:
        return None
    path = folder / "checkpoints" / "last.ckpt" if ckpt == "last" else typed_path(ckpt)
    if not path.is_file():
        raise ConfigError(f"ckpt={ckpt}: no such checkpoint: {path}")
    content = read_torch(path)
    if not isinstance(content, dict) or "optimizer_states" not in content:
        raise ConfigError(
            f"ckpt={ckpt}: {path} is not a checkpoint of a training run; to start from its "
            "weights, set module.init"
        )
    groups = (group for state in content["optimizer_states"] for group in state["param_groups"])
    kept = {group.get("initial_lr", group["lr"]) for group in groups}
    if rate is not None and kept and rate not in kept:
        log.warning(
            "optimizer.lr=%g is ignored: the checkpoint continues with %g (to change it, start a "
            "new run with module.init=%s)",
            rate,
            max(kept),
            path,
        )
    return os.fspath(path)


def clips_recipe(cfg: DictConfig, module: pl.LightningModule) -> str | dict[str, Any] | None:
    """Return the crop recipe of the training clips, if it is recorded next to them.

    Returns None for a network that crops its input itself.
    """
    if not cfg.data.get("manifest") or module.models.sync.crop is not None:
        return None
    return recipe_of_clips(row.path for row in Manifest.read(typed_path(cfg.data.manifest)))


def finish(
    trainer: pl.Trainer,
    module: pl.LightningModule,
    folder: Path,
    *,
    part: str,
    recipe: str | Mapping[str, Any] | None = None,
) -> None:
    """Write the metrics, and the bundle with the best weights."""
    metrics = {k: float(v) for k, v in trainer.callback_metrics.items()}
    best = getattr(trainer.checkpoint_callback, "best_model_path", "")
    summary = {"epochs": trainer.current_epoch, "steps": trainer.global_step, "last": metrics}
    if best:
        state = torch.load(best, map_location="cpu", weights_only=True)
        module.load_state_dict(state["state_dict"])
        monitor = trainer.checkpoint_callback.monitor
        score = float(trainer.checkpoint_callback.best_model_score)
        summary["best"] = {"epoch": state["epoch"], "step": state["global_step"], monitor: score}
    models = module.models
    models.metadata["training"] = summary
    if recipe is not None:
        models.metadata["recipe"] = recipe
    save_bundle(folder / f"{part}.safetensors", models)
    write_text(folder / "metrics.json", json.dumps(summary, indent=1) + "\n")  # may hold NaN
    log.info("wrote %s", folder / f"{part}.safetensors")
