"""Search the folder of a data set."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from avforensics.data.row import Row
from avforensics.errors import ManifestError
from avforensics.files import typed_path
from avforensics.media.types import VIDEO_SUFFIXES


def find_root(root: str | Path, *marks: str) -> str:
    """Find the folder that contains one of ``marks``: ``root`` or a folder directly in it.

    Returns
    -------
    str
        Absolute path, so that paths of rows can be joined as strings.

    Raises
    ------
    ManifestError
        The folder is missing, or no folder or several folders look like the data set.
    """
    top = typed_path(root).absolute()
    if not top.is_dir():
        raise ManifestError(f"{root}: no such folder")
    if any((top / mark).exists() for mark in marks):
        return str(top)
    found = sorted(
        path.name for path in top.iterdir() if any((path / mark).exists() for mark in marks)
    )
    if not found:
        raise ManifestError(f"{root}: this folder and its subfolders lack {' or '.join(marks)}")
    if len(found) > 1:
        names = ", ".join(found)
        raise ManifestError(f"{root}: several folders look like the data set: {names}")
    return str(top / found[0])


def files_below(folder: str, suffixes: Collection[str] = VIDEO_SUFFIXES) -> Iterator[str]:
    """Yield sorted paths of files relative to ``folder``, with ``/``, without hidden files."""
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inner = os.path.relpath(place, folder).replace(os.sep, "/")
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                yield name if inner == "." else f"{inner}/{name}"


def read_json(path: str | Path):
    """Read a JSON file.

    Raises
    ------
    ManifestError
        The file cannot be read, or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path}: not a JSON file ({error})") from None


def rows_of_entries(table: Path, make: Callable[[dict], Row]) -> Iterator[Row]:
    """Convert each entry of a JSON list to a row; an unusable entry raises ManifestError."""
    for number, entry in enumerate(read_json(table), start=1):
        try:
            yield make(entry)
        except (KeyError, TypeError, ValueError) as error:
            reason = f"no field {error}" if isinstance(error, KeyError) else error
            raise ManifestError(f"{table}, entry {number}: {reason}") from None
