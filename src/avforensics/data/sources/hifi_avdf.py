"""HiFi-AVDF: clips by Veo 3.1, Kling 2.5, Wan 2.5 and Seedance 1.0, with their real videos."""

from __future__ import annotations

from pathlib import Path

from avforensics.data.manifest import Manifest
from avforensics.data.row import facts
from avforensics.data.sources.layout import Listed, read_listed
from avforensics.data.sources.tree import find_root
from avforensics.errors import ManifestError

SPLITS = ("all", "test", "train", "val", "validation")  # not names of generators


def hifi_avdf(root: str | Path) -> Manifest:
    """Read one table per generator.

    Each generator has a CSV file, ``GENERATOR.csv``, with the columns ``video_path``,
    ``audio_label``, ``visual_label`` and ``overall_label`` (1 = fake), in which each real video is
    followed by the clip made from it (``NAME_generated.mp4``). The columns follow the authors'
    lists (https://github.com/tuffy-studio/HAVIC); the files of
    https://huggingface.co/datasets/JielunPeng/HiFi-AVDF are gated, and only third-party loaders
    confirm one table per generator.

    Returns
    -------
    Manifest
        ``category`` and ``method`` of fakes are the generator, ``identity`` the name of the pair.
        A real video used with several generators occurs several times.

    Raises
    ------
    ManifestError
        The tables are missing, or a table lacks a column.
    """
    root = find_root(root, ".")
    splits = sorted(name for name in SPLITS if Path(root, f"{name}.csv").is_file())
    if splits:
        raise ManifestError(
            f"{root}: {splits[0]}.csv is not a table of a single generator; "
            "read it with source=table"
        )
    part = Listed(
        tables="*.csv",
        path="{video_path}",
        label="{overall_label}",
        words={"0": 0, "1": 1, "0.0": 0, "1.0": 1, "real": 0, "fake": 1},
        columns={"method": "{table}", "split": "{split}", "sound": "{audio_label}"},
        needed=("video_path", "overall_label"),
    )
    manifest = read_listed(root, [part], what="HiFi-AVDF")
    return Manifest(
        row._replace(
            identity=Path(row.path).stem.removesuffix("_generated"),
            **({} if row.label else {"category": "real", "method": "real"}),
            about=facts({"sound": {"0": "real", "1": "fake"}.get(dict(row.about).get("sound"))}),
        )
        for row in manifest
    )
