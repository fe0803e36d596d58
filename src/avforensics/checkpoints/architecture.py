"""Describe a network as plain data and build it again from the description.

A description names its class and the arguments of its constructor. Only registered classes can be
built, so a file cannot make this program import anything: those listed here, and those that a
user's own module put beside them with ``@register``.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import nn

from avforensics.errors import CheckpointError, ConfigError
from avforensics.models.anomaly import AnomalyModel, NaiveBayes
from avforensics.models.audio import AudioEncoder
from avforensics.models.clean import CleanDecoder
from avforensics.models.decoder import PublishedDecoder
from avforensics.models.fusion import CosineFusion, FusionTransformer
from avforensics.models.motion import MotionEncoder, StridedAudioEncoder
from avforensics.models.objectives import (
    BinaryCrossEntropy,
    DiscreteDelay,
    EarthMover,
    HardCrossEntropy,
    ProbabilityGrid,
    SoftCrossEntropy,
    SquaredError,
)
from avforensics.models.projection import Projection
from avforensics.models.rotary import RotaryDecoder
from avforensics.models.sync import SyncNetwork
from avforensics.models.visual import VisualEncoder
from avforensics.models.vit import MouthTransformer
from avforensics.registry import Registry

CLASSES: Registry[type[nn.Module]] = Registry(
    "network class",
    {
        cls.__name__: cls
        for cls in (
            SyncNetwork,
            VisualEncoder,
            MouthTransformer,
            AudioEncoder,
            MotionEncoder,
            StridedAudioEncoder,
            FusionTransformer,
            CosineFusion,
            PublishedDecoder,
            CleanDecoder,
            RotaryDecoder,
            AnomalyModel,
            NaiveBayes,
            SoftCrossEntropy,
            HardCrossEntropy,
            DiscreteDelay,
            BinaryCrossEntropy,
            EarthMover,
            SquaredError,
            ProbabilityGrid,
            Projection,
        )
    },
)

Class = TypeVar("Class", bound=type[nn.Module])


def register(cls: Class) -> Class:
    """Class decorator: let networks of a class be written to files and read back.

    The arguments of its constructor are kept in ``architecture`` (unless the class has a property
    of that name), so a class of one's own need not keep them. They must be numbers, strings,
    booleans, None, lists of these, or registered networks.

    Raises
    ------
    ValueError
        Another class has that name.
    """
    CLASSES.add(cls.__name__, cls)
    if isinstance(getattr(cls, "architecture", None), property):
        return cls
    construct = cls.__init__
    signature = inspect.signature(construct)

    @functools.wraps(construct)
    def keep_arguments(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        construct(self, *args, **kwargs)
        if type(self) is cls:
            given = signature.bind(self, *args, **kwargs)
            given.apply_defaults()
            self.architecture = dict(list(given.arguments.items())[1:])
            for name, parameter in signature.parameters.items():
                if parameter.kind is parameter.VAR_KEYWORD:
                    self.architecture |= self.architecture.pop(name)

    cls.__init__ = keep_arguments
    return cls


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
    if isinstance(value, list | tuple):
        return [_plain(item, name) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ConfigError(
        f"{name} is a {type(value).__name__}, which cannot be written to a file: arguments must be "
        "numbers, strings, booleans, None, lists of these, or registered networks"
    )
