"""Read files of which several are joined byte by byte."""

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
    """Some ranges of a file, read as one file by FFmpeg.

    Parameters
    ----------
    path : str or PathLike
    ranges : sequence of (int, int)
        First byte and end of each range.

    Attributes
    ----------
    starts : tuple of int
        Where each range begins for the reader.
    """

    def __init__(self, path: str | os.PathLike, ranges: Sequence[tuple[int, int]]) -> None:
        self.name = os.fspath(path)
        self._ranges = ranges
        self.starts = starts_of(ranges)
        self._length = sum(end - start for start, end in ranges)
        self._position = 0

    def read(self, count: int) -> bytes:
        """The next bytes, fewer at the end of a range, none at the end of the last."""
        if self._position >= self._length:
            return b""
        number = bisect_right(self.starts, self._position) - 1
        start, end = self._ranges[number]
        first = start + self._position - self.starts[number]
        with FileBytes(self.name) as content:  # PyAV never closes what it reads from
            found = content[first : min(first + count, end)]
        self._position += len(found)
        return found

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a byte; return its position."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}
        self._position = max(base[whence] + offset, 0)
        return self._position

    def tell(self) -> int:
        """Position of the next byte."""
        return self._position


def starts_of(ranges: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """Where each range begins if they follow one another."""
    lengths = [end - start for start, end in ranges]
    return tuple(sum(lengths[:number]) for number in range(len(ranges)))


def readable(path: str | os.PathLike) -> Joined | None:
    """A joined file as FFmpeg can read it; None if FFmpeg reads the file itself as well."""
    ranges = ranges_of(path)
    return Joined(path, ranges) if ranges else None


def ranges_of(path: str | os.PathLike) -> tuple[tuple[int, int], ...]:
    """First byte and end of the parts of a joined file that FFmpeg can read as one file.

    FFmpeg takes the header of a second FLV for a huge tag, stops at a third Matroska file, and
    mixes the frames of a second MXF, or of some fragmented MP4, with those of the first. FLV and
    Matroska files become one without the later headers; of the others, the first file is read.

    Returns
    -------
    tuple of (int, int)
        Empty if FFmpeg reads the file itself as well.
    """
    return _ranges_of(os.fspath(path), state_of(path))


@lru_cache(maxsize=64)
def _ranges_of(path: str, _state: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    found = extent(path)
    if len(found.starts) == 1:
        return ()
    parts = list(zip(found.starts, (*found.starts[1:], found.size), strict=True))
    with FileBytes(path) as content:
        kinds = {walker(content, start) for start in found.starts}
        for kind, header in ((flv, flv_header), (matroska, first_cluster)):
            if kinds == {kind}:
                later = ((min(at + header(content, at), end), end) for at, end in parts[1:])
                return (parts[0], *later)
        first = walker(content, 0)
        if first is mxf or (
            first is mp4 and not all(continues(content, *part) for part in parts[1:])
        ):
            return (parts[0],)
    return ()


def lined_up(runs: Sequence[Run]) -> dict[str, Any]:
    """Let all streams of a joined file begin together in each of its parts.

    For formats without a clock (AVI), which count frames and samples from the first part on: where
    the sound of a part is shorter than its picture, later sound would come early.

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
