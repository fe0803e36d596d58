"""Sound that a speech detector takes for speech, made by the synthetic talking heads' voice."""

import numpy as np

from avforensics.media.types import HOP
from avforensics.synthetic.articulation import articulate
from avforensics.synthetic.speech import Voice, synthesise_speech


def speech(frames: int, seed: int = 0) -> np.ndarray:
    """Somebody who speaks for so many frames: int16, (frames * 640,)."""
    seconds = frames * HOP / 16_000
    rng = np.random.default_rng(seed)
    voice = Voice.sample(rng, low=seed % 2 == 0)
    return synthesise_speech(articulate(rng, seconds), voice, rng, seconds)
