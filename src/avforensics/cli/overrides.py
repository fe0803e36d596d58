"""Quote command-line overrides that Hydra's grammar would misread.

``input=My video, take [1].mp4`` is a file name, not a sweep over a list. In Hydra's grammar,
commas, brackets, braces, quotes, equals signs and ``${`` are syntax, so values meant as plain text
are quoted before Hydra sees them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from importlib.resources import files

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

from avforensics.errors import ConfigError
from avforensics.fields import escaped

# `key=value` with Hydra's prefixes (+, ++) and packages (group@package); flags do not match.
_OVERRIDE = re.compile(r"(?P<key>\+{0,2}[A-Za-z_][\w./@:-]*)=(?P<value>.*)", re.DOTALL)
# Last parts of keys whose value is a file or folder.
_PATH_NAMES = {"input", "output", "file", "folder", "root", "path", "dir", "list", "manifest"}
_PATH_NAMES |= {"features", "calibration", "runs", "scores", "against", "video", "audio"}
_PATH_ENDINGS = ("_dir", "_path", "_file", "_folder", "_root", "_manifest", "_list")
_PATH_GROUPS = ("checkpoint", "paths")
_DELETION = re.compile(r"~[A-Za-z_][\w./@:-]*(=.*)?", re.DOTALL)
_INTERPOLATION = re.compile(r"\$\{[^${}]+\}")


def is_path_key(key: str) -> bool:
    """Return True if the value of ``key`` is a file or folder, to be taken literally."""
    group, _, name = key.lstrip("+").rpartition(".")
    return name in _PATH_NAMES or name.endswith(_PATH_ENDINGS) or group in _PATH_GROUPS


def is_override(word: str) -> bool:
    """Return True if a word has the form ``key=value`` or ``~key``."""
    return bool(_OVERRIDE.fullmatch(word) or _DELETION.fullmatch(word))


def literal(value: str) -> str:
    """Quote a value so that Hydra reads every character literally, even ``${...}``."""
    return QuotedString(text=escaped(value), quote=Quote.single).with_quotes()


def quote_override(argument: str, *, multirun: bool = False) -> str:
    """Quote the value of a ``key=value`` argument if Hydra would not take it as typed.

    A value that Hydra cannot parse is always quoted. The value of a path-like key (see
    `is_path_key`) is also quoted if Hydra would not read it as the same text. Exceptions are
    ``null``, text already in quotes, interpolations such as ``${paths.data}/a.mp4`` (unless a file
    of exactly that name exists) and, with ``multirun``, sweeps.

    Parameters
    ----------
    argument : str
        One word of the command line. Other words are returned unchanged.
    multirun : bool
        Whether commas and functions in a value may define a sweep.

    Returns
    -------
    str
        An argument that Hydra can parse. Quoting it again changes nothing.
    """
    match = _OVERRIDE.fullmatch(argument)
    if match is None:
        return argument
    key, value = match["key"], match["value"]
    try:
        parsed = OverridesParser.create().parse_override(argument)
    except HydraException:
        # Lightning's launcher puts a folder in "..." without escaping special characters
        text = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
        return f"{key}={_quoted(text)}"
    if not is_path_key(key) or (multirun and parsed.is_sweep_override()):
        return argument
    element = parsed._value  # value() would drop the quotes, and fails for sweeps
    quoted = element if isinstance(element, list) and element else [element]
    if element is None or all(isinstance(part, QuotedString) for part in quoted):
        return argument
    if element == value and not _names_existing(value):
        return argument
    return f"{key}={_quoted(value)}"


def check_overrides(overrides: Iterable[str]) -> None:
    """Reject overrides that Hydra would misunderstand.

    Raises
    ------
    ConfigError
        The value of a group is not the name of an option, or output_dir is empty.
    """
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        if override.is_delete() or override.is_sweep_override():
            continue
        group = override.key_or_group
        if group == "output_dir" and not str(override.value() or "").strip():
            raise ConfigError("output_dir is empty: write output_dir=...")
        folder = files("avforensics.configs").joinpath(group)
        if folder.is_dir() and not isinstance(override.value(), str | list):
            options = sorted(
                path.name.removesuffix(".yaml")
                for path in folder.iterdir()
                if path.name.endswith(".yaml")
            )
            raise ConfigError(
                f"{group}={override.get_value_element_as_str()}: no such option; "
                f"options: {', '.join(options)}"
            )


def _names_existing(value: str) -> bool:
    """Return True if ``value`` looks like an interpolation but is the name of a file."""
    return "${" in value and os.path.lexists(value)


def _quoted(value: str) -> str:
    """Quote text so that Hydra and OmegaConf read it back unchanged."""
    if "${" in value and (_names_existing(value) or not _INTERPOLATION.search(value)):
        return literal(value)
    return QuotedString(text=value, quote=Quote.single).with_quotes()
