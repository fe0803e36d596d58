"""Read a torch file's tensors safely and compare them with what a network needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from avforensics.errors import CheckpointError

# What training programs put in front of every name: DataParallel, torch.compile, a LightningModule.
WRAPPERS = ("module.", "_orig_mod.", "network.", "model.", "net.")
# Under which names training programs keep the weights beside optimiser, epoch and the like; where a
# file has several, the first of these.
NESTS = ["state_dict", "model_state_dict", "model", "net", "network", "weights", "params"]
NESTS += ["checkpoint"]


def check_weight_file(path: Path) -> None:
    """Refuse, before any reader sees it, a file that cannot hold weights.

    Raises
    ------
    CheckpointError
        For a missing or empty file, a saved web page or a pointer to a large file.
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
            f"{path}: this is a web page, not weights; a download that failed saves one, so fetch "
            "the file again"
        )
    if start.startswith(b"version https://git-lfs"):
        raise CheckpointError(f"{path}: this is a Git LFS pointer; fetch the file that it names")


def read_torch(path: Path) -> Any:
    """What ``torch.save`` wrote, tensors and plain containers only.

    Raises
    ------
    CheckpointError
        When the file is missing, damaged, or holds anything but tensors and plain containers.
    """
    check_weight_file(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged files make torch raise nearly every type there is
        if named := re.search(r"GLOBAL ([\w.]+)", str(error)):
            reason = f"refused, it asks for {named[1]} besides tensors"
        else:
            reason = "cut short, damaged or no torch file"
        raise CheckpointError(f"{path}: {reason}") from None


def state_dict_in(content: Any, path: Path) -> dict[str, Tensor]:
    """The flat names and tensors of a checkpoint, without wrappers.

    Accepts a state dict, one nested in other entries (``state_dict`` as in a Lightning checkpoint,
    ``model``, ``net``, ...; see ``NESTS``), and names that all begin with one of ``WRAPPERS``.
    Where only some do, as when a training module keeps other tensors beside its network, those
    under ``network.`` are taken.

    Raises
    ------
    CheckpointError
        When there is no state dict in the file, or one cannot tell which of several is meant.
    """
    content = _unnested(content, path)
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"{path}: holds no state dict of tensors")
    state = dict(content)
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise CheckpointError(f"{path}: entry {name!r} is no tensor; this is no state dict")
    if any(name.startswith("network.") for name in state):
        state = {name: t for name, t in state.items() if name.startswith("network.")}
    while wrapper := next((w for w in WRAPPERS if all(n.startswith(w) for n in state)), None):
        state = {name.removeprefix(wrapper): tensor for name, tensor in state.items()}
    return state


def _unnested(content: Any, path: Path) -> Any:
    """The state dict below the entries of a training program, where there is one."""
    while isinstance(content, Mapping) and not _is_state(content):
        named = [name for name in NESTS if isinstance(content.get(name), Mapping)]
        other = [name for name, value in content.items() if _is_state(value)]
        if not named and len(other) > 1:
            listed = ", ".join(map(str, other))
            raise CheckpointError(f"{path}: holds several networks ({listed}); keep one of them")
        if not (found := named or other):
            break
        content = content[found[0]]
    return content


def _is_state(value: Any) -> bool:
    """Whether something is nothing but tensors by name."""
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in value.items())
    )


def check_tensors(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path) -> None:
    """Make sure that a file has exactly the tensors that a network needs.

    Parameters
    ----------
    expected, found : mapping of str to Tensor
        Both under the file's own names; of ``expected`` only shapes and kinds count.
    path : Path
        The file, for messages.

    Raises
    ------
    CheckpointError
        Naming the first tensor that is missing, of another shape or kind, not finite or foreign.
    """
    absent = expected.keys() - found.keys()
    foreign = sorted(found.keys() - expected.keys())
    for name, tensor in expected.items():
        if name in absent:
            also = f", and {foreign[0]} does not belong to this network" if foreign else ""
            raise CheckpointError(
                f"{path}: tensor {name} {_shape(tensor)} is missing "
                f"({len(absent)} of {len(expected)} are){also}"
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
        if not bool(got.isfinite().all()):
            raise CheckpointError(f"{path}: tensor {name} has values that are not finite")
    if foreign:
        raise CheckpointError(f"{path}: tensor {foreign[0]} does not belong to this network")


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)
