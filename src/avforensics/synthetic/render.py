"""Render a talking head: all frames of a clip, in blocks that fit into the cache."""

from __future__ import annotations

import numpy as np

from avforensics.synthetic.face import MOUTH_Y, REACH, head_textures
from avforensics.synthetic.identity import Appearance, Habits
from avforensics.synthetic.mouth import GAP, UPPER_SHARE, draw_mouth
from avforensics.synthetic.scene import Scene, paint_room

BLOCK = 5  # frames per block
MOUTH_BOX = (0.14, 0.96, -0.50, 0.50)  # top, bottom, left, right: bounds of all mouths


def render(
    appearance: Appearance,
    habits: Habits,
    scene: Scene,
    lips: np.ndarray,
    jaw: np.ndarray,
    *,
    size: int = 112,
) -> np.ndarray:
    """Render a clip.

    Parameters
    ----------
    appearance, habits : Appearance, Habits
        Look and habits of the person; of the habits, only the mouth's asymmetry is used.
    lips : float32 array, (T, 3)
        Opening, spread and rounding in every frame.
    jaw : float32 array, (T,)
        Drop of the chin, in units of lip opening.
    size : int
        Side of the square frames, even.

    Returns
    -------
    uint8 array, (T, size, size, 3), RGB
    """
    n_frames = len(scene.light)
    heads = head_textures(appearance, size)
    room = paint_room(scene, appearance, size)
    rng = np.random.default_rng(scene.seed)
    noise = _noise_bank(rng, size) * scene.noise
    frames = np.empty((n_frames, size, size, 3), np.uint8)
    for first in range(0, n_frames, BLOCK):
        part = slice(first, min(first + BLOCK, n_frames))
        picture = _film(heads, room, appearance, habits, scene, lips, jaw, part, size)
        for index in range(picture.shape[1]):
            top, left = rng.integers(0, noise.shape[1] - size, 2)
            picture[:, index] += noise[:, top : top + size, left : left + size]
        np.clip(picture, 0, 255, out=picture)
        frames[part] = np.moveaxis(picture, 0, -1)
    return frames


def _film(heads, room, appearance, habits, scene, lips, jaw, part, size) -> np.ndarray:
    """Render a block of frames without noise: float32 array, (3, t, size, size)."""
    line = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    x, y = _face_coordinates(scene, part, line)
    u, v = _skin_coordinates(x, y, lips[part], jaw[part])
    rgba = _sample(heads, scene.lids[part], u, v).view(np.uint8).reshape(*u.shape, 4)
    picture = _shifted_rooms(room, scene.sway[part], size)
    picture *= 1 - rgba[..., 3] * np.float32(1 / 255)
    for channel, plane in enumerate(picture):
        plane += rgba[..., channel]

    top, bottom, left, right = (int((edge + 1) / 2 * size) for edge in MOUTH_BOX)
    box = (..., slice(top, bottom), slice(left, right))
    draw_mouth(picture[box], x[box], y[box] - MOUTH_Y, lips[part], appearance, habits, 2 / size)

    light = _column(scene.light[part]) + _column(scene.light_side[part]) * line
    for plane, warmth in zip(picture, scene.paints[3], strict=True):
        plane *= light * np.float32(warmth)
    return picture


def _column(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)[:, None, None]


def _face_coordinates(scene: Scene, part: slice, line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Map each pixel to its position on the face by inverting shift, roll, zoom and turn."""
    dx = line[None, None, :] - _column(scene.shift[part, 0])
    dy = line[None, :, None] - _column(scene.shift[part, 1])
    cos = _column(np.cos(scene.roll[part]) / scene.zoom[part])
    sin = _column(np.sin(scene.roll[part]) / scene.zoom[part])
    x, y = cos * dx + sin * dy, cos * dy - sin * dx
    # When a head turns, its centre moves most, since it is nearest to the camera.
    depth = np.clip(1 - 1.3 * x * x - 0.9 * y * y, 0, 1)
    return x - _column(scene.turn[part, 0]) * depth, y - _column(scene.turn[part, 1]) * depth


def _skin_coordinates(
    x: np.ndarray, y: np.ndarray, lips: np.ndarray, jaw: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Map each pixel to its skin's rest position by inverting jaw drop and cheek motion."""
    drop = np.clip((y - MOUTH_Y + 0.06) * (1 / 0.16), 0, 1)
    inner = np.clip(1.9 - 2.6 * np.abs(x), 0, 1)
    down = _column(jaw) * np.float32((1 - UPPER_SHARE) * GAP * 0.8)
    rows = np.exp(-(((y - MOUTH_Y + 0.02) * (1 / 0.19)) ** 2))
    pull = 0.10 * _column(lips[:, 1]) - 0.14 * _column(lips[:, 2])
    return x - pull * rows * x * inner, y - down * drop * inner


def _sample(heads: np.ndarray, lids: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Sample the nearest texture pixel; the texture is fine enough for nearest sampling."""
    side = heads.shape[1]
    scale, middle = side / (2 * REACH), side / 2
    columns = np.clip(u * scale + middle, 0, side - 1).astype(np.int32)
    rows = np.clip(v * scale + middle, 0, side - 1).astype(np.int32)
    rows += (lids * side).astype(np.int32)[:, None, None]
    return heads.reshape(-1).take(rows * side + columns)


def _shifted_rooms(room: np.ndarray, sway: np.ndarray, size: int) -> np.ndarray:
    """Return the room as a swaying camera sees it, with sub-pixel shifts: (3, t, size, size)."""
    slack = (room.shape[1] - size) / 2
    result = np.empty((3, len(sway), size, size), np.float32)
    for index, (dx, dy) in enumerate(sway * size / 2):
        left, top = (float(np.clip(slack - d, 0, 2 * slack - 1)) for d in (dx, dy))
        i, j = int(top), int(left)
        a, b = top - i, left - j
        wide = room[:, i : i + size + 1, j : j + size + 1]
        tall = wide[:, :-1] * (1 - a) + wide[:, 1:] * a
        result[:, index] = tall[..., :-1] * (1 - b) + tall[..., 1:] * b
    return result


def _noise_bank(rng: np.random.Generator, size: int) -> np.ndarray:
    """Make sensor noise to crop frames from, slightly correlated between pixels and colours."""
    white = rng.standard_normal((3, size + 97, size + 97), np.float32)
    white[1:] += 0.7 * white[0]
    white[..., 1:] += 0.5 * white[..., :-1]
    return white * 0.7
