"""A process's share of an extraction, in this process or another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from avforensics.checkpoints import Models
from avforensics.data.row import Row
from avforensics.features.settings import ExtractionSettings, load_network
from avforensics.features.shards import Extracted, ShardWriter
from avforensics.files import states_of
from avforensics.pool import cores, in_processes
from avforensics.scoring.edits import edit_of
from avforensics.scoring.engine import resolve_device
from avforensics.scoring.extractor import Extraction, FeatureExtractor, trained_recipe
from avforensics.scoring.source import Clip


@dataclass(frozen=True)
class Share:
    """Work of one process.

    Attributes
    ----------
    folder : Path
        Folder of the store.
    todo : sequence of (str, Row)
        Keys and rows of clips.
    number : int
        Index of the process on this machine, which selects the GPU.
    first : int
        Number of the first shard.
    siblings : int
        Processes on this machine.
    """

    folder: Path
    todo: Sequence[tuple[str, Row]]
    settings: ExtractionSettings
    number: int
    first: int
    siblings: int


def do_share(share: Share, models: Models) -> Iterator[tuple[str, Extracted]]:
    """Extract a share in this process; yield path and result of each clip."""
    if not share.todo:
        return
    settings = share.settings
    extractor = FeatureExtractor(
        models.sync,
        max_windows=settings.max_windows,
        runtime=settings.runtime,
        measure=settings.measure,
        recipe=trained_recipe(models),
        keep_activations=settings.activations != "none",
        mix_clips=False,  # the store must not depend on the number of processes
    )
    writer = ShardWriter(
        share.folder,
        activations=settings.activations,
        first=share.first,
        max_seconds=settings.max_seconds,
    )
    found = extractor.extract(_clip(row, settings.edit) for _, row in share.todo)
    with writer:
        for (key, row), extraction in zip(share.todo, found, strict=True):
            clip = _extracted(key, row, extraction)
            features = extraction.features
            if features is None:
                writer.add(clip)
            else:
                writer.add(
                    clip,
                    sync_logits=features.sync_logits,
                    valid_audio=features.valid_audio,
                    activations=features.activations,
                )
            yield row.path, clip


def do_shares(
    shares: list[Share], checkpoint: Mapping[str, Any]
) -> Iterator[tuple[str, Extracted]]:
    """Extract each share in its own process."""
    work = partial(_work, checkpoint=dict(checkpoint))
    for _, result in in_processes(work, dict(enumerate(shares)), workers=len(shares)):
        yield result


def _work(share: Share, checkpoint: dict[str, Any]) -> Iterator[tuple[str, Extracted]]:
    device = resolve_device(share.settings.runtime.device)
    if device.type == "cpu":
        torch.set_num_threads(max(cores() // share.siblings, 1))
    elif share.settings.runtime.device == "auto":
        torch.cuda.set_device(share.number % torch.cuda.device_count())
    yield from do_share(share, load_network(checkpoint, share.settings))


def _clip(row: Row, edit: str) -> Clip:
    return Clip(
        Path(row.path),
        audio=Path(row.audio) if row.audio else None,
        start=row.start,
        duration=row.duration,
        edit=edit_of(edit, row.path),
    )


def _extracted(key: str, row: Row, found: Extraction) -> Extracted:
    size, mtime = file_stat(row)
    return Extracted(
        key=key,
        size=size,
        mtime_ns=mtime,
        error=found.error,
        sha256=found.sha256,
        silence=found.silence,
        warnings=tuple(found.media.warnings) if found.media is not None else (),
        seconds=round(found.seconds, 3),
        measures=None if found.measures is None else asdict(found.measures),
    )


def file_stat(row: Row) -> tuple[int, int]:
    """Size and modification time of a row's files, video and audio; zeros if one is missing."""
    sizes, times = zip(*(states_of(row.files) or [(0, 0)]), strict=True)
    return sum(sizes), max(times)
