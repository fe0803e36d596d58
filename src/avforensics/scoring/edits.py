"""Changes made to clips while they are read: controls and robustness tests, by name.

``trim`` drops leading silence, ``shift=5`` makes the sound come 5 frames late (``shift=-5`` early),
``GB=3`` is a perturbation at a level (``GB=3/7`` with seed 7). Nothing is written to disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import PurePath

import numpy as np

from avforensics.errors import ConfigError
from avforensics.media.perturbations import PERTURBATIONS, perturb
from avforensics.media.silence import SILENCE
from avforensics.media.types import HOP, Block
from avforensics.scoring.source import Edit

MAX_SHIFT = 15  # frames: what the network's delays can tell


def edit_of(name: str, path: str) -> Edit:
    """The edit of a name for one clip.

    Parameters
    ----------
    name : str
        ``""`` (nothing), ``trim``, ``shift=FRAMES`` or ``PERTURBATION=LEVEL``.
    path : str
        The clip's file; its last four parts tell its noise from other clips'.

    Raises
    ------
    ConfigError
        The name has no meaning.
    """
    kind, _, value = name.partition("=")
    try:
        if not name:
            return Edit()
        if name == "trim":
            return Edit(blocks=trim_silence)
        if kind == "shift" and 0 < abs(frames := int(value)) <= MAX_SHIFT:
            return Edit(blocks=partial(shift_sound, frames=frames))
        level, _, seed = value.partition("/")
        if kind in PERTURBATIONS and int(level) in range(1, 6):
            video = "/".join(PurePath(path).parts[-4:])
            change = partial(perturb, name=kind, level=int(level), seed=int(seed or 0), video=video)
            return Edit(pictures=change)
    except ValueError:
        pass
    raise ConfigError(
        f"edit {name!r} has no meaning: use trim, shift=FRAMES (-{MAX_SHIFT} to {MAX_SHIFT}) or "
        f"one of {', '.join(PERTURBATIONS)} with a level from 1 to 5, e.g. GB=3"
    )


def moves_time(name: str) -> bool:
    """Whether an edit makes a clip begin at another moment than its file."""
    return name == "trim" or name.startswith("shift=")


def trim_silence(blocks: Iterable[Block]) -> Iterator[Block]:
    """Begin at the first sample louder than 0.0005 of full scale (arXiv 2412.00175).

    The sound begins with that very sample; of the picture the same time is dropped, to the
    nearest frame, so the two move against each other by 20 ms at most. A clip without any sound
    has nothing left.
    """
    dropped, found = 0, False
    blocks = iter(blocks)
    for block in blocks:
        loud = np.abs(block.audio.astype(np.int32)) > SILENCE
        if not loud.any():
            dropped += len(block.audio)
            continue
        first = int(loud.argmax())
        found, dropped = True, dropped + first
        break
    if not found:
        return
    # frames before the present block are gone already; rounding may cost one of the next block's
    gone = (dropped - first) // HOP
    frames = deque(block.frames)
    sound = block.audio[first:]
    skip = round(dropped / HOP) - gone
    yield from _rejoin(frames, sound, skip, blocks)


def shift_sound(blocks: Iterable[Block], frames: int) -> Iterator[Block]:
    """Make the sound come ``frames`` frames after the picture (before it where negative).

    The beginning of the picture (of the sound) and the other's end are dropped: nothing is padded
    and the clip gets shorter by as much.
    """
    skip = max(frames, 0)
    skip_sound = max(-frames, 0) * HOP
    yield from _rejoin(deque(), np.zeros(0, np.int16), skip, blocks, skip_sound)


def _rejoin(
    frames: deque[np.ndarray],
    sound: np.ndarray,
    skip: int,
    blocks: Iterable[Block],
    skip_sound: int = 0,
) -> Iterator[Block]:
    """Blocks of what is held and what follows, without the first frames and samples."""
    rest = iter(blocks)
    while True:
        while skip and frames:
            frames.popleft()
            skip -= 1
        left_out = min(skip_sound, len(sound))
        sound, skip_sound = sound[left_out:], skip_sound - left_out
        ready = 0 if skip or skip_sound else min(len(frames), len(sound) // HOP)
        if ready:
            yield Block(np.stack([frames.popleft() for _ in range(ready)]), sound[: ready * HOP])
            sound = sound[ready * HOP :]
        block = next(rest, None)
        if block is None:
            return
        frames.extend(block.frames)
        sound = np.concatenate([sound, block.audio])
