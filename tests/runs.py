"""What a command reads and leaves: its settings as it composes them, the rows of its tables."""

import csv
from pathlib import Path

from hydra import compose, initialize_config_module


def composed(verb: str, *overrides: str):
    """Settings of a verb."""
    with initialize_config_module("avforensics.configs", version_base="1.3"):
        return compose(verb, list(overrides))


def table(path: Path | str) -> list[dict[str, str]]:
    """Rows of a table that a command has written."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
