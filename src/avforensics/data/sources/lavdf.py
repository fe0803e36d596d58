"""LAV-DF: clips with short forged segments of video, audio or both."""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePosixPath

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.data.sources.tree import find_root, rows_of_entries

TABLES = ("metadata.min.json", "metadata.json")
# (forged video, forged audio) -> category, with the names of AV-Deepfake1M.
CATEGORIES = {
    (False, False): "real",
    (True, False): "visual_modified",
    (False, True): "audio_modified",
    (True, True): "both_modified",
}


def lavdf(root: str | Path) -> Manifest:
    """Read ``metadata.min.json`` or ``metadata.json`` next to ``{train,dev,test}/NNNNNN.mp4``.

    Returns
    -------
    Manifest
        ``segments`` are the forged segments, ``identity`` is the original clip that a fake was made
        from (the set does not name people), and ``split`` is as in the set.

    Raises
    ------
    ManifestError
        The table is missing or lacks a field, or a clip with forged segments is labelled real.
    """
    root = find_root(root, *TABLES)
    table = next(path for name in TABLES if (path := Path(root, name)).exists())
    return Manifest(rows_of_entries(table, partial(_row, root)))


def _row(root: str, entry: dict) -> Row:
    file, split = entry["file"], entry["split"]
    if "/" not in file:
        file = f"{split}/{file}"
    segments = tuple((float(start), float(end)) for start, end in entry["fake_periods"])
    category = CATEGORIES[bool(entry["modify_video"]), bool(entry["modify_audio"])]
    fake = int(entry["n_fakes"] > 0)
    if fake != bool(segments) or fake != (category != "real"):
        raise ValueError(f"{file}: n_fakes, fake_periods and modify_* contradict each other")
    return Row(
        f"{root}/{file}",
        fake,
        category,
        category,
        identity=PurePosixPath(entry["original"] or file).stem,
        split=split,
        duration=float(entry["duration"]),
        segments=segments,
    )
