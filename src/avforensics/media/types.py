"""What the media layer hands on: options, blocks of aligned picture and sound, and a report."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

FPS = 25
SAMPLE_RATE = 16_000
HOP = SAMPLE_RATE // FPS  # 640 samples of audio belong to one video frame


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
    video_stream, audio_stream : int
        Which stream, counted among the streams of that kind.
    """

    size: int = 224
    crop: tuple[float, float, float, float] | None = None
    video_stream: int = 0
    audio_stream: int = 0


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


@dataclass
class MediaReport:
    """What was found in a file; complete once its blocks have been read.

    Attributes
    ----------
    n_frames : int
        Frames at 25 fps that have sound: ``min(video_frames, audio_samples // 640)``.
    video_frames, audio_samples : int
        Length of each stream after conversion, before both are cut to ``n_frames``.
    fps : float
        Average frame rate of the source.
    width, height : int
        Upright size of the source picture in pixels.
    rotation : int
        Degrees by which the stored picture was turned to stand upright.
    duration : float
        Seconds handed on.
    skipped_packets : int
        Damaged packets left out.
    reader : str
        ``"pyav"`` or ``"decord"``.
    warnings : list of str
        Flags for a person, e.g. ``"audio shorter than video (2.00 s of 3.00 s)"``.
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
    video_codec: str = ""
    audio_codec: str = ""
    reader: str = "pyav"
    warnings: list[str] = field(default_factory=list)
