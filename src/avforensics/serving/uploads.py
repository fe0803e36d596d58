"""The folder where uploads arrive: which paths lie in it, what it may hold, what nobody wants."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from avforensics.serving.limits import Limits

STALE = 300.0  # seconds without a change after which an upload that no job names is given up


class Uploads:
    """Files that visitors have sent.

    Parameters
    ----------
    folder : Path
        Holds nothing else.
    limits : Limits
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.limits = limits
        self._arriving = 0  # bytes that uploads on their way still lack

    def find(self, path: str | os.PathLike) -> Path | None:
        """The place of an upload; None for every path outside, by whatever way it leads there."""
        try:
            place = Path(path).resolve()
        except (OSError, ValueError):  # no name that a file can have
            return None
        return place if self.folder in place.parents else None

    @property
    def is_full(self) -> bool:
        """Whether as much is here or on its way as the queue could hold."""
        held = sum(status.st_size for _, status in self._files())
        return held + self._arriving > self.limits.max_bytes_of_all

    @contextlib.contextmanager
    def arriving(self, n_bytes: int) -> Iterator[Callable[[int], None]]:
        """While so much is received, in one thread only.

        Yields
        ------
        callable
            To be told of the bytes that have come: from then on they are in the folder.
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
        """Delete an upload with the folder that the server made for it."""
        upload.unlink(missing_ok=True)
        if upload.parent != self.folder:
            with contextlib.suppress(OSError):
                upload.parent.rmdir()

    def tidy(self, wanted: Collection[Path]) -> None:
        """Delete what has not changed for a while, broken off or never asked about, but these."""
        oldest = time.time() - STALE
        for path, status in self._files():
            if status.st_mtime < oldest and path not in wanted:
                with contextlib.suppress(OSError):
                    self.delete(path)

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for folder, _, names in os.walk(self.folder):  # it does not mind what goes meanwhile
            for path in (Path(folder, name) for name in names):
                with contextlib.suppress(OSError):
                    yield path, path.lstat()
