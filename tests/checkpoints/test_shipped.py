import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

import avforensics
import avforensics.configs
from avforensics.checkpoints import load_models

GOLDEN = [0.15991, 0.86232]  # scores of the bundled clip
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
def test_names_give_the_golden_scores_of_the_bundled_clip_in_an_empty_environment(tmp_path):
    code = """
from avforensics import Detector
from avforensics.detection.golden import CLIP
for name in ("talkers", "grid_compact"):
    print(Detector.from_pretrained(name, faces="none", device="cpu").score(CLIP).scores[0].score)
"""
    source = str(Path(avforensics.__file__).parents[1])
    bare = {"HOME": str(tmp_path), "PATH": os.defpath, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"}
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, check=True, env=bare, cwd=tmp_path, capture_output=True, text=True)
    assert [float(line) for line in done.stdout.split()] == pytest.approx(GOLDEN, abs=1e-3)
