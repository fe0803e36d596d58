"""LRS2 and LRS3: face tracks of speakers, 25 fps, cut into sentences; all real.

Each folder holds one broadcast (LRS2, named by 19 digits) or one talk (LRS3, named by its YouTube
id) and serves as the identity. In both sets, some folders (553-629 in LRS2) occur both in the
pre-training part and in the training part, so the parts are not identity-disjoint: split them again
with `avforensics.data.splits.split_by_identity`.
"""

from __future__ import annotations

from pathlib import Path

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.data.sources.tree import files_below, find_root
from avforensics.data.tables import read_text
from avforensics.errors import ManifestError

LRS2_LISTS = {"pretrain": "pretrain", "train": "main", "val": "main", "test": "main"}
LRS3_PARTS = ("pretrain", "trainval", "test")


def lrs2(root: str | Path, *, lists: str | Path | None = None) -> Manifest:
    """Read LRS2: ``mvlrs_v1/{main,pretrain}/<19 digits>/00001.mp4`` and lists of the parts.

    Parameters
    ----------
    root : str or Path
        ``mvlrs_v1``, or its parent.
    lists : str or Path, optional
        Folder of ``pretrain.txt``, ``train.txt``, ``val.txt``, ``test.txt``, which are delivered
        separately; default: in ``mvlrs_v1`` or its parent.

    Returns
    -------
    Manifest
        ``split`` is the name of the list.

    Raises
    ------
    ManifestError
        The folder or the lists are missing, or a line of a list is malformed.
    """
    root = find_root(root, "main", "pretrain")
    folder = _find_lists(root, lists)
    rows = []
    for split, part in LRS2_LISTS.items():
        path = folder / f"{split}.txt"
        if not path.is_file():
            continue
        for number, line in enumerate(read_text(path).text.splitlines(), start=1):
            if not line.strip():
                continue
            name = line.split()[0]  # a line of test.txt continues with a flag: "6330.../00011 NF"
            identity, slash, clip = name.partition("/")
            if not (identity and slash and clip):
                raise ManifestError(f"{path}, line {number}: expected FOLDER/CLIP, got {line!r}")
            rows.append(Row(f"{root}/{part}/{name}.mp4", 0, "real", "real", identity, split))
    return Manifest(rows)


def _find_lists(root: str, lists: str | Path | None) -> Path:
    places = [Path(lists)] if lists else [Path(root), Path(root).parent]
    for place in places:
        if any((place / f"{name}.txt").is_file() for name in LRS2_LISTS):
            return place
    raise ManifestError(
        f"{places[0]}: no pretrain.txt, train.txt, val.txt or test.txt of LRS2; set their folder "
        "with source.lists=FOLDER"
    )


def lrs3(root: str | Path) -> Manifest:
    """Read LRS3: ``{pretrain,trainval,test}/<YouTube id>/00001.mp4``.

    Returns
    -------
    Manifest
        ``split`` is the part.
    """
    root = find_root(root, *LRS3_PARTS)
    return Manifest(
        Row(f"{root}/{part}/{name}", 0, "real", "real", name.split("/")[0], part)
        for part in LRS3_PARTS
        for name in files_below(f"{root}/{part}", {".mp4"})
    )
