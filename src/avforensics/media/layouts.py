"""Find the end of a file from the layout of its container format."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Iterator
from itertools import islice, takewhile
from pathlib import Path

# First boxes of an MP4 or MOV file.
FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
BOXES = {*FIRST_BOXES, b"moof", b"mfra", b"sidx", b"styp", b"uuid", b"udta", b"meta", b"emsg"}
BOXES |= {b"prft", b"pdin", b"pnot", b"PICT", b"ssix", b"junk", b"frea", b"cust"}
EBML, SEGMENT, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675
FLV_TAGS = (8, 9, 18)  # audio, video, script
MXF_KEY, MXF_HEADER = b"\x06\x0e\x2b\x34", b"\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02"
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
OGG_OPENS = 2  # flag of the first page of a stream
ASF_LIVE = 1  # flag of files with unknown lengths
UNFINISHED = (0, 2**32 - 1)  # RIFF lengths of unfinished recordings
MISCOUNTED = 16  # bytes by which some writers overstate the length of a RIFF file
TS_SYNC = 0x47
TS_PACKETS = ((188, 0), (192, 4), (204, 0))  # length, position of the sync byte
TAIL = 2**18  # bytes at the end that are searched for the last packet
PART = 2**20  # bytes read at a time in a search
SOUGHT = 2**20  # maximum number of foreign bytes before a file
CANDIDATES = 16  # maximum number of signatures to try in a file
DV_SEQUENCE = 12_000  # bytes per sequence; a cut between two sequences of a frame is not detected


class FileBytes:
    """Bytes of a file, read on demand. A memory map would crash the process if the file shrank."""

    def __init__(self, path: str | os.PathLike) -> None:
        self._file = Path(path).open("rb")  # noqa: SIM115
        self._size = os.fstat(self._file.fileno()).st_size

    def __enter__(self) -> FileBytes:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, key: int | slice) -> int | bytes:
        if isinstance(key, int):
            return self[key : key + 1][0]
        start, stop, _ = key.indices(self._size)
        self._file.seek(start)
        return self._file.read(max(stop - start, 0))

    def find(self, mark: bytes, start: int = 0, end: int | None = None) -> int:
        """Find the first ``mark`` between ``start`` and ``end``; return its position or -1."""
        stop = self._size if end is None else min(end, self._size)
        while start < stop:
            part = self[start : min(start + PART, stop)]
            if (place := part.find(mark)) >= 0:
                return start + place
            start += PART - len(mark) + 1
        return -1


Content = bytes | FileBytes
End = tuple[int, str]
"""Where a file should end, in bytes, and the name of its last element."""


def walker(content: Content, start: int) -> Callable[[Content, int], End] | None:
    """Choose a function that finds the end of the file that begins at ``start``, if any."""
    head = content[start : start + 16]
    if head[4:8] in (FIRST_BOXES if not start else (b"ftyp", b"moov")):
        return mp4
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] in (b"AVI ", b"WAVE"):
        return _riff
    if head[:4] == MXF_KEY and head[4:14] == MXF_HEADER:
        return mxf
    for mark, walk in MARKS.items():
        if head.startswith(mark):
            return walk
    if start:
        return None
    for mark, walk in FIRST_MARKS.items():
        if head.startswith(mark):
            return walk
    return _transport_stream if _ts_packet(content) else None


def beginning(content: Content) -> int:
    """Find where the first file begins: at 0, or after at most `SOUGHT` foreign bytes.

    A signature after foreign bytes counts only if the rest of the file has the structure of the
    format up to the last byte.
    """
    if PICTURES.match(content[:16]) or walker(content, 0) is not None:
        return 0
    for found in islice(SIGNATURES.finditer(content[:SOUGHT]), CANDIDATES):
        start = end = found.start()
        last = -1
        while last < end < len(content) and (walk := walker(content, end)) is not None:
            last, (end, _) = end, walk(content, end)
        if end >= len(content):
            return start
    return 0


def boxes(content: Content, start: int, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Iterate over the MP4 boxes in a part of a file, whatever their names.

    Yields
    ------
    bytes, int, int
        Name, position and end of a box; the end may lie beyond the end of the file.
    """
    stop = len(content) if end is None else min(end, len(content))
    while start + 8 <= stop:
        length, name = struct.unpack(">I4s", content[start : start + 8])
        if length == 1 and start + 16 <= stop:
            (length,) = struct.unpack(">Q", content[start + 8 : start + 16])
        after = start + length if length else stop
        if after < start + 8:
            return
        yield name, start, after
        start = after


def known_boxes(content: Content, start: int) -> Iterator[tuple[bytes, int, int]]:
    """Iterate over the outer boxes of an MP4 file, up to the first unknown name."""
    return takewhile(lambda box: box[0] in BOXES, boxes(content, start))


def mp4(content: Content, start: int) -> End:
    """Find the end of an MP4 or MOV file."""
    seen: dict[bytes, int] = {}
    end = start
    for name, place, after in known_boxes(content, start):
        if name in (b"ftyp", b"moov") and name in seen:
            # In old MOV files without ftyp, the second file may begin with mdat, before its moov.
            both = seen.get(b"mdat", place) < seen.get(b"moov", place)
            return (seen[b"moov end"] if name == b"moov" and both else place), ""
        seen.setdefault(name, place)
        seen.setdefault(name + b" end", after)
        end = after
        unit = f"{name.decode()} box"
    return end, unit if seen else ""


def _vint(content: Content, start: int, *, keep: bool) -> tuple[int | None, int]:
    """Read a Matroska number (None = unknown); return it and the position after it.

    With ``keep``, the bits that encode its length are part of the number, as in element names.
    """
    first = content[start]
    length = 9 - first.bit_length()
    data = int.from_bytes(content[start : start + length], "big")
    if not first or start + length > len(content):
        return None, len(content)
    size = data - (1 << 7 * length)
    if keep:
        return data, start + length
    return (None if size == (1 << 7 * length) - 1 else size), start + length


def _elements(
    content: Content, start: int, *, enter: bool = False
) -> Iterator[tuple[int, int, int | None]]:
    """Yield the name, position and end of Matroska elements.

    Segments and clusters of unknown length are entered, and their end is None. With ``enter``, the
    same holds for all segments.
    """
    place = start
    while place < len(content):
        name, behind = _vint(content, place, keep=True)
        if name is None or behind >= len(content):
            return
        length, behind = _vint(content, behind, keep=False)
        if length is None and name not in (SEGMENT, CLUSTER):
            return
        entered = length is None or (enter and name == SEGMENT)
        yield name, place, None if entered else behind + length
        place = behind if entered else behind + length


def matroska(content: Content, start: int) -> End:
    """Find the end of a Matroska or WebM file."""
    end, unit = start, ""
    for name, place, after in _elements(content, start):
        if name == EBML and place > start:
            break
        unit = {SEGMENT: "segment", CLUSTER: "cluster"}.get(name, "element")
        end = place if after is None else after
        if name == SEGMENT and after is not None:
            break
    return end, unit


def first_cluster(content: Content, start: int) -> int:
    """Count the bytes before the first cluster of a Matroska file."""
    found = _elements(content, start, enter=True)
    return next((place - start for name, place, _ in found if name == CLUSTER), 0)


def _riff(content: Content, start: int) -> End:
    end = start
    video = content[start + 8 : start + 12] == b"AVI "
    while end + 12 <= len(content) and content[end : end + 4] in (b"RIFF", b"RF64"):
        if end > start and content[end + 8 : end + 12] != b"AVIX":
            break
        (length,) = struct.unpack("<I", content[end + 4 : end + 8])
        if length in UNFINISHED:
            return len(content), "index" if video else ""
        end += 8 + length + length % 2
    if len(content) < end <= len(content) + MISCOUNTED or not video:
        end = min(end, len(content))
    return end, "RIFF chunk"


def avi_seconds(content: Content, start: int) -> float | None:
    """Read the length (s) that an AVI file declares; return None for other files."""
    header = content.find(b"avih", start, start + 64)
    if content[start + 8 : start + 12] != b"AVI " or header < 0 or header + 28 > len(content):
        return None
    step, _, _, _, count = struct.unpack("<5I", content[header + 8 : header + 28])
    return step * count / 1e6 or None


def flv_header(content: Content, start: int) -> int:
    """Count the bytes before the first tag of an FLV file."""
    return max(int.from_bytes(content[start + 5 : start + 9], "big"), 9) + 4


def flv(content: Content, start: int) -> End:
    """Find the end of an FLV file."""
    place = start + flv_header(content, start)
    while place + 11 <= len(content):
        if content[place] & 0x1F not in FLV_TAGS:
            break
        place += 11 + int.from_bytes(content[place + 1 : place + 4], "big") + 4
    if len(content) < place <= len(content) + 4:  # only the field after the last tag is cut off
        place = len(content)
    return place, "tag"


def mxf(content: Content, start: int) -> End:
    """Find the end of an MXF file."""
    place = start
    while place + 17 <= len(content):
        key = content[place : place + 16]
        if key[:4] != MXF_KEY or (place > start and key[4:14] == MXF_HEADER):
            break
        first, behind = content[place + 16], place + 17
        if first & 0x80:
            behind += first & 0x7F
            first = int.from_bytes(content[place + 17 : behind], "big")
        place = behind + first
    return place, "element"


def _asf(content: Content, start: int) -> End:
    header = int.from_bytes(content[start + 16 : start + 24], "little")
    at = content.find(ASF_FILE, start, start + header)
    data = start + header
    if at < 0 or max(data + 24, at + 89) > len(content) or content[at + 88] & ASF_LIVE:
        return max(data, len(content)), "header"
    whole = start + int.from_bytes(content[at + 40 : at + 48], "little")
    held = data + int.from_bytes(content[data + 16 : data + 24], "little")
    return (held if held > len(content) else min(whole, len(content))), "data object"


def _ogg(content: Content, start: int) -> End:
    place, begun = start, False
    while place + 27 <= len(content) and content[place : place + 4] == b"OggS":
        opens = content[place + 5] & OGG_OPENS
        if opens and begun:
            return place, ""
        begun |= not opens
        segments = content[place + 26]
        place += 27 + segments + sum(content[place + 27 : place + 27 + segments])
    return place, "page"


def _program_stream(content: Content, start: int) -> End:
    place = content.find(b"\0\0\x01\xba", max(len(content) - TAIL, start))
    while place >= 0 and place + 14 <= len(content) and content[place : place + 3] == b"\0\0\x01":
        code = content[place + 3]
        if code == 0xBA:
            place += 14 + (content[place + 13] & 7) if content[place + 4] >> 6 == 1 else 12
        elif code > 0xBA:
            place += 6 + int.from_bytes(content[place + 4 : place + 6], "big")
        else:
            break
    return max(place, len(content)), "packet"


def _ts_packet(content: Content) -> tuple[int, int] | None:
    """Return the length of a transport stream's packets and the position of the first packet."""
    head = content[: 5 * max(TS_PACKETS)[0]]
    for length, sync in TS_PACKETS:
        for first in range(min(length, max(len(head) - 4 * length, 0))):
            if all(head[first + sync + number * length] == TS_SYNC for number in range(4)):
                return length, first
    return None


def _transport_stream(content: Content, start: int) -> End:
    length, first = _ts_packet(content)
    sync = dict(TS_PACKETS)[length]
    last = len(content) - (len(content) - first) % length
    wanted: dict[int, int] = {}  # track -> missing bytes of its last PES packet
    for at in range(max(last - TAIL // length * length, first) + sync, last, length):
        if content[at] != TS_SYNC:  # damaged or joined: packets are at other positions
            return len(content), ""
        track = int.from_bytes(content[at + 1 : at + 3], "big") & 0x1FFF
        head = 4 + (1 + content[at + 4] if content[at + 3] & 0x20 else 0)
        if content[at + 1] & 0x40:
            begins = content[at + head : at + head + 6]
            lasts = int.from_bytes(begins[4:], "big") if begins[:3] == b"\0\0\x01" else 0
            wanted[track] = 6 + lasts if lasts else 0  # 0: unknown
        if content[at + 3] & 0x10 and track in wanted:
            wanted[track] -= 188 - head
    rest = max(wanted.values(), default=0)
    return max(last + length * (last < len(content)), len(content) + rest), "packet"


def _dv(content: Content, start: int) -> End:
    return -(-len(content) // DV_SEQUENCE) * DV_SEQUENCE, "sequence"


# First bytes of pictures. A file that begins with a picture is not searched for other files.
PICTURES = re.compile(
    rb"\xff\xd8\xff|\x89PNG|GIF8|BM....\0{4}|RIFF....WEBP|II\*\0|MM\0\*", re.DOTALL
)
# First bytes of files that may follow foreign bytes. MP4 files must begin with a ftyp box: if only
# this box is damaged, the positions in the file still count from the damaged box.
SIGNATURES = re.compile(
    b"....ftyp|RIFF....(?:AVI |WAVE)|RF64....WAVE|\x1aE\xdf\xa3|FLV\x01|OggS\0\x02|"
    + b"|".join(map(re.escape, (ASF_HEADER, MXF_KEY + MXF_HEADER))),
    re.DOTALL,
)
# First bytes of files. `FIRST_MARKS` are recognised only at the beginning of the whole file.
MARKS = {b"\x1aE\xdf\xa3": matroska, b"FLV\x01": flv, ASF_HEADER: _asf, b"OggS": _ogg}
FIRST_MARKS = {b"\0\0\x01\xba": _program_stream}
FIRST_MARKS |= {b"\x1f\x07\0\x3f": _dv, b"\x1f\x07\0\xbf": _dv}
