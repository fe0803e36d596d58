"""Read tables as text: CSV in its many forms, or Parquet and Arrow if pyarrow is installed.

Manifests, lists and tables of scores share one reader. It accepts UTF-8 (with or without a
byte-order mark), UTF-16, Windows-1252 and Latin-1; commas, semicolons, tabs or bars as separators;
headers in any case; blanks around cells; quoted cells; empty lines. If the separator is not a
comma, numbers may have a decimal comma.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from avforensics import tables
from avforensics.errors import ManifestError, first_line
from avforensics.files import atomic_path

ARROW = ".arrow"
PARQUET = {".parquet", ".pq"}
COLUMNAR = {ARROW, *PARQUET}
TABLES = {".csv", ".tsv", ".tab", *COLUMNAR}
LISTS = {".txt", ".lst"}
SEPARATORS = ",;\t|"
# Accepted names for the column that holds the paths of files.
PATH_NAMES = ["path", "file", "filename", "file_name", "filepath", "file_path", "video"]
PATH_NAMES += ["video_path", "video_file", "video_name", "full_path"]
# Columns in which a decimal comma becomes a point if the separator is not a comma.
NUMBERS = re.compile(r"label|score|start|end|duration|segments|baseline_.*")
# pseudo-separator of a table with one column, whose cells may contain the real separators
_WHOLE_LINE = "\x1f"
_BYTE_ORDER_MARKS = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"\xef\xbb\xbf": "utf-8-sig",
}
_EIGHT_BIT = ("cp1252", "latin-1")


@dataclass(frozen=True)
class Text:
    """Decoded text of a file."""

    path: Path
    text: str  # bytes that are not UTF-8 are surrogate escapes, as in `os.fsdecode`
    encoding: str

    def on_disk(self, folder: str | os.PathLike, name: str) -> str:
        """Return ``name`` in the spelling that exists on disk, if several are possible.

        In a table that is not UTF-8, a byte may be a raw byte of a file name or a letter in an
        8-bit encoding. Bytes are read as letters if a file with that name exists, else as raw
        bytes. Backslashes separate folders, as on Windows, unless a file with that name exists.
        """
        spellings = [name, name.replace("\\", "/")]
        if self.encoding in _EIGHT_BIT:
            raw = [os.fsdecode(one.encode(self.encoding)) for one in spellings]
            spellings = [spellings[0], raw[0], spellings[1], raw[1]]
        if len(set(spellings)) == 1:
            return name
        found = (one for one in spellings if os.path.lexists(os.path.join(folder, one)))  # noqa: PTH118
        return next(found, spellings[-1])


@dataclass(frozen=True)
class Table(Text):
    """A table whose cells are text."""

    header: list[str]  # column names in lower case, with ``_`` for blanks and hyphens
    rows: list[list[str]]  # stripped cells; each row is as long as the header
    lines: list[int]  # number of the line in which each row ends; empty for Parquet

    def index(self, *names: str) -> int | None:
        """Return the index of the first of ``names`` that is a column, or None."""
        return next((self.header.index(name) for name in names if name in self.header), None)

    def with_path(self) -> Table:
        """Return the table with the column of file paths renamed to ``path``."""
        place = self.index(*PATH_NAMES)
        if place is None:
            return self
        header = [*self.header[:place], "path", *self.header[place + 1 :]]
        return replace(self, header=header)

    def require(self, *names: str) -> None:
        """Raise ManifestError unless each of ``names`` is the name of exactly one column."""
        missing = [name for name in names if name not in self.header]
        if missing:
            found = ", ".join(name for name in self.header if name) or "none"
            raise ManifestError(
                f"{self.path}: no column {', '.join(missing)}; the columns in its first line: "
                f"{found}"
            )
        for name in names:
            if self.header.count(name) > 1:
                raise ManifestError(f"{self.path}: column {name!r} occurs twice")

    def row_name(self, index: int) -> str:
        """Prefix of a message about row ``index`` (from 0)."""
        line = f"line {self.lines[index]}, " if self.lines else ""
        return f"{self.path}, {line}row {index + 1}"

    def records(self) -> Iterator[dict[str, str]]:
        """Yield each row as a dictionary from column name to cell."""
        return (dict(zip(self.header, row, strict=True)) for row in self.rows)

    def videos(self) -> list[tuple[int, dict[str, str]]]:
        """Return the records with their index, but without the rows of faces.

        In tables of `avforensics detect`, a row with a ``track`` belongs to a face, and another row
        with the same path and an empty ``track`` belongs to the video.
        """
        records = list(enumerate(self.records()))
        whole = {cells.get("path") for _, cells in records if not cells.get("track")}
        return [
            (index, cells)
            for index, cells in records
            if not cells.get("track") or cells.get("path") not in whole
        ]


def is_table(path: str | os.PathLike) -> bool:
    """Return True if a file is a table, judging by its suffix or first line."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in LISTS and path.is_file():
        return isinstance(read_source(path), Table)
    return suffix in TABLES


def read_table(path: str | Path) -> Table:
    """Read a table as text.

    Parameters
    ----------
    path : str or Path
        Parquet if the suffix is ``.parquet`` or ``.pq``, a file of a saved Hugging Face dataset if
        it is ``.arrow``, else CSV with a header.

    Returns
    -------
    Table
        Missing values in Parquet and Arrow (null, NaN) are empty strings. Empty lines of a CSV and
        unnamed columns without content are dropped.

    Raises
    ------
    ManifestError
        The file is missing, empty or unreadable, or a row has more or fewer cells than the header.
    """
    path = Path(path)
    if path.suffix.lower() in COLUMNAR:
        return _read_columns(path)
    return parse_table(read_text(path))


def read_source(path: str | Path) -> Table | Text:
    """Read a list, as a table if its first line names a column of file paths, else as text.

    Raises ManifestError as `read_table` does.
    """
    if Path(path).suffix.lower() in COLUMNAR:
        return read_table(path).with_path()
    source = read_text(path)
    stream, _, separator = _lines(source.text)
    header = next(csv.reader(stream, delimiter=separator, skipinitialspace=True), [])
    if set(map(_column, header)).isdisjoint(PATH_NAMES):
        return source
    return parse_table(source).with_path()


def read_text(path: str | Path) -> Text:
    """Read a text file in any encoding.

    Raises
    ------
    ManifestError
        The file is missing, unreadable or not text.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ManifestError(f"{path}: no such file") from None
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read ({error.strerror})") from None
    if content.startswith(b"PK\x03\x04"):
        raise ManifestError(f"{path}: a workbook, not a CSV file; export it as CSV")
    try:
        text, encoding = _decode(content)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise ManifestError(f"{path}: binary data, not text (a NUL in line {line})")
    return Text(path, text, encoding)


def parse_table(source: Text) -> Table:
    """Split text into the cells of a table; see `read_table`."""
    path, (stream, skipped, separator) = source.path, _lines(source.text)
    reader = csv.reader(stream, delimiter=separator, skipinitialspace=True)
    rows, lines = [], []
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                rows.append(cells)
                lines.append(reader.line_num + skipped)
    except csv.Error as error:
        raise ManifestError(
            f"{path}, line {reader.line_num + skipped}: not a CSV file ({error})"
        ) from None
    if not rows:
        raise ManifestError(f"{path}: the file is empty")
    header, rows, lines = [_column(name) for name in rows[0]], rows[1:], lines[1:]
    header, rows = _without_nameless_ends(header, rows)
    table = Table(path, "", source.encoding, header, rows, lines)
    width = len(header)
    for index, row in enumerate(rows):
        if len(row) != width:
            raise ManifestError(
                f"{table.row_name(index)}: {len(row)} cells, but the header has {width}"
            )
    if separator != ",":
        places = [place for place, name in enumerate(header) if NUMBERS.fullmatch(name)]
        for row in rows:
            for place in places:
                row[place] = re.sub(r",(?=\d)", ".", row[place])
    return table


def write_table(path: str | Path, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write a table atomically; None becomes an empty cell.

    The suffix determines the format, as in `read_table`. CSV is UTF-8. Bytes of file names that are
    not UTF-8 are written unchanged; a byte-order mark then declares the rest as UTF-8.

    Raises
    ------
    ManifestError
        Parquet or Arrow is requested, but pyarrow is not installed.
    """
    rows = list(rows)
    with atomic_path(path) as partial:
        if partial.suffix.lower() in COLUMNAR:
            arrow = _pyarrow(Path(path))
            columns = list(zip(*rows, strict=True)) or [()] * len(header)
            text = [arrow.array(column, arrow.string()) for column in columns]
            table = arrow.Table.from_arrays(text, names=list(header))
            if partial.suffix.lower() == ARROW:
                with arrow.ipc.new_stream(str(partial), table.schema) as stream:
                    stream.write_table(table)
            else:
                arrow.parquet.write_table(table, partial)
            return
        text = tables.Table([header, *rows]).csv()
        try:
            content = text.encode()
        except UnicodeEncodeError:
            content = b"\xef\xbb\xbf" + text.encode("utf-8", "surrogateescape")
        partial.write_bytes(content)


def _decode(content: bytes) -> tuple[str, str]:
    """Decode text; return the text and the name of its encoding."""
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            errors = "surrogateescape" if encoding == "utf-8-sig" else "strict"
            return content.decode(encoding, errors), encoding
    for encoding, zeros in (("utf-16-le", content[1::2]), ("utf-16-be", content[::2])):
        # without a byte-order mark, Latin letters show as a zero in every second byte
        if len(content) % 2 == 0 and zeros.count(0) > max(0.7 * len(zeros), 2):
            return content.decode(encoding), encoding
    text = content.decode("utf-8", "surrogateescape")
    foreign = {letter for letter in set(text) if letter > "\x7f"}
    if not foreign or any(not "\udc80" <= letter <= "\udcff" for letter in foreign):
        return text, "utf-8"
    try:  # none of the non-ASCII bytes are valid UTF-8
        return content.decode(_EIGHT_BIT[0]), _EIGHT_BIT[0]
    except UnicodeDecodeError:
        return content.decode(_EIGHT_BIT[1]), _EIGHT_BIT[1]


def _lines(text: str) -> tuple[io.StringIO, int, str]:
    """Return a stream from the header on, the number of skipped lines, and the separator."""
    stream, skipped, separator = io.StringIO(text, newline=""), 0, None
    while True:
        begin, line = stream.tell(), stream.readline()
        mark = re.fullmatch(r'"?sep=(.)"?', line.strip())  # written by Excel
        separator = mark[1] if mark else separator
        if line.startswith("#") and _is_header(line[1:]):  # as written by numpy.savetxt
            after = stream.tell()
            if not _is_header(stream.readline()):
                begin += 1
                break
            stream.seek(after)
        if not line or not (mark or line.startswith("#") or not line.strip()):
            break
        skipped += 1
    stream.seek(begin)
    if separator is None:
        widths = [len(next(csv.reader([line], delimiter=one), ())) for one in SEPARATORS]
        best = max(widths)
        separator = SEPARATORS[widths.index(best)] if best > 1 else _WHOLE_LINE
    return stream, skipped, separator


def _is_header(line: str) -> bool:
    """Return True if a line names a column of file paths and a column of labels or scores."""
    names = set(map(_column, re.split(f"[{SEPARATORS}]", line)))
    return not names.isdisjoint(PATH_NAMES) and not names.isdisjoint({"label", "score"})


def _column(name: str) -> str:
    """Normalise a column name: ``Video Path`` becomes ``video_path``."""
    return re.sub(r"[\s-]+", "_", name.strip(" \t\r\n\ufeff").lower())


def _without_nameless_ends(
    header: list[str], rows: list[list[str]]
) -> tuple[list[str], list[list[str]]]:
    """Drop the empty columns that spreadsheets write after the last name."""
    width = len(header)
    while width and not header[width - 1] and not any(any(row[width - 1 :]) for row in rows):
        width -= 1
    if width == len(header):
        return header, rows
    return header[:width], [row[:width] for row in rows]


def _read_columns(path: Path) -> Table:
    """Read a Parquet or Arrow file."""
    if not path.is_file():
        raise ManifestError(f"{path}: no such file")
    arrow = _pyarrow(path)
    try:
        if path.suffix.lower() == ARROW:
            with arrow.memory_map(str(path)) as source:
                table = arrow.ipc.open_stream(source).read_all()
        else:
            table = arrow.parquet.read_table(path)
    except (arrow.ArrowException, OSError) as error:
        what = "an Arrow file" if path.suffix.lower() == ARROW else "a Parquet file"
        raise ManifestError(f"{path}: not {what} ({first_line(error)})") from None
    columns = [[_text(value) for value in column.to_pylist()] for column in table.columns]
    rows = [list(row) for row in zip(*columns, strict=True)]
    return Table(path, "", "", list(map(_column, table.column_names)), rows, [])


def _text(value: object) -> str:
    return "" if value is None or value != value else str(value)  # NaN differs from itself


def _pyarrow(path: Path) -> Any:
    try:
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError:
        raise ManifestError(
            f"{path}: needs pyarrow: pip install 'avforensics[parquet]', or use a .csv file"
        ) from None
    return pyarrow
