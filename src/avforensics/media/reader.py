"""Read a file as blocks of aligned video and audio, in constant memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from typing import TypeVar

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from PIL import Image

from avforensics.errors import MediaError
from avforensics.files import Closing
from avforensics.media.audio import AudioReader
from avforensics.media.crop import MovingCrop
from avforensics.media.frames import to_square
from avforensics.media.kept import KeptFrames
from avforensics.media.prefetch import in_another_thread
from avforensics.media.remarks import remarks
from avforensics.media.spool import SoundSpool, SpooledSound
from avforensics.media.survey import survey
from avforensics.media.tracks import file_tracks, read_tracks
from avforensics.media.types import (
    FPS,
    HOP,
    SAMPLE_RATE,
    Block,
    MediaOptions,
    MediaReport,
    Pictures,
)
from avforensics.media.video import VideoReader

# Length of two windows of five frames. With fewer frames, no window can be predicted and scored.
MIN_FRAMES = 6

PictureEdit = Callable[[Iterator[np.ndarray]], Iterator[np.ndarray]]
"""Maps upright RGB frames, uint8 (H, W, 3), in order to the same number of edited frames."""

Frame = TypeVar("Frame")


class MediaStream(Closing):
    """Any media file, or a part of it, opened for scoring.

    Use the stream in a ``with`` statement; it can be iterated once, over the blocks of the file.
    The frames and audio of a part are the same as when the file is read from the beginning. Frames
    are decoded in the iterating thread and resized in another thread. Video and audio are demuxed
    in two separate passes, so that memory does not depend on how far apart a file stores them.

    Parameters
    ----------
    path : str or PathLike
        The video file.
    options : MediaOptions, optional
        Frame size, crop and streams.
    block_frames : int
        Number of frames per block; the last block may be shorter.
    start_frame : int
        First frame to read, at 25 fps.
    max_frames : int, optional
        Maximum number of frames. The report then covers only the part that was read.
    audio_path : str or PathLike, optional
        Separate audio file (such as VoxCeleb2's m4a), assumed to start with the video.
    crop : MovingCrop, optional
        Square that follows a face from ``start_frame`` on and replaces ``options.crop``; the part
        ends with the last square.
    sound : SoundSpool, optional
        Decoded audio of the file, for reading many parts; the caller must close it. Without a
        spool, audio is decoded from the beginning of the file.
    edit : callable, optional
        Function that edits whole frames at 25 fps before they are cropped and resized, for
        robustness tests.
    kept : KeptFrames, optional
        Frames of the video from an earlier pass; if complete, no frame is decoded again.
    pictures : Pictures, optional
        Cropped and resized frames of the part, which are used instead of decoding; the part ends
        with the last of them.

    Attributes
    ----------
    report : MediaReport
        Report on the file, which is complete once all blocks have been read.

    Raises
    ------
    MediaError
        The file or its audio cannot be used. Errors found while decoding are raised during
        iteration.
    ValueError
        A number is out of range, or the crop lies outside the frame.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        options: MediaOptions | None = None,
        *,
        block_frames: int = FPS,
        start_frame: int = 0,
        max_frames: int | None = None,
        audio_path: str | os.PathLike | None = None,
        crop: MovingCrop | None = None,
        sound: SoundSpool | None = None,
        edit: PictureEdit | None = None,
        kept: KeptFrames | None = None,
        pictures: Pictures | None = None,
    ) -> None:
        options = options or MediaOptions()
        limit = 1 if max_frames is None else max_frames
        if min(block_frames, options.size, limit) < 1:
            raise ValueError(
                "block_frames, max_frames and size must be >= 1, got "
                f"{block_frames}, {max_frames} and {options.size}"
            )
        if start_frame < 0:
            raise ValueError(f"start_frame must be >= 0, got {start_frame}")
        left, top, right, bottom = options.crop or (0, 0, 1, 1)
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError(
                f"crop must be (left, top, right, bottom) within 0..1, got {options.crop}"
            )
        if pictures is not None:
            max_frames = sys.maxsize
        if crop is not None:
            max_frames = len(crop) if max_frames is None else min(max_frames, len(crop))
        self._path = path
        self._audio_path = path if audio_path is None else audio_path
        self._options = options
        self._block_frames = block_frames
        self._start_frame = start_frame
        self._max_frames = max_frames
        self._crop = crop
        self._reformatter = VideoReformatter()
        self._edit = edit
        self._kept = kept
        self._pictures = pictures
        self._least = options.size / min(right - left, bottom - top)
        self._video = VideoReader(
            path, stream=options.video_stream, start=start_frame, square=crop is not None
        )
        try:
            self._audio = self._open_sound(audio_path, sound)
            tracks = file_tracks(path)
            joins, cut = self._video.survey.joins, self._video.survey.cut
            if audio_path is not None:
                tracks = (*(t for t in tracks if t.kind == "video"), *file_tracks(audio_path))
                apart = survey(audio_path)
                joins, cut = _of_both(joins, apart.joins), _of_both(cut, apart.cut)
        except BaseException:
            self._video.close()
            raise
        video, audio = self._video, self._audio
        self.report = MediaReport(
            fps=video.fps,
            width=video.stored[0],
            height=video.stored[1],
            display_aspect=video.aspect,
            refused_aspect=video.tally.refused_aspect,
            colour_transfer=video.colours.transfer_name,
            tone_map=video.colours.conversion,
            colour_warning=video.colours.warning,
            rotation=video.rotation,
            container=video.container,
            declared=video.declared,
            found=video.length,
            video_codec=video.codec,
            audio_codec=audio.codec,
            tracks=read_tracks(tracks, video=video.number, audio=audio.number),
            breaks=video.breaks,
            strays=video.survey.strays,
            joins=joins,
            cut=cut,
            channels=audio.downmix.words,
        )

    def _open_sound(
        self, audio_path: str | os.PathLike | None, sound: SoundSpool | None
    ) -> AudioReader | SpooledSound:
        skip = self._start_frame * HOP
        if sound is not None:
            return SpooledSound(sound, skip)
        return AudioReader(
            self._audio_path,
            stream=self._options.audio_stream,
            origin=self._video.origin if audio_path is None else None,
            skip=skip,
        )

    def close(self) -> None:
        """Release the files."""
        self._video.close()
        self._audio.close()

    def __iter__(self) -> Iterator[Block]:
        try:
            yield from self._blocks()
        except av.FFmpegError as error:
            raise MediaError(self._path, f"cannot be decoded ({error.strerror})") from None

    def _blocks(self) -> Iterator[Block]:
        report = self.report
        again = self._kept is not None and self._kept.complete
        frames = self._kept.starting_at(self._start_frame) if again else self._video
        pictures = self._counted(islice(self._pictures or frames, self._max_frames))
        squares = pictures if self._pictures is not None else self._squares(pictures)
        sound = _Sound(self._audio)
        heard = self._block_frames
        while heard == self._block_frames:
            frames = list(islice(squares, self._block_frames))
            audio = sound.take(len(frames) * HOP)
            heard = len(audio) // HOP
            report.n_frames += heard
            self._count_damage()
            if heard < self._block_frames:
                self._finish(pictures, sound)
            if heard:
                yield Block(np.stack(frames[:heard]), audio[: heard * HOP])

    def _count_damage(self) -> None:
        report, pictures, sound = self.report, self._video.tally, self._audio.tally
        report.skipped_packets = pictures.skipped + sound.skipped
        report.skipped_audio = sound.skipped
        report.concealed, report.resized = pictures.concealed, pictures.resized
        report.reordered, report.disordered = pictures.reordered, pictures.disordered

    def _counted(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            self.report.video_frames += 1
            yield frame

    def _squares(self, frames: Iterable[av.VideoFrame]) -> Iterator[np.ndarray]:
        """Yield cropped and resized frames in order, while later frames are decoded."""
        if self._edit is not None:
            pictures = (np.asarray(self._video.upright(frame)) for frame in frames)
            yield from map(self._square, count(), self._edit(pictures))
            return
        yield from in_another_thread(self._convert, enumerate(frames))

    def _convert(self, index: int, frame: av.VideoFrame) -> np.ndarray:
        if self._crop is None:
            picture = self._video.upright(frame, self._least)
            return to_square(picture, self._options.size, self._options.crop)
        return self._crop.cut_stored(
            frame, self._video.view, index, self._options.size, self._reformatter
        )

    def _square(self, index: int, picture: np.ndarray) -> np.ndarray:
        if self._crop is None:
            image = Image.fromarray(picture)
            return to_square(image, self._options.size, self._options.crop)
        return self._crop.cut(picture, index, self._options.size)

    def examine(self) -> MediaReport:
        """Decode everything without yielding blocks; return the complete report.

        Raises
        ------
        MediaError
            As during iteration.
        """
        try:
            sound = _Sound(self._audio)
            pictures = self._counted(islice(self._video, self._max_frames))
            for _ in pictures:
                pass
            sound.drain()
            self.report.n_frames = min(self.report.video_frames, sound.total // HOP)
            self._finish(pictures, sound)
        except av.FFmpegError as error:
            raise MediaError(self._path, f"cannot be decoded ({error.strerror})") from None
        return self.report

    def _finish(self, pictures: Iterator[av.VideoFrame], sound: _Sound) -> None:
        """Complete the report after the video or the audio has ended."""
        report = self.report
        if self._max_frames is None:
            for _ in pictures:  # count the remaining frames if the audio ended first
                pass
            sound.drain()
        report.audio_samples = sound.total
        report.duration = report.n_frames / FPS
        self._count_damage()
        if not sound.total:
            after = f" after {self._start_frame / FPS:g} s" if self._start_frame else ""
            raise MediaError(self._audio_path, f"no audio could be decoded{after}")
        late, shown = self._audio.start or 0.0, report.video_frames / FPS
        if self._max_frames is None and late >= shown > 0:
            raise MediaError(
                self._path,
                f"audio and video do not overlap: the audio begins after {late:.2f} s, but the "
                f"video lasts {shown:.2f} s",
            )
        if report.n_frames < min(MIN_FRAMES, self._max_frames or MIN_FRAMES):
            raise MediaError(
                self._path,
                f"too short: {report.n_frames} frames with audio, but at least {MIN_FRAMES} are "
                "needed",
            )
        start = self._start_frame / FPS
        read = max(report.video_frames / FPS, sound.total / SAMPLE_RATE)
        report.found = max(self._video.length, start + read)
        report.level = self._audio.level.decibels
        report.audio_start = self._audio.start
        report.not_finite = self._audio.not_finite
        report.warnings.extend(remarks(report, whole=self._max_frames is None))


open_media = MediaStream


def _of_both(video: str, audio: str) -> str:
    return "; ".join(filter(None, (video, audio and f"audio file: {audio}")))


class _Sound:
    """Split audio into pieces of the requested lengths."""

    def __init__(self, pieces: Iterable[np.ndarray]) -> None:
        self.total = 0
        self._pieces = iter(pieces)
        self._rest = np.zeros(0, np.int16)

    def take(self, count: int) -> np.ndarray:
        """Return the next ``count`` samples, or fewer at the end."""
        pieces, held = [self._rest], len(self._rest)
        while held < count and (piece := next(self._pieces, None)) is not None:
            pieces.append(piece)
            held += len(piece)
            self.total += len(piece)
        samples = np.concatenate(pieces)
        self._rest = samples[count:].copy()
        return samples[:count]

    def drain(self) -> None:
        """Count the remaining samples."""
        self.total += sum(map(len, self._pieces))
