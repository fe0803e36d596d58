"""MAVOS-DD: real and generated talking heads in many languages, with open-set splits."""

from __future__ import annotations

from pathlib import Path

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row, facts
from avforensics.data.sources.layout import Listed, read_listed
from avforensics.data.sources.tree import find_root
from avforensics.errors import ManifestError

TABLES = ("metadata.csv", "metadata.parquet")
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
    https://github.com/CroitoruAlin/MAVOS-DD; the last two columns follow later public loaders).
    Without Arrow files, ``metadata.csv`` or ``metadata.parquet`` with these columns is read. Arrow
    files need pyarrow (``pip install 'avforensics[parquet]'``).

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
        The table is missing or lacks a column.
    """
    root = find_root(root, *TABLES, "state.json", "dataset_info.json")
    table = next((name for name in ("*.arrow", *TABLES) if list(Path(root).glob(name))), None)
    if table is None:
        raise ManifestError(f"{root}: no data-*.arrow and no {' or '.join(TABLES)}")
    part = Listed(
        tables=table,
        path="{video_path}",
        label="{label}",
        words={"real": 0, "fake": 1},
        columns=COLUMNS,
        needed=("video_path", "label", "split"),
    )
    return Manifest(map(_row, read_listed(root, [part], what="MAVOS-DD")))


def _row(row: Row) -> Row:
    known = dict(row.about)
    if row.split == "test":
        open_ = [known.get(f"open_set_{what}", "").casefold() == "true" for what in OPEN]
        known["protocol"] = PROTOCOLS[open_[0], open_[1]]
    return row._replace(identity=Path(row.path).stem, about=facts(known))
