"""Fetch the published files with gdown (extra ``download``) and check what arrived."""

from __future__ import annotations

from pathlib import Path

from avforensics.checkpoints.published import PublishedFile, read_network, read_projection
from avforensics.errors import CheckpointError, ConfigError
from avforensics.files import atomic_path, sha256_file


def verify(file: PublishedFile, path: Path) -> str:
    """Check that ``path`` is the published file: its tensors, and its hash where that is known.

    Returns
    -------
    str
        What was found, in a few words.

    Raises
    ------
    CheckpointError
        Saying what is wrong.
    """
    if file.part == "projection":
        read_projection(path)
    else:
        read_network(file.part, path)
    digest = sha256_file(path)
    if file.sha256 is None:
        return f"all names and shapes fit (sha256 {digest}; the published one is not known)"
    if digest != file.sha256:
        raise CheckpointError(
            f"{path}: its SHA-256 is {digest}, the published file's is {file.sha256}"
        )
    return "its SHA-256 is the published file's"


def fetch(file: PublishedFile, folder: Path, *, url: str | None = None) -> str:
    """Download one file into ``folder``; it gets its name only once it has been verified.

    Parameters
    ----------
    url : str, optional
        A mirror to fetch from.

    Returns
    -------
    str
        What was found, in a few words.

    Raises
    ------
    ConfigError
        When gdown is not installed.
    CheckpointError
        When the file cannot be fetched or something else arrived.
    """
    try:
        import gdown
        import requests
    except ImportError:
        raise ConfigError("downloading needs gdown: pip install 'avforensics[download]'") from None
    with atomic_path(folder / file.name) as partial:
        try:
            gdown.download(url=url or file.url, output=str(partial), timeout=60)
        except requests.exceptions.ConnectionError:
            raise _not_fetched(file, folder, url, "no connection") from None
        except Exception as error:  # gdown's own and whatever a hostile answer makes it raise
            raise _not_fetched(file, folder, url, _first_line(error)) from None
        try:
            return verify(file, partial)
        except CheckpointError as error:
            found = str(error).removeprefix(f"{partial}: ")
            raise CheckpointError(
                f"{file.name}: what arrived from {url or file.source} was thrown away: {found}"
            ) from None


def _not_fetched(
    file: PublishedFile, folder: Path, url: str | None, reason: str
) -> CheckpointError:
    return CheckpointError(
        f"{file.name}: cannot be fetched from {url or file.source} ({reason}); fetch it on another "
        f"machine and put it into {folder}"
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:160]
