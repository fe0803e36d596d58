"""The upload folder: valid paths, space limit and clean-up."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from avforensics.serving.limits import Limits

STALE = 300.0  # an upload without a job is deleted after this many seconds without a change


class Uploads:
    """Files that visitors have sent.

    Parameters
    ----------
    folder : Path
        Folder that holds nothing but uploads.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.limits = limits
        self._arriving = 0  # bytes still missing from arriving uploads

    def find(self, path: str | os.PathLike) -> Path | None:
        """Return the resolved path of an upload, or None for a path outside the folder."""
        try:
            place = Path(path).resolve()
        except (OSError, ValueError):  # not a valid file name
            return None
        return place if self.folder in place.parents else None

    @property
    def is_full(self) -> bool:
        """True if the present and arriving uploads together exceed the space limit."""
        held = sum(status.st_size for _, status in self._files())
        return held + self._arriving > self.limits.max_bytes_of_all

    @contextlib.contextmanager
    def arriving(self, n_bytes: int) -> Iterator[Callable[[int], None]]:
        """Reserve space while ``n_bytes`` bytes arrive; not thread-safe.

        Yields
        ------
        callable
            Must be called with the number of bytes that have just been stored in the folder.
        """
        missing = n_bytes

        def came(n_bytes: int) -> None:
            nonlocal missing
            n_bytes = min(n_bytes, missing)
            missing -= n_bytes
            self._arriving -= n_bytes

        self._arriving += n_bytes
        try:
            yield came
        finally:
            self._arriving -= missing

    def delete(self, upload: Path) -> None:
        """Delete an upload and the folder that the server made for it."""
        upload.unlink(missing_ok=True)
        if upload.parent != self.folder:
            with contextlib.suppress(OSError):
                upload.parent.rmdir()

    def tidy(self, wanted: Collection[Path]) -> None:
        """Delete interrupted and abandoned uploads, except those in ``wanted``."""
        oldest = time.time() - STALE
        for path, status in self._files():
            if status.st_mtime < oldest and path not in wanted:
                with contextlib.suppress(OSError):
                    self.delete(path)

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for folder, _, names in os.walk(self.folder):  # tolerates files that disappear meanwhile
            for path in (Path(folder, name) for name in names):
                with contextlib.suppress(OSError):
                    yield path, path.lstat()
