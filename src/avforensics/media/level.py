"""Measure the level of audio."""

from __future__ import annotations

import math

import numpy as np

from avforensics.media.types import SAMPLE_RATE

BLOCK = SAMPLE_RATE // 10  # samples over which power is averaged
FULL_SCALE = 32768.0
LOUD = 0.1  # share of blocks (the loudest) that determine the level


class Level:
    """Level of the loud parts of audio that arrives in pieces.

    The level is the mean power of the loudest tenth of all 0.1 s blocks, so that pauses in speech
    do not count. Each block takes 8 bytes of memory.
    """

    def __init__(self) -> None:
        self._powers: list[float] = []
        self._rest = np.zeros(0, np.int16)

    def add(self, audio: np.ndarray) -> None:
        """Add the next piece of audio: int16, (samples,), mono, 16 kHz."""
        audio = np.concatenate([self._rest, audio])
        whole = len(audio) // BLOCK * BLOCK
        self._powers += _powers(audio[:whole].reshape(-1, BLOCK))
        self._rest = audio[whole:].copy()

    @property
    def decibels(self) -> float | None:
        """Level so far in dBFS; None if every sample was zero."""
        powers = self._powers
        if len(self._rest):
            powers = powers + _powers(self._rest[None])
        loudest = sorted(powers, reverse=True)[: max(round(LOUD * len(powers)), 1)]
        power = sum(loudest) / max(len(loudest), 1)
        return 10 * math.log10(power) if power > 0 else None


def _powers(blocks: np.ndarray) -> list[float]:
    """Mean square of each row; full scale is 1."""
    return np.square(blocks / FULL_SCALE).mean(axis=1).tolist()
