"""Determine when frames are shown if a file stores only decoding times."""

from __future__ import annotations

from heapq import heappop, heappush

import av

MAX_REORDER = 16  # maximum reordering of frames in H.264 and HEVC


class ShownOrder:
    """Assign presentation times in a stream whose packets have only decoding times.

    AVI counts chunks, and some MP4 and Matroska files lack composition times. If there are
    B-frames, the times of decoded frames then run backwards, and FFmpeg delays all of them by the
    number of frames that it decodes ahead. This class gives the n-th time to the n-th frame shown,
    so that the first frame is shown when the file begins, as it was recorded. A stream is left
    unchanged if the presentation and decoding times of any packet differ.

    If the decoder never returns a frame, later frames must not take its time. The time is dropped
    at the next frame that does not depend on other frames, or after `MAX_REORDER` frames.

    Attributes
    ----------
    delay : int
        Largest correction of a frame's time, in ticks; 0 = frames are in order.
    """

    def __init__(self) -> None:
        self.delay = 0
        self._times: list[int] = []
        self._awaited: dict[int, int] = {}  # time of a missing frame -> later frames returned
        self._latest: int | None = None
        self._backwards = False
        self._untimed = True

    def add(self, packet: av.Packet) -> None:
        """Add a packet; call this before `put` for its frames."""
        if packet.size and self._untimed and not packet.is_discard:
            self._untimed = packet.pts is not None and packet.pts == packet.dts
            if self._untimed:
                heappush(self._times, packet.pts)
                self._awaited[packet.pts] = 0

    def put(self, frame: av.VideoFrame, *, reorders: bool) -> None:
        """Replace the time of the decoder's next frame; ``reorders`` is False without B-frames."""
        own = frame.pts
        if not self._untimed or own is None:
            return
        self._awaited.pop(own, None)
        self._backwards |= self._latest is not None and own < self._latest
        self._latest = own if self._latest is None else max(own, self._latest)
        alone = frame.key_frame or not reorders
        for time in [time for time in self._awaited if time < own]:
            self._awaited[time] += 1
            if alone or self._awaited[time] > MAX_REORDER:
                del self._awaited[time]
                if not alone and self._times:
                    heappop(self._times)
        while alone and self._times and self._times[0] < own:
            heappop(self._times)
        if self._times:
            frame.pts = heappop(self._times)
            if self._backwards:
                self.delay = max(self.delay, own - frame.pts)
