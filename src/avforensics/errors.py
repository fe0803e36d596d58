"""Errors whose message is meant for the person at the keyboard.

Commands print these as one line and never as a traceback.
"""

from __future__ import annotations

from os import PathLike


class AVForensicsError(Exception):
    """Base of every error that a user can cause and mend."""


class ConfigError(AVForensicsError):
    """A setting is missing, contradicts another one or has no meaning."""


class CheckpointError(AVForensicsError):
    """A weight file is missing, damaged or made for another network."""


class ManifestError(AVForensicsError):
    """A manifest, split or data-set folder does not say what is needed of it."""


class MediaError(AVForensicsError):
    """A media file cannot be used.

    Parameters
    ----------
    path : str or PathLike
        The file.
    reason : str
        What is wrong with it, without the path.
    """

    def __init__(self, path: str | PathLike, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self):
        return type(self), (self.path, self.reason)


class TrainingError(AVForensicsError):
    """A training cannot go on, e.g. because its loss is no longer a number."""
