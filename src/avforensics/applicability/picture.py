"""What moves in the pictures that the network sees."""

from __future__ import annotations

import numpy as np
from PIL import Image

SIDE = 48  # pixels a side at which motion is measured
STILL = 0.15  # levels: mean change from frame to frame below which a picture stands still
SLOWEST = 5  # frames for which a slow video shows the same (5 a second)


class PictureMeter:
    """Change from frame to frame; memory grows by one number a frame."""

    def __init__(self) -> None:
        self._before: np.ndarray | None = None
        self._changes: list[np.ndarray] = []

    def see(self, frames: np.ndarray) -> None:
        """Take the next frames, uint8 RGB, (m, H, W, 3)."""
        small = np.stack([grey(frame) for frame in frames])
        if self._before is not None:
            small = np.concatenate([self._before[None], small])
        self._changes.append(np.abs(np.diff(small, axis=0)).mean(axis=(1, 2)))
        self._before = small[-1]

    @property
    def still(self) -> float | None:
        """Share of the time in which nothing changes for `SLOWEST` frames; None for one frame."""
        changes = np.concatenate([np.zeros(0, np.float32), *self._changes])
        if not len(changes):
            return None
        clock = np.arange(len(changes))
        moved = np.maximum.accumulate(np.where(changes > STILL, clock, -len(changes) - SLOWEST))
        return float((clock - moved >= SLOWEST).mean())


def grey(frame: np.ndarray) -> np.ndarray:
    """A picture, uint8 (H, W, 3), as float32 (SIDE, SIDE) levels of 0..255."""
    image = Image.fromarray(frame).convert("L")
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32)
