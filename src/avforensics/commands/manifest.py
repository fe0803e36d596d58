"""``avforensics manifest``: make a manifest of a data set, with identity-disjoint splits."""

from __future__ import annotations

import logging
from collections import defaultdict

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from avforensics.data.lists import pick, read_list
from avforensics.data.manifest import Manifest
from avforensics.data.probe import Problem, probe, write_problems
from avforensics.data.splits import EXCLUDED, sample, split_by_identity
from avforensics.errors import ConfigError, ManifestError
from avforensics.files import typed_path
from avforensics.pool import cores
from avforensics.progress import Progress
from avforensics.tables import Table

log = logging.getLogger(__name__)


def run(cfg: DictConfig) -> int:
    """Make the configured manifest and print a summary of it."""
    output = typed_path(cfg.output)
    manifest = _chosen(instantiate(cfg.source, root=cfg.root), cfg)
    if cfg.drop:  # before sampling, so that every sampled file exists
        manifest, problems = _looked_at(manifest, cfg)
        gone = {problem.index for problem in problems}
        manifest = Manifest(row for index, row in enumerate(manifest) if index not in gone)
        manifest = _split(_sampled(manifest, cfg), cfg)
    else:
        manifest, problems = _looked_at(_split(_sampled(manifest, cfg), cfg), cfg)
    manifest.write(output)
    _tell(manifest, cfg)
    if problems:
        write_problems(output.with_name(f"{output.stem}.problems.csv"), problems)
        log.warning("these files are %s", "left out" if cfg.drop else "kept in the manifest")
    log.info("wrote %s: %d clips, sha256 of its rows %s", output, len(manifest), manifest.digest)
    return 1 if problems else 0


def _chosen(manifest: Manifest, cfg: DictConfig) -> Manifest:
    if cfg.list.path:
        entries = read_list(cfg.list.path, fake=cfg.list.fake)
        manifest = pick(manifest, entries, strict=cfg.list.strict)
    return manifest.select(**OmegaConf.to_container(cfg.select, resolve=True))


def _sampled(manifest: Manifest, cfg: DictConfig) -> Manifest:
    if (cfg.sample.real, cfg.sample.fake, cfg.sample.one_per_identity) == (None, None, False):
        return manifest
    return sample(
        manifest,
        real=cfg.sample.real,
        fake=cfg.sample.fake,
        seed=cfg.seed,
        one_per_identity=cfg.sample.one_per_identity,
    )


def _split(manifest: Manifest, cfg: DictConfig) -> Manifest:
    shares, keep = cfg.split.shares, list(cfg.split.keep)
    if not shares:
        if keep:
            raise ConfigError("split.keep requires split.shares")
        _warn_of_shared(manifest)
        return manifest
    manifest = split_by_identity(manifest, shares, seed=cfg.seed, keep=keep)
    manifest.check_disjoint(*{row.split for row in manifest} - {EXCLUDED})
    return manifest


def _warn_of_shared(manifest: Manifest) -> None:
    if len({row.split for row in manifest}) < 2:
        return
    try:
        manifest.check_disjoint()
    except ManifestError as error:
        log.warning("%s; split.shares=... makes new splits", error)


def _looked_at(manifest: Manifest, cfg: DictConfig) -> tuple[Manifest, list[Problem]]:
    workers = cfg.workers or cores()
    with Progress("checking files", len(manifest), unit="files") as progress:
        return probe(
            manifest,
            media=cfg.probe,
            hashes=cfg.hash,
            workers=workers,
            advance=progress.advance,
        )


def _tell(manifest: Manifest, cfg: DictConfig) -> None:
    table = [["split", "label", "category", "clips", "identities"]]
    groups = defaultdict(list)
    for row in manifest:
        groups[row.split, row.label, row.category].append(row.identity)
    for (split, label, category), people in sorted(groups.items()):
        word = "fake" if label else "real"
        table.append([split or "-", word, category or "-", len(people), len(set(people))])
    Table(table, str(cfg.root), words=["label", "category"]).show()
    if doubled := manifest.doubled():
        log.warning("%d files are listed more than once, e.g. %s", len(doubled), doubled[0])
