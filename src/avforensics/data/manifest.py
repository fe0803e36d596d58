"""The manifest: a table of clips that is the one way of data into training and evaluation."""

# Paths are text here: os.path is several times as fast as Path on 100,000 rows.
# ruff: noqa: PTH100, PTH117, PTH119, PTH120

from __future__ import annotations

import difflib
import hashlib
import logging
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from avforensics.data.labels import Labels
from avforensics.data.row import COLUMNS, Row, format_row, parse_row
from avforensics.data.tables import Table, read_table, write_table
from avforensics.errors import ManifestError

log = logging.getLogger(__name__)

REQUIRED = ("path", "label")
_ALIKE = 0.75  # a column that is spelt so much like one of ours is a mistake, not a fact
_LABEL = COLUMNS.index("label")
_FILES = COLUMNS.index("path"), COLUMNS.index("audio")


@dataclass(frozen=True)
class Coverage:
    """How much of a manifest is there.

    Attributes
    ----------
    listed : int
        Rows.
    missing : tuple of str
        Files (video or sound) that rows name and that do not exist, in row order.
    doubled : tuple of str
        Files that more than one row names with the same sound, start and duration.
    """

    listed: int
    missing: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()

    @property
    def present(self) -> int:
        """Rows whose files exist."""
        return self.listed - len(self.missing)

    def __str__(self) -> str:
        text = f"{self.present} of {self.listed} clips present"
        for what, paths in (("missing", self.missing), ("listed twice", self.doubled)):
            if paths:
                text += f"; {what} {len(paths)}: {shorten(paths)}"
        return text


class Manifest:
    """Rows of clips, in an order that counts.

    Parameters
    ----------
    source : str or Path
        The file that they are from, for messages.

    Raises
    ------
    ValueError
        A path is not absolute.
    """

    def __init__(self, rows: Iterable[Row], source: str | Path = "") -> None:
        self.rows = tuple(rows)
        self.source = source
        for row in self.rows:
            if not os.path.isabs(row.path):
                raise ValueError(f"paths of rows must be absolute, not {row.path!r}")

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]

    @classmethod
    def read(cls, path: str | Path, *, label: int | None = None) -> Manifest:
        """Read a table (see `read_table`); relative paths in it count from its folder.

        Columns of other names are facts about the clips (`Row.about`); the log names them.

        Parameters
        ----------
        label : int, optional
            Of all rows, where the table has no column ``label``; None = it needs one.

        Raises
        ------
        ManifestError
            The file is missing, a column is missing or misspelt, or a cell has no meaning. Whether
            the clips exist is not looked at here: see `coverage` and `require_files`.
        """
        table = read_table(path).with_path()
        known = _check_header(table, REQUIRED if label is None else REQUIRED[:1])
        folder = os.path.dirname(os.path.abspath(path))
        places = [table.index(name) for name in COLUMNS]
        labels, unsaid = Labels(), "" if label is None else str(label)
        rows = []
        for number, row in enumerate(table.rows):
            cells = ["" if place is None else row[place] for place in places]
            if places[_LABEL] is None:
                cells[_LABEL] = unsaid
            for place in _FILES:
                cells[place] = cells[place] and table.on_disk(folder, cells[place])
            about = {name: row[place] for name, place in known.items()}
            try:
                rows.append(parse_row(folder, cells, labels, about))
            except ValueError as error:
                raise ManifestError(f"{table.row_name(number)}: {error}") from None
        labels.tell(path)
        return cls(rows, path)

    def write(self, path: str | Path) -> None:
        """Write as CSV, or as Parquet where the name ends so.

        Files beneath the manifest's folder are written relative to it, others absolute.
        """
        folder = os.path.dirname(os.path.abspath(path))
        write_table(path, [*COLUMNS, *self.facts], self._cells(folder))

    @cached_property
    def facts(self) -> tuple[str, ...]:
        """Names of what is known of clips beside the columns of every manifest, sorted."""
        return tuple(sorted({name for row in self.rows for name, _ in row.about}))

    def _cells(self, folder: str) -> Iterator[list[str]]:
        for row in self.rows:
            known = dict(row.about)
            yield [*format_row(row, folder), *(known.get(name, "") for name in self.facts)]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all cells of all rows in order, as 64 hexadecimal digits.

        Paths enter relative to the deepest folder that holds all of them, and with that folder's
        name: moving the data or the manifest changes nothing.
        """
        digest = hashlib.sha256("\t".join([*COLUMNS, *self.facts]).encode())
        folders = {os.path.dirname(p) for row in self.rows for p in (row.path, row.audio) if p}
        common = os.path.commonpath(folders) if folders else ""
        digest.update(os.path.basename(common).encode())
        for cells in self._cells(common):
            digest.update(("\n" + "\t".join(cells)).encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def select(
        self,
        *,
        split: str | Collection[str] | None = None,
        label: int | None = None,
        category: str | Collection[str] | None = None,
        method: str | Collection[str] | None = None,
    ) -> Manifest:
        """Rows that match everything given, in their order.

        Raises
        ------
        ManifestError
            Nothing matches.
        """
        wanted = {"split": split, "category": category, "method": method}
        rows = [row for row in self.rows if label is None or row.label == label]
        for column, values in wanted.items():
            if values is None:
                continue
            listed = isinstance(values, Collection) and not isinstance(values, str)
            values = {str(value) for value in (values if listed else [values])}
            found = [row for row in rows if getattr(row, column) in values]
            if not found:
                there = Counter(getattr(row, column) or "(empty)" for row in rows)
                listing = ", ".join(f"{name} ({n})" for name, n in sorted(there.items()))
                raise ManifestError(
                    f"{self._where}no clip has {column} {' or '.join(sorted(values))}; "
                    f"there is: {listing or 'nothing'}"
                )
            rows = found
        if not rows:
            reason = "the manifest is empty" if label is None else f"no clip has label {label}"
            raise ManifestError(f"{self._where}{reason}")
        return Manifest(rows, self.source)

    @property
    def _where(self) -> str:
        """How a message about the rows begins."""
        return f"{self.source}: " if self.source else ""

    def coverage(self) -> Coverage:
        """Count rows, missing files and doubled rows; looks at the disk once for each file."""
        exists = os.path.exists
        missing = tuple(
            row.path if not exists(row.path) else row.audio
            for row in self.rows
            if not exists(row.path) or (row.audio and not exists(row.audio))
        )
        return Coverage(listed=len(self.rows), missing=missing, doubled=self.doubled())

    def doubled(self) -> tuple[str, ...]:
        """Files that more than one row names with the same sound, start and duration."""
        times = Counter(row.source for row in self.rows)
        return tuple(dict.fromkeys(key[0] for key, n in times.items() if n > 1))

    def require_files(self) -> None:
        """Raise ManifestError, in one sentence that counts and names them, if files are missing."""
        missing = self.coverage().missing
        if missing:
            raise ManifestError(
                f"{len(missing)} of {len(self)} clips have no file: {shorten(missing)}"
            )

    def check_disjoint(self, *splits: str) -> None:
        """Make sure that no identity is in two of these splits (all splits when none is named).

        Raises
        ------
        ManifestError
            An identity is shared, or a row of these splits names no identity, or a split is empty.
        """
        names = splits or tuple(sorted({row.split for row in self.rows}))
        holders: dict[str, set[str]] = defaultdict(set)
        for name in names:
            for row in self.select(split=name):
                if not row.identity:
                    raise ManifestError(
                        f"split {name}: {row.path} names no identity, so nothing shows that the "
                        "splits share none"
                    )
                holders[row.identity].add(name)
        shared = sorted(identity for identity, held in holders.items() if len(held) > 1)
        if shared:
            held = " and ".join(sorted(holders[shared[0]]))
            raise ManifestError(
                f"splits share {len(shared)} identities, e.g. {shared[0]} is in {held}: "
                f"{shorten(shared)}"
            )


def _check_header(table: Table, required: Collection[str]) -> dict[str, int]:
    """Places of the columns that are facts about clips, by name."""
    known = {}
    for place, name in enumerate(table.header):
        if not name or name in COLUMNS:  # a nameless column is the index of a data frame
            continue
        if near := difflib.get_close_matches(name, COLUMNS, n=1, cutoff=_ALIKE):
            raise ManifestError(f"{table.path}: unknown column {name!r}; did you mean {near[0]}?")
        known[name] = place
    table.require(*{*required, *filter(None, table.header)})
    if known:
        log.info("%s: facts about the clips: %s", table.path, ", ".join(known))
    return known


def shorten(names: Collection[str], most: int = 5) -> str:
    """The first few names and how many more there are, for messages."""
    listed = ", ".join(list(names)[:most])
    return listed if len(names) <= most else f"{listed} and {len(names) - most} more"
