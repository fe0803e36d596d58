"""Measure a clip from the blocks that are read for scoring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from avforensics.applicability.measures import Measures
from avforensics.applicability.mouth import MouthView
from avforensics.applicability.picture import PictureMeter
from avforensics.applicability.song import SongMeter
from avforensics.applicability.voice import CHUNK, CHUNK_SECONDS, VoiceMeter
from avforensics.media.types import FPS, HOP, Block

SPEECH = 0.5  # minimum probability of a chunk with speech
NOTHING = -100.0  # dBFS of digital silence
LOUD = 0.1  # minimum power of loud frames relative to the 95th percentile of all frames (-10 dB)


@dataclass(frozen=True)
class Speaking:
    """Whether there is a voice, and whether the mouth moves, for each frame of a clip.

    Attributes
    ----------
    voice, moves : bool array, (T,)
    """

    voice: np.ndarray
    moves: np.ndarray

    @property
    def voice_over(self) -> float | None:
        """Share of the voiced time without a moving mouth; None without a voice."""
        return float(1 - self.moves[self.voice].mean()) if self.voice.any() else None


class Meter:
    """Measure a clip from its blocks, in order; stores a few hundred numbers per second.

    Parameters
    ----------
    mouth : MouthView, optional
        Position of the mouth; None = mouths are not measured.
    """

    def __init__(self, mouth: MouthView | None = None) -> None:
        self._mouth = mouth
        self._voice = VoiceMeter()
        self._song = SongMeter()
        self._picture = PictureMeter(mouth)
        self._n_frames = 0
        self._powers: list[np.ndarray] = []  # mean square of each frame

    def add(self, block: Block) -> None:
        """Measure the next block."""
        self._n_frames += len(block.frames)
        self._voice.add(block.audio)
        self._song.add(block.audio)
        self._picture.add(block.frames)
        self._powers.append(np.square(block.audio.reshape(-1, HOP) / 32768).mean(axis=1))

    def measures(self) -> Measures | None:
        """Measures so far; None before the first block."""
        if not self._n_frames:
            return None
        voiced = self._voice.probabilities >= SPEECH
        powers = np.concatenate(self._powers)
        level = 10 * np.log10(powers.max()) if powers.any() else NOTHING
        found = Measures(
            seconds=self._n_frames / FPS,
            level=max(float(level), NOTHING),
            speech=float(voiced.sum() * CHUNK_SECONDS),
            spoken=_spoken(voiced, powers),
            song=self._song.steady(voiced, CHUNK),
            still=self._picture.still,
            detail=self._picture.detail,
        )
        if (speaking := self.speaking()) is not None:
            found = replace(found, voice_over=speaking.voice_over)
        if self._mouth is not None and self._mouth.turn is not None:
            part = slice(self._n_frames)
            found = replace(
                found,
                mouth=float(np.median(self._mouth.width[part])),
                turn=float(np.median(self._mouth.turn[part])),
            )
        return found

    def speaking(self) -> Speaking | None:
        """Voice and mouth movement of each frame; None if no mouth was measured."""
        moves = self._picture.moves
        if moves is None:
            return None
        voiced = self._voice.probabilities >= SPEECH
        return Speaking(_at(voiced, (np.arange(len(moves)) + 1) * HOP), moves)


def _at(voiced: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Speech flags at given samples, bool, (n,), from the flags of chunks."""
    chunk = samples // CHUNK
    return voiced[np.minimum(chunk, len(voiced) - 1)] if len(voiced) else np.zeros(len(chunk), bool)


def _spoken(voiced: np.ndarray, powers: np.ndarray) -> float | None:
    """Share of the loud frames in which there is speech; None if all samples are zero."""
    if not powers.any():
        return None
    loud = powers > LOUD * np.percentile(powers, 95)
    return float(_at(voiced, np.arange(len(powers)) * HOP + HOP // 2)[loud].mean())


def of_video(
    measures: Sequence[Measures], speaking: Sequence[tuple[int, Speaking]]
) -> Measures | None:
    """Measures of a video: for each measure, the best value of any of its faces.

    A voice counts as a voice-over only while none of the mouths moves.

    Parameters
    ----------
    speaking : sequence of (int, Speaking)
        For each face, its first frame in the video and what was measured from there on.

    Returns
    -------
    Measures or None
        None if nothing was measured.
    """
    if not measures:
        return None
    best = measures[0].best(measures[1:])
    if not speaking:
        return best
    length = max(first + len(one.voice) for first, one in speaking)
    voice, moves = np.zeros(length, bool), np.zeros(length, bool)
    for first, one in speaking:
        part = slice(first, first + len(one.voice))
        voice[part] |= one.voice
        moves[part] |= one.moves
    return replace(best, voice_over=Speaking(voice, moves).voice_over)
