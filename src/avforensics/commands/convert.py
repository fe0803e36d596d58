"""``avforensics convert``: convert published files to a safetensors bundle, or the reverse."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

import avforensics
from avforensics.checkpoints.bundle import save_bundle
from avforensics.checkpoints.locate import load_models
from avforensics.checkpoints.parts import Models
from avforensics.checkpoints.published import PUBLISHED, published_state
from avforensics.errors import ConfigError
from avforensics.files import atomic_path, typed_path

log = logging.getLogger(__name__)


def run(cfg: DictConfig) -> int:
    """Load the models of ``cfg.checkpoint`` and write them to ``cfg.output``."""
    if cfg.to not in ("bundle", "published"):
        raise ConfigError(f"to must be bundle or published, got {cfg.to}")
    if not cfg.output:
        raise ConfigError(
            "convert needs output=FILE.safetensors, or output=FOLDER with to=published"
        )
    output = typed_path(cfg.output)
    if cfg.to == "bundle" and output.suffix != ".safetensors":
        raise ConfigError(f"output must end in .safetensors, got {output}")
    models = load_models(OmegaConf.to_container(cfg.checkpoint, resolve=True))
    if cfg.to == "bundle":
        _write_bundle(models, output, notes=cfg.notes, notice=cfg.notice)
    else:
        _write_published(models, output)
    return 0


def _write_bundle(models: Models, output: Path, *, notes: str | None, notice: str | None) -> None:
    models.metadata |= {
        "sources": models.metadata.get("sources", {}) | models.hashes,
        "converted_by": f"avforensics {avforensics.__version__}",
    }
    if notes:
        models.metadata["notes"] = notes
    models.notice = notice or models.notice
    save_bundle(output, models)
    for name, digest in models.hashes.items():
        log.info("read %s  sha256 %s", name, digest)
    log.info("wrote %s: %s", output, ", ".join(name for name, _ in models.parts()))


def _write_published(models: Models, folder: Path) -> None:
    states = {
        PUBLISHED[name].name: published_state(name, module)
        for name, module in models.parts()
        if name != "projection"
    }
    for name, state in states.items():
        with atomic_path(folder / name) as partial:
            torch.save(state, partial)
        log.info("wrote %s", folder / name)
    if models.projection is not None:
        log.warning(
            "the projection is not written, because pca.pkl would be a pickle of scikit-learn "
            "objects"
        )
