"""Extract features of clips in this process, in separate processes or on a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avforensics.checkpoints import Models
from avforensics.data.row import Row
from avforensics.features.settings import ExtractionSettings, load_network
from avforensics.features.shards import Extracted, ShardWriter
from avforensics.files import states_of
from avforensics.pool import LOCAL, EngineOptions, Failed, Place, in_processes
from avforensics.scoring.edits import edit_of
from avforensics.scoring.engine import resolve_device
from avforensics.scoring.extractor import Extraction, FeatureExtractor, trained_recipe
from avforensics.scoring.source import Clip

READ_AHEAD = 16  # clips sent together to a GPU's process, which decodes some while the GPU works
Tensors = dict[str, np.ndarray]


@dataclass(frozen=True)
class NetworkPass:
    """Settings that every process of an extraction needs."""

    checkpoint: Mapping[str, Any]  # as in `load_models`
    settings: ExtractionSettings
    # the loaded checkpoint if no processes are started, else None
    models: Models | None = None

    def prepare(self, place: Place) -> FeatureExtractor:
        """Load the network, once in each process."""
        settings, models = self.settings, self.models
        if models is None:
            models = load_network(self.checkpoint, settings)
            take_device(settings.runtime.device, place)
        return FeatureExtractor(
            models.sync,
            max_windows=settings.max_windows,
            runtime=settings.runtime,
            measure=settings.measure,
            recipe=trained_recipe(models),
            keep_activations=settings.activations != "none",
            mix_clips=False,  # keeps the store independent of the number of processes
        )

    def work(
        self, todo: Sequence[tuple[str, Row]], extractor: FeatureExtractor
    ) -> Iterator[tuple[Extracted, Tensors]]:
        """Yield the features of clips, which are given by key and row."""
        found = extractor.extract(_clip(row, self.settings.edit) for _, row in todo)
        for (key, row), extraction in zip(todo, found, strict=True):
            yield _extracted(key, row, extraction), _tensors(extraction)


def extract_clips(
    how: NetworkPass,
    todo: Sequence[tuple[str, Row]],
    writer: ShardWriter,
    *,
    workers: int | None,
    engine: EngineOptions = LOCAL,
) -> Iterator[tuple[str, Extracted]]:
    """Extract features of clips and write them into shards; yield each path and result.

    Only this process writes, so each clip is stored exactly once even if other processes fail.

    Parameters
    ----------
    writer : ShardWriter
        Writer of the shards; flushed at the end.
    workers, engine
        As in `in_processes`.
    """
    rows = dict(todo)
    on_gpu = engine.gpus_per_worker > 0 and (
        engine.name == "ray" or resolve_device(how.settings.runtime.device).type == "cuda"
    )
    results = in_processes(
        how.work,
        {key: (key, row) for key, row in todo},
        workers=workers,
        engine=engine,
        prepare=how.prepare,
        batch=READ_AHEAD if on_gpu else 1,
    )
    with writer:
        for key, result in results:
            row = rows[key]
            if isinstance(result, Failed):
                size, mtime = file_stat(row)
                failed = Extracted(key=key, size=size, mtime_ns=mtime, error=result.reason)
                result = failed, {}
            clip, tensors = result
            writer.add(clip, **tensors)
            yield row.path, clip


def take_device(device: str, place: Place) -> None:
    """Set a worker's number of threads on a CPU, or its GPU if ``device`` is ``auto``."""
    if resolve_device(device).type == "cpu":
        torch.set_num_threads(place.threads)
    elif device == "auto":
        torch.cuda.set_device(place.number % torch.cuda.device_count())


def _tensors(found: Extraction) -> Tensors:
    features = found.features
    if features is None:
        return {}
    names = ("sync_logits", "valid_audio", "activations")
    tensors = {name: getattr(features, name) for name in names}
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


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
    """Return total size and last modification (ns) of a row's files; zeros if one is missing."""
    sizes, times = zip(*(states_of(row.files) or [(0, 0)]), strict=True)
    return sum(sizes), max(times)
