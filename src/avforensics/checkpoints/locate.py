"""Find and load the files that a ``checkpoint`` setting names."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from avforensics.checkpoints.bundle import is_safetensors, load_bundle
from avforensics.checkpoints.hub import PINNED, setting_of
from avforensics.checkpoints.parts import PARTS, Models
from avforensics.checkpoints.published import PUBLISHED, read_network, read_projection
from avforensics.errors import CheckpointError, ConfigError
from avforensics.files import sha256_file, typed_path

ENVIRONMENT = "AVFORENSICS_CHECKPOINTS"
SHIPPED = "talkers"  # in assets/; the default if no weights are named or found
AUTO = "auto"  # value of ``search``: the published files if all are found, else SHIPPED

# Settings that name a file, and the part of Models that the file holds.
FILE_SETTINGS = {
    "sync": "sync",
    "distribution": "distribution",
    "activation": "activation",
    "pca": "projection",
}
SETTINGS = {"name", "search", "dir", "bundle", "asset", "weights", "sha256", *FILE_SETTINGS}


def checkpoint_folder(folder: str | os.PathLike | None = None) -> Path:
    """Return the folder in which published files are searched for and stored.

    This is ``folder`` if given, else the environment variable ``AVFORENSICS_CHECKPOINTS``, else
    ``avforensics/checkpoints`` in the user's cache (``XDG_CACHE_HOME`` or ``~/.cache``).
    """
    if named := folder or os.environ.get(ENVIRONMENT):
        return typed_path(named).absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "avforensics" / "checkpoints"


def load_models(checkpoint: Mapping[str, Any], *, parts: Sequence[str] | None = None) -> Models:
    """Load the models of a ``checkpoint`` setting (configs/checkpoint/*.yaml).

    Parameters
    ----------
    checkpoint : mapping
        ``bundle`` (a file) or ``asset`` (a bundle shipped with the package) provides parts.
        ``sync``, ``distribution``, ``activation`` and ``pca`` name files that replace single parts.
        With ``search`` (the default if no bundle is named), missing parts are read from the
        published files in ``dir`` (see ``checkpoint_folder``). With ``search="auto"``, the shipped
        weights (``SHIPPED``) are loaded if no file, bundle or ``dir`` is named and any of the four
        published files is missing; ``origin`` of the result says which weights were chosen.
        ``weights`` is a name (see `setting_of`) that replaces all these settings except those for
        single files. ``sha256`` is the hash that the bundle must have, however it is named.
    parts : sequence of str, optional
        Required parts, from ``PARTS``; other parts are not read. By default, all available parts
        are read; with ``search``, all four are required.

    Raises
    ------
    CheckpointError
        A file is missing or invalid, or no source provides a required part.
    ConfigError
        A setting is unknown, or ``sha256`` is set without a bundle.
    """
    unknown = sorted(set(checkpoint) - SETTINGS)
    if unknown:
        raise ConfigError(
            f"unknown setting checkpoint.{unknown[0]}; known: {', '.join(sorted(SETTINGS))}"
        )
    wanted = PARTS if parts is None else tuple(parts)
    sha256 = checkpoint.get("sha256")
    if named := checkpoint.get("weights"):
        found = setting_of(str(named))
        checkpoint = {**{name: checkpoint.get(name) for name in FILE_SETTINGS}, **found}
    checkpoint, origin = _decided(checkpoint)
    bundle = _bundle_path(checkpoint)
    if sha256 is not None:
        if bundle is None:
            raise ConfigError(
                "checkpoint.sha256 is the hash of a bundle, but no bundle is set: set a bundle, or "
                "remove checkpoint.sha256"
            )
        sha256 = str(sha256).lower()
    base = load_bundle(bundle, sha256, *_pins(checkpoint)) if bundle else Models()
    base.origin = origin
    files = _named_files(checkpoint, wanted)
    if checkpoint.get("search", bundle is None):
        lacking = [p for p in wanted if p not in files and getattr(base, p) is None]
        files |= _searched_files(lacking, checkpoint_folder(checkpoint.get("dir")))
    models = _merged(
        base, {part: (path, _read(part, path)) for part, path in files.items()}, wanted
    )
    if not models.parts():
        raise CheckpointError(
            "the checkpoint setting names no file; use checkpoint.bundle=FILE.safetensors, "
            "checkpoint.sync=FILE (one setting for each model), or checkpoint=released"
        )
    models.require(*(parts or ()))
    return models


def _decided(checkpoint: Mapping[str, Any]) -> tuple[Mapping[str, Any], str | None]:
    """Resolve ``search="auto"``; return the setting and a line for the log.

    The choice depends only on the folder, never on the parts that a command needs: features and
    scores must come from the same weights, and the two sources are never mixed.
    """
    if checkpoint.get("search") != AUTO:
        return checkpoint, None
    if checkpoint.get("bundle") or checkpoint.get("asset"):
        return {**checkpoint, "search": False}, None
    if any(checkpoint.get(name) for name in ("dir", *FILE_SETTINGS)):
        return {**checkpoint, "search": True}, None
    folder = checkpoint_folder()
    missing = [file.name for file in PUBLISHED.values() if not (folder / file.name).is_file()]
    if not missing:
        return {**checkpoint, "search": True}, f"weights: the authors' published files in {folder}"
    line = f"weights: {SHIPPED}, shipped with this package"
    if len(missing) < len(PUBLISHED):
        line += f" ({folder} lacks {', '.join(missing)})"
    return {**checkpoint, "search": False, "asset": SHIPPED}, line


def _bundle_path(checkpoint: Mapping[str, Any]) -> Path | None:
    if named := checkpoint.get("bundle"):
        return typed_path(named)
    asset = checkpoint.get("asset")
    if not asset:
        return None
    folder = Path(str(resources.files("avforensics"))) / "assets"
    path = folder / f"{asset}.safetensors"
    if not path.is_file():
        names = sorted(p.stem for p in folder.glob("*.safetensors") if ".calib" not in p.stem)
        shipped = ", ".join(names) or "none"
        raise CheckpointError(f"no checkpoint {asset!r} in this package (available: {shipped})")
    return path


def _pins(checkpoint: Mapping[str, Any]) -> list[str | None]:
    """Return the SHA-256 that the bundle must have, from its folder or this package."""
    if checkpoint.get("bundle"):
        return checkpoint.get("pins", [])
    return [PINNED.get(str(checkpoint.get("asset")))]


def _named_files(checkpoint: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, Path]:
    named = {
        part: typed_path(checkpoint[setting])
        for setting, part in FILE_SETTINGS.items()
        if part in wanted and checkpoint.get(setting)
    }
    settings = {part: setting for setting, part in FILE_SETTINGS.items()}
    for part, path in named.items():
        if not path.is_file():
            raise CheckpointError(f"{path}: no such file (set by checkpoint.{settings[part]})")
    return named


def _searched_files(parts: Sequence[str], folder: Path) -> dict[str, Path]:
    found = {part: folder / PUBLISHED[part].name for part in parts}
    missing: dict[str, list[str]] = {}
    for part, path in found.items():
        if not path.is_file():
            missing.setdefault(PUBLISHED[part].source, []).append(path.name)
    if missing:
        places = "; ".join(f"{', '.join(names)} (from {place})" for place, names in missing.items())
        raise CheckpointError(
            f"missing in {folder}: {places}. Run `avforensics download`, copy the files there, or "
            f"set checkpoint.dir or {ENVIRONMENT}"
        )
    return found


def _merged(
    base: Models, replaced: Mapping[str, tuple[Path, Models]], wanted: Sequence[str]
) -> Models:
    """Replace parts of ``base`` by parts from other files, and merge the notes on all files."""
    networks = {name: module for name, module in base.parts() if name in wanted}
    hashes, metadata = dict(base.hashes), dict(base.metadata)
    notices = {base.notice: None} if base.notice else {}  # a dict keeps order and drops duplicates
    if "sync" in replaced:  # notes on the replaced network no longer apply
        metadata.pop("recipe", None)
        metadata.pop("sync", None)
    for part, (path, source) in replaced.items():
        networks[part] = getattr(source, part)
        (digest,) = source.hashes.values()
        # files of two runs may have the same name, like best.ckpt
        taken = hashes.get(path.name, digest) != digest
        hashes[f"{part}/{path.name}" if taken else path.name] = digest
        if source.metadata:
            metadata[part] = source.metadata
        if source.notice:
            notices[source.notice] = None
    return Models(
        **networks,
        hashes=hashes,
        metadata=metadata,
        notice=" ".join(notices) or None,
        origin=base.origin,
        calibrations=base.calibrations,
    )


def _read(part: str, path: Path) -> Models:
    """Read one part from a published file, a training checkpoint or a bundle."""
    if is_safetensors(path):
        bundle = load_bundle(path)
        if getattr(bundle, part) is None:
            raise CheckpointError(f"{path}: the bundle has no {part} model")
        return bundle
    digest = sha256_file(path)
    for file in PUBLISHED.values():
        # the two published decoders have the same names and shapes: only the hash differs
        if file.sha256 == digest and file.part != part:
            raise CheckpointError(
                f"{path}: this is the published {file.name} (the {file.part} model), not a {part} "
                "model"
            )
    module = read_projection(path) if part == "projection" else read_network(part, path)
    return Models(**{part: module}, hashes={path.name: digest})
