"""Clips of many speakers and generators listed in one table, and clips of a GRID speaker.

This is the layout of the training set of the weights `talkers` (docs/talkers.md): ``talkers.csv``
with the columns ``path, label, category, identity, source`` (others are ignored), the files that it
lists and, next to the folder, ``grid_s1/*.mp4``.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.data.sources.tree import files_below, find_root
from avforensics.data.tables import read_table
from avforensics.errors import ManifestError
from avforensics.files import fingerprint

log = logging.getLogger(__name__)

NEWS, NEIGHBOURS = "arabic news", 150  # clips whose numbers are this close show the same broadcast
GRID = "grid_s1"
COLUMNS = ("path", "label", "category", "identity", "source")


def talkers(
    root: str | Path,
    *,
    grid: str | Path | None = None,
    held_out: Mapping[str, Collection[str]] | None = None,
    anomaly: float = 0.18,
) -> Manifest:
    """Read all clips, with splits that share no labelled person and keep held-out sources whole.

    ``category`` is the web page that a real clip comes from, ``method`` the generator of a fake.

    Parameters
    ----------
    root : str or Path
        Folder with talkers.csv.
    grid : str or Path, optional
        Folder with clips of GRID speaker 1; None = ``grid_s1`` next to the root, if present.
    held_out : mapping of str to collection of str, optional
        Sources by split; all real clips of a source go to its split.
    anomaly : float
        Share of the other sources' identities in the split ``anomaly``; the rest is in ``sync``.
        Fakes are in the split ``fake``, and fixed shares of news and GRID are in ``val``.

    Raises
    ------
    ManifestError
        The table is missing or lacks a column, or a held-out source is not in it.
    """
    root = Path(find_root(root, "talkers.csv"))
    table = read_table(root / "talkers.csv")
    table.require(*COLUMNS)
    split_of = {source: split for split, group in (held_out or {}).items() for source in group}
    rows, sources = [], Counter()
    for cells in table.records():
        path, label, category, identity, source = (cells[name] for name in COLUMNS)
        sources[source] += 1
        if label == "1":
            rows.append(Row(f"{root}/{path}", 1, source, category, identity, "fake"))
            continue
        if source == NEWS:
            block = int(Path(path).stem) // NEIGHBOURS
            identity, split = f"news-{block}", _news_split(block)
        else:
            chosen = _draw(f"1{identity}") < anomaly
            split = split_of.get(source, "anomaly" if chosen else "sync")
        rows.append(Row(f"{root}/{path}", 0, source, "", identity, split))
    if strange := set(split_of) - set(sources):
        raise ManifestError(f"{root / 'talkers.csv'} lists no source {', '.join(sorted(strange))}")
    folder = root.parent / GRID if grid is None else Path(grid)
    names = list(files_below(str(folder))) if folder.is_dir() else []
    if not names:
        log.warning("%s: no GRID clips found; the manifest will not contain any", folder)
    for name in names:
        stem = Path(name).stem
        rows.append(Row(f"{folder}/{name}", 0, GRID, "", f"{GRID}-{stem}", _grid_split(stem)))
    return Manifest(rows)


def _news_split(block: int) -> str:
    drawn = _draw(f"n{block}")
    return "anomaly" if drawn < 0.15 else "val" if drawn < 0.18 else "sync"


def _grid_split(stem: str) -> str:
    drawn = _draw(f"{GRID}/{stem}/1.mp4")
    for bound, split in ((0.5, "sync"), (0.7, "anomaly"), (0.72, "val")):
        if drawn < bound:
            return split
    return "rest"


def _draw(name: str) -> float:
    """Return a pseudo-random number in [0, 1) that depends only on the name."""
    return int(fingerprint(name)[:8], 16) / 2**32
