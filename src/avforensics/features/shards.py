"""Shards of a feature store: files with the features of some clips, written atomically."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from avforensics.files import atomic_path

KEY = "avforensics"
DTYPES = {"float32": np.float32, "float16": np.float16, "none": None}


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """Result of extracting one clip."""

    key: str  # identifies the file and the part that was read
    # size, mtime_ns: size and modification time of the file when read; with a separate audio file,
    # the sum of sizes and the later time. 0 if a file was missing.
    size: int
    mtime_ns: int
    shard: str = ""  # file name under ``shards``
    # offset, n_windows: first row in the shard's tensors and number of rows; no rows on failure
    offset: int = 0
    n_windows: int = 0
    error: str | None = None  # reason for missing features
    sha256: str | None = None  # hash of the file
    silence: float = 0.0  # leading silence (s) of the part that was read
    warnings: Sequence[str] = ()  # warnings about the file
    seconds: float = 0.0  # wall-clock time of the extraction
    # the fields of `avforensics.applicability.Measures`; None if not measured
    measures: Mapping[str, float | None] | None = None


class ShardWriter:
    """Collect clips and write a shard every ``max_windows`` windows or ``max_seconds`` seconds.

    Each process has its own writer with its own file names, so that no shard is ever overwritten.
    Use it in a ``with`` statement: the remaining clips are written at its end, even after an
    error.

    Parameters
    ----------
    folder : Path
        Folder of the store.
    activations : {"float32", "float16", "none"}
    first : int
        Number of the first shard; must exceed the numbers of all shards that may be superseded.
    max_windows : int
        Windows per shard (200 MB of published activations).
    max_seconds : float
        Maximum time between shards, which bounds the work lost if the run is killed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        activations: str = "float32",
        first: int = 0,
        max_windows: int = 50_000,
        max_seconds: float = 120.0,
    ) -> None:
        self.folder = folder / "shards"
        self.dtype = DTYPES[activations]
        self.token = secrets.token_hex(4)
        self.number = first
        self.max_windows = max_windows
        self.max_seconds = max_seconds
        self._clips: list[Extracted] = []
        self._tensors: list[dict[str, np.ndarray]] = []
        self._windows = 0
        self._since = time.monotonic()

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.flush()

    def add(
        self,
        clip: Extracted,
        *,
        sync_logits: np.ndarray | None = None,
        valid_audio: np.ndarray | None = None,
        activations: np.ndarray | None = None,
    ) -> None:
        """Add a clip with its arrays, (N, ...), or without arrays if ``clip.error`` is set."""
        if not self._clips:
            self._since = time.monotonic()
        n_windows = 0
        if clip.error is None:
            n_windows = len(sync_logits)
            tensors = {"sync_logits": sync_logits.astype(np.float32), "heard": valid_audio}
            if self.dtype is not None:
                tensors["activations"] = activations.astype(self.dtype)
            self._tensors.append(tensors)
        self._clips.append(replace(clip, offset=self._windows, n_windows=n_windows))
        self._windows += n_windows
        late = time.monotonic() - self._since > self.max_seconds
        if late or self._windows >= self.max_windows:
            self.flush()

    def flush(self) -> None:
        """Write the collected clips."""
        if not self._clips:
            return
        name = f"{self.number:05d}-{self.token}.safetensors"
        joined = {
            tensor: np.concatenate([tensors[tensor] for tensors in self._tensors])
            for tensor in (self._tensors[0] if self._tensors else ())
        }
        listed = [asdict(replace(clip, shard=name)) for clip in self._clips]
        content = save(joined, metadata={KEY: json.dumps(listed)})
        with atomic_path(self.folder / name) as partial:
            partial.write_bytes(content)
        self._clips, self._tensors, self._windows = [], [], 0
        self.number += 1


def shard_paths(folder: Path) -> list[Path]:
    """Return the shards of a store, in the order in which they were written."""
    return sorted(folder.glob("shards/[0-9]*.safetensors"))


def read_clips(folder: Path) -> tuple[dict[str, Extracted], list[Path]]:
    """Return all clips of a store's shards by key, and the unreadable shards.

    If a clip occurs more than once, the newest features are used.
    """
    clips, damaged = {}, []
    for path in shard_paths(folder):
        try:
            clips |= {clip.key: clip for clip in _listed(path)}
        except (OSError, SafetensorError, ValueError, KeyError, TypeError):
            damaged.append(path)
    return clips, damaged


def _listed(path: Path) -> Iterator[Extracted]:
    with safe_open(path, framework="numpy") as file:
        for clip in json.loads(file.metadata()[KEY]):
            yield Extracted(**clip)
