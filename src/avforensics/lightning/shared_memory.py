"""Check that shared memory suffices for the processes that read data.

The workers of a data loader pass on batches in ``/dev/shm``, which in containers often has only 64
MB. When this memory is full, a worker hangs or dies with pages of traceback, so the free space is
checked beforehand.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from avforensics.errors import ConfigError
from avforensics.media.types import HOP

SHARED = Path("/dev/shm")
PREFETCH = 2  # batches per worker that may wait for the network
MB = 1 << 20


def check_shared_memory(*, videos: int, frames: int, size: int, workers: int) -> None:
    """Refuse to start workers whose batches do not fit into shared memory.

    Parameters
    ----------
    videos, frames : int
        Number of videos per batch, and of frames per video.
    size : int
        Side of a frame in pixels.

    Raises
    ------
    ConfigError
        Shared memory is too small; the message names the remedies.
    """
    if not workers or not SHARED.is_dir():
        return
    needed = PREFETCH * workers * videos * frames * (3 * size**2 + 2 * HOP)
    free = shutil.disk_usage(SHARED).free
    if needed > free:
        raise ConfigError(
            _sentence(f"has {free / MB:.0f} MB free, but {needed / MB:.0f} MB are needed")
        )


def shared_memory_error(error: BaseException) -> ConfigError | None:
    """Translate torch's error about full shared memory; return None for other errors."""
    if re.search(r"shared memory|/torch_\d+|\(shm\)|Bus error", str(error)):
        return ConfigError(_sentence("is too small"))
    return None


def _sentence(what: str) -> str:
    return (
        f"{SHARED} {what} for the batches of the data workers: set data.workers=0, or give the "
        "container more shared memory (docker run --shm-size=2g)"
    )
