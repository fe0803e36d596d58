"""FakeAVCeleb v1.2: face crops with forged video, audio or both, by several methods."""

from __future__ import annotations

from pathlib import Path

from avforensics.data.lists import letters
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row, facts
from avforensics.data.sources.tree import find_root
from avforensics.data.tables import read_table
from avforensics.errors import ManifestError

TABLE = "meta_data.csv"
NEEDED = ("source", "method", "category")
# The set's category letter and method -> name in tables. The first five are in Table 1 of the
# paper; the next two kinds of fakes are not.
CATEGORIES = {
    ("B", "rtvc"): "RVFA",
    ("C", "wav2lip"): "FVRA-WL",
    ("D", "faceswap-wav2lip"): "FVFA-FS",
    ("D", "fsgan-wav2lip"): "FVFA-GAN",
    ("D", "wav2lip"): "FVFA-WL",
    ("C", "faceswap"): "FVRA-faceswap",
    ("C", "fsgan"): "FVRA-fsgan",
    ("A", "real"): "real",
}


def fakeavceleb(root: str | Path) -> Manifest:
    """Read ``meta_data.csv`` in its original form or in the form of later copies.

    The original header ends with ``path,``: ``path`` holds the file name, and the unnamed last
    column the folder, which begins with ``FakeAVCeleb/``. Later copies have ``filename,path``.
    Folder names may be spelt differently on disk and in the table (``Asian (East)``,
    ``Asian_East``).

    Parameters
    ----------
    root : str or Path
        Folder of ``meta_data.csv``, or its parent.

    Returns
    -------
    Manifest
        One row per line; ``identity`` is the person shown (column ``source``), ``gender`` and
        ``race`` are facts. The set lists about 22 files twice, under two methods: both rows are
        kept, and `Manifest.doubled` names them.

    Raises
    ------
    ManifestError
        The table is missing, has a different header, or has an unknown combination of category and
        method.
    """
    root = find_root(root, TABLE)
    table = read_table(f"{root}/{TABLE}")
    name_column = "filename" if "filename" in table.header else "path"
    table.require(*NEEDED, name_column)
    columns = [table.header.index(name) for name in (*NEEDED, name_column)]
    columns.append(columns[-1] + 1)  # the folder follows the file name in every copy
    if columns[-1] == len(table.header):
        raise ManifestError(
            f"{root}/{TABLE}: the folder column, expected after {name_column!r}, is missing"
        )
    known = {name: table.header.index(name) for name in ("race", "gender") if name in table.header}
    spelling = _Spelling(root)
    rows = []
    for number, line in enumerate(table.rows):
        source, method, letter, name, folder = (line[place] for place in columns)
        category = CATEGORIES.get((letter, method))
        if category is None:
            raise ManifestError(
                f"{table.row_name(number)}: unknown category {letter} with method {method}"
            )
        path = f"{spelling.on_disk(folder)}/{name}"
        about = facts({name: line[place] for name, place in known.items()})
        rows.append(Row(path, int(letter != "A"), category, method, source, about=about))
    return Manifest(rows)


class _Spelling:
    """Find folders by their letters and digits only."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.known: dict[str, str] = {}

    def on_disk(self, folder: str) -> str:
        """Return the path on disk of a folder named in the table."""
        if folder not in self.known:
            parts = [part for part in folder.split("/") if part and part != "."]
            if parts and letters(parts[0]).startswith("fakeavceleb"):
                parts = parts[1:]
            place = Path(self.root)
            for part in parts:
                place /= _entry(place, part)
            self.known[folder] = str(place)
        return self.known[folder]


def _entry(place: Path, part: str) -> str:
    if (place / part).is_dir() or not place.is_dir():
        return part
    alike = sorted(p.name for p in place.iterdir() if letters(p.name) == letters(part))
    return alike[0] if alike else part
