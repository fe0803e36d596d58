"""The command ``avforensics`` before a verb runs: help, version, exit code.

Hydra and torch are imported only when a verb runs, so that the list of verbs appears at once.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import gc
import logging
import pkgutil
import sys
from importlib.util import find_spec
from pathlib import Path

import avforensics
from avforensics import commands, interruption
from avforensics.cli.streams import OpenEnded


def command() -> None:
    """Run `main` and end the process with its exit code."""
    gc.disable()  # until the verb runs: objects made by imports stay, and scanning them takes time
    codes: list[int] = []
    # The first function to be registered runs last. Taking torch down takes a fifth of a second.
    atexit.register(lambda: interruption.leave(codes[0]) if codes else None)
    interruption.watch()
    sys.stdout, sys.stderr = OpenEnded(sys.stdout), OpenEnded(sys.stderr)
    code = main()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # while a closed pipe is still ignored
    if code == interruption.exit_code():
        interruption.leave(code)
    codes.append(code)
    sys.exit(code)


def main() -> int:
    """Run one verb from ``sys.argv`` and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # file names may contain any bytes
    logging.raiseExceptions = False  # report a full disk once, not for every log line
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if arguments[0] in ("-V", "--version", "version"):
        print(f"avforensics {avforensics.__version__}")
        return 0
    from avforensics.cli.run import run_words  # slow: imports Hydra

    return run_words(*arguments)


def verbs() -> dict[str, str]:
    """Map every verb to the first line of its module's docstring, without the leading verb."""
    names = sorted(m.name for m in pkgutil.iter_modules(commands.__path__) if m.name[0] != "_")
    lines = {name: (ast.get_docstring(source_of(name)) or "").split("\n")[0] for name in names}
    return {name: line.removeprefix(f"``avforensics {name}``: ") for name, line in lines.items()}


def usage() -> str:
    """Return the text that ``avforensics`` prints without arguments."""
    listed = verbs()
    width = max(map(len, listed), default=0)
    lines = [f"  {name:<{width}}  {text}" for name, text in listed.items()]
    return "\n".join(
        [
            "usage: avforensics VERB [INPUT ...] [--out OUT] [key=value ...]",
            "",
            *lines,
            "",
            "avforensics VERB --help     what a verb does, with all settings",
            "avforensics VERB --cfg job  print the resulting settings",
            "avforensics VERB -m key=a,b one run per value",
            'avforensics --completion SHELL  a script for bash, zsh or fish: eval "$(...)"',
            "avforensics --version",
        ]
    )


def source_of(verb: str) -> ast.Module:
    """Parse a verb's module, to read its docstring without importing torch."""
    path = find_spec(f"{commands.__name__}.{verb}").origin
    return ast.parse(Path(path).read_text(encoding="utf-8"))
