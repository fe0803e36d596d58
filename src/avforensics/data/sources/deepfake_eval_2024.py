"""Deepfake-Eval-2024: videos that people sent to a fact-checking service in 2024."""

from __future__ import annotations

from pathlib import Path

from avforensics.data.manifest import Manifest
from avforensics.data.sources.layout import Listed, read_listed
from avforensics.data.sources.tree import find_root

TABLES = ("video-metadata-publish.csv", "video-metadata-publish-with-links.csv")
KINDS = {
    "real/real": "real",
    "fake/real": "visual_modified",
    "real/fake": "audio_modified",
    "fake/fake": "both_modified",
}


def deepfake_eval_2024(root: str | Path) -> Manifest:
    """Read the table of the videos.

    The table is ``video-metadata-publish.csv`` or ``video-metadata-publish-with-links.csv`` with
    the columns ``Filename``, ``Video Ground Truth``, ``Audio Ground Truth`` (Real, Fake or Unknown)
    and ``Finetuning Set`` (train, test), next to ``video-data/FILENAME``
    (https://huggingface.co/datasets/nuriachandra/Deepfake-Eval-2024, arXiv 2503.02857; the columns
    follow public loaders, since the set itself is gated).

    Returns
    -------
    Manifest
        A clip is fake if its video or its audio is fake; ``category`` says which
        (``visual_modified``, ``audio_modified``, ``both_modified``). Clips with real video and
        unknown audio, or unknown video and real audio, are counted and skipped. The set does not
        name people: ``identity`` is the file's stem.

    Raises
    ------
    ManifestError
        The table is missing, or lacks a column.
    """
    root = find_root(root, *TABLES)
    table = next(name for name in TABLES if Path(root, name).is_file())
    part = Listed(
        tables=table,
        path="video-data/{filename}",
        label="{video_ground_truth}/{audio_ground_truth}",
        words={
            "real/real": 0,
            "real/": 0,
            **{f"fake/{sound}": 1 for sound in ("real", "fake", "unknown", "")},
            **{f"{picture}/fake": 1 for picture in ("real", "unknown")},
        },
        columns={
            "category": "{video_ground_truth}/{audio_ground_truth}",
            "split": "{finetuning_set}",
            "language": "{language}",
            "website": "{website}",
        },
        needed=("filename", "video_ground_truth", "audio_ground_truth"),
    )
    manifest = read_listed(root, [part], what="Deepfake-Eval-2024")
    return Manifest(
        row._replace(
            category=(kind := KINDS.get(row.category.casefold(), "fake" if row.label else "real")),
            method=kind,
            identity=Path(row.path).stem,
            split=row.split.casefold(),
        )
        for row in manifest
    )
