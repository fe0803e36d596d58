"""Data sets of clips for training the synchronisation network, read with decord.

They read clips that `avforensics normalise` has written (25 fps, 16 kHz, sound beside them); see
`avforensics.media.clips` for why only those. A reader is opened for each item and closed after it:
decord's readers must not be carried over a fork, and training sees a clip once an epoch anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from torch.utils.data import Dataset

from avforensics.data.augment import Augment, resize
from avforensics.data.manifest import Manifest, Row
from avforensics.errors import ManifestError, MediaError
from avforensics.media.clips import ClipReader
from avforensics.media.types import FPS

MOST_BROKEN = 20  # clips in a row that may be replaced before training stops

Key = int | tuple[int, int]
T = TypeVar("T")


class RandomClips(Dataset):
    """Short clips at random places of each video, with their sound (paper Sec. 3.1).

    One clip of each video for the first phase of the curriculum, four of the same video for the
    second. What comes out depends on seed, epoch and index only.

    Parameters
    ----------
    manifest : Manifest
        Normalised clips; one item for each row.
    clips_per_video : int
    window : int
        Frames of a clip.
    gap : int
        Least distance in frames between the starts of two clips of a video; smaller where the
        video is too short for it, never 0.
    size : int, optional
        Side in pixels of the frames; None = as stored. Others are resized (antialiased bicubic).
    augment : Augment, optional
        Changes drawn once for each item and applied to all of its frames.
    seed : int

    Raises
    ------
    ValueError
        A number has no meaning.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        clips_per_video: int = 1,
        window: int = 5,
        gap: int = 1,
        size: int | None = None,
        augment: Augment | None = None,
        seed: int = 0,
    ) -> None:
        if min(clips_per_video, window, gap) < 1:
            raise ValueError("clips_per_video, window and gap must be at least 1")
        self.manifest = manifest
        self.clips_per_video = clips_per_video
        self.window = window
        self.gap = gap
        self.size = size
        self.augment = augment
        self.seed = seed

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitem__(self, key: Key) -> dict:
        """One video's clips.

        Parameters
        ----------
        key : int or (int, int)
            Index, or epoch and index as `EpochSampler` gives them; epoch 0 where there is none.

        Returns
        -------
        dict
            ``frames`` uint8 (clips, window, H, W, 3); ``audio`` int16 (clips, window * 640);
            ``start`` int64 (clips,), first frame of each clip in the file; ``index`` int, row
            that was read; ``broken`` str, what was wrong with the rows before it that had to be
            left out, a line each, empty = nothing.

        Raises
        ------
        ManifestError
            Many rows in a row cannot be read.
        """
        epoch, index = key if isinstance(key, tuple) else (0, key)

        def read(index: int, row: Row) -> dict:
            rng = np.random.default_rng([self.seed, epoch, index])
            reader = ClipReader(row.path)
            first, heard, n = aligned_range(row, reader.n_frames)
            starts = first + self._starts(rng, row, n - self.window + 1)
            frames = np.stack([reader.frames(int(s), self.window) for s in starts])
            sounds = starts + heard - first
            audio = np.stack([reader.audio(int(s), self.window) for s in sounds])
            return {
                "frames": _finish(frames, self.size, self.augment, rng),
                "audio": audio,
                "start": starts,
            }

        return _read_or_replace(self.manifest, index, read)

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


class SpanClips(Dataset):
    """One contiguous span of each video with its sound, for training by all windows of a span.

    Parameters
    ----------
    manifest : Manifest
        Normalised clips; one item for each row.
    span : int, optional
        Frames; None = the whole clip (then of differing lengths, for batches of one).
    fixed : bool
        Start at the first frame and never change looks: validation.
    size, augment, seed
        As for `RandomClips`.

    Raises
    ------
    ValueError
        ``span`` is below 1, or ``fixed`` is asked for together with ``augment``.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        span: int | None = 75,
        fixed: bool = False,
        size: int | None = None,
        augment: Augment | None = None,
        seed: int = 0,
    ) -> None:
        if span is not None and span < 1:
            raise ValueError(f"span must be at least 1 frame, not {span}")
        if fixed and augment is not None:
            raise ValueError("a fixed span is for validation and takes no augment")
        self.manifest = manifest
        self.span = span
        self.fixed = fixed
        self.size = size
        self.augment = augment
        self.seed = seed

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitem__(self, key: Key) -> dict:
        """One span.

        Parameters
        ----------
        key : int or (int, int)
            As for `RandomClips`.

        Returns
        -------
        dict
            ``frames`` uint8 (T, H, W, 3); ``audio`` int16 (T * 640,); ``start`` int; ``index``
            int; ``broken`` str, as for `RandomClips`. An item with ``broken`` repeats another
            row: a validation should count it and leave it out.
        """
        epoch, index = key if isinstance(key, tuple) else (0, key)

        def read(index: int, row: Row) -> dict:
            rng = np.random.default_rng([self.seed, epoch, index])
            reader = ClipReader(row.path)
            first, heard, n = aligned_range(row, reader.n_frames)
            span = n if self.span is None else self.span
            if not 0 < span <= n:
                raise MediaError(row.path, f"{n} frames, and {span or 'some'} are needed")
            start = first + (0 if self.fixed else int(rng.integers(n - span + 1)))
            return {
                "frames": _finish(reader.frames(start, span), self.size, self.augment, rng),
                "audio": reader.audio(
                    start + heard - first, span
                ).copy(),  # what is read may not be written to
                "start": start,
            }

        return _read_or_replace(self.manifest, index, read)


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


def _finish(
    frames: np.ndarray, size: int | None, augment: Augment | None, rng: np.random.Generator
) -> np.ndarray:
    if augment is not None:
        frames = augment(frames, rng)
    return frames if size is None else resize(frames, (size, size))


def _read_or_replace(manifest: Manifest, index: int, read: Callable[[int, Row], dict]) -> dict:
    """Read a row or, where that fails, the next one; say so in the item."""
    problems: list[str] = []
    for step in range(min(MOST_BROKEN, len(manifest))):
        position = (index + step) % len(manifest)
        try:
            item = read(position, manifest[position])
        except MediaError as error:
            problems.append(str(error))
            continue
        return {**item, "index": position, "broken": "\n".join(problems)}
    raise ManifestError(
        f"{len(problems)} clips in a row cannot be read, the last because: {problems[-1]}"
    )
