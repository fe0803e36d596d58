"""Scan the packets of a file without decoding to find the time range of each stream."""

from __future__ import annotations

import os
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import av
from av.stream import Disposition

from avforensics.media.clock import Piece, Presentation, Run, mend
from avforensics.media.container import (
    UNTIMED,
    Tally,
    frame_rate,
    is_format,
    open_container,
    packets,
)
from avforensics.media.extent import extent, state_of
from avforensics.media.joined import lined_up, ranges_of, starts_of
from avforensics.media.types import ClockBreak

# If all streams pause for longer than this (s), the clock has jumped. Transport streams have no
# pauses; video without audio may show one frame for a long time.
PAUSE, MPEG_PAUSE, ALONE_PAUSE = Fraction(1), Fraction(3, 10), Fraction(10)
# Maximum duration (s) of a packet.
LONGEST = Fraction(1)
# A stream that begins more than this (s) after the end of all other streams is unrelated to them.
APART = Fraction(60)
# Smaller backward steps (s) of time stamps are jitter, not a restart of the clock.
JITTER = {"video": Fraction(1, 50), "audio": Fraction(1, 25)}
WRAPPING = frozenset({"mpegts", "mpeg"})  # formats with a 33-bit clock at 90 kHz


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Packet statistics of a file.

    Attributes
    ----------
    packets : dict
        Stream index -> number of non-empty packets.
    ends : dict
        Stream index -> first and last time, in seconds on the repaired clock.
    pieces : dict
        Stream index -> corrections of time stamps; if none are needed, one piece without a shift.
    breaks : tuple of ClockBreak
        Points at which the clock restarts, steps back or jumps, in seconds on the repaired clock.
    strays : int
        Number of short runs of packets with damaged time stamps.
    joins : str
        Description of files that are joined to this one; empty if there are none.
    cut : str
        Description of what is missing at the end of the file; empty if it is complete.
    """

    packets: dict[int, int]
    ends: dict[int, tuple[Fraction, Fraction]]
    pieces: dict[int, tuple[Piece, ...]]
    breaks: tuple[ClockBreak, ...] = ()
    strays: int = 0
    joins: str = ""
    cut: str = ""

    @property
    def end(self) -> Fraction:
        """End of the last packet, in seconds on the repaired clock."""
        return max((end for _, end in self.ends.values()), default=Fraction(0))

    def end_from(self, time: Fraction) -> Fraction:
        """Return the end of the last packet after ``time``, in seconds on the repaired clock.

        Streams that begin more than `APART` after the others have ended are ignored, so that
        padding (a held frame, silence before the audio) does not extend to them.
        """
        for start, end in sorted(self.ends.values()):
            if start <= time + APART:
                time = max(time, end)
        return time


def survey(path: str | os.PathLike) -> Survey:
    """Scan all video and audio packets of a file; cached until the file changes.

    Raises
    ------
    MediaError
        The file cannot be opened.
    """
    return _survey(os.fspath(path), state_of(path))


@lru_cache(maxsize=64)
def _survey(path: str, _state: tuple[int, int]) -> Survey:
    with open_container(path) as container:
        streams = [
            stream
            for stream in (*container.streams.video, *container.streams.audio)
            if not stream.disposition & Disposition.attached_pic
        ]
        alone = len({stream.type for stream in streams}) < 2
        wraps = is_format(container, WRAPPING)
        pause = MPEG_PAUSE if wraps else ALONE_PAUSE if alone else PAUSE
        untimed = is_format(container, UNTIMED)
        trails = {stream.index: _Trail(stream, pause) for stream in streams}
        latest: dict[str, _Trail] = {}
        shape, read = extent(path), {0}
        ranges = ranges_of(path)
        first = shape.starts[0]
        starts = starts_of(ranges) if len(ranges) > 1 else [at - first for at in shape.starts]
        for order, packet in enumerate(packets(container, streams, Tally()) if streams else ()):
            if packet.size:
                trail = trails[packet.stream_index]
                part = bisect_right(starts, max(packet.pos or 0, 0)) - 1
                other = latest.get("audio" if trail.kind == "video" else "video")
                trail.add(packet, order, other, part if untimed else 0)
                latest[trail.kind] = trail
                read.add(part)
    counts = {index: trail.count for index, trail in trails.items()}
    runs = [run for trail in trails.values() for run in trail.finished()]
    lead = max(
        (trail for trail in trails.values() if trail.count),
        key=lambda trail: (trail.kind == "video", trail.count),
        default=None,
    )
    mended = mend(runs, lead=None if lead is None else lead.index, pause=pause, wraps=wraps)
    if untimed and len(read) > 1:
        mended |= lined_up(runs)
    return Survey(packets=counts, joins=shape.joins(read), cut=shape.cut, **mended)


class _Trail:
    """Collect the runs of one stream, packet by packet, in ticks of its clock."""

    def __init__(self, stream: av.stream.Stream, pause: Fraction) -> None:
        self.kind, self.index = stream.type, stream.index
        self.count = 0
        self._base = stream.time_base
        rate = frame_rate(stream) if stream.type == "video" else None
        self._usual = round(min(1 / rate, LONGEST) / self._base) if rate else 0
        self._pause = int(pause / self._base)
        self._longest = max(int(LONGEST / self._base), 1)
        self._jitter = int(JITTER[self.kind] / self._base)
        self._shown = Presentation(self._base)
        self._runs: list[Run] = []
        self._last: int | None = None  # decoding time of the previous packet
        self._top = self._start = self._end = self._step = 0

    @property
    def end(self) -> Fraction:
        """End time so far, in seconds."""
        return self._end * self._base

    def add(self, packet: av.Packet, order: int, other: _Trail | None, part: int) -> None:
        """Add the next packet of a joined file's ``part``.

        ``other`` is the trail of a stream of the other kind (audio or video).
        """
        number, self.count = self.count, self.count + 1
        shown, time = packet.pts, packet.dts
        if shown is None:
            shown = time
        if shown is None or packet.is_discard:  # outside the edit
            return
        if time is not None:
            shown = self._shown(shown, time)
        if (
            not self._runs
            or part != self._runs[-1].part
            or (None not in (time, self._last) and self._is_break(time, shown, self._last))
        ):
            self._finish()
            self._start = self._top = self._end = shown
            self._runs.append(
                Run(
                    stream=self.index,
                    kind=self.kind,
                    packet=number,
                    order=order,
                    first=(shown if time is None else time) * self._base,
                    other_end=None if other is None else other.end,
                    part=part,
                )
            )
        elif None not in (time, self._last):
            self._step = time - self._last
        lasts = self._lasts(packet.duration or 0)
        self._last = self._last if time is None else time  # Matroska omits the first decoding times
        self._top = max(self._top, shown)
        self._start, self._end = min(self._start, shown), max(self._end, shown + lasts)

    def _lasts(self, declared: int) -> int:
        """Return a packet's duration in ticks; in MP4, declared durations include clock jumps."""
        if self._step and not 0 < declared <= 2 * self._step:
            return min(self._step, self._longest)
        return min(declared or self._usual, self._longest)

    def finished(self) -> list[Run]:
        """Complete the last run and return all runs."""
        self._finish()
        return self._runs

    def _finish(self) -> None:
        if self._runs:
            run, base = self._runs[-1], self._base
            run.start, run.end = self._start * base, self._end * base
            run.last = run.end if self._last is None else self._last * base

    def _is_break(self, time: int, shown: int, last: int) -> bool:
        if time < last - self._jitter:
            return shown <= self._top  # damaged decoding times alone do not move a frame
        usual = min(max(self._step, self._usual), self._longest)
        return time > last + usual + self._pause
