"""Synthetic background sounds and room responses at 16 kHz.

They augment the audio in training and serve as conditions in the robustness test.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from avforensics.media.types import SAMPLE_RATE

LOOP = 20 * SAMPLE_RATE  # samples of music and babble to generate; longer clips repeat them
VOICES = 6
_FORMANTS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480))
_CHORDS = ((0, 4, 7), (-3, 0, 4), (5, 9, 12), (7, 11, 14))  # semitones: C, Am, F, G


def white(n: int, rng: np.random.Generator) -> np.ndarray:
    """Generate white Gaussian noise, float32, (n,)."""
    return rng.standard_normal(n).astype(np.float32)


def coloured(noise: np.ndarray) -> np.ndarray:
    """Turn white noise into pink noise (-3 dB per octave), float32."""
    spectrum = np.fft.rfft(noise)
    slope = np.sqrt(np.arange(len(spectrum)) + 1.0)
    return np.fft.irfft(spectrum / slope, len(noise)).astype(np.float32)


def music(n: int, rng: np.random.Generator) -> np.ndarray:
    """Generate decaying chords over a bass note, (n,).

    There are two chords per second and eight partials per tone.
    """
    beat = SAMPLE_RATE // 2
    t = np.arange(beat) / SAMPLE_RATE
    key = 220 * 2 ** (rng.integers(12) / 12)
    bars = []
    for _ in range(-(-min(n, LOOP) // beat)):
        chord = _CHORDS[rng.integers(len(_CHORDS))]
        tones = [key * 2 ** (step / 12) for step in (*chord, chord[0] - 12)]
        waves = [
            np.sin(2 * np.pi * partial * tone * t) / partial
            for tone in tones
            for partial in range(1, 9)
            if partial * tone < SAMPLE_RATE / 2
        ]
        bars.append(np.sum(waves, 0) * np.exp(-3 * t))
    return _unit(np.resize(np.concatenate(bars)[:LOOP], n))


def babble(n: int, rng: np.random.Generator) -> np.ndarray:
    """Generate a mix of six synthetic voices, (n,).

    Pulses are filtered by formants that change four times a second. The voices speak no words, but
    their spectrum and rhythm resemble speech.
    """
    length = min(n, LOOP)
    return _unit(np.resize(np.sum([_voice(length, rng) for _ in range(VOICES)], 0), n))


def _voice(n: int, rng: np.random.Generator) -> np.ndarray:
    syllable = SAMPLE_RATE // 4
    count = n // syllable + 2
    pitch = rng.uniform(90, 230) * 2 ** rng.uniform(-0.25, 0.25, count)
    phase = np.cumsum(np.interp(np.arange(n) / syllable, np.arange(count), pitch)) / SAMPLE_RATE
    pulses = np.diff(np.floor(phase), prepend=0.0) + 0.05 * rng.standard_normal(n)
    said = np.zeros(n)
    for number in range(count):
        part = slice(number * syllable, min((number + 1) * syllable, n))
        wave = pulses[part]
        for formant in _FORMANTS[rng.integers(len(_FORMANTS))]:
            radius = np.exp(-np.pi * 100 / SAMPLE_RATE)
            angle = 2 * np.pi * formant / SAMPLE_RATE
            wave = lfilter([1 - radius], [1, -2 * radius * np.cos(angle), radius**2], wave)
        said[part] = wave * np.hanning(syllable + 2)[1:-1][: len(wave)] * (rng.random() < 0.8)
    return said / max(np.sqrt(np.mean(said**2)), 1e-9)


def room(seconds: float, below: float, rng: np.random.Generator) -> np.ndarray:
    """Generate the impulse response of a room: a one (direct sound) and a tail of decaying noise.

    Parameters
    ----------
    seconds : float
        Time (s) in which the tail falls by 60 dB; the tail has the same length.
    below : float
        Energy of the direct sound relative to the energy of the whole tail, in dB.

    Returns
    -------
    float array, (seconds * 16000 + 1,)
    """
    n = int(seconds * SAMPLE_RATE)
    tail = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    tail[: SAMPLE_RATE // 500] = 0
    tail *= 10 ** (-below / 20) / np.sqrt(np.square(tail).sum())
    return np.append(1.0, tail)


def _unit(sound: np.ndarray) -> np.ndarray:
    return (sound / max(float(np.sqrt(np.mean(np.square(sound)))), 1e-9)).astype(np.float32)
