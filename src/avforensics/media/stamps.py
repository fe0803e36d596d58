"""Correct time stamps that FFmpeg guesses or that writers move, before packets are decoded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import islice
from typing import NamedTuple

import av

from avforensics.media.fragments import StoredTimes

READ = 500  # packets that are read to find guessed time stamps
MOST_WRONG = Fraction(1, 2)  # s; a larger step is a break of the clock


class Early(NamedTuple):
    """The time stamps of packets 0 to ``until - 1`` of a stream are ``by`` ticks too early.

    The presentation time of packet ``correct`` needs no correction; -1 = no such packet.
    """

    until: int
    by: int
    correct: int = -1


class Corrections(NamedTuple):
    """Corrections of a file's time stamps, each by stream index.

    Attributes
    ----------
    shift : mapping
        Ticks by which all presentation times are late; negative if they are early.
    early : mapping
        Time stamps at the beginning of the file that are early.
    """

    shift: Mapping[int, int] = {}
    early: Mapping[int, Early] = {}

    def apply(self, packet: av.Packet, number: int | None) -> None:
        """Correct a packet, given its number in the stream; None if that is not known."""
        early = self.early.get(packet.stream_index)
        if early and number is not None and number < early.until and packet.dts is not None:
            if packet.pts is not None and number != early.correct:
                packet.pts += early.by
            packet.dts += early.by
        if packet.pts is not None:
            packet.pts -= self.shift.get(packet.stream_index, 0)


def of_program_stream(container: av.container.InputContainer) -> Corrections:
    """Find time stamps at the beginning of an MPEG program stream that FFmpeg guessed wrongly.

    Several frames share one stored time stamp. If a file was cut within a packet, the incomplete
    frame at its beginning gets the time stamp of the frame after it, and FFmpeg counts from there
    up to the next stored time stamp. The last reordered frame before that time stamp has the right
    presentation time, because it is shown when the next frame is decoded. A stream that begins with
    a key frame was not cut.
    """
    early: dict[int, Early] = {}
    guessed: set[int] = set()  # streams whose first time stamps may be guesses
    counts: Counter[int] = Counter()
    expected: dict[int, int] = {}
    reordered: dict[int, int] = {}
    for packet in islice(_packets(container), READ):
        index, lasts = packet.stream_index, packet.duration or 1
        number = counts[index]
        counts[index] += 1
        if packet.dts is None:
            continue
        if index not in expected:
            if packet.stream.type == "audio" or not packet.is_keyframe:
                guessed.add(index)
        elif index in guessed and packet.pos is not None:  # the first stored time stamp decides
            guessed.remove(index)
            by = packet.dts - expected[index]
            if lasts <= 2 * abs(by) and abs(by) * packet.time_base < MOST_WRONG:
                early[index] = Early(number, by, reordered.get(index, -1))
        expected[index] = packet.dts + lasts
        if packet.pts != packet.dts:
            reordered[index] = number
    return Corrections(early=early)


def of_fragments(container: av.container.InputContainer, found: StoredTimes) -> Corrections:
    """Find time stamps of a fragmented MP4 file that are late, or early at its beginning.

    If a track has negative composition offsets, as in HLS and CMAF files without edit lists,
    FFmpeg's demuxer delays all presentation times by the magnitude of the most negative one. The
    video would then be late by as many frames as are decoded ahead.

    Without edit lists, FFmpeg's muxer cannot store that a track begins later than the file. It lets
    the first frame begin with the file and last longer. All later frames would then lie between the
    frames counted from the first one, and their sound would come up to half a frame early.
    """
    shift: dict[int, int] = {}
    early: dict[int, Early] = {}
    for stream in (*container.streams.video, *container.streams.audio):
        try:
            container.seek(0)
            first, second, third = islice(_packets(container, stream), 3)
        except (av.FFmpegError, ValueError):
            continue
        if None in (first.dts, second.dts, third.dts):
            continue
        shown, decoded = found.first.get(stream.id, (None, None))
        if stream.type == "video" and first.dts == decoded and first.pts is not None:
            shift[stream.index] = max(first.pts - shown, 0)
        step = third.dts - second.dts
        if stream.id not in found.unedited or step <= 0:
            continue
        by = second.dts - first.dts - step
        if by > 0 and stream.type == "video":  # the first frame may last longer
            by %= step
        if by > 0:
            early[stream.index] = Early(1, by)
    return Corrections(shift, early)


def of_trimmed(
    container: av.container.InputContainer,
    plain: av.container.InputContainer,
    starts: Mapping[int, int],
) -> Corrections:
    """Find by how much the video of an MP4 file is early if its edit begins within a frame.

    FFmpeg shows the first whole frame at the beginning of the edit, although this frame begins up
    to a frame later. It cuts the sound to the sample, so trimmed files would be out of sync.

    Parameters
    ----------
    plain : av.container.InputContainer
        The same file, opened without its edit lists.
    starts : mapping
        Track number -> time at which its only edit begins, in ticks.
    """
    shift: dict[int, int] = {}
    for stream in container.streams.video:
        if stream.id not in starts:
            continue
        try:
            container.seek(0)
            first = next(_packets(container, stream))
            start, lasts = starts[stream.id], first.duration or 0
            plain.seek((first.dts or 0) + start + lasts, stream=plain.streams[stream.index])
            same = next(_packets(plain, plain.streams[stream.index]))
        except (av.FFmpegError, StopIteration):
            continue
        if None not in (first.pts, same.pts) and same.pos == first.pos:
            shift[stream.index] = max(first.pts - (same.pts - start), -lasts)
    return Corrections(shift)


def _packets(
    container: av.container.InputContainer, *streams: av.stream.Stream
) -> Iterator[av.Packet]:
    """Yield the packets of some streams, by default of all video and audio streams."""
    streams = streams or (*container.streams.video, *container.streams.audio)
    try:
        for packet in container.demux(streams):
            if packet.size:
                yield packet
    except (av.FFmpegError, IndexError):  # IndexError: a stream that begins late
        return
