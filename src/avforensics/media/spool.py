"""Decode the audio of a file to disk once, so that its parts can be read in any order."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator

import numpy as np

from avforensics.files import Closing
from avforensics.media.audio import AudioReader
from avforensics.media.container import Tally
from avforensics.media.level import Level
from avforensics.media.remarks import damaged_packets, of_sound
from avforensics.media.types import HOP, SAMPLE_RATE
from avforensics.media.video import VideoReader

BYTES = 2  # bytes per int16 sample


class SoundSpool(Closing):
    """Audio of a file, aligned with its video, for several readers that each read a part.

    The output of a resampler depends on where it starts in a file. The audio is therefore decoded
    once, in order and on demand, into a temporary file (1.9 MB per minute). The class is
    thread-safe; use it in a ``with`` statement.

    Parameters
    ----------
    path : str or PathLike
        The video file.
    audio_path : str or PathLike, optional
        Separate audio file, assumed to start with the video.
    video_stream, audio_stream : int, optional
        As in `MediaOptions`.

    Attributes
    ----------
    audio : AudioReader
        Reader of the audio; its tally counts the damage found so far.
    ended : float or None
        Time (s) at which the audio ends; None until the end has been read.

    Raises
    ------
    MediaError
        The file cannot be opened or has no such stream.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        audio_path: str | os.PathLike | None = None,
        video_stream: int | None = None,
        audio_stream: int | None = None,
    ) -> None:
        origin = None
        if audio_path is None:
            with VideoReader(path, stream=video_stream) as video:
                origin = video.origin
        self.audio = AudioReader(audio_path or path, stream=audio_stream, origin=origin)
        self.ended: float | None = None
        self._pieces = iter(self.audio)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (kept until close)
        self._held = 0  # samples in the temporary file
        self._lock = threading.Lock()

    def close(self) -> None:
        """Remove the temporary file."""
        with self._lock:
            self.audio.close()
            self._file.close()

    def read(self, start: int, count: int) -> np.ndarray:
        """Read samples ``start .. start + count - 1``.

        Returns
        -------
        int16 array, (samples,), mono, 16 kHz
            Shorter than ``count`` at the end of the audio.
        """
        with self._lock:
            self._file.seek(0, os.SEEK_END)
            while self._held < start + count and self.ended is None:
                if (piece := next(self._pieces, None)) is None:
                    self.ended = self._held / SAMPLE_RATE
                    break
                self._file.write(piece.tobytes())
                self._held += len(piece)
            self._file.seek(start * BYTES)
            return np.frombuffer(self._file.read(count * BYTES), np.int16)

    @property
    def warnings(self) -> list[str]:
        """Return the warnings about the audio decoded so far."""
        damaged = self.audio.tally.skipped
        found = [damaged_packets(audio=damaged)] if damaged else []
        return [*found, *of_sound(self.audio.not_finite)]


class SpooledSound:
    """Audio of a spool, starting at sample ``skip``, with the interface of `AudioReader`.

    Parameters
    ----------
    spool : SoundSpool
        Source of the audio, which its owner must close.
    skip : int
        Number of samples to skip at the beginning.
    """

    def __init__(self, spool: SoundSpool, skip: int) -> None:
        self._spool = spool
        self._position = skip
        self._skip = skip
        self.codec, self.downmix = spool.audio.codec, spool.audio.downmix
        self.number = spool.audio.number
        self.tally = Tally()  # remains empty: the spool counts the damage for the whole file
        self.not_finite = 0
        self.level = Level()

    @property
    def start(self) -> float | None:
        """As in `AudioReader`."""
        start = self._spool.audio.start
        return None if start is None else start - self._skip / SAMPLE_RATE

    def close(self) -> None:
        """Do nothing: the owner of the spool closes it."""

    def __iter__(self) -> Iterator[np.ndarray]:
        while len(piece := self._spool.read(self._position, 25 * HOP)):
            self._position += len(piece)
            self.level.add(piece)
            yield piece
