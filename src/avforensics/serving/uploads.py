"""The folder where uploads arrive: which paths lie in it."""

from __future__ import annotations

import os
from pathlib import Path


class Uploads:
    """Files that visitors have sent.

    Parameters
    ----------
    folder : Path
        Holds nothing else.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()

    def find(self, path: str | os.PathLike) -> Path | None:
        """The place of an upload; None for every path outside, by whatever way it leads there."""
        try:
            place = Path(path).resolve()
        except (OSError, ValueError):  # no name that a file can have
            return None
        return place if self.folder in place.parents else None
