"""Detect singing by its steady pitch; the pitch of speech keeps changing."""

from __future__ import annotations

import numpy as np

from avforensics.applicability.voice import CHUNK
from avforensics.media.types import SAMPLE_RATE
from avforensics.smoothing import running_mean

HOP = 160  # samples from one pitch to the next (10 ms)
WINDOW = 1024  # samples from which a pitch is estimated (64 ms)
LOWEST, HIGHEST = 65, 500  # range of pitches in Hz
VOICED = 0.6  # minimum autocorrelation of a voiced window; 1 = periodic
SMOOTH = 15  # pitches over which the pitch is smoothed (0.15 s, about a cycle of vibrato)
STEP = 15  # pitches over which a change of pitch is measured (0.15 s)
STEADY = 0.15  # maximum change of a held note's smoothed pitch in a step, in semitones
LEAST = 100  # minimum number of pitches with a voice (1 s); otherwise, a long vowel would dominate

_SHORTEST, _LONGEST = SAMPLE_RATE // HIGHEST, SAMPLE_RATE // LOWEST
_SHAPE = np.hanning(WINDOW).astype(np.float32)
_OF_SHAPE = np.fft.irfft(np.abs(np.fft.rfft(_SHAPE, 2 * WINDOW)) ** 2)[: _LONGEST + 1]
_OF_SHAPE = (_OF_SHAPE / _OF_SHAPE[0]).astype(np.float32)


class SongMeter:
    """Measure the pitch of audio that arrives in pieces, storing 200 numbers per second."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.int16)
        self._pitch: list[np.ndarray] = []
        self._voiced: list[np.ndarray] = []

    def add(self, audio: np.ndarray) -> None:
        """Add the next piece of audio: int16, (samples,), mono, 16 kHz."""
        sound = np.concatenate([self._rest, audio])
        n_frames = max((len(sound) - WINDOW) // HOP + 1, 0)
        self._rest = sound[n_frames * HOP :]
        if not n_frames:
            return
        windows = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::HOP][:n_frames]
        pitch, voiced = pitch_of(windows.astype(np.float32))
        self._pitch.append(pitch)
        self._voiced.append(voiced)

    def steady(self, speech: np.ndarray) -> float | None:
        """Compute the share of the time with speech in which the pitch is steady.

        Parameters
        ----------
        speech : bool array, (chunks,)
            Whether each chunk of `CHUNK` samples contains speech.

        Returns
        -------
        float or None
            Share from 0 to 1; None if there is less than a second of speech.
        """
        pitch = np.concatenate([np.zeros(0, np.float32), *self._pitch])
        place = (np.arange(len(pitch)) * HOP + WINDOW // 2) // CHUNK
        voice = speech[np.minimum(place, len(speech) - 1)] if len(speech) else speech
        if voice.sum() < LEAST:
            return None
        voiced = np.concatenate(self._voiced) & voice
        pitch = _smoothed(pitch, voiced)
        change = np.abs(pitch[STEP:] - pitch[:-STEP])
        steady = (change < STEADY) & voiced[STEP:] & voiced[:-STEP]
        return float(steady.sum() / voice.sum())


def _smoothed(pitch: np.ndarray, voiced: np.ndarray) -> np.ndarray:
    """Average the pitch of voiced windows around each window, which removes vibrato."""
    share = running_mean(voiced.astype(np.float64), SMOOTH, mode="reflect")
    around = running_mean(np.where(voiced, pitch, 0.0), SMOOTH, mode="reflect")
    return around / np.maximum(share, 1e-9)


def pitch_of(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Estimate pitch by autocorrelation, from the shortest lag that is nearly as good as the best.

    Parameters
    ----------
    windows : float32 array, (n, WINDOW)
        Samples in the range of int16.

    Returns
    -------
    pitch : float32 array, (n,)
        Pitch in semitones above 1 Hz.
    voiced : bool array, (n,)
        True if a window is voiced.
    """
    shaped = (windows - windows.mean(axis=1, keepdims=True)) * _SHAPE
    power = np.abs(np.fft.rfft(shaped, 2 * WINDOW, axis=1)) ** 2
    lags = np.fft.irfft(power, axis=1)[:, : _LONGEST + 1].astype(np.float32)
    alike = (lags / (lags[:, :1] + 1e3) / _OF_SHAPE)[:, _SHORTEST:]
    inner = alike[:, 1:-1]
    peak = (inner >= alike[:, :-2]) & (inner >= alike[:, 2:])
    peak &= inner > 0.9 * alike.max(axis=1, keepdims=True)
    lag = np.where(peak.any(axis=1), peak.argmax(axis=1) + 1, inner.argmax(axis=1) + 1)
    before, here, after = (
        np.take_along_axis(alike, (lag + shift)[:, None], axis=1)[:, 0] for shift in (-1, 0, 1)
    )
    bend = before - 2 * here + after
    fine = np.divide(before - after, 2 * bend, out=np.zeros_like(bend), where=np.abs(bend) > 1e-9)
    exact = _SHORTEST + lag + fine.clip(-0.5, 0.5)
    return 12 * np.log2(SAMPLE_RATE / exact), here > VOICED
