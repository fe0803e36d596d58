"""Read any folder of videos."""

from __future__ import annotations

import re
from pathlib import Path

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.data.sources.tree import files_below, find_root
from avforensics.errors import ManifestError


def folder(
    root: str | Path, *, identity: str = "parent", fake: str = "", method: str = ""
) -> Manifest:
    """Read all videos below a folder.

    Parameters
    ----------
    identity : str
        ``"parent"``: the folder of a video. ``"stem"``: the name of the video, if each video shows
        a different person or all show the same person. Otherwise, a regular expression that is
        searched for in the path below ``root``; its first group is the identity.
    fake : str
        Regular expression; videos whose path below ``root`` matches are fakes. Empty = all videos
        are real.
    method : str
        Generator of the fakes; also their category.

    Raises
    ------
    ManifestError
        The folder is missing or has no videos, an expression is invalid, or a path has no identity.
    """
    root = find_root(root, ".")
    marks_fake = _compile(fake, "fake") if fake else None
    name_of = _identity(identity)
    rows = []
    for name in files_below(root):
        label = int(bool(marks_fake and marks_fake.search(name)))
        kind = (method or "fake") if label else "real"
        rows.append(Row(f"{root}/{name}", label, kind, kind, name_of(root, name)))
    if not rows:
        raise ManifestError(f"{root}: no video in this folder")
    return Manifest(rows)


def _identity(rule: str):
    if rule == "parent":
        return lambda root, name: Path(root, name).parent.name
    if rule == "stem":
        return lambda root, name: Path(name).stem
    pattern = _compile(rule, "identity")
    if not pattern.groups:
        raise ManifestError(f"identity={rule}: put the part that names the person in parentheses")

    def search(root: str, name: str) -> str:
        match = pattern.search(name)
        if not match or not match[1]:
            raise ManifestError(f"identity={rule} matches nothing in {name}")
        return match[1]

    return search


def _compile(pattern: str, what: str) -> re.Pattern:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ManifestError(f"{what}={pattern} is not a regular expression ({error})") from None
