"""File names for the outputs of one video, unique in the batch."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from avforensics.detection.inputs import file_key
from avforensics.files import fingerprint, shortened

_LONGEST = 60  # characters
_MOST_BYTES = 180  # in UTF-8; file systems allow 255, including a hash and a suffix


def unique_name(path: Path, taken: Collection[str], key: str = "") -> str:
    """Derive a name from a video's file name; it is valid in any file system and URL.

    Parameters
    ----------
    taken : collection of str
        Names in use, case-folded. If the plain name is in use, part of the hash of ``key`` is
        appended, so that ``a/clip.mp4`` and ``b/clip.mp4`` get different names.
    key : str
        Key that identifies the video in the batch; empty = its absolute path.

    Returns
    -------
    str
        Name of letters, digits, dots, hyphens and underscores. The first character is neither a dot
        nor a hyphen.
    """
    name = re.sub(r"[^\w.-]+", "_", path.stem)[:_LONGEST]
    name = shortened(name, _MOST_BYTES).strip("._-") or "video"
    if name.casefold() not in taken:
        return name
    digest = fingerprint(key or file_key(path))
    return next(
        longer
        for length in range(8, 65, 8)
        if (longer := f"{name}-{digest[:length]}").casefold() not in taken
    )
