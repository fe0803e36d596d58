"""The command line (`avforensics.cli.start`, `avforensics.cli.run`)."""

from avforensics.cli.start import command, main, verbs

__all__ = ["command", "main", "verbs"]
