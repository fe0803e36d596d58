"""Decide whether new packet identifiers (PIDs) in a transport stream continue its tracks."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache

from avforensics.media.layouts import PART, FileBytes

SYNC = b"G"
SIZES = (188, 192, 204)  # bytes from packet to packet
TABLE = b"\x00\x02\xb0"  # how the payload of a packet with a program's table (PMT) begins
HEADER = 4  # bytes of a packet before its payload
# Types of video tracks: MPEG-1, -2 and -4, H.264 and its variants, JPEG 2000, HEVC, VVC, AVS, VC-1.
VIDEO = {0x01, 0x02, 0x10, 0x1B, 0x1F, 0x20, 0x21, 0x24, 0x33, 0x42, 0xD1, 0xD2, 0xEA}


@lru_cache(maxsize=256)
def continues_tracks(path: str, _state: tuple[int, int]) -> bool:
    """Return False if a track with a new PID does not continue the track that it replaces.

    FFmpeg's ``merge_pmt_versions`` takes a track with a new PID for the continuation of the track
    that had its place in the program's last table. If that one goes on, e.g. because a language
    was added before it, or if one is video and the other is not, FFmpeg would mix both.
    """
    with FileBytes(path) as content:
        if SYNC not in content[: HEADER + 1]:
            return True
        last: dict[int, dict[int, bool]] = {}
        known: defaultdict[int, set[int]] = defaultdict(set)
        for program, tracks in _tables(content):
            places = zip(last.get(program, {}).items(), tracks.items(), strict=False)
            for (before, was_video), (pid, is_video) in places:
                if pid not in known[program] and (before in tracks or was_video != is_video):
                    return False
            last[program] = tracks
            known[program].update(tracks)
    return True


def _tables(content: FileBytes) -> Iterator[tuple[int, dict[int, bool]]]:
    """Yield, from each table, the program's number and whether its tracks, by PID, are video."""
    for start in range(0, len(content), PART):
        part = content[start : start + PART + SIZES[-1]]
        for place in re.finditer(TABLE, part):
            at = place.start() - HEADER
            aligned = any(part[at + size : at + size + 1] == SYNC for size in SIZES)
            if at >= 0 and part[at : at + 1] == SYNC and part[at + 1] & 0x40 and aligned:
                table = part[at + HEADER + 1 : at + SIZES[0]]
                yield int.from_bytes(table[3:5], "big"), dict(_tracks(table))


def _tracks(table: bytes) -> Iterator[tuple[int, bool]]:
    end = min(3 + table[2] - 4, len(table))  # a checksum of four bytes comes last
    at = 12 + (int.from_bytes(table[10:12], "big") & 0x3FF)
    while at + 5 <= end:
        yield int.from_bytes(table[at + 1 : at + 3], "big") & 0x1FFF, table[at] in VIDEO
        at += 5 + (int.from_bytes(table[at + 3 : at + 5], "big") & 0x3FF)
