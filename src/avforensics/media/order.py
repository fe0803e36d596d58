"""When frames are shown, if a file stores only the order in which they are decoded."""

from __future__ import annotations

from heapq import heappop, heappush

import av

MAX_REORDER = 16  # frames; the most that H.264 and HEVC allow


class ShownOrder:
    """Presentation times of a stream whose packets carry decoding times only.

    AVI counts chunks, and some MP4 and Matroska files lack composition times. With B-frames, the
    decoder then returns frames whose times run backwards, and FFmpeg dates all of them late by the
    frames that it decodes ahead. Here the n-th frame shown gets the n-th time: the first
    frame is shown when the file begins, as it was recorded. Streams that store presentation times
    are left alone: one packet whose two times differ is enough.

    A frame that never comes out of the decoder must not move the later ones: its time is dropped at
    the next frame that depends on no other, or `MAX_REORDER` frames later.

    Attributes
    ----------
    delay : int
        Ticks by which a frame is decoded later than it is shown; 0 = in order.
    """

    def __init__(self) -> None:
        self.delay = 0
        self._times: list[int] = []
        self._awaited: dict[int, int] = {}  # time of a packet -> later ones whose frames came out
        self._latest: int | None = None
        self._backwards = False
        self._untimed = True

    def add(self, packet: av.Packet) -> None:
        """Add a packet that was decoded, before its frames."""
        if packet.size and self._untimed and not packet.is_discard:
            self._untimed = packet.pts is not None and packet.pts == packet.dts
            if self._untimed:
                heappush(self._times, packet.pts)
                self._awaited[packet.pts] = 0

    def put(self, frame: av.VideoFrame, *, reorders: bool) -> None:
        """Replace the time of the decoder's next frame, if it ``reorders`` frames."""
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
