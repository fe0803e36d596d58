"""Recipes that turn a face track into a moving square crop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from avforensics.errors import ConfigError
from avforensics.faces.track import LANDMARKS, FaceTrack
from avforensics.faces.tracking import smoothed, smoothing_reach
from avforensics.fields import check_choice, check_numbers
from avforensics.media.crop import MovingCrop
from avforensics.smoothing import running_rank

EYES = [LANDMARKS.index("right eye"), LANDMARKS.index("left eye")]
MOUTH = [LANDMARKS.index("right mouth corner"), LANDMARKS.index("left mouth corner")]
EYES_APART = 0.25  # minimum distance between the eyes, in face sizes (frontal face: about 0.4)
MOST_ROLL = 0.8  # radians; larger angles are mostly landmark errors
ANCHORS = ("box", "mouth")


@dataclass(frozen=True, kw_only=True)
class CropRecipe:
    """Recipe for a square that follows a face.

    The unit of length is the face size: the smoothed longer side of the face's box.

    Parameters
    ----------
    anchor : {"box", "mouth"}
        Reference point: centre of the box, or midpoint of the mouth corners.
    side : float
        Side of the square.
    down : float
        Distance of the square's centre below the anchor.
    median : int
        Length in frames (odd) of a median filter over centre and size; 1 = no filter.
    smooth : float
        Standard deviation (s) of a Gaussian over the centre.
    smooth_size : float
        Standard deviation (s) of a Gaussian over the size, which grows as the mouth opens.
    fill : int or None
        Pixel value (0..255) outside the frame; None repeats the edge pixels.
    roll : bool
        Whether to rotate the square with the head, parallel to the line through the eyes.
    smooth_roll : float
        Standard deviation (s) of a Gaussian over the angle.

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
        check_choice("anchor", self.anchor, ANCHORS, error=ValueError)
        check_numbers(
            self, side=20, down=10, median=1001, smooth=60, smooth_size=60, smooth_roll=60
        )
        if self.side <= 0:
            raise ValueError(f"side must be > 0, got {self.side}")
        for name in ("smooth", "smooth_size", "smooth_roll"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be >= 0, got {getattr(self, name)}")
        if self.fill is not None and not 0 <= self.fill <= 255:
            raise ValueError(f"fill must be within 0..255, got {self.fill}")
        if self.median < 1 or self.median % 2 == 0:
            raise ValueError(f"median must be an odd number of frames, got {self.median}")

    @property
    def reach(self) -> int:
        """Number of frames before and after a frame that affect its square."""
        filtered = self.median // 2 + smoothing_reach(max(self.smooth, self.smooth_size))
        return max(filtered, smoothing_reach(self.smooth_roll) if self.roll else 0)

    def squares(self, track: FaceTrack) -> np.ndarray:
        """Compute the square in each frame of a track.

        Returns
        -------
        float32 array, (T, 3), or (T, 4) with ``roll``
            x and y of the centre and the side, in pixels of the upright frame. With ``roll``, the
            fourth column is the clockwise angle in radians.
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
        """Create a crop for `avforensics.media.open_media` from the squares of a track."""
        return MovingCrop(self.squares(track), fill=self.fill)


def roll(track: FaceTrack) -> np.ndarray:
    """Compute the clockwise angle of the line through the eyes in radians, float64 (T, 1).

    In profile, the eyes are too close together for a reliable angle. The angle is therefore scaled
    down if the distance between the eyes is below `EYES_APART` face sizes.
    """
    right, left = (track.landmarks[:, eye].astype(np.float64) for eye in EYES)
    across, size = left - right, (track.boxes[:, 2:] - track.boxes[:, :2]).max(axis=1)
    angle = np.arctan2(across[:, 1], across[:, 0])
    trust = np.clip(np.hypot(*across.T) / (EYES_APART * np.maximum(size, 1)), 0, 1)
    return (np.clip(angle, -MOST_ROLL, MOST_ROLL) * trust)[:, None]


RECIPES = {
    # Crops of LRS2, LRS3, VoxCeleb2 and FakeAVCeleb. Side and centre were measured on one clip.
    "lrs": CropRecipe(side=1.41, down=0.21, median=13),
    # The published crop of raw videos: scale 0.40, median filter of 13 frames, grey padding.
    "syncnet": CropRecipe(side=1.40, down=0.20, median=13, fill=110),
    # For compact networks: from the chin to the nose, 66 pixels wide in GRID's 360x288 frames.
    "mouth": CropRecipe(anchor="mouth", side=0.46, down=0.03, smooth=0.2, smooth_size=1.0),
    # Like ``mouth``, but rotated with the head and slightly wider; used by `talkers`.
    "level_mouth": CropRecipe(
        anchor="mouth", side=0.5, down=0.03, smooth=0.2, smooth_size=1.0, roll=True
    ),
}


def name_of(recipe: CropRecipe) -> str | dict[str, Any]:
    """Return the name of a recipe in `RECIPES`, or its settings if it has no name."""
    names = (name for name, known in RECIPES.items() if known == recipe)
    return next(names, asdict(recipe))


def recipe_of(crop: str | Mapping[str, Any], *, setting: str = "crop") -> CropRecipe:
    """Create a recipe from a name in `RECIPES` or from settings.

    Raises
    ------
    ConfigError
        The recipe is unknown or its settings are invalid. The message begins with ``setting``.
    """
    if isinstance(crop, Mapping):
        known = {field.name for field in fields(CropRecipe)}
        if strange := [str(name) for name in crop if name not in known]:
            raise ConfigError(
                f"{setting} has no setting {', '.join(strange)}; it has {', '.join(sorted(known))}"
            )
        try:
            return CropRecipe(**crop)
        except ValueError as error:
            raise ConfigError(f"{setting}: {error}") from None
    if not isinstance(crop, str) or crop not in RECIPES:
        raise ConfigError(f"{setting} must be one of {', '.join(RECIPES)}, got {crop!r}")
    return RECIPES[crop]
