"""Writing files so that a kill, a full disk or Ctrl-C leaves whole files only."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from avforensics.errors import ConfigError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary name beside ``path``; rename it to ``path`` when the block succeeds.

    Parameters
    ----------
    path : str or PathLike
        The final name. Its folder is created.

    Yields
    ------
    Path
        A name in the same folder with the same suffix, to be written by the caller.

    Raises
    ------
    OSError
        Where the disk is full it names ``path``: a write to an open file names none.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(f".{final.stem[:100]}.{os.getpid()}.partial{final.suffix}")
    try:
        yield partial
        partial.replace(final)
    except OSError as error:
        written = error.filename and str(error.filename).removeprefix("file:")  # as FFmpeg has it
        if error.errno in _NO_ROOM and written in (None, str(partial)):
            raise OSError(error.errno, error.strerror, str(final)) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


def remove_partial_files(folder: Path, *patterns: str) -> None:
    """Remove what a killed process had not finished writing by `atomic_path`.

    Parameters
    ----------
    patterns : str
        Of files below the folder that nobody else is writing.
    """
    for pattern in patterns:
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


class LineFile:
    """A file of lines that survive a kill: appended and synced one by one, a torn one dropped.

    The open file is locked: who comes second is refused, and a killed process leaves nothing
    locked. Use it in a ``with`` statement.

    Parameters
    ----------
    path : Path
        Created where missing.

    Attributes
    ----------
    lines : list of bytes
        What was in the file when it was opened, without the ends of lines.

    Raises
    ------
    ConfigError
        Another process has it open.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        if not _lock(self._fd, fcntl.LOCK_EX):
            self.close()
            raise ConfigError(f"{path.parent}: another run is writing to this folder")
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self._fd, whole)
        self.lines = content[:whole].split(b"\n")[:-1]

    def __enter__(self) -> LineFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def append(self, line: bytes) -> None:
        """Add one line; when this returns it is on the disk.

        Raises
        ------
        OSError
            The disk is full; the file is as it was.
        """
        before = os.fstat(self._fd).st_size
        line += b"\n"
        try:
            written = 0
            while written < len(line):
                written += os.write(self._fd, line[written:])
            os.fsync(self._fd)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._fd, before)
            error.filename = str(self._path)
            raise

    def clear(self) -> None:
        """Begin anew."""
        os.ftruncate(self._fd, 0)
        self.lines = []

    def close(self) -> None:
        """Give the lock back."""
        os.close(self._fd)


def is_locked(path: Path) -> bool:
    """Whether a process has a `LineFile` open."""
    with path.open("rb") as file:
        return not _lock(file.fileno(), fcntl.LOCK_SH)


def _lock(fd: int, kind: int) -> bool:
    """Lock an open file, unless another process holds it."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: nobody can be seen there
        return True
    return True


def sha256_file(path: str | os.PathLike) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_or_none(path: str | os.PathLike) -> str | None:
    """SHA-256 of a file, or None where it cannot be read."""
    try:
        return sha256_file(path)
    except OSError:
        return None


def states_of(paths: Sequence[Path]) -> list[list[int]] | None:
    """Size and time of change of each file, as JSON has them; None where one is missing."""
    try:
        states = [path.stat() for path in paths]
    except OSError:
        return None
    return [[state.st_size, state.st_mtime_ns] for state in states]


def are_unchanged(paths: Sequence[Path], before: list[list[int]] | None, sha: str) -> bool:
    """Whether files are those that once were written.

    To read 100,000 clips would take hours: size and time of change tell. Where only a time differs,
    as it does in a copy, the hash of the first file decides.

    Parameters
    ----------
    before : list or None
        Of `states_of` when they had been written.
    sha : str
        SHA-256 of the first one then.
    """
    now = states_of(paths)
    if now is None or before is None:
        return False
    same_sizes = [size for size, _ in now] == [size for size, _ in before]
    return now == before or (same_sizes and sha256_file(paths[0]) == sha)
