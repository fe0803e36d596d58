"""``avforensics push``: write weights with a model card to a folder, or to the Hugging Face Hub.

  avforensics push checkpoint=bundle checkpoint.bundle=model.safetensors output=FOLDER license=mit
  avforensics push checkpoint=talkers repo=OWNER/NAME

Other commands load these weights by name: ``checkpoint=FOLDER`` or ``checkpoint=OWNER/NAME``.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from avforensics.checkpoints import load_models
from avforensics.checkpoints.card import upload, write_release
from avforensics.errors import ConfigError
from avforensics.files import typed_path

log = logging.getLogger(__name__)


def run(cfg: DictConfig) -> int:
    """Write the weights of ``cfg.checkpoint``, and upload them if ``cfg.repo`` is set."""
    if cfg.output is None and cfg.repo is None:
        raise ConfigError("push needs output=FOLDER, repo=OWNER/NAME, or both")
    text = None
    if cfg.card is not None:
        path = typed_path(cfg.card)
        if not path.is_file():
            raise ConfigError(f"card={cfg.card}: no such file")
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise ConfigError(f"card={cfg.card}: not UTF-8 text") from None
        if cfg.license is not None and text.startswith("---"):
            log.warning("card=%s has its own header, so license= is ignored", cfg.card)
    models = load_models(OmegaConf.to_container(cfg.checkpoint, resolve=True))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if cfg.output is None else typed_path(cfg.output)
        name = cfg.repo or folder.absolute().name
        pins = write_release(models, folder, name=name, license=cfg.license, text=text)
        for file, digest in pins.items():
            log.info("%s  sha256 %s", file, digest)
        if cfg.output is not None:
            log.info("wrote %s", folder)
        if cfg.repo is not None:
            log.info("uploaded to %s", upload(folder, cfg.repo, private=cfg.private))
    return 0
