"""``avforensics synthesise``: make real and forged clips of synthetic talking heads.

  avforensics synthesise output=FOLDER
  avforensics synthesise output=FOLDER seed=1 splits.test.fakes.RVFA=200

FOLDER receives SyntheticAVCeleb/ with meta_data.csv in FakeAVCeleb's layout, and manifest.csv with
the splits. The people do not exist, so results on them do not show how well forgeries of real
people are detected.
"""

from __future__ import annotations

import logging

from omegaconf import DictConfig, OmegaConf

from avforensics.files import typed_path
from avforensics.progress import Progress
from avforensics.synthetic.generate import generate

log = logging.getLogger(__name__)


def run(cfg: DictConfig) -> int:
    """Generate the missing clips."""
    with Progress("synthesising") as progress:
        made = generate(
            typed_path(cfg.output),
            splits=OmegaConf.to_container(cfg.splits, resolve=True),
            seed=cfg.seed,
            seconds=cfg.seconds,
            size=cfg.size,
            strength=cfg.strength,
            silence=cfg.silence,
            workers=cfg.workers,
            progress=progress.update,
        )
    counts = ", ".join(f"{n} {category}" for category, n in made.counts.items())
    log.info("%s: %s (synthetic; %d generated now)", made.manifest, counts, made.made)
    return 0
