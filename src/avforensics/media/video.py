"""Decode the video of a file to upright frames at 25 fps, counted from the first frame."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from math import ceil

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from PIL import Image

from avforensics.errors import MediaError
from avforensics.files import Closing
from avforensics.media.aspect import PixelAspect, alike
from avforensics.media.clock import WHOLE, Mender
from avforensics.media.colour import ColourTags
from avforensics.media.container import (
    Tally,
    declared_length,
    decode,
    frame_rate,
    open_container,
    seek,
)
from avforensics.media.extent import extent
from avforensics.media.frames import View, upright_rgb
from avforensics.media.planes import colours_of
from avforensics.media.seek import is_entry, key_time_before
from avforensics.media.survey import LONGEST, survey
from avforensics.media.tracks import number_of, pick_stream
from avforensics.media.types import FPS

DECODERS = 4  # number of decoder threads for long videos


class VideoReader(Closing):
    """Decode one video stream to 25 frames per second.

    FFmpeg's ``fps`` filter repeats and drops frames, as in ``ffmpeg -vf fps=25``. The filter clock
    starts at the first frame, so that a file at 25 fps yields each frame once, whatever its start
    time. Frames that differ in size or pixel aspect are fitted to the first frame. The reader can
    be iterated once; close it (or leave the ``with`` block) to release the file.

    Parameters
    ----------
    stream : int, optional
        Index among the video streams, cover images excluded; None = as chosen by `file_tracks`.
    start : int
        First frame to yield, at 25 fps. Decoding begins at a preceding key frame if the file's
        index is reliable, otherwise at the beginning; the frames are the same either way.
    rough : bool
        Whether to skip the decoder's loop filter. This saves a quarter of the work but leaves
        visible blocks; use it for face detection, not for scoring.
    threads : int
        Number of decoder threads. With several threads, damaged frames may be decoded differently
        in each run: check `tally` afterwards and decode again if it is damaged.
    square : bool
        Whether to convert to square pixels. If False, pixels keep their stored shape, and frames of
        a different aspect are stretched to the aspect of the first frame. Use this if the frames
        are then resized to a square regardless of aspect (method Sec. 1).

    Attributes
    ----------
    origin : Fraction
        Time (s) of the first frame on the file's clock.
    width, height : int
        Size in pixels of frames from `upright`.
    stored : (int, int)
        Upright width and height in stored pixels.
    aspect : float or None
        Displayed width over height; None if stored pixels are square.
    rotation : int
        Degrees counter-clockwise by which stored frames are rotated to be upright.
    colours : ColourTags
        Colour tags of the file.
    view : View
        Geometry used by `upright`.
    fps : float
        Average frame rate of the source; 0 = unknown.
    declared : float or None
        Length in seconds from the first frame, according to the header.
    length : float
        Length in seconds from the first frame to the end of the last packet.
    breaks : tuple of ClockBreak
        Repaired breaks of the file's clock, in seconds from the first frame.
    survey : Survey
        Packet statistics of the file.
    number : int
        Index among the video streams.
    codec : str
    container : str
        FFmpeg's name for the file format.
    tally : Tally
        Damage found so far.

    Raises
    ------
    MediaError
        The file cannot be opened, or it has no such stream or no decodable frame.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        stream: int | None = None,
        start: int = 0,
        rough: bool = False,
        threads: int = 1,
        square: bool = True,
    ) -> None:
        self.tally = Tally()
        self._rough = rough
        self._threads = threads
        self._square = square
        self._path, self._number, self._start = path, stream, start
        self.survey = survey(path)
        first = self._open()
        if first is None:
            self.close()
            raise MediaError(path, "no frame of its video can be decoded")
        self._first: av.VideoFrame | None = first
        self._kind = first.width, first.height, first.format.name
        self._reformatter = VideoReformatter()
        self._graphs: dict[tuple, av.filter.Graph] = {}
        self.codec = self._stream.codec_context.name
        self.container = self._container.format.name
        self.fps = float(frame_rate(self._stream) or 0)
        self.origin = (first.pts or 0) * self._stream.time_base
        self.number = number_of(self._container, self._stream)
        self.length = float(self.survey.end - self.origin)
        self.breaks = tuple(
            replace(one, time=one.time - float(self.origin)) for one in self.survey.breaks
        )
        self.declared = None  # the declared length does not apply after repairs
        if not (self.breaks or self.survey.strays):
            self.declared = declared_length(self._container, float(self.origin))
        if self.survey.cut and (declared := extent(path).seconds):
            self.declared = declared
        self.rotation = first.rotation % 360
        self._aspect = self._pixels.now
        shown = View.of(first, self._aspect)
        self.view = shown if square else View(shown.turn)
        self.width, self.height = self.view.size(first)
        self.stored = View(shown.turn).size(first)
        self.aspect = np.divide(*shown.size(first)).item() if shown.stretches else None

    def close(self) -> None:
        """Release the file and the first frame."""
        self._container.close()
        self._first = None
        gc.collect(1)  # the first frame is in a reference cycle (see `orientation`)

    def __iter__(self) -> Iterator[av.VideoFrame]:
        """Yield stored frames at 25 fps; `upright` rotates and converts them."""
        for frame in self._clocked():
            if frame.pts >= self._start:
                yield frame

    def upright(self, frame: av.VideoFrame, least: float | None = None) -> Image.Image:
        """Convert a frame of this reader to an upright RGB image.

        This method is safe to call from other threads during iteration.

        Parameters
        ----------
        least : float, optional
            As in `upright_rgb`.

        Returns
        -------
        PIL.Image.Image
            RGB image; it shares memory with the converted frame if no rotation was needed.
        """
        return upright_rgb(frame, self.view, least)

    def _open(self) -> av.VideoFrame | None:
        """Open the file at its beginning and return the first frame."""
        self._container = open_container(self._path)
        try:
            self._stream = pick_stream(self._container, "video", self._number)
            if self._rough:
                self._stream.codec_context.options |= {"skip_loop_filter": "all"}
            if self._threads > 1:
                self._stream.codec_context.thread_type = "FRAME"
                self._stream.codec_context.thread_count = self._threads
            if (tick := self._stream.time_base) > LONGEST:
                raise MediaError(
                    self._path,
                    f"damaged header: its video clock ticks every {float(tick):g} s",
                )
            pieces = self.survey.pieces.get(self._stream.index, WHOLE)
            self._in_order = pieces is WHOLE
            mender = Mender(pieces)
            self._decoded = decode(self._container, self._stream, self.tally, mender)
            self._said = ColourTags.of(self._stream.codec_context)
            first = next(self._decoded, None)
            if first is not None:
                self.colours = colours_of(first, self._said)
                self._said = replace(self._said, outside=self.colours.outside)
            self._pixels = PixelAspect(self._stream)
            self.tally.refused_aspect = self._pixels.refused
            return first
        except BaseException:
            self.close()
            raise

    def _clocked(self) -> Iterator[av.VideoFrame]:
        """Yield frames at 25 fps whose ``pts`` is the frame number."""
        graph = None
        for frame in self._rebased():
            graph = graph or _graph(frame, ("fps", str(FPS)))
            graph.vpush(frame)
            yield from _pull(graph)
        if graph is not None:
            graph.vpush(None)
            yield from _pull(graph)

    def _entry(self, first: av.VideoFrame) -> av.VideoFrame | None:
        """Seek to a key frame before the start and return it; None = continue from ``first``."""
        if self._start == 0 or first.pts is None or not self._in_order:
            return None
        # The fps filter rounds times to whole frames, so the key frame may come up to half a frame
        # after the start.
        late = Fraction(2 * self._start + 1, 2 * FPS) / self._stream.time_base
        stamp = key_time_before(self._path, self._number, first.pts + ceil(late) - 1)
        if stamp is None or stamp <= first.pts:
            return None
        seek(self._container, self._stream, stamp)
        self._decoded = decode(self._container, self._stream, self.tally, after_seek=True)
        # Frames shown before the key frame may depend on frames that were not read.
        whole = (frame for frame in self._decoded if frame.pts is None or frame.pts >= stamp)
        entry = next(whole, None)
        self.tally.skipped = self.tally.concealed = self.tally.resized = 0
        if entry is not None and is_entry(entry, stamp):
            return entry
        self.close()
        self._first = self._open()
        return None

    def _rebased(self) -> Iterator[av.VideoFrame]:
        """Yield decoded frames with complete time stamps that begin at 0."""
        usual = min(1 / Fraction(frame_rate(self._stream) or FPS), LONGEST)
        step = max(1, round(usual / self._stream.time_base))
        stamps = _Stamps(step)
        start = stamp = stamps.best(self._first)
        end = int(self.survey.end_from(self.origin) / self._stream.time_base)
        frame = self._entry(self._first)
        if frame is not None:
            stamp = stamps.best(frame)
        else:
            frame, self._first = self._first, None
        latest = stamp
        while frame is not None:
            frame = self._like_first(frame)
            frame.pts = stamp - start
            # The last frame keeps its declared duration, but ends with the last packet. Its
            # duration must not be zero, or the filter would drop it.
            frame.duration = min(frame.duration or step, max(end - stamp, step))
            yield frame
            frame, latest = next(self._decoded, None), max(latest, stamp)
            stamp = start if frame is None else stamps.best(frame)
            self.tally.disordered += frame is not None and stamp < latest

    def _like_first(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Fit a frame to the size and format of the first frame."""
        self._said.fill(frame)
        kind = frame.width, frame.height, frame.format.name
        aspect = self._pixels.at(frame) if self._square else self._aspect
        if kind == self._kind and aspect == self._aspect:
            return frame
        self.tally.resized += 1
        width, height, pixels = self._kind
        shown, first = (float(kind[0] / kind[1] * aspect), float(width / height * self._aspect))
        if self._square and not alike(shown, first):
            fitted = width * min(shown / first, 1), height * min(first / shown, 1)
            return self._fitted(frame, *(max(round(side) // 2 * 2, 2) for side in fitted))
        return self._reformatter.reformat(
            frame, width=width, height=height, format=pixels, interpolation=Interpolation.BICUBIC
        )

    def _fitted(self, frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
        """Scale a frame and centre it on a black frame of the first frame's size."""
        key = frame.width, frame.height, frame.format.name, width, height
        if key not in self._graphs:
            whole, high, pixels = self._kind
            place = f"{(whole - width) // 4 * 2}:{(high - height) // 4 * 2}"
            self._graphs[key] = _graph(
                frame,
                ("scale", f"{width}:{height}:flags=bicubic"),
                ("pad", f"{whole}:{high}:{place}"),
                ("format", pixels),
            )
        graph = self._graphs[key]
        graph.vpush(frame)
        return graph.vpull()


class _Stamps:
    """Compute FFmpeg's best-effort time stamp of a frame, which PyAV does not expose.

    Presentation times that are damaged or guessed by the demuxer run backwards at B-frames, while
    decoding times increase. The kind of time that has run backwards less often is used.
    """

    def __init__(self, step: int) -> None:
        self._step = step
        self._pts = self._dts = self._best = None
        self._faulty_pts = self._faulty_dts = 0

    def best(self, frame: av.VideoFrame) -> int:
        pts, dts = frame.pts, frame.dts
        if dts is not None:
            self._faulty_dts += self._dts is not None and dts <= self._dts
            self._dts = dts
        if pts is not None:
            self._faulty_pts += self._pts is not None and pts <= self._pts
            self._pts = pts
        if pts is not None and (dts is None or self._faulty_pts <= self._faulty_dts):
            self._best = pts
        elif dts is not None:
            self._best = dts
        else:
            self._best = 0 if self._best is None else self._best + self._step
        return self._best


def _graph(frame: av.VideoFrame, *filters: tuple[str, str]) -> av.filter.Graph:
    """Create a filter graph for frames like this one, from names and arguments of filters."""
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    sink = graph.add("buffersink")
    graph.link_nodes(source, *(graph.add(*each) for each in filters), sink).configure()
    return graph


def _pull(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return
