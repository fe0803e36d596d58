"""Limits of an upload, and messages for uploads that exceed them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from avforensics.errors import ConfigError, MediaError
from avforensics.media.container import open_container
from avforensics.media.tracks import pick_stream
from avforensics.media.video import VideoReader


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits for each upload and for all uploads together.

    Parameters
    ----------
    max_megabytes : float
        Size of a file, in units of 1,000,000 bytes.
    max_minutes : float
        Length of a video in minutes.
    max_pixels : int
        Size of a video's first picture, width times height; see `most_pixels` for later pictures.
    timeout_minutes : float
        Time in minutes that scoring one video may take.
    max_waiting : int
        Number of videos that may wait while one is scored.
    keep_minutes : float
        Time in minutes for which a report, with up to a minute of its video, is kept. The upload is
        deleted as soon as it is scored.

    Raises
    ------
    ConfigError
        A limit is too low to allow any video.
    """

    max_megabytes: float = 500
    max_minutes: float = 20
    max_pixels: int = 10_000_000
    timeout_minutes: float = 60
    max_waiting: int = 8
    keep_minutes: float = 60

    def __post_init__(self) -> None:
        positive = ("max_megabytes", "max_minutes", "max_pixels", "timeout_minutes", "keep_minutes")
        for name in positive:
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.max_waiting < 0:
            raise ConfigError(f"max_waiting must be at least 0, got {self.max_waiting}")

    @property
    def most_pixels(self) -> int:
        """Maximum size of a decoded frame: twice ``max_pixels``, as decoders also count padding."""
        return 2 * self.max_pixels

    @property
    def max_bytes(self) -> int:
        return round(self.max_megabytes * 1e6)

    @property
    def max_bytes_of_all(self) -> int:
        """Maximum total size in bytes of the upload being scored and the waiting uploads."""
        return (self.max_waiting + 1) * self.max_bytes

    def __str__(self) -> str:
        return f"At most {self.max_megabytes:g} MB and {self.max_minutes:g} minutes."

    def check(self, video: Path) -> None:
        """Check an upload by its headers and by decoding one picture.

        Raises
        ------
        MediaError
            The file is too large or too long, is not a video, or has no picture or no sound. A
            video need not declare its length: see `check_seconds`.
        """
        size = video.stat().st_size
        if size > self.max_bytes:
            raise MediaError(
                video,
                f"the file is {size / 1e6:.1f} MB, but at most {self.max_megabytes:g} MB are "
                "allowed",
            )
        with open_container(video) as container:
            picture = pick_stream(container, "video").codec_context
            self._check_picture(video, picture.width * picture.height)
            pick_stream(container, "audio")
        with VideoReader(video) as reader:  # WebM may declare a different size from its VP8 stream
            self._check_picture(video, reader.width * reader.height)
            minutes = max(reader.length, reader.declared or 0) / 60
        if minutes > self.max_minutes:
            raise MediaError(
                video,
                f"the video lasts {minutes:.1f} minutes, but at most {self.max_minutes:g} are "
                "allowed",
            )

    def _check_picture(self, video: Path, pixels: int) -> None:
        if pixels > self.max_pixels:
            raise MediaError(
                video, f"a frame has {pixels:,} pixels, but at most {self.max_pixels:,} are allowed"
            )

    def check_seconds(self, video: Path, seconds: float) -> None:
        """Raise MediaError if the part of the video decoded so far is too long."""
        if seconds > 60 * self.max_minutes:
            raise MediaError(
                video, f"the video is longer than the {self.max_minutes:g} minutes allowed"
            )
