"""AV-Deepfake1M and AV-Deepfake1M++: words replaced in video, audio or both."""

from __future__ import annotations

import logging
import re
from functools import partial
from pathlib import Path

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row, facts
from avforensics.data.sources.tree import find_root, rows_of_entries
from avforensics.data.tables import read_text
from avforensics.media.types import FPS

log = logging.getLogger(__name__)

SPLITS = ("train", "val")
TESTS = ("test_files.txt", "testA_files.txt", "testB_files.txt")
CORPORA = ("vox_celeb_2", "lrs3", "silent_videos")  # source folders of the second edition
KINDS = ("real", "visual_modified", "audio_modified", "both_modified")


def av_deepfake1m(root: str | Path) -> Manifest:
    """Read ``{train,val}_metadata.json`` with files below ``train`` and ``val``.

    The second edition has additional fields (``video_model``), and source folders above the
    speakers' folders: ``vox_celeb_2/ID/...``, ``lrs3/ID/...`` and
    ``silent_videos/subject_N_.../...``
    (https://huggingface.co/datasets/ControlNet/AV-Deepfake1M-PlusPlus,
    https://github.com/ControlNet/AV-Deepfake1M; the folders follow the reader in
    https://github.com/dfwb-research/deepfake-workbench). Files may also be directly below the root.

    The labels of the test parts are not public: their files are skipped and counted in the log.

    Returns
    -------
    Manifest
        ``category`` is the set's ``modify_type``, ``method`` the audio model if named, else the
        video model, ``segments`` the forged segments of video or audio, and ``identity`` the
        speaker: the first folder of ``id01591/q7LU-D4bH_c/00167/fake_video_fake_audio.mp4``, or the
        second folder if the first is the source. Facts are ``audio_model``, ``video_model`` and
        ``source``.

    Raises
    ------
    ManifestError
        The tables are missing, or an entry lacks a field or has an unknown ``modify_type``.
    """
    root = find_root(root, *(f"{split}_metadata.json" for split in SPLITS))
    rows = []
    for split in SPLITS:
        table = Path(root, f"{split}_metadata.json")
        if table.exists():
            folder = f"{root}/{split}" if Path(root, split).is_dir() else root
            rows += rows_of_entries(table, partial(_row, folder, split))
    for name in TESTS:
        if (unlabelled := Path(root, name)).exists():
            n = sum(bool(line.strip()) for line in read_text(unlabelled).text.splitlines())
            log.warning("%s: %d files without public labels are skipped", name, n)
    return Manifest(rows)


def _row(folder: str, split: str, entry: dict) -> Row:
    file, kind = entry["file"], entry["modify_type"]
    if kind not in KINDS:
        raise ValueError(f"unknown modify_type {kind!r}")
    models = {name: entry.get(name) for name in ("audio_model", "video_model")}
    source = file.split("/")[0]
    return Row(
        f"{folder}/{file}",
        int(kind != "real"),
        kind,
        models["audio_model"] or models["video_model"] or kind,
        identity=_speaker(file),
        split=split,
        duration=entry["video_frames"] / FPS,
        segments=tuple((float(start), float(end)) for start, end in entry["fake_segments"]),
        about=facts(models | {"source": source if source in CORPORA else None}),
    )


def _speaker(file: str) -> str:
    first, *others = file.split("/")
    if first not in CORPORA:
        return first
    subject = re.match(r"subject_\d+", others[0])
    return f"{first}/{subject[0] if subject else others[0]}"
