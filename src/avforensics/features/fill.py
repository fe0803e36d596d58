"""Fill a feature store: every clip of a manifest through the synchronisation network, once."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import avforensics
from avforensics.checkpoints import Models, save_bundle
from avforensics.checkpoints.digest import network_digest
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.errors import ConfigError, MediaError
from avforensics.faces.crops import name_of, recipe_of
from avforensics.faces.framing import unlike_crop
from avforensics.features.settings import ExtractionSettings, load_network
from avforensics.features.shards import Extracted, read_clips, shard_paths
from avforensics.features.share import Share, do_share, do_shares, file_stat
from avforensics.features.store import (
    Entry,
    FeatureStore,
    StoreInfo,
    read_info,
    write_index,
    write_info,
)
from avforensics.files import fingerprint, typed_path
from avforensics.media.types import FPS
from avforensics.pool import cores
from avforensics.progress import Progress
from avforensics.scoring.engine import resolve_device

log = logging.getLogger(__name__)

Todo = list[tuple[str, Row]]  # keys and rows of clips
Results = Iterator[tuple[str, Extracted]]
LOOKED_AT = 3  # clips whose pictures are compared with what the network was trained on
CLIPS_A_PROCESS = 16  # starting one takes about as long as so many clips


@dataclass(frozen=True)
class Filled:
    """How an extraction ended.

    Attributes
    ----------
    listed : int
        Rows of the manifest.
    reused : int
        Clips that were in the store before.
    failed : tuple of (str, str)
        Path and reason of each row without features.
    left : int
        Clips that other processes still have to do; 0 = the store is complete.
    damaged : tuple of Path
        Shards that could not be read; their clips were done again.
    """

    listed: int
    reused: int
    failed: tuple[tuple[str, str], ...]
    left: int
    damaged: tuple[Path, ...]

    @property
    def extracted(self) -> int:
        """Rows with features."""
        return self.listed - len(self.failed) - self.left


def extract_features(
    manifest: Manifest,
    folder: str | os.PathLike,
    checkpoint: Mapping[str, Any],
    *,
    settings: ExtractionSettings | None = None,
    workers: int | None = None,
    **how: Any,
) -> Filled:
    """Compute what is missing in the store at ``folder``, and write its index.

    Parameters
    ----------
    checkpoint : mapping
        As for `load_models`; only the synchronisation network is needed.
    workers : int, optional
        Processes of this rank; None = one for each GPU, or for each core where there is work.
    **how
        ``keep_listed``, ``rank``, ``world`` and ``advance`` as for `fill_store`.

    Raises
    ------
    ConfigError
        The folder holds features that were made with something else, or the clips show whole
        pictures and the network was trained on crops of faces.
    CheckpointError
        The network cannot be loaded.
    AVForensicsError
        A process died.
    """
    settings = settings or ExtractionSettings()
    folder = typed_path(folder)
    models = load_network(checkpoint, settings)
    if models.origin:
        log.info("%s", models.origin)

    def work(todo: Todo, first: int) -> Results:
        _check_framing(models, [row for _, row in todo])
        n = _processes(workers, len(todo), settings.runtime.device)
        shares = [Share(folder, todo[i::n], settings, i, first, n) for i in range(n)]
        return do_share(shares[0], models) if n == 1 else do_shares(shares, checkpoint)

    return fill_store(manifest, folder, _info(models, settings), work, models=models, **how)


def fill_store(
    manifest: Manifest,
    folder: Path,
    info: StoreInfo,
    work: Callable[[Todo, int], Results],
    *,
    models: Models | None = None,
    stat: Callable[[Row], tuple[int, int]] = file_stat,
    keep_listed: bool = False,
    rank: int = 0,
    world: int = 1,
    advance: Callable[[str, Extracted], None] = lambda path, clip: None,
) -> Filled:
    """Let ``work`` write what is missing in a store, then write the index.

    Clips that are in the store and whose file has not changed are not read again; those that
    failed are tried again. With several ranks (nodes, jobs), each takes every ``world``-th clip,
    and the one that ends last writes the index: they need not know of each other.

    Parameters
    ----------
    info : StoreInfo
        What the store is made with, or must have been made with.
    work : callable
        Takes keys and rows of clips, and the number of the first shard to write; gives the path and
        the result of each clip.
    models : Models, optional
        To keep in a new store.
    stat : callable
        Size and last change of what a row's features are made from.
    keep_listed : bool
        Clips that the index lists already stay in it, after those of the manifest.
    advance : callable
        Called with the path and the result of every clip that this rank finishes.

    Raises
    ------
    ConfigError
        The folder holds features that were made with something else.
    """
    if not 0 <= rank < world:
        raise ConfigError(f"rank {rank} is not one of {world} processes")
    _settle(folder, info, models, writes=rank == 0)
    clips = {clip_key(row): row for row in manifest}
    known, damaged = read_clips(folder)
    todo = [
        (key, row)
        for key, row in list(clips.items())[rank::world]
        if (done := known.get(key)) is None or done.error or stat(row) != _read_as(done)
    ]
    first = 1 + max((int(path.name[:5]) for path in shard_paths(folder)), default=-1)
    with Progress("extracting", len(todo), quiet=rank > 0) as progress:
        for path, clip in work(todo, first):
            progress.advance()
            if clip.error is not None:
                log.warning("failed: %s: %s", path, clip.error)
            advance(path, clip)
    known, _ = read_clips(folder)
    entries = [_entry(row, known[key]) for row in manifest if (key := clip_key(row)) in known]
    left = len(manifest) - len(entries)
    if not left:
        write_index(folder, entries + (_others(folder, set(clips)) if keep_listed else []))
    return Filled(
        listed=len(manifest),
        reused=len(clips) - len(todo) if world == 1 else 0,
        failed=tuple((entry.path, entry.error) for entry in entries if entry.error is not None),
        left=left,
        damaged=tuple(damaged),
    )


def clip_key(row: Row) -> str:
    """Name of a row's clip: rows that mean the same part of the same file share it."""
    text = "\0".join((row.path, f"{row.start:.6f}", f"{row.duration or 0:.6f}", row.audio))
    return fingerprint(text)[:20]


def _info(models: Models, settings: ExtractionSettings) -> StoreInfo:
    sync = models.sync
    kept = settings.activations != "none"
    return StoreInfo(
        network=network_digest(sync),
        max_delay=sync.max_delay,
        activation_width=sync.activation_width if kept else 0,
        activations=settings.activations,
        max_windows=settings.max_windows,
        precision=settings.runtime.precision,
        edit=settings.edit,
        checkpoints=models.hashes,
        notice=models.notice,
        code=avforensics.__version__,
    )


def _settle(folder: Path, info: StoreInfo, models: Models | None, *, writes: bool) -> None:
    """Begin a store, or make sure that the one that is there takes these features."""
    present = read_info(folder)
    if present is not None and (difference := present.difference(info)):
        raise ConfigError(
            f"{folder} holds features made with {difference}; choose another output_dir"
        )
    if present is None and writes:
        if models is not None:
            save_bundle(folder / "sync.safetensors", models)
        write_info(folder, info)


def _check_framing(models: Models, rows: Sequence[Row]) -> None:
    """Refuse whole pictures for a network that was trained on crops; a few clips are looked at.

    Raises
    ------
    ConfigError
    """
    if models.recipe is None:
        return
    recipe = recipe_of(models.recipe, setting="the checkpoint's recipe")
    for row in rows[:: max(len(rows) // LOOKED_AT, 1)][:LOOKED_AT]:
        try:
            unlike = unlike_crop(row.path, recipe, start_frame=round(row.start * FPS))
        except MediaError:  # told of when it is its turn
            continue
        if unlike:
            raise ConfigError(
                f"{row.path}: {unlike[0]}; cut the faces out first: avforensics preprocess "
                f"input=MANIFEST output=CLIPS crop={name_of(recipe)} size={models.sync.size}"
            )


def _others(folder: Path, keys: set[str]) -> list[Entry]:
    """What an index lists beside these clips."""
    if not (folder / "index.jsonl").exists():
        return []
    return [entry for entry in FeatureStore.open(folder) if entry.clip.key not in keys]


def _processes(workers: int | None, n_clips: int, device: str) -> int:
    if workers is not None:
        if workers < 1:
            raise ConfigError(f"workers must be at least 1, not {workers}")
        return min(workers, max(n_clips, 1))
    if resolve_device(device).type == "cuda":
        return max(torch.cuda.device_count(), 1) if device == "auto" else 1
    return max(min(cores(), n_clips // CLIPS_A_PROCESS), 1)


def _read_as(clip: Extracted) -> tuple[int, int]:
    return clip.size, clip.mtime_ns


def _entry(row: Row, clip: Extracted) -> Entry:
    columns = row._asdict()
    del columns["hash"]
    return Entry(**columns, clip=clip)
