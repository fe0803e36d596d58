"""One clip's measures, taken from the blocks that are read for scoring."""

from __future__ import annotations

import numpy as np

from avforensics.applicability.measures import Measures
from avforensics.applicability.picture import PictureMeter
from avforensics.applicability.voice import CHUNK_SECONDS, VoiceMeter
from avforensics.media.types import FPS, HOP, Block

SPEECH = 0.5  # least probability of a chunk with speech
NOTHING = -100.0  # dB


class Meter:
    """Takes the blocks of one clip, in order; memory grows by a few numbers a frame."""

    def __init__(self) -> None:
        self._voice = VoiceMeter()
        self._picture = PictureMeter()
        self._n_frames = 0
        self._loudest = 0.0  # mean square

    def take(self, block: Block) -> None:
        """Measure the next block."""
        self._n_frames += len(block.frames)
        self._voice.hear(block.audio)
        self._picture.see(block.frames)
        of_frames = np.square(block.audio.reshape(-1, HOP) / 32768).mean(axis=1)
        self._loudest = max(self._loudest, float(of_frames.max()))

    def measures(self) -> Measures | None:
        """What was measured so far; None where no block came."""
        if not self._n_frames:
            return None
        voiced = self._voice.probabilities >= SPEECH
        level = 10 * np.log10(self._loudest) if self._loudest > 0 else NOTHING
        return Measures(
            seconds=self._n_frames / FPS,
            level=max(float(level), NOTHING),
            speech=float(voiced.sum() * CHUNK_SECONDS),
            still=self._picture.still,
        )
