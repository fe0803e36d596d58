"""Training steps of a fixed number of frames, made from clips of any length in memory.

Libraries compile code for each new input shape, and batches of equal spans skip shorter clips. This
module therefore concatenates the clips of an epoch into a tape and cuts the tape into steps;
windows that cross a clip border do not enter the loss.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache

import numpy as np
from torch.utils.data import Dataset

from avforensics.data.augment import Augment, resize
from avforensics.data.clips import WINDOW, aligned_range
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.data.sound import SoundAugment
from avforensics.errors import ManifestError, MediaError
from avforensics.media.clips import ClipReader
from avforensics.media.types import HOP
from avforensics.progress import tracked

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Piece:
    """Frames ``start .. start + count - 1`` of a clip, relative to its first usable frame."""

    clip: int
    start: int
    count: int


class ClipMemory:
    """Frames and audio of clips, read once and kept in memory.

    Attributes
    ----------
    rows : list of Row
        Readable clips.
    broken : list of str
        Error messages of the unreadable clips.

    Raises
    ------
    ManifestError
        No clip could be read.
    """

    def __init__(self, manifest: Manifest) -> None:
        self.rows: list[Row] = []
        self.broken: list[str] = []
        self._frames: list[np.ndarray] = []
        self._audio: list[np.ndarray] = []
        for row in tracked(manifest, "reading into memory", total=len(manifest)):
            try:
                frames, audio = _read(row)
            except MediaError as error:
                self.broken.append(str(error))
                continue
            self.rows.append(row)
            self._frames.append(frames)
            self._audio.append(audio)
        if not self.rows:
            reason = self.broken[0] if self.broken else "the manifest is empty"
            raise ManifestError(f"none of the {len(manifest)} clips can be read: {reason}")
        gigabytes = sum(frames.nbytes for frames in self._frames) / 1e9
        counts = len(self.rows), self.lengths.sum(), gigabytes, len(self.broken)
        log.info("%d clips in memory: %d frames, %.1f GB; %d could not be read", *counts)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> np.ndarray:
        """Number of frames of each clip: int64 (n,)."""
        return np.array([len(frames) for frames in self._frames])

    def frames(self, piece: Piece) -> np.ndarray:
        """Return the frames of a piece, uint8 (count, H, W, 3)."""
        return self._frames[piece.clip][piece.start : piece.start + piece.count]

    def audio(self, piece: Piece) -> np.ndarray:
        """Return the audio of a piece, int16 (count * 640,)."""
        begin = piece.start * HOP
        return self._audio[piece.clip][begin : begin + piece.count * HOP]


def _read(row: Row) -> tuple[np.ndarray, np.ndarray]:
    reader = ClipReader(row.path)
    first, heard, n = aligned_range(row, reader.n_frames)
    if n < WINDOW:
        raise MediaError(row.path, f"too short: {n} frames, but {WINDOW} are needed")
    return reader.frames(first, n), reader.audio(heard, n).copy()


class Tape:
    """Assignment of pieces of clips to the steps of an epoch.

    The assignment depends only on seed and epoch.

    Parameters
    ----------
    lengths : int array, (n,)
        Number of frames of each clip.
    frames : int
        Frames per step, over all processes.
    longest : int
        Maximum number of frames that an epoch uses of a clip, starting at a random frame.
    weights : float array, (n,), optional
        Average number of times that each clip occurs in an epoch; default 1.

    Raises
    ------
    ValueError
        The clips do not fill one step.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        *,
        frames: int,
        longest: int = 75,
        weights: np.ndarray | None = None,
        seed: int = 0,
    ) -> None:
        self.lengths = np.minimum(lengths, longest)
        self.whole = lengths
        self.frames = frames
        self.weights = np.ones(len(lengths)) if weights is None else np.asarray(weights, float)
        self.seed = seed
        self.steps = int((self.lengths * self.weights).sum()) // frames
        if self.steps < 1:
            raise ValueError(f"{len(lengths)} clips do not fill one step of {frames} frames")
        self.epoch = lru_cache(maxsize=2)(self._epoch)

    def _epoch(self, epoch: int) -> list[list[Piece]]:
        steps: list[list[Piece]] = [[] for _ in range(self.steps)]
        step, room = 0, self.frames
        for piece in self._clips(epoch):
            while piece.count:
                count = min(piece.count, room)
                steps[step].append(Piece(piece.clip, piece.start, count))
                piece = Piece(piece.clip, piece.start + count, piece.count - count)
                room -= count
                if room == 0:
                    step, room = step + 1, self.frames
                    if step == self.steps:
                        return steps
        raise AssertionError("the tape ended before it filled all steps")

    def _clips(self, epoch: int) -> Iterator[Piece]:
        rng = np.random.default_rng([self.seed, epoch])
        while True:  # fractional weights are rounded at random, so one round may not be enough
            times = np.floor(self.weights + rng.random(len(self.weights))).astype(int)
            for clip in rng.permutation(np.repeat(np.arange(len(times)), times)):
                count = int(self.lengths[clip])
                start = int(rng.integers(self.whole[clip] - count + 1))
                yield Piece(int(clip), start, count)


@dataclass(eq=False)
class PackedClips(Dataset):
    """Dataset whose items are whole training steps.

    Parameters
    ----------
    size : int
        Side of the frames in pixels.
    augment : Augment, optional
        Augmentation, drawn once per piece.
    sound : SoundAugment, optional
        Augmentation, drawn once per piece; babble is the audio of another clip.
    edges : int
        Number of crops that extend one to five frames into digital silence, like the padded crops
        in scoring; each is an additional negative for its own clip.
    rank, world : int
        Index of this process and number of processes; each process takes a part of every step.
    """

    memory: ClipMemory
    tape: Tape
    _: KW_ONLY
    size: int
    augment: Augment | None = None
    sound: SoundAugment | None = None
    edges: int = 0
    rank: int = 0
    world: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.tape.frames % self.world:
            raise ValueError(
                f"{self.tape.frames} frames cannot be divided among {self.world} processes"
            )

    def __len__(self) -> int:
        return self.tape.steps

    def __getitem__(self, key: int | tuple[int, int]) -> dict:
        """Return one step.

        Parameters
        ----------
        key : int or (int, int)
            Step in epoch 0, or epoch and step.

        Returns
        -------
        dict
            ``frames`` uint8 (F, S, S, 3); ``audio`` int16 (F * 640,); ``clip`` int64 (F,), the
            piece of each frame; ``edges`` int16 (E, 3200) and ``edge_clip`` int64 (E,), the piece
            of each edge; ``index`` int64, the rows that were read; ``broken``, an empty list.
        """
        epoch, step = key if isinstance(key, tuple) else (0, key)
        part = self.tape.frames // self.world
        pieces = list(_cut(self.tape.epoch(epoch)[step], self.rank * part, part))
        frames, audio = [], []
        for number, piece in enumerate(pieces):
            rng = np.random.default_rng([self.seed, epoch, step, self.rank, number])
            seen, heard = self.memory.frames(piece), self.memory.audio(piece)
            if piece.count >= WINDOW:
                if self.augment is not None:
                    seen = self.augment(seen, rng)
                if self.sound is not None:
                    other = int(rng.integers(len(self.memory)))
                    whole = Piece(other, 0, int(self.memory.lengths[other]))
                    heard = self.sound(heard, rng, self.memory.audio(whole))
            frames.append(resize(seen, (self.size, self.size)))
            audio.append(heard)
        edges, edge_clip = self._edges(audio, np.random.default_rng([self.seed, epoch, step, 1]))
        return {
            "frames": np.concatenate(frames),
            "audio": np.concatenate(audio),
            "clip": np.repeat(np.arange(len(pieces)), [piece.count for piece in pieces]),
            "edges": edges,
            "edge_clip": edge_clip,
            "index": np.array([piece.clip for piece in pieces]),
            "broken": [],
        }

    def _edges(
        self, audio: Sequence[np.ndarray], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        crops = np.zeros((self.edges, WINDOW * HOP), np.int16)
        whole = [number for number, sound in enumerate(audio) if len(sound) >= WINDOW * HOP]
        owners = np.resize(whole, self.edges)
        for crop, owner in zip(crops, owners, strict=True):
            silent, before = int(rng.integers(1, WINDOW + 1)) * HOP, rng.random() < 0.5
            kept = len(crop) - silent
            if before:
                crop[silent:] = audio[owner][:kept]
            elif kept:
                crop[:kept] = audio[owner][-kept:]
        return crops, owners.astype(np.int64)


def _cut(pieces: Sequence[Piece], begin: int, count: int) -> Iterator[Piece]:
    """Cut frames ``begin .. begin + count - 1`` out of the concatenated pieces."""
    at = 0
    for piece in pieces:
        first, last = max(begin - at, 0), min(begin + count - at, piece.count)
        if first < last:
            yield Piece(piece.clip, piece.start + first, last - first)
        at += piece.count


def clip_weights(rows: Sequence[Row], weights: Mapping[str, float] | None) -> np.ndarray:
    """Look up the weight of each row by category; the default is 1.

    Raises
    ------
    ManifestError
        A category has no rows, or a weight is negative.
    """
    weights = dict(weights or {})
    if strange := set(weights) - {row.category for row in rows}:
        raise ManifestError(f"`weights` contains unknown categories: {', '.join(sorted(strange))}")
    if any(weight < 0 for weight in weights.values()):
        raise ManifestError(f"weights must be >= 0, got {weights}")
    return np.array([float(weights.get(row.category, 1.0)) for row in rows])
