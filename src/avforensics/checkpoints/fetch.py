"""Download the published files with gdown (extra ``download``) and verify them."""

from __future__ import annotations

from pathlib import Path

from avforensics.checkpoints.published import PublishedFile, read_network, read_projection
from avforensics.errors import CheckpointError, ConfigError
from avforensics.files import atomic_path, sha256_file


def verify(file: PublishedFile, path: Path) -> str:
    """Check the tensors of a published file and, if known, its hash.

    Returns
    -------
    str
        Short description of the result.

    Raises
    ------
    CheckpointError
        The file differs from the published one.
    """
    if file.part == "projection":
        read_projection(path)
    else:
        read_network(file.part, path)
    digest = sha256_file(path)
    if file.sha256 is None:
        return f"all names and shapes match (sha256 {digest}; the published hash is unknown)"
    if digest != file.sha256:
        raise CheckpointError(f"{path}: SHA-256 is {digest}, expected {file.sha256}")
    return "SHA-256 matches the published file"


def fetch(file: PublishedFile, folder: Path, *, url: str | None = None) -> str:
    """Download a file into ``folder``; it gets its final name only after verification.

    Parameters
    ----------
    url : str, optional
        Address of a mirror.

    Returns
    -------
    str
        Short description of the result.

    Raises
    ------
    ConfigError
        gdown is not installed.
    CheckpointError
        The download failed, or the file is not the published one.
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
        except Exception as error:  # gdown's errors, or any error due to a malicious response
            raise _not_fetched(file, folder, url, _first_line(error)) from None
        try:
            return verify(file, partial)
        except CheckpointError as error:
            found = str(error).removeprefix(f"{partial}: ")
            raise CheckpointError(
                f"{file.name}: the download from {url or file.source} was discarded: {found}"
            ) from None


def _not_fetched(
    file: PublishedFile, folder: Path, url: str | None, reason: str
) -> CheckpointError:
    return CheckpointError(
        f"{file.name}: download from {url or file.source} failed ({reason}); download it on "
        f"another machine and put it into {folder}"
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:160]
