"""The command line (`avforensics.cli.run`)."""

from avforensics.cli.run import command, main, run_command, verbs

__all__ = ["command", "main", "run_command", "verbs"]
