"""Path of the configuration."""

from pathlib import Path

import pytest


@pytest.fixture
def configs() -> Path:
    return Path(__file__).parents[2] / "configs"
