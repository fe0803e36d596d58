"""Jobs that fail in every way, for workers that import them by name."""

import ctypes
import errno
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from avforensics.errors import ConfigError


class Unread:
    """Can be pickled, but not unpickled."""

    def __reduce__(self):
        return int, ("no number",)


def prepare(place) -> int:
    """Run once in each worker."""
    return os.getpid()


def refuse(place) -> None:
    """Fail as if a file of weights were missing on a node."""
    raise ConfigError("there are no weights here")


def end(place) -> None:
    """End the process, as a broken library on a node might."""
    os._exit(5)


def work(jobs, process: int | None = None) -> Iterator[tuple[int | None, int]]:
    """Yield the ids of the process that prepared and of the working process."""
    for job in jobs:
        if job == "raise":
            raise RuntimeError("on purpose")
        if job == "exit":
            sys.exit(4)
        if job == "abort":
            os._exit(3)
        if job == "crash":
            ctypes.string_at(0)
        if job == "unsent":
            yield (lambda: None), 0
            continue
        if job == "unread":
            yield Unread(), 0
            continue
        if job == "hang":
            time.sleep(1000)
        if job == "full disk":
            raise OSError(errno.ENOSPC, "No space left on device", "/out")
        if isinstance(job, Path) and not job.exists():  # succeeds at the second attempt
            job.touch()
            os._exit(3)
        yield process, os.getpid()
