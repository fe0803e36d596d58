"""``avforensics download``: download and check the authors' four files."""

from __future__ import annotations

import logging

from omegaconf import DictConfig

from avforensics.checkpoints.fetch import fetch, verify
from avforensics.checkpoints.locate import checkpoint_folder
from avforensics.checkpoints.published import PUBLISHED
from avforensics.errors import CheckpointError, ConfigError

log = logging.getLogger(__name__)


def run(cfg: DictConfig) -> int:
    """Download missing files of ``cfg.parts`` (with ``force``, all files) and check all of them."""
    unknown = [part for part in [*cfg.parts, *cfg.url] if part not in PUBLISHED]
    if unknown:
        raise ConfigError(f"no published file for {unknown[0]!r}; parts: {', '.join(PUBLISHED)}")
    folder = checkpoint_folder(cfg.dir)
    log.info("folder: %s", folder)
    failed = 0
    for part in cfg.parts:
        file = PUBLISHED[part]
        path = folder / file.name
        try:
            if path.is_file() and not cfg.force:
                log.info("%s: present, %s", file.name, verify(file, path))
            else:
                found = fetch(file, folder, url=cfg.url.get(part))
                log.info("%s: fetched, %s", file.name, found)
        except CheckpointError as error:
            failed += 1
            log.error("%s", error)
    return 1 if failed else 0
