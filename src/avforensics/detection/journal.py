"""One line for each finished video, on the disk before the next one counts as begun."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from avforensics.files import LineFile


class Journal:
    """Records as lines of JSON in a `LineFile`.

    Parameters
    ----------
    path : Path
        Created where missing.

    Attributes
    ----------
    records : list of dict
        What was in the file when it was opened.
    damaged : int
        Lines that could not be read.

    Raises
    ------
    ConfigError
        Another process has it open.
    """

    def __init__(self, path: Path) -> None:
        self._file = LineFile(path)
        self.records: list[dict[str, Any]] = []
        self.damaged = 0
        for line in self._file.lines:
            try:
                self.records.append(dict(json.loads(line)))
            except (ValueError, TypeError):
                self.damaged += 1

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one record; when this returns it is on the disk.

        Raises
        ------
        OSError
            The disk is full; the file is as it was.
        """
        self._file.append(json.dumps(record, separators=(",", ":")).encode("ascii"))

    def clear(self) -> None:
        """Begin anew."""
        self._file.clear()
        self.records = []

    def close(self) -> None:
        """Give the lock back."""
        self._file.close()


@contextlib.contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """A journal that is closed at the end of the block."""
    journal = Journal(path)
    try:
        yield journal
    finally:
        journal.close()
