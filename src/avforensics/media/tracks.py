"""Choose the video and audio tracks to read: as in players, but ignoring empty tracks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import VideoReformatter

from avforensics.errors import MediaError
from avforensics.media.clock import Mender
from avforensics.media.container import (
    CUT_OFF,
    Tally,
    decode,
    open_container,
    picture_bound,
)
from avforensics.media.extent import lacks_index, state_of
from avforensics.media.silence import is_heard
from avforensics.media.survey import Survey, survey
from avforensics.media.types import HOP, SAMPLE_RATE, Track

KINDS = ("video", "audio")
# Dispositions of tracks that accompany a main track.
ASIDE = (
    Disposition.comment
    | Disposition.hearing_impaired
    | Disposition.visual_impaired
    | Disposition.clean_effects
    | Disposition.karaoke
    | Disposition.dependent
    | Disposition.still_image
    | Disposition.timed_thumbnails
)
ASIDE_TITLE = re.compile(
    r"comment|descri|kommentar|deskription|coment|narrat|karaoke|instrumental|isolated"
    r"|music (and|&) effects|\bm ?& ?e\b|\bad\b|коммент|описани|解说|解説|评论",
    re.I,
)
HANDLER = re.compile(r"handler|core media|gpac|l-smash|mainconcept|apple|iso", re.I)
FEW = 6  # packets; a track with fewer packets contains still pictures, not video
SLIDES = 2.0  # frames per second; a track with a lower rate is a slide show, not video
MOVING = 5.0  # change of a pixel, in grey levels (of 256), above which a picture moves
LOOKS, LOOKED_AT, THUMB = 4, 8, 64  # positions examined, frames per position, side in pixels


def pick_stream(
    container: av.container.InputContainer, kind: str, number: int | None = None
) -> av.stream.Stream:
    """Select a stream of a kind, ignoring cover images; discard the packets of all other streams.

    Parameters
    ----------
    kind : {"video", "audio"}
    number : int, optional
        Index among the streams of that kind; None = as chosen by `file_tracks`.

    Raises
    ------
    MediaError
        The stream does not exist, or no decoder supports it.
    """
    path = container.name.removeprefix("file:")
    streams = _streams(container, kind)
    if not streams:
        raise MediaError(path, CUT_OFF if lacks_index(Path(path)) else f"no {kind} stream")
    if number is None:
        number = chosen_number(path, kind) if len(streams) > 1 else 0
    if not 0 <= number < len(streams):
        raise MediaError(
            path, f"no {kind} stream {number}: the file has {len(streams)}, numbered from 0"
        )
    chosen = streams[number]
    if chosen.codec_context is None:
        raise MediaError(path, f"no decoder for its {kind} stream")
    _read_only(container, chosen)
    return chosen


def _streams(container: av.container.InputContainer, kind: str) -> list[av.stream.Stream]:
    return [
        stream
        for stream in getattr(container.streams, kind)
        if not stream.disposition & Disposition.attached_pic
    ]


def _read_only(container: av.container.InputContainer, chosen: av.stream.Stream) -> None:
    for stream in container.streams:
        if stream.index != chosen.index and hasattr(stream, "discard"):  # PyAV 18 and later
            stream.discard = type(stream.discard).all
    if chosen.type == "video":
        chosen.codec_context.options = {"max_pixels": str(picture_bound())}
    # A decoder with several threads may conceal damage differently in each run; with one thread,
    # the frames are reproducible.
    chosen.codec_context.thread_type = "NONE"


def number_of(container: av.container.InputContainer, stream: av.stream.Stream) -> int:
    """Return the index of a stream as counted by `pick_stream`."""
    return [one.index for one in _streams(container, stream.type)].index(stream.index)


def read_tracks(tracks: Iterable[Track], *, video: int, audio: int) -> tuple[Track, ...]:
    """Copy the tracks of one or two files, setting ``chosen`` for the tracks that were read."""
    numbers = {"video": video, "audio": audio}
    return tuple(
        replace(track, chosen=track.number == numbers[track.kind])
        for track in tracks
        if track.kind in numbers
    )


def chosen_number(path: str | os.PathLike, kind: str) -> int:
    """Return the index of the track that `file_tracks` chooses; 0 if it chooses none."""
    return next((t.number for t in file_tracks(path) if t.kind == kind and t.chosen), 0)


def file_tracks(path: str | os.PathLike) -> tuple[Track, ...]:
    """List all video and audio tracks of a file; one track of each kind is marked as chosen.

    The default track is chosen, as in players, unless it has no content (a still image, silence,
    no packets) or accompanies another track (commentary, description). Content is examined only if
    there are several tracks of a kind.

    Raises
    ------
    MediaError
        The file cannot be opened.
    """
    return _tracks(os.fspath(path), state_of(path))


@lru_cache(maxsize=64)
def _tracks(path: str, _state: tuple[int, int]) -> tuple[Track, ...]:
    found = survey(path)
    tracks: list[Track] = []
    with open_container(path) as container:
        for kind in KINDS:
            streams = _streams(container, kind)
            several = len(streams) > 1
            notes = [_note(path, stream, n, found, several) for n, stream in enumerate(streams)]
            ranks = [_rank(stream, note) for stream, note in zip(streams, notes, strict=True)]
            chosen = min(range(len(ranks)), key=ranks.__getitem__, default=None)
            tracks += [
                _described(stream, number, note, number == chosen)
                for number, (stream, note) in enumerate(zip(streams, notes, strict=True))
            ]
    return tuple(tracks)


def _rank(stream: av.stream.Stream, note: str) -> tuple[bool, ...]:
    """Return the sort key of a track; the first track with the smallest key is chosen."""
    return (
        stream.codec_context is None,
        bool(note),
        bool(stream.disposition & ASIDE),
        not stream.disposition & Disposition.default,
        bool(ASIDE_TITLE.search(_title(stream))),
    )


def _note(path: str, stream: av.stream.Stream, number: int, found: Survey, several: bool) -> str:
    """Return why a track has no content, else an empty string; a single track is not decoded."""
    if stream.codec_context is None:
        return "no decoder"
    count = found.packets.get(stream.index, 0)
    if not count:
        return "empty"
    if not several:
        return ""
    try:
        if stream.type == "audio":
            return "" if _sounds(path, number, found) else "silent"
        begin, end = found.ends.get(stream.index, (0, 0))
        if count < FEW or (end > begin and count / (end - begin) < SLIDES):
            return f"still pictures: {count}" if count > 1 else "a still picture"
        return "" if _moves(path, number) else "a still picture"
    except (MediaError, av.FFmpegError, ValueError):
        return "cannot be decoded"


def _sounds(path: str, number: int, found: Survey) -> bool:
    """Return True if an audio track is anywhere louder than a recorder's noise."""
    with open_container(path) as container:
        stream = pick_stream(container, "audio", number)
        resampler = av.AudioResampler(format="s16", rate=SAMPLE_RATE)
        rest = np.zeros(0, np.int16)
        mender = Mender(found.pieces[stream.index])
        for frame in decode(container, stream, Tally(), mender):
            frame.pts = None
            for piece in resampler.resample(frame):
                rest = np.concatenate([rest, piece.to_ndarray()[0]])
            if is_heard(rest):
                return True
            rest = rest[len(rest) // HOP * HOP :]
    return False


def _moves(path: str, number: int) -> bool:
    """Return True if frames at a few positions of a video track differ."""
    first = None
    for picture in _thumbs(path, number):
        first = picture if first is None else first
        if np.abs(picture - first).max() > MOVING:
            return True
    return False


def _thumbs(path: str, number: int) -> Iterator[np.ndarray]:
    """Yield small grey frames from a few positions of a track, float32 (THUMB, THUMB)."""
    reformatter = VideoReformatter()
    with open_container(path) as container:
        stream = pick_stream(container, "video", number)
        for look in range(LOOKS):
            if look:
                try:
                    start, length = container.start_time or 0, container.duration or 0
                    container.seek(start + length * look // LOOKS)
                except av.FFmpegError:
                    return
            for frame in islice(decode(container, stream, Tally(), after_seek=look > 0), LOOKED_AT):
                small = reformatter.reformat(frame, width=THUMB, height=THUMB, format="gray")
                yield small.to_ndarray().astype(np.float32)


def _described(stream: av.stream.Stream, number: int, note: str, chosen: bool) -> Track:
    context = stream.codec_context
    detail = ""
    if context is not None and stream.type == "video":
        detail = f"{context.width} × {context.height}"
    elif context is not None:
        layout = context.layout
        channels = {1: "mono", 2: "stereo"}.get(layout.nb_channels, layout.name)
        detail = f"{context.sample_rate} Hz {channels}"
    language = stream.metadata.get("language", "")
    flags = [flag.name for flag in Disposition if flag and flag & stream.disposition]
    return Track(
        kind=stream.type,
        number=number,
        codec="" if context is None else context.name,
        language="" if language == "und" else language,
        title=_title(stream),
        flags=tuple(flags),
        detail=detail,
        note=note,
        chosen=chosen,
    )


def _title(stream: av.stream.Stream) -> str:
    title = stream.metadata.get("title") or stream.metadata.get("name")
    if title:
        return title
    handler = stream.metadata.get("handler_name", "")
    return "" if HANDLER.search(handler) else handler.strip()
