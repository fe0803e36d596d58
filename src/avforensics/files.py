"""Writing files so that a kill, a full disk or Ctrl-C leaves whole files only."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(f".{final.stem[:100]}.{os.getpid()}.partial{final.suffix}")
    try:
        yield partial
        partial.replace(final)
    finally:
        partial.unlink(missing_ok=True)


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
