"""When frames are shown, if a file stores only the order in which they are decoded."""

from __future__ import annotations

from heapq import heappop, heappush

import av


class ShownOrder:
    """Presentation times of a stream whose packets carry decoding times only.

    AVI counts chunks, and some MP4 and Matroska files lack composition times. With B-frames, the
    decoder then returns frames whose times run backwards, and FFmpeg dates all of them late by the
    frames that it decodes ahead. Here the n-th frame shown gets the n-th time: the first
    frame is shown when the file begins, as it was recorded. Streams that store presentation times
    are left alone: one packet whose two times differ is enough.

    Attributes
    ----------
    delay : int
        Ticks by which a frame is decoded later than it is shown; 0 = nothing was moved.
    """

    def __init__(self) -> None:
        self.delay = 0
        self._times: list[int] = []
        self._untimed = True

    def add(self, packet: av.Packet) -> None:
        """Add a packet that was decoded, before its frames."""
        if packet.size and self._untimed and not packet.is_discard:
            self._untimed = packet.pts is not None and packet.pts == packet.dts
            if self._untimed:
                heappush(self._times, packet.pts)

    def put(self, frame: av.VideoFrame, *, reorders: bool) -> None:
        """Replace the time of the decoder's next frame, if it ``reorders`` frames."""
        if not self._untimed or frame.pts is None:
            return
        if frame.key_frame or not reorders:  # earlier times are those of lost frames
            while self._times and self._times[0] < frame.pts:
                heappop(self._times)
        if self._times:
            time = heappop(self._times)
            self.delay = max(self.delay, frame.pts - time)
            frame.pts = time
