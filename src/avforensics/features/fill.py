"""Fill a feature store: run the synchronisation network once on every clip of a manifest."""

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
from avforensics.checkpoints.states import network_digest
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.errors import ConfigError, MediaError
from avforensics.faces.crops import name_of, recipe_of
from avforensics.faces.framing import unlike_crop
from avforensics.features.extraction import NetworkPass, extract_clips, file_stat
from avforensics.features.settings import ExtractionSettings, load_network
from avforensics.features.shards import Extracted, ShardWriter, read_clips, shard_paths
from avforensics.features.store import (
    Entry,
    FeatureStore,
    StoreInfo,
    index_path,
    read_info,
    write_index,
    write_info,
)
from avforensics.files import fingerprint, typed_path
from avforensics.media.types import FPS
from avforensics.pool import LOCAL, EngineOptions, check_alone, cores, stays_here
from avforensics.progress import Progress
from avforensics.scoring.engine import resolve_device

log = logging.getLogger(__name__)

Todo = list[tuple[str, Row]]  # keys and rows of clips
Results = Iterator[tuple[str, Extracted]]
LOOKED_AT = 3  # number of clips whose framing is compared with the network's training clips
CLIPS_A_PROCESS = 16  # starting a process takes about as long as extracting this many clips


@dataclass(frozen=True)
class Filled:
    """Result of an extraction."""

    listed: int  # rows of the manifest
    reused: int  # clips that were already in the store
    failed: tuple[tuple[str, str], ...]  # path and reason of each row without features
    left: int  # rows left to other ranks; 0 = the store is complete
    damaged: tuple[Path, ...]  # unreadable shards; their clips were extracted again

    @property
    def extracted(self) -> int:
        """Number of rows with features."""
        return self.listed - len(self.failed) - self.left


def extract_features(
    manifest: Manifest,
    folder: str | os.PathLike,
    checkpoint: Mapping[str, Any],
    *,
    settings: ExtractionSettings | None = None,
    workers: int | None = None,
    engine: EngineOptions = LOCAL,
    **how: Any,
) -> Filled:
    """Compute the missing features of the store at ``folder`` and write its index.

    Parameters
    ----------
    checkpoint : mapping
        As in `load_models`; only the synchronisation network is needed.
    workers : int, optional
        Number of processes of this rank; None = one per GPU, or one per core if there is enough
        work.
    engine : EngineOptions
        Where the processes run.
    **how
        ``keep_listed``, ``rank``, ``world`` and ``advance`` as in `fill_store`.

    Raises
    ------
    ConfigError
        The folder holds features made with other settings, the clips show whole scenes but the
        network was trained on face crops, or a cluster is used together with several ranks.
    CheckpointError
        The network cannot be loaded.
    AVForensicsError
        No process can be started.
    """
    check_alone(engine, how.get("world", 1))
    settings = settings or ExtractionSettings()
    folder = typed_path(folder)
    models = load_network(checkpoint, settings)
    if models.origin:
        log.info("%s", models.origin)

    def work(todo: Todo, first: int) -> Results:
        _check_framing(models, [row for _, row in todo])
        number = _processes(workers, len(todo), settings.runtime.device, engine)
        here = stays_here(len(todo), number, engine)
        task = NetworkPass(dict(checkpoint), settings, models if here else None)
        writer = ShardWriter(
            folder,
            activations=settings.activations,
            first=first,
            max_seconds=settings.max_seconds,
        )
        return extract_clips(task, todo, writer, workers=number, engine=engine)

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
    """Let ``work`` compute the missing features of a store, then write the index.

    Clips in the store whose file has not changed are skipped; failed clips are tried again. With
    several ranks (nodes, jobs), each rank takes every ``world``-th clip, and the last to finish
    writes the index; ranks do not communicate.

    Parameters
    ----------
    info : StoreInfo
        Settings of the store; an existing store must have the same settings.
    work : callable
        Called with keys and rows of clips, and the number of the first shard to write. It yields
        the path and the result of each clip.
    models : Models, optional
        Models to save in a new store.
    stat : callable
        Returns the size and modification time of a row's source file.
    keep_listed : bool
        Keep clips that are in the index but not in the manifest; they follow the manifest's clips.
    advance : callable
        Called with the path and the result of every clip that this rank finishes.

    Raises
    ------
    ConfigError
        The folder holds features made with other settings.
    """
    if not 0 <= rank < world:
        raise ConfigError(f"rank must be within 0..{world - 1}, got {rank}")
    _settle(folder, info, models, writes=rank == 0)
    clips = {clip_key(row): row for row in manifest}
    known, damaged = read_clips(folder)
    todo = [
        (key, row)
        for key, row in list(clips.items())[rank::world]
        if (done := known.get(key)) is None or done.error or stat(row) != (done.size, done.mtime_ns)
    ]
    first = 1 + max((int(path.name[:5]) for path in shard_paths(folder)), default=-1)
    results = work(todo, first)
    if todo and not keep_listed:  # the index of an earlier manifest must not hide an interruption
        index_path(folder).unlink(missing_ok=True)
    with Progress("extracting", len(todo), quiet=rank > 0) as progress:
        for path, clip in results:
            progress.advance()
            if clip.error is not None:
                log.warning("%s: failed: %s", path, clip.error)
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
    """Return the key of a row's clip; rows of the same part of the same file share a key."""
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
        video_stream=settings.runtime.video_stream,
        audio_stream=settings.runtime.audio_stream,
    )


def _settle(folder: Path, info: StoreInfo, models: Models | None, *, writes: bool) -> None:
    """Create a store, or check that an existing store accepts these features."""
    present = read_info(folder)
    if present is not None and (difference := present.difference(info)):
        raise ConfigError(
            f"{folder}: this store was made with {difference}; choose another "
            "folder (extract: output_dir, evaluate: features)"
        )
    if present is None and writes:
        if models is not None:
            save_bundle(folder / "sync.safetensors", models)
        write_info(folder, info)


def _check_framing(models: Models, rows: Sequence[Row]) -> None:
    """Raise ConfigError if a few clips show whole scenes but the network was trained on crops."""
    if models.recipe is None:
        return
    recipe = recipe_of(models.recipe, setting="the checkpoint's recipe")
    for row in rows[:: max(len(rows) // LOOKED_AT, 1)][:LOOKED_AT]:
        try:
            unlike = unlike_crop(row.path, recipe, start_frame=round(row.start * FPS))
        except MediaError:  # reported when the clip is extracted
            continue
        if unlike:
            raise ConfigError(
                f"{row.path}: {unlike[0]}; crop the faces first: avforensics preprocess "
                f"input=MANIFEST output=CLIPS crop={name_of(recipe)} size={models.sync.size}"
            )


def _others(folder: Path, keys: set[str]) -> list[Entry]:
    """Return the entries of an existing index whose keys are not in ``keys``."""
    if not index_path(folder).exists():
        return []
    return [entry for entry in FeatureStore.open(folder) if entry.clip.key not in keys]


def _processes(
    workers: int | None, n_clips: int, device: str, engine: EngineOptions = LOCAL
) -> int | None:
    if workers is not None:
        if workers < 1:
            raise ConfigError(f"workers must be >= 1, got {workers}")
        return min(workers, max(n_clips, 1))
    if engine.name == "ray":
        return None
    if resolve_device(device).type == "cuda":
        count = torch.cuda.device_count() if device == "auto" else 1
        return max(int(count / engine.gpus_per_worker) if engine.gpus_per_worker else count, 1)
    return max(min(cores(), n_clips // CLIPS_A_PROCESS), 1)


def _entry(row: Row, clip: Extracted) -> Entry:
    columns = row._asdict()
    del columns["hash"]
    return Entry(**columns, clip=clip)
