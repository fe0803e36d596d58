"""Position and size of the mouth in the network's frames, and the turn of the head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from avforensics.faces.crops import EYES, MOUTH, RECIPES
from avforensics.faces.track import LANDMARKS, FaceTrack
from avforensics.media.crop import MovingCrop

NOSE = LANDMARKS.index("nose")
NOSE_LENGTH = 0.6  # length of a nose relative to the distance between the eyes
LEAST_COSINE = 0.3  # limits the correction of the mouth's width for faces in profile

# Position of the mouth in the crops of each recipe: x and y of the centre, and side of its square,
# relative to the crop. `lrs` was measured on 84 real clips (standard deviation of y 0.014).
PLACES = {
    "mouth": (0.5, 0.5, 1.0),
    "level_mouth": (0.5, 0.5, 0.92),
    "lrs": (0.5, 0.537, 0.326),
    "syncnet": (0.5, 0.537, 0.326),
}


@dataclass(frozen=True, eq=False)
class MouthView:
    """Position and size of the mouth in a clip, which are known before frames are read.

    Attributes
    ----------
    squares : float array, (T, 3)
        x and y of the centre and the side of the mouth's square (recipe ``mouth``), relative to the
        network's input frame. A single row applies to all frames.
    width : float array, (T,) or None
        Distance of the mouth corners in pixels of the file's frames, corrected for the head turn;
        None without landmarks.
    turn : float array, (T,) or None
        Head turn in degrees, estimated from eyes and nose.
    """

    squares: np.ndarray
    width: np.ndarray | None = None
    turn: np.ndarray | None = None

    @classmethod
    def of_track(cls, track: FaceTrack, crop: MovingCrop) -> MouthView:
        """Create the view for a face that is cropped along its track."""
        mouth = RECIPES["mouth"].squares(track).astype(np.float64)
        seen = np.asarray(crop.squares, np.float64)[: len(mouth)]
        side = seen[:, 2:3]
        away = mouth[: len(seen), :2] - seen[:, :2]
        if seen.shape[1] > 3:  # the crop rotates with the head
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
        """Create the view for clips that were cropped with a recipe; None if it is unknown."""
        known = isinstance(recipe, str) and recipe in PLACES
        return cls(np.array([PLACES[recipe]])) if known else None

    def square(self, frame: int) -> np.ndarray:
        """Return the mouth's square in a frame, (3,)."""
        return self.squares[min(frame, len(self.squares) - 1)]


def turn_of(landmarks: np.ndarray) -> np.ndarray:
    """Estimate how far the head is turned to the side.

    The nose is assumed to be 0.6 times as long as the distance between the eyes. Its tip then moves
    sideways by ``0.6 tan(turn)`` times the visible distance between the eyes.

    Parameters
    ----------
    landmarks : float array, (T, 5, 2)
        x and y in the order of `LANDMARKS`.

    Returns
    -------
    float64 array, (T,)
        Degrees, 0 to 90.
    """
    points = np.asarray(landmarks, np.float64)
    right, left = points[:, EYES[0]], points[:, EYES[1]]
    between = left - right
    squared = np.maximum(np.square(between).sum(axis=1), 1e-9)
    nose = points[:, NOSE] - (left + right) / 2
    aside = np.abs((nose * between).sum(axis=1)) / squared
    return np.degrees(np.arctan(aside / NOSE_LENGTH))
