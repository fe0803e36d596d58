"""Check the types of overrides against defaults, so that ``seed=abc`` gives a one-line error.

Settings that become objects (trainer, callbacks, model ...) are checked by the objects' classes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from hydra import compose
from omegaconf import DictConfig, ListConfig, OmegaConf

from avforensics.errors import ConfigError

# Groups whose settings are arguments of classes with their own checks.
_ELSEWHERE = {"hydra", "trainer", "callbacks", "logger", "data", "model", "module"}
_ELSEWHERE |= {"optimizer", "scheduler", "objective", "decoder", "projection", "init"}
# Last parts of names: settings that accept fractions although their default is an integer.
_FRACTIONS = {"lam", "longest", "max_seconds"}
_FRACTIONS |= {"max_megabytes", "max_minutes", "timeout_minutes", "keep_minutes"}
_FRACTIONS |= {"cpus_per_worker", "gpus_per_worker"}
# Settings that also accept a list, and settings that accept a mapping.
_LISTS_TOO = {"lam", "input"}
_MAPPINGS_TOO = {"crop"}
# Settings that accept null although their default is not null.
_NULL_TOO = {"select.split", "components", "calibration"}
_NULL_TOO |= {"benchmark.sample.real", "benchmark.sample.fake", "baselines.fit_split"}
# Settings that must be integers, even without a default, and their minimum.
_LEAST = {"batch_windows": 1, "readers": 1, "workers": 1, "world": 1, "rank": 0, "port": 0}
_LEAST |= {"real": 0, "fake": 0, "seed": 0, "resamples": 1, "examples": 0, "clips": 1, "epochs": 1}
_LEAST |= {"video_stream": 0, "audio_stream": 0, "min_videos": 1, "bins": 2, "tries": 1}
_NEEDED = "???"  # marks a mandatory setting in configs
# Settings of many verbs that accept any non-empty text.
_ANY_TEXT = {"input", "output_dir"}
_KEY = re.compile(r"[A-Za-z_][\w.]*(?==)")


def check_kinds(
    verb: str, cfg: DictConfig, overrides: Iterable[str], choices: Mapping[str, str]
) -> None:
    """Compare values on the command line with the defaults.

    Parameters
    ----------
    cfg : DictConfig
        The composed configuration.
    overrides : iterable of str
        ``key=value``; additions (``+key=value``) are ignored.
    choices : mapping
        Chosen option of each group, as recorded by Hydra.

    Raises
    ------
    ConfigError
        A value has a different type from its default; the message names the first mismatch.
    """
    packages = {group.partition("@")[2] for group in choices}
    given = {match[0]: text for text in overrides if (match := _KEY.match(text))}
    for key in packages & given.keys():
        if OmegaConf.select(cfg, key) is None:
            raise ConfigError(f"{key} cannot be null")
    keys = [key for key in given if key not in choices and key.partition(".")[0] not in _ELSEWHERE]
    keys = [key for key in keys if key not in _ANY_TEXT or not _is_text(OmegaConf.select(cfg, key))]
    if not keys:
        return
    defaults = compose(verb, [text for key, text in given.items() if key in choices])
    for key in keys:
        parent, _, last = key.rpartition(".")
        node = _parent(defaults, parent)
        known = isinstance(node, DictConfig) and last in node.keys()  # noqa: SIM118
        if known and not _refers(node, last) and not _refers(_parent(cfg, parent), last):
            default = _NEEDED if OmegaConf.is_missing(node, last) else node[last]
            _check(key, default, OmegaConf.select(cfg, key))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _parent(cfg: DictConfig, name: str) -> Any:
    return OmegaConf.select(cfg, name) if name else cfg


def _refers(node: Any, name: str) -> bool:
    """Return True if a value refers to another setting, whose type may differ."""
    return isinstance(node, DictConfig) and OmegaConf.is_interpolation(node, name)


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
            raise ConfigError(f"{key} must be at least {_LEAST[name]}, got {value}")
    elif default is None:
        return
    elif isinstance(default, DictConfig):
        if not isinstance(value, DictConfig):
            example = f"{key}.{next(iter(default), 'NAME')}=..."
            raise ConfigError(f"{key} must be a group of settings, as in {example}, got {value!r}")
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
            raise ConfigError(f"{key} must be true or false, got {_shown(value)}")
    elif isinstance(default, int | float):
        fraction = isinstance(default, float) or key.rpartition(".")[2] in _FRACTIONS
        _check_number(key, value, whole=not fraction)
    elif isinstance(value, DictConfig | ListConfig):
        raise ConfigError(f"{key} must be a string, got {_shown(value)}")


def _check_number(key: str, value: Any, *, whole: bool) -> None:
    number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value):
        kind = "a whole number" if whole else "a number"
        raise ConfigError(f"{key} must be {kind}, got {_shown(value)}")


def _shown(value: Any) -> str:
    """Format a value as a user would type it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
