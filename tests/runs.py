"""Input and output of commands: composed settings, and rows of tables."""

import csv
from pathlib import Path

from hydra import compose, initialize_config_module


def composed(verb: str, *overrides: str):
    """Compose the settings of a verb."""
    with initialize_config_module("avforensics.configs", version_base="1.3"):
        return compose(verb, list(overrides))


def table(path: Path | str) -> list[dict[str, str]]:
    """Read the rows of a table that a command has written."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
