"""Correlation of sound and mouth motion, for tests of synthetic sets."""

import numpy as np


def loudness(audio: np.ndarray) -> np.ndarray:
    """Log level of the 640 samples of each frame."""
    return np.log(np.sqrt((audio.astype(float).reshape(-1, 640) ** 2).mean(1)) + 50)


def best_delay(moves: np.ndarray, heard: np.ndarray, reach: int = 8) -> int:
    """Delay in frames at which sound and motion correlate best; positive = sound later."""
    inner = slice(reach, -reach)
    scores = [
        np.corrcoef(moves[inner], np.roll(heard, -d)[inner])[0, 1] for d in range(-reach, reach + 1)
    ]
    return int(np.argmax(scores)) - reach
