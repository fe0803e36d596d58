"""Articulation: tracks of lips, voice and noise that drive both audio and video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avforensics.synthetic.phones import (
    CODAS,
    CONSONANTS,
    NUCLEI,
    ONSETS,
    REST,
    VOWELS,
    Phone,
)

RATE = 200  # samples per second of a track, one per 5 ms step of the synthesiser
MARGIN = 0.8  # seconds of speech before and after a clip, for lips that lead or lag
BURST = 0.015  # seconds of noise after a stop opens


@dataclass(frozen=True)
class Articulation:
    """Tracks at 200 Hz; sample ``i`` is at second ``i / 200 - MARGIN`` of the clip."""

    lips: np.ndarray  # float32 (n, 3): opening 0..1, spread -1..1, rounding 0..1
    formants: np.ndarray  # float32 (n, 3): Hz
    # level, noise: float32 (n,): strength of voice and of friction, 0..1
    level: np.ndarray
    noise: np.ndarray
    noise_hz: np.ndarray  # float32 (n,): centre of the friction

    def lips_at(self, times: np.ndarray) -> np.ndarray:
        """Interpolate the lips at ``times``, in seconds: float32 array, (len(times), 3)."""
        position = (np.asarray(times) + MARGIN) * RATE
        grid = np.arange(len(self.lips))
        columns = [np.interp(position, grid, column) for column in self.lips.T]
        return np.stack(columns, axis=1).astype(np.float32)


def articulate(rng: np.random.Generator, seconds: float) -> Articulation:
    """Sample random syllables at 3-6 Hz with uneven lengths, stress and pauses.

    Parameters
    ----------
    seconds : float
        Length of the clip; the tracks extend ``MARGIN`` beyond both ends.
    """
    n = round((seconds + 2 * MARGIN) * RATE)
    segments: list[tuple[Phone, int, float]] = []
    pace = rng.uniform(0.75, 1.05)
    filled = 0
    while filled < n:
        for phone, duration, stress in _syllable(rng):
            samples = max(5, round(duration * pace * RATE))
            segments.append((phone, samples, stress))
            filled += samples
    return _tracks(segments, n)


def _syllable(rng: np.random.Generator) -> list[tuple[Phone, float, float]]:
    """Sample the phones of a syllable or a pause, with durations (s) and stress."""
    if rng.random() < 0.06:
        return [(REST, rng.uniform(0.12, 0.35), 1.0)]
    stress = rng.uniform(0.65, 1.15)
    phones = []
    if rng.random() < 0.9:
        phones.append(CONSONANTS[_pick(rng, ONSETS)])
    phones.append(VOWELS[_pick(rng, NUCLEI)])
    if rng.random() < 0.35:
        phones.append(CONSONANTS[_pick(rng, CODAS)])
    stretch = np.exp(rng.normal(0, 0.22))  # for the whole syllable, so that the rhythm is irregular
    return [(p, p.duration * stretch * np.exp(rng.normal(0, 0.2)), stress) for p in phones]


def _pick(rng: np.random.Generator, weights: dict[str, int]) -> str:
    names = list(weights)
    odds = np.array(list(weights.values()), float)
    return names[rng.choice(len(names), p=odds / odds.sum())]


def _tracks(segments: list[tuple[Phone, int, float]], n: int) -> Articulation:
    """Turn phones into tracks of steps, smoothed according to each articulator's speed."""
    lengths = [samples for _, samples, _ in segments]

    def steps(values: list) -> np.ndarray:
        return np.repeat(np.asarray(values, np.float32), lengths, axis=0)[:n]

    phones = [phone for phone, _, _ in segments]
    stress = [s for _, _, s in segments]
    lips = steps(
        [(p.opening * s, p.spread, p.rounding) for p, s in zip(phones, stress, strict=True)]
    )
    closed = smooth(steps([p.closed for p in phones]), 0.012 * RATE)
    lips = smooth(lips, 0.026 * RATE)
    # Lips touch where they must, however short the syllable is.
    lips[:, 0] *= 1 - np.clip(1.6 * closed, 0, 1)
    level = [p.level * (0.4 + 0.6 * s) for p, s in zip(phones, stress, strict=True)]
    noise = steps([0.0 if p.burst else p.noise for p in phones])
    end = 0
    for phone, samples, _ in segments:
        end += samples
        if phone.burst:
            noise[max(0, end - round(BURST * RATE)) : end] = phone.noise
    return Articulation(
        lips=lips,
        formants=smooth(steps([p.formants for p in phones]), 0.018 * RATE),
        level=smooth(steps(level), 0.008 * RATE),
        noise=smooth(noise, 0.004 * RATE),
        noise_hz=steps([p.noise_hz for p in phones]),
    )


def smooth(track: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth a track with a Gaussian along the first axis, repeating the end values.

    Parameters
    ----------
    track : float array, (n,) or (n, k)
    sigma : float
        Standard deviation in samples; 0 = no smoothing.
    """
    if sigma <= 0:
        return track
    reach = max(1, int(np.ceil(3 * sigma)))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    columns = track[:, None] if track.ndim == 1 else track
    padded = np.pad(columns, ((reach, reach), (0, 0)), mode="edge")
    result = np.stack([np.convolve(c, kernel, mode="valid") for c in padded.T], axis=1)
    return result.reshape(track.shape).astype(np.float32)
