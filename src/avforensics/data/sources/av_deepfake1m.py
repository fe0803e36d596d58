"""AV-Deepfake1M: words replaced in picture, sound or both."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.data.sources.tree import find_root, rows_of_entries
from avforensics.data.tables import read_text
from avforensics.media.types import FPS

log = logging.getLogger(__name__)

SPLITS = ("train", "val")
TEST = "test_files.txt"
KINDS = ("real", "visual_modified", "audio_modified", "both_modified")


def av_deepfake1m(root: str | Path) -> Manifest:
    """``{train,val}_metadata.json`` with files below ``train`` and ``val``.

    The labels of the test part are not public: ``test_files.txt`` gives no rows, which is logged.

    Returns
    -------
    Manifest
        ``category`` is the set's ``modify_type``, ``method`` its voice model where it names one,
        ``segments`` the forged stretches of picture or sound, ``identity`` the speaker (first
        folder of ``id01591/q7LU-D4bH_c/00167/fake_video_fake_audio.mp4``).

    Raises
    ------
    ManifestError
        No table is there, or an entry lacks a field or has an unknown ``modify_type``.
    """
    root = find_root(root, *(f"{split}_metadata.json" for split in SPLITS))
    rows = []
    for split in SPLITS:
        table = Path(root, f"{split}_metadata.json")
        if table.exists():
            rows += rows_of_entries(table, partial(_row, root, split))
    if (unlabelled := Path(root, TEST)).exists():
        n = sum(bool(line.strip()) for line in read_text(unlabelled).text.splitlines())
        log.warning("%s: %d files without public labels are left out", TEST, n)
    return Manifest(rows)


def _row(root: str, split: str, entry: dict) -> Row:
    file, kind = entry["file"], entry["modify_type"]
    if kind not in KINDS:
        raise ValueError(f"unknown modify_type {kind!r}")
    return Row(
        f"{root}/{split}/{file}",
        int(kind != "real"),
        kind,
        entry.get("audio_model") or kind,
        identity=file.split("/")[0],
        split=split,
        duration=entry["video_frames"] / FPS,
        segments=tuple((float(start), float(end)) for start, end in entry["fake_segments"]),
    )
