"""Mending the clock of a file: time stamps that restart, step back or jump."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import av

from avforensics.media.types import HOP, SAMPLE_RATE, ClockBreak

WRAP = Fraction(2**33, 90_000)  # seconds after which the clock of an MPEG stream begins again
# Sound alone that steps back by less (s) is doubled: what comes twice is cut.
DOUBLED = Fraction(1, 2)
# A piece shorter than this (s) out of its place, between two that fit, is a damaged stamp.
STRAY = Fraction(1, 2)
# How far (s) sound and picture of one moment may lie apart in a file.
INTERLEAVED = 1
# Decoding and presentation lie closer (s); at a break FFmpeg takes times of both sides together.
REORDERED = 2
CONTIGUOUS = Fraction(HOP, SAMPLE_RATE)


@dataclass(eq=False, kw_only=True)
class Run:
    """Packets of one stream whose time stamps go on evenly. Times are in seconds.

    Attributes
    ----------
    stream : int
        Its index in the file.
    kind : {"video", "audio"}
    packet : int
        Number of its first packet, among those of the stream.
    order : int
        Number of its first packet, among all of the file.
    first, last : Fraction
        Decoding time of its first and last packet.
    start, end : Fraction
        From when to when it is shown or heard.
    heard : Fraction or None
        How far the other kind of stream had come in the file when this one began.
    """

    stream: int
    kind: str
    packet: int
    order: int
    first: Fraction
    last: Fraction = Fraction(0)
    start: Fraction = Fraction(0)
    end: Fraction = Fraction(0)
    heard: Fraction | None = None
    before: Run | None = None  # of the same stream
    epoch: _Epoch | None = None


@dataclass(frozen=True, kw_only=True)
class Piece:
    """How the packets of a stream are placed, from one of them on.

    Attributes
    ----------
    packet : int
        Number of the first packet that it holds for.
    shift : Fraction
        Seconds to add to time stamps.
    begin, end : Fraction or None
        What lies outside, in seconds on the mended clock, is cut: sound of another part of the
        file takes its place.
    """

    packet: int = 0
    shift: Fraction = Fraction(0)
    begin: Fraction | None = None
    end: Fraction | None = None

    def holds(self, time: Fraction) -> bool:
        """Whether something at a time, on the mended clock, is kept."""
        after = self.begin is None or time >= self.begin
        return after and (self.end is None or time < self.end)


WHOLE = (Piece(),)


class Presentation:
    """Presentation times of packets, in their order, without those made of two clocks.

    Where a stream does not write all of them FFmpeg takes the next packet's decoding time; at a
    break that one is of another clock. Such a packet is shown as long after its decoding as others.

    Parameters
    ----------
    base : Fraction
        Seconds of a tick.
    """

    def __init__(self, base: Fraction) -> None:
        self._most = int(REORDERED / base)
        self._ahead = 0

    def __call__(self, shown: int, time: int) -> int:
        """Presentation time of a packet from its own two, in ticks."""
        if abs(shown - time) > self._most:
            return time + self._ahead
        self._ahead = max(self._ahead, shown - time)
        return shown


class Mender:
    """Moves the time stamps of one stream's packets, in their order from the first one on.

    Attributes
    ----------
    piece : Piece
        Of the packet moved last.
    """

    def __init__(self, pieces: Sequence[Piece] = WHOLE) -> None:
        self.piece = pieces[0]
        self._coming = deque(pieces[1:])
        self._number = 0
        self._mends = len(pieces) > 1
        self._shown: Presentation | None = None

    def move(self, packet: av.Packet) -> None:
        """Move a packet."""
        if not packet.size:
            return
        number, self._number = self._number, self._number + 1
        if self._coming and self._coming[0].packet == number:
            self.piece = self._coming.popleft()
        if self._shown is None:
            self._shown = Presentation(packet.time_base)
        if self._mends and None not in (packet.pts, packet.dts):
            packet.pts = self._shown(packet.pts, packet.dts)
        if self.piece.shift:
            ticks = round(self.piece.shift / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks


@dataclass(eq=False)
class _Epoch:
    """Runs of all streams that share one clock."""

    runs: dict[int, list[Run]] = field(default_factory=dict)
    low: Fraction = Fraction(0)
    high: Fraction = Fraction(0)
    shift: Fraction = Fraction(0)
    seam: Fraction | None = None  # where its picture begins, on the mended clock

    def add(self, run: Run) -> None:
        run.epoch = self
        empty = not self.runs
        self.runs.setdefault(run.stream, []).append(run)
        self.low = run.start if empty else min(self.low, run.start)
        self.high = run.end if empty else max(self.high, run.end)

    def takes(self, run: Run, pause: Fraction) -> bool:
        """Whether a run goes on with this clock: not backwards, and without a hole in all."""
        own = self.runs.get(run.stream)
        if own and run.first < own[-1].last:
            return False
        return run.start <= self.high + pause and run.end >= self.low - pause


def mend(runs: Sequence[Run], *, lead: int | None, pause: Fraction, wraps: bool) -> dict[str, Any]:
    """One clock for all runs of a file.

    Runs that overlap in time share a clock, as long as none of their streams steps back: a pause
    in one stream, while another goes on, is a pause. Where all streams step back or jump together
    a new epoch begins. It is placed where the picture before it ends, sound and picture by the same
    shift, so that they stay as far apart as they were recorded.

    Parameters
    ----------
    runs : sequence of Run
        Of all streams.
    lead : int or None
        Index of the stream by which epochs are placed: the picture.
    pause : Fraction
        Longest hole (s) in all streams that is filled rather than closed.
    wraps : bool
        Whether the clock begins again every `WRAP` seconds.

    Returns
    -------
    dict
        ``ends``, ``pieces``, ``breaks`` and ``strays``, as of `Survey`.
    """
    by_stream: dict[int, list[Run]] = {}
    for run in runs:
        by_stream.setdefault(run.stream, []).append(run)
    strays: list[_Stray] = []
    for stream, own in by_stream.items():
        by_stream[stream], found = _without_strays(own, pause)
        strays += found
    ordered = sorted((run for own in by_stream.values() for run in own), key=lambda r: r.order)
    epochs = _epochs(ordered, pause)
    for own in by_stream.values():
        for before, run in pairwise(own):
            run.before = before
    breaks = _place(epochs, lead, pause, wraps)
    return {
        "ends": {
            stream: (
                min(run.start + run.epoch.shift for run in own),
                max(run.end + run.epoch.shift for run in own),
            )
            for stream, own in by_stream.items()
        },
        "pieces": {
            stream: _pieces(own, [stray for stray in strays if stray.host in own])
            for stream, own in by_stream.items()
        },
        "breaks": breaks,
        "strays": len(strays),
    }


class _Stray(NamedTuple):
    """Packets of one stream from ``packet`` to ``until`` whose stamps are damaged."""

    host: Run
    packet: int
    until: int
    shift: Fraction


def _without_strays(runs: list[Run], pause: Fraction) -> tuple[list[Run], list[_Stray]]:
    """Runs of a stream; one that goes on behind a short one out of its place is joined."""
    good: list[Run] = []
    strays: list[_Stray] = []
    index = 0
    while index < len(runs):
        run = runs[index]
        after = runs[index + 1] if index + 1 < len(runs) else None
        if good and after is not None and _is_stray(good[-1], run, after, pause):
            strays.append(_Stray(good[-1], run.packet, after.packet, good[-1].end - run.start))
            good[-1].last, good[-1].end = after.last, max(good[-1].end, after.end)
            index += 1
        else:
            good.append(run)
        index += 1
    return good, strays


def _is_stray(before: Run, run: Run, after: Run, pause: Fraction) -> bool:
    length = run.end - run.start
    if length >= STRAY or before.last <= run.first <= after.first:
        return False
    return 0 <= after.first - before.last <= length + pause


def _epochs(runs: Sequence[Run], pause: Fraction) -> list[_Epoch]:
    """Give each run, in the order of the file, its epoch."""
    epochs: list[_Epoch] = []
    current: dict[int, int] = {}  # stream -> number of its epoch
    for run in runs:
        oldest = current.get(run.stream, 0)
        for number in reversed(range(oldest, len(epochs))):
            if epochs[number].takes(run, pause):
                break
        else:
            number = len(epochs)
            epochs.append(_Epoch())
        epochs[number].add(run)
        current[run.stream] = number
    return epochs


def _place(
    epochs: list[_Epoch], lead: int | None, pause: Fraction, wraps: bool
) -> tuple[ClockBreak, ...]:
    """Give each epoch its shift."""
    breaks = []
    for number, epoch in enumerate(epochs):
        first = [own[0] for own in epoch.runs.values()]
        known = [run for run in first if run.before is not None]
        if not known:  # its streams begin here: as the file says
            continue
        base = next((run for run in known if run.stream == lead), known[0])
        jump = base.start - base.before.end
        if len(known) == len(first) and all(
            run.kind == "audio" and -DOUBLED < run.first - run.before.last < 0 for run in first
        ):
            epoch.shift = base.before.epoch.shift
            continue
        position = base.before.end + base.before.epoch.shift
        if base.heard is not None and all(run.kind == base.kind for run in first):
            reached = base.heard + base.before.epoch.shift
            if reached - position > INTERLEAVED:  # it paused while the other kind went on
                position = max(e.high + e.shift for e in epochs[:number])
        epoch.shift = position - base.start
        epoch.seam = position
        if wraps:
            jump = (jump + WRAP / 2) % WRAP - WRAP / 2
        if abs(jump) > pause or not wraps:
            breaks.append(ClockBreak(time=float(position), jump=float(jump)))
    return tuple(breaks)


def _pieces(runs: list[Run], strays: Sequence[_Stray]) -> tuple[Piece, ...]:
    """How a stream's packets are placed."""
    edges = [run.before is not None and _overlap(run) for run in runs]
    pieces = []
    for index, run in enumerate(runs):
        end = edges[index + 1] if index + 1 < len(runs) else None
        own = Piece(
            packet=run.packet, shift=run.epoch.shift, begin=edges[index] or None, end=end or None
        )
        pieces.append(own)
        for stray in strays:
            if stray.host is run:
                damaged = replace(own, packet=stray.packet, shift=own.shift + stray.shift)
                pieces += [damaged, replace(own, packet=stray.until)]
    if not any(piece.shift or piece.begin or piece.end for piece in pieces):
        return WHOLE
    return tuple(pieces)


def _overlap(run: Run) -> Fraction | None:
    """Where sound of the epoch before gives way to this run, in case they overlap."""
    epoch, before = run.epoch, run.before
    if run.kind != "audio" or epoch is before.epoch or epoch.seam is None:
        return None
    start, end = run.start + epoch.shift, before.end + before.epoch.shift
    return max(start, epoch.seam) if end > start + CONTIGUOUS else None
