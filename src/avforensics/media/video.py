"""Pictures of a file: upright, 25 a second, counted from the first one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import Interpolation, VideoReformatter
from PIL import Image

from avforensics.errors import MediaError
from avforensics.media.container import Tally, declared_end, decode, open_container, pick_stream
from avforensics.media.seek import is_entry, key_time_before
from avforensics.media.types import FPS

Orientation = tuple[int, int, int, int]


class VideoReader:
    """Decode one video stream to 25 frames a second.

    FFmpeg's own ``fps`` filter repeats and drops frames, as ``ffmpeg -vf fps=25`` would. Its clock
    starts at the first frame, so that a file already at 25 fps gives each frame once whenever it
    starts. Iterate once; close (or leave the ``with`` block) to release the file.

    Parameters
    ----------
    path : str or PathLike
    stream : int
        Counted among the video streams; cover pictures do not count.
    start : int
        First frame handed on, on the 25 fps clock. Where the file can be trusted with it, reading
        begins at a key frame shortly before, otherwise at the first frame of all; either way the
        frames are those that reading from the first one gives.

    Attributes
    ----------
    origin : Fraction
        Time of the first frame on the file's own clock, in seconds.
    width, height : int
        Upright size in pixels.
    rotation : int
        Degrees counter-clockwise by which stored frames are turned to stand upright.
    turn : tuple of int
        How they are turned and mirrored, see `orientation`.
    fps : float
        Average rate of the source; 0 where unknown.
    declared : float or None
        Seconds from the first frame to where the file says that it ends.
    codec : str
    tally : Tally
        Damage met so far.

    Raises
    ------
    MediaError
        The file cannot be opened, has no such stream, or not one frame of it can be decoded.
    """

    def __init__(self, path: str | os.PathLike, *, stream: int = 0, start: int = 0) -> None:
        self.tally = Tally()
        self._path, self._number, self._start = path, stream, start
        first = self._open()
        if first is None:
            self.close()
            raise MediaError(path, "no frame of its video can be decoded")
        self._first: av.VideoFrame | None = first
        self.codec = self._stream.codec_context.name
        self.fps = float(self._stream.average_rate or 0)
        self.origin = (first.pts or 0) * self._stream.time_base
        end = declared_end(self._container)
        self.declared = None if end is None else end - float(self.origin)
        self.rotation = first.rotation % 360
        self.turn = orientation(first)
        sideways = self.turn[0] == 0
        self.width = first.height if sideways else first.width
        self.height = first.width if sideways else first.height

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._container.close()

    def __iter__(self) -> Iterator[av.VideoFrame]:
        """Frames of the 25 fps clock as they are stored; `upright` turns and converts them."""
        for frame in self._clocked():
            if frame.pts >= self._start:
                yield frame

    def upright(self, frame: av.VideoFrame) -> Image.Image:
        """A frame of this reader as an RGB picture, turned and mirrored as its file asks for.

        Safe to call from other threads while the reader goes on.

        Parameters
        ----------
        frame : av.VideoFrame

        Returns
        -------
        PIL.Image.Image
            Mode RGB. Shares memory with the converted frame where nothing had to be turned.
        """
        return upright_rgb(frame, self.turn)

    def _open(self) -> av.VideoFrame | None:
        """Begin to read at the beginning; gives the first frame."""
        self._container = open_container(self._path)
        try:
            self._stream = pick_stream(self._container, "video", self._number)
            self._decoded = decode(self._container, self._stream, self.tally)
            return next(self._decoded, None)
        except BaseException:
            self.close()
            raise

    def _clocked(self) -> Iterator[av.VideoFrame]:
        """Frames of the 25 fps clock, ``pts`` counting them from the video's first."""
        graph = None
        for frame in self._rebased():
            graph = graph or _fps_graph(frame)
            graph.vpush(frame)
            yield from _pull(graph)
        if graph is not None:
            graph.vpush(None)
            yield from _pull(graph)

    def _entry(self, first: av.VideoFrame) -> av.VideoFrame | None:
        """Go to a key frame shortly before the start; None where reading goes on from ``first``."""
        if self._start < 2 or first.pts is None:
            return None
        wanted = first.pts + int(Fraction(self._start - 1, FPS) / self._stream.time_base)
        stamp = key_time_before(self._path, self._number, wanted)
        if stamp is None or stamp <= first.pts:
            return None
        self._container.seek(stamp, stream=self._stream)
        self._decoded = decode(self._container, self._stream, self.tally)
        # Frames shown before the key frame may be made from ones that were not read.
        late = (frame for frame in self._decoded if frame.pts is None or frame.pts >= stamp)
        entry = next(late, None)
        self.tally.skipped = self.tally.concealed = 0
        if entry is not None and is_entry(entry, stamp):
            return entry
        self.close()
        self._first = self._open()
        return None

    def _rebased(self) -> Iterator[av.VideoFrame]:
        """Decoded frames with time stamps that never lack; those of the first one is 0."""
        step = max(1, round(1 / ((self._stream.average_rate or FPS) * self._stream.time_base)))
        stamps = _Stamps(step)
        start = stamp = stamps.best(self._first)
        frame = self._entry(self._first)
        if frame is not None:
            stamp = stamps.best(frame)
        else:
            frame, self._first = self._first, None
        while frame is not None:
            frame.pts = stamp - start
            # The last frame lasts as long as it says: the filter drops one that lasts no time.
            frame.duration = frame.duration or step
            yield frame
            frame = next(self._decoded, None)
            stamp = start if frame is None else stamps.best(frame)


class _Stamps:
    """FFmpeg's best-effort time stamp of a frame, which PyAV does not hand on.

    Some containers (AVI) know no presentation times; the demuxer's guess then runs backwards at
    B-frames, while decoding times run on evenly. The kind that ran backwards less often is right.
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


def _fps_graph(frame: av.VideoFrame) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    graph.link_nodes(source, graph.add("fps", str(FPS)), graph.add("buffersink")).configure()
    return graph


def _pull(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return


def orientation(frame: av.VideoFrame) -> Orientation:
    """``(a, b, c, d)`` of a frame's display matrix: ``x' = a x + c y``, ``y' = b x + d y``.

    Rounded to quarter turns and mirrors, which is all that cameras write. Ask one frame of a
    stream only: a frame asked for its side data is part of a cycle and lives until Python next
    looks for those; at 1080p hundreds of megabytes pile up.
    """
    data = frame.side_data.get(SideDataType.DISPLAYMATRIX)
    if data is None:
        return (1, 0, 0, 1)
    a, b, _, c, d = np.frombuffer(bytes(data), "<i4")[:5].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (-1 if a < 0 else 1, 0, 0, -1 if d < 0 else 1)
    return (0, -1 if b < 0 else 1, -1 if c < 0 else 1, 0)


def upright_pixels(frame: av.VideoFrame, turn: Orientation) -> np.ndarray:
    """The same pixels as `upright_rgb`, uint8 (H, W, 3), as a view: for cutting a part out."""
    return turned(_pixels(frame.reformat(format="rgb24", threads=1)), turn)


def upright_rgb(frame: av.VideoFrame, turn: Orientation) -> Image.Image:
    """A decoded frame as an RGB picture, turned and mirrored.

    Parameters
    ----------
    frame : av.VideoFrame
    turn : Orientation
        What `orientation` says of its stream.

    Returns
    -------
    PIL.Image.Image
        Mode RGB. Shares memory with the converted frame where nothing had to be turned.
    """
    rgb = frame.reformat(format="rgb24")
    plane = rgb.planes[0]
    size = (rgb.width, rgb.height)
    image = Image.frombuffer("RGB", size, plane, "raw", "RGB", plane.line_size, 1)
    a, b, c, d = turn
    if a == 0:
        image = image.transpose(Image.Transpose.TRANSPOSE)
    if a + c < 0:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if b + d < 0:
        image = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return image


def scaled(
    frame: av.VideoFrame,
    size: tuple[int, int],
    reformatter: VideoReformatter,
    *,
    turn: Orientation = (1, 0, 0, 1),
    pixels: str = "rgb24",
    interpolation: Interpolation = Interpolation.AREA,
) -> np.ndarray:
    """A decoded frame at another size, straight from its stored form: for looking, not for scoring.

    Parameters
    ----------
    frame : av.VideoFrame
    size : (int, int)
        Width and height of the result.
    reformatter : VideoReformatter
        Kept by the caller for frames of one size; not to be used in two threads at a time.
    turn : tuple of int
        As for `upright_rgb`.
    pixels : {"rgb24", "bgr24"}
    interpolation : Interpolation
        How the frame is scaled.

    Returns
    -------
    uint8 array, (height, width, 3)
    """
    width, height = size if turn[0] else size[::-1]
    small = reformatter.reformat(
        frame, width=width, height=height, format=pixels, interpolation=interpolation, threads=1
    )
    return np.ascontiguousarray(turned(_pixels(small), turn))


def turned(picture: np.ndarray, turn: Orientation) -> np.ndarray:
    """A view of a picture, (H, W, 3), turned and mirrored."""
    a, b, c, d = turn
    if a == 0:
        picture = picture.transpose(1, 0, 2)
    if a + c < 0:
        picture = picture[:, ::-1]
    if b + d < 0:
        picture = picture[::-1]
    return picture


def _pixels(frame: av.VideoFrame) -> np.ndarray:
    """A packed frame of three bytes a pixel as (H, W, 3), without a copy."""
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width * 3].reshape(frame.height, frame.width, 3)


def to_square(
    image: Image.Image, size: int, crop: tuple[float, float, float, float] | None = None
) -> np.ndarray:
    """Cut a picture and resize it to a square.

    PIL's bicubic filter is antialiased; the aspect is ignored and a picture that has the size
    already is left as it is (method Sec. 1).

    Parameters
    ----------
    image : PIL.Image.Image, RGB
    size : int
        Side in pixels.
    crop : tuple of float, optional
        ``(left, top, right, bottom)`` in fractions of the picture, rounded to whole pixels.

    Returns
    -------
    uint8 array, (size, size, 3)
    """
    if crop is not None:
        left, top, right, bottom = crop
        width, height = image.size
        x, y = round(left * width), round(top * height)
        image = image.crop(
            (x, y, max(x + 1, round(right * width)), max(y + 1, round(bottom * height)))
        )
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(image)
