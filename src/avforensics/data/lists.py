"""Read lists of clips, such as a CSV file per test split, with labels of either polarity."""

from __future__ import annotations

import csv
import logging
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

from avforensics.data.labels import Labels
from avforensics.data.manifest import Manifest, shorten
from avforensics.data.row import Row
from avforensics.data.tables import SEPARATORS, Table, Text, read_source
from avforensics.errors import ManifestError

log = logging.getLogger(__name__)


class Entry(NamedTuple):
    """Line of a list: a path as written, with ``/``, and its label (1 = fake) or None."""

    path: str
    label: int | None


def read_list(path: str | Path, *, fake: int = 1) -> list[Entry]:
    """Read a table with the columns path and label, or a text file with one path per line.

    A table may lack a header and labels; other columns are ignored. If both ``path`` and
    ``filename`` exist, ``path`` is the folder; ``full_path`` takes precedence over both. In text
    files, a label may follow the path after blanks. Paths may contain blanks and commas; lines that
    begin with ``#`` are comments.

    Parameters
    ----------
    fake : int
        Number that means fake in the list, 1 or 0; public lists differ.

    Raises
    ------
    ManifestError
        The file is missing or empty, or labels only some paths.
    """
    labels = Labels(fake)
    source = read_source(path)
    if isinstance(source, Table):
        pairs = [
            (source.row_name(number), _path(cells), cells.get("label", ""))
            for number, cells in enumerate(source.records())
        ]
    else:
        pairs = [(f"{path}", *split_label(line, labels)) for line in listed_lines(source)]
    entries = [_entry(*pair, labels) for pair in pairs]
    if not entries:
        raise ManifestError(f"{path}: the list is empty")
    bare = [entry.path for entry in entries if entry.label is None]
    if bare and len(bare) < len(entries):
        raise ManifestError(
            f"{path}: some lines have a label, but others have none, e.g. {bare[0]}"
        )
    labels.tell(path)
    return entries


def listed_lines(source: Text) -> list[str]:
    """Return the lines of a list without a header, stripped and without comments."""
    lines = (line.strip() for line in re.split(r"[\r\n]", source.text))
    return [line for line in lines if line and not line.startswith("#")]


def split_label(line: str, labels: Labels) -> tuple[str, str]:
    """Split a line into its path and the label after the path (empty if missing)."""
    for separator in SEPARATORS:
        cells = next(csv.reader([line], delimiter=separator))
        if len(cells) > 1 and labels.known(cells[-1]):
            return separator.join(cells[:-1]).strip(), cells[-1].strip()
    words = line.rsplit(maxsplit=1)
    if len(words) == 2 and labels.known(words[1]):
        return words[0], words[1]
    cells = next(csv.reader([line]))
    return (cells[0] if len(cells) == 1 else line).strip(), ""


def pick(manifest: Manifest, entries: list[Entry], *, strict: bool = True) -> Manifest:
    """Select the rows named by a list, in the order of the list.

    An entry matches the file that shares the most components with it at the end of the path: at
    least the file name and, if the entry has a folder, the last folder. Leading folders may differ.
    Folders match if their letters and digits do: ``Asian_East`` matches ``Asian (East)``. All clips
    of the file with the entry's label are selected; of duplicate rows, only the first counts.

    Parameters
    ----------
    strict : bool
        If False, entries without a row do not raise an error, but are counted in a logged warning.

    Raises
    ------
    ManifestError
        An entry matches no file or several files, or its label contradicts the label of every clip.
    """
    by_name: dict[str, list[tuple[list[str], Row]]] = defaultdict(list)
    for row in manifest:
        parts = row.path.replace("\\", "/").split("/")
        by_name[parts[-1]].append((parts, row))
    rows, lost = [], []
    for entry in entries:
        found = _match(entry, by_name)
        named = [row for row in found if entry.label in (None, row.label)]
        if found and not named:
            raise ManifestError(
                f"{entry.path} is {_word(entry.label)} in the list, but {_word(found[0].label)} in "
                "the data set; if the list uses 0 for fakes, set list.fake=0 "
                "(evaluate: benchmark.list.fake=0)"
            )
        if not found:
            lost.append(entry.path)
        rows += named
    if lost:
        message = (
            f"{len(lost)} of {len(entries)} entries of the list match no clip: {shorten(lost)}"
        )
        if strict:
            raise ManifestError(message)
        log.warning(message)
    return Manifest(rows)


def _path(cells: Mapping[str, str]) -> str:
    """Return the path in a table's row, joined from the columns of folder and file if needed."""
    if full := cells.get("full_path"):
        return full
    folder, file = cells["path"], cells.get("filename")
    return f"{folder.rstrip('/')}/{file}" if file and folder != file else folder


def _entry(where: str, path: str, text: str, labels: Labels) -> Entry:
    try:
        label = labels(text) if text else None
    except ValueError as error:
        raise ManifestError(f"{where}: {error}") from None
    return Entry(path.replace("\\", "/").removeprefix("./"), label)


def _match(entry: Entry, by_name: dict[str, list[tuple[list[str], Row]]]) -> list[Row]:
    wanted = entry.path.strip("/").split("/")
    scored = [(shared_end(parts, wanted), row) for parts, row in by_name.get(wanted[-1], ())]
    best = max((score for score, _ in scored), default=0)
    if best < min(2, len(wanted)):
        return []
    found = list(dict.fromkeys(row for score, row in scored if score == best))
    paths = list(dict.fromkeys(row.path for row in found))
    if len(paths) > 1:
        raise ManifestError(f"{entry.path} matches several clips, e.g. {paths[0]} and {paths[1]}")
    clips: dict[tuple, Row] = {}
    for row in found:
        clips.setdefault((row.source, row.label), row)
    return list(clips.values())


def shared_end(one: Sequence[str], other: Sequence[str]) -> int:
    """Count the components that two paths share at the end; folders are compared by `letters`."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return sum(1 for _ in takewhile(_alike, pairs))


def _alike(pair: tuple[str, str]) -> bool:
    one, other = pair
    return one == other or (letters(one) == letters(other) != "" and "." not in one + other)


def letters(name: str) -> str:
    """Return the letters and digits of a folder's name, regardless of case."""
    return re.sub(r"[\W_]", "", name.casefold())


def _word(label: int) -> str:
    return "fake" if label else "real"
