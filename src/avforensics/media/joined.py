"""Read files that consist of several joined media files or begin with foreign bytes."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from avforensics.media.clock import Piece, Run
from avforensics.media.extent import extent, state_of
from avforensics.media.fragments import continues
from avforensics.media.layouts import (
    FileBytes,
    first_cluster,
    flv,
    flv_header,
    matroska,
    mp4,
    mxf,
    walker,
)


class Joined:
    """File object that presents some byte ranges of a file to FFmpeg as one file.

    Parameters
    ----------
    path : str or PathLike
    ranges : sequence of (int, int)
        Half-open range of bytes, ``(start, end)``, for each part.

    Attributes
    ----------
    starts : tuple of int
        Position of each part in the presented file.
    """

    def __init__(self, path: str | os.PathLike, ranges: Sequence[tuple[int, int]]) -> None:
        self.name = os.fspath(path)
        self._ranges = ranges
        self.starts = starts_of(ranges)
        self._length = sum(end - start for start, end in ranges)
        self._position = 0

    def read(self, count: int) -> bytes:
        """Return up to ``count`` bytes of a part, or none after the last part."""
        if self._position >= self._length:
            return b""
        number = bisect_right(self.starts, self._position) - 1
        start, end = self._ranges[number]
        first = start + self._position - self.starts[number]
        with FileBytes(self.name) as content:  # opened for each read, because PyAV never closes it
            found = content[first : min(first + count, end)]
        self._position += len(found)
        return found

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position and return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}
        self._position = max(base[whence] + offset, 0)
        return self._position

    def tell(self) -> int:
        """Return the position of the next byte."""
        return self._position


def starts_of(ranges: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Return where each range begins after concatenation."""
    lengths = [end - start for start, end in ranges]
    return tuple(sum(lengths[:number]) for number in range(len(ranges)))


def readable(path: str | os.PathLike) -> Joined | None:
    """Return a file in a form that FFmpeg reads correctly; None if no change is needed."""
    ranges = ranges_of(path)
    return Joined(path, ranges) if ranges else None


def ranges_of(path: str | os.PathLike) -> tuple[tuple[int, int], ...]:
    """Find the byte ranges of a file that FFmpeg can read as one file.

    FFmpeg takes the header of a second FLV file for a huge tag and stops at a third Matroska file.
    It mixes the frames of a second MXF file, or of some fragmented MP4 files, with the frames of
    the first. Joined FLV or Matroska files are read as one file by skipping the later headers. Of
    joined MXF files and such MP4 files, only the first is read. Foreign bytes before a file are
    skipped, because FFmpeg recognises most formats only by the first bytes.

    Returns
    -------
    tuple of (int, int)
        ``(start, end)`` of each range; empty if FFmpeg reads the file correctly as it is.
    """
    return _ranges_of(os.fspath(path), state_of(path))


@lru_cache(maxsize=64)
def _ranges_of(path: str, _state: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    found = extent(path)
    begin = found.starts[0]
    whole = ((begin, found.size),) if begin else ()
    if len(found.starts) == 1:
        return whole
    parts = list(zip(found.starts, (*found.starts[1:], found.size), strict=True))
    with FileBytes(path) as content:
        kinds = {walker(content, start) for start in found.starts}
        for kind, header in ((flv, flv_header), (matroska, first_cluster)):
            if kinds == {kind}:
                later = ((min(at + header(content, at), end), end) for at, end in parts[1:])
                return (parts[0], *later)
        first = walker(content, begin)
        if first is mxf or (
            first is mp4 and not all(continues(content, *part) for part in parts[1:])
        ):
            return (parts[0],)
    return whole


def lined_up(runs: Sequence[Run]) -> dict[str, Any]:
    """Correct the times of a joined file so that all streams begin together in each part.

    Formats without a clock (AVI) count frames and samples from the first part on. If the audio of
    a part is shorter than its video, the audio of later parts would otherwise come early.

    Parameters
    ----------
    runs : sequence of Run
        Runs of all streams, at least one for each part.

    Returns
    -------
    dict
        ``ends`` and ``pieces``, as in `Survey`.
    """
    pieces: dict[int, list[Piece]] = {run.stream: [] for run in runs}
    ends: dict[int, list[Fraction]] = {run.stream: [] for run in runs}
    seam = Fraction(0)
    for part in sorted({run.part for run in runs}):
        own = [run for run in runs if run.part == part]
        for stream in pieces:
            found = [run for run in own if run.stream == stream]
            shift = seam - min((run.start for run in found), default=seam) if part else Fraction(0)
            pieces[stream] += [Piece(packet=run.packet, shift=shift) for run in found]
            ends[stream] += [edge + shift for run in found for edge in (run.start, run.end)]
        seam = max(map(max, filter(None, ends.values())))
    return {
        "ends": {stream: (min(edges), max(edges)) for stream, edges in ends.items()},
        "pieces": {stream: tuple(own) for stream, own in pieces.items()},
    }
