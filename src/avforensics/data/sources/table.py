"""Read an existing manifest, to split, sample or check it again."""

from __future__ import annotations

from pathlib import Path

from avforensics.data.manifest import Manifest


def table(root: str | Path) -> Manifest:
    """Read a manifest in CSV, Parquet or Arrow; ``root`` is the file."""
    return Manifest.read(root)
