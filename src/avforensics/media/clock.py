"""Repair time stamps that restart, step back or jump."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

import av

from avforensics.media.types import HOP, SAMPLE_RATE, ClockBreak

WRAP = Fraction(2**33, 90_000)  # period (s) of an MPEG stream's clock
# If only the audio steps back, and by less than this (s), it contains a repetition, which is cut.
DOUBLED = Fraction(1, 2)
# A run shorter than this (s) has damaged time stamps if the run after it continues the run before.
STRAY = Fraction(1, 2)
# Largest time difference (s) between audio and video that are stored side by side.
INTERLEAVED = 1
# Largest difference (s) between presentation and decoding time on one clock.
REORDERED = 2
CONTIGUOUS = Fraction(HOP, SAMPLE_RATE)


@dataclass(eq=False, kw_only=True)
class Run:
    """Packets of one stream with consecutive time stamps. Times are in seconds.

    Attributes
    ----------
    stream : int
        Index of the stream in the file.
    kind : {"video", "audio"}
    packet : int
        Index of the first packet within the stream.
    order : int
        Index of the first packet within the file.
    first, last : Fraction
        Decoding times of the first and last packet.
    start, end : Fraction
        Start and end of the presentation times.
    other_end : Fraction or None
        Time that streams of the other kind (audio or video) have reached when this run begins in
        the file.
    part : int
        Number of the joined file that contains the run.
    """

    stream: int
    kind: str
    packet: int
    order: int
    first: Fraction
    last: Fraction = Fraction(0)
    start: Fraction = Fraction(0)
    end: Fraction = Fraction(0)
    other_end: Fraction | None = None
    part: int = 0
    before: Run | None = None  # previous run of the same stream
    epoch: _Epoch | None = None


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Correction of a stream's time stamps, starting at a given packet.

    Attributes
    ----------
    packet : int
        Index of the first packet to which the correction applies.
    shift : Fraction
        Seconds to add to the time stamps.
    begin, end : Fraction or None
        Bounds (s, on the repaired clock). Samples outside them are dropped, because another part of
        the file replaces them.
    """

    packet: int = 0
    shift: Fraction = Fraction(0)
    begin: Fraction | None = None
    end: Fraction | None = None

    def holds(self, time: Fraction) -> bool:
        """Return True if a time on the repaired clock lies within the bounds."""
        after = self.begin is None or time >= self.begin
        return after and (self.end is None or time < self.end)


WHOLE = (Piece(),)


class Presentation:
    """Correct the presentation times of successive packets where FFmpeg mixes two clocks.

    If a packet has no presentation time, FFmpeg substitutes the decoding time of the next packet,
    which belongs to a different clock if a break lies between them. The presentation time is then
    replaced by the packet's own decoding time plus the largest difference seen so far.

    Parameters
    ----------
    base : Fraction
        Seconds per tick.
    """

    def __init__(self, base: Fraction) -> None:
        self._most = int(REORDERED / base)
        self._ahead = 0

    def __call__(self, shown: int, time: int) -> int:
        """Return the corrected presentation time of a packet; all times are in ticks."""
        if abs(shown - time) > self._most:
            return time + self._ahead
        self._ahead = max(self._ahead, shown - time)
        return shown


class Mender:
    """Correct the time stamps of a stream's packets; pass all of them to `move`, in order.

    Attributes
    ----------
    piece : Piece
        Correction of the last packet passed to `move`.
    """

    def __init__(self, pieces: Sequence[Piece] = WHOLE) -> None:
        self.piece = pieces[0]
        self._coming = deque(pieces[1:])
        self._number = 0
        self._mends = len(pieces) > 1
        self._shown: Presentation | None = None

    def move(self, packet: av.Packet) -> None:
        """Correct the time stamps of a packet in place."""
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
    """Runs of all streams that share a clock."""

    runs: dict[int, list[Run]] = field(default_factory=dict)
    low: Fraction = Fraction(0)
    high: Fraction = Fraction(0)
    shift: Fraction = Fraction(0)
    seam: Fraction | None = None  # start of the video on the repaired clock

    def add(self, run: Run) -> None:
        run.epoch = self
        empty = not self.runs
        self.runs.setdefault(run.stream, []).append(run)
        self.low = run.start if empty else min(self.low, run.start)
        self.high = run.end if empty else max(self.high, run.end)

    def takes(self, run: Run, pause: Fraction) -> bool:
        """Return True if a run continues this clock, without a step back or a long gap."""
        own = self.runs.get(run.stream)
        if own and run.first < own[-1].last:
            return False
        return run.start <= self.high + pause and run.end >= self.low - pause


def mend(runs: Sequence[Run], *, lead: int | None, pause: Fraction, wraps: bool) -> dict[str, Any]:
    """Put all runs of a file on one clock.

    Runs that overlap in time share a clock unless one of their streams steps back; a gap in one
    stream while another continues is a pause. Where all streams step back or jump together, a new
    epoch begins. Each epoch is placed at the end of the previous epoch's video, and its audio and
    video are shifted equally to preserve their offset.

    Parameters
    ----------
    runs : sequence of Run
        Runs of all streams.
    lead : int or None
        Index of the stream that determines where epochs are placed: the video stream, if any.
    pause : Fraction
        Longest gap (s) in all streams that is kept as a pause.
    wraps : bool
        Whether the clock wraps every `WRAP` seconds.

    Returns
    -------
    dict
        ``ends``, ``pieces``, ``breaks`` and ``strays``, as in `Survey`.
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
    """Packets of one stream, ``packet .. until - 1``, with damaged time stamps."""

    host: Run
    packet: int
    until: int
    shift: Fraction


def _without_strays(runs: list[Run], pause: Fraction) -> tuple[list[Run], list[_Stray]]:
    """Join a stream's runs across short misplaced runs; return the joined and misplaced runs."""
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
    """Assign each run, in file order, to an epoch."""
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
    """Set the shift of each epoch and return the breaks."""
    breaks = []
    for number, epoch in enumerate(epochs):
        first = [own[0] for own in epoch.runs.values()]
        known = [run for run in first if run.before is not None]
        if not known:  # all streams of the epoch begin here: keep the file's times
            continue
        base = next((run for run in known if run.stream == lead), known[0])
        jump = base.start - base.before.end
        if len(known) == len(first) and all(
            run.kind == "audio" and -DOUBLED < run.first - run.before.last < 0 for run in first
        ):
            epoch.shift = base.before.epoch.shift
            continue
        position = base.before.end + base.before.epoch.shift
        if base.other_end is not None and all(run.kind == base.kind for run in first):
            reached = base.other_end + base.before.epoch.shift
            if reached - position > INTERLEAVED:  # only streams of this kind paused
                position = max(e.high + e.shift for e in epochs[:number])
        epoch.shift = position - base.start
        epoch.seam = position
        if wraps:
            jump = (jump + WRAP / 2) % WRAP - WRAP / 2
        if abs(jump) > pause or not wraps:
            breaks.append(ClockBreak(time=float(position), jump=float(jump)))
    return tuple(breaks)


def _pieces(runs: list[Run], strays: Sequence[_Stray]) -> tuple[Piece, ...]:
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
    """Time (s) from which a run replaces the previous epoch's audio; None without overlap."""
    epoch, before = run.epoch, run.before
    if run.kind != "audio" or epoch is before.epoch or epoch.seam is None:
        return None
    start, end = run.start + epoch.shift, before.end + before.epoch.shift
    return max(start, epoch.seam) if end > start + CONTIGUOUS else None
