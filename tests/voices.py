"""Sound that a speech detector takes for speech, from the voice of synthetic talking heads."""

import numpy as np

from avforensics.media.types import HOP
from avforensics.synthetic.articulation import articulate
from avforensics.synthetic.speech import Voice, synthesise_speech


def speech(frames: int, seed: int = 0) -> np.ndarray:
    """Speech of a random person for ``frames`` frames: int16, (frames * 640,)."""
    seconds = frames * HOP / 16_000
    rng = np.random.default_rng(seed)
    voice = Voice.sample(rng, low=seed % 2 == 0)
    return synthesise_speech(articulate(rng, seconds), voice, rng, seconds)
