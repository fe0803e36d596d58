"""Tracks divided into what becomes a clip each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil

import numpy as np

from avforensics.faces.track import FaceTrack

ALONE = "not alone in the picture"


def divide(
    tracks: Sequence[FaceTrack],
    dropped: Counter[str],
    *,
    shortest: int,
    longest: int,
    alone: bool,
) -> Iterator[tuple[FaceTrack, str]]:
    """Parts of tracks, each with a name for its file.

    Parameters
    ----------
    dropped : Counter
        Tracks without any such part are counted here.
    shortest, longest : int
        Frames; a longer track becomes several parts of nearly the same length.
    alone : bool
        Only where no other face is followed.
    """
    for track in tracks:
        others = [other for other in tracks if other.name != track.name] if alone else []
        edges = [
            edge
            for begin, stop in _alone(track, others)
            if stop - begin >= shortest
            for edge in pairwise(_divided(begin, stop, longest))
        ]
        if not edges:
            dropped[ALONE] += 1
        for number, (begin, stop) in enumerate(edges, start=1):
            digits = len(str(len(edges)))
            title = track.name if len(edges) == 1 else f"{track.name}-{number:0{digits}d}"
            yield track.part(begin, stop), title


def _alone(track: FaceTrack, others: Sequence[FaceTrack]) -> list[tuple[int, int]]:
    """Stretches, from the track's first frame, in which none of the others is followed."""
    company = np.zeros(len(track), bool)
    for other in others:
        begin, stop = (edge - track.first_frame for edge in (other.first_frame, other.end_frame))
        company[max(begin, 0) : max(stop, 0)] = True
    edges = np.flatnonzero(np.diff(company, prepend=True, append=True))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _divided(begin: int, stop: int, longest: int) -> list[int]:
    """Edges of pieces of nearly the same length."""
    count = ceil((stop - begin) / longest)
    return np.linspace(begin, stop, count + 1).round().astype(int).tolist()
