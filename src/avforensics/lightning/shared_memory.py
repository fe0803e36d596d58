"""Is there enough shared memory for the processes that read data?

A loader's workers hand batches over in ``/dev/shm``. Containers often have 64 MB of it; if it is
full, a worker dies or hangs with pages of traceback, so its size is checked beforehand.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from avforensics.errors import ConfigError
from avforensics.media.types import HOP

SHARED = Path("/dev/shm")
PREFETCH = 2  # batches of a worker that may wait for the network
MB = 1 << 20


def check_shared_memory(*, videos: int, frames: int, size: int, workers: int) -> None:
    """Refuse to start workers whose batches do not fit.

    Parameters
    ----------
    videos, frames : int
        Videos in a batch, and frames of each video.
    size : int
        Side of a frame.

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
        raise ConfigError(_sentence(f"has {free / MB:.0f} MB free, of {needed / MB:.0f} MB needed"))


def shared_memory_error(error: BaseException) -> ConfigError | None:
    """A ConfigError for torch's error about full shared memory; None for other errors."""
    if re.search(r"shared memory|/torch_\d+|\(shm\)|Bus error", str(error)):
        return ConfigError(_sentence("is too small"))
    return None


def _sentence(what: str) -> str:
    return (
        f"{SHARED} {what} for the batches of the processes that read data: set data.workers=0, or "
        "give the container more (docker run --shm-size=2g)"
    )
