"""Where a read may begin in the middle of a file and give the same pictures as from the start."""

from __future__ import annotations

import os
from bisect import bisect_right
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from av.video.frame import PictureType

from avforensics.media.container import Tally, open_container, packets
from avforensics.media.tracks import pick_stream

# Formats that keep an index with presentation times. Others (MPEG-TS, AVI...) are read from the
# start: where a seek lands there, and what time it then is, are guesses.
INDEXED = frozenset({"mov", "mp4", "matroska", "webm"})


def key_time_before(path: str | os.PathLike, stream: int, stamp: int) -> int | None:
    """Presentation time of the last key frame at or before ``stamp``.

    Parameters
    ----------
    stream : int
        Counted among the video streams.
    stamp : int
        In the stream's time base.

    Returns
    -------
    int or None
        None where there is none, or where this file cannot be trusted with seeking.
    """
    status = Path(path).stat()
    times = _key_times(os.fspath(path), stream, (status.st_size, status.st_mtime_ns))
    position = bisect_right(times, stamp)
    return times[position - 1] if position else None


@lru_cache(maxsize=32)
def _key_times(path: str, number: int, _state: tuple[int, int]) -> tuple[int, ...]:
    """Times of all key frames; none unless each packet has a time of its own.

    Reads the packets without decoding them: a fraction of a second for an hour.
    """
    stamps, keys = [], []
    tally = Tally()
    with open_container(path) as container:
        stream = pick_stream(container, "video", number)
        if not INDEXED & set(container.format.name.split(",")):
            return ()
        for packet in packets(container, stream, tally):
            if packet.size == 0:
                continue
            if packet.pts is None or packet.dts is None:
                return ()
            stamps.append(packet.pts)
            if packet.is_keyframe and not packet.is_corrupt:
                keys.append(packet.pts)
    if tally.skipped or len(np.unique(stamps)) < len(stamps):
        return ()
    return tuple(sorted(keys))


def is_entry(frame: av.VideoFrame, stamp: int) -> bool:
    """Whether decoding can begin with this frame: what came before it makes no difference.

    Files with gradual refresh mark frames as key frames that depend on others.
    """
    return (
        frame.pts == stamp
        and bool(frame.key_frame)
        and frame.pict_type == PictureType.I
        and not frame.is_corrupt
    )
