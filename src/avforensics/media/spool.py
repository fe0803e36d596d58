"""Sound of a file, decoded once to disk, for parts of it that are read in any order."""

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

BYTES = 2  # of an int16 sample


class SoundSpool(Closing):
    """The sound of a file as it lies beside its picture, for many readers of parts.

    A resampler begun in the middle of a file gives other samples than one begun at its start. So
    the sound is decoded in order, once, as far as somebody asks for, into a temporary file: 1.9 MB
    a minute. Safe to read from several threads. Use it in a ``with`` statement.

    Parameters
    ----------
    path : str or PathLike
        The file with the picture.
    audio_path : str or PathLike, optional
        Another file that holds the sound; the two are taken to start together.
    video_stream, audio_stream : int, optional
        As of `MediaOptions`.

    Attributes
    ----------
    audio : AudioReader
        What reads the file; its tally counts the damage met so far.
    ended : float or None
        Seconds at which the sound ends; None before somebody has asked for more.

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
        self._held = 0  # samples in the file
        self._lock = threading.Lock()

    def close(self) -> None:
        """Remove the temporary file."""
        with self._lock:
            self.audio.close()
            self._file.close()

    def read(self, start: int, count: int) -> np.ndarray:
        """Samples ``start .. start + count - 1``.

        Returns
        -------
        int16 array, mono, 16 kHz
            Shorter where the sound ends.
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
        """What is wrong with the sound as far as it has been decoded, in sentences."""
        damaged = self.audio.tally.skipped
        found = [damaged_packets(audio=damaged)] if damaged else []
        return [*found, *of_sound(self.audio.not_finite)]


class SpooledSound:
    """A part of a spool, to its end, as `AudioReader` would give it.

    Parameters
    ----------
    spool : SoundSpool
        Stays open.
    skip : int
        Samples before the part.
    """

    def __init__(self, spool: SoundSpool, skip: int) -> None:
        self._spool = spool
        self._position = skip
        self._skip = skip
        self.codec, self.downmix = spool.audio.codec, spool.audio.downmix
        self.number = spool.audio.number
        self.tally = Tally()  # damage of the whole file is not this part's: the spool counts it
        self.not_finite = 0
        self.level = Level()

    @property
    def start(self) -> float | None:
        """As of `AudioReader`."""
        start = self._spool.audio.start
        return None if start is None else start - self._skip / SAMPLE_RATE

    def close(self) -> None:
        """Nothing: the spool is its owner's."""

    def __iter__(self) -> Iterator[np.ndarray]:
        while len(piece := self._spool.read(self._position, 25 * HOP)):
            self._position += len(piece)
            self.level.hear(piece)
            yield piece
