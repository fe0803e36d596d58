"""The phones of synthetic speech: lip shapes and vocal tract.

Formants are rounded textbook values of an adult voice. They only need to correlate with the lip
shapes as in speech (open jaw = high first formant = loud, rounded lips = low second formant).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phone:
    """A phone: lip targets, resonances, voice and noise."""

    # lip targets: opening 0 (closed) to 1, spread -1 (narrow) to 1 (smile), rounding 0 to 1
    opening: float
    spread: float
    rounding: float
    formants: tuple[float, float, float]  # first three resonances in Hz
    level: float = 0.0  # strength of the voice, 0 (none) to 1
    noise: float = 0.0  # strength of the friction noise, 0 to 1
    noise_hz: float = 4000.0  # centre frequency of the noise
    duration: float = 0.07  # typical duration in seconds
    closed: bool = False  # whether the lips must touch, whatever the neighbours' targets
    burst: bool = False  # whether the phone is a stop: silence, then a short burst of noise


VOWELS = {
    "a": Phone(1.00, 0.1, 0.0, (760, 1250, 2550), level=1.0, duration=0.13),
    "ae": Phone(0.85, 0.6, 0.0, (680, 1750, 2450), level=0.92, duration=0.12),
    "e": Phone(0.58, 0.7, 0.0, (520, 1850, 2500), level=0.78, duration=0.11),
    "i": Phone(0.28, 1.0, 0.0, (290, 2280, 2950), level=0.58, duration=0.10),
    "o": Phone(0.62, -0.4, 0.8, (480, 880, 2450), level=0.80, duration=0.12),
    "u": Phone(0.26, -0.7, 1.0, (320, 780, 2300), level=0.58, duration=0.11),
    "schwa": Phone(0.42, 0.0, 0.1, (500, 1450, 2500), level=0.62, duration=0.07),
    "er": Phone(0.45, -0.2, 0.45, (480, 1300, 1700), level=0.68, duration=0.10),
}

CONSONANTS = {
    "p": Phone(0, 0, 0, (400, 900, 2200), noise=0.5, noise_hz=1500, closed=True, burst=True),
    "b": Phone(0, 0, 0, (300, 900, 2200), level=0.10, noise=0.3, noise_hz=1200, closed=True,
               duration=0.075, burst=True),
    "m": Phone(0, 0.1, 0, (260, 1050, 2200), level=0.30, closed=True, duration=0.08),
    "t": Phone(0.20, 0.3, 0, (400, 1750, 2600), noise=0.7, noise_hz=4800, burst=True),
    "d": Phone(0.22, 0.2, 0, (300, 1700, 2600), level=0.10, noise=0.5, noise_hz=3800, burst=True,
               duration=0.06),
    "k": Phone(0.30, 0.1, 0, (350, 1900, 2300), noise=0.6, noise_hz=2200, burst=True),
    "g": Phone(0.32, 0.1, 0, (300, 1900, 2300), level=0.10, noise=0.4, noise_hz=2000, burst=True,
               duration=0.06),
    "n": Phone(0.24, 0.2, 0, (280, 1600, 2600), level=0.32, duration=0.065),
    "s": Phone(0.16, 0.6, 0, (350, 1750, 2600), noise=0.9, noise_hz=6200, duration=0.10),
    "sh": Phone(0.22, -0.4, 0.7, (350, 1700, 2500), noise=1.0, noise_hz=3000, duration=0.10),
    "f": Phone(0.05, 0.2, 0, (350, 1200, 2400), noise=0.35, noise_hz=5500, duration=0.09),
    "v": Phone(0.06, 0.2, 0, (300, 1200, 2400), level=0.25, noise=0.2, noise_hz=5000),
    "w": Phone(0.14, -0.7, 1.0, (320, 700, 2250), level=0.42, duration=0.065),
    "l": Phone(0.34, 0.2, 0, (360, 1150, 2700), level=0.48, duration=0.06),
    "r": Phone(0.30, -0.3, 0.55, (380, 1150, 1600), level=0.48, duration=0.065),
}  # fmt: skip

# Relative frequencies; onsets with visible lips are slightly more frequent than in English.
ONSETS = {
    "p": 8, "b": 9, "m": 10, "t": 6, "d": 6, "k": 5, "g": 3, "n": 5, "s": 7, "sh": 5, "f": 5,
    "v": 4, "w": 7, "l": 5, "r": 5,
}  # fmt: skip
NUCLEI = {"a": 8, "ae": 6, "e": 6, "i": 7, "o": 7, "u": 5, "schwa": 5, "er": 3}
CODAS = {"p": 3, "m": 4, "t": 4, "k": 3, "n": 5, "s": 5, "sh": 2, "f": 3, "l": 3, "r": 3}
REST = Phone(0.03, 0.0, 0.0, (500, 1500, 2500))
