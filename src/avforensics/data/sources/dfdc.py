"""DFDC: face swaps and voice swaps in full frames."""

from __future__ import annotations

from pathlib import Path

from avforensics.data.labels import Labels
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.data.sources.tree import find_root, read_json
from avforensics.data.tables import read_table
from avforensics.errors import ManifestError

LABELS = Labels()
PART = "dfdc_train_part_"


def dfdc(root: str | Path) -> Manifest:
    """Read ``dfdc_train_part_N/metadata.json`` and, for the test set, ``labels.csv``.

    Parameters
    ----------
    root : str or Path
        Folder of the parts, or one part, or the folder of ``labels.csv``; the test videos are next
        to that table or in a folder next to it.

    Returns
    -------
    Manifest
        ``identity`` is the original video of a fake (the set does not name people); ``split`` is as
        in the set, or ``test`` for the test set. The set does not say how fakes were made, so their
        category is ``fake``.

    Raises
    ------
    ManifestError
        The tables are missing, or a label is unknown.
    """
    top = find_root(root, ".")
    parts = sorted(
        (path for path in Path(top).iterdir() if path.name.startswith(PART)),
        key=lambda path: (len(path.name), path.name),
    )
    tables = [path / "metadata.json" for path in (Path(top), *parts)]
    rows = [row for table in tables if table.exists() for row in _part(table)]
    for folder in (Path(top), Path(top, "test")):
        if (folder / "labels.csv").exists():
            rows += _test(folder)
    if not rows:
        raise ManifestError(f"{root}: no {PART}N/metadata.json and no labels.csv of DFDC")
    return Manifest(rows)


def _part(table: Path) -> list[Row]:
    rows = []
    for name, entry in sorted(read_json(table).items()):
        label = _label(table, name, entry.get("label"))
        identity = Path(entry.get("original") or name).stem
        kind = "fake" if label else "real"
        rows.append(
            Row(f"{table.parent}/{name}", label, kind, kind, identity, entry.get("split", ""))
        )
    return rows


def _test(folder: Path) -> list[Row]:
    path = folder / "labels.csv"
    table = read_table(path)
    table.require("filename", "label")
    places = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    rows = []
    for cells in table.records():
        name, label = cells["filename"], _label(path, cells["filename"], cells["label"])
        found = next((p / name for p in places if (p / name).exists()), folder / name)
        kind = "fake" if label else "real"
        rows.append(Row(str(found), label, kind, kind, Path(name).stem, "test"))
    return rows


def _label(table: str | Path, name: str, text: object) -> int:
    try:
        return LABELS(str(text))
    except ValueError as error:
        raise ManifestError(f"{table}: {name}: {error}") from None
