"""Read a torch file's tensors safely and fill a network with them, naming whatever is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from avforensics.errors import CheckpointError

# What training programs put in front of every name: DataParallel, torch.compile, a LightningModule.
WRAPPERS = ("module.", "_orig_mod.", "network.", "model.")


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
        if "Weights only load failed" in str(error) and "GLOBAL" in str(error):
            reason = "it holds Python objects besides tensors, which are not loaded for safety"
        else:
            reason = "it is cut short, damaged or no torch file"
        raise CheckpointError(f"{path}: cannot be read as weights: {reason}") from None


def state_dict_in(content: Any, path: Path) -> dict[str, Tensor]:
    """The flat names and tensors of a checkpoint, without wrappers.

    Accepts a state dict, one under ``state_dict`` (a Lightning checkpoint too), and names that all
    begin with one of ``WRAPPERS``. Where only some do, as when a training module keeps other
    tensors beside its network, those under ``network.`` are taken.

    Raises
    ------
    CheckpointError
        When there is no state dict in the file.
    """
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
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


def fill(module: nn.Module, state: Mapping[str, Tensor], path: Path, *, names=None) -> None:
    """Load tensors into a network after checking that names, shapes and kinds all fit.

    Parameters
    ----------
    module : Module
    state : mapping of str to Tensor
        By the network's own names.
    path : Path
        The file, for messages.
    names : mapping of str to str, optional
        Our name -> the name in the file, for messages.

    Raises
    ------
    CheckpointError
        Naming the first tensor that is missing, foreign, of another shape or kind, or not finite.
    """
    own = module.state_dict()
    shown = dict(names or {})
    for name, expected in own.items():
        label = shown.get(name, name)
        if name not in state:
            raise CheckpointError(
                f"{path}: tensor {label} {_shape(expected)} is missing "
                f"({len(own.keys() - state.keys())} of {len(own)} are)"
            )
        found = state[name]
        if found.shape != expected.shape:
            raise CheckpointError(
                f"{path}: tensor {label} has shape {_shape(found)}, expected {_shape(expected)}"
            )
        if found.is_floating_point() != expected.is_floating_point():
            raise CheckpointError(
                f"{path}: tensor {label} holds {found.dtype}, expected {expected.dtype}"
            )
        if not bool(found.isfinite().all()):
            raise CheckpointError(f"{path}: tensor {label} has values that are not finite")
    foreign = sorted(state.keys() - own.keys())
    if foreign:
        raise CheckpointError(
            f"{path}: tensor {shown.get(foreign[0], foreign[0])} does not belong to this network"
        )
    module.load_state_dict(dict(state))


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)
