"""Tensors of networks: read from torch files, checked, compared and hashed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from avforensics.errors import CheckpointError

# Prefixes that training code adds to every name: DataParallel, torch.compile, LightningModule.
WRAPPERS = ("module.", "_orig_mod.", "network.", "model.", "net.")
# Keys under which training code stores the weights next to optimiser, epoch and the like; if a file
# has several of them, the first in this list is used.
NESTS = ["state_dict", "model_state_dict", "model", "net", "network", "weights", "params"]
NESTS += ["checkpoint"]


def check_weight_file(path: Path) -> None:
    """Reject a file that cannot hold weights, before a reader opens it.

    Raises
    ------
    CheckpointError
        The file is missing or empty, or is a saved web page or a Git LFS pointer.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        with path.open("rb") as file:
            start = file.read(512).lstrip()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    if not start:
        raise CheckpointError(f"{path}: the file is empty")
    if start.startswith(b"<"):
        raise CheckpointError(
            f"{path}: this is a web page, not weights; the download probably failed, so download "
            "the file again"
        )
    if start.startswith(b"version https://git-lfs"):
        raise CheckpointError(f"{path}: this is a Git LFS pointer; download the actual file")


def read_torch(path: Path) -> Any:
    """Read a ``torch.save`` file that holds only tensors and plain containers.

    Raises
    ------
    CheckpointError
        The file is missing or damaged, or holds anything but tensors and plain containers.
    """
    check_weight_file(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files make torch raise nearly every type of error
        if named := re.search(r"GLOBAL ([\w.]+)", str(error)):
            reason = f"rejected: it must contain only tensors, but contains {named[1]}"
        else:
            reason = "truncated, damaged or not a torch file"
        raise CheckpointError(f"{path}: {reason}") from None


def state_dict_in(content: Any, path: Path) -> dict[str, Tensor]:
    """Extract the state dict of a checkpoint, without nesting and wrappers.

    The state dict may be nested in other entries (``state_dict`` as in a Lightning checkpoint,
    ``model``, ``net``, ...; see ``NESTS``). Prefixes in ``WRAPPERS`` are removed if all names have
    them. If only some names begin with ``network.``, because a training module also has other
    tensors, only the tensors under ``network.`` are returned.

    Raises
    ------
    CheckpointError
        The file has no state dict, or more than one.
    """
    content = _unnested(content, path)
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"{path}: does not contain a state dict of tensors")
    state = dict(content)
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise CheckpointError(
                f"{path}: entry {name!r} is not a tensor, so this is not a state dict"
            )
    if any(name.startswith("network.") for name in state):
        state = {name: t for name, t in state.items() if name.startswith("network.")}
    while wrapper := next((w for w in WRAPPERS if all(n.startswith(w) for n in state)), None):
        state = {name.removeprefix(wrapper): tensor for name, tensor in state.items()}
    return state


def _unnested(content: Any, path: Path) -> Any:
    """Return the state dict that is nested in the content, or else the content itself."""
    while isinstance(content, Mapping) and not _is_state(content):
        named = [name for name in NESTS if isinstance(content.get(name), Mapping)]
        other = [name for name, value in content.items() if _is_state(value)]
        if not named and len(other) > 1:
            listed = ", ".join(map(str, other))
            raise CheckpointError(f"{path}: contains several networks ({listed}); keep one of them")
        if not (found := named or other):
            break
        content = content[found[0]]
    return content


def _is_state(value: Any) -> bool:
    """Return True if a value is a mapping of names to tensors."""
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in value.items())
    )


def check_tensors(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path) -> None:
    """Check that a file has exactly the tensors of a network.

    Parameters
    ----------
    expected, found : mapping of str to Tensor
        Tensors by their names in the file; only shapes and types of ``expected`` are used.
    path : Path
        The file, for messages.

    Raises
    ------
    CheckpointError
        A tensor is missing, has a different shape or type, is not finite or is unknown.
    """
    absent = expected.keys() - found.keys()
    foreign = sorted(found.keys() - expected.keys())
    for name, tensor in expected.items():
        if name in absent:
            also = f", and {foreign[0]} does not belong to this network" if foreign else ""
            raise CheckpointError(
                f"{path}: tensor {name} {_shape(tensor)} is missing "
                f"({len(absent)} of {len(expected)} tensors are){also}"
            )
        got = found[name]
        if got.shape != tensor.shape:
            raise CheckpointError(
                f"{path}: tensor {name} has shape {_shape(got)}, expected {_shape(tensor)}"
            )
        if got.is_floating_point() != tensor.is_floating_point():
            raise CheckpointError(
                f"{path}: tensor {name} holds {got.dtype}, expected {tensor.dtype}"
            )
        # NaN and infinity show in the extremes, which are found five times as quickly
        try:
            finite = not got.numel() or bool(torch.stack(got.aminmax()).isfinite().all())
        except RuntimeError:  # no extremes of this type
            raise CheckpointError(
                f"{path}: tensor {name} has the unsupported type {got.dtype}"
            ) from None
        if not finite:
            raise CheckpointError(f"{path}: tensor {name} has values that are not finite")
    if foreign:
        raise CheckpointError(f"{path}: tensor {foreign[0]} does not belong to this network")


def mismatched(own: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> list[str]:
    """Return the sorted names of tensors that differ in shape or are missing on one side."""
    shapes = [{name: tensor.shape for name, tensor in state.items()} for state in (own, other)]
    return sorted(name for name, _ in shapes[0].items() ^ shapes[1].items())


def network_digest(network: nn.Module) -> str:
    """Return the SHA-256 of the names, types, shapes and values of all tensors of a network."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)
