"""Face tracks, each of which follows a face over consecutive frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from avforensics.media.types import FPS

# Status of videos without faces, and of videos whose tracks are all too small, short or sparse.
NO_FACE, NO_USABLE_FACE = "no face", "no usable face"
RENAMED_STATUSES = {"no face of use": NO_USABLE_FACE}  # old -> new status
LANDMARKS = ("right eye", "left eye", "nose", "right mouth corner", "left mouth corner")


@dataclass(frozen=True)
class FaceTrack:
    """Smoothed position of a face in consecutive frames at 25 fps.

    Attributes
    ----------
    name : str
        Name that is unique in the video, in order of appearance: ``"1"``, ``"2"``...
    first_frame : int
        Number of the first frame in the whole video, at 25 fps.
    boxes : float32 array, (T, 4)
        ``left, top, right, bottom`` in pixels of the upright frame. Boxes may extend beyond the
        frame.
    landmarks : float32 array, (T, 5, 2)
        x and y in pixels, in the order of `LANDMARKS`; "right" is the person's right side.
    seen : bool array, (T,)
        True in frames in which the face was detected. In other frames, its position is
        interpolated.
    """

    name: str
    first_frame: int
    boxes: np.ndarray
    landmarks: np.ndarray
    seen: np.ndarray

    def __len__(self) -> int:
        return len(self.boxes)

    def part(self, begin: int, stop: int) -> FaceTrack:
        """Return frames ``begin .. stop - 1`` of the track, counted from its first frame."""
        return replace(
            self,
            first_frame=self.first_frame + begin,
            boxes=self.boxes[begin:stop],
            landmarks=self.landmarks[begin:stop],
            seen=self.seen[begin:stop],
        )

    @property
    def end_frame(self) -> int:
        """Number of the frame after the last frame of the track."""
        return self.first_frame + len(self)

    @property
    def start(self) -> float:
        """Start of the track in seconds from the beginning of the video."""
        return self.first_frame / FPS

    @property
    def end(self) -> float:
        """End of the track in seconds from the beginning of the video."""
        return self.end_frame / FPS


@dataclass(frozen=True)
class Faces:
    """All face tracks of a video, and the numbers of dropped tracks.

    Attributes
    ----------
    width, height : int
        Size of the upright frame in pixels.
    n_frames : int
        Number of frames at 25 fps, up to the end of the searched part.
    tracks : tuple of FaceTrack
        Tracks in the order of their first frames.
    dropped : mapping of str to int
        Reason -> number of dropped tracks, e.g. ``{"shorter than 1 s": 2}``.
    detector : str
        SHA-256 of the model file.
    cuts : tuple of int
        Number of the first frame of each shot, except the first shot.
    warnings : tuple of str
        Descriptions of damage found while reading, which may explain missing faces.
    skipped_packets : int
        Number of damaged video packets.
    """

    width: int
    height: int
    n_frames: int
    tracks: tuple[FaceTrack, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)
    detector: str = ""
    cuts: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()
    skipped_packets: int = 0

    @property
    def left_out(self) -> list[str]:
        """Description of the dropped tracks: a phrase for each reason."""
        return [
            f"{count} face track{'s' if count > 1 else ''} {reason}"
            for reason, count in sorted(self.dropped.items())
        ]
