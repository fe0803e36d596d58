"""DeepfakeTIMIT: face swaps of VidTIMIT in two qualities; the audio is original."""

from __future__ import annotations

from pathlib import Path

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.data.sources.tree import files_below, find_root
from avforensics.errors import ManifestError

QUALITIES = ("higher_quality", "lower_quality")


def deepfake_timit(root: str | Path, *, vidtimit: str | Path | None = None) -> Manifest:
    """Read ``{higher_quality,lower_quality}/<subject>/<utterance>-video-<source>.avi``.

    Parameters
    ----------
    vidtimit : str or Path, optional
        Folder of the real videos, with a folder per subject and a video file per utterance
        (VidTIMIT itself provides still images, which must be joined with its audio first). None =
        no real videos in the manifest.

    Returns
    -------
    Manifest
        ``category`` is the quality, and ``identity`` is the subject of the original video.

    Raises
    ------
    ManifestError
        A folder is missing or empty, or the name of a fake has a different form.
    """
    root = find_root(root, *QUALITIES)
    rows = []
    for quality in QUALITIES:
        for name in files_below(f"{root}/{quality}"):
            subject, _, file = name.rpartition("/")
            if not subject or "-video-" not in file:
                raise ManifestError(
                    f"{root}/{quality}/{name}: expected SUBJECT/UTTERANCE-video-SOURCE.avi"
                )
            rows.append(Row(f"{root}/{quality}/{name}", 1, quality, "faceswap", subject))
    if vidtimit is None:
        return Manifest(rows)
    reals = find_root(vidtimit, ".")
    names = list(files_below(reals))
    if not names:
        raise ManifestError(f"{reals}: no video of VidTIMIT in this folder")
    return Manifest(
        [
            *(Row(f"{reals}/{name}", 0, "real", "real", name.split("/")[0]) for name in names),
            *rows,
        ]
    )
