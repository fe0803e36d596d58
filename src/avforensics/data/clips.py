"""Data sets of clips for training the synchronisation network, read with decord.

They read clips that `avforensics preprocess` has written (25 fps, 16 kHz, sound beside them); see
`avforensics.media.clips` for why only those. A reader is opened for each item and closed after it:
decord's readers must not be carried over a fork, and training sees a clip once an epoch anyway.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from avforensics.data.augment import Augment, resize
from avforensics.data.manifest import Manifest, Row
from avforensics.errors import ManifestError, MediaError
from avforensics.media.clips import ClipReader
from avforensics.media.types import FPS

MOST_BROKEN = 20  # clips in a row that may be replaced before training stops


class _Clips(Dataset, ABC):
    """What data sets of clips have in common; what comes out depends on seed, epoch and index."""

    def __init__(
        self,
        manifest: Manifest,
        *,
        size: int | None = None,
        augment: Augment | None = None,
        seed: int = 0,
    ) -> None:
        self.manifest = manifest
        self.size = size
        self.augment = augment
        self.seed = seed

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitem__(self, key: int | tuple[int, int]) -> dict:
        """One video's clips.

        Parameters
        ----------
        key : int or (int, int)
            Index, or epoch and index as `EpochSampler` gives them; epoch 0 where there is none.

        Returns
        -------
        dict
            ``frames``, ``audio`` and ``start`` as the class says; ``index`` int, row that was read;
            ``broken`` str, what was wrong with the rows before it that had to be left out, a line
            each, empty = nothing. A validation should count such items and leave them out.

        Raises
        ------
        ManifestError
            Many rows in a row cannot be read.
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
            f"{len(problems)} clips in a row cannot be read, the last because: {problems[-1]}"
        )

    @abstractmethod
    def _read(self, row: Row, rng: np.random.Generator) -> tuple:
        """Frames, audio and start of a row."""


class RandomClips(_Clips):
    """Short clips at random places of each video, with their sound (paper Sec. 3.1).

    One clip of each video for the first phase of the curriculum, four of the same video for the
    second. ``frames`` are uint8 (clips, window, H, W, 3), ``audio`` int16 (clips, window * 640),
    ``start`` int64 (clips,), the first frame of each clip in the file.

    Parameters
    ----------
    manifest : Manifest
        Of such clips; one item for each row.
    window : int
        Frames of a clip.
    gap : int
        Least distance in frames between the starts of two clips of a video; smaller where the
        video is too short for it, never 0.
    size : int, optional
        Side in pixels of the frames; None = as stored. Others are resized (antialiased bicubic).
    augment : Augment, optional
        Changes drawn once for each item and applied to all of its frames.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        clips_per_video: int = 1,
        window: int = 5,
        gap: int = 1,
        **common: Any,
    ) -> None:
        if min(clips_per_video, window, gap) < 1:
            raise ValueError("clips_per_video, window and gap must be at least 1")
        super().__init__(manifest, **common)
        self.clips_per_video = clips_per_video
        self.window = window
        self.gap = gap

    def _read(self, row: Row, rng: np.random.Generator) -> tuple:
        reader = ClipReader(row.path)
        first, heard, n = aligned_range(row, reader.n_frames)
        starts = first + self._starts(rng, row, n - self.window + 1)
        frames = np.stack([reader.frames(int(s), self.window) for s in starts])
        sounds = starts + heard - first
        return frames, np.stack([reader.audio(int(s), self.window) for s in sounds]), starts

    def _starts(self, rng: np.random.Generator, row: Row, room: int) -> np.ndarray:
        """Sorted distinct places among ``room``, uniform over all choices that keep the gap."""
        count = self.clips_per_video
        if room < count:
            raise MediaError(
                row.path, f"too short for {count} clips of {self.window} frames ({FPS} a second)"
            )
        gap = self.gap if count == 1 else min(self.gap, (room - 1) // (count - 1))
        free = room - (count - 1) * (gap - 1)
        return np.sort(rng.choice(free, count, replace=False)) + np.arange(count) * (gap - 1)


class SpanClips(_Clips):
    """One contiguous span of each video with its sound, for training by all windows of a span.

    ``frames`` are uint8 (T, H, W, 3), ``audio`` int16 (T * 640,), ``start`` is an int.

    Parameters
    ----------
    span : int, optional
        Frames; None = the whole clip (then of differing lengths, for batches of one).
    fixed : bool
        Start at the first frame and never change looks: validation.
    **common
        ``size``, ``augment`` and ``seed`` as for `RandomClips`.
    """

    def __init__(
        self, manifest: Manifest, *, span: int | None = 75, fixed: bool = False, **common: Any
    ) -> None:
        if span is not None and span < 1:
            raise ValueError(f"span must be at least 1 frame, not {span}")
        super().__init__(manifest, **common)
        if fixed and self.augment is not None:
            raise ValueError("a fixed span is for validation and takes no augment")
        self.span = span
        self.fixed = fixed

    def _read(self, row: Row, rng: np.random.Generator) -> tuple:
        reader = ClipReader(row.path)
        first, heard, n = aligned_range(row, reader.n_frames)
        span = n if self.span is None else self.span
        if not 0 < span <= n:
            raise MediaError(row.path, f"{n} frames, and {span or 'some'} are needed")
        start = first + (0 if self.fixed else int(rng.integers(n - span + 1)))
        audio = reader.audio(start + heard - first, span)
        return reader.frames(start, span), audio.copy(), start  # what is read may not be written to


def frame_range(row: Row, n_frames: int) -> tuple[int, int]:
    """First frame of a row's clip and how many frames it has, in a file of ``n_frames``."""
    first = min(round(row.start * FPS), n_frames)
    n = n_frames - first
    return first, n if row.duration is None else min(n, round(row.duration * FPS))


def aligned_range(row: Row, n_frames: int) -> tuple[int, int, int]:
    """First frame and first frame's worth of sound of a row's clip, and how many there are.

    A row with a ``delay`` loses as many frames at one end, and as much sound at the other.
    """
    first, n = frame_range(row, n_frames)
    return first + max(-row.delay, 0), first + max(row.delay, 0), max(n - abs(row.delay), 0)
