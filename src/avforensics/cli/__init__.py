"""The command line (`avforensics.cli.start`, `avforensics.cli.run`)."""

from typing import Any

from avforensics.cli.start import command, main, verbs

__all__ = ["command", "main", "run_command", "verbs"]


def __getattr__(name: str) -> Any:
    if name != "run_command":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from avforensics.cli.run import run_command  # slow import, not needed to list the verbs

    return run_command
