"""Inputs of `Detector`: a path, a part of a file, bytes, a file object, or arrays."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from numbers import Real
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from avforensics.media.arrays import write_arrays
from avforensics.scoring.source import Clip


class Arrays(NamedTuple):
    """A video in memory; a plain tuple of these four values also works.

    Attributes
    ----------
    frames : uint8 array, (T, H, W, 3)
        Upright RGB frames.
    fps : float
        Frames per second.
    samples : array, (n,) or (n, channels)
        Audio that starts with the first frame: int16, int32, uint8, or floats within -1..1.
    rate : int
        Samples per second.
    """

    frames: np.ndarray
    fps: float
    samples: np.ndarray
    rate: int


Video = str | os.PathLike | Clip | bytes | BinaryIO | Arrays
KINDS = (
    "a path, the bytes of a file, a file opened in binary mode, or (frames, fps, samples, rate) "
    "with frames uint8 (T, H, W, 3)"
)


def video_of(
    video: Video | np.ndarray,
    fps: float | None = None,
    samples: np.ndarray | None = None,
    rate: int | None = None,
) -> Video:
    """Return a video unchanged, or frames with their fps and audio as `Arrays`.

    Raises
    ------
    TypeError
        Some but not all of fps, samples and rate are given.
    """
    parts = (fps, samples, rate)
    if all(part is None for part in parts):
        return video
    if any(part is None for part in parts):
        raise TypeError("frames need fps, samples and rate")
    return Arrays(video, fps, samples, rate)


def listed(videos: Video | Iterable[Video]) -> Iterable[Video]:
    """Return several videos unchanged, or one video as a list.

    Raises
    ------
    TypeError
        The argument is neither a video nor several videos.
    """
    if _is_one(videos):
        return [videos]
    if isinstance(videos, np.ndarray | dict) or not isinstance(videos, Iterable):
        raise TypeError(f"videos must be {KINDS}, or several of these, got {_told(videos)}")
    return videos


class Temporary:
    """Make clips from any kind of input, through temporary files where necessary.

    Use it in a ``with`` statement, which removes the files at its end.
    """

    def __enter__(self) -> Temporary:
        self._folder: tempfile.TemporaryDirectory | None = None
        self._count = 0
        return self

    def __exit__(self, *exception: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def clips(self, videos: Iterable[Video]) -> Iterator[Clip]:
        """Yield a clip for each video.

        Raises
        ------
        TypeError
            An item is not a video.
        ValueError
            An array has the wrong shape or type.
        """
        for video in videos:
            if isinstance(video, Clip | str | os.PathLike):
                yield Clip.of(video)
            elif isinstance(video, bytes | bytearray | memoryview):
                yield self._copied(io.BytesIO(video), "bytes")
            elif hasattr(video, "read"):
                name = getattr(video, "name", None)
                yield self._copied(video, name if isinstance(name, str) else "file object")
            elif _is_arrays(video):
                path = self._path()
                write_arrays(path, *video)
                yield Clip(path, name="arrays")
            else:
                raise TypeError(f"a video must be {KINDS}, got {_told(video)}")

    def forget(self, clip: Clip) -> None:
        """Remove the temporary file of a clip, if it has one."""
        if self._folder is not None and clip.path.parent == Path(self._folder.name):
            clip.path.unlink(missing_ok=True)

    def _path(self) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="avforensics-")
        self._count += 1
        return Path(self._folder.name, str(self._count))

    def _copied(self, source: BinaryIO, name: str) -> Clip:
        """Copy a file object from its beginning, so that it can be scored again."""
        if isinstance(source, io.TextIOBase) or isinstance(source.read(0), str):
            raise TypeError(f"{name}: a file must be opened in binary mode, as in open(path, 'rb')")
        if hasattr(source, "seekable") and source.seekable():
            source.seek(0)
        path = self._path()
        with path.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
        return Clip(path, name=name)


def _is_one(video: object) -> bool:
    kinds = str | os.PathLike | Clip | bytes | bytearray | memoryview
    return isinstance(video, kinds) or hasattr(video, "read") or _is_arrays(video)


def _is_arrays(video: object) -> bool:
    """Return True if the argument has four items, starting with frames and a number."""
    return isinstance(video, Arrays) or (
        isinstance(video, tuple | list)
        and len(video) == 4
        and not isinstance(video[0], str | bytes | os.PathLike | Clip)
        and hasattr(video[0], "__len__")
        and isinstance(video[1], Real)
    )


def _told(thing: object) -> str:
    if isinstance(thing, np.ndarray):
        return f"only an array, {thing.dtype} {thing.shape}"
    return f"{type(thing).__name__} {str(thing)[:60]!r}"
