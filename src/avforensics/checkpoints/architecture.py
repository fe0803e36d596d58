"""Describe a network as plain data and build it again from the description.

Every network keeps its constructor's arguments in ``architecture``. A description names its class;
only the classes of ``CLASSES`` can be built, so a file cannot make this program import anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from avforensics.errors import CheckpointError
from avforensics.features.projection import Projection
from avforensics.models.anomaly import AnomalyModel, NaiveBayes
from avforensics.models.audio import AudioEncoder
from avforensics.models.clean import CleanDecoder
from avforensics.models.decoder import PublishedDecoder
from avforensics.models.fusion import CosineFusion, FusionTransformer
from avforensics.models.motion import MotionEncoder, StridedAudioEncoder
from avforensics.models.objectives import (
    BinaryCrossEntropy,
    DiscreteDelay,
    HardCrossEntropy,
    ProbabilityGrid,
    SoftCrossEntropy,
    SquaredError,
)
from avforensics.models.sync import SyncNetwork
from avforensics.models.visual import VisualEncoder

CLASSES: dict[str, type[nn.Module]] = {
    cls.__name__: cls
    for cls in (
        SyncNetwork,
        VisualEncoder,
        AudioEncoder,
        MotionEncoder,
        StridedAudioEncoder,
        FusionTransformer,
        CosineFusion,
        PublishedDecoder,
        CleanDecoder,
        AnomalyModel,
        NaiveBayes,
        SoftCrossEntropy,
        HardCrossEntropy,
        DiscreteDelay,
        BinaryCrossEntropy,
        SquaredError,
        ProbabilityGrid,
        Projection,
    )
}


def describe(module: nn.Module) -> dict[str, Any]:
    """Class name and constructor arguments of a network, fit for JSON.

    Raises
    ------
    TypeError
        For a class that is not in ``CLASSES``.
    """
    name = type(module).__name__
    if CLASSES.get(name) is not type(module):
        raise TypeError(f"{name} is not listed in CLASSES, so a file could not be read back")
    arguments = {
        key: describe(value) if isinstance(value, nn.Module) else _plain(value)
        for key, value in module.architecture.items()
    }
    return {"class": name, **arguments}


def build(description: Mapping[str, Any]) -> nn.Module:
    """Build a network with fresh weights from what ``describe`` gave.

    Raises
    ------
    CheckpointError
        For an unknown class or arguments that its constructor refuses.
    """
    arguments = dict(description)
    name = arguments.pop("class", None)
    if name not in CLASSES:
        raise CheckpointError(
            f"unknown network class {name!r}; this version knows {', '.join(sorted(CLASSES))}"
        )
    parts = {
        key: build(value) if isinstance(value, Mapping) else value
        for key, value in arguments.items()
    }
    try:
        return CLASSES[name](**parts)
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise CheckpointError(f"cannot build {name} from its description: {error}") from None


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
