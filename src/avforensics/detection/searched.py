"""State of a video while its faces are found and scored."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from avforensics.applicability import MouthView
from avforensics.detection.live import LiveTrack
from avforensics.errors import AVForensicsError, MediaError
from avforensics.faces.crops import CropRecipe
from avforensics.faces.track import Faces
from avforensics.media.kept import KeptFrames
from avforensics.media.spool import SoundSpool
from avforensics.media.types import FPS, MediaOptions, MediaReport
from avforensics.scoring.result import VideoResult
from avforensics.scoring.source import Clip


@dataclass(eq=False)
class SearchedVideo:
    """State of a video from the search for faces to the outcome."""

    clip: Clip
    found: Faces | None = None
    error: str | None = None
    media: MediaReport | None = None
    clips: list[Clip] = field(default_factory=list)
    results: list[VideoResult] = field(default_factory=list)
    seconds: float = 0.0
    sound: SoundSpool | None = None
    kept: KeptFrames = field(default_factory=KeptFrames)
    live: bool = False  # faces are scored during the search

    @property
    def path(self) -> Path:
        """Path of the file."""
        return self.clip.path

    @property
    def complete(self) -> bool:
        """True if every face has a result."""
        return not self.live and len(self.results) == len(self.clips)

    def cut(self, recipe: CropRecipe, media: MediaOptions) -> None:
        """Create a clip for each face; several clips share audio that is decoded once."""
        tracks = self.found.tracks
        if len(tracks) > 1 and self.sound is None:
            self.open_sound(media)
        crops = [recipe.crop(track) for track in tracks]
        self.clips = [
            Clip(
                self.path,
                audio=self.clip.audio,
                start=track.start,
                duration=track.end - track.start,
                crop=crop,
                mouth=MouthView.of_track(track, crop),
                sound=self.sound,
                kept=self.kept,
            )
            for track, crop in zip(tracks, crops, strict=True)
        ]

    def open_sound(self, media: MediaOptions) -> None:
        """Create the audio spool that all faces share."""
        self.sound = SoundSpool(
            self.path,
            audio_path=self.clip.audio,
            video_stream=media.video_stream,
            audio_stream=media.audio_stream,
        )

    def clip_of(self, face: LiveTrack) -> Clip:
        """Create the clip of a face that is tracked during the search."""
        return Clip(
            self.path,
            audio=self.clip.audio,
            start=face.first_frame / FPS,
            mouth=face.mouth,
            sound=self.sound,
            pictures=face,
        )

    def close(self) -> None:
        """Release the frames and the temporary audio file."""
        self.kept.release()
        if self.sound is not None:
            self.sound.close()


@contextmanager
def noted(video: SearchedVideo) -> Iterator[None]:
    """Record the time taken and any error, so that a single file does not end a batch."""
    started = time.perf_counter()
    try:
        yield
    except MediaError as error:
        video.error = error.reason
    except AVForensicsError:
        raise
    except Exception as error:
        video.error = f"looking for faces failed: {type(error).__name__}: {error}"
    finally:
        video.seconds += time.perf_counter() - started


def clips_of(videos: Iterator[SearchedVideo], waiting: deque[SearchedVideo]) -> Iterator[Clip]:
    """Yield the clips of the waiting video and of the next videos, up to a video without a face.

    A video without a face is already finished; continuing would delay its outcome until the next
    face is found.

    Parameters
    ----------
    videos : iterator of SearchedVideo
        The next videos.
    waiting : deque of SearchedVideo
        Queue that holds the first video. The next videos are appended.
    """
    video = waiting[0]
    while video is not None and video.clips:
        yield from video.clips
        if (video := next(videos, None)) is not None:
            waiting.append(video)
