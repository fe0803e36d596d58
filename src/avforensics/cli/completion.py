"""Shell completion with Hydra's own plugins: verbs, then groups, options and settings."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from hydra.core.plugins import Plugins
from hydra.plugins.completion_plugin import CompletionPlugin

from avforensics.cli.manual import composer
from avforensics.cli.overrides import is_override
from avforensics.errors import ConfigError


def complete(action: str, verbs: Iterable[str]) -> None:
    """Print a shell's completion script or, for ``query=SHELL``, completions of a command line.

    Parameters
    ----------
    action : str
        ``bash``, ``zsh`` or ``fish``, optionally after ``install=``, ``uninstall=`` or
        ``query=`` as in Hydra. A query reads the command line from ``COMP_LINE``.

    Raises
    ------
    ConfigError
        The shell or action is unknown.
    """
    kind, _, shell = action.rpartition("=")
    with composer() as hydra:
        plugins = {
            plugin.provides(): plugin(hydra.config_loader)
            for plugin in Plugins.instance().discover(CompletionPlugin)
            if plugin.__module__.startswith("hydra._internal.core_plugins")
        }
        if shell not in plugins or kind not in ("", "install", "uninstall", "query"):
            shells = ", ".join(sorted(plugins))
            raise ConfigError(f"--completion must be one of {shells}, got {action!r}")
        if kind == "query":
            _query(plugins[shell], os.environ.get("COMP_LINE", ""), verbs)
        elif kind == "uninstall":
            plugins[shell].uninstall()
        else:
            plugins[shell].install()


def _query(plugin: CompletionPlugin, line: str, verbs: Iterable[str]) -> None:
    name, _, typed = line.lstrip().partition(" ")
    verb, space, rest = typed.lstrip().partition(" ")
    if not space:
        print("\n".join(name for name in verbs if name.startswith(verb)))
        return
    *done, last = rest.split(" ")
    # inputs and flags do not affect what may follow; options of groups do
    os.environ["COMP_LINE"] = " ".join([name, *filter(is_override, done), last])
    with contextlib.suppress(Exception):  # an error must not print a traceback into the prompt
        plugin.query(config_name=verb)
