"""Registries that map names to classes and functions, including a user's own.

A ``Registry`` maps names to objects of one kind: network classes, perturbations, baselines. Code
outside this package adds objects with a decorator, which runs when the code is imported. Modules
are imported from two sources, both controlled by the user: entry points of installed packages
(group ``avforensics.plugins``), and the ``plugins`` setting or AVFORENSICS_PLUGINS. A name in a
downloaded file never causes an import.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Generic, TypeVar

from avforensics.errors import ConfigError
from avforensics.files import typed_path

GROUP = "avforensics.plugins"
ENVIRONMENT = "AVFORENSICS_PLUGINS"

T = TypeVar("T")


class Registry(MutableMapping[str, T], Generic[T]):
    """Mapping from names to objects of one kind.

    Plugins are imported when a name is unknown and when all names are listed, so looking up a
    built-in name imports nothing.

    Parameters
    ----------
    kind : str
        Kind of the objects, for messages, e.g. "network class".
    entries : mapping, optional
        Initial entries.
    """

    def __init__(self, kind: str, entries: Mapping[str, T] | None = None) -> None:
        self.kind = kind
        self._entries = dict(entries or {})

    def add(self, name: str, value: T) -> T:
        """Register ``value`` under ``name`` and return it.

        A repeated definition (notebook cell, reloaded module) replaces the old one.

        Raises
        ------
        ValueError
            The name is taken by a different object.
        """
        known = self._entries.get(name)
        if known is not None and _origin(known) != _origin(value):
            raise ValueError(f"a {self.kind} named {name!r} is already registered: {known!r}")
        self._entries[name] = value
        return value

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            load_plugins()
        return self._entries[name]

    def __setitem__(self, name: str, value: T) -> None:
        self.add(name, value)

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __iter__(self) -> Iterator[str]:
        load_plugins()
        return iter(self._entries)

    def __len__(self) -> int:
        load_plugins()
        return len(self._entries)


def load_plugins(named: str | Iterable[str] | None = None) -> None:
    """Import the user's own code, which runs its decorators. Nothing is imported twice.

    Parameters
    ----------
    named : str or iterable of str, optional
        Modules, or paths of .py files, whose folder is added to ``sys.path``. They are stored in
        AVFORENSICS_PLUGINS, so that child processes also import them.

    Raises
    ------
    ConfigError
        A module cannot be imported; the message says which and why.
    """
    words = os.environ.get(ENVIRONMENT, "").split(os.pathsep)
    words += [named] if isinstance(named, str) else list(named or ())
    words = list(dict.fromkeys(word for word in words if word))
    for word in words:
        _import(_module_name(word), word)
    if words:
        os.environ[ENVIRONMENT] = os.pathsep.join(map(_absolute, words))
    for module, shown in _installed():
        _import(module, shown)


@cache
def _installed() -> list[tuple[str, str]]:
    """Return the module of each entry point, and a name for messages."""
    return [
        (entry.value.partition(":")[0], f"{entry.name} (an entry point of {entry.dist.name})")
        for entry in entry_points(group=GROUP)
    ]


def _absolute(word: str) -> str:
    return str(typed_path(word).absolute()) if word.endswith(".py") else word


def _module_name(word: str) -> str:
    if not word.endswith(".py"):
        return word
    path = typed_path(word).resolve()
    if not path.is_file():
        raise ConfigError(f"plugins: no such file: {word}")
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    known = sys.modules.get(path.stem)
    if known is not None and Path(getattr(known, "__file__", None) or "").resolve() != path:
        raise ConfigError(f"plugins: {word} has the same name as another module; rename the file")
    return path.stem


def _import(module: str, shown: str) -> None:
    try:
        import_module(module)
    except Exception as error:  # the user's code may raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"plugins: {shown} cannot be imported ({reason})") from error


def _origin(value: object) -> tuple[str | None, str | None]:
    """Return the module and name of a class or function, or the repr of another object."""
    known = getattr(value, "function", value)  # a wrapper is identified by its function
    return getattr(known, "__module__", None), getattr(known, "__qualname__", repr(known))
