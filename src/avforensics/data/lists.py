"""Lists of clips that users have, such as one CSV per test split: which rows, in which polarity."""

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
    """One line: a path as written, with ``/``, and its label (1 = fake) or None."""

    path: str
    label: int | None


def read_list(path: str | Path, *, fake: int = 1) -> list[Entry]:
    """Read a table with the columns path and label, or a text file with a path a line.

    A table may lack its header, and the label; more columns do not matter. With both ``path`` and
    ``filename``, the first is the folder. In text files a label
    may follow the path after blanks. Paths may hold blanks and commas; lines that begin with ``#``
    are comments.

    Parameters
    ----------
    fake : int
        Which number the list writes for a fake, 1 or 0. Public lists differ, so it has to be said.

    Raises
    ------
    ManifestError
        The file is missing, empty, or labels some paths and not others.
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
        raise ManifestError(f"{path}: some lines have a label and this one has none: {bare[0]}")
    labels.tell(path)
    return entries


def listed_lines(source: Text) -> list[str]:
    """Lines of a list without a header, each without blanks around it; no comments."""
    lines = (line.strip() for line in source.text.split("\n"))
    return [line for line in lines if line and not line.startswith("#")]


def split_label(line: str, labels: Labels) -> tuple[str, str]:
    """A line's path, and the label after it (empty where there is none)."""
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
    """Rows that a list names, in the list's order.

    An entry fits the row with which it shares most parts at the end of the path, at least the
    file name and, where the entry has one, the folder: lists and disks differ in what stands
    before. Folders are alike where their letters and digits are: ``Asian_East`` is
    ``Asian (East)``.

    Parameters
    ----------
    strict : bool
        False: entries that fit no row are counted in a logged warning instead of an error.

    Raises
    ------
    ManifestError
        An entry fits no row or several, or its label contradicts the row's.
    """
    by_name: dict[str, list[tuple[list[str], Row]]] = defaultdict(list)
    for row in manifest:
        parts = row.path.replace("\\", "/").split("/")
        by_name[parts[-1]].append((parts, row))
    rows, lost = [], []
    for entry in entries:
        row = _match(entry, by_name)
        if row is None:
            lost.append(entry.path)
            continue
        if entry.label is not None and entry.label != row.label:
            raise ManifestError(
                f"the list calls {entry.path} {_word(entry.label)} and the data set calls it "
                f"{_word(row.label)}; if the list writes 0 for fakes, say list.fake=0 "
                "(evaluate: benchmark.list.fake=0)"
            )
        rows.append(row)
    if lost:
        message = f"{len(lost)} of {len(entries)} entries of the list fit no clip: {shorten(lost)}"
        if strict:
            raise ManifestError(message)
        log.warning(message)
    return Manifest(rows)


def _path(cells: Mapping[str, str]) -> str:
    """A table's path; the folder and the file where it has a column for each."""
    folder, file = cells["path"], cells.get("filename")
    return f"{folder.rstrip('/')}/{file}" if file and folder != file else folder


def _entry(where: str, path: str, text: str, labels: Labels) -> Entry:
    try:
        label = labels(text) if text else None
    except ValueError as error:
        raise ManifestError(f"{where}: {error}") from None
    return Entry(path.replace("\\", "/").removeprefix("./"), label)


def _match(entry: Entry, by_name: dict[str, list[tuple[list[str], Row]]]) -> Row | None:
    wanted = entry.path.strip("/").split("/")
    scored = [(shared_end(parts, wanted), row) for parts, row in by_name.get(wanted[-1], ())]
    best = max((score for score, _ in scored), default=0)
    if best < min(2, len(wanted)):
        return None
    found = list(dict.fromkeys(row for score, row in scored if score == best))
    if len({row.path for row in found}) > 1:
        raise ManifestError(
            f"{entry.path} fits several clips, e.g. {found[0].path} and {found[1].path}"
        )
    return found[0]


def shared_end(one: Sequence[str], other: Sequence[str]) -> int:
    """How many parts two paths have in common, counted from the end; folders by their letters."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return sum(1 for _ in takewhile(_alike, pairs))


def _alike(pair: tuple[str, str]) -> bool:
    one, other = pair
    return one == other or (letters(one) == letters(other) != "" and "." not in one + other)


def letters(name: str) -> str:
    """A folder's name without case, blanks, brackets and other signs."""
    return re.sub(r"[\W_]", "", name.casefold())


def _word(label: int) -> str:
    return "fake" if label else "real"
