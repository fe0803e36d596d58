"""Decode the audio of a file to 16 kHz mono int16, aligned by its time stamps."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np

from avforensics.errors import MediaError
from avforensics.files import Closing
from avforensics.media.channels import downmix, one_channel, packed
from avforensics.media.clock import WHOLE, Mender, Piece
from avforensics.media.container import Tally, decode, open_container
from avforensics.media.level import Level
from avforensics.media.survey import survey
from avforensics.media.tracks import number_of, pick_stream
from avforensics.media.types import HOP, SAMPLE_RATE

# One video frame (s). Smaller deviations of time stamps from the sample count are container jitter;
# larger ones mean missing or duplicate audio, which is corrected.
TOLERANCE = Fraction(HOP, SAMPLE_RATE)
FLOATS = ("flt", "fltp", "dbl", "dblp")
ZEROS = np.zeros(SAMPLE_RATE, np.int16)


class AudioReader(Closing):
    """Decode one audio stream to 16 kHz mono int16, aligned by its time stamps.

    A late start and gaps are filled with zeros; overlaps and samples before ``origin`` are cut.
    Between gaps, the samples equal the output of ``ffmpeg -async 1 -ac 1 -vn -acodec pcm_s16le
    -ar 16000`` (method Sec. 1). The reader can be iterated once; close it to release the file.

    Parameters
    ----------
    stream : int, optional
        Index among the audio streams; None = as chosen by `file_tracks`.
    origin : Fraction, optional
        Time (s) on the file's clock that counts as 0; None = time of the first decoded sample.
    skip : int
        Number of samples to skip after ``origin``.

    Attributes
    ----------
    number : int
        Index among the audio streams.
    downmix : Downmix
        How the channels are mixed to mono.
    tally : Tally
        Damage found so far.
    start : float or None
        Seconds from the first requested sample to the file's first sample; negative if the
        beginning was cut. None before reading.
    not_finite : int
        Number of NaN or infinite samples that were replaced by zeros.
    level : Level
        Level of the audio read so far, without filled gaps.

    Raises
    ------
    MediaError
        The file cannot be opened or has no such stream.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        stream: int | None = None,
        origin: Fraction | None = None,
        skip: int = 0,
    ) -> None:
        self.tally = Tally()
        self.start: float | None = None
        self.not_finite = 0
        self.level = Level()
        self._origin = origin
        self._skip = Fraction(skip, SAMPLE_RATE)
        self._container = open_container(path)
        try:
            self._stream = pick_stream(self._container, "audio", stream)
        except BaseException:
            self.close()
            raise
        self.number = number_of(self._container, self._stream)
        self.downmix = downmix(path, self.number)
        found = survey(path)
        self._mender = Mender(found.pieces.get(self._stream.index, WHOLE))
        self._end = found.end_from(origin or Fraction(0))
        self.codec = self._stream.codec_context.name

    def close(self) -> None:
        """Release the file."""
        self._container.close()

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield consecutive pieces of audio: int16 arrays of any length."""
        position, begun = 0, False
        for start, piece in self._placed():
            filled = start if begun else min(start, self._reach())
            begun = True
            while position < filled:
                silence = ZEROS[: filled - position]
                position += len(silence)
                yield silence
            kept = piece[max(position - start, 0) :]
            if len(kept):
                position = max(position, start) + len(kept)
                self.level.add(kept)
                yield kept

    def _reach(self) -> int:
        """Sample index of the file's end, the limit for filling in leading silence."""
        return round((self._end - self._origin - self._skip) * SAMPLE_RATE)

    def _placed(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield resampled pieces, each preceded by the index of its first sample."""
        resampler = kind = None
        index, expected = 0, Fraction(0)
        place: Piece | None = None
        for time, lost, frame in self._timed_frames():
            moved = place is not None and place is not self._mender.piece
            stray = 0 if lost or moved else TOLERANCE
            if resampler is None or kind != _kind(frame) or abs(time - expected) > stray:
                if resampler is not None:
                    yield from self._within(place, index, _resample(resampler, None))
                resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
                kind, index, expected = _kind(frame), round(time * SAMPLE_RATE), time
                place = self._mender.piece
            expected += Fraction(frame.samples, frame.sample_rate)
            pieces = _resample(resampler, frame)
            yield from self._within(place, index, pieces)
            index += sum(map(len, pieces))
        if resampler is not None:
            yield from self._within(place, index, _resample(resampler, None))

    def _within(
        self, place: Piece, index: int, pieces: list[np.ndarray]
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Cut pieces to the bounds of ``place``; yield them as `_placed` does."""
        begin, end = (
            None if edge is None else round((edge - self._origin - self._skip) * SAMPLE_RATE)
            for edge in (place.begin, place.end)
        )
        for piece in pieces:
            first = 0 if begin is None else min(max(begin - index, 0), len(piece))
            last = len(piece) if end is None else min(max(end - index, 0), len(piece))
            if first < last:
                yield index + first, piece[first:last]
            index += len(piece)

    def _timed_frames(self) -> Iterator[tuple[Fraction, bool, av.AudioFrame]]:
        """Yield each frame's time (s), whether audio was lost before it, and the frame."""
        expected, skipped = None, 0
        for frame in decode(self._container, self._stream, self.tally, self._mender):
            stamp = None if frame.pts is None else frame.pts * frame.time_base
            if self._origin is None:
                self._origin = stamp or Fraction(0)
            if stamp is not None:
                time = stamp - self._origin - self._skip
            else:
                time = -self._skip if expected is None else expected
            if self.start is None:
                self.start = float(time)
            lost = self.tally.skipped > skipped
            skipped = self.tally.skipped
            yield time, lost, self._finite(self._selected(frame))
            expected = time + Fraction(frame.samples, frame.sample_rate)

    def _selected(self, frame: av.AudioFrame) -> av.AudioFrame:
        channel = self.downmix.channel
        if channel is None or channel >= len(frame.layout.channels):
            return frame
        return one_channel(frame, channel)

    def _finite(self, frame: av.AudioFrame) -> av.AudioFrame:
        """Replace NaN and infinity by zeros, because a resampler would spread them."""
        if frame.format.name not in FLOATS:
            return frame
        frame = packed(frame)
        samples = frame.to_ndarray()
        finite = np.isfinite(samples)
        if finite.all():
            return frame
        self.not_finite += int(finite.size - finite.sum())
        clean = av.AudioFrame.from_ndarray(
            np.where(finite, samples, 0).astype(samples.dtype),
            format=frame.format.name,
            layout=frame.layout.name,
        )
        clean.sample_rate = frame.sample_rate
        clean.pts = frame.pts
        clean.time_base = frame.time_base
        return clean


def _kind(frame: av.AudioFrame) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _resample(resampler: av.AudioResampler, frame: av.AudioFrame | None) -> list[np.ndarray]:
    return [piece.to_ndarray()[0] for piece in resampler.resample(frame) if piece is not None]


def read_audio(
    path: str | os.PathLike, *, stream: int | None = None, origin: Fraction | None = None
) -> np.ndarray:
    """Decode all audio of a file.

    Parameters
    ----------
    stream : int, optional
        Index among the audio streams; None = as chosen by `file_tracks`.
    origin : Fraction, optional
        Time (s) of the first returned sample on the file's clock; None = the file's first sample.

    Returns
    -------
    int16 array, (samples,), mono, 16 kHz

    Raises
    ------
    MediaError
        The file cannot be opened, or it has no such stream or no decodable audio.
    """
    with AudioReader(path, stream=stream, origin=origin) as reader:
        pieces = list(reader)
    if not pieces:
        raise MediaError(path, "no audio could be decoded")
    return np.concatenate(pieces)
