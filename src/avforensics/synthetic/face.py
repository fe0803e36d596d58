"""Paint a head: skin, features and hair, once for each position of the eyelids."""

from __future__ import annotations

from copy import deepcopy
from functools import lru_cache

import numpy as np
from PIL import Image

from avforensics.synthetic.identity import Appearance
from avforensics.synthetic.paint import Canvas

REACH = 1.3  # the head's canvas covers -1.3 .. 1.3; 1 = half a frame side
LIDS = (1.0, 0.55, 0.1)  # eye opening of each painted head
EYE_Y = -0.13
MOUTH_Y = 0.45
TOP_Y = -0.80
FINE = 2  # texture pixels per painted pixel, for sub-pixel motion


@lru_cache(maxsize=3)
def head_textures(appearance: Appearance, size: int) -> np.ndarray:
    """Paint a head without its mouth.

    Parameters
    ----------
    size : int
        Side of the frames in pixels.

    Returns
    -------
    uint32 array, (3, side, side)
        Premultiplied RGBA packed in four bytes, one image for each entry of ``LIDS``. With
        packing, sampling a pixel takes one read.
    """
    side = round(1.5 * REACH * size)
    head = Canvas(side, REACH)
    grain = np.random.default_rng(12345).standard_normal((side, side)).astype(np.float32)
    _back_hair(head, appearance, grain)
    _skin(head, appearance, grain)
    for sign in (-1, 1):
        _brow(head, appearance, sign, grain)
    over = Canvas(side, REACH)
    _front_hair(head, over, appearance, grain)
    if appearance.glasses:
        _glasses(over, appearance)
    textures = []
    for lid in LIDS:
        canvas = deepcopy(head)
        for sign in (-1, 1):
            _eye(canvas, appearance, sign, lid)
        canvas.lay(over)
        textures.append(_pack(canvas))
    return np.stack(textures)


def _pack(canvas: Canvas) -> np.ndarray:
    rgba = np.concatenate([canvas.colour, 255 * canvas.alpha[None]])
    planes = np.clip(rgba + 0.5, 0, 255).astype(np.uint8)
    # CMYK, since Pillow would divide RGBA colours by alpha while resizing.
    image = Image.frombytes("CMYK", canvas.alpha.shape, planes.transpose(1, 2, 0).tobytes())
    side = canvas.alpha.shape[0] * FINE
    fine = np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))
    return np.ascontiguousarray(fine).view(np.uint32)[..., 0]


def face_distance(canvas: Canvas, appearance: Appearance) -> np.ndarray:
    """Return the distance to the outline of the face, a round skull over a jaw."""
    u = np.abs(canvas.x) / appearance.half_width
    v = canvas.y / np.where(canvas.y < 0, TOP_Y, appearance.chin)
    p = np.where(canvas.y < 0, 2.3, appearance.squareness).astype(np.float32)
    return (1 - (u**p + v**p) ** (1 / p)) * appearance.half_width


def _skin(c: Canvas, appearance: Appearance, grain: np.ndarray) -> None:
    x, y, skin = c.x, c.y, np.array(appearance.skin)
    for sign in (-1, 1):
        ear = c.oval(sign * (appearance.half_width + 0.01), -0.02, 0.075, 0.16)
        c.fill(skin * 0.9, ear)
        c.shade(1 - 0.3 * c.glow(sign * (appearance.half_width + 0.015), -0.02, 0.03, 0.08) * ear)
    distance = face_distance(c, appearance)
    face = c.inside(distance)
    c.fill(skin, face)
    # Roundness: the sides are darker and warmer.
    edge = np.clip(1 - distance / appearance.half_width, 0, 1)
    c.tint(skin * np.array([0.72, 0.62, 0.58]), 0.75 * face * edge**3.2)
    c.tint(np.minimum(skin * 1.10 + 8, 255), 0.55 * c.glow(0, -0.45, 0.26, 0.16))
    c.tint(skin * [0.92, 0.86, 0.85], 0.35 * face * c.glow(0, appearance.chin, 0.35, 0.12))
    c.tint(np.minimum(skin * 1.06 + 5, 255), 0.5 * c.glow(0, appearance.chin - 0.11, 0.09, 0.05))
    for sign in (-1, 1):
        blush = np.array([skin[0] * 1.0, skin[1] * 0.78, skin[2] * 0.74])
        c.tint(blush, 0.55 * c.glow(sign * 0.33, 0.20, 0.13, 0.10))
        c.tint(np.minimum(skin * 1.10 + 6, 255), 0.45 * c.glow(sign * 0.31, 0.10, 0.10, 0.05))
        # Fold from the nose to the corner of the mouth.
        fold = np.abs(np.abs(x) - (0.155 + 0.28 * (y - 0.2))) / 0.022
        along = np.exp(-0.5 * ((y - 0.31) / 0.07) ** 2)
        c.tint(skin * [0.80, 0.70, 0.68], 0.22 * np.exp(-0.5 * fold**2) * along)
        # Eye socket.
        c.tint(
            skin * [0.78, 0.67, 0.66],
            0.5 * c.glow(sign * appearance.eye_gap, EYE_Y - 0.03, 0.11, 0.07),
        )
    _nose(c, appearance)
    c.tint(skin * [0.72, 0.62, 0.60], 0.35 * c.glow(0, MOUTH_Y + 0.145, 0.11, 0.025))
    c.tint(skin * [0.82, 0.72, 0.70], 0.30 * c.glow(0, MOUTH_Y - 0.105, 0.02, 0.03))
    if appearance.freckles > 0:
        spots = np.clip(_blur(grain, 1) * 3 - 1.6, 0, 1) * np.exp(-(((y - 0.1) / 0.15) ** 2))
        c.tint(skin * [0.75, 0.62, 0.55], appearance.freckles * spots * (np.abs(x) < 0.45) * face)
    _beard(c, appearance, grain, distance)
    c.shade(1 + 0.012 * _blur(grain, 1))


def _nose(c: Canvas, appearance: Appearance) -> None:
    skin, w = np.array(appearance.skin), appearance.nose_width
    tip = EYE_Y + appearance.nose_length
    c = c.part(-0.28, 0.28, EYE_Y - 0.35, tip + 0.14)
    c.tint(skin * [0.80, 0.70, 0.68], 0.45 * c.glow(0.055, (EYE_Y + tip) / 2, 0.022, 0.12))
    c.tint(skin * [0.88, 0.80, 0.78], 0.30 * c.glow(-0.055, (EYE_Y + tip) / 2, 0.022, 0.12))
    light = np.minimum(skin * 1.12 + 10, 255)
    c.tint(light, 0.60 * c.glow(0, (EYE_Y + tip) / 2 - 0.02, 0.022, 0.11))
    c.tint(skin * [0.86, 0.74, 0.71], 0.75 * c.oval(0, tip, w, 0.062, softness=0.06))
    c.tint(skin * [0.97, 0.90, 0.88], 0.85 * c.oval(0, tip - 0.012, w * 0.55, 0.055, softness=0.05))
    c.tint(light, 0.65 * c.glow(-0.008, tip - 0.025, 0.022, 0.018))
    c.tint(skin * [0.66, 0.55, 0.54], 0.55 * c.glow(0, tip + 0.058, w * 0.7, 0.016))
    for sign in (-1, 1):
        c.tint(
            skin * [0.38, 0.28, 0.28],
            0.9 * c.oval(sign * w * 0.48, tip + 0.036, 0.028, 0.014, softness=0.02),
        )
        c.tint(skin * [0.70, 0.58, 0.56], 0.5 * c.glow(sign * w * 1.02, tip + 0.005, 0.014, 0.03))


def _beard(c: Canvas, appearance: Appearance, grain: np.ndarray, distance: np.ndarray) -> None:
    x, y = c.x, c.y
    if appearance.beard > 0:
        line = 0.26 + 0.10 * np.exp(-((x / 0.3) ** 2)) - 0.45 * np.clip(np.abs(x) - 0.42, 0, 1)
        low = np.clip((y - line) / 0.10, 0, 1)
        around = 1 - np.exp(-(((x / 0.23) ** 2 + ((y - MOUTH_Y) / 0.10) ** 2) ** 2))
        cover = low * around * c.inside(distance + 0.01, 0.03)
        hair = np.array(appearance.hair) * 0.9
        c.tint(hair, cover * appearance.beard * (0.8 + 0.25 * _blur(grain, 1)))
    if appearance.moustache > 0:
        centre = MOUTH_Y - 0.115 + 0.35 * x**2 + 0.02 * np.abs(x)
        band = np.exp(-(((y - centre) / 0.036) ** 2)) * np.clip((0.25 - np.abs(x)) / 0.08, 0, 1)
        c.tint(appearance.hair, band * appearance.moustache * (1 + 0.3 * _blur(grain, 1)))


def _eye(c: Canvas, appearance: Appearance, sign: int, lid: float) -> None:
    middle, reach = sign * appearance.eye_gap, 1.6 * appearance.eye_size
    c = c.part(middle - reach, middle + reach, EYE_Y - reach, EYE_Y + reach)
    skin = np.array(appearance.skin)
    x = (c.x - middle) * sign  # positive towards the temple
    y = c.y - EYE_Y + 0.10 * x
    w = appearance.eye_size
    arch = np.clip(1 - (x / w) ** 2, 0, 1)
    upper = -0.52 * w * lid * arch**0.8 + 0.10 * w * (1 - lid)
    lower = 0.34 * w * arch
    open_eye = c.inside(np.minimum(y - upper, lower - y)) * (np.abs(x) < w)
    c.tint((238, 234, 230), open_eye)
    c.tint((196, 176, 170), 0.5 * open_eye * c.inside(upper + 0.03 - y, 0.03))
    radius = 0.43 * w
    iris = c.oval(middle, EYE_Y - 0.004, radius, radius) * open_eye
    c.tint(np.array(appearance.iris) * 0.55, iris)
    inner = c.oval(middle, EYE_Y - 0.002, radius * 0.8, radius * 0.8, softness=0.02)
    c.tint(appearance.iris, iris * inner)
    c.tint((14, 10, 10), c.oval(middle, EYE_Y - 0.004, radius * 0.45, radius * 0.45) * open_eye)
    spark = c.oval(middle - 0.014, EYE_Y - 0.020, 0.012, 0.012)
    c.tint((255, 255, 255), 0.95 * spark * open_eye)
    lash = np.exp(-(((y - upper) / 0.012) ** 2)) * (np.abs(x) < w * 1.04)
    c.tint((30, 20, 18), 0.85 * lash * arch**0.25)
    c.tint(skin * [0.68, 0.56, 0.54], 0.40 * np.exp(-(((y - lower) / 0.010) ** 2)) * arch**0.5)
    crease = -0.74 * w * arch**0.8
    c.tint(skin * [0.62, 0.50, 0.48], 0.5 * np.exp(-(((y - crease) / 0.012) ** 2)) * arch**0.5)


def _brow(c: Canvas, appearance: Appearance, sign: int, grain: np.ndarray) -> None:
    x = (c.x - sign * appearance.eye_gap) * sign
    w = 1.35 * appearance.eye_size
    t = np.clip((x / w + 1) / 2, 0, 1)  # 0 at the nose, 1 at the temple
    line = EYE_Y - 0.155 - appearance.brow_tilt * (t - 0.3) * 0.5 + 0.06 * (t - 0.55) ** 2
    thickness = appearance.brow_weight * (1.15 - 0.75 * t)
    cover = c.inside(thickness - np.abs(c.y - line), 0.018) * c.inside(w - np.abs(x), 0.03)
    c.tint(np.array(appearance.hair) * 0.8, cover * (0.85 + 0.15 * _blur(grain, 1)))


def _strands(c: Canvas, appearance: Appearance, grain: np.ndarray, *, curl: bool) -> np.ndarray:
    """Return hair colours with streaks (dots for curly hair) and a sheen."""
    texture = _blur(grain, 2) * 2.2 if curl else _blur(np.repeat(grain[:1], len(grain), 0), 1)
    if not curl:
        texture = 0.7 * texture + 0.5 * _blur(grain, 1)
    sheen = 0.20 * np.exp(-(((c.y + 0.62 + 0.2 * c.x) / 0.10) ** 2))
    return np.array(appearance.hair, np.float32)[:, None, None] * (0.92 + 0.16 * texture + sheen)


def _back_hair(c: Canvas, appearance: Appearance, grain: np.ndarray) -> None:
    w = appearance.half_width
    curl = appearance.style == "curly"
    shapes = {
        "long": [(0, -0.10, w + 0.15, 0.86, 2.4), (0, 0.6, w + 0.17, 0.8, 3.0)],
        "bob": [(0, -0.08, w + 0.17, 0.86, 2.6)],
        "curly": [(0, -0.30, w + 0.20, 0.72, 2.0)],
        "bun": [(0, -0.93, 0.24, 0.20, 2.0)],
    }
    for cx, cy, rx, ry, p in shapes.get(appearance.style, []):
        wave = 0.04 * _blur(grain, 5) if curl else 0
        cover = c.inside(c.oval_distance(cx, cy, rx, ry, p=p) + wave, 0.02)
        if appearance.style in ("long", "bob"):  # keep the throat free
            cover = cover * (1 - c.inside(0.30 - np.abs(c.x), 0.06) * (c.y > 0.3))
        c.fill(_strands(c, appearance, grain, curl=curl) * 0.72, cover)


def _front_hair(head: Canvas, c: Canvas, appearance: Appearance, grain: np.ndarray) -> None:
    """Paint hair over the face on ``c``, and its shadow on the face."""
    if appearance.style == "bald":
        shine = np.minimum(np.array(appearance.skin) * 1.15 + 14, 255)
        head.tint(shine, 0.5 * c.glow(-0.12, -0.66, 0.14, 0.05))
        return
    x, w = c.x, appearance.half_width
    curl = appearance.style == "curly"
    volume = {"short": 0.07, "parted": 0.10, "receding": 0.03}.get(appearance.style, 0.11)
    skull = c.oval_distance(0, -0.17, w + volume * 0.75, 0.66 + volume, p=2.2)
    side = np.abs(x) / w
    hairline = {
        "short": -0.52 + 0.05 * np.cos(9 * x),
        "parted": -0.60 + 0.22 * np.clip(x + 0.22, -0.2, 1) ** 1.0,
        "receding": -0.68 + 0.10 * np.cos(6.5 * x),
        "curly": -0.50 + 0.03 * np.cos(14 * x),
        "bob": -0.36 + 0.03 * np.cos(11 * x),
    }.get(appearance.style, -0.62 + 0.30 * np.abs(x) ** 1.5)
    reach_down = {"long": 0.75, "bob": 0.62, "bun": -0.05}.get(appearance.style, 0.02)
    temples = np.clip((side - 0.80) / 0.16, 0, 1) ** 1.5
    edge = hairline + (reach_down - hairline) * temples
    wave = 0.04 * _blur(grain, 5) if curl else 0.025 * _blur(grain, 2)
    cover = c.inside(edge + wave - c.y, 0.03) * c.inside(skull + (wave if curl else 0), 0.02)
    if appearance.style in ("long", "bob"):
        flank = c.inside(c.oval_distance(0, 0, w + 0.13, 0.95, p=2.6), 0.02)
        cover = np.maximum(cover, flank * c.inside(edge - c.y, 0.04) * (side > 0.8))
    shadow = c.inside(edge + 0.05 - c.y, 0.09) * (1 - cover)
    head.tint(np.array(appearance.skin) * [0.66, 0.55, 0.53], 0.4 * shadow)
    c.fill(_strands(c, appearance, grain, curl=curl), cover)


def _glasses(c: Canvas, appearance: Appearance) -> None:
    for sign in (-1, 1):
        lens = c.oval_distance(sign * appearance.eye_gap, EYE_Y + 0.015, 0.165, 0.125, p=3)
        c.fill((235, 242, 248), 0.10 * c.inside(lens))
        c.fill((30, 28, 32), 0.9 * c.inside(0.011 - np.abs(lens)))
        arm = c.inside(0.010 - np.abs(c.y - EYE_Y)) * (sign * c.x > appearance.eye_gap + 0.16)
        arm = arm * (sign * c.x < appearance.half_width)
        c.fill((30, 28, 32), 0.8 * arm)
    bridge = c.inside(0.010 - np.abs(c.y - EYE_Y + 0.01)) * (
        np.abs(c.x) < appearance.eye_gap - 0.155
    )
    c.fill((30, 28, 32), 0.9 * bridge)


def _blur(noise: np.ndarray, times: int) -> np.ndarray:
    """Average neighbours ``times`` times and restore a spread of about one half."""
    for _ in range(times):
        noise = noise + np.roll(noise, 1, 0)
        noise = noise + np.roll(noise, 1, 1)
    return noise * (0.5 / (noise.std() + 1e-6))
