"""Named edits applied to clips while they are read, for controls and robustness tests.

``trim`` drops leading silence; ``shift=5`` delays the audio by 5 frames (``shift=-5`` advances it);
``GB=3`` applies a perturbation of frames, audio or both at level 3 (``GB=3/7``: with seed 7).
Nothing is written to disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import PurePath

import numpy as np

from avforensics.errors import ConfigError
from avforensics.media.perturbations import PERTURBATIONS, perturb
from avforensics.media.silence import SILENCE
from avforensics.media.types import HOP, Block
from avforensics.scoring.source import Edit

MAX_SHIFT = 15  # frames; the range of the network's delays


def edit_of(name: str, path: str) -> Edit:
    """Parse an edit for one clip.

    Parameters
    ----------
    name : str
        ``""`` (nothing), ``trim``, ``shift=FRAMES`` or ``PERTURBATION=LEVEL``.
    path : str
        Path of the clip; its last four components seed the noise.

    Raises
    ------
    ConfigError
        The name is invalid.
    """
    kind, _, value = name.partition("=")
    try:
        if not name:
            return Edit()
        if name == "trim":
            return Edit(blocks=trim_silence)
        if kind == "shift" and 0 < abs(frames := int(value)) <= MAX_SHIFT:
            return Edit(blocks=partial(shift_sound, frames=frames))
        # the import registers conditions and loads SciPy, which plain scoring does not need
        from avforensics.media.conditions import change_sound

        level, _, seed = value.partition("/")
        if kind in PERTURBATIONS and int(level) in range(1, 6):
            video = "/".join(PurePath(path).parts[-4:])
            how = {"name": kind, "level": int(level), "seed": int(seed or 0), "video": video}
            return Edit(
                pictures=partial(perturb, **how) if PERTURBATIONS[kind].function else None,
                blocks=partial(change_sound, **how) if PERTURBATIONS[kind].sound else None,
            )
    except ValueError:
        pass
    raise ConfigError(
        f"edit must be trim, shift=FRAMES (-{MAX_SHIFT} to {MAX_SHIFT}) or one of "
        f"{', '.join(PERTURBATIONS)} with a level from 1 to 5, e.g. GB=3; got {name!r}"
    )


def moves_time(name: str) -> bool:
    """Return True if an edit shifts the start of audio or video."""
    return name == "trim" or name.startswith("shift=")


def trim_silence(blocks: Iterable[Block]) -> Iterator[Block]:
    """Drop everything before the first sample louder than 0.0005 of full scale (arXiv 2412.00175).

    The audio begins exactly with that sample; video is cut to the nearest frame, so the offset
    changes by at most 20 ms. A silent clip becomes empty.
    """
    dropped = 0
    blocks = iter(blocks)
    for block in blocks:
        loud = np.abs(block.audio.astype(np.int32)) > SILENCE
        if loud.any():
            break
        dropped += len(block.audio)
    else:
        return
    first = int(loud.argmax())
    # frames before this block are already dropped; rounding may drop one frame of the next block
    skip = round((dropped + first) / HOP) - dropped // HOP
    yield from _without_start(chain([block], blocks), skip, first)


def shift_sound(blocks: Iterable[Block], frames: int) -> Iterator[Block]:
    """Delay the audio by ``frames`` frames (or advance it if ``frames`` is negative).

    The beginning of one stream and the end of the other are dropped. Nothing is padded, so the clip
    becomes shorter.
    """
    return _without_start(blocks, max(frames, 0), max(-frames, 0) * HOP)


def _without_start(blocks: Iterable[Block], skip: int, skip_sound: int) -> Iterator[Block]:
    """Yield blocks without the first ``skip`` frames and the first ``skip_sound`` samples."""
    frames, sound = deque(), np.zeros(0, np.int16)
    for block in blocks:
        frames.extend(block.frames)
        sound = np.concatenate([sound, block.audio])
        while skip and frames:
            frames.popleft()
            skip -= 1
        left_out = min(skip_sound, len(sound))
        sound, skip_sound = sound[left_out:], skip_sound - left_out
        ready = 0 if skip or skip_sound else min(len(frames), len(sound) // HOP)
        if ready:
            yield Block(np.stack([frames.popleft() for _ in range(ready)]), sound[: ready * HOP])
            sound = sound[ready * HOP :]
