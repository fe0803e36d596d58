"""Read times in MP4 files that FFmpeg does not report: of fragments and of trimmed frames."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from avforensics.media.extent import extent
from avforensics.media.layouts import Content, FileBytes, boxes

BASED_ON_MOOF = 0x2  # flag in the highest byte: positions are relative to the fragment
OFFSETS = 0x800  # flag: samples have composition offsets
FIELDS = (0x1, 0x4)  # flags of the fields before the samples
SAMPLE_FIELDS = (0x100, 0x200, 0x400)  # flags of the fields before a sample's offset


class StoredTimes(NamedTuple):
    """Times in an MP4 file that FFmpeg does not report; empty for other files.

    Attributes
    ----------
    first : dict
        Track number -> presentation and decoding time of its first sample, in ticks of the track.
        Tracks that have samples outside fragments or an edit list with several entries are left
        out.
    unedited : frozenset of int
        Numbers of the tracks of a fragmented file without an edit list.
    trimmed : dict
        Track number -> start of the only edit, in ticks of the track, for video tracks of files
        without fragments whose edit does not begin at the first frame.
    """

    first: Mapping[int, tuple[int, int]] = {}
    unedited: frozenset[int] = frozenset()
    trimmed: Mapping[int, int] = {}


def stored_times(path: str | os.PathLike) -> StoredTimes:
    """Read the times of an MP4 file that FFmpeg does not report."""
    found = extent(path)
    if not found.size:  # the file has been removed
        return StoredTimes()
    start = found.starts[0]
    with FileBytes(path) as content:
        whole = start, len(content)
        if content[start + 4 : start + 8] != b"ftyp":
            return StoredTimes()
        try:
            if next(_inside(content, whole, b"moov", b"mvex"), None) is None:
                return StoredTimes(trimmed=dict(_trimmed(content, whole)))
            plain = (
                _track(content, trak)
                for trak in _inside(content, whole, b"moov", b"trak")
                if next(_inside(content, trak, b"edts"), None) is None
            )
            return StoredTimes(dict(_tracks(content, whole)), frozenset(plain))
        except (struct.error, IndexError):  # damaged
            return StoredTimes()


def _trimmed(content: Content, whole: tuple[int, int]) -> Iterator[tuple[int, int]]:
    for trak in _inside(content, whole, b"moov", b"trak"):
        kind = next(_inside(content, trak, b"mdia", b"hdlr"), None)
        if kind is None or content[kind[0] + 8 : kind[0] + 12] != b"vide":
            continue
        start, first = _only_edit(content, trak), 0
        for at, _ in _inside(content, trak, b"mdia", b"minf", b"stbl", b"ctts"):
            (first,) = struct.unpack(">i", content[at + 12 : at + 16])
        if start is not None and start > first:
            yield _track(content, trak), start


def _tracks(content: Content, whole: tuple[int, int]) -> Iterator[tuple[int, tuple[int, int]]]:
    starts = {
        track: start
        for trak in _inside(content, whole, b"moov", b"trak")
        if (start := _edit(content, trak)) is not None
        for track in [_track(content, trak)]
    }
    for moof in _inside(content, whole, b"moof"):
        for traf in _inside(content, moof, b"traf"):
            head, time, run = (
                next(_inside(content, traf, name), None) for name in (b"tfhd", b"tfdt", b"trun")
            )
            if None in (head, time, run):
                continue
            (track,) = struct.unpack(">I", content[head[0] + 4 : head[0] + 8])
            if track in starts:
                decoded = _number(content, time[0], ">I", ">Q") - starts.pop(track)
                yield track, (decoded + _offset(content, run[0]), decoded)
        if not starts:
            return


def _inside(content: Content, span: tuple[int, int], *names: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the contents of boxes begin and end; ``names`` is the path to the boxes."""
    for name, start, end in boxes(content, *span):
        if name == names[0]:
            inner = start + 8, end
            yield from _inside(content, inner, *names[1:]) if names[1:] else [inner]


def _number(content: Content, at: int, short: str, long: str) -> int:
    """Read the number after a box's version and flags; it has 64 bits in version 1."""
    kind = long if content[at] else short
    return struct.unpack(kind, content[at + 4 : at + 4 + struct.calcsize(kind)])[0]


def _track(content: Content, trak: tuple[int, int]) -> int:
    header = next(_inside(content, trak, b"tkhd"), None)
    if header is None:
        return 0
    at = header[0]
    place = at + (20 if content[at] else 12)
    return struct.unpack(">I", content[place : place + 4])[0]


def continues(content: Content, start: int, end: int) -> bool:
    """Return True if the fragments in a part of a file can be read as part of the previous file.

    Positions of samples must be relative to the fragment, and the clock must not restart at zero.
    """
    traf = next(_inside(content, (start, end), b"moof", b"traf"), None)
    if traf is None:
        return False
    head, time = (next(_inside(content, traf, name), None) for name in (b"tfhd", b"tfdt"))
    if head is None or time is None:
        return False
    try:
        based = content[head[0] + 1] & BASED_ON_MOOF
        return bool(based) and _number(content, time[0], ">I", ">Q") > 0
    except (struct.error, IndexError):  # damaged
        return False


def _edit(content: Content, trak: tuple[int, int]) -> int | None:
    """Return the start time of a track's only edit, in ticks; 0 without edits.

    The result is None if the track has several edits, or samples outside fragments.
    """
    sizes = next(_inside(content, trak, b"mdia", b"minf", b"stbl", b"stsz"), None)
    if sizes is None or any(content[sizes[0] + 8 : sizes[0] + 12]):
        return None
    return _only_edit(content, trak)


def _only_edit(content: Content, trak: tuple[int, int]) -> int | None:
    edits = next(_inside(content, trak, b"edts", b"elst"), None)
    if edits is None:
        return 0
    at = edits[0]
    (count,) = struct.unpack(">I", content[at + 4 : at + 8])
    begin = at + (16 if content[at] else 12)
    start = struct.unpack(
        ">q" if content[at] else ">i", content[begin : begin + 4 * (1 + content[at])]
    )[0]
    return start if count == 1 and start >= 0 else None


def _offset(content: Content, run: int) -> int:
    """Read the composition offset of a run's first sample, in ticks."""
    flags = int.from_bytes(content[run + 1 : run + 4], "big")
    if not flags & OFFSETS:
        return 0
    at = run + 8 + 4 * sum(bool(flags & field) for field in FIELDS)
    at += 4 * sum(bool(flags & field) for field in SAMPLE_FIELDS)
    return struct.unpack(">i", content[at : at + 4])[0]
