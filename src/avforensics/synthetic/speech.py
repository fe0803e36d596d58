"""Speech-like audio: a pulse train and noise through moving resonances (source-filter model)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from avforensics.media.types import SAMPLE_RATE
from avforensics.synthetic.articulation import MARGIN, RATE, Articulation, smooth

STEP = SAMPLE_RATE // RATE  # samples between filter updates
WINDOW = 4 * STEP
N_FFT = 512
BANDWIDTHS = np.array([80, 100, 140, 250, 350], np.float32)
FREQUENCIES = np.fft.rfftfreq(N_FFT, 1 / SAMPLE_RATE).astype(np.float32)


@dataclass(frozen=True)
class Voice:
    """The voice of a person."""

    pitch: float  # Hz
    melody: float  # spread of the pitch in octaves
    tract: float  # factor on all formants: above 1 for a short vocal tract
    breath: float  # breath noise, 0..0.2
    tilt: float  # brightness: dB per octave added above 500 Hz

    @classmethod
    def sample(cls, rng: np.random.Generator, *, low: bool) -> Voice:
        """Sample a low (usually male) or a high voice."""
        return cls(
            pitch=float(rng.uniform(85, 150) if low else rng.uniform(165, 260)),
            melody=float(rng.uniform(0.08, 0.2)),
            tract=float(rng.uniform(0.92, 1.03) if low else rng.uniform(1.05, 1.2)),
            breath=float(rng.uniform(0.01, 0.08)),
            tilt=float(rng.uniform(-3, 1)),
        )


def synthesise_speech(
    articulation: Articulation, voice: Voice, rng: np.random.Generator, seconds: float
) -> np.ndarray:
    """Synthesise speech from an articulation.

    Parameters
    ----------
    rng : numpy Generator
        Random generator for melody, jitter, noise, loudness and background of the recording.
    seconds : float
        Length of the audio, which starts where the clip starts.

    Returns
    -------
    int16 array, (round(seconds * 16000),)
    """
    n_samples = round(seconds * SAMPLE_RATE)
    first = round(MARGIN * RATE) - 4  # slightly earlier: the first window must be complete
    n_steps = n_samples // STEP + 8
    part = slice(first, first + n_steps)
    length = (n_steps - 1) * STEP + WINDOW
    pulses = _spectra(_pulses(voice, rng, length), n_steps)
    hiss = _spectra(rng.standard_normal(length, np.float32), n_steps)

    level, noise = articulation.level[part, None], articulation.noise[part, None]
    resonances = _resonances(articulation.formants[part] * np.float32(voice.tract), voice.tilt)
    friction = _friction(articulation.noise_hz[part])
    spectra = (level / 6 * resonances) * (pulses + np.float32(voice.breath) * hiss)
    spectra += (0.07 * noise * friction) * hiss
    sound = _overlap_add(spectra, length)[4 * STEP + WINDOW // 2 - STEP // 2 :][:n_samples]
    return _record(sound, rng)


def _pulses(voice: Voice, rng: np.random.Generator, length: int) -> np.ndarray:
    """Return the derivative of the glottal flow (Rosenberg) with a wandering pitch, (length,)."""
    knots = rng.standard_normal(max(4, length // 1600))  # one knot per tenth of a second
    knots = smooth(knots, 1.2) * voice.melody * 1.6
    grid = np.linspace(0, len(knots) - 1, length)
    fall = np.linspace(0.1, -0.1, length)  # the pitch falls over a phrase
    pitch = voice.pitch * 2 ** (np.interp(grid, np.arange(len(knots)), knots) + fall)
    pitch *= 1 + 0.01 * np.interp(
        grid * 20, np.arange(20 * len(knots)), rng.standard_normal(20 * len(knots))
    )
    phase = np.cumsum(pitch / SAMPLE_RATE) % 1
    opening = np.sin(np.pi * phase / 0.4) * (phase < 0.4)
    closing = -2.2 * np.sin(np.pi / 2 * (phase - 0.4) / 0.16) * ((phase >= 0.4) & (phase < 0.56))
    return (opening + closing).astype(np.float32)


def _spectra(signal: np.ndarray, n_steps: int) -> np.ndarray:
    """Return the spectra of windows every 5 ms: complex array, (n_steps, 257)."""
    frames = np.lib.stride_tricks.sliding_window_view(signal, WINDOW)[::STEP][:n_steps]
    return np.fft.rfft(frames * np.hanning(WINDOW).astype(np.float32), N_FFT)


def _resonances(formants: np.ndarray, tilt: float) -> np.ndarray:
    """Return the gain of the vocal tract, (n, 3) in Hz -> (n, 257)."""
    f = FREQUENCIES
    upper = np.broadcast_to(np.array([3600, 4700], np.float32), (len(formants), 2))
    squares = np.hstack([formants, upper]).T[:, :, None] ** 2
    power = np.ones((len(formants), len(f)), np.float32)
    for square, width in zip(squares, BANDWIDTHS, strict=True):
        power *= square * square / ((f * f - square) ** 2 + (width * f) ** 2)
    return np.sqrt(power) * ((np.maximum(f, 500) / 500) ** (tilt / 6.02) * (f > 60))


def _friction(centre: np.ndarray) -> np.ndarray:
    """Return the gain of the friction noise, (n,) in Hz -> (n, 257)."""
    return np.exp(-0.5 * ((FREQUENCIES / centre[:, None] - 1) / 0.28) ** 2)


def _overlap_add(spectra: np.ndarray, length: int) -> np.ndarray:
    frames = np.fft.irfft(spectra, N_FFT)[:, :WINDOW]
    sound = np.zeros(length, np.float32)
    lanes = WINDOW // STEP
    for lane in range(lanes):  # windows in a lane do not overlap, so they are added together
        block = frames[lane::lanes].reshape(-1)
        sound[lane * STEP : lane * STEP + len(block)] += block
    return sound / 2


def _record(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Set the loudness, add background noise and convert to int16."""
    loud = np.sqrt(np.mean(sound**2)) + 1e-9
    sound = sound * (rng.uniform(0.05, 0.11) / loud)
    room = rng.standard_normal(len(sound), np.float32)
    room = room + 3 * np.convolve(room, np.ones(24) / 24, mode="same")  # darker than white noise
    sound = sound + room * 10 ** (rng.uniform(-62, -48) / 20)
    return (np.tanh(sound) * 32767).astype(np.int16)
