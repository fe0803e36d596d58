"""Determine from a file's structure whether it is cut off or consists of joined files."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from avforensics.media.layouts import (
    FIRST_BOXES,
    FileBytes,
    avi_seconds,
    beginning,
    boxes,
    walker,
)


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Structure of a file: where it should end, and where joined files begin.

    Attributes
    ----------
    size : int
        Size of the file in bytes.
    starts : tuple of int
        Byte positions at which the file and the files joined to it begin; the first is 0 unless
        foreign bytes come before the file.
    lacks : int
        Number of bytes missing at the end; 0 = none, or unknown.
    unit : str
        Name of the incomplete last element, or "index" if the whole index is missing; else empty.
    seconds : float or None
        Length that an AVI file declares. FFmpeg would report a shorter length if the file is cut
        off.
    """

    size: int
    starts: tuple[int, ...] = (0,)
    lacks: int = 0
    unit: str = ""
    seconds: float | None = None

    @property
    def cut(self) -> str:
        """Description of what is missing at the end; empty if the file is complete."""
        if self.lacks:
            return f"{self.lacks} bytes of its last {self.unit} are missing"
        return f"its {self.unit} is missing" if self.unit else ""

    def joins(self, read: set[int]) -> str:
        """Describe skipped bytes and joined files, given the numbers of the files ``read``."""
        foreign = self.starts[0]
        told = [f"{foreign} foreign bytes before the video were skipped"] if foreign else []
        if len(self.starts) > 1:
            told.append(self._joined(read))
        return "; ".join(told)

    def _joined(self, read: set[int]) -> str:
        count = len(self.starts)
        unread = [number for number in range(count) if number not in read]
        if not unread:
            return f"{count} files joined (at {_bytes(self.starts[1:])}): all were read in order"
        ends = (*self.starts[1:], self.size)
        lost = sum(ends[number] - self.starts[number] for number in unread)
        begins = _bytes([self.starts[number] for number in unread])
        return (
            f"{count} files joined: {len(unread)}, at {begins}, could not be read "
            f"({lost} of {self.size} bytes)"
        )


def _bytes(positions: Sequence[int]) -> str:
    told = ", ".join(map(str, positions[:3]))
    more = len(positions) - 3
    return f"byte{'s' if len(positions) > 1 else ''} {told}" + (
        f" and {more} more" if more > 0 else ""
    )


def extent(path: str | os.PathLike) -> Extent:
    """Determine the structure of a file; cached until the file changes."""
    return _extent(os.fspath(path), state_of(path))


def state_of(path: str | os.PathLike) -> tuple[int, int]:
    """Return the size and modification time (ns) of a file, as a cache key; zeros if missing."""
    try:
        status = Path(path).stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=64)
def _extent(path: str, state: tuple[int, int]) -> Extent:
    size, _ = state
    if not size:
        return Extent(size=0)
    starts, unit = [], ""
    with FileBytes(path) as content:
        try:
            end = beginning(content)
            while end < size and (walk := walker(content, end)) is not None:
                starts.append(end)
                end, unit = walk(content, end)
                if end <= starts[-1]:
                    break
            seconds = avi_seconds(content, starts[0] if starts else 0)
        except (struct.error, IndexError):  # the file has shrunk
            return Extent(size=size)
    lacks = max(end - size, 0)
    cut = lacks or unit == "index"
    return Extent(
        size=size,
        starts=tuple(starts) or (0,),
        lacks=lacks,
        unit=unit if cut else "",
        seconds=seconds,
    )


def lacks_index(path: str | os.PathLike) -> bool:
    """Return True if a file begins as an MP4 or MOV file but has no complete ``moov`` box."""
    start = extent(path).starts[0]
    with FileBytes(path) as content:
        if content[start + 4 : start + 8] not in FIRST_BOXES:
            return False
        moov = (end for name, _, end in boxes(content, start) if name == b"moov")
        return next(moov, len(content) + 1) > len(content)
