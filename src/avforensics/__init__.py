"""Self-supervised audio-visual video forensics (Feng, Chen, Owens, CVPR 2023).

>>> from avforensics import Detector
>>> Detector().score("video.mp4").scores[0].score
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

try:
    __version__ = version("avforensics")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"

# Loaded on first use, so that the command line lists its verbs without importing torch.
_EXPORTS = {
    "AVForensicsError": "avforensics.errors",
    "Detector": "avforensics.detection.detector",
    "VideoResult": "avforensics.scoring.result",
    "baseline": "avforensics.evaluation.baselines",
    "perturbation": "avforensics.media.perturbations",
    "register": "avforensics.models.registered",
    "statistic": "avforensics.scoring.statistics",
}

__all__ = [*_EXPORTS, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)
