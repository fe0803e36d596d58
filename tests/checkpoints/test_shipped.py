import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

import avforensics.configs
from avforensics.checkpoints import load_models

CONFIGS = Path(avforensics.configs.__path__[0])


def shipped(name):
    return OmegaConf.to_container(OmegaConf.load(CONFIGS / "checkpoint" / f"{name}.yaml"))


def test_the_network_of_one_speaker_is_whole_and_says_what_it_is():
    models = load_models(shipped("grid_compact"))
    models.require("sync", "distribution", "activation", "projection")
    assert "one speaker of GRID" in models.notice
    assert models.sync.size == 80


def test_the_weights_of_many_speakers_name_their_crop_and_do_not_mind_loudness():
    models = load_models(shipped("talkers"))
    models.require("sync", "distribution", "activation", "projection")
    assert models.recipe == "level_mouth"
    assert "docs/talkers.md" in models.notice
    crops = 3000 * torch.randn(6, 3200, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        tokens = models.sync.audio_tokens(crops)
        for gain in (-30, 6):
            changed = models.sync.audio_tokens(crops * 10 ** (gain / 20))
            similar = torch.cosine_similarity(tokens, changed, dim=-1)
            assert similar.min() > 0.999, gain
        other = torch.cosine_similarity(tokens[:3], tokens[3:], dim=-1)
    assert other.max() < 0.995, "different sound must not look the same"


@pytest.mark.slow
def test_shipped_weights_load_in_a_program_that_imports_nothing_else():
    code = "from avforensics.checkpoints import load_models as load"
    code += "; load({'asset': 'talkers', 'search': False})"
    subprocess.run([sys.executable, "-c", code], check=True)
