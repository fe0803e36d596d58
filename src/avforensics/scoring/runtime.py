"""How the networks run. No score depends on it but in its last digits, and by the streams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch

from avforensics.errors import ConfigError

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
        Keep channels last in memory, which most processors are quicker with.
    compile : bool
        Compile the frame and window stages with ``torch.compile``.
    batch_windows : int, optional
        Windows in the 3-D stages at a time; default 8 on a CPU, 64 on a GPU. Memory grows with it,
        about 0.1 GB a window for the published network.
    readers : int, optional
        Files read at a time; default 1 on a CPU, 4 on a GPU.
    video_stream, audio_stream : int, optional
        Which stream of a file, counted among its kind.

    Raises
    ------
    ConfigError
        There is no such precision, or a number is below 1.
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
        if self.precision not in PRECISIONS:
            raise ConfigError(
                f"precision must be one of {tuple(PRECISIONS)}, not {self.precision!r}"
            )
        for name in ("batch_windows", "readers"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, not {value}")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> RuntimeOptions:
        """Those among the settings of a command."""
        return cls(**{field.name: settings[field.name] for field in fields(cls)})


DEFAULT_RUNTIME = RuntimeOptions()
