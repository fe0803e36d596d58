"""Cut out the part of a video that a report embeds, as a small file that every browser can play.

Video and audio are read as for scoring (25 frames per second from the first video frame, 16 kHz
mono audio), so the player shows and plays what was scored.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice, repeat, takewhile
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from PIL import Image

from avforensics.errors import MediaError
from avforensics.media.audio import AudioReader
from avforensics.media.container import open_container
from avforensics.media.frames import View, scaled
from avforensics.media.prefetch import in_another_thread
from avforensics.media.types import FPS, HOP, MediaOptions
from avforensics.media.video import DECODERS, VideoReader
from avforensics.media.writer import replace_sound, write_clip
from avforensics.pool import cores

Picture = TypeVar("Picture")

CONTEXT = 1.0  # seconds shown before and after the scored part
CRF = 30  # a face of 480 px remains clear, and a minute of video takes about 3 MB
PRESET, AAC_CODER = "superfast", "fast"
# Pictures of at most SMALL bytes are copied unchanged, as are those of small frames of at most
# COPIED bytes per second (at most 6 MB per page).
COPIED, SMALL = 75_000, 2**19


@dataclass(frozen=True)
class Excerpt:
    """Part of a video as an MP4 file in memory.

    Attributes
    ----------
    data : bytes
        MP4 file with H.264 and AAC.
    start, end : float
        Start and end in the video, in seconds.
    declared : float
        Length of the whole video in seconds, from the file's header.
    width, height : int
        Size of the upright frame in pixels.
    """

    data: bytes
    start: float
    end: float
    declared: float
    width: int
    height: int


def choose_segment(
    span: tuple[float, float], duration: float, longest: float, time: np.ndarray, loss: np.ndarray
) -> tuple[int, int]:
    """Choose which frames to show: the scored part, shortened if necessary.

    If the scored part is too long, the part with the highest losses is chosen.

    Parameters
    ----------
    span : tuple of float
        Start and end of the scored part in seconds.
    duration : float
        Length of the video in seconds.
    longest : float
        Maximum length to show, in seconds.
    time : float array, (S,)
        Time of each step in seconds, increasing.
    loss : float array, (S,)
        Loss of each step.

    Returns
    -------
    tuple of int
        First frame and end frame (exclusive), at 25 fps.
    """
    start = math.floor(max(0.0, span[0] - CONTEXT) * FPS)
    end = math.ceil(min(max(duration, span[1]), span[1] + CONTEXT) * FPS - 1e-6)
    count = round(longest * FPS)
    if end - start <= count:
        return start, end
    middle = start + count / 2
    if len(time):
        # weight losses by a triangular window to centre the excerpt on high losses
        weight = np.bartlett(min(count, len(time)))
        middle = time[np.convolve(np.nan_to_num(loss), weight, "same").argmax()] * FPS
    start = min(max(start, round(middle - count / 2)), end - count)
    return start, start + count


def cut_excerpt(
    path: str | os.PathLike,
    span: tuple[float, float],
    time: np.ndarray,
    loss: np.ndarray,
    *,
    longest: float,
    long_side: int,
    options: MediaOptions,
    intact: bool = False,
    audio: str | os.PathLike | None = None,
) -> Excerpt:
    """Copy or re-encode the part of a video that `choose_segment` chooses.

    Parameters
    ----------
    span, time, loss, longest
        As in `choose_segment`.
    long_side : int
        Maximum length of the longer side in pixels of an encoded part; smaller frames keep their
        size.
    options : MediaOptions
        Options that name the streams to use.
    intact : bool
        Whether the file was read without damage. If so, a small video stream is copied unchanged.
    audio : str or PathLike, optional
        Separate audio file, used instead of the video's own audio.

    Raises
    ------
    MediaError
        The part cannot be decoded or encoded.
    """
    try:
        with VideoReader(path, stream=options.video_stream) as video:
            declared = max(video.declared or 0.0, video.length, span[1])
            first, last = choose_segment(span, declared, longest, time, loss)
            size, origin = (video.width, video.height), video.origin
            frames = _copyable(path, video, last, long_side) if intact and first == 0 else None
        with AudioReader(
            audio or path,
            stream=options.audio_stream,
            origin=None if audio else origin,
            skip=first * HOP,
        ) as reader:
            sound = _samples(reader, ((last - first) if frames is None else frames) * HOP)
        with tempfile.TemporaryDirectory() as folder:
            clip = Path(folder) / "excerpt.mp4"
            if frames is None:
                frames, size = _encode(path, clip, sound, first, last, long_side, options, intact)
            else:
                replace_sound(path, sound, clip, aac_coder=AAC_CODER)
            end = (first + frames) / FPS
            return Excerpt(clip.read_bytes(), first / FPS, end, declared, *size)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(path, f"no excerpt for the player ({error})") from error


def _copyable(path: str | os.PathLike, video: VideoReader, last: int, long_side: int) -> int | None:
    """Return the number of frames if browsers can play the video unchanged, else None.

    Only small H.264 files at 25 fps need no re-encoding.
    """
    rate = COPIED if max(video.width, video.height) <= long_side else 0
    usual = (
        video.codec == "h264"
        and video.view == View()
        and not (video.breaks or video.survey.strays or video.origin)
    )
    if not usual:
        return None
    with open_container(path) as container:
        stream = container.streams.video[0]
        if len(container.streams.video) > 1 or stream.codec_context.pix_fmt != "yuv420p":
            return None
        step = 1 / (FPS * stream.time_base)
        shown: list[int] = []
        total = 0
        # one more frame is enough to reject a longer file
        for packet in islice((p for p in container.demux(stream) if p.size), last + 1):
            if not shown and not packet.is_keyframe:
                return None
            shown.append(packet.pts or 0)
            total += packet.size
            if len(shown) > last:
                return None
    small = total <= max(SMALL, rate * len(shown) / FPS)
    steady = sorted(shown) == [step * index for index in range(len(shown))]
    return len(shown) if shown and small and steady else None


def _encode(
    path: str | os.PathLike,
    clip: Path,
    sound: np.ndarray,
    first: int,
    last: int,
    long_side: int,
    options: MediaOptions,
    intact: bool,
) -> tuple[int, tuple[int, int]]:
    """Write frames ``first .. last - 1`` and their audio; return their number and size."""
    threads = DECODERS if intact and cores() > 1 else 1
    with VideoReader(path, stream=options.video_stream, start=first, threads=threads) as video:
        frames = islice(video, last - first)
        opening = next(frames, None)
        if opening is None:
            raise MediaError(path, "no excerpt for the player (the file ends before it)")
        size = _even_size((video.width, video.height), long_side)
        with closing(_ahead(_small(video, chain([opening], frames), size))) as pictures:
            count = write_clip(clip, pictures, sound, crf=CRF, preset=PRESET, aac_coder=AAC_CODER)
            return count, size


def _small(
    video: VideoReader, frames: Iterable[av.VideoFrame], size: tuple[int, int]
) -> Iterator[np.ndarray | av.VideoFrame]:
    """Yield frames that are scaled directly from the stored format, in yuv420p if possible."""
    reformatter = VideoReformatter()
    for frame in frames:
        usual = frame.format.name == "yuv420p" and frame.color_range != ColorRange.JPEG
        if usual and video.view.turn == View().turn and video.colours.tone_map is None:
            yield reformatter.reformat(
                frame, *size, format="yuv420p", interpolation=Interpolation.AREA, threads=1
            )
        else:
            yield scaled(frame, size, reformatter, view=video.view)


def _ahead(pictures: Iterator[Picture]) -> Iterator[Picture]:
    """Prepare frames in another thread while earlier frames are encoded; yield them in order."""
    made = in_another_thread(lambda: next(pictures, None), repeat(()))
    with closing(made):
        yield from takewhile(lambda picture: picture is not None, made)


def _even_size(size: tuple[int, int], long_side: int) -> tuple[int, int]:
    shrink = min(1.0, long_side / max(size))
    width, height = (max(2, 2 * round(side * shrink / 2)) for side in size)
    return width, height


def small_pictures(images: Iterable[Image.Image], long_side: int) -> Iterator[np.ndarray]:
    """Yield RGB arrays with even sides; the longer side has at most ``long_side`` pixels."""
    size = None
    for image in images:
        if size is None:
            size = _even_size(image.size, long_side)
        if image.size != size:
            image = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
        yield np.asarray(image)


def _samples(pieces: Iterable[np.ndarray], count: int) -> np.ndarray:
    """Return the first ``count`` samples of consecutive pieces, padded with silence."""
    samples = np.zeros(count, np.int16)
    position = 0
    for piece in pieces:
        part = piece[: count - position]
        samples[position : position + len(part)] = part
        position += len(part)
        if position >= count:
            break
    return samples
