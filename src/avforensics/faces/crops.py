"""Recipes that turn a face track into a moving square."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from avforensics.errors import ConfigError
from avforensics.faces.track import LANDMARKS, FaceTrack
from avforensics.faces.tracking import smoothed
from avforensics.fields import check_numbers
from avforensics.media.crop import MovingCrop
from avforensics.smoothing import running_rank

EYES = [LANDMARKS.index("right eye"), LANDMARKS.index("left eye")]
MOUTH = [LANDMARKS.index("right mouth corner"), LANDMARKS.index("left mouth corner")]
EYES_APART = 0.25  # of the face's size; seen from the front it is about 0.4
MOST_ROLL = 0.8  # radians; a larger angle is a mistake of the landmarks more often than a head
ANCHORS = ("box", "mouth")


@dataclass(frozen=True, kw_only=True)
class CropRecipe:
    """A square that follows a face.

    All lengths are in face sizes: the longer side of the box, smoothed.

    Parameters
    ----------
    anchor : {"box", "mouth"}
        Centre of the box, or the middle between the corners of the mouth.
    side : float
        Of the square.
    down : float
        How far its centre lies below the anchor.
    median : int
        Length in frames of a median filter over centre and size; odd, 1 = none.
    smooth : float
        Seconds; standard deviation of a Gaussian over the centre.
    smooth_size : float
        The same over the size; a mouth that opens lengthens the box.
    fill : int or None
        Level (0..255) of what lies beyond the picture; None repeats its edge.
    roll : bool
        Turn the square with the head: its upper side is parallel to the line through the eyes.
    smooth_roll : float
        Seconds; standard deviation of a Gaussian over the angle.

    Raises
    ------
    ValueError
        A value is invalid.
    """

    anchor: str = "box"
    side: float = 1.4
    down: float = 0.2
    median: int = 1
    smooth: float = 0.0
    smooth_size: float = 0.0
    fill: int | None = None
    roll: bool = False
    smooth_roll: float = 0.4

    def __post_init__(self) -> None:
        if self.anchor not in ANCHORS:
            raise ValueError(f"anchor must be one of {', '.join(ANCHORS)}, not {self.anchor!r}")
        check_numbers(
            self, side=20, down=10, median=1001, smooth=60, smooth_size=60, smooth_roll=60
        )
        if self.side <= 0 or min(self.smooth, self.smooth_size, self.smooth_roll) < 0:
            raise ValueError(
                "side must be above 0, and smooth, smooth_size and smooth_roll at least 0"
            )
        if self.fill is not None and not 0 <= self.fill <= 255:
            raise ValueError(f"fill is a level of 0..255, not {self.fill}")
        if self.median < 1 or self.median % 2 == 0:
            raise ValueError(f"median must be an odd number of frames, not {self.median}")

    def squares(self, track: FaceTrack) -> np.ndarray:
        """Where the square lies in each frame of a track.

        Returns
        -------
        float32 array, (T, 3), or (T, 4) with ``roll``
            x and y of the centre, side; in pixels of the upright picture. Then the angle, in
            radians clockwise.
        """
        boxes = track.boxes.astype(np.float64)
        size = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
        if self.anchor == "box":
            centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        else:
            centre = track.landmarks[:, MOUTH].astype(np.float64).mean(axis=1)
        values = np.column_stack([centre, size])
        values = running_rank(values, self.median, self.median // 2, mode="nearest")
        values[:, :2] = smoothed(values[:, :2], self.smooth)
        values[:, 2] = smoothed(values[:, 2], self.smooth_size)
        down = self.down * values[:, 2]
        values[:, 2] *= self.side
        if not self.roll:
            values[:, 1] += down
            return values.astype(np.float32)
        angle = smoothed(roll(track), self.smooth_roll)
        values[:, 0] -= down * np.sin(angle[:, 0])
        values[:, 1] += down * np.cos(angle[:, 0])
        return np.hstack([values, angle]).astype(np.float32)

    def crop(self, track: FaceTrack) -> MovingCrop:
        """The same as what `avforensics.media.open_media` takes."""
        return MovingCrop(self.squares(track), fill=self.fill)


def roll(track: FaceTrack) -> np.ndarray:
    """Angle of the line through the eyes, in radians clockwise: float64 (T, 1).

    The eyes of a face in profile lie so close together that their line says little. The angle is
    scaled down as their distance falls below `EYES_APART` of the face's size.
    """
    right, left = (track.landmarks[:, eye].astype(np.float64) for eye in EYES)
    across, size = left - right, (track.boxes[:, 2:] - track.boxes[:, :2]).max(axis=1)
    angle = np.arctan2(across[:, 1], across[:, 0])
    trust = np.clip(np.hypot(*across.T) / (EYES_APART * np.maximum(size, 1)), 0, 1)
    return (np.clip(angle, -MOST_ROLL, MOST_ROLL) * trust)[:, None]


RECIPES = {
    # LRS2, LRS3, VoxCeleb2 and FakeAVCeleb are cut so; side and centre measured on a clip of them.
    "lrs": CropRecipe(side=1.41, down=0.21, median=13),
    # The published crop of raw videos: scale 0.40, median filter of 13 frames, grey outside.
    "syncnet": CropRecipe(side=1.40, down=0.20, median=13, fill=110),
    # What compact networks see: lips and chin up to the nose; 66 of 360x288 pixels on GRID.
    "mouth": CropRecipe(anchor="mouth", side=0.46, down=0.03, smooth=0.2, smooth_size=1.0),
    # The same, turned with the head and a little wider: what `talkers` sees.
    "level_mouth": CropRecipe(
        anchor="mouth", side=0.5, down=0.03, smooth=0.2, smooth_size=1.0, roll=True
    ),
}


def name_of(recipe: CropRecipe) -> str | dict[str, Any]:
    """A recipe by its name in `RECIPES`, or its settings where it has none."""
    names = (name for name, known in RECIPES.items() if known == recipe)
    return next(names, asdict(recipe))


def recipe_of(crop: str | Mapping[str, Any], *, setting: str = "crop") -> CropRecipe:
    """One of `RECIPES` by its name, or one of the user's own making by its settings.

    Raises
    ------
    ConfigError
        There is no such recipe, or its settings make no sense; ``setting`` is what the user wrote.
    """
    if isinstance(crop, Mapping):
        known = {field.name for field in fields(CropRecipe)}
        if strange := [str(name) for name in crop if name not in known]:
            raise ConfigError(
                f"{setting} has no {', '.join(strange)}, but {', '.join(sorted(known))}"
            )
        try:
            return CropRecipe(**crop)
        except ValueError as error:
            raise ConfigError(f"{setting}: {error}") from None
    if not isinstance(crop, str) or crop not in RECIPES:
        raise ConfigError(f"{setting} must be one of {', '.join(RECIPES)}, not {crop!r}")
    return RECIPES[crop]
