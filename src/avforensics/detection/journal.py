"""One line for each finished video, on the disk before the next one counts as begun."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from avforensics.errors import ConfigError


class Journal:
    """JSON lines that survive a kill: appended and synced one by one, a torn last line dropped.

    The open file is locked: a second run in the same folder is refused, and a killed run leaves
    nothing locked.

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
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            raise ConfigError(f"{path.parent}: another run is writing to this folder") from None
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self._fd, whole)
        self.records: list[dict[str, Any]] = []
        self.damaged = 0
        for line in content[:whole].splitlines():
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
        line = json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"
        before = os.fstat(self._fd).st_size
        try:
            written = 0
            while written < len(line):
                written += os.write(self._fd, line[written:])
            os.fsync(self._fd)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, before)
            raise

    def clear(self) -> None:
        """Begin anew."""
        os.ftruncate(self._fd, 0)
        self.records = []

    def close(self) -> None:
        """Give the lock back."""
        os.close(self._fd)


@contextlib.contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """A journal that is closed at the end of the block."""
    journal = Journal(path)
    try:
        yield journal
    finally:
        journal.close()
