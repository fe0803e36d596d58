"""Options for running networks; all but the streams change only the last digits of a score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch

from avforensics.errors import ConfigError
from avforensics.fields import check_choice

PRECISIONS = {"float32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True, kw_only=True)
class RuntimeOptions:
    """Settings of ``configs/runtime``.

    Parameters
    ----------
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    precision : str
        ``float32``, or ``bf16`` for autocast.
    channels_last : bool
        Keep channels last in memory, which is faster on most processors.
    compile : bool
        Compile the frame and window stages with ``torch.compile``.
    batch_windows : int, optional
        Windows per batch of the 3-D stages; default 8 on a CPU, 64 on a GPU. Each window takes
        about 0.1 GB with the published network.
    readers : int, optional
        Files read concurrently; default 1 on a CPU, 4 on a GPU.
    video_stream, audio_stream : int, optional
        Index of the stream among streams of its kind; None = the stream that a player would choose.

    Raises
    ------
    ConfigError
        The precision is unknown, or a number is below 1.
    """

    device: str = "auto"
    precision: str = "float32"
    channels_last: bool = True
    compile: bool = False
    batch_windows: int | None = None
    readers: int | None = None
    video_stream: int | None = None
    audio_stream: int | None = None

    def __post_init__(self) -> None:
        check_choice("precision", self.precision, PRECISIONS)
        for name in ("batch_windows", "readers"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ConfigError(f"{name} must be >= 1, got {value}")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> RuntimeOptions:
        """Build options from the settings of a command."""
        return cls(**{field.name: settings[field.name] for field in fields(cls)})


DEFAULT_RUNTIME = RuntimeOptions()
