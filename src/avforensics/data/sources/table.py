"""A manifest that is there already, to be split, sampled or checked anew."""

from __future__ import annotations

from pathlib import Path

from avforensics.data.manifest import Manifest


def table(root: str | Path) -> Manifest:
    """Read a manifest in CSV or Parquet; ``root`` is that file."""
    return Manifest.read(root)
