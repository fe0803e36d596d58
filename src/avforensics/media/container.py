"""Open media files of any kind and decode one stream packet by packet."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av

from avforensics.errors import MediaError
from avforensics.media.clock import Mender
from avforensics.media.extent import lacks_index, state_of
from avforensics.media.fragments import stored_times
from avforensics.media.joined import readable
from avforensics.media.layouts import FileBytes
from avforensics.media.order import ShownOrder
from avforensics.media.stamps import (
    Corrections,
    of_fragments,
    of_program_stream,
    of_trimmed,
)
from avforensics.media.transport import continues_tracks

OPTIONS = {"protocol_whitelist": "file"}
# At the end of a truncated file, every read fails; reading stops after this many failures in a row.
MAX_READ_ERRORS = 32
# Formats without presentation times: frames are shown in the order of their chunks.
UNTIMED = frozenset({"avi"})
PROGRAM_STREAM = "mpeg"
# Formats without a declared length.
UNDECLARED = frozenset({"mpegts", PROGRAM_STREAM})
# Maximum number of pixels per frame (twice 8K). Larger frames are treated as damaged, because they
# could exhaust the memory.
MAX_PIXELS = 2**26
# Formats that refer to other files. They are rejected, so that no other file is ever opened.
PLAYLISTS = frozenset({"applehttp", "hls", "concat", "dash", "imf"})
PICTURES = "image2", "_pipe"  # beginning or end of the names of single-picture formats
HIGHEST_RATE = 1000  # frames per second; a declared rate can be wrong (raw DV: 60,000)
_bounds: list[int] = []  # set by `no_picture_above`
# Files must stay readable if their tags are not UTF-8. PyAV 19 always keeps such bytes as
# surrogates, as `os.fsdecode` does; older versions raise an error without this setting.
BAD_TAGS = {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "surrogateescape"}
NEAR = 3  # packets after a packet that FFmpeg marks as corrupt, between which others may be missing
LONGEST_LOSS = 1  # s; a longer jump of the time stamps is a break of the clock
CUT_OFF = "the file is cut off: its index (moov) is missing"


@dataclass
class Tally:
    """Errors found while decoding a stream.

    Attributes
    ----------
    skipped : int
        Damaged packets that were skipped.
    concealed : int
        Damaged frames that the decoder concealed.
    resized : int
        Frames converted to the size and format of the first frame.
    refused_aspect : str
        Declared but implausible pixel aspect, e.g. ``"1000:1"``.
    reordered : float
        Largest correction of a frame's time in seconds, if the file has no presentation times.
    disordered : int
        Frames left out because their time stamps step back.
    """

    skipped: int = 0
    concealed: int = 0
    resized: int = 0
    refused_aspect: str = ""
    reordered: float = 0.0
    disordered: int = 0

    @property
    def damaged(self) -> bool:
        """True if anything was skipped, concealed or resized."""
        return bool(self.skipped or self.concealed or self.resized)


def open_container(path: str | os.PathLike, *, edits: bool = True) -> av.container.InputContainer:
    """Open a file for demuxing.

    Parameters
    ----------
    path : str or PathLike
        Media file. The name may contain spaces, brackets, a leading dash and bytes that are not
        UTF-8.
    edits : bool
        Whether the edit lists of an MP4 file apply.

    Raises
    ------
    MediaError
        The file is missing, empty, unreadable, not a regular file, or in an unsupported format.
    """
    path = os.fspath(path)
    _check_file(Path(path))
    options = OPTIONS if edits else OPTIONS | {"ignore_editlist": "1"}
    # In a transport stream, an inserted advertisement may have other packet identifiers (PIDs); its
    # tracks continue the tracks before it.
    if continues_tracks(path, state_of(path)):
        options = options | {"merge_pmt_versions": "1"}
    try:
        container = av.open(
            # without the prefix, FFmpeg would take "a:b.mp4" for a URL
            readable(path) or f"file:{path}",
            options=options,
            **BAD_TAGS,
        )
    except av.FFmpegError as error:
        raise MediaError(path, _why_unreadable(Path(path), error)) from None
    if reason := _why_no_video(path, container.format.name):
        container.close()
        raise MediaError(path, reason)
    return container


def frame_rate(stream: av.VideoStream) -> Fraction | None:
    """Return the average frame rate, or FFmpeg's guess if it is missing or implausible."""
    average = stream.average_rate
    return average if average and average <= HIGHEST_RATE else stream.guessed_rate


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise MediaError(path, "a folder, not a file")
        if not stat.S_ISREG(status.st_mode):
            raise MediaError(path, "not a regular file")
        if status.st_size == 0:
            raise MediaError(path, "the file is empty")
        with path.open("rb"):
            pass
    except (FileNotFoundError, NotADirectoryError):
        raise MediaError(path, "no such file") from None
    except PermissionError:
        raise MediaError(path, "no permission to read it") from None
    except OSError as error:
        raise MediaError(path, f"cannot be read ({error.strerror})") from None


def _why_no_video(path: str, form: str) -> str:
    """Return the reason for rejecting a format; empty if the format is accepted."""
    if PLAYLISTS & set(form.split(",")):
        return "a playlist, not a media file"
    if not (form.startswith(PICTURES) or form.endswith(PICTURES)):
        return ""
    with FileBytes(path) as content:
        if content.find(b"ftyp") > 0:  # some phones append an MP4
            return "a still picture with a video in it (motion photo): save the video separately"
    return "a still picture, not a video"


def _why_unreadable(path: Path, error: av.FFmpegError) -> str:
    if lacks_index(path):
        return CUT_OFF
    if isinstance(error, av.error.InvalidDataError):
        return "not a media file, or damaged beyond recognition"
    return f"cannot be opened ({error.strerror})"


def is_format(container: av.container.InputContainer, names: frozenset[str]) -> bool:
    """Return True if FFmpeg's name of the container's format is among ``names``."""
    return bool(names & set(container.format.name.split(",")))


@contextmanager
def no_picture_above(pixels: int) -> Iterator[None]:
    """Treat frames of more than ``pixels`` pixels as damaged in the whole process.

    Decoders include padding in the size, so slightly smaller frames may be rejected too.
    """
    _bounds.append(pixels)
    try:
        yield
    finally:
        _bounds.remove(pixels)


def picture_bound() -> int:
    """Return the number of pixels above which this process treats a frame as damaged."""
    return min([MAX_PIXELS, *_bounds])


def declared_length(
    container: av.container.InputContainer, origin: float, *, guess: bool = False
) -> float | None:
    """Return the declared length in seconds from ``origin``, a time (s) on the file's clock.

    Some writers count the length from time zero, others from the first packet; the shorter result
    is returned. If the header declares no length, the result is None or, with ``guess``, FFmpeg's
    estimate.
    """
    undeclared = is_format(container, UNDECLARED)
    if not container.duration or (undeclared and not guess):
        return None
    length = container.duration / av.time_base
    late = origin - (container.start_time or 0) / av.time_base
    if undeclared:
        return length - late
    return min((end for end in (length - late, length - origin) if end > 0), default=None)


def decode(
    container: av.container.InputContainer,
    stream: av.stream.Stream,
    tally: Tally,
    mender: Mender | None = None,
    *,
    after_seek: bool = False,
) -> Iterator[av.frame.Frame]:
    """Decode a stream from the current position, skipping and counting damaged packets.

    Parameters
    ----------
    tally : Tally
        Receives the counts.
    mender : Mender, optional
        Mender for the time stamps; none is needed after a seek.
    after_seek : bool
        Whether the current position is not the beginning of the file.
    """
    mender = mender or Mender()
    order = ShownOrder() if stream.type == "video" else None
    for packet in packets(container, stream, tally, after_seek=after_seek):
        mender.move(packet)
        try:
            frames = stream.decode(packet)
        except av.FFmpegError:
            tally.skipped += 1
            continue
        if order is not None:
            order.add(packet)
        for frame in frames:
            frame.time_base = stream.time_base
            tally.concealed += frame.is_corrupt
            if order is not None:
                order.put(frame, reorders=stream.codec_context.has_b_frames)
                tally.reordered = float(order.delay * stream.time_base)
            yield frame


def packets(
    container: av.container.InputContainer,
    stream: av.stream.Stream | Sequence[av.stream.Stream],
    tally: Tally,
    *,
    after_seek: bool = False,
) -> Iterator[av.Packet]:
    """Yield the packets of one or more streams, skipping and counting unreadable ones.

    Parameters
    ----------
    after_seek : bool
        Whether the current position is not the beginning of the file.
    """
    failures = 0
    corrections = _corrections(container)
    untimed = is_format(container, UNTIMED)
    counts: Counter[int] = Counter()
    gaps = _Gaps()
    while failures < MAX_READ_ERRORS:
        try:
            for packet in container.demux(stream):
                tally.skipped += failures
                failures = 0
                if packet.size:
                    number = counts[packet.stream_index]
                    counts[packet.stream_index] += 1
                    tally.skipped += gaps.lost(packet)
                    corrections.apply(packet, None if after_seek else number)
                    if untimed and packet.stream.type == "video":
                        packet.pts = packet.dts  # FFmpeg's guess is often a frame late
                yield packet
            return
        except av.FFmpegError:
            failures += 1
        except IndexError:  # PyAV has no entry for a stream that begins late
            continue
    if isinstance(stream, av.stream.Stream):
        last = av.Packet()  # an empty packet flushes the decoder
        last.stream = stream
        yield last


class _Gaps:
    """Count the packets that are missing from a damaged transport stream.

    FFmpeg marks a packet shortly before a gap in the stream's counter as corrupt. Where files were
    joined, the counter has a gap although nothing is missing; there, the time stamps continue or
    restart.
    """

    def __init__(self) -> None:
        self._last: dict[int, tuple[int, int, int]] = {}  # stream -> time, step, packets to check

    def lost(self, packet: av.Packet) -> int:
        """Return how many packets are missing between the last one of the stream and this one."""
        time = packet.dts
        if time is None:
            return 0
        last, usual, near = self._last.get(packet.stream_index, (time, 0, 0))
        step = time - last
        lost = near and usual and step * packet.time_base < LONGEST_LOSS and step > 1.5 * usual
        left = NEAR if packet.is_corrupt else max(near - 1, 0)
        self._last[packet.stream_index] = time, usual if near else step, left
        return round(step / usual) - 1 if lost else 0


def seek(container: av.container.InputContainer, stream: av.stream.Stream, stamp: int) -> None:
    """Move to the key frame with the presentation time ``stamp``, in ticks, as in `packets`."""
    container.seek(stamp + _corrections(container).shift.get(stream.index, 0), stream=stream)


def _corrections(container: av.container.InputContainer) -> Corrections:
    path = container.name.removeprefix("file:")
    return _of_file(path, state_of(path), container.format.name)


@lru_cache(maxsize=64)
def _of_file(path: str, _state: tuple[int, int], form: str) -> Corrections:
    found = stored_times(path)
    if not any(found) and form != PROGRAM_STREAM:
        return Corrections()
    with open_container(path) as container:
        if form == PROGRAM_STREAM:
            return of_program_stream(container)
        if not found.trimmed:
            return of_fragments(container, found)
        with open_container(path, edits=False) as plain:
            return of_trimmed(container, plain, found.trimmed)
