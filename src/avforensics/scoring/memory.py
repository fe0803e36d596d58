"""Keep the memory use of long runs constant."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

EVERY = 1500  # windows between two releases: a minute of video
_unreleased = 0  # windows since the last release


def release_freed() -> None:
    """Return freed memory to the operating system, which takes about 10 ms.

    The C library keeps freed pieces between objects that are still in use. In an hour of video,
    these pieces would add up to several hundred megabytes.
    """
    _trim()(0)


def release_after(n_windows: int) -> None:
    """Count the windows of a finished step; return freed memory after every `EVERY` windows."""
    global _unreleased
    _unreleased += n_windows
    if _unreleased >= EVERY:
        release_freed()
        _unreleased = 0


@cache
def _trim() -> Callable[[int], object]:
    """Return ``malloc_trim`` of the GNU C library; elsewhere, a function that does nothing."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return lambda kept: None
