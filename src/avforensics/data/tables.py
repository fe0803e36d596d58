"""Tables of text on disk: CSV, or Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from avforensics.errors import ManifestError
from avforensics.files import atomic_path

PARQUET = {".parquet", ".pq"}
ERRORS = "surrogateescape"  # file names on Linux may hold bytes that are not UTF-8


def read_table(path: str | Path) -> tuple[list[str], list[list[str]]]:
    """Read a table as text.

    Parameters
    ----------
    path : str or Path
        ``.parquet`` / ``.pq``, or anything else as UTF-8 CSV with a header.

    Returns
    -------
    header : list of str
    rows : list of list of str
        As long as the header; what is missing in Parquet (null, NaN) is an empty string. Empty
        lines of a CSV are left out.

    Raises
    ------
    ManifestError
        The file is missing, empty, unreadable, or a row has more or fewer cells than the header.
    """
    path = Path(path)
    if not path.is_file():
        raise ManifestError(f"{path}: there is no such file")
    header, rows = _read_parquet(path) if path.suffix in PARQUET else _read_csv(path)
    width = len(header)
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            raise ManifestError(
                f"{path}, row {number}: {len(row)} cells under a header of {width} columns"
            )
    return header, rows


def write_table(path: str | Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table of text; the file appears whole or not at all.

    Raises
    ------
    ManifestError
        Parquet is asked for and pyarrow is not installed.
    """
    with atomic_path(path) as partial:
        if partial.suffix in PARQUET:
            arrow, parquet = _pyarrow(Path(path))
            columns = list(zip(*rows, strict=True)) or [()] * len(header)
            text = [arrow.array(column, arrow.string()) for column in columns]
            parquet.write_table(arrow.Table.from_arrays(text, names=list(header)), partial)
            return
        with partial.open("w", newline="", encoding="utf-8", errors=ERRORS) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)


def _read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig", errors=ERRORS) as file:
            rows = [row for row in csv.reader(file) if row]
        "".join(rows[0] if rows else []).encode()  # the header at least must be text
    except (UnicodeEncodeError, csv.Error) as error:
        raise ManifestError(f"{path}: this is not a CSV file in UTF-8 ({error})") from None
    if not rows:
        raise ManifestError(f"{path}: the file is empty")
    return [name.strip() for name in rows[0]], rows[1:]


def _read_parquet(path: Path) -> tuple[list[str], list[list[str]]]:
    arrow, parquet = _pyarrow(path)
    try:
        table = parquet.read_table(path)
    except (arrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ManifestError(f"{path}: this is not a Parquet file ({reason})") from None
    columns = [[_text(value) for value in column.to_pylist()] for column in table.columns]
    return list(table.column_names), [list(row) for row in zip(*columns, strict=True)]


def _text(value: object) -> str:
    return "" if value is None or value != value else str(value)  # NaN differs from itself


def _pyarrow(path: Path):
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ManifestError(
            f"{path}: Parquet needs pyarrow; install it with pip install 'avforensics[parquet]' "
            "or use a .csv file"
        ) from None
    return pyarrow, pyarrow.parquet
