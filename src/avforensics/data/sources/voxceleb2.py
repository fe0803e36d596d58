"""VoxCeleb2: face tracks of celebrities, with audio in a separate tree; all real."""

from __future__ import annotations

from pathlib import Path

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.data.sources.tree import files_below, find_root

PARTS = ("dev", "test")


def voxceleb2(
    root: str | Path, *, sound: str | Path | None = None, suffix: str = ".m4a"
) -> Manifest:
    """Read the videos and their audio files.

    Files are named like ``dev/mp4/id00019/<YouTube id>/00121.mp4`` and
    ``dev/aac/id00019/<YouTube id>/00121.m4a``.

    Parameters
    ----------
    root : str or Path
        Folder of ``dev`` and, if present, ``test``.
    sound : str or Path, optional
        Folder of ``dev/aac`` and ``test/aac``, if it is not ``root``.
    suffix : str
        Suffix of the audio files.

    Returns
    -------
    Manifest
        ``identity`` is the speaker, ``split`` the part, and ``audio`` the audio file, whether or
        not the file exists: `Manifest.missing` finds missing files.
    """
    root = find_root(root, "dev/mp4", "test/mp4")
    sound = str(Path(sound).absolute()) if sound else root
    return Manifest(
        Row(
            f"{root}/{part}/mp4/{name}",
            0,
            "real",
            "real",
            identity=name.split("/")[0],
            split=part,
            audio=f"{sound}/{part}/aac/{name.removesuffix('.mp4')}{suffix}",
        )
        for part in PARTS
        for name in files_below(f"{root}/{part}/mp4", {".mp4"})
    )
