"""Tell silence from sound, and measure the leading silence of a clip."""

from __future__ import annotations

import numpy as np

from avforensics.media.types import HOP, SAMPLE_RATE

SILENCE = 0.0005 * 32768
"""Largest int16 amplitude that counts as silence: 0.0005 of full scale (arXiv 2412.00175)."""

FAINTEST = -66.0
"""Audio is heard if a frame, without its mean, is above this level (dB re full scale)."""


def is_heard(audio: np.ndarray) -> bool:
    """Return True if any whole frame of audio, int16 (samples,), is louder than `FAINTEST`."""
    frames = audio[: len(audio) // HOP * HOP].reshape(-1, HOP) / 32768
    return bool((frames.var(axis=1) > 10 ** (FAINTEST / 10)).any())


class LeadingSilence:
    """Measure the time before the first loud sample of audio that arrives in pieces.

    Attributes
    ----------
    seconds : float
        Duration of the leading silence so far; the whole duration if no sample was louder than
        `SILENCE`.
    """

    def __init__(self) -> None:
        self._samples = 0
        self._loud = False

    @property
    def seconds(self) -> float:
        return self._samples / SAMPLE_RATE

    def add(self, audio: np.ndarray) -> None:
        """Add the next piece of audio: int16, (samples,), mono, 16 kHz."""
        if self._loud:
            return
        loud = np.abs(audio.astype(np.int32)) > SILENCE
        self._loud = bool(loud.any())
        self._samples += int(np.argmax(loud)) if self._loud else len(audio)
