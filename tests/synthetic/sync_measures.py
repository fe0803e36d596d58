"""How well sound fits moves, by plain correlation: what the tests of synthetic sets share."""

import numpy as np


def loudness(audio: np.ndarray) -> np.ndarray:
    """Log level of each frame's 640 samples."""
    return np.log(np.sqrt((audio.astype(float).reshape(-1, 640) ** 2).mean(1)) + 50)


def best_delay(moves: np.ndarray, heard: np.ndarray, reach: int = 8) -> int:
    """The delay in frames at which the sound fits the moves best; positive = sound later."""
    inner = slice(reach, -reach)
    scores = [
        np.corrcoef(moves[inner], np.roll(heard, -d)[inner])[0, 1] for d in range(-reach, reach + 1)
    ]
    return int(np.argmax(scores)) - reach
