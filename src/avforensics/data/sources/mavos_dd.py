"""MAVOS-DD: real and generated talking heads in many languages, with open-set splits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row, facts
from avforensics.data.sources.layout import make_row, tell_of_odd
from avforensics.data.sources.tree import find_root
from avforensics.data.tables import read_arrow, read_table
from avforensics.errors import ManifestError

TABLES = ("metadata.csv", "metadata.parquet")
WORDS = {"real": 0, "fake": 1}
FACTS = ("language", "open_set_model", "open_set_language")
COLUMNS = {"split": "{split}", "method": "{generative_method}"}
COLUMNS |= {name: f"{{{name}}}" for name in FACTS}
OPEN = ("model", "language")
PROTOCOLS = {
    (False, False): "closed-set",
    (True, False): "open-model",
    (False, True): "open-language",
    (True, True): "open-set",
}


def mavos_dd(root: str | Path) -> Manifest:
    """Read the table of the set.

    The table is a saved Hugging Face dataset (``data-*.arrow``) next to the videos, with columns
    ``video_path``, ``label`` (real, fake), ``split`` (train, validation, test),
    ``open_set_model``, ``open_set_language``, and ``language`` and ``generative_method``
    (https://huggingface.co/datasets/unibuc-cs/MAVOS-DD and the loaders of
    https://github.com/CroitoruAlin/MAVOS-DD; the last two follow later public loaders). Without
    Arrow files, ``metadata.csv`` or ``metadata.parquet`` with these columns is read. Arrow files
    need pyarrow (``pip install 'avforensics[parquet]'``).

    Returns
    -------
    Manifest
        ``category`` and ``method`` are the generator; facts are ``language``, ``open_set_model``,
        ``open_set_language`` and, in the split ``test``, ``protocol``: ``closed-set``,
        ``open-model``, ``open-language`` or ``open-set``. The set does not name people:
        ``identity`` is the stem of the file.

    Raises
    ------
    ManifestError
        There is no table, or it lacks a column.
    """
    root = find_root(root, *TABLES, "state.json", "dataset_info.json")
    named = [path for name in TABLES if (path := Path(root, name)).is_file()]
    tables = sorted(Path(root).glob("*.arrow")) or named[:1]
    if not tables:
        raise ManifestError(f"{root}: no data-*.arrow and no {' or '.join(TABLES)}")
    rows, unlabelled = [], Counter()
    for path in tables:
        table = read_arrow(path) if path.suffix == ".arrow" else read_table(path)
        table.require("video_path", "label", "split")
        for cells in table.records():
            label = WORDS.get(cells["label"].casefold())
            if label is None:
                unlabelled[cells["label"] or "(empty)"] += 1
                continue
            rows.append(_row(make_row(root, cells["video_path"], label, COLUMNS, cells)))
    tell_of_odd("MAVOS-DD", list(unlabelled.elements()), "entries have no usable label")
    if not rows:
        raise ManifestError(f"{root}: no entry of MAVOS-DD is labelled real or fake")
    return Manifest(rows)


def _row(row: Row) -> Row:
    known = dict(row.about)
    if row.split == "test":
        open_ = [known.get(f"open_set_{what}", "").casefold() == "true" for what in OPEN]
        known["protocol"] = PROTOCOLS[open_[0], open_[1]]
    return row._replace(identity=Path(row.path).stem, about=facts(known))
