"""Statistics of batch norm are averages over training clips, and training ignores them."""

import numpy as np
import pytest
import torch

from avforensics.data.clips import SpanClips
from avforensics.data.manifest import Manifest
from avforensics.lightning.callbacks.norms import PreciseBatchNorm

CALLBACK = [
    "+callbacks.statistics._target_=avforensics.lightning.callbacks.norms.PreciseBatchNorm",
    "+callbacks.statistics.clips=8",
]
RUN = ("trainer.max_epochs=2", "module.silence=2")


def weights(folder):
    state = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    return {name.removeprefix("network."): value for name, value in state.items()}


def test_statistics_are_those_of_the_training_clips(train_tiny, bars, tmp_path):
    plain = train_tiny(tmp_path / "plain", *RUN)
    measured = train_tiny(tmp_path / "measured", *RUN, *CALLBACK)

    assert len(plain["train"]) == 8
    assert plain["train"] == measured["train"]

    state = weights(tmp_path / "measured")
    clips = SpanClips(Manifest.read(bars).select(split="sync"), span=20)
    frames = np.concatenate([clips[i]["frames"] for i in range(len(clips))])
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    stem = torch.nn.functional.conv2d(pictures, state["visual.conv1.weight"], None, 2, 3)
    expected = stem.mean(dim=(0, 2, 3))
    found = state["visual.bn1.running_mean"]
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    running = weights(tmp_path / "plain")["visual.bn1.running_mean"]  # by a tenth per step, from 0
    assert (running - expected).abs().max() > 10 * (found - expected).abs().max()


def test_no_clips_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        PreciseBatchNorm(clips=0)
