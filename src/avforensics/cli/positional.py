"""Positional inputs: ``detect VIDEO... --out OUT`` means ``detect input=... output_dir=...``."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from hydra._internal.utils import get_args_parser  # the parser that hydra.main uses itself
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep
from hydra.errors import HydraException

from avforensics.cli.overrides import is_override, literal
from avforensics.errors import ConfigError

# The setting that a verb's inputs set, and the verbs that take several inputs.
INPUTS = {
    "align": "manifest",
    "demo": "video",
    "detect": "input",
    "extract": "manifest",
    "forge": "manifest",
    "preprocess": "input",
    "probe": "input",
    "render": "input",
    "verify": "result",
}
QUOTES = "'\""
SEVERAL = {"detect", "preprocess", "probe"}


def name_words(verb: str, arguments: Sequence[str]) -> list[str]:
    """Rewrite a verb's inputs and ``--out OUT`` as settings.

    A word is an input if it does not have the form ``key=value``, if a file of exactly that name
    exists, or if it follows ``--``. ``--out`` sets the verb's ``output``, or its ``output_dir`` if
    it has no ``output``.

    Parameters
    ----------
    arguments : sequence of str
        Everything after the verb.

    Returns
    -------
    list of str
        Hydra's flags and overrides. Inputs are quoted, so that Hydra reads every character
        literally.

    Raises
    ------
    ConfigError
        There are more inputs than the verb takes, or inputs or the output are given both as words
        and by name.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    key = INPUTS.get(verb)
    taken = "[INPUT ...] " if verb in SEVERAL else "[INPUT] " if key else ""
    parser = argparse.ArgumentParser(
        prog=f"avforensics {verb}",
        usage=f"%(prog)s {taken}[--out OUT] [key=value ...]",
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument("--out")
    given, others = parser.parse_known_args(arguments[:end])
    out = given.out
    flags, words = split_arguments(others)
    inputs = [word for word in words if key and (not is_override(word) or os.path.lexists(word))]
    typed = [word for word in words if word not in inputs]
    overrides = [part for word in typed for part in _named_weights(word, flags)]
    inputs += arguments[end + 1 :]
    if out is not None:
        key_of_out = _out_key(verb)
        if any(override.startswith(f"{key_of_out}=") for override in overrides):
            raise ConfigError(f"{verb} got two outputs: {key_of_out}=... and --out {out}")
        overrides.append(f"{key_of_out}={literal(out)}")
    if not inputs:  # as typed, except for --out
        as_typed = out is None and overrides == typed
        return list(arguments) if as_typed else overrides + flags
    if key is None:
        raise ConfigError(f"{verb} accepts only key=value arguments, got {inputs[0]!r}")
    if any(override.startswith(f"{key}=") for override in overrides):
        raise ConfigError(f"{verb} got its input twice: by name ({key}=...) and as {inputs[0]!r}")
    if len(inputs) > 1 and verb not in SEVERAL:
        raise ConfigError(f"{verb} takes one input, got {len(inputs)}: {', '.join(inputs)}")
    values = [literal(word) for word in inputs]
    value = values[0] if len(values) == 1 else f"[{','.join(values)}]"
    return [f"{key}={value}", *overrides, *flags]


def _named_weights(word: str, flags: Sequence[str]) -> list[str]:
    """Rewrite ``checkpoint=NAME`` as settings of option `named`, unless NAME is an option.

    With ``-m``, ``checkpoint=NAME,NAME`` stays a sweep, over either options or weights.
    """
    group, _, name = word.partition("=")
    if group != "checkpoint" or not name:
        return [word]
    given = get_args_parser().parse_args(list(flags))
    folders = [Path(str(files("avforensics.configs")))]
    folders += [Path(given.config_dir)] if given.config_dir else []
    names = _swept(word) if given.multirun and not os.path.lexists(name) else [name]
    known = [any((f / group / f"{one}.yaml").is_file() for f in folders) for one in names]
    if all(known):  # also true for a sweep that is not a list, which has no names
        return [word]
    values = ",".join(literal(one.strip(QUOTES)) for one in names)
    return ["checkpoint=named", f"checkpoint.weights={values}"]


def _swept(word: str) -> list[str]:
    """Return the values that an override sweeps over; empty for a sweep that is not a list."""
    try:
        override = OverridesParser.create().parse_override(word)
    except HydraException:
        return [word.partition("=")[2]]
    if not override.is_sweep_override():
        return [word.partition("=")[2]]
    is_list = isinstance(override._value, ChoiceSweep)
    return list(override.sweep_string_iterator()) if is_list else []


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate flags and their values from other words, in any order."""
    flags, words = list(arguments), get_args_parser().parse_intermixed_args(arguments).overrides
    for word in words:
        flags.remove(word)
    return flags, words


def _out_key(verb: str) -> str:
    path = files("avforensics.configs").joinpath(f"{verb}.yaml")
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return "output" if re.search(r"^output:", text, re.MULTILINE) else "output_dir"
