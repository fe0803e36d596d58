"""Write an annotated copy of a video, frame by frame, with its audio."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from fractions import Fraction

import av
import numpy as np
from PIL import Image

from avforensics.errors import MediaError
from avforensics.files import atomic_path
from avforensics.media.clock import WHOLE, Mender
from avforensics.media.container import Tally, decode, open_container
from avforensics.media.survey import survey
from avforensics.media.tracks import pick_stream
from avforensics.media.types import FPS
from avforensics.media.video import VideoReader
from avforensics.media.writer import x264_options

HIGHEST_RATE = 48_000  # highest sample rate that every player supports
Draw = Callable[[Image.Image, int], Image.Image]


def render_video(
    path: str | os.PathLike,
    out: str | os.PathLike,
    draw: Draw,
    size: tuple[int, int],
    *,
    video_stream: int | None = None,
    audio_stream: int | None = None,
    crf: int = 22,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write a video with annotated frames as an H.264 + AAC MP4 at 25 fps.

    Video and audio are read together and keep their times. Memory use does not grow with the length
    of the video.

    Parameters
    ----------
    out : str or PathLike
        MP4 file, which is written atomically.
    draw : callable
        Function that receives an upright RGB frame and its index and returns the frame to write.
    size : (int, int)
        Width and height of the frames from ``draw``; both must be even.
    video_stream, audio_stream : int, optional
        Streams to use. If the file has no audio, the copy has none.
    crf : int
        Constant rate factor of x264.
    progress : callable, optional
        Function that is called with the number of frames written.

    Returns
    -------
    int
        Number of frames written.

    Raises
    ------
    MediaError
        The video cannot be read, or it has audio but not the requested audio stream.
    """
    options = {"movflags": "+faststart"}
    with (
        VideoReader(path, stream=video_stream) as video,
        atomic_path(out) as partial,
        av.open(f"file:{partial}", "w", options=options) as output,
    ):
        picture = output.add_stream("libx264", rate=FPS, options=x264_options(crf, "veryfast"))
        picture.width, picture.height = size
        picture.pix_fmt = "yuv420p"
        sound = _Sound(path, audio_stream, video.origin, output)
        count = 0
        try:
            for count, frame in enumerate(video, start=1):
                drawn = np.asarray(draw(video.upright(frame), count - 1))
                encoded = av.VideoFrame.from_ndarray(drawn, format="rgb24")
                encoded.pts, encoded.time_base = count - 1, Fraction(1, FPS)
                output.mux(picture.encode(encoded))
                sound.copy(until=Fraction(count, FPS))
                if progress is not None:
                    progress(count)
            output.mux(picture.encode(None))
            sound.finish()
        except av.FFmpegError as error:
            raise MediaError(path, f"cannot be rendered ({error.strerror})") from None
        finally:
            sound.close()
    return count


class _Sound:
    """Copy the audio of a file to another file while frames are written."""

    def __init__(
        self,
        path: str | os.PathLike,
        index: int | None,
        origin: Fraction,
        output: av.container.OutputContainer,
    ) -> None:
        self._path = path
        self._container = open_container(path)
        self._output = output
        self._out = self._frames = self._next = self._resampler = self._kind = None
        self._from = self._end = 0  # in samples: earliest start in this format, end of the audio
        if not self._container.streams.audio:
            return
        try:
            source = pick_stream(self._container, "audio", index)
        except MediaError:
            self.close()
            raise
        self._rate = min(source.rate or HIGHEST_RATE, HIGHEST_RATE)
        self._layout = "mono" if source.channels == 1 else "stereo"
        self._out = output.add_stream("aac", rate=self._rate, layout=self._layout)
        self._frames = self._placed(source, origin)
        self._next = next(self._frames, None)

    def copy(self, *, until: Fraction) -> None:
        """Write the audio up to the time ``until`` (s)."""
        while self._next is not None and self._next[0] < until:
            self._write(self._next[1])
            self._next = next(self._frames, None)

    def finish(self) -> None:
        """Flush the encoder; audio after the last frame is dropped."""
        if self._out is not None:
            self._flush()
            self._output.mux(self._out.encode(None))

    def close(self) -> None:
        """Release the file."""
        self._container.close()

    def _placed(
        self, source: av.AudioStream, origin: Fraction
    ) -> Iterator[tuple[Fraction, av.AudioFrame]]:
        """Yield audio frames and their times (s) from the first video frame; drop earlier audio."""
        mender = Mender(survey(self._path).pieces.get(source.index, WHOLE))
        for frame in decode(self._container, source, Tally(), mender):
            if frame.pts is None or not mender.piece.holds(frame.pts * frame.time_base):
                continue
            time = frame.pts * frame.time_base - origin
            if time >= 0:
                frame.pts = round(time / frame.time_base)
                yield time, frame

    def _write(self, frame: av.AudioFrame) -> None:
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if kind != self._kind:
            self._flush()
            self._kind, self._from = kind, self._end
            self._resampler = av.AudioResampler(format="fltp", layout=self._layout, rate=self._rate)
        for piece in self._resampler.resample(frame):
            self._encode(piece)

    def _flush(self) -> None:
        if self._resampler is not None:
            for piece in self._resampler.resample(None):
                self._encode(piece)

    def _encode(self, piece: av.AudioFrame) -> None:
        """Write resampled audio, without overlap with audio in the previous format."""
        start = round(piece.pts * piece.time_base * self._rate)
        overlap = max(self._from - start, 0)
        if overlap >= piece.samples:
            return
        self._end = start + piece.samples
        if overlap:
            kept = np.ascontiguousarray(piece.to_ndarray()[:, overlap:])
            piece = av.AudioFrame.from_ndarray(kept, format="fltp", layout=self._layout)
            piece.sample_rate = self._rate
        piece.pts, piece.time_base = start + overlap, Fraction(1, self._rate)
        self._output.mux(self._out.encode(piece))
