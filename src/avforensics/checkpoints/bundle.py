"""Bundles: all parts of a model in one safetensors file, with descriptions to rebuild them.

Tensors are named ``PART.NAME``. One metadata entry, ``avforensics``, holds JSON: the format's
version, each part's architecture, hashes of the source files, notes and a notice.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from avforensics.checkpoints.architecture import build, describe
from avforensics.checkpoints.parts import PARTS, Models
from avforensics.checkpoints.states import check_tensors, check_weight_file
from avforensics.errors import CheckpointError
from avforensics.files import atomic_path, sha256_file

FORMAT_VERSION = 1
KEY = "avforensics"
# Crop recipes of older bundles whose metadata lacks them, by SHA-256.
RECIPES = {"c21d6dbca86abfef7bc176735ff6a4f80e82cbf50a0d3f4781758ba89b0fd0d8": "mouth"}


def save_bundle(path: str | PathLike, models: Models) -> None:
    """Write the parts of ``models`` to one file, atomically.

    Equal models give identical files.
    """
    parts = models.parts()
    header = {
        "version": FORMAT_VERSION,
        "architecture": {name: describe(module) for name, module in parts},
        "hashes": models.hashes,
        "metadata": models.metadata,
        "notice": models.notice,
    }
    tensors = {
        f"{part}.{name}": tensor.detach().cpu().contiguous().clone()
        for part, module in parts
        for name, tensor in module.state_dict().items()
    }
    content = save(tensors, metadata={KEY: json.dumps(header, sort_keys=True)})
    with atomic_path(path) as partial:
        partial.write_bytes(content)  # safetensors' own writer makes files private to the owner


def load_bundle(path: str | PathLike, *pins: str | None) -> Models:
    """Load a file that ``save_bundle`` wrote.

    In the result, ``hashes`` holds the bundle's hash, and ``metadata["sources"]`` the hashes of its
    source files. Calibrations next to the bundle are listed, not loaded.

    Parameters
    ----------
    *pins : str or None
        SHA-256 that the file must have; None = any.

    Raises
    ------
    CheckpointError
        The file is missing, damaged, not a bundle, not the expected one, or of an unsupported
        version.
    """
    path = Path(path)
    check_weight_file(path)
    digest = sha256_file(path)
    for pin in pins:
        if pin is not None:
            check_digest(path, digest, pin)
    header, tensors = _read(path)
    parts, expected = {}, {}
    for part, description in header["architecture"].items():
        if part not in PARTS:
            raise CheckpointError(f"{path}: part must be one of {', '.join(PARTS)}, got {part!r}")
        try:
            parts[part] = build(description)
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {part}: {error}") from None
        expected |= {f"{part}.{name}": t for name, t in parts[part].state_dict().items()}
    check_tensors(expected, tensors, path)
    for part, module in parts.items():
        module.load_state_dict({name: tensors[f"{part}.{name}"] for name in module.state_dict()})
    metadata = dict(header.get("metadata") or {})
    metadata.setdefault("sources", dict(header.get("hashes") or {}))
    if digest in RECIPES:
        metadata["recipe"] = RECIPES[digest]
    return Models(
        **parts,
        hashes={path.name: digest},
        metadata=metadata,
        notice=header.get("notice"),
        calibrations=calibrations_beside(path),
    )


def check_digest(path: Path, found: str, expected: str) -> None:
    """Raise CheckpointError if the SHA-256 of a file is not the expected one."""
    if found != expected:
        raise CheckpointError(
            f"{path}: SHA-256 is {found}, expected {expected}: the file has changed"
        )


def calibrations_beside(path: Path) -> tuple[Path, ...]:
    """Return a bundle's calibrations, ``NAME.calibration*.safetensors`` next to it, sorted."""
    beside = f"{glob.escape(path.stem)}.calibration*.safetensors"
    return tuple(sorted(path.parent.glob(beside)))


def is_safetensors(path: Path) -> bool:
    """Return True if a file begins like safetensors: 8 bytes of length, then JSON."""
    try:
        with path.open("rb") as file:
            return file.read(9)[8:] == b"{"
    except OSError:
        return False


def _read(path: Path) -> tuple[Mapping[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            text = (file.metadata() or {}).get(KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: truncated, damaged or not a safetensors file ({error})"
        ) from None
    if text is None:
        raise CheckpointError(
            f"{path}: this safetensors file has no description, so it is not a bundle; make a "
            "bundle with `avforensics convert`"
        )
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        header = None
    version = header.get("version", FORMAT_VERSION) if isinstance(header, dict) else FORMAT_VERSION
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: unsupported bundle version {version}; expected {FORMAT_VERSION}"
        )
    if not _is_description(header):
        raise CheckpointError(f"{path}: the description of the bundle cannot be read")
    if not header["architecture"]:
        raise CheckpointError(f"{path}: the bundle contains no model")
    return header, tensors


def _is_description(header: Any) -> bool:
    """Return True if a description, from any source, has a version and entries of right types."""
    if not isinstance(header, dict) or "version" not in header:
        return False
    if not isinstance(header.get("architecture"), dict):
        return False
    parts = [*header["architecture"].values(), header.get("hashes"), header.get("metadata")]
    known = all(isinstance(part, dict | None) for part in parts)
    return known and isinstance(header.get("notice"), str | None)
