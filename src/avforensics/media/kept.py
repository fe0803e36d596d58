"""Keep the decoded frames of a short video for later passes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import av

from avforensics.media.types import FPS, MediaReport
from avforensics.media.video import VideoReader

MOST = 70_000_000  # maximum number of bytes (two seconds at 1280 x 720)


def may_be_kept(report: MediaReport) -> bool:
    """Return True if the frames of a file are expected to fit into `MOST` bytes."""
    return report.found * FPS * report.width * report.height * 3 / 2 <= MOST


class KeptFrames:
    """Keep the frames of a video in memory, unless they are too large or damaged.

    A damaged video must be decoded again, because each part of it reports its own damage.

    Attributes
    ----------
    complete : bool
        Whether all frames that were read are in memory.
    """

    def __init__(self) -> None:
        self.complete = False
        self._frames: list[av.VideoFrame] = []

    def keep(self, video: VideoReader, frames: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """Keep the frames of a reader while yielding them."""
        self.release()
        room = MOST
        for frame in frames:
            room -= sum(plane.buffer_size for plane in frame.planes)
            if room < 0:
                self._frames = []
            else:
                self._frames.append(frame)
            yield frame
        self.complete = room >= 0 and not video.tally.damaged
        if not self.complete:
            self.release()

    def starting_at(self, number: int) -> Iterator[av.VideoFrame]:
        """Iterate over frames from ``number`` on, counted at 25 fps from the start of the video."""
        return (frame for frame in self._frames if frame.pts >= number)

    def release(self) -> None:
        """Free the memory."""
        self.complete, self._frames = False, []
