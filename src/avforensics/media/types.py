"""Types of the media layer: options, blocks of aligned video and audio, reports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

FPS = 25
SAMPLE_RATE = 16_000
HOP = SAMPLE_RATE // FPS  # audio samples per video frame
VIDEO_SUFFIXES = {".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg"}
VIDEO_SUFFIXES |= {".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv"}
VIDEO_SUFFIXES |= {".3g2", ".divx", ".dv", ".f4v", ".m2t", ".mpe", ".nut", ".qt", ".rm", ".rmvb"}


@dataclass(frozen=True, kw_only=True)
class MediaOptions:
    """Options for reading a file.

    Parameters
    ----------
    size : int
        Side in pixels of the square frames (bicubic, aspect ignored; method Sec. 1).
    crop : tuple of float, optional
        ``(left, top, right, bottom)`` as fractions of the upright frame, cut before resizing.
        None keeps the whole frame, as the published method does with its face crops.
    video_stream, audio_stream : int, optional
        Index among the streams of that kind; None = the stream that a player plays, see
        `avforensics.media.tracks.file_tracks`.
    """

    size: int = 224
    crop: tuple[float, float, float, float] | None = None
    video_stream: int | None = None
    audio_stream: int | None = None


@dataclass(frozen=True)
class Block:
    """Consecutive frames and their audio.

    Attributes
    ----------
    frames : uint8 array, (m, size, size, 3), RGB
    audio : int16 array, (m * 640,), mono, 16 kHz
    """

    frames: np.ndarray
    audio: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Track:
    """A video or audio track of a file.

    Attributes
    ----------
    kind : {"video", "audio"}
    number : int
        Index among the tracks of its kind, cover images excluded.
    codec, language, title : str
        Names of the codec, language and track; empty if not declared.
    flags : tuple of str
        Dispositions of the track, e.g. ``("default", "comment")``.
    detail : str
        Frame size, or sample rate and channels.
    note : str
        Reason why the track has no content, e.g. ``"silent"`` or ``"a still picture"``; else empty.
    chosen : bool
        Whether this is the track that was read.
    """

    kind: str
    number: int
    codec: str = ""
    language: str = ""
    title: str = ""
    flags: tuple[str, ...] = ()
    detail: str = ""
    note: str = ""
    chosen: bool = False


@dataclass(frozen=True, kw_only=True)
class ClockBreak:
    """Point at which a file's time stamps restart, step back or jump.

    Attributes
    ----------
    time : float
        Seconds from the first frame, on the repaired clock.
    jump : float
        Seconds by which the file's clock jumps; negative if it steps back.
    """

    time: float
    jump: float


@dataclass
class MediaReport:
    """Properties of a file and how it was read; complete after all blocks have been read.

    `avforensics.media.remarks` turns the report into warnings.

    Attributes
    ----------
    n_frames : int
        Frames at 25 fps with audio: ``min(video_frames, audio_samples // 640)``.
    video_frames, audio_samples : int
        Number of frames and samples after conversion, before both are cut to ``n_frames``.
    fps : float
        Average frame rate of the source.
    width, height : int
        Upright frame size in stored pixels.
    rotation : int
        Degrees, counter-clockwise, by which stored frames are rotated to be upright.
    duration : float
        Length in seconds of the part that was read.
    skipped_packets : int
        Number of damaged packets that were skipped. ``skipped_audio`` of them are audio packets.
    video_codec, audio_codec : str
    reader : str
        ``"pyav"`` or ``"decord"``.
    container : str
        FFmpeg's name for the format, e.g. ``"matroska,webm"``.
    tracks : tuple of Track
        All video and audio tracks.
    display_aspect : float or None
        Width over height at which a player shows frames, if pixels are not square.
    refused_aspect : str
        Declared but implausible pixel aspect, e.g. ``"1000:1"``.
    colour_transfer : str
        Transfer function, e.g. ``"arib-std-b67"``; empty if not declared.
    tone_map : str
        How frames were converted to BT.709, or why a gamut tag was ignored; empty if neither.
    colour_warning : str
        Warning about high dynamic range or an ignored gamut tag; empty if neither.
    breaks : tuple of ClockBreak
        Repaired points at which the clock restarts, steps back or jumps.
    strays : int
        Number of short runs of packets whose damaged time stamps were repaired.
    joins : str
        Description of skipped foreign bytes before the file and of files that are joined to it
        byte by byte; empty if the file has neither.
    cut : str
        Description of what is missing at the end of the file; empty if it is complete.
    reordered : float
        Seconds by which frames may be shown early, if the file has no presentation times.
    disordered : int
        Number of frames left out because their time stamps step back.
    declared : float or None
        Declared length in seconds from the first frame.
    found : float
        Actual length in seconds from the first frame.
    channels : str
        How the channels were reduced to mono; empty for a plain mix.
    level : float or None
        Level of the loud parts of the audio in dBFS (negative); None = digital silence.
    concealed, resized : int
        Number of damaged frames that the decoder concealed, and of frames of another size or shape
        that were fitted to the first frame.
    audio_start : float or None
        Seconds from the first frame read to the first audio sample.
    not_finite : int
        Number of NaN or infinite samples that were replaced by zeros.
    warnings : list of str
        Warnings for the user, e.g. ``"audio (2.00 s) shorter than video (3.00 s)"``.
    """

    n_frames: int = 0
    video_frames: int = 0
    audio_samples: int = 0
    fps: float = 0.0
    width: int = 0
    height: int = 0
    rotation: int = 0
    duration: float = 0.0
    skipped_packets: int = 0
    skipped_audio: int = 0
    video_codec: str = ""
    audio_codec: str = ""
    reader: str = "pyav"
    container: str = ""
    tracks: tuple[Track, ...] = ()
    display_aspect: float | None = None
    refused_aspect: str = ""
    colour_transfer: str = ""
    tone_map: str = ""
    colour_warning: str = ""
    breaks: tuple[ClockBreak, ...] = ()
    strays: int = 0
    joins: str = ""
    cut: str = ""
    reordered: float = 0.0
    disordered: int = 0
    declared: float | None = None
    found: float = 0.0
    channels: str = ""
    level: float | None = None
    concealed: int = 0
    resized: int = 0
    audio_start: float | None = None
    not_finite: int = 0
    warnings: list[str] = field(default_factory=list)


class Pictures(Protocol):
    """Frames for the network, uint8 RGB (size, size, 3), that were cropped elsewhere."""

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the frames in order. Iterate only once."""

    def close(self) -> None:
        """Stop cropping, because no more frames are needed."""
