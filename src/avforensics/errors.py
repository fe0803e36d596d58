"""Errors with messages for the user.

Commands print them as one line, never as a traceback.
"""

from __future__ import annotations

from os import PathLike


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, without a full stop."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


class AVForensicsError(Exception):
    """Base class of all errors that a user can cause and fix."""


class ConfigError(AVForensicsError):
    """A setting is missing or invalid, or contradicts another setting."""


class CheckpointError(AVForensicsError):
    """A weight file is missing, damaged or made for another network."""


class ManifestError(AVForensicsError):
    """A manifest, split or data-set folder lacks required information."""


class MediaError(AVForensicsError):
    """A media file cannot be used.

    Parameters
    ----------
    path : str or PathLike
        The file.
    reason : str
        What is wrong, without the path.
    """

    def __init__(self, path: str | PathLike, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self):
        return type(self), (self.path, self.reason)


class TrainingError(AVForensicsError):
    """Training cannot continue, e.g. because the loss is not finite."""
