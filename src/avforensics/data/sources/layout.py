"""Read data sets whose layout is declared: by file names, or by tables.

A declaration says where each value is. The code that reads files, counts exceptions and writes
messages is the same for every set.
"""

from __future__ import annotations

import logging
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from avforensics.data.manifest import Manifest, shorten
from avforensics.data.row import COLUMNS, Row, facts
from avforensics.data.sources.tree import files_below
from avforensics.data.tables import read_table
from avforensics.errors import ManifestError

log = logging.getLogger(__name__)

Values = Mapping[str, str]
_OWN = ("category", "method", "identity", "split")


@dataclass(frozen=True, kw_only=True)
class Named:
    """Declaration of files whose names contain the values.

    Attributes
    ----------
    path : str
        Regular expression for the whole path below the root, with ``/``; its named groups are the
        values.
    label : int
        1 = fake.
    columns : mapping of str to str
        Template for each column of the manifest, filled with the values, e.g.
        ``"{language}-{number}"``. Names that are not columns are facts (`Row.about`). ``audio`` is
        a path below the root.
    """

    path: str
    label: int
    columns: Values = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """Declaration of files listed in tables.

    Attributes
    ----------
    tables : str
        Glob below the root; ``{table}`` in templates is the stem of a table's name.
    path : str
        Template for the path below the root, filled with the cells. A missing file is searched for
        by name below the root, since archives are unpacked in different places.
    label : str
        Template for the label.
    words : mapping of str to int
        Valid labels, in lower case; entries with other labels are counted and skipped.
    columns : mapping of str to str
        As in `Named`.
    needed : sequence of str
        Required columns of the tables.
    """

    tables: str
    path: str
    label: str
    words: Mapping[str, int]
    columns: Values = field(default_factory=dict)
    needed: Sequence[str] = ()


def make_row(root: str, path: str, label: int, columns: Values, values: Values) -> Row:
    """Build a row by filling the templates of its columns with values."""
    known = defaultdict(str, values)  # names that are not known are empty
    filled = {name: text.format_map(known).strip() for name, text in columns.items()}
    audio = filled.pop("audio", "")
    own = {name: filled.pop(name, "") for name in _OWN}
    kind = "fake" if label else "real"
    category = own.pop("category") or own["method"] or kind
    return Row(
        f"{root}/{path}",
        label,
        category,
        **(own | {"method": own["method"] or kind}),
        audio=audio and f"{root}/{audio}",
        about=facts({name: text for name, text in filled.items() if name not in COLUMNS}),
    )


def read_named(
    root: str,
    parts: Sequence[Named],
    *,
    what: str,
    ignore: str = r"(?!)",
) -> Manifest:
    """Read all videos below a folder, each by the first declaration that matches.

    Parameters
    ----------
    root : str
        Absolute path.
    what : str
        Name of the set, for messages.
    ignore : str
        Regular expression for paths that are not clips of the set.

    Raises
    ------
    ManifestError
        No file matches.
    """
    patterns = [(re.compile(part.path), part) for part in parts]
    ignored = re.compile(ignore)
    rows, odd = [], []
    for name in files_below(root):
        for pattern, part in patterns:
            if match := pattern.fullmatch(name):
                values = {key: value or "" for key, value in match.groupdict().items()}
                rows.append(make_row(root, name, part.label, part.columns, values))
                break
        else:
            if not ignored.fullmatch(name):
                odd.append(name)
    if odd:
        message = "%s: %d files with unexpected names are skipped: %s"
        log.warning(message, what, len(odd), shorten(odd))
    if not rows:
        raise ManifestError(f"{root}: no file has a name as in {what}")
    return Manifest(rows)


def read_listed(root: str, parts: Sequence[Listed], *, what: str) -> Manifest:
    """Read the entries of tables as rows.

    Raises
    ------
    ManifestError
        The tables are missing, a table lacks a column, or no entry is usable.
    """
    place = _Places(root)
    rows, left_out = [], Counter()
    found = [(part, table) for part in parts for table in sorted(Path(root).glob(part.tables))]
    if not found:
        tables = " or ".join(dict.fromkeys(part.tables for part in parts))
        raise ManifestError(f"{root}: does not contain the table {tables} of {what}")
    for part, path in found:
        table = read_table(path)
        table.require(*part.needed)
        for cells in table.records():
            values = defaultdict(str, cells, table=path.stem)
            word = part.label.format_map(values).strip()
            label = part.words.get(word.casefold())
            if label is None:
                left_out[word or "(empty)"] += 1
                continue
            name = place.of(part.path.format_map(values).replace("\\", "/"))
            rows.append(make_row(root, name, label, part.columns, values))
    if left_out:
        words = ", ".join(f"{word} ({n})" for word, n in left_out.most_common())
        log.warning("%s: entries without a usable label are skipped: %s", what, words)
    if not rows:
        raise ManifestError(f"{root}: the tables of {what} list no labelled clip")
    return Manifest(rows)


class _Places:
    """Find files below a root, whatever folder they were unpacked to."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._by_name: dict[str, list[str]] | None = None

    def of(self, path: str) -> str:
        """Find a file below the root; return its path unchanged if it exists or is ambiguous."""
        if os.path.lexists(f"{self.root}/{path}"):
            return path
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for name in files_below(self.root):
                self._by_name[name.rpartition("/")[2]].append(name)
        there = self._by_name.get(path.rpartition("/")[2], ())
        return there[0] if len(there) == 1 else path


def cells_by(path: Path, key: str, *others: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the cell ``key`` and all cells of each row, or nothing if the file is missing.

    Raises
    ------
    ManifestError
        The table lacks the column ``key`` or one of ``others``.
    """
    if path.is_file():
        table = read_table(path)
        table.require(key, *others)
        yield from ((cells[key], cells) for cells in table.records())
