"""Describe a network as plain data and rebuild it from the description.

A description holds a class name and constructor arguments. Only classes decorated with
``@register`` can be built.
"""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import torch
from torch import nn

from avforensics import models
from avforensics.checkpoints.states import mismatched
from avforensics.errors import CheckpointError, ConfigError
from avforensics.models.registered import CLASSES


def describe(module: nn.Module) -> dict[str, Any]:
    """Return a network's class name and constructor arguments as JSON-like data.

    Raises
    ------
    ConfigError
        The class is not registered, or an argument cannot be saved.
    """
    name = type(module).__name__
    if CLASSES.get(name) is not type(module):
        raise ConfigError(
            f"a network that contains {name} cannot be saved, because it could not be loaded "
            "again: decorate the class with @register (from avforensics import register)"
        )
    arguments = {
        key: describe(value) if isinstance(value, nn.Module) else _plain(value, f"{name}.{key}")
        for key, value in module.architecture.items()
    }
    return {"class": name, **arguments}


def check_savable(module: nn.Module) -> None:
    """Reject a network before training if it could not be saved and loaded again.

    Raises
    ------
    ConfigError
        A class is not registered, an argument cannot be saved, or the tensors of the rebuilt
        network differ in name or shape.
    """
    description = json.loads(json.dumps(describe(module)))
    with torch.random.fork_rng(devices=[]):  # keep the random state of training
        try:
            again = build(description).state_dict()
        except CheckpointError as error:
            raise ConfigError(
                f"this network cannot be saved, because it could not be loaded again: {error}"
            ) from None
    if wrong := mismatched(module.state_dict(), again):
        raise ConfigError(
            f"this network cannot be saved: if {type(module).__name__} is rebuilt from its "
            f"arguments, tensor {wrong[0]} is missing or has another shape"
        )


def build(description: Mapping[str, Any]) -> nn.Module:
    """Build a network with fresh weights from a description.

    Raises
    ------
    CheckpointError
        The class is not registered, or its constructor rejects the arguments.
    """
    arguments = dict(description)
    name = str(arguments.pop("class", None))
    if name not in CLASSES:  # our classes register themselves when imported
        for module in pkgutil.iter_modules(models.__path__, f"{models.__name__}."):
            import_module(module.name)
    if name not in CLASSES:
        raise CheckpointError(
            f"unknown network class {name!r}; import the code that registers it (plugins=...); "
            f"registered: {', '.join(sorted(CLASSES))}"
        )
    parts = {
        key: build(value) if isinstance(value, Mapping) else value
        for key, value in arguments.items()
    }
    try:
        return CLASSES[name](**parts)
    except (TypeError, ValueError, RuntimeError, AttributeError, ArithmeticError) as error:
        raise CheckpointError(f"cannot build {name} from its description: {error}") from None


def _plain(value: Any, name: str) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Sequence):
        return [_plain(item, name) for item in value]
    raise ConfigError(
        f"{name} is a {type(value).__name__}, which cannot be saved: arguments must be numbers, "
        "strings, booleans, None, lists of these, or registered networks"
    )
