"""Where the mouth is in the pictures that the network sees, how large, how far turned away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from avforensics.faces.crops import MOUTH, RECIPES
from avforensics.faces.track import LANDMARKS, FaceTrack
from avforensics.media.crop import MovingCrop

EYES = [LANDMARKS.index("right eye"), LANDMARKS.index("left eye")]
NOSE = LANDMARKS.index("nose")
NOSE_LENGTH = 0.6  # how far the tip of a nose stands out, in distances between the eyes
LEAST_COSINE = 0.3  # a profile's mouth is not made wider than by this

# Where the mouth is in pictures cut by a recipe: x, y of the centre and side of its square, in
# fractions of the picture. `lrs` as measured on 84 real clips (deviation of y 0.014).
PLACES = {
    "mouth": (0.5, 0.5, 1.0),
    "level_mouth": (0.5, 0.5, 0.92),
    "lrs": (0.5, 0.537, 0.326),
    "syncnet": (0.5, 0.537, 0.326),
}


@dataclass(frozen=True, eq=False)
class MouthView:
    """What is known of a clip's mouth before its pictures are read.

    Attributes
    ----------
    squares : float array, (T, 3)
        x and y of the centre and the side of the square around the mouth that `RECIPES` calls
        ``mouth``, in fractions of the network's picture; one row stands for all frames.
    width : float array, (T,) or None
        Pixels of the file's picture from one corner of the mouth to the other, as if it was seen
        from the front; None without landmarks.
    turn : float array, (T,) or None
        Degrees by which the head is turned to the side, estimated from eyes and nose.
    """

    squares: np.ndarray
    width: np.ndarray | None = None
    turn: np.ndarray | None = None

    @classmethod
    def of_track(cls, track: FaceTrack, crop: MovingCrop) -> MouthView:
        """Of a face that is cut out along its track."""
        mouth = RECIPES["mouth"].squares(track).astype(np.float64)
        seen = np.asarray(crop.squares, np.float64)[: len(mouth)]
        side = seen[:, 2:3]
        away = mouth[: len(seen), :2] - seen[:, :2]
        if seen.shape[1] > 3:  # the crop is turned with the head
            cosine, sine = np.cos(seen[:, 3]), np.sin(seen[:, 3])
            x, y = away.T
            away = np.column_stack([cosine * x + sine * y, cosine * y - sine * x])
        centre = away / side + 0.5
        turn = turn_of(track.landmarks)
        corners = track.landmarks[:, MOUTH].astype(np.float64)
        width = np.hypot(*(corners[:, 1] - corners[:, 0]).T)
        width /= np.maximum(np.cos(np.radians(turn)), LEAST_COSINE)
        return cls(np.column_stack([centre, mouth[: len(seen), 2:] / side]), width, turn)

    @classmethod
    def of_recipe(cls, recipe: str | Mapping[str, Any] | None) -> MouthView | None:
        """Of clips that were cut by a recipe of that name; None where it is not known."""
        known = isinstance(recipe, str) and recipe in PLACES
        return cls(np.array([PLACES[recipe]])) if known else None

    def square(self, frame: int) -> np.ndarray:
        """The mouth's square in one frame, (3,)."""
        return self.squares[min(frame, len(self.squares) - 1)]


def turn_of(landmarks: np.ndarray) -> np.ndarray:
    """How far heads are turned to the side, in degrees, 0 to 90.

    A nose that stands out by 0.6 distances between the eyes moves by ``0.6 tan(turn)`` of the
    distance that is seen between them.

    Parameters
    ----------
    landmarks : float array, (T, 5, 2)
        In the order of `LANDMARKS`.

    Returns
    -------
    float64 array, (T,)
    """
    points = np.asarray(landmarks, np.float64)
    right, left = points[:, EYES[0]], points[:, EYES[1]]
    between = left - right
    squared = np.maximum(np.square(between).sum(axis=1), 1e-9)
    nose = points[:, NOSE] - (left + right) / 2
    aside = np.abs((nose * between).sum(axis=1)) / squared
    return np.degrees(np.arctan(aside / NOSE_LENGTH))
