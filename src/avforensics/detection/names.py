"""File names for what belongs to one video, unlike any other's of the batch."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from avforensics.detection.inputs import file_key
from avforensics.files import fingerprint

_LONGEST = 60  # characters; with four bytes each still below what file systems take


def unique_name(path: Path, taken: Collection[str], key: str = "") -> str:
    """A name made from a video's, that any file system and any address can bear.

    Parameters
    ----------
    taken : collection of str
        Names in use, case-folded. Where the plain name is among them, a part of the hash of
        ``key`` follows it, so that ``a/clip.mp4`` and ``b/clip.mp4`` stay apart.
    key : str
        Identifies the video among the others; empty = the whole path.

    Returns
    -------
    str
        Letters, digits, dots, hyphens and underscores; it does not begin with a dot or a hyphen.
    """
    name = re.sub(r"[^\w.-]+", "_", path.stem)[:_LONGEST].strip("._-") or "video"
    if name.casefold() not in taken:
        return name
    digest = fingerprint(key or file_key(path))
    return next(
        longer
        for length in range(8, 65, 8)
        if (longer := f"{name}-{digest[:length]}").casefold() not in taken
    )
