"""``Models``: the networks of one checkpoint and their origin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from logging import Logger
from pathlib import Path
from typing import Any

from torch import nn

from avforensics.errors import CheckpointError
from avforensics.models.anomaly import READS
from avforensics.models.protocols import (
    AnomalyProtocol,
    DecoderProtocol,
    FeatureProtocol,
    SyncProtocol,
    missing,
)

# A part must implement one of its protocols.
ROLES: dict[str, tuple[str, tuple[type, ...]]] = {
    "sync": ("a synchronisation network", (SyncProtocol,)),
    "distribution": ("a decoder or an anomaly model", (DecoderProtocol, AnomalyProtocol)),
    "activation": ("a decoder or an anomaly model", (DecoderProtocol, AnomalyProtocol)),
    "projection": ("a feature", (FeatureProtocol,)),
}
PARTS = tuple(ROLES)


@dataclass(kw_only=True)
class Models:
    """Networks in evaluation mode on the CPU; parts that were not requested are None.

    Attributes
    ----------
    sync : SyncProtocol or None
        Computes delay logits and an activation vector for each window.
    distribution : Module or None
        Autoregressive decoder of rows of delay logits, or another anomaly model of these rows.
    activation : Module or None
        Autoregressive decoder of projected activations.
    projection : FeatureProtocol or None
        Reduces activations for the activation model, e.g. `Projection` (StandardScaler, PCA).
    hashes : dict of str to str
        SHA-256 of each source file, by file name.
    metadata : dict
        Training notes and sources, JSON-like.
    notice : str or None
        Sentence to print with every result, e.g. that the weights are stand-ins.
    origin : str or None
        One line that says which weights `load_models` chose; None without a choice.
    calibrations : tuple of Path
        Calibration files next to the bundle: ``NAME.calibration*.safetensors``.

    Raises
    ------
    CheckpointError
        Two parts are incompatible.
    """

    sync: SyncProtocol | None = None
    distribution: nn.Module | None = None
    activation: nn.Module | None = None
    projection: FeatureProtocol | None = None
    hashes: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    notice: str | None = None
    origin: str | None = None
    calibrations: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        self._check_classes()
        self._check_sizes()
        for _, module in self.parts():
            module.eval()

    def parts(self) -> list[tuple[str, nn.Module]]:
        """Return names and networks of the present parts, in the order of ``PARTS``."""
        present = ((name, getattr(self, name)) for name in PARTS)
        return [(name, module) for name, module in present if module is not None]

    @property
    def recipe(self) -> str | Mapping[str, Any] | None:
        """Crop recipe of the synchronisation network: its name or settings.

        None if the checkpoint has no recipe, as is the case for the published files.
        """
        notes: Any = self.metadata
        while isinstance(notes, Mapping):  # the network's own notes may be nested in others
            if notes.get("recipe") is not None:
                return notes["recipe"]
            notes = notes.get("sync")
        return None

    @property
    def max_delay(self) -> int | None:
        """Maximum delay of the scored rows, tau, in frames; None if no part defines it."""
        if self.distribution is not None:
            return (self.distribution.row_width - 1) // 2
        return None if self.sync is None else self.sync.max_delay

    def introduce(self, log: Logger) -> None:
        """Log the origin of the weights and the notice."""
        if self.origin:
            log.info("%s", self.origin)
        if self.notice:
            log.warning("%s", self.notice)

    def require(self, *names: str) -> None:
        """Check that parts are present.

        Raises
        ------
        CheckpointError
            A part is missing.
        """
        for name in names:
            if getattr(self, name) is None:
                present = ", ".join(part for part, _ in self.parts()) or "nothing"
                raise CheckpointError(f"the checkpoint has no {name} model (it has: {present})")

    def to_score(self, lams: Sequence[float], part: str = "both") -> Models:
        """Keep the models that a score needs; with weights of 0, the activation model is optional.

        Parameters
        ----------
        lams : sequence of float
            Weights of the activation score.
        part : {"both", "distribution", "activation"}
            Models whose score is computed.

        Raises
        ------
        CheckpointError
            A part is missing; the message names the first missing part.
        """
        if part != "activation":
            self.require("distribution")
        if part == "activation" or (part == "both" and any(lams)):
            self.require("activation", "projection")
        complete = self.activation is not None and self.projection is not None
        if part == "distribution" or not complete:
            return replace(self, activation=None, projection=None)
        return self

    def _check_classes(self) -> None:
        for name, module in self.parts():
            role, protocols = ROLES[name]
            if all(missing(module, protocol) for protocol in protocols):
                raise CheckpointError(
                    f"the {name} model must be {role}, got {type(module).__name__}"
                )
            reads = getattr(module, "reads", READS.get(name))
            if reads != READS.get(name):
                raise CheckpointError(
                    f"the {name} model must read {READS[name]}, got a model that reads {reads}"
                )

    def _check_sizes(self) -> None:
        """Check that each part accepts the output of the previous one."""
        sync, projection = self.sync, self.projection
        if sync is not None and self.distribution is not None:
            _same("distribution", self.distribution.row_width, "delays", sync.n_delays)
        if sync is not None and projection is not None:
            _same("projection", projection.inputs, "activations", sync.activation_width)
        if projection is not None and self.activation is not None:
            width = self.activation.row_width
            _same("activation", width, "projected activations", projection.outputs)


def _same(name: str, inputs: int, what: str, width: int) -> None:
    if inputs != width:
        raise CheckpointError(
            f"the {name} model expects {inputs} {what}, but the checkpoint has {width}"
        )
