"""One face followed through consecutive frames: what finding faces hands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from avforensics.media.types import FPS

# Statuses of a video without faces, or with only too small, short or sparse ones.
NO_FACE, NO_USABLE_FACE = "no face", "no usable face"
RENAMED_STATUSES = {"no face of use": NO_USABLE_FACE}  # in files of version 0.1.0
LANDMARKS = ("right eye", "left eye", "nose", "right mouth corner", "left mouth corner")


@dataclass(frozen=True)
class FaceTrack:
    """A face in every frame of a stretch of the 25 fps video, smoothed.

    Attributes
    ----------
    name : str
        Unique in its video, in the order of appearance: ``"1"``, ``"2"``...
    first_frame : int
        Counted on the 25 fps clock of the whole video.
    boxes : float32 array, (T, 4)
        ``left, top, right, bottom`` in pixels of the upright picture; may reach beyond it.
    landmarks : float32 array, (T, 5, 2)
        x, y in the order of `LANDMARKS`; right and left are the person's own.
    seen : bool array, (T,)
        Where the detector has looked and found it; elsewhere interpolated.
    """

    name: str
    first_frame: int
    boxes: np.ndarray
    landmarks: np.ndarray
    seen: np.ndarray

    def __len__(self) -> int:
        return len(self.boxes)

    def part(self, begin: int, stop: int) -> FaceTrack:
        """Its frames ``begin .. stop - 1``, counted from its own first."""
        return replace(
            self,
            first_frame=self.first_frame + begin,
            boxes=self.boxes[begin:stop],
            landmarks=self.landmarks[begin:stop],
            seen=self.seen[begin:stop],
        )

    @property
    def end_frame(self) -> int:
        """The frame after its last one."""
        return self.first_frame + len(self)

    @property
    def start(self) -> float:
        """Seconds into the video."""
        return self.first_frame / FPS

    @property
    def end(self) -> float:
        """Seconds into the video."""
        return self.end_frame / FPS


@dataclass(frozen=True)
class Faces:
    """All tracks of a video, and what was left out.

    Attributes
    ----------
    width, height : int
        Of the upright picture, in pixels.
    n_frames : int
        Of the video at 25 fps; where only a part was searched, to the end of that part.
    tracks : tuple of FaceTrack
        In the order of their first frames.
    dropped : mapping of str to int
        Reason -> number of tracks that were left out for it, e.g. ``{"shorter than 1 s": 2}``.
    detector : str
        SHA-256 of the detector's file.
    cuts : tuple of int
        Frames at which another shot begins.
    warnings : tuple of str
        Damage met on the way: where there is no face, it may be why.
    """

    width: int
    height: int
    n_frames: int
    tracks: tuple[FaceTrack, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)
    detector: str = ""
    cuts: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()
