"""How features are computed and kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from avforensics.checkpoints import Models, load_models
from avforensics.errors import ConfigError
from avforensics.features.shards import DTYPES
from avforensics.scoring.edits import edit_of
from avforensics.scoring.runtime import DEFAULT_RUNTIME, RuntimeOptions


@dataclass(frozen=True, kw_only=True)
class ExtractionSettings:
    """How features are computed and kept.

    Parameters
    ----------
    max_windows : int, optional
        Windows of a clip, from its start; None = all.
    max_delay : int, optional
        Delays up to so many frames; None = as the network says. More than it scores videos with
        let anomaly models be trained on moved sound: see `FeatureData`.
    activations : {"float32", "float16", "none"}
        How activation vectors are kept: 4 KB a window of the published network, or half of it.
    edit : str
        What is done to clips while they are read: see `avforensics.scoring.edits`.
    measure : bool
        Measure, while clips are read, what says whether a score of them means anything.
    max_seconds : float
        A shard is written at least so often: no more work is lost in a kill.
    """

    max_windows: int | None = None
    max_delay: int | None = None
    activations: str = "float32"
    runtime: RuntimeOptions = DEFAULT_RUNTIME
    edit: str = ""
    measure: bool = True
    max_seconds: float = 120.0

    def __post_init__(self) -> None:
        if self.activations not in DTYPES:
            raise ConfigError(
                f"activations must be one of {', '.join(DTYPES)}, not {self.activations!r}"
            )
        if self.max_windows is not None and self.max_windows < 2:
            raise ConfigError(f"max_windows must be at least 2, not {self.max_windows}")
        if self.max_delay is not None and self.max_delay < 1:
            raise ConfigError(f"max_delay must be at least 1, not {self.max_delay}")
        edit_of(self.edit, "")  # refuses what has no meaning


def load_network(checkpoint: Mapping[str, Any], settings: ExtractionSettings) -> Models:
    """The synchronisation network of a checkpoint, with the delays that are asked for."""
    models = load_models(checkpoint, parts=["sync"])
    if settings.max_delay is not None:
        models.sync.max_delay = settings.max_delay
    return models
