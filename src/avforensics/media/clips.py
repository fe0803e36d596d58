"""Random access to clips from `avforensics preprocess` (25 fps, 16 kHz, one size).

decord is the fastest reader, but it is used only for these clips: it can silently return wrong
frames from other files (edit lists, late starts). A decord reader also hangs in a process that was
forked after opening, so each process imports decord and opens the clip when it reads the first
frame.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from PIL import Image

from avforensics.errors import MediaError
from avforensics.media.audio import read_audio
from avforensics.media.colour import ColourTags
from avforensics.media.container import Tally, decode, open_container
from avforensics.media.frames import View, orientation, upright_rgb
from avforensics.media.tracks import pick_stream
from avforensics.media.types import FPS, HOP
from avforensics.media.video import VideoReader
from avforensics.media.wav import read_wav, wav_samples


class ClipReader:
    """Frames and audio of a clip, by frame number.

    Frames come from decord if it is installed and agrees with the container (number of frames,
    rate, start), otherwise from PyAV. Audio comes from the WAV file next to the clip (``X.wav`` for
    ``X.mp4``) if it exists; otherwise the clip's own audio is decoded once.

    Use each reader in a single process.

    Attributes
    ----------
    n_frames : int
        Number of frames with audio: ``min(video frames, samples // 640)``.

    Raises
    ------
    MediaError
        The clip cannot be opened, or has no video or no audio.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        self._pictures: _Pictures | None = None
        self._process: int | None = None
        self._sound: np.ndarray | None = None
        self._origin = Fraction(0)
        wav = self.path.with_suffix(".wav")
        self._wav = wav if wav.is_file() else None
        self._regular = _regular_frames(self.path)
        if self._regular is None:
            with VideoReader(self.path) as video:
                self._origin = video.origin
                frames = sum(1 for _ in video)
        else:
            frames = self._regular
        samples = len(self._decoded()) if self._wav is None else wav_samples(self._wav)
        self.n_frames = min(frames, samples // HOP)

    @property
    def reader(self) -> str:
        """Reader of the frames: ``"decord"`` or ``"pyav"``. This property opens the clip."""
        return self._opened().name

    def frames(self, start: int, count: int) -> np.ndarray:
        """Read frames ``start .. start + count - 1``.

        Returns
        -------
        uint8 array, (count, H, W, 3), RGB
            Frames at the stored size.

        Raises
        ------
        ValueError
            The clip does not have these frames.
        MediaError
            The frames cannot be decoded.
        """
        self._check(start, count)
        frames = self._opened().frames(start, count)
        if len(frames) < count:
            raise MediaError(self.path, f"frames {start}..{start + count - 1} cannot be decoded")
        return frames

    def audio(self, start: int, count: int) -> np.ndarray:
        """Read the audio of frames ``start .. start + count - 1``.

        Parameters
        ----------
        start, count : int
            First frame and number of frames.

        Returns
        -------
        int16 array, (count * 640,), mono, 16 kHz

        Raises
        ------
        ValueError
            The clip does not have these frames.
        """
        self._check(start, count)
        if self._wav is not None:
            return read_wav(self._wav, start * HOP, count * HOP)
        return self._decoded()[start * HOP : (start + count) * HOP]

    def _check(self, start: int, count: int) -> None:
        if start < 0 or count < 1 or start + count > self.n_frames:
            raise ValueError(
                f"{self.path}: frames must be within 0..{self.n_frames - 1}, got "
                f"{start}..{start + count - 1}"
            )

    def _decoded(self) -> np.ndarray:
        if self._sound is None:
            self._sound = read_audio(self.path, origin=self._origin)
        return self._sound

    def _opened(self) -> _Pictures:
        if self._pictures is None:
            self._pictures = _open_pictures(self.path, self._regular)
            self._process = os.getpid()
        elif self._process != os.getpid():
            raise RuntimeError(
                f"{self.path}: the ClipReader was used before and after a fork; open a new one in "
                "each process"
            )
        return self._pictures


def _regular_frames(path: Path) -> int | None:
    """Number of frames; None unless the only video stream declares 25 fps from 0 without gaps."""
    with open_container(path) as container:
        stream = pick_stream(container, "video")
        if len(container.streams.video) > 1:
            return None
        says = (stream.frames, stream.average_rate, stream.start_time, stream.duration)
        frames, rate, start, duration = says
        if not frames or rate != FPS or start != 0 or duration is None:
            return None
        return frames if duration * stream.time_base == Fraction(frames, FPS) else None


class _Pictures(Protocol):
    name: str

    def frames(self, start: int, count: int) -> np.ndarray: ...


def _open_pictures(path: Path, regular: int | None) -> _Pictures:
    if regular is None:
        return _Sequential(path)
    with open_container(path) as container:
        colours = ColourTags.of(pick_stream(container, "video", 0).codec_context)
    if colours.tone_map is not None:  # decord does not tone-map
        return _Seeking(path)
    return _open_decord(path, regular) or _Seeking(path)


class _Decord:
    name = "decord"

    def __init__(self, reader, path: Path, errors: tuple[type[Exception], ...]) -> None:
        self._reader = reader
        self._path = path
        self._errors = errors

    def frames(self, start: int, count: int) -> np.ndarray:
        try:
            return self._reader.get_batch(range(start, start + count)).asnumpy()
        except self._errors:  # damaged, or decord 0.6 cannot copy the width (16, 24, 48, 72)
            return _Seeking(self._path).frames(start, count)


def _open_decord(path: Path, frames: int) -> _Decord | None:
    """Open a clip with decord; return None if decord is missing or contradicts the container."""
    try:
        import decord
    except (ImportError, OSError):  # not installed, or its library cannot be loaded
        return None
    decord.logging.set_level(decord.logging.QUIET)
    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        first, last = reader.get_frame_timestamp([0, len(reader) - 1])
    except (decord.DECORDError, RuntimeError, AssertionError, UnicodeError):
        return None
    agrees = (
        len(reader) == frames
        and reader.get_avg_fps() == FPS
        and first[0] == 0
        and abs(last[1] - frames / FPS) < 0.5 / FPS
    )
    errors = (decord.DECORDError, decord.DECORDLimitReachedError)
    return _Decord(reader, path, errors) if agrees else None


class _Seeking:
    """Read a regular clip with PyAV: seek to the preceding key frame, then decode."""

    name = "pyav"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._view: View | None = None

    def frames(self, start: int, count: int) -> np.ndarray:
        with open_container(self._path) as container:
            stream = pick_stream(container, "video")
            container.seek(round(Fraction(start, FPS) / stream.time_base), stream=stream)
            wanted = (
                frame
                for frame in decode(container, stream, Tally(), after_seek=True)
                if round(frame.pts * stream.time_base * FPS) >= start
            )
            return _stack(self._upright(frame) for frame in islice(wanted, count))

    def _upright(self, frame: av.VideoFrame) -> Image.Image:
        self._view = self._view or View(orientation(frame))
        return upright_rgb(frame, self._view)


class _Sequential:
    """Read any file with PyAV: convert to 25 fps from the beginning."""

    name = "pyav"

    def __init__(self, path: Path) -> None:
        self._path = path

    def frames(self, start: int, count: int) -> np.ndarray:
        with VideoReader(self._path, square=False) as video:
            return _stack(map(video.upright, islice(video, start, start + count)))


def _stack(images: Iterable[Image.Image]) -> np.ndarray:
    pictures = [np.asarray(image) for image in images]
    return np.stack(pictures) if pictures else np.zeros((0, 0, 0, 3), np.uint8)
