"""Explain each error in a command line in one sentence."""

from __future__ import annotations

import contextlib
import difflib
import errno
import re

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationKeyError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from avforensics.cli.manual import composer, settings_of
from avforensics.errors import AVForensicsError, first_line

_FOLDER_ERRORS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "no permission to write there",
    errno.EPERM: "no permission to write there",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.EEXIST: "this is a file, not a folder",
}


def explain(error: Exception, verb: str) -> str | None:
    """Explain in one sentence what is wrong with the command line.

    Parameters
    ----------
    verb : str
        The command; its settings are searched for a similar name.

    Returns
    -------
    str or None
        None if the user did not cause the error, so that its traceback should be shown.
    """
    if isinstance(error, AVForensicsError):
        return str(error)
    if isinstance(error, OverrideParseException):
        return (
            f"{error.override!r} is not of the form key=value"
            if "=" not in error.override
            else f"{error.override!r}: {first_line(error)}"
        )
    if isinstance(error, MissingConfigException):
        return _missing_config(error)
    if isinstance(error, HydraException):
        return _composition(str(error), verb)
    if isinstance(error, MissingMandatoryValue):
        return f"a value is missing: write {error.full_key}=..."
    if isinstance(error, (InterpolationKeyError, InterpolationResolutionError)):
        return f"{error.full_key}: {first_line(error)}"
    if isinstance(error, ConfigAttributeError | ConfigKeyError) and error.full_key:
        return f"{verb} needs the setting {error.full_key}; omit ~{error.full_key}"
    if isinstance(error, OmegaConfBaseException):
        return first_line(error)
    if isinstance(error, OSError):
        reason = _FOLDER_ERRORS.get(error.errno, error.strerror)
        name = str(error.filename or "").removeprefix("file:")  # FFmpeg adds this prefix
        return f"{name}: {reason}" if name and reason else reason
    return None


def _missing_config(error: MissingConfigException) -> str:
    """Explain a missing option of a configuration group, or a missing configuration."""
    name = str(error.missing_cfg_file or "")
    if not error.options:
        return first_line(error)
    group, _, option = name.rpartition("/")
    return f"{group}={option}: no such option; options: {', '.join(error.options)}"


def _composition(message: str, verb: str) -> str:
    """Explain an unknown, duplicate or ambiguous key."""
    unknown = re.match(r"Could not (?:override|delete from config\.) '([^']+)'", message)
    if unknown:
        key = unknown[1]
        if key in (names := _settings(verb)):  # Hydra treats null as absent
            return f"~{key}: the setting {key} has no value to delete; omit ~{key}"
        near = difflib.get_close_matches(key, names, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]}?" if near else f"avforensics {verb} --help lists them"
        return f"{verb} has no setting {key!r}; {hint}"
    ambiguous = re.match(r"Ambiguous value for argument '([^=]+)=(.*)'", message)
    if ambiguous:
        key, value = ambiguous.groups()
        return f"{key} has several values: write '{key}=[{value}]' for a list, or -m for a sweep"
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return " ".join(lines).rstrip(".")


def _settings(verb: str) -> list[str]:
    """Return dotted names of a verb's settings and of the groups that contain them."""
    names: set[str] = set()
    with contextlib.suppress(Exception), composer() as hydra:  # only needed for a hint
        config = hydra.compose_config(verb, [], RunMode.RUN, from_shell=False)
        for name, _ in settings_of(config):
            parts = name.split(".")
            names |= {".".join(parts[:end]) for end in range(1, len(parts) + 1)}
    return sorted(name for name in names if not name.startswith("hydra"))
