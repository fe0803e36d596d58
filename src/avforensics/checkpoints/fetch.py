"""Download the published files with gdown (extra ``download``) and verify them."""

from __future__ import annotations

from pathlib import Path

from avforensics.checkpoints.published import PublishedFile, read_network, read_projection
from avforensics.errors import CheckpointError, ConfigError, first_line
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
        except Exception as error:  # gdown's errors, or any error due to a malicious response
            offline = isinstance(error, requests.exceptions.ConnectionError)
            reason = "no connection" if offline else first_line(error)[:160]
            raise CheckpointError(
                f"{file.name}: download from {url or file.source} failed ({reason}); download it "
                f"on another machine and put it into {folder}"
            ) from None
        try:
            return verify(file, partial)
        except CheckpointError as error:
            found = str(error).removeprefix(f"{partial}: ")
            raise CheckpointError(
                f"{file.name}: the download from {url or file.source} was discarded: {found}"
            ) from None
