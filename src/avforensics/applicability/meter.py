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

SPEECH = 0.5  # minimum speech probability of a chunk that counts as speech
NOTHING = -100.0  # level to report for digital silence, in dBFS
LOUD = 0.1  # minimum power of a loud frame relative to the 95th percentile of all frames (-10 dB)


@dataclass(frozen=True)
class Speaking:
    """Voice and mouth movement in each frame of a clip.

    Attributes
    ----------
    voice, moves : bool array, (T,)
        True in frames with a voice, and in frames in which the mouth moves.
    """

    voice: np.ndarray
    moves: np.ndarray

    @property
    def voice_over(self) -> float | None:
        """Share of the voiced time in which the mouth does not move; None without a voice."""
        return float(1 - self.moves[self.voice].mean()) if self.voice.any() else None


class Meter:
    """Measure a clip from its blocks, which must be added in order.

    Memory use is a few hundred numbers per second of video.

    Parameters
    ----------
    mouth : MouthView, optional
        Position of the mouth; None = the mouth is not measured.
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
        """Return the measures so far; None before the first block."""
        if not self._n_frames:
            return None
        voiced = self._voice.probabilities >= SPEECH
        powers = np.concatenate(self._powers)
        level = 10 * np.log10(powers.max()) if powers.any() else NOTHING
        speaking = self.speaking()
        found = Measures(
            seconds=self._n_frames / FPS,
            level=max(float(level), NOTHING),
            speech=float(voiced.sum() * CHUNK_SECONDS),
            spoken=_spoken(voiced, powers),
            song=self._song.steady(voiced),
            still=self._picture.still,
            detail=self._picture.detail,
            voice_over=speaking and speaking.voice_over,
        )
        if self._mouth is None or self._mouth.turn is None:
            return found
        per_frame = self._mouth.width[: self._n_frames], self._mouth.turn[: self._n_frames]
        mouth, turn = (float(np.median(values)) for values in per_frame)
        return replace(found, mouth=mouth, turn=turn)

    def speaking(self) -> Speaking | None:
        """Return the voice and mouth movement in each frame; None if no mouth was measured."""
        moves = self._picture.moves
        if moves is None:
            return None
        voiced = self._voice.probabilities >= SPEECH
        return Speaking(_at(voiced, (np.arange(len(moves)) + 1) * HOP), moves)


def _at(voiced: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Return the speech flags of the chunks that contain the given samples: bool, (n,)."""
    chunk = samples // CHUNK
    return voiced[np.minimum(chunk, len(voiced) - 1)] if len(voiced) else np.zeros(len(chunk), bool)


def _spoken(voiced: np.ndarray, powers: np.ndarray) -> float | None:
    """Return the share of loud frames that contain speech; None if all samples are zero."""
    if not powers.any():
        return None
    loud = powers > LOUD * np.percentile(powers, 95)
    return float(_at(voiced, np.arange(len(powers)) * HOP + HOP // 2)[loud].mean())


def of_video(
    measures: Sequence[Measures], speaking: Sequence[tuple[int, Speaking]]
) -> Measures | None:
    """Combine the measures of a video's faces: take the most favourable value of each measure.

    A voice counts as a voice-over only while none of the mouths moves.

    Parameters
    ----------
    measures : sequence of Measures
        Measures of each face.
    speaking : sequence of (int, Speaking)
        For each face, its first frame in the video, and voice and mouth movement from that frame
        on.

    Returns
    -------
    Measures or None
        Measures of the video; None if nothing was measured.
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
