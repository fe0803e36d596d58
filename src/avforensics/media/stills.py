"""Read single frames at any time of a video without decoding everything before them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

import av
from PIL import Image

from avforensics.errors import MediaError
from avforensics.media.aspect import PixelAspect
from avforensics.media.clock import WHOLE
from avforensics.media.colour import ColourTags
from avforensics.media.container import Tally, decode, open_container, seek
from avforensics.media.frames import View, upright_rgb
from avforensics.media.planes import colours_of
from avforensics.media.seek import key_time_before
from avforensics.media.survey import survey
from avforensics.media.tracks import pick_stream
from avforensics.media.types import FPS
from avforensics.media.video import VideoReader

FARTHEST = 1000  # maximum number of frames to decode after a seek
EARLY = Fraction(1, 2 * FPS)  # s; a frame may begin this long before the wanted time


def stills(
    path: str | os.PathLike, seconds: Iterable[float], *, stream: int | None = None
) -> Iterator[Image.Image | None]:
    """Yield upright frames of a video at given times.

    For display, not for scoring: if the file's index is unreliable, the times may be slightly off.

    Parameters
    ----------
    seconds : iterable of float
        Times (s) from the first frame, in any order.
    stream : int, optional
        Index among the video streams.

    Yields
    ------
    PIL.Image.Image or None
        RGB image; None if there is no frame at that time.
    """
    try:
        container = open_container(path)
    except MediaError:
        yield from (None for _ in seconds)
        return
    with container:
        video = pick_stream(container, "video", stream)
        if survey(path).pieces.get(video.index, WHOLE) is not WHOLE:
            yield from _in_order(path, list(seconds), stream)
            return
        said = ColourTags.of(video.codec_context)
        first = next(decode(container, video, Tally()), None)
        if first is None:
            yield from (None for _ in seconds)
            return
        said = replace(said, outside=colours_of(first, said).outside)
        view = View.of(first, PixelAspect(video).now)
        origin = (first.pts or 0) * video.time_base
        number = container.streams.video.index(video)
        for moment in seconds:
            time = origin + Fraction(moment)
            stamp = int((time + EARLY) / video.time_base)
            key = key_time_before(path, number, stamp)
            yield _still(container, video, stamp if key is None else key, time, view, said)


def _in_order(
    path: str | os.PathLike, seconds: list[float], stream: int | None
) -> Iterator[Image.Image | None]:
    """Yield frames of a file with a repaired clock, in which seeking would fail."""
    numbers = [round(moment * FPS) for moment in seconds]
    found: dict[int, Image.Image] = {}
    with VideoReader(path, stream=stream) as video:
        for frame in video:
            if frame.pts in numbers:
                found[frame.pts] = video.upright(frame).copy()
            if frame.pts >= max(numbers, default=0):
                break
    yield from map(found.get, numbers)


def _still(
    container: av.container.InputContainer,
    video: av.VideoStream,
    key: int,
    time: Fraction,
    view: View,
    said: ColourTags,
) -> Image.Image | None:
    try:
        seek(container, video, key)
        for count, frame in enumerate(decode(container, video, Tally(), after_seek=True)):
            if frame.pts is not None and frame.pts * video.time_base >= time - EARLY:
                said.fill(frame)
                return upright_rgb(frame, view)
            if count >= FARTHEST:
                break
    except av.FFmpegError:
        pass
    return None
