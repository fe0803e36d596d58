"""Draw mouths on many frames at once: lips, teeth, tongue and the gap between the lips."""

from __future__ import annotations

import numpy as np

from avforensics.synthetic.identity import Appearance, Habits

GAP = 0.26  # gap between the lips of a wide-open mouth; 1 = half a frame side
UPPER_SHARE = 0.2  # share of the gap by which the upper lip rises


def draw_mouth(
    picture: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    lips: np.ndarray,
    appearance: Appearance,
    habits: Habits,
    pixel: float,
) -> None:
    """Paint mouths into a block of frames, in place.

    Parameters
    ----------
    picture : float32 array, (3, T, h, w), 0..255
    x, y : float32 array, (T, h, w)
        Position of each pixel relative to the mouth's centre; 1 = half a frame side.
    lips : float32 array, (T, 3)
        Opening, spread, rounding.
    pixel : float
        Size of a pixel in the same unit, for soft edges.
    """
    opening, spread, rounding = (column[:, None, None] for column in lips.T)
    half = appearance.mouth_width * (1 + 0.17 * spread - 0.36 * rounding)
    s = x / half
    bow = np.clip(1 - s * s, 0, 1)
    y = y + appearance.smile * s * s + 0.010 * habits.skew * s
    gap = GAP * opening
    profile = np.sqrt(bow) * (0.45 + 0.55 * bow)
    upper = -UPPER_SHARE * gap * profile
    lower = (1 - UPPER_SHARE) * gap * profile
    thick = appearance.lip_height * (1 + 0.35 * rounding - 0.12 * spread - 0.15 * opening)
    cupid = 1 - 0.28 * np.exp(-((x / 0.035) ** 2))
    taper = np.sqrt(bow)
    over = upper - thick * cupid * taper
    under = lower + 1.2 * thick * taper

    def edge(distance: np.ndarray) -> np.ndarray:
        return np.clip(distance / (1.3 * pixel) + 0.5, 0, 1)

    within = edge(half - np.abs(x))
    lip_cover = within * edge(y - over) * edge(under - y)
    hole = within * edge(y - upper) * edge(lower - y) * np.clip(gap / (1.5 * pixel), 0, 1)
    lip = np.array(appearance.lip, np.float32)

    # Shadow below the lower lip, then the lips: the upper lip is darker, the lower lip glossy.
    shadow = np.exp(-(((y - under - 0.02) / 0.022) ** 2)) * taper
    _lay(picture, lip * 0.62, 0.30 * shadow)
    _lay(picture, lip * 0.86, 0.92 * lip_cover)
    bottom = lip_cover * (y > lower)
    _lay(picture, np.minimum(lip * 1.08 + 6, 255), 0.8 * bottom)
    shine = np.exp(-(((y - lower - 0.55 * thick) / (0.3 * thick)) ** 2) - (s / 0.5) ** 2)
    _lay(picture, np.minimum(lip * 1.25 + 40, 255), 0.45 * shine * bottom)
    seam = np.exp(-(((y - 0.5 * (upper + lower)) / 0.011) ** 2)) * within * bow**0.3
    _lay(picture, lip * 0.40, 0.75 * seam)

    _lay(picture, np.array([44, 14, 16], np.float32), hole)
    tongue = edge(y - lower + 0.42 * gap * bow) * np.clip(1.2 * bow - 0.2, 0, 1)
    _lay(picture, np.array([150, 72, 74], np.float32), 0.75 * hole * tongue)
    shows = np.clip(1 + 0.5 * spread - 0.9 * rounding, 0, 1.4)
    teeth = edge(upper + shows * np.minimum(0.055, 0.42 * gap) - y) * edge(0.80 * half - np.abs(x))
    _lay(picture, np.array([226, 220, 208], np.float32), 0.92 * hole * teeth)
    low = np.minimum(0.028, 0.16 * gap) * np.clip(spread, 0, 1)
    teeth = edge(y - lower + low) * edge(0.6 * half - np.abs(x))
    _lay(picture, np.array([206, 198, 186], np.float32), 0.8 * hole * teeth)
    corner = np.exp(-(((np.abs(x) - half) / 0.022) ** 2) - (y / 0.022) ** 2)
    _lay(picture, lip * 0.5, 0.45 * corner)


def _lay(picture: np.ndarray, colour: np.ndarray, cover: np.ndarray) -> None:
    for plane, value in zip(picture, colour, strict=True):
        plane += cover * (value - plane)
