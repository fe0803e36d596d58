"""Text of ``avforensics VERB --help``: the verb's groups and settings with their comments.

The comment of a setting comes from the YAML file that declares it. Only Hydra is imported, so
help appears at once.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from hydra import version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path  # what hydra.main uses itself
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

CONFIGS = "avforensics.configs"
HYDRA = "1.3"  # version of Hydra whose rules apply
_LINE = re.compile(r"(?P<indent> *)(?P<key>[\w./@]+):(?: (?P<value>.*?))??(?:\s+# ?(?P<said>.*))?$")
_GLOBAL = "@package _global_"
_OF_CODE = {"_target_", "_partial_"}
_WIDEST = 44  # columns for a setting and its value, before the comment


def manual(verb: str, overrides: Sequence[str] = (), folders: Sequence[str] = ()) -> str:
    """List the groups and settings of a verb, with the chosen options.

    Parameters
    ----------
    overrides : sequence of str
        ``key=value``; ``faces=auto`` shows the settings of that option.
    folders : sequence of str
        The user's own configurations (``--config-dir``).
    """
    with composer(folders) as hydra:
        cfg = hydra.compose_config(verb, list(overrides), RunMode.RUN, from_shell=False)
    loader = hydra.config_loader
    choices = {
        group: option
        for group, option in cfg.hydra.runtime.choices.items()
        if not group.startswith("hydra")
    }
    options = {
        group: loader.get_group_options(group.partition("@")[0], ObjectType.CONFIG)
        for group in choices
    }
    sources = [element.path for element in loader.get_search_path().get_path()]
    del cfg.hydra
    said = _meanings(verb, choices, sources)
    groups = [
        f"  {group}={'null' if choices[group] is None else choices[group]}: {', '.join(names)}"
        for group, names in options.items()
        if len(names) > 1 or choices[group] is None
    ]
    lines = ["Groups (group=option):", "", *groups, ""] if groups else []
    lines += ["Settings (key=value):", ""]
    grouped = {_place(group).partition(".")[0] for group in choices} | {"plugins"}
    settings = list(settings_of(cfg))  # the verb's own settings come first
    settings.sort(key=lambda setting: setting[0].partition(".")[0] in grouped)
    for key, value in settings:
        shown = f"  {key}={value}"
        meaning = said.get(key, "")
        lines.append(f"{shown:<{_WIDEST}}  {meaning}".rstrip())
    return "\n".join(lines)


@contextlib.contextmanager
def composer(folders: Sequence[str] = (), *, task: str = "help") -> Iterator[Hydra]:
    """Yield a Hydra instance that finds configurations in ``folders`` and in this package."""
    GlobalHydra.instance().clear()
    version.setbase(HYDRA)
    search = create_config_search_path(f"pkg://{CONFIGS}")
    for folder in folders:  # as hydra.main does with --config-dir
        place = f"file://{Path(folder).absolute()}"
        search.prepend("command-line", place, SearchPathQuery(provider="schema"))
    try:
        yield Hydra.create_main_hydra2(task, search)
    finally:
        GlobalHydra.instance().clear()


def settings_of(cfg: DictConfig, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted names of settings, and their values as a user would type them."""
    for key in cfg:
        name = f"{prefix}{key}"
        node = cfg._get_node(key)
        if key in _OF_CODE:
            continue
        if isinstance(node, DictConfig) and not (
            node._is_none() or node._is_missing() or node._is_interpolation()
        ):
            yield from settings_of(node, f"{name}.")
        else:
            yield name, "..." if OmegaConf.is_missing(cfg, key) else _typed(node)


def _typed(node: Any) -> str:
    value = node._value()
    if OmegaConf.is_config(node) and not node._is_interpolation() and value is not None:
        value = OmegaConf.to_container(node, resolve=False)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict):
        return str(value).replace("'", "").replace("None", "null")
    return str(value)


def _meanings(
    verb: str, choices: Mapping[str, str | None], sources: Sequence[str]
) -> dict[str, str]:
    """Return comments by dotted name, from the files of the verb and of the chosen options."""
    said: dict[str, str] = {}
    for group, option in choices.items():
        for text in _texts(group.partition("@")[0], option, sources):
            anywhere = _GLOBAL in text and "@" not in group
            said |= _comments(text, "" if anywhere else f"{_place(group)}.")
    for text in _texts("", verb, sources):
        said |= _comments(text, "")
    return said


def _place(group: str) -> str:
    """Return the prefix of a group's settings: benchmark.source for ``source@benchmark.source``."""
    folder, _, package = group.partition("@")
    return package or folder.replace("/", ".")


def _texts(folder: str, option: str | None, sources: Sequence[str]) -> Iterator[str]:
    """Yield the texts of the files that an option extends, then the text of its own file."""
    path = _find(f"{folder}/{option}.yaml".lstrip("/"), sources) if option else None
    if path is None:
        return
    text = path.read_text(encoding="utf-8")
    first = re.search(r"^defaults:\n((?: +- .*\n)+)", text, re.MULTILINE)
    for name in re.findall(r"^ +- (\w+) *$", first[1], re.MULTILINE) if first and folder else ():
        if name != "_self_":
            yield from _texts(folder, name, sources)
    yield text


def _find(name: str, sources: Sequence[str]) -> Any | None:
    for source in sources:
        kind, _, place = source.partition("://")
        if kind in ("pkg", "file"):
            root = files(place.replace("/", ".")) if kind == "pkg" else Path(place)
            if (path := root.joinpath(name)).is_file():
                return path
    return None


def _comments(text: str, prefix: str) -> dict[str, str]:
    """Return the comments of keys by dotted name."""
    found, above = {}, []
    for line in text.splitlines():
        match = _LINE.match(line)
        if not match or match["key"] == "defaults":
            continue
        indent = len(match["indent"])
        above = [(column, key) for column, key in above if column < indent]
        above.append((indent, match["key"]))
        if match["said"]:
            found[prefix + ".".join(key for _, key in above)] = match["said"].strip()
    return found
