"""Divide face tracks into parts, one for each clip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil

import numpy as np

from avforensics.faces.track import FaceTrack

NEVER_ALONE = "never the only face"


def divide(
    tracks: Sequence[FaceTrack],
    dropped: Counter[str],
    *,
    shortest: int,
    longest: int,
    single_face_only: bool,
) -> Iterator[tuple[FaceTrack, str]]:
    """Yield parts of tracks, each with a file name.

    Parameters
    ----------
    dropped : Counter
        Reason -> number of dropped tracks. Tracks without a usable part are added.
    shortest, longest : int
        Minimum and maximum length of a part in frames. Longer tracks are split into parts of nearly
        equal length.
    single_face_only : bool
        Whether to keep only frames in which no other face is tracked.
    """
    for track in tracks:
        others = [other for other in tracks if other.name != track.name] if single_face_only else []
        edges = [
            edge
            for begin, stop in _without(others, track)
            if stop - begin >= shortest
            for edge in pairwise(_divided(begin, stop, longest))
        ]
        if not edges:
            dropped[NEVER_ALONE] += 1
        for number, (begin, stop) in enumerate(edges, start=1):
            digits = len(str(len(edges)))
            title = track.name if len(edges) == 1 else f"{track.name}-{number:0{digits}d}"
            yield track.part(begin, stop), title


def _without(others: Sequence[FaceTrack], track: FaceTrack) -> list[tuple[int, int]]:
    """Find the ranges of frames, relative to the track's start, without another tracked face."""
    occupied = np.zeros(len(track), bool)
    for other in others:
        begin, stop = (edge - track.first_frame for edge in (other.first_frame, other.end_frame))
        occupied[max(begin, 0) : max(stop, 0)] = True
    edges = np.flatnonzero(np.diff(occupied, prepend=True, append=True))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _divided(begin: int, stop: int, longest: int) -> list[int]:
    """Return the edges of parts of nearly equal length."""
    count = ceil((stop - begin) / longest)
    return np.linspace(begin, stop, count + 1).round().astype(int).tolist()
