"""Measure the motion of the whole picture and of the mouth in the network's input frames."""

from __future__ import annotations

import numpy as np
from PIL import Image

from avforensics.applicability.mouth import MouthView
from avforensics.faces.shots import SLOWEST
from avforensics.media.types import FPS
from avforensics.smoothing import running_rank

SIDE = 48  # side in pixels of the reduced pictures in which motion is measured
STILL = 0.15  # mean change between frames, in levels, below which the picture is still
MOVES = 0.34  # minimum motion of a moving mouth, in pixels (of SIDE) per frame
OFTEN = 0.8  # quantile of the motion in the surrounding second that must reach MOVES
LIPS = 0.36, 0.24, -0.065  # half width, half height and vertical position of the lips in the square

_Y, _X = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE - 0.5
_INSIDE = (np.abs(_X) < LIPS[0]) & (np.abs(_Y - LIPS[2]) < LIPS[1])
_AROUND = ~_INSIDE


class PictureMeter:
    """Measure motion between frames, storing three numbers per frame.

    Parameters
    ----------
    mouth : MouthView, optional
        Position of the mouth; None = measure only whether the picture moves.
    """

    def __init__(self, mouth: MouthView | None = None) -> None:
        self._mouth = mouth
        self._n_frames = 0
        self._before: np.ndarray | None = None
        self._before_mouth: np.ndarray | None = None
        self._changes: list[np.ndarray] = []
        self._motion: list[np.ndarray] = []
        self._detail: list[np.ndarray] = []

    def add(self, frames: np.ndarray) -> None:
        """Add the next frames, uint8 RGB, (m, H, W, 3)."""
        grey = [Image.fromarray(frame).convert("L") for frame in frames]
        small = _joined(self._before, [_small(image) for image in grey])
        self._changes.append(np.abs(np.diff(small, axis=0)).mean(axis=(1, 2)))
        self._before = small[-1]
        if self._mouth is not None:
            first = self._n_frames
            cut = [self._cut(image, first + index) for index, image in enumerate(grey)]
            mouths = _joined(self._before_mouth, cut)
            motion, detail = mouth_motion(mouths)
            self._motion.append(motion)
            self._detail.append(detail)
            self._before_mouth = mouths[-1]
        self._n_frames += len(frames)

    def _cut(self, image: Image.Image, frame: int) -> np.ndarray:
        x, y, side = self._mouth.square(frame)
        width, height = image.size
        left, right = np.clip([(x - side / 2) * width, (x + side / 2) * width], 0, width)
        top, bottom = np.clip([(y - side / 2) * height, (y + side / 2) * height], 0, height)
        if right - left < 1 or bottom - top < 1:  # the square lies outside the frame
            return np.zeros((SIDE, SIDE), np.float32)
        return _small(image, (left, top, right, bottom))

    @property
    def still(self) -> float | None:
        """Share of frames without a change for `SLOWEST` frames; None for a single frame."""
        changes = _all(self._changes)
        if not len(changes):
            return None
        clock = np.arange(len(changes))
        moved = np.maximum.accumulate(np.where(changes > STILL, clock, -len(changes) - SLOWEST))
        return float((clock - moved >= SLOWEST).mean())

    @property
    def moves(self) -> np.ndarray | None:
        """Flags, bool (frames - 1,): True if the mouth moves in the second around a frame."""
        motion = _all(self._motion)
        if not len(motion):
            return None
        return running_rank(motion, FPS, int(OFTEN * FPS), mode="nearest") >= MOVES

    @property
    def detail(self) -> float | None:
        """Median detail of the lips relative to the skin around them; None without a mouth."""
        detail = _all(self._detail)
        return float(np.median(detail)) if len(detail) else None


def mouth_motion(mouths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measure how much the lips change shape and how detailed they are.

    A shift, a change of scale and a change of light are fitted to the lips and subtracted, so that
    motion of the head, or of a hand in front of the mouth, does not count. The residual is divided
    by the mean gradient, which yields a length in pixels.

    Parameters
    ----------
    mouths : float32 array, (m, SIDE, SIDE)
        The mouth's square in successive frames, levels 0..255.

    Returns
    -------
    motion : float32 array, (m - 1,)
        Motion in pixels per frame.
    detail : float32 array, (m - 1,)
        Mean gradient of the lips relative to the skin around them.
    """
    step, mean = np.diff(mouths, axis=0), (mouths[1:] + mouths[:-1]) / 2
    down, right = np.gradient(mean, axis=(1, 2))
    one = np.ones_like(mean)
    terms = np.stack([right, down, one, right * _X + down * _Y, mean / 128], -1).astype(np.float32)
    terms, step = terms[:, _INSIDE], step[:, _INSIDE]  # (m - 1, pixels, 5), (m - 1, pixels)
    across = np.swapaxes(terms, 1, 2)
    square = across @ terms + 1e-3 * np.eye(5, dtype=np.float32)
    fitted = np.linalg.solve(square, across @ step[..., None])  # (m - 1, 5, 1)
    left = np.abs(step - (terms @ fitted)[..., 0]).mean(axis=1)
    gradient = np.hypot(right, down)
    lips, skin = gradient[:, _INSIDE].mean(axis=1), gradient[:, _AROUND].mean(axis=1)
    return left / np.maximum(lips, 1e-3), lips / np.maximum(skin, 1e-3)


def _small(image: Image.Image, box: tuple[float, ...] | None = None) -> np.ndarray:
    resized = image.resize((SIDE, SIDE), Image.Resampling.BOX, box=box)
    return np.asarray(resized, np.float32)


def _joined(before: np.ndarray | None, pictures: list[np.ndarray]) -> np.ndarray:
    return np.stack(pictures if before is None else [before, *pictures])


def _all(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.float32), *parts])
