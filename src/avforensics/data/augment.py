"""Image augmentation for training, the same for all frames of an item; the paper uses none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from avforensics.media.perturbations import video_compression

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Random changes to frames.

    Parameters
    ----------
    flip : float
        Probability of a horizontal flip.
    crop : float
        Largest fraction of each side that a random crop removes before frames are resized back.
        Both sides lose the same fraction, which keeps the aspect ratio.
    colour : float
        Largest relative change of brightness, contrast and saturation, drawn independently.
    scale : pair of float
        Smallest and largest magnification about the centre; edge pixels are repeated.
    shift : float
        Largest shift in either direction, as a fraction of the side.
    roll : float
        Standard deviation in degrees of a rotation about the centre.
    grey : float
        Probability of grey images.
    blur : float
        Probability of blurring by scaling down to 0.35..0.8 of the side and back up.
    noise : float
        Probability of Gaussian noise of 2 to 12 grey levels, different in each frame.
    h264 : float
        Probability of compression with H.264 at a CRF of 24 to 40.

    Raises
    ------
    ValueError
        A number is outside 0..1 (``crop``, ``colour``, ``shift``: outside [0, 1)), or ``scale`` or
        ``roll`` is out of range.
    """

    flip: float = 0.0
    crop: float = 0.0
    colour: float = 0.0
    scale: Sequence[float] = (1.0, 1.0)
    shift: float = 0.0
    roll: float = 0.0
    grey: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    h264: float = 0.0

    def __post_init__(self) -> None:
        for name in ("flip", "grey", "blur", "noise", "h264"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be a probability, got {getattr(self, name)}")
        for name in ("crop", "colour", "shift"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be within [0, 1), got {getattr(self, name)}")
        if len(self.scale) != 2 or not 0.1 <= self.scale[0] <= self.scale[1] <= 10:
            raise ValueError(f"scale must be a range (low, high) within 0.1..10, got {self.scale}")
        if not 0 <= self.roll <= 90:
            raise ValueError(f"roll must be within 0..90 degrees, got {self.roll}")

    def __call__(self, frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw the changes once and apply them to all frames.

        Parameters
        ----------
        frames : uint8 array, (..., H, W, 3), RGB
        rng : Generator
            The number of draws does not depend on the settings, so switching one change on or off
            does not affect the others.

        Returns
        -------
        uint8 array of the same shape
        """
        flip, shrink, left, top = rng.random(4)
        gains = 1 + self.colour * rng.uniform(-1, 1, 3)
        scale, x, y, grey, blur, small, noise, h264, crf = rng.random(9)
        turn, seed = rng.standard_normal(), rng.integers(2**32)
        if self.crop:
            frames = self._crop(frames, shrink, left, top)
        if self.shift or self.roll or tuple(self.scale) != (1, 1):
            low, high = self.scale
            frames = _moved(
                frames,
                scale=low + scale * (high - low),
                degrees=self.roll * turn,
                shift=[self.shift * (2 * part - 1) for part in (x, y)],
            )
        if flip < self.flip:
            frames = frames[..., ::-1, :]
        if blur < self.blur:
            frames = _blurred(frames, 0.35 + 0.45 * small)
        if self.colour:
            frames = _recolour(frames, *gains)
        if grey < self.grey:
            frames = _recolour(frames, 1.0, 1.0, 0.0)
        if noise < self.noise:
            frames = _noisy(frames, np.random.default_rng(seed))
        if h264 < self.h264:
            frames = _compressed(frames, 24 + round(16 * crf))
        return np.ascontiguousarray(frames)

    def _crop(self, frames: np.ndarray, shrink: float, left: float, top: float) -> np.ndarray:
        height, width = frames.shape[-3:-1]
        part = 1 - self.crop * shrink
        h, w = max(1, round(height * part)), max(1, round(width * part))
        y, x = int(top * (height - h + 1)), int(left * (width - w + 1))
        return resize(frames[..., y : y + h, x : x + w, :], (height, width))


def resize(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize with an antialiased bicubic filter (method Sec. 1).

    Parameters
    ----------
    frames : uint8 array, (..., H, W, 3)
    size : tuple of int
        Target height and width.

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
    """Apply one affine map to RGB: saturation around luma, then contrast around mid grey."""
    mix = saturation * np.eye(3, dtype=np.float32) + (1 - saturation) * LUMA[:, None]
    matrix = (brightness * contrast * mix).astype(np.float32)
    offset = np.float32(127.5 * (1 - contrast) * brightness)
    changed = frames.reshape(-1, 3).astype(np.float32) @ matrix + offset
    return np.clip(changed + 0.5, 0, 255).astype(np.uint8).reshape(frames.shape)


def _moved(
    frames: np.ndarray, *, scale: float, degrees: float, shift: Sequence[float]
) -> np.ndarray:
    """Magnify about the centre, rotate and shift; edge pixels are repeated."""
    height, width = frames.shape[-3:-1]
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    offset = -2 * turn @ np.asarray(shift)  # grid_sample's coordinates run from -1 to 1
    matrix = torch.from_numpy(np.column_stack([turn, offset]).astype(np.float32))[None]
    grid = F.affine_grid(matrix, [1, 1, height, width], align_corners=False)
    flat = np.ascontiguousarray(frames).reshape(-1, height, width, 3)
    planes = torch.from_numpy(flat).permute(0, 3, 1, 2).reshape(1, -1, height, width)
    moved = F.grid_sample(planes.float(), grid, padding_mode="border", align_corners=False)
    moved = moved.round_().to(torch.uint8).reshape(-1, 3, height, width).permute(0, 2, 3, 1)
    return moved.numpy().reshape(frames.shape)


def _blurred(frames: np.ndarray, part: float) -> np.ndarray:
    height, width = frames.shape[-3:-1]
    small = resize(frames, (max(1, round(part * height)), max(1, round(part * width))))
    return resize(small, (height, width))


def _noisy(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    deviation = np.float32(rng.uniform(2, 12))
    noise = rng.standard_normal(frames.shape[:-1], dtype=np.float32)[..., None] * deviation
    return np.clip(frames + noise + 0.5, 0, 255).astype(np.uint8)


def _compressed(frames: np.ndarray, crf: int) -> np.ndarray:
    """Encode and decode with x264 in memory; all frames form one sequence."""
    flat = frames.reshape(-1, *frames.shape[-3:])
    return np.stack([*video_compression(flat, crf, preset="veryfast")]).reshape(frames.shape)
