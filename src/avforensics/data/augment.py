"""Random changes of looks for training, alike for all frames of an item; all off = the paper."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601


@dataclass(frozen=True, kw_only=True)
class Augment:
    """What may change.

    Parameters
    ----------
    flip : float
        Probability of mirroring left and right.
    crop : float
        Largest part of each side that is cut away, at a random place; the rest is resized back.
        One scale for both sides, so that faces keep their proportions.
    colour : float
        Largest relative change of brightness, contrast and saturation, each drawn by itself.

    Raises
    ------
    ValueError
        A number is outside 0..1 (``crop`` and ``colour``: 0 up to but not including 1).
    """

    flip: float = 0.0
    crop: float = 0.0
    colour: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.flip <= 1:
            raise ValueError(f"flip is a probability, not {self.flip}")
        for name in ("crop", "colour"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"{name} must be at least 0 and below 1, not {getattr(self, name)}"
                )

    def __call__(self, frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw once and change all frames alike.

        Parameters
        ----------
        frames : uint8 array, (..., H, W, 3), RGB
        rng : Generator
            As much is drawn whatever is switched on, so that one change switched on or off leaves
            the others as they were.

        Returns
        -------
        uint8 array of the same shape
        """
        flip, shrink, left, top = rng.random(4)
        gains = 1 + self.colour * rng.uniform(-1, 1, 3)
        if self.crop:
            frames = self._crop(frames, shrink, left, top)
        if flip < self.flip:
            frames = frames[..., ::-1, :]
        if self.colour:
            frames = _recolour(frames, *gains)
        return np.ascontiguousarray(frames)

    def _crop(self, frames: np.ndarray, shrink: float, left: float, top: float) -> np.ndarray:
        height, width = frames.shape[-3:-1]
        part = 1 - self.crop * shrink
        h, w = max(1, round(height * part)), max(1, round(width * part))
        y, x = int(top * (height - h + 1)), int(left * (width - w + 1))
        return resize(frames[..., y : y + h, x : x + w, :], (height, width))


def resize(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize with the antialiased bicubic filter, as the method does with its input (Sec. 1).

    Parameters
    ----------
    frames : uint8 array, (..., H, W, 3)
    size : tuple of int
        Height and width wanted.

    Returns
    -------
    uint8 array, (..., height, width, 3)
    """
    if frames.shape[-3:-1] == tuple(size):
        return frames
    flat = np.ascontiguousarray(frames).reshape(-1, *frames.shape[-3:])
    planes = torch.from_numpy(flat).permute(0, 3, 1, 2)
    planes = F.interpolate(planes, size=tuple(size), mode="bicubic", antialias=True)
    return planes.permute(0, 2, 3, 1).numpy().reshape(*frames.shape[:-3], *size, 3)


def _recolour(
    frames: np.ndarray, brightness: float, contrast: float, saturation: float
) -> np.ndarray:
    """One affine map of RGB: saturation about the luma, then contrast about mid grey."""
    mix = saturation * np.eye(3, dtype=np.float32) + (1 - saturation) * LUMA[:, None]
    matrix = (brightness * contrast * mix).astype(np.float32)
    offset = np.float32(127.5 * (1 - contrast) * brightness)
    changed = frames.reshape(-1, 3).astype(np.float32) @ matrix + offset
    return np.clip(changed + 0.5, 0, 255).astype(np.uint8).reshape(frames.shape)
