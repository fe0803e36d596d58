"""Synthetic people: appearance, voice and speaking habits, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avforensics.synthetic.speech import Voice

Colour = tuple[float, float, float]

SKINS = [  # light to dark, sRGB
    (246, 215, 196), (236, 196, 170), (224, 178, 145), (205, 154, 118), (180, 126, 92),
    (150, 100, 70), (118, 78, 54), (92, 60, 42),
]  # fmt: skip
HAIRS = [
    (28, 22, 20), (48, 34, 26), (78, 52, 34), (112, 74, 44), (158, 112, 62), (202, 164, 104),
    (140, 66, 34), (120, 118, 116), (196, 192, 188),
]  # fmt: skip
IRISES = [(70, 46, 30), (100, 70, 40), (70, 96, 70), (70, 104, 136), (96, 110, 118)]
OFFSET_ODDS = (0.04, 0.12, 0.68, 0.12, 0.04)  # of offsets of -2 .. 2 frames; most are 0
HAIR_STYLES = ("short", "parted", "long", "bob", "curly", "bun", "receding", "bald")


@dataclass(frozen=True)
class Appearance:
    """The look of a face. Lengths are in units of half a frame side; y points downwards."""

    # skin, lip, hair, iris: sRGB, 0..255
    skin: Colour
    lip: Colour
    hair: Colour
    iris: Colour
    # half_width, chin, squareness: half the face's width, y of the chin, exponent of the jaw
    # outline
    half_width: float
    chin: float
    squareness: float
    style: str  # one of ``HAIR_STYLES``
    eye_gap: float
    eye_size: float
    brow_weight: float
    brow_tilt: float
    nose_width: float
    nose_length: float
    # mouth_width, lip_height: half the width of the resting mouth; thickness of a lip
    mouth_width: float
    lip_height: float
    smile: float  # how far the corners of the mouth are lifted
    # beard, moustache, freckles: strength, 0 (none) to 1
    beard: float
    moustache: float
    freckles: float
    glasses: bool

    @classmethod
    def sample(cls, rng: np.random.Generator, *, man: bool) -> Appearance:
        """Sample a look; beards and short hair are likelier for men, full lips for women."""
        tone = rng.uniform(0, len(SKINS) - 1)
        below = int(tone)
        after = min(below + 1, len(SKINS) - 1)
        skin = _mix(SKINS[below], SKINS[after], tone - below)
        lip = _mix(skin, (170, 50, 62), rng.uniform(0.3, 0.5) + (0.0 if man else 0.15))
        darkest = 9 if tone < 4 else 3
        odds = [3, 3, 1, 0, 2, 0, 2, 1] if man else [1, 2, 4, 3, 2, 2, 0, 0]
        return cls(
            skin=_vary(rng, skin, 5),
            lip=_mix(lip, (110, 44, 48), 0.06 * tone),
            hair=_vary(rng, HAIRS[rng.integers(darkest)], 8),
            iris=IRISES[rng.integers(len(IRISES) if tone < 3 else 2)],
            half_width=float(rng.uniform(0.54, 0.64)),
            chin=float(rng.uniform(0.74, 0.84)),
            squareness=float(rng.uniform(1.9, 2.7) if man else rng.uniform(1.75, 2.2)),
            style=HAIR_STYLES[rng.choice(len(HAIR_STYLES), p=np.array(odds) / sum(odds))],
            eye_gap=float(rng.uniform(0.225, 0.275)),
            eye_size=float(rng.uniform(0.088, 0.112) + (0.0 if man else 0.008)),
            brow_weight=float(rng.uniform(0.020, 0.036) if man else rng.uniform(0.013, 0.024)),
            brow_tilt=float(rng.uniform(-0.16, 0.04)),
            nose_width=float(rng.uniform(0.085, 0.135)),
            nose_length=float(rng.uniform(0.26, 0.34)),
            mouth_width=float(rng.uniform(0.21, 0.27)),
            lip_height=float(rng.uniform(0.042, 0.062) + (0.0 if man else 0.010)),
            smile=float(rng.uniform(0.02, 0.065)),
            beard=float(max(0.0, rng.uniform(-0.8, 0.9))) if man else 0.0,
            moustache=float(max(0.0, rng.uniform(-1.2, 0.9))) if man else 0.0,
            freckles=float(max(0.0, rng.uniform(-1.0, 0.6))),
            glasses=bool(rng.random() < 0.2),
        )


@dataclass(frozen=True)
class Habits:
    """How a person's lips move in speech."""

    # opening, spread, rounding: factors on the lip targets
    opening: float
    spread: float
    rounding: float
    smoothing: float  # standard deviation (s) of the Gaussian that smooths the lip motion
    jaw: float  # movement of the chin relative to the lower lip, 0..1
    jaw_lag: float  # delay (s) of the chin after the lip
    rounding_lead: float  # lead (s) of lip rounding (coarticulation)
    skew: float  # asymmetry of the mouth, -1..1
    # constant offset in frames; positive = the matching audio comes later than the video
    offset: int

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Habits:
        """Sample habits."""
        return cls(
            opening=float(rng.uniform(0.75, 1.15)),
            spread=float(rng.uniform(0.6, 1.3)),
            rounding=float(rng.uniform(0.7, 1.15)),
            smoothing=float(rng.uniform(0.0, 0.014)),
            jaw=float(rng.uniform(0.55, 1.0)),
            jaw_lag=float(rng.uniform(0.0, 0.03)),
            rounding_lead=float(rng.uniform(0.0, 0.03)),
            skew=float(rng.uniform(-0.5, 0.5)),
            offset=int(rng.choice(5, p=OFFSET_ODDS)) - 2,
        )


@dataclass(frozen=True)
class Identity:
    """A person; ``man`` determines the folder in the data set and the ranges of look and pitch."""

    man: bool
    appearance: Appearance
    voice: Voice
    habits: Habits

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Identity:
        """Sample a person."""
        man = bool(rng.random() < 0.5)
        return cls(
            man=man,
            appearance=Appearance.sample(rng, man=man),
            voice=Voice.sample(rng, low=man),
            habits=Habits.sample(rng),
        )


def _mix(first: Colour, second: Colour, share: float) -> Colour:
    return tuple(float(a + share * (b - a)) for a, b in zip(first, second, strict=True))


def _vary(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    shift = rng.normal(0, spread) + rng.normal(0, spread / 3, 3)
    return tuple(float(np.clip(c + s, 8, 250)) for c, s in zip(colour, shift, strict=True))
