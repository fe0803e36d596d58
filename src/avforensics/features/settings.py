"""Settings of feature extraction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from avforensics.checkpoints import Models, load_models
from avforensics.errors import ConfigError
from avforensics.features.shards import DTYPES
from avforensics.fields import check_choice
from avforensics.scoring.edits import edit_of
from avforensics.scoring.runtime import DEFAULT_RUNTIME, RuntimeOptions


@dataclass(frozen=True, kw_only=True)
class ExtractionSettings:
    """Settings of feature extraction.

    Parameters
    ----------
    max_windows : int, optional
        Maximum number of windows per clip; None = all.
    max_delay : int, optional
        Maximum delay in frames; None = the network's maximum. With a larger maximum than in
        scoring, anomaly models can be trained on shifted audio; see `FeatureData`.
    activations : {"float32", "float16", "none"}
        Format of activations; float32 takes 4 KB per window of the published network.
    edit : str
        Edit applied to clips while they are read; see `avforensics.scoring.edits`.
    measure : bool
        Measure applicability while clips are read.
    max_seconds : float
        Maximum time (s) between shards, which bounds the work lost if the run is killed.
    """

    max_windows: int | None = None
    max_delay: int | None = None
    activations: str = "float32"
    runtime: RuntimeOptions = DEFAULT_RUNTIME
    edit: str = ""
    measure: bool = True
    max_seconds: float = 120.0

    def __post_init__(self) -> None:
        check_choice("activations", self.activations, DTYPES)
        if self.max_windows is not None and self.max_windows < 2:
            raise ConfigError(f"max_windows must be >= 2, got {self.max_windows}")
        if self.max_delay is not None and self.max_delay < 1:
            raise ConfigError(f"max_delay must be >= 1, got {self.max_delay}")
        edit_of(self.edit, "")  # validates the edit


def load_network(checkpoint: Mapping[str, Any], settings: ExtractionSettings) -> Models:
    """Load the synchronisation network of a checkpoint, with the requested delays."""
    models = load_models(checkpoint, parts=["sync"])
    if settings.max_delay is not None:
        models.sync.max_delay = settings.max_delay
    return models
