"""Datasets of clips for training the synchronisation network, read with decord.

The datasets read only clips written by `avforensics preprocess` (25 fps, 16 kHz, separate audio);
`avforensics.media.clips` explains why. A reader is opened for each item and closed afterwards:
decord's readers must not be shared across a fork, and training reads each clip only once per epoch
anyway.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass

import numpy as np
from torch.utils.data import Dataset

from avforensics.data.augment import Augment, resize
from avforensics.data.manifest import Manifest
from avforensics.data.row import Row
from avforensics.errors import ManifestError, MediaError
from avforensics.media.clips import ClipReader
from avforensics.media.types import FPS

WINDOW = 5  # frames that the network sees at once
MOST_BROKEN = 20  # consecutive clips that may be replaced before training stops


@dataclass(eq=False)
class _Clips(Dataset, ABC):
    """Base class of the datasets of clips. An item depends only on seed, epoch and index."""

    manifest: Manifest
    _: KW_ONLY
    size: int | None = None
    augment: Augment | None = None
    seed: int = 0

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitem__(self, key: int | tuple[int, int]) -> dict:
        """Return one item.

        Parameters
        ----------
        key : int or (int, int)
            Index, or epoch and index from `NumberedBatches`; the epoch defaults to 0.

        Returns
        -------
        dict
            ``frames``, ``audio`` and ``start``, as described in each subclass; ``index`` int, the
            row that was read; ``broken`` str, one line for each unreadable row that was replaced.
            Validation should count and skip items for which ``broken`` is not empty.

        Raises
        ------
        ManifestError
            Too many consecutive rows cannot be read.
        """
        epoch, first = key if isinstance(key, tuple) else (0, key)
        problems: list[str] = []
        for step in range(min(MOST_BROKEN, len(self))):
            index = (first + step) % len(self)
            rng = np.random.default_rng([self.seed, epoch, index])
            try:
                frames, audio, start = self._read(self.manifest[index], rng)
            except MediaError as error:
                problems.append(str(error))
                continue
            if self.augment is not None:
                frames = self.augment(frames, rng)
            if self.size is not None:
                frames = resize(frames, (self.size, self.size))
            item = {"frames": frames, "audio": audio, "start": start}
            return {**item, "index": index, "broken": "\n".join(problems)}
        raise ManifestError(
            f"{len(problems)} consecutive clips cannot be read; last reason: {problems[-1]}"
        )

    @abstractmethod
    def _read(self, row: Row, rng: np.random.Generator) -> tuple:
        """Return frames, audio and start frame of one item."""


@dataclass(eq=False, kw_only=True)
class RandomClips(_Clips):
    """Short clips at random positions of each video, with their audio (paper Sec. 3.1).

    The first phase of the curriculum uses one clip per video, the second four clips per video.
    ``frames`` are uint8 (clips, 5, H, W, 3), ``audio`` int16 (clips, 3200), ``start`` int64
    (clips,), the first frame of each clip in the file.

    Parameters
    ----------
    manifest : Manifest
        One item per row.
    gap : int
        Minimum distance in frames between the starts of two clips of a video. The distance is
        smaller if the video is too short, but never 0.
    size : int, optional
        Side of the frames in pixels (antialiased bicubic); None = as stored.
    augment : Augment, optional
        Augmentation, drawn once per item.
    """

    clips_per_video: int = 1
    gap: int = 1

    def __post_init__(self) -> None:
        if min(self.clips_per_video, self.gap) < 1:
            raise ValueError(
                f"clips_per_video and gap must be >= 1, got {self.clips_per_video} and {self.gap}"
            )

    def _read(self, row: Row, rng: np.random.Generator) -> tuple:
        reader = ClipReader(row.path)
        first, heard, n = aligned_range(row, reader.n_frames)
        starts = first + self._starts(rng, row, n - WINDOW + 1)
        frames = np.stack([reader.frames(int(s), WINDOW) for s in starts])
        sounds = starts + heard - first
        return frames, np.stack([reader.audio(int(s), WINDOW) for s in sounds]), starts

    def _starts(self, rng: np.random.Generator, row: Row, room: int) -> np.ndarray:
        """Draw sorted distinct positions below ``room`` uniformly, subject to the gap."""
        count = self.clips_per_video
        if room < count:
            raise MediaError(
                row.path, f"too short for {count} clips of {WINDOW} frames at {FPS} fps"
            )
        gap = self.gap if count == 1 else min(self.gap, (room - 1) // (count - 1))
        free = room - (count - 1) * (gap - 1)
        return np.sort(rng.choice(free, count, replace=False)) + np.arange(count) * (gap - 1)


@dataclass(eq=False, kw_only=True)
class SpanClips(_Clips):
    """One contiguous span of each video with its audio, for training on all of its windows.

    ``frames`` are uint8 (T, H, W, 3), ``audio`` int16 (T * 640,), ``start`` is an int.

    Parameters
    ----------
    span : int, optional
        Number of frames; None = the whole clip, which requires batches of one clip.
    fixed : bool
        Start at the first frame, without augmentation; for validation.
    size, augment
        As in `RandomClips`.
    """

    span: int | None = 75
    fixed: bool = False

    def __post_init__(self) -> None:
        if self.span is not None and self.span < 1:
            raise ValueError(f"span must be >= 1, got {self.span}")
        if self.fixed and self.augment is not None:
            raise ValueError("a fixed span is for validation and cannot be augmented")

    def _read(self, row: Row, rng: np.random.Generator) -> tuple:
        reader = ClipReader(row.path)
        first, heard, n = aligned_range(row, reader.n_frames)
        span = n if self.span is None else self.span
        if not 0 < span <= n:
            raise MediaError(row.path, f"too short: {n} frames (at least {span or 1} needed)")
        start = first + (0 if self.fixed else int(rng.integers(n - span + 1)))
        audio = reader.audio(start + heard - first, span)
        return reader.frames(start, span), audio.copy(), start  # a writable copy


def frame_range(row: Row, n_frames: int) -> tuple[int, int]:
    """Return the first frame and the number of frames of a row's clip in a file of ``n_frames``."""
    first = min(round(row.start * FPS), n_frames)
    n = n_frames - first
    return first, n if row.duration is None else min(n, round(row.duration * FPS))


def aligned_range(row: Row, n_frames: int) -> tuple[int, int, int]:
    """Return a clip's first video frame, the frame where its audio starts, and its frame count.

    A row with a ``delay`` loses that many frames of video at one end and of audio at the other end.
    """
    first, n = frame_range(row, n_frames)
    return first + max(-row.delay, 0), first + max(row.delay, 0), max(n - abs(row.delay), 0)
