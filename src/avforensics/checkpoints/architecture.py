"""Describe a network as plain data and build it again from the description.

A description names its class and the arguments of its constructor. Only classes with ``@register``
can be built, ours and those of a user's own module.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from avforensics.errors import CheckpointError, ConfigError
from avforensics.models import (  # noqa: F401 (each registers its classes)
    anomaly,
    audio,
    clean,
    decoder,
    fusion,
    motion,
    objectives,
    projection,
    rotary,
    sync,
    visual,
    vit,
)
from avforensics.models.registered import CLASSES


def describe(module: nn.Module) -> dict[str, Any]:
    """Class name and constructor arguments of a network, fit for JSON.

    Raises
    ------
    ConfigError
        Its class is not registered, or an argument cannot be written.
    """
    name = type(module).__name__
    if CLASSES.get(name) is not type(module):
        raise ConfigError(
            f"a network with a {name} could not be read back from a file: put @register "
            f"(from avforensics import register) above class {name}"
        )
    arguments = {
        key: describe(value) if isinstance(value, nn.Module) else _plain(value, f"{name}.{key}")
        for key, value in module.architecture.items()
    }
    return {"class": name, **arguments}


def check_savable(module: nn.Module) -> None:
    """Refuse, before any training, a network that could not be read back from a file.

    Raises
    ------
    ConfigError
        A class in it is not registered, an argument cannot be written, or what its description
        builds has other tensors.
    """
    description = json.loads(json.dumps(describe(module)))
    with torch.random.fork_rng(devices=[]):  # training draws the same numbers with and without
        try:
            again = build(description).state_dict()
        except CheckpointError as error:
            raise ConfigError(f"a file of this network could not be read back: {error}") from None
    shapes = {name: tensor.shape for name, tensor in module.state_dict().items()}
    others = {name: tensor.shape for name, tensor in again.items()}
    if wrong := sorted(n for n in shapes | others if shapes.get(n) != others.get(n)):
        raise ConfigError(
            f"a file of this network could not be read back: {type(module).__name__} built from "
            f"its own arguments has another tensor {wrong[0]}"
        )


def build(description: Mapping[str, Any]) -> nn.Module:
    """Build a network with fresh weights from what ``describe`` gave.

    Raises
    ------
    CheckpointError
        For a class that is not registered, or arguments that its constructor refuses.
    """
    arguments = dict(description)
    name = arguments.pop("class", None)
    if not isinstance(name, str) or name not in CLASSES:
        raise CheckpointError(
            f"unknown network class {name!r}; install or name (plugins=...) the code that "
            f"registers it; registered here: {', '.join(sorted(CLASSES))}"
        )
    parts = {
        key: build(value) if isinstance(value, Mapping) else value
        for key, value in arguments.items()
    }
    try:
        return CLASSES[name](**parts)
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise CheckpointError(f"cannot build {name} from its description: {error}") from None


def _plain(value: Any, name: str) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Sequence):
        return [_plain(item, name) for item in value]
    raise ConfigError(
        f"{name} is a {type(value).__name__}, which cannot be written to a file: arguments must be "
        "numbers, strings, booleans, None, lists of these, or registered networks"
    )
