"""Surroundings of a face in a clip: room, clothes, light, camera and head motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avforensics.synthetic.articulation import smooth
from avforensics.synthetic.identity import Appearance
from avforensics.synthetic.paint import Canvas

ROOMS = ("wall", "lights", "shelf", "window", "curtain")
ROOM_REACH = 1.12  # the room is larger than the frame because the camera sways


@dataclass(frozen=True)
class Scene:
    """A recording session; quantities that change are given per frame."""

    room: str  # one of ``ROOMS``
    # float (4, 3): two room colours, clothes colour, and light colour (a factor near 1)
    paints: np.ndarray
    # float (T,): light from the left (negative) or right: brightness per half frame side
    light_side: np.ndarray
    light: np.ndarray  # float (T,): brightness, near 1
    shift: np.ndarray  # float (T, 2): position of the head; 1 = half a frame side
    # float (T, 2): yaw and pitch as shifts of the face's centre; 1 = half a frame side
    turn: np.ndarray
    roll: np.ndarray  # float (T,): radians
    zoom: np.ndarray  # float (T,)
    sway: np.ndarray  # float (T, 2): camera sway; 1 = half a frame side
    lids: np.ndarray  # int (T,): index into ``face.LIDS``
    noise: float  # standard deviation of the sensor noise, in grey levels (0..255)
    seed: int  # seed of the room's details and the noise

    @classmethod
    def sample(cls, rng: np.random.Generator, n_frames: int) -> Scene:
        """Sample a session of ``n_frames``."""

        def drift(spread: float, columns: int = 0, pace: float = 9.0) -> np.ndarray:
            """Sample a slow random walk around a constant; both vary by about ``spread``."""
            shape = (n_frames + 60, columns or 1)
            walk = smooth(rng.standard_normal(shape).astype(np.float32), pace)[30:-30]
            walk *= spread * 1.9 * np.sqrt(pace)  # approximate effect of smoothing on the spread
            walk += 0.6 * spread * rng.standard_normal((1, columns or 1))
            return np.clip(walk if columns else walk[:, 0], -2.2 * spread, 2.2 * spread)

        warmth = rng.normal(0, 0.05)
        return cls(
            room=ROOMS[rng.integers(len(ROOMS))],
            paints=np.stack(
                [
                    _hue(rng, 0.45, 130),
                    _hue(rng, 0.5, 90),
                    _hue(rng, 0.7, 110),
                    np.array([1 + warmth, 1.0, 1 - warmth]),
                ]
            ),
            light_side=drift(0.08, pace=14),
            light=rng.uniform(0.86, 1.1) + drift(0.025, pace=14),
            shift=drift(0.035, 2),
            turn=drift(0.040, 2),
            roll=drift(0.040),
            zoom=rng.uniform(0.98, 1.10) + drift(0.012),
            sway=drift(0.012, 2, pace=5),
            lids=_blinks(rng, n_frames),
            noise=float(rng.uniform(1.0, 4.0)),
            seed=int(rng.integers(2**31)),
        )


def _hue(rng: np.random.Generator, saturation: float, brightness: float) -> np.ndarray:
    colour = rng.uniform(1 - saturation, 1, 3)
    return colour / colour.mean() * brightness * rng.uniform(0.6, 1.4)


def _blinks(rng: np.random.Generator, n_frames: int) -> np.ndarray:
    """Sample the eyelids: a blink of five frames every two to five seconds."""
    lids = np.zeros(n_frames, int)
    at = int(rng.integers(5, 90))
    while at < n_frames:
        blink = np.array([1, 2, 2, 1, 1])[: n_frames - at]
        lids[at : at + len(blink)] = blink
        at += int(rng.integers(50, 130))
    return lids


def paint_room(scene: Scene, appearance: Appearance, size: int) -> np.ndarray:
    """Paint the background: room, neck, shoulders.

    Returns
    -------
    float32 array, (3, side, side), 0..255, covering ``-ROOM_REACH .. ROOM_REACH``
    """
    c = Canvas(round(ROOM_REACH * size), ROOM_REACH)
    rng = np.random.default_rng(scene.seed)
    first, second, cloth, _ = scene.paints
    everywhere = np.ones_like(c.alpha)
    c.fill(first, everywhere)
    c.tint(second, np.clip(0.5 + 0.5 * (c.x * rng.uniform(-1, 1) + c.y), 0, 1))
    if scene.room == "lights":
        for _ in range(9):
            cx, cy, r = rng.uniform(-1.1, 1.1), rng.uniform(-1.1, 0.7), rng.uniform(0.06, 0.2)
            c.tint(_hue(rng, 0.6, 200).clip(0, 255), 0.5 * c.oval(cx, cy, r, r, softness=0.05))
    elif scene.room == "shelf":
        left = -1.2
        while left < 1.2:
            width = rng.uniform(0.05, 0.14)
            book = (c.x >= left) & (c.x < left + width) & (c.y > rng.uniform(-0.95, -0.8))
            c.tint(_hue(rng, 0.6, 100).clip(0, 255), 0.8 * book)
            left += width + 0.01
        c.tint((60, 42, 30), 1.0 * (np.abs((c.y + 1.02) % 0.9) < 0.05) * everywhere)
    elif scene.room == "window":
        cx = rng.choice([-0.85, 0.85])
        pane = c.oval(cx, -0.35, 0.42, 0.7, softness=0.08, p=6)
        c.tint((222, 232, 240), 0.9 * pane)
        c.tint(second * 0.6, 0.8 * pane * c.inside(0.02 - np.abs(c.x - cx), 0.02))
    elif scene.room == "curtain":
        c.shade(1 + 0.16 * np.sin(c.x * rng.uniform(14, 30) + np.sin(3 * c.y)) * everywhere)
    _shoulders(c, appearance, cloth, rng)
    return np.clip(c.colour, 0, 255)


def _shoulders(
    c: Canvas, appearance: Appearance, cloth: np.ndarray, rng: np.random.Generator
) -> None:
    skin = np.array(appearance.skin)
    c.fill(cloth, c.oval(0, 1.42, 1.15, 0.50, softness=0.02, p=2.6))
    c.tint(cloth * 0.7, 0.5 * c.glow(0.9, 1.15, 0.3, 0.3) + 0.5 * c.glow(-0.9, 1.15, 0.3, 0.3))
    neck = np.maximum(
        c.inside(0.33 - 0.06 * np.clip(c.y, 0, 1) - np.abs(c.x)) * (c.y > 0.3) * (c.y < 1.02),
        c.oval(0, 1.0, 0.27, 0.15),
    )
    c.fill(skin * [0.84, 0.77, 0.75], neck)
    c.tint(skin * [0.52, 0.42, 0.40], 0.7 * neck * np.exp(-(((c.y - 0.80) / 0.13) ** 2)))
    if rng.random() < 0.5:  # a collar
        for sign in (-1, 1):
            edge = np.abs(c.y - 0.98 - 0.35 * (0.28 - sign * c.x)) / 0.06
            c.fill(
                np.minimum(cloth * 1.25 + 20, 255),
                np.clip(1.5 - edge, 0, 1) * (sign * c.x > 0.05) * (sign * c.x < 0.36) * (c.y > 0.8),
            )
