"""One recipe for all clips: 25 fps, 16 kHz, one crop, size and codec, with the sound beside it.

The training reader (decord) is right and quick only on such clips; see `avforensics.media.clips`.
"""

# Rows hold paths as text.
# ruff: noqa: PTH120, PTH122

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from avforensics.data.row import Row
from avforensics.errors import MediaError
from avforensics.fields import check_numbers
from avforensics.files import sha256_file
from avforensics.media.reader import open_media
from avforensics.media.types import FPS, HOP, MediaOptions
from avforensics.media.wav import write_wav
from avforensics.media.writer import check_encoding, write_clip

UNFORGED = "in the unforged part of a partial forgery"  # why a clip is left out
IN_MEMORY = 256 << 20  # bytes of frames of one clip; more wait on disk until they are encoded


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How clips are to be.

    Parameters
    ----------
    crop : tuple of float, optional
        ``(left, top, right, bottom)`` in fractions of the upright frame; None = all of it.
    size : int
        Side of the square frames in pixels, even (4:2:0 colour).
    crf : int
        x264's constant rate factor, 0 lossless to 51.
    preset : str
        x264's preset.
    gop : int
        Most frames from one key frame to the next: what a random access decodes at worst.

    Raises
    ------
    ValueError
        A value has no meaning.
    """

    crop: tuple[float, float, float, float] | None = None
    size: int = 224
    crf: int = 18
    preset: str = "fast"
    gop: int = 12

    def __post_init__(self) -> None:
        if self.crop is not None:
            object.__setattr__(self, "crop", tuple(float(value) for value in self.crop))
            if len(self.crop) != 4 or not (
                0 <= self.crop[0] < self.crop[2] <= 1 and 0 <= self.crop[1] < self.crop[3] <= 1
            ):
                raise ValueError(
                    f"crop must be [left, top, right, bottom] within 0..1, not {list(self.crop)}"
                )
        check_numbers(self)
        check_encoding(size=self.size, crf=self.crf, preset=self.preset, gop=self.gop)

    @property
    def digest(self) -> str:
        """SHA-256 of the settings."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Done:
    """A clip that was written.

    Attributes
    ----------
    frames : int
        At 25 a second, each with its sound.
    source_hash, hash : str
        SHA-256 of what was read (see `source_hash`) and of the clip written.
    warnings : tuple of str
        What `avforensics.media` had to say of the source.
    state : tuple of int
        Of the source's files; see `state_of`.
    """

    frames: int
    source_hash: str
    hash: str
    warnings: tuple[str, ...]
    state: tuple[int, ...]


def clip_names(rows: Collection[Row]) -> list[str]:
    """A file name for each row's clip, as the sources are named below their common folder.

    Rows that cut the same stretch from the same file share one. Several stretches of a file are
    told apart by their times, files that differ only in their suffix by that.
    """
    cuts = {_cut(row): None for row in rows}  # in order, each once
    common = os.path.commonpath({os.path.dirname(path) for path, *_ in cuts})
    often = Counter(path for path, *_ in cuts)
    names: dict[tuple, str] = {}
    taken: set[str] = set()
    for cut in cuts:
        path, _, start, duration = cut
        stem, suffix = os.path.splitext(os.path.relpath(path, common))
        if often[path] > 1:
            stem += f"@{start:g}" + ("" if duration is None else f"+{duration:g}")
        name = f"{stem}.mp4"
        if name in taken:
            name = f"{stem}{suffix}.mp4"
        while name in taken:
            name = f"_{name}"
        taken.add(name)
        names[cut] = name
    return [names[_cut(row)] for row in rows]


def _cut(row: Row) -> tuple[str, str, float, float | None]:
    return row.path, row.audio, row.start, row.duration


def normalise_clip(row: Row, clip: str | Path, recipe: Recipe) -> Done:
    """Write one row's clip and, beside it, its exact sound as ``.wav``.

    Parameters
    ----------
    row : Row
        Its ``start`` and ``duration`` are cut out; sound comes from ``audio`` where it has one.
    clip : str or Path
        ``.mp4`` file to write (H.264 + AAC). The WAV file is written first, so that a clip that
        is there has its sound.
    recipe : Recipe

    Raises
    ------
    MediaError
        The source cannot be used, ends before ``start``, or was changed while it was read.
    """
    clip = Path(clip)
    clip.parent.mkdir(parents=True, exist_ok=True)
    first = round(row.start * FPS)
    last = None if row.duration is None else first + round(row.duration * FPS)
    options = MediaOptions(size=recipe.size, crop=recipe.crop)
    state = _state_or_none(row)
    with (
        open_media(row.path, options, max_frames=last, audio_path=row.audio or None) as media,
        tempfile.SpooledTemporaryFile(IN_MEMORY, dir=clip.parent) as spool,
    ):
        audio, n, position = [], 0, 0
        for block in media:
            skip = min(max(first - position, 0), len(block.frames))
            position += len(block.frames)
            n += len(block.frames) - skip
            spool.write(block.frames[skip:].tobytes())
            audio.append(block.audio[skip * HOP :])
        if n == 0:
            raise MediaError(row.path, f"nothing is left after its start at {row.start} s")
        sound = np.concatenate(audio)
        write_wav(clip.with_suffix(".wav"), sound)
        write_clip(
            clip,
            _frames(spool, recipe.size),
            sound,
            crf=recipe.crf,
            preset=recipe.preset,
            gop=recipe.gop,
        )
        warnings = tuple(media.report.warnings)
    with suppress(OSError):
        of_source = source_hash(row)
    if state is None or _state_or_none(row) != state:  # that may be the hash of another file
        raise MediaError(row.path, "the file was changed while it was read")
    return Done(n, of_source, sha256_file(clip), warnings, state)


def source_hash(row: Row) -> str:
    """SHA-256 of the file, or of the two hashes where the sound lies in a file of its own."""
    hashes = [sha256_file(path) for path in (row.path, row.audio) if path]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def state_of(row: Row) -> tuple[int, ...]:
    """Size and time of change of the files that a row is made from."""
    states = [Path(path).stat() for path in (row.path, row.audio) if path]
    return tuple(number for state in states for number in (state.st_size, state.st_mtime_ns))


def _state_or_none(row: Row) -> tuple[int, ...] | None:
    try:
        return state_of(row)
    except OSError:
        return None


def clip_row(row: Row, clip: str | Path, *, start: float, frames: int, sha: str) -> Row | None:
    """The row of a clip that was cut from a row's video.

    Parameters
    ----------
    row : Row
        Of the video.
    clip : str or Path
    start : float
        Seconds into the video where the clip begins: its times and segments count from there.
    frames : int
        At 25 a second.
    sha : str
        SHA-256 of the clip.

    Returns
    -------
    Row or None
        None where a partial forgery has no segment within the clip: as a fake without segments it
        would be taken as forged from beginning to end.
    """
    duration = frames / FPS
    shifted = (
        # a manifest holds microseconds: what is shorter is a rounding error
        (round(max(begin - start, 0.0), 6), round(min(end - start, duration), 6))
        for begin, end in row.segments
    )
    segments = tuple((begin, end) for begin, end in shifted if end > begin)
    if row.label == 1 and row.segments and not segments:
        return None
    return row._replace(
        path=str(clip), start=0.0, duration=duration, hash=sha, audio="", segments=segments
    )


def _frames(spool: BinaryIO, size: int) -> Iterator[np.ndarray]:
    spool.seek(0)
    while data := spool.read(size * size * 3):
        yield np.frombuffer(data, np.uint8).reshape(size, size, 3)
