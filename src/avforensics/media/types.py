"""What the media layer hands on: options, blocks of aligned picture and sound, and a report."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

FPS = 25
SAMPLE_RATE = 16_000
HOP = SAMPLE_RATE // FPS  # 640 samples of audio belong to one video frame
VIDEO_SUFFIXES = {".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg"}
VIDEO_SUFFIXES |= {".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv"}


@dataclass(frozen=True, kw_only=True)
class MediaOptions:
    """How a file is read.

    Parameters
    ----------
    size : int
        Side in pixels of the square frames handed on (bicubic, aspect ignored; method Sec. 1).
    crop : tuple of float, optional
        ``(left, top, right, bottom)`` in fractions of the upright frame, cut before resizing.
        None keeps the whole frame, as the published method does with its face crops.
    video_stream, audio_stream : int, optional
        Which stream, counted among the streams of that kind; None = the one that a player shows,
        see `avforensics.media.tracks.file_tracks`.
    """

    size: int = 224
    crop: tuple[float, float, float, float] | None = None
    video_stream: int | None = None
    audio_stream: int | None = None


@dataclass(frozen=True)
class Block:
    """Some frames and exactly the sound that belongs to them.

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
        Counted from 0 among the tracks of its kind, cover pictures left out.
    codec, language, title : str
        Empty where the file does not say.
    flags : tuple of str
        Dispositions of the file, e.g. ``("default", "comment")``.
    detail : str
        Size of the picture, or rate and channels of the sound.
    note : str
        Why it is not a candidate, e.g. ``"silent"`` or ``"a still picture"``.
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
    """A place where a file's time stamps restart, step back or jump.

    Attributes
    ----------
    time : float
        Seconds from the first frame, on the mended clock.
    jump : float
        Seconds by which the file's own clock jumps there; negative: it steps back.
    """

    time: float
    jump: float


@dataclass
class MediaReport:
    """What a file holds and what was done to it; complete once its blocks have been read.

    `avforensics.media.remarks` puts into words what a person should know of it.

    Attributes
    ----------
    n_frames : int
        Frames at 25 fps that have sound: ``min(video_frames, audio_samples // 640)``.
    video_frames, audio_samples : int
        Length of each stream after conversion, before both are cut to ``n_frames``.
    fps : float
        Average frame rate of the source.
    width, height : int
        Upright size of the source picture in stored pixels.
    rotation : int
        Degrees by which the stored picture was turned to stand upright.
    duration : float
        Seconds handed on.
    skipped_packets : int
        Damaged packets left out; ``skipped_audio`` of them hold sound.
    reader : str
        ``"pyav"`` or ``"decord"``.
    container : str
        FFmpeg's name of the format, e.g. ``"matroska,webm"``.
    tracks : tuple of Track
        All video and audio tracks.
    display_aspect : float or None
        Width over height at which a player shows the picture, where its pixels are not square.
    refused_aspect : str
        Pixel aspect that the file declares and that cannot be right, e.g. ``"1000:1"``.
    colour_transfer : str
        Transfer function of the picture, e.g. ``"arib-std-b67"``; empty where the file is silent.
    tone_map : str
        What was done to bring high-dynamic-range pictures to BT.709; empty: nothing.
    breaks : tuple of ClockBreak
        Where the clock restarts, steps back or jumps, which was mended.
    strays : int
        Packets of which the time stamp alone was wrong, which was mended.
    declared : float or None
        Seconds from the first frame to the end that the file declares.
    found : float
        Seconds from the first frame to the end of what the file holds.
    channels : str
        How the channels became mono, where they were not simply mixed.
    level : float or None
        Level of the loud parts of the sound in dB below full scale (dBFS, negative); None where
        it is digital silence.
    concealed, resized : int
        Damaged frames mended by the decoder; frames scaled to the size of the first.
    audio_start : float or None
        Seconds from the first frame handed on to the first sample of the file.
    not_finite : int
        Samples that were NaN or infinite.
    warnings : list of str
        What a person should know, e.g. ``"audio shorter than video (2.00 s of 3.00 s)"``.
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
    breaks: tuple[ClockBreak, ...] = ()
    strays: int = 0
    declared: float | None = None
    found: float = 0.0
    channels: str = ""
    level: float | None = None
    concealed: int = 0
    resized: int = 0
    audio_start: float | None = None
    not_finite: int = 0
    warnings: list[str] = field(default_factory=list)
