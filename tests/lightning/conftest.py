"""Fixtures that run `avforensics train` on small clips."""

import json
from pathlib import Path

import pytest
from bars import TINY, write_bars
from runs import composed

from avforensics.commands import train


@pytest.fixture(scope="session")
def bars(tmp_path_factory) -> Path:
    """Manifest of eight training clips and three validation clips."""
    return write_bars(tmp_path_factory.mktemp("bars"), {"sync": 8, "val": 3})


@pytest.fixture(scope="session")
def tiny_settings(bars):
    """Return a function that gives overrides of `avforensics train` for the tiny network."""

    def settings(folder: Path) -> list[str]:
        return [
            *TINY,
            f"data.manifest={bars}",
            "data.phases=[{batch_size: 2, span: 20}]",
            "data.workers=0",
            "callbacks.estimate=null",
            "trainer.log_every_n_steps=1",
            "optimizer.lr=1e-2",
            f"output_dir={folder}",
        ]

    return settings


@pytest.fixture(scope="session")
def train_tiny(tiny_settings):
    """Return a function that trains the tiny network on the bars and returns its curve."""

    def run(folder: Path, *overrides: str) -> dict:
        assert train.run(composed("train", *tiny_settings(folder), *overrides)) == 0
        return json.loads((folder / "curve.json").read_text())

    return run
