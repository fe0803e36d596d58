from pathlib import Path

import pytest
from omegaconf import OmegaConf

import avforensics.configs
from avforensics.checkpoints import load_models
from avforensics.errors import CheckpointError

CONFIGS = Path(avforensics.configs.__path__[0])


def shipped(name):
    return OmegaConf.to_container(OmegaConf.load(CONFIGS / "checkpoint" / f"{name}.yaml"))


def test_the_network_of_one_speaker_is_whole_and_says_what_it_is():
    models = load_models(shipped("grid_compact"))
    models.require("sync", "distribution", "activation", "projection")
    assert "one speaker of GRID" in models.notice
    assert models.sync.size == 80


def test_a_name_that_is_not_shipped_lists_those_that_are():
    with pytest.raises(CheckpointError, match="grid_compact"):
        load_models(shipped("grid_compact") | {"asset": "grid_large"})
