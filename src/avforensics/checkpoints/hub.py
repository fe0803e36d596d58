"""Find weights by name: shipped or published weights, a file, a folder or a Hub repository.

A repository on the Hugging Face Hub, or a folder that ``avforensics push`` writes, holds
``model.safetensors``, its calibrations, a model card and ``avforensics.json``, which pins the
SHA-256 of each file. Since these pins are in the same repository, they ensure integrity but not
authenticity. To ensure authenticity, pin the bundle from outside with ``sha256=`` of
`Detector.from_pretrained` or with ``checkpoint.sha256``. The cache has the layout of the Hub's own
client; a complete snapshot needs no network access.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from avforensics.checkpoints.bundle import calibrations_beside, check_digest
from avforensics.errors import CheckpointError, ConfigError, first_line
from avforensics.files import sha256_file, typed_path

MODEL = "model.safetensors"
PINS = "avforensics.json"
RELEASED = "released"
PINNED = {  # SHA-256 of the weights in this package
    "talkers": "1cfae7f471ad97e88a6d31844c7c8dc9ae790c06910120a646c2a79b5231edb9",
    "grid_compact": "c21d6dbca86abfef7bc176735ff6a4f80e82cbf50a0d3f4781758ba89b0fd0d8",
}
_HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_FILES = (".safetensors", ".pth", ".pt", ".ckpt", ".pkl", ".bin")  # suffixes of file names


def setting_of(name: str) -> dict[str, Any]:
    """Return the ``checkpoint`` setting that a name refers to; see `load_models`.

    Its ``pins`` are the SHA-256 that the bundle must have, which `load_bundle` compares.

    Parameters
    ----------
    name : str
        A shipped set of weights (``talkers``, ``grid_compact``), ``released``, a bundle, a folder
        with a bundle or with the four published files, or ``OWNER/NAME`` or
        ``OWNER/NAME@REVISION`` on the Hub. Files on disk take precedence over the Hub.

    Raises
    ------
    CheckpointError
        No weights have this name, or a file other than the bundle differs from its pinned SHA-256.
    ConfigError
        The repository is not in the cache and huggingface_hub is not installed.
    """
    if name == RELEASED:
        return {"search": True}
    path = typed_path(name)
    if name in PINNED and not path.is_file():
        return {"search": False, "asset": name}
    if path.is_dir():
        return _folder(path)
    if path.is_file():
        return {"search": False, "bundle": str(path)}
    repository, _, revision = name.partition("@")
    if repository.lower().endswith(_FILES):
        raise CheckpointError(f"{name}: no such file")
    if not _HUB_NAME.fullmatch(repository):
        raise CheckpointError(
            f"{name}: unknown weights; use {', '.join(PINNED)}, {RELEASED}, a file, a folder or "
            "OWNER/NAME on the Hugging Face Hub"
        )
    return _folder(snapshot(repository, revision or "main"))


def is_local(name: str) -> bool:
    """Return True if `setting_of` can resolve a name without network access."""
    if name == RELEASED or name in PINNED or typed_path(name).exists():
        return True
    repository, _, revision = name.partition("@")
    known = _HUB_NAME.fullmatch(repository)
    return bool(known) and cached(repository, revision or "main") is not None


def snapshot(repository: str, revision: str = "main") -> Path:
    """Return a repository's folder in the Hub's cache; download it if missing or incomplete.

    Raises
    ------
    ConfigError
        The snapshot is missing or incomplete, and huggingface_hub is not installed.
    CheckpointError
        The snapshot cannot be downloaded, or ``revision`` is not a valid name.
    """
    if (found := cached(repository, revision)) is not None:
        return found
    try:
        import huggingface_hub
    except ImportError:
        raise ConfigError(
            f"{repository} is missing or incomplete in {hub_cache()}; downloading it needs "
            "huggingface_hub: pip install 'avforensics[hub]'"
        ) from None
    wanted = [MODEL, "model.calibration*.safetensors", PINS, "README.md"]
    try:
        folder = huggingface_hub.snapshot_download(
            repository, revision=revision, allow_patterns=wanted, cache_dir=str(hub_cache())
        )
    except Exception as error:  # whatever the client, the network or the server raises
        raise CheckpointError(
            f"{repository}@{revision}: cannot be downloaded ({first_line(error)[:160]})"
        ) from None
    return Path(folder)


def hub_cache() -> Path:
    """Return the folder in which the Hub's client stores repositories."""
    if named := os.environ.get("HF_HUB_CACHE"):
        return typed_path(named)
    if home := os.environ.get("HF_HOME"):
        return typed_path(home) / "hub"
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "huggingface" / "hub"


def cached(repository: str, revision: str = "main") -> Path | None:
    """Return a revision's folder (branch, tag or commit) in the cache if it is complete.

    A complete folder has the model, the pins and every file that the pins list.

    Raises
    ------
    CheckpointError
        ``revision`` is not a valid name.
    """
    if revision.startswith("/") or ".." in revision.split("/") or "\0" in revision:
        raise CheckpointError(
            f"{repository}@{revision!r}: a revision must be a branch, a tag or a commit"
        )
    folder = hub_cache() / f"models--{repository.replace('/', '--')}"
    reference = folder / "refs" / revision
    commit = reference.read_text(encoding="utf-8").strip() if reference.is_file() else revision
    place = folder / "snapshots" / commit
    wanted = [MODEL, PINS, *pins_of(place)]
    return place if all((place / name).is_file() for name in wanted) else None


def pins_of(folder: Path) -> dict[str, str]:
    """Return the SHA-256 by file name from ``avforensics.json``; empty if that file is missing.

    Raises
    ------
    CheckpointError
        The file cannot be read.
    """
    path = folder / PINS
    if not path.is_file():
        return {}
    try:
        pins = json.loads(path.read_text(encoding="utf-8"))["sha256"]
        return {str(name): str(digest) for name, digest in pins.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise CheckpointError(f"{path}: does not list the SHA-256 of the files") from None


def _folder(folder: Path) -> dict[str, Any]:
    pins = pins_of(folder)
    model = folder / MODEL
    if not model.is_file():
        bundles = [path for path in folder.glob("*.safetensors") if ".calib" not in path.stem]
        if len(bundles) > 1:
            names = ", ".join(sorted(path.name for path in bundles))
            raise CheckpointError(f"{folder}: holds more than one bundle: {names}")
        model = bundles[0] if bundles else None
    for name, digest in pins.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"{path}: no such file, although {PINS} lists it")
        if path != model:
            check_digest(path, sha256_file(path), digest)
    if model is None:
        return {"search": True, "dir": str(folder)}
    if pins:
        for path in (model, *calibrations_beside(model)):
            if path.name not in pins:
                raise CheckpointError(f"{path}: the {PINS} next to it does not list this file")
    blob = model.resolve().name  # the Hub's cache names large files by their SHA-256
    named = model.is_symlink() and re.fullmatch(r"[0-9a-f]{64}", blob)
    return {
        "search": False,
        "bundle": str(model),
        "pins": [pins.get(model.name), blob if named else None],
    }
