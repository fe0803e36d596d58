"""Manifest: the table of clips from which all training and evaluation data are read."""

# os.path is several times faster than Path on 100,000 rows, so paths are strings here.
# ruff: noqa: PTH100, PTH117, PTH119, PTH120

from __future__ import annotations

import difflib
import hashlib
import logging
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path

from avforensics.data.labels import Labels
from avforensics.data.row import COLUMNS, Row, format_row, parse_row
from avforensics.data.tables import Table, read_table, write_table
from avforensics.errors import ManifestError

log = logging.getLogger(__name__)

REQUIRED = ("path", "label")
_ALIKE = 0.75  # a column whose name is this similar to a known name is a typo, not a fact
END = "end"  # beside ``start``, a column that replaces a missing duration
_LABEL = COLUMNS.index("label")
_FILES = COLUMNS.index("path"), COLUMNS.index("audio")


class Manifest:
    """Ordered collection of rows.

    Parameters
    ----------
    source : str or Path
        File that the rows come from, for messages.

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
                raise ValueError(f"paths of rows must be absolute, got {row.path!r}")

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]

    @classmethod
    def read(cls, path: str | Path, *, label: int | None = None) -> Manifest:
        """Read a table (see `read_table`); relative paths are relative to its folder.

        Unknown columns become facts about the clips (`Row.about`) and are named in the log. A
        column ``end`` beside ``start`` replaces a missing duration; rows of faces in a table of
        `avforensics detect` are skipped.

        Parameters
        ----------
        label : int, optional
            Label of all rows if the table has no column ``label``; None = the column is required.

        Raises
        ------
        ManifestError
            The file is missing, a column is missing or misspelt, or a cell is invalid. The
            existence of clips is not checked; see `missing` and `require_files`.
        """
        table = read_table(path).with_path()
        known = _check_header(table, REQUIRED if label is None else REQUIRED[:1])
        folder = os.path.dirname(os.path.abspath(path))
        places = [table.index(name) for name in COLUMNS]
        end_place = None if END in known else table.index(END)
        labels, unsaid = Labels(), "" if label is None else str(label)
        rows = []
        numbers = range(len(table.rows))
        if "track" in table.header:
            numbers = [number for number, _ in table.videos()]
            if left_out := len(table.rows) - len(numbers):
                log.info("%s: %d rows of faces are skipped", path, left_out)
        for number in numbers:
            row = table.rows[number]
            cells = ["" if place is None else row[place] for place in places]
            if places[_LABEL] is None:
                cells[_LABEL] = unsaid
            for place in _FILES:
                cells[place] = cells[place] and table.on_disk(folder, cells[place])
            about = {name: row[place] for name, place in known.items()}
            end = "" if end_place is None else row[end_place]
            try:
                rows.append(parse_row(folder, cells, labels, about, end))
            except ValueError as error:
                raise ManifestError(f"{table.row_name(number)}: {error}") from None
        labels.tell(path)
        return cls(rows, path)

    def write(self, path: str | Path) -> None:
        """Write CSV, Parquet or Arrow, according to the file name.

        Paths below the manifest's folder are written relative to it, others as absolute paths.
        """
        folder = os.path.dirname(os.path.abspath(path))
        write_table(path, [*COLUMNS, *self.facts], self._cells(folder))

    @cached_property
    def facts(self) -> tuple[str, ...]:
        """Sorted names of facts about the clips."""
        return tuple(sorted({name for row in self.rows for name, _ in row.about}))

    def _cells(self, folder: str) -> Iterator[list[str]]:
        for row in self.rows:
            known = dict(row.about)
            yield [*format_row(row, folder), *(known.get(name, "") for name in self.facts)]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all cells of all rows in order, as 64 hexadecimal digits.

        Paths are hashed relative to their deepest common folder, together with that folder's name,
        so that moving the data or the manifest does not change the digest.
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
        """Select the rows that match all given values, in order.

        Raises
        ------
        ManifestError
            No row matches.
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
                    f"available: {listing or 'nothing'}"
                )
            rows = found
        if not rows:
            reason = "the manifest is empty" if label is None else f"no clip has label {label}"
            raise ManifestError(f"{self._where}{reason}")
        return Manifest(rows, self.source)

    @property
    def _where(self) -> str:
        return f"{self.source}: " if self.source else ""

    def missing(self) -> tuple[str, ...]:
        """Return a missing file for each incomplete row: the video if missing, else the audio."""
        exists = os.path.exists
        return tuple(
            row.path if not exists(row.path) else row.audio
            for row in self.rows
            if not exists(row.path) or (row.audio and not exists(row.audio))
        )

    def doubled(self) -> tuple[str, ...]:
        """Return the files that occur in several rows with the same audio, start and duration."""
        times = Counter(row.source for row in self.rows)
        return tuple(dict.fromkeys(key[0] for key, n in times.items() if n > 1))

    def require_files(self) -> None:
        """Raise ManifestError with the number and names of missing files, if any."""
        missing = self.missing()
        if missing:
            raise ManifestError(
                f"the files of {len(missing)} of {len(self)} clips are missing: {shorten(missing)}"
            )

    def check_disjoint(self, *splits: str) -> None:
        """Check that no identity occurs in more than one of the given splits (default: all splits).

        Raises
        ------
        ManifestError
            An identity is shared or missing, or a split is empty.
        """
        names = splits or tuple(sorted({row.split for row in self.rows}))
        holders: dict[str, set[str]] = defaultdict(set)
        for name in names:
            for row in self.select(split=name):
                if not row.identity:
                    raise ManifestError(
                        f"split {name}: {row.path} has no identity, so the splits may share people"
                    )
                holders[row.identity].add(name)
        shared = sorted(identity for identity, held in holders.items() if len(held) > 1)
        if shared:
            held = " and ".join(sorted(holders[shared[0]]))
            raise ManifestError(
                f"splits share {len(shared)} identit{'y' if len(shared) == 1 else 'ies'}: "
                f"{shorten(shared)} ({shared[0]} is in {held})"
            )


def _check_header(table: Table, required: Collection[str]) -> dict[str, int]:
    """Check the column names; return the indices of the columns with facts about clips, by name."""
    known = {}
    read = {"", *COLUMNS} | ({END} if "start" in table.header else set())
    for place, name in enumerate(table.header):
        if name in read:  # an unnamed column is the index of a data frame
            continue
        if near := difflib.get_close_matches(name, COLUMNS, n=1, cutoff=_ALIKE):
            raise ManifestError(f"{table.path}: unknown column {name!r}; did you mean {near[0]}?")
        known[name] = place
    table.require(*{*required, *filter(None, table.header)})
    if known:
        log.info("%s: other columns, kept as facts about clips: %s", table.path, ", ".join(known))
    return known


def shorten(names: Collection[str], most: int = 5) -> str:
    """Join the first few names and the number of other names, for messages."""
    listed = ", ".join(list(names)[:most])
    return listed if len(names) <= most else f"{listed} and {len(names) - most} more"
