"""Find key frames from which decoding yields the same frames as from the beginning."""

from __future__ import annotations

import os
from bisect import bisect_right
from functools import lru_cache

import av
import numpy as np
from av.video.frame import PictureType

from avforensics.media.container import Tally, is_format, open_container, packets
from avforensics.media.extent import state_of
from avforensics.media.tracks import pick_stream

# Formats with an index of presentation times. Others (MPEG-TS, AVI...) are read from the beginning,
# because seeking in them is inexact.
INDEXED = frozenset({"mov", "mp4", "matroska", "webm"})


def key_time_before(path: str | os.PathLike, stream: int, stamp: int) -> int | None:
    """Find the last key frame at or before ``stamp``.

    Parameters
    ----------
    stream : int
        Index among the video streams.
    stamp : int
        Presentation time in the stream's time base.

    Returns
    -------
    int or None
        Presentation time of the key frame in the same time base; None if there is no such key
        frame, or if seeking in this file is unreliable.
    """
    times = _key_times(os.fspath(path), stream, state_of(path))
    position = bisect_right(times, stamp)
    return times[position - 1] if position else None


@lru_cache(maxsize=32)
def _key_times(path: str, number: int, _state: tuple[int, int]) -> tuple[int, ...]:
    """Return the times of all key frames; empty unless every packet has a unique time stamp.

    Packets are read but not decoded, which takes a fraction of a second for an hour of video.
    """
    stamps, keys, untimed = [], [], True
    tally = Tally()
    with open_container(path) as container:
        stream = pick_stream(container, "video", number)
        if not is_format(container, INDEXED):
            return ()
        for packet in packets(container, stream, tally):
            if packet.size == 0:
                continue
            if packet.pts is None or packet.dts is None:
                return ()
            stamps.append(packet.pts)
            untimed &= packet.pts == packet.dts
            if packet.is_keyframe and not packet.is_corrupt:
                keys.append(packet.pts)
    if untimed and stream.codec_context.has_b_frames:  # see `ShownOrder`
        return ()
    if tally.skipped or len(np.unique(stamps)) < len(stamps):
        return ()
    return tuple(sorted(keys))


def is_entry(frame: av.VideoFrame, stamp: int) -> bool:
    """Return True if decoding can begin with this frame, independently of earlier frames.

    In videos with gradual refresh, frames that are marked as key frames depend on earlier frames.
    """
    return (
        frame.pts == stamp
        and bool(frame.key_frame)
        and frame.pict_type == PictureType.I
        and not frame.is_corrupt
    )
