"""Import another network's rows from a folder of arrays into a feature store.

Our anomaly models, test stage and figures can then use the output of any network.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

import avforensics
from avforensics.data.lists import shared_end
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.errors import ConfigError
from avforensics.features.fill import Filled, Results, Todo, fill_store
from avforensics.features.shards import Extracted, ShardWriter
from avforensics.features.store import EXTERNAL, StoreInfo
from avforensics.fields import check_choice
from avforensics.files import typed_path

SUFFIXES = (".safetensors", ".npy")
HOLDS = ("delays", "activations")
DELAYS, ACTIVATIONS = "sync_logits", "activations"  # names of tensors, as `detect` writes them


@dataclass(frozen=True)
class ExternalFeatures:
    """A folder of arrays, and a description of their contents.

    Parameters
    ----------
    folder : str or Path
        Folder that contains ``NAME.npy`` or ``NAME.safetensors`` for each video NAME, at any depth.
    name : str
        Name of the network; models trained on its rows cannot score another network's rows.
    holds : {"delays", "activations"}
        ``delays``: logits over an odd number of delays, (N, 2 * tau + 1), with delay 0 in the
        middle; ``activations``: any numbers, (N, D). A safetensors file may hold both, as tensors
        ``sync_logits`` and ``activations``.
    notice : str, optional
        Sentence to print with every result.
    """

    folder: str | Path | None
    name: str | None
    holds: str = "activations"
    notice: str | None = None

    def __post_init__(self) -> None:
        check_choice("external.holds", self.holds, HOLDS)
        if not self.name:
            raise ConfigError("external.name must name the network that made the arrays")
        if not self.folder or not typed_path(self.folder).is_dir():
            raise ConfigError(f"external.folder: no such folder: {self.folder}")


def import_features(
    manifest: Manifest, folder: str | os.PathLike, source: ExternalFeatures, **how: Any
) -> Filled:
    """Copy the arrays of a manifest's videos into the store at ``folder`` and write its index.

    A video whose array is missing or unusable gets no features; the index gives the reason. Arrays
    that have not changed since an earlier run are not read again.

    Parameters
    ----------
    manifest : Manifest
        Videos, whose files need not exist.
    **how
        ``rank``, ``world`` and ``advance`` as in `fill_store`.

    Raises
    ------
    ConfigError
        No array is usable, or the folder holds other features.
    """
    folder = typed_path(folder)
    files = _Arrays(source)
    width, delays = _sizes(manifest, files)
    info = StoreInfo(
        network=f"{EXTERNAL}{source.name}",
        max_delay=(delays - 1) // 2,
        activation_width=width,
        activations="float32" if width else "none",
        max_windows=None,
        precision="float32",
        notice=source.notice,
        code=avforensics.__version__,
    )

    def work(todo: Todo, first: int) -> Results:
        with ShardWriter(folder, activations=info.activations, first=first) as writer:
            for key, row in todo:
                size, mtime = files.stat(row)
                found, error = {}, None
                try:
                    found = files.read(row)
                    error = _unlike(found, width, delays)
                except ConfigError as reason:
                    error = str(reason)
                clip = Extracted(key=key, size=size, mtime_ns=mtime, error=error)
                windows = 0 if error else len(next(iter(found.values())))
                found.setdefault(DELAYS, np.zeros((windows, 1), np.float32))
                found["valid_audio"] = np.ones(windows, bool)
                writer.add(clip, **found)
                yield row.path, clip

    return fill_store(manifest, folder, info, work, stat=files.stat, **how)


class _Arrays:
    """The arrays of a folder, by video."""

    def __init__(self, source: ExternalFeatures) -> None:
        self.source = source
        self.root = typed_path(source.folder)
        self.by_name: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(self.root.rglob("*")):
            if path.suffix in SUFFIXES:
                self.by_name[path.stem].append(path)

    def path(self, row: Row) -> Path:
        """Return the path of a video's array; if there are several, the best match by folders.

        Raises
        ------
        ConfigError
            No array has this name, or the folders of several arrays match equally well.
        """
        video = Path(row.path)
        found = self.by_name.get(video.stem, [])
        if not found:
            raise ConfigError(f"no array {video.stem}{' or '.join(SUFFIXES)} in {self.root}")
        fit = {path: shared_end(path.parts[:-1], video.parts[:-1]) for path in found}
        found = [path for path in found if fit[path] == max(fit.values())]
        if len(found) > 1:
            raise ConfigError(f"more than one array: {found[0]} and {found[1]}")
        return found[0]

    def stat(self, row: Row) -> tuple[int, int]:
        """Return the size and modification time of a video's array; zeros if it is missing."""
        try:
            found = self.path(row).stat()
        except (ConfigError, OSError):
            return 0, 0
        return found.st_size, found.st_mtime_ns

    def read(self, row: Row) -> dict[str, np.ndarray]:
        """Read a video's float32 arrays by name, (N, D) each.

        Raises
        ------
        ConfigError
            The array is missing, damaged, or not (N, D) finite numbers.
        """
        path = self.path(row)
        kind = DELAYS if self.source.holds == "delays" else ACTIVATIONS
        try:
            if path.suffix == ".npy":
                found: Mapping[str, np.ndarray] = {kind: np.load(path, allow_pickle=False)}
            else:
                found = load_file(path)
        except (OSError, ValueError, TypeError, EOFError, SafetensorError) as error:
            raise ConfigError(f"{path}: truncated, damaged or not an array ({error})") from None
        named = {name: found[name] for name in (DELAYS, ACTIVATIONS) if name in found}
        if not named and len(found) != 1:
            raise ConfigError(
                f"{path}: must hold a single tensor, or {DELAYS} or {ACTIVATIONS}; found "
                f"{', '.join(sorted(found)) or 'none'}"
            )
        named = named or {kind: next(iter(found.values()))}
        return {name: _rows(array, name, path) for name, array in named.items()}


def _rows(array: np.ndarray, name: str, path: Path) -> np.ndarray:
    if array.ndim != 2 or len(array) < 2 or array.dtype.kind not in "fiu":
        raise ConfigError(
            f"{path}: array must have shape (windows, D) with at least two windows, got "
            f"{array.dtype} of shape {array.shape}"
        )
    if name == DELAYS and (array.shape[1] < 3 or array.shape[1] % 2 == 0):
        raise ConfigError(
            f"{path}: the number of delays must be odd and >= 3, got "
            f"{array.shape[1]}; external.holds=activations allows any number"
        )
    if not np.isfinite(array).all():
        raise ConfigError(f"{path}: some values are not finite")
    return array.astype(np.float32)


def _sizes(manifest: Manifest, files: _Arrays) -> tuple[int, int]:
    """Return the first usable array's activation width (or 0) and number of delays (or 1)."""
    reason: ConfigError | None = None
    for row in manifest:
        try:
            found = files.read(row)
        except ConfigError as error:
            reason = reason or error
            continue
        width = found[ACTIVATIONS].shape[1] if ACTIVATIONS in found else 0
        return width, found[DELAYS].shape[1] if DELAYS in found else 1
    raise ConfigError(f"no usable array; first reason: {reason}")


def _unlike(found: Mapping[str, np.ndarray], width: int, delays: int) -> str | None:
    """Return how a video's arrays differ from the store's; None if they do not differ."""
    expected = {ACTIVATIONS: width, DELAYS: 0 if delays == 1 else delays}
    for name, size in expected.items():
        got = found[name].shape[1] if name in found else 0
        if got != size:
            return f"{name} has {got} values per window, but the first array has {size}"
    if len({len(array) for array in found.values()}) > 1:
        return f"{DELAYS} and {ACTIVATIONS} have different numbers of windows"
    return None
