"""Write files atomically, so that a kill, a full disk or Ctrl-C leaves only complete files."""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from avforensics.errors import ConfigError

T = TypeVar("T")
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path; rename the file to ``path`` if the block succeeds.

    Parameters
    ----------
    path : str or PathLike
        Final path; its folder is created if missing.

    Yields
    ------
    Path
        Temporary path in the same folder, with the same suffix, to which the caller writes.

    Raises
    ------
    OSError
        Writing failed. If the disk is full, the error names ``path``, not the temporary file.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    stem = shortened(final.stem, 100)
    partial = final.with_name(f".{stem}.{secrets.token_hex(4)}.partial{final.suffix}")
    try:
        yield partial
        partial.replace(final)
    except OSError as error:
        written = error.filename and str(error.filename).removeprefix("file:")  # FFmpeg's spelling
        if error.errno in _NO_ROOM and written in (None, str(partial)):
            raise OSError(error.errno, error.strerror, str(final)) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


def shortened(name: str, n_bytes: int) -> str:
    """Return the first ``n_bytes`` bytes of a file name, or fewer to keep characters whole."""
    return os.fsencode(name)[:n_bytes].decode("utf-8", "ignore")


def write_text(path: str | os.PathLike, text: str, *, errors: str = "backslashreplace") -> None:
    """Write UTF-8 text atomically; ``errors`` controls how invalid characters are written."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8", errors=errors)


def write_json(path: str | os.PathLike, content: Mapping[str, Any]) -> None:
    """Write indented JSON atomically; raise ValueError for NaN and infinity."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def remove_partial_files(folder: Path, *patterns: str) -> None:
    """Remove temporary files of `atomic_path` that a killed process left behind.

    Parameters
    ----------
    patterns : str
        Glob patterns relative to the folder; no process may be writing a matching file.
    """
    for pattern in patterns:
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


class Closing:
    """Base class of objects that a ``with`` block closes."""

    def __enter__(self: T) -> T:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class JsonLines(Closing):
    """A locked file of JSON objects, one per line, e.g. the journal of a run.

    Each line is flushed to disk before the next one is written. A line truncated by a kill is
    removed when the file is next opened. Use this class in a ``with`` statement.

    Parameters
    ----------
    path : Path
        Created if missing.

    Attributes
    ----------
    records : list of dict
        Records in the file when it was opened.
    damaged : list of int
        Numbers of the lines that are not JSON objects, counted from 1.

    Raises
    ------
    ConfigError
        Another process has the file open.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = _lock_of(path)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise ConfigError(f"{path.parent}: another run is writing to this folder") from None
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            self.records, self.damaged = read_json_lines(path)
            os.ftruncate(self._fd, path.read_bytes().rfind(b"\n") + 1)
        except BaseException:
            self._lock.release()
            raise

    def append(self, record: Mapping[str, Any]) -> None:
        """Append one record and flush it to disk.

        Raises
        ------
        OSError
            The disk is full; the file is unchanged.
        """
        before = os.fstat(self._fd).st_size
        line = json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"
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
        """Remove all records."""
        os.ftruncate(self._fd, 0)
        self.records = []

    def close(self) -> None:
        """Release the lock."""
        os.close(self._fd)
        self._lock.release()


def read_json_lines(path: Path) -> tuple[list[dict[str, Any]], list[int]]:
    """Return a `JsonLines` file's records, and the numbers of lines without a JSON object."""
    records, damaged = [], []
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            records.append(dict(json.loads(line)))
        except (ValueError, TypeError):
            damaged.append(number)
    return records, damaged


def is_locked(path: Path) -> bool:
    """Return True if a process has a `JsonLines` file open."""
    try:
        with _lock_of(path).acquire(timeout=0):
            return False
    except Timeout:
        return True


def _lock_of(path: Path) -> FileLock:
    return FileLock(path.with_name(f".{path.name}.lock"))


def fingerprint(value: Any) -> str:
    """Return the SHA-256 of a string, or of another value written as JSON, in hexadecimal."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def sha256_file(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_or_none(path: str | os.PathLike) -> str | None:
    """Return the SHA-256 of a file, or None if it cannot be read."""
    try:
        return sha256_file(path)
    except OSError:
        return None


def states_of(paths: Sequence[Path]) -> list[list[int]] | None:
    """Return each file's size and modification time as JSON lists; None if a file is missing."""
    try:
        states = [path.stat() for path in paths]
    except OSError:
        return None
    return [[state.st_size, state.st_mtime_ns] for state in states]


def are_unchanged(paths: Sequence[Path], before: list[list[int]] | None, sha: str) -> bool:
    """Return True if files are unchanged since they were written.

    Sizes and modification times are compared, since hashing 100,000 clips would take hours. If only
    the times differ, e.g. after copying, the hash of the first file is compared, too.

    Parameters
    ----------
    before : list or None
        Result of `states_of` after writing.
    sha : str
        SHA-256 of the first file after writing.
    """
    now = states_of(paths)
    if now is None or before is None:
        return False
    same_sizes = [size for size, _ in now] == [size for size, _ in before]
    return now == before or (same_sizes and sha256_file(paths[0]) == sha)


def typed_path(text: str | os.PathLike) -> Path:
    """Replace a leading ``~`` or ``~user`` in a path by the home folder.

    As in a shell, the path is unchanged if the user is unknown.
    """
    return Path(os.path.expanduser(text))  # noqa: PTH111 (Path.expanduser raises)


def installed_file(wheel: str, name: str, install: str) -> Path:
    """Find a file in an installed wheel without importing the wheel's code.

    Raises
    ------
    ConfigError
        The wheel or the file is missing; ``install`` says how to get it.
    """
    try:
        files = importlib.metadata.files(wheel) or ()
    except importlib.metadata.PackageNotFoundError:
        raise ConfigError(install) from None
    for file in files:
        if file.name == name and Path(file.locate()).is_file():
            return Path(file.locate())
    raise ConfigError(f"the installed {wheel} does not contain {name}; {install}")
