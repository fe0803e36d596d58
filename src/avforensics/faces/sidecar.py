"""Read how clips were cropped from the JSON files that `avforensics preprocess` writes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from avforensics.faces.crops import CropRecipe, name_of

LOOKED_AT = 20  # number of clips to read; all clips of a set are cropped in the same way


def recipe_of_clips(paths: Iterable[str | os.PathLike]) -> str | dict[str, Any] | None:
    """Find the recipe with which clips were cropped.

    Parameters
    ----------
    paths : iterable of path
        Clips. Only the sidecar files of the first `LOOKED_AT` clips are read.

    Returns
    -------
    str or dict or None
        Name or settings of the recipe; None if a clip has no sidecar file or if the recipes differ.
    """
    found = [_recipe(Path(path)) for path in islice(paths, LOOKED_AT)]
    return found[0] if found and all(recipe == found[0] for recipe in found) else None


def _recipe(clip: Path) -> str | dict[str, Any] | None:
    try:
        record = json.loads(clip.with_suffix(".json").read_text(encoding="utf-8"))
        return name_of(CropRecipe(**record["settings"]["recipe"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
