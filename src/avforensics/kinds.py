"""What kind of value each setting takes, told by its default, so that ``seed=abc`` is one sentence.

A switch takes true or false, a whole number whole numbers, a list a list. Settings that are made
into objects of other libraries (trainer, callbacks, model ...) are checked where they are made.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from avforensics.errors import ConfigError

# Groups whose settings are the arguments of classes, which say themselves what is wrong.
_ELSEWHERE = {"hydra", "trainer", "callbacks", "logger", "data", "model", "module"}
_ELSEWHERE |= {"optimizer", "scheduler", "objective", "decoder", "projection", "init"}
# By the last part of their names: whole by default, yet fractions have a meaning.
_FRACTIONS = {"lam", "longest", "max_seconds"}
_FRACTIONS |= {"max_megabytes", "max_minutes", "timeout_minutes", "keep_minutes"}
# One or several, and what may be described by settings of its own.
_LISTS_TOO = {"lam", "input"}
_MAPPINGS_TOO = {"crop"}
# What may become null though its default is something else: it means "all" or "none" there.
_NULL_TOO = {"select.split", "recipe.crop", "components", "calibration"}
_NULL_TOO |= {"benchmark.sample.real", "benchmark.sample.fake", "baselines.fit_split"}
# Whole numbers, also where there is no default, and the least that has a meaning.
_LEAST = {"batch_windows": 1, "readers": 1, "workers": 1, "world": 1, "rank": 0, "port": 0}
_LEAST |= {"real": 0, "fake": 0, "seed": 0, "resamples": 1, "examples": 0, "clips": 1, "epochs": 1}
_LEAST |= {"video_stream": 0, "audio_stream": 0, "min_videos": 1, "bins": 2}
_NEEDED = "???"  # as configs write it: there is no default
_KEY = re.compile(r"[A-Za-z_][\w.]*(?==)")


def check_kinds(
    verb: str, cfg: DictConfig, overrides: Iterable[str], choices: Mapping[str, str]
) -> None:
    """Compare what was given on the command line with the defaults.

    Parameters
    ----------
    cfg : DictConfig
        As composed.
    overrides : iterable of str
        ``key=value``; groups and additions (``+key=value``) are passed over.
    choices : mapping
        Group to option, as Hydra keeps them.

    Raises
    ------
    ConfigError
        Naming the first setting whose value is of another kind than its default.
    """
    packages = {group.partition("@")[2] for group in choices}
    for override in overrides:
        key = _KEY.match(override)
        if key and key[0] in packages and OmegaConf.select(cfg, key[0]) is None:
            raise ConfigError(f"{key[0]} cannot be null")
        if key and key[0].partition(".")[0] not in _ELSEWHERE and key[0] not in choices:
            found = _default(verb, key[0], choices)
            if found and not _refers(cfg, key[0]):
                _check(key[0], found[0], OmegaConf.select(cfg, key[0]))


def _refers(cfg: DictConfig, key: str) -> bool:
    """Whether a value is taken from another setting, which has a kind of its own."""
    parent, _, last = key.rpartition(".")
    node = OmegaConf.select(cfg, parent) if parent else cfg
    return isinstance(node, DictConfig) and OmegaConf.is_interpolation(node, last)


def _default(verb: str, key: str, choices: Mapping[str, str]) -> tuple[Any] | None:
    """A setting's default in the verb's own file or in that of a group; None = unknown."""
    places = [(f"{verb}.yaml", key)]
    for group, option in choices.items():
        folder, _, package = group.partition("@")
        inside = f"{package or folder}."
        rest = key.removeprefix(inside)
        places.append((f"{folder}/{option}.yaml", rest))
    for name, rest in places:
        path = files("avforensics.configs").joinpath(name)
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if "@package _global_" in text:
            rest = key
        elif rest == key and name != f"{verb}.yaml":
            continue
        config = OmegaConf.create(text)
        parent, _, last = rest.rpartition(".")
        node = OmegaConf.select(config, parent) if parent else config
        if isinstance(node, DictConfig) and last in node.keys():  # noqa: SIM118
            if OmegaConf.is_interpolation(node, last):
                return None
            return (_NEEDED if OmegaConf.is_missing(node, last) else node[last],)
    return None


def _check(key: str, default: Any, value: Any) -> None:
    name = key.rpartition(".")[2]
    if default == _NEEDED and value in (None, ""):
        raise ConfigError(f"{key} is empty: write {key}=...")
    if value is None:
        if default is not None and key not in _NULL_TOO:
            raise ConfigError(f"{key} cannot be null")
    elif name in _LEAST:
        _check_number(key, value, whole=True)
        if value < _LEAST[name]:
            raise ConfigError(f"{key} must be at least {_LEAST[name]}, not {value}")
    elif default is None:
        return
    elif isinstance(default, DictConfig):
        if not isinstance(value, DictConfig):
            example = f"{key}.{next(iter(default), 'NAME')}=..."
            raise ConfigError(f"{key} has settings of its own, as in {example}, not {value!r}")
    elif isinstance(default, ListConfig) or (name in _LISTS_TOO and isinstance(value, ListConfig)):
        _check_list(key, default, value)
    elif name not in _MAPPINGS_TOO or not isinstance(value, DictConfig):
        _check_one(key, default, value)


def _check_list(key: str, default: Any, value: Any) -> None:
    if not isinstance(value, ListConfig):
        raise ConfigError(f"{key} must be a list, as in '{key}=[{value}]'")
    example = default[0] if isinstance(default, ListConfig) and len(default) else default
    if not isinstance(example, ListConfig | DictConfig):
        for item in value:
            _check_one(key, example, item)


def _check_one(key: str, default: Any, value: Any) -> None:
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise ConfigError(f"{key} must be true or false, not {_shown(value)}")
    elif isinstance(default, int | float):
        fraction = isinstance(default, float) or key.rpartition(".")[2] in _FRACTIONS
        _check_number(key, value, whole=not fraction)
    elif isinstance(value, DictConfig | ListConfig):
        raise ConfigError(f"{key} must be a word, not {_shown(value)}")


def _check_number(key: str, value: Any, *, whole: bool) -> None:
    number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value):
        kind = "a whole number" if whole else "a number"
        raise ConfigError(f"{key} must be {kind}, not {_shown(value)}")


def _shown(value: Any) -> str:
    """A value as it is typed."""
    return str(value).lower() if isinstance(value, bool) else str(value)
