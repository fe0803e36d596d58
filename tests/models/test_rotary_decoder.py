"""The rotary decoder is causal, depends only on distances, and accepts longer sequences."""

import pytest
import torch

from avforensics.errors import ConfigError
from avforensics.models.anomaly import AnomalyModel
from avforensics.models.objectives import EarthMover, SoftCrossEntropy
from avforensics.models.rotary import RotaryAttention, RotaryDecoder
from avforensics.scoring.sequences import SequencePolicy

SIZES = {"inputs": 7, "outputs": 5, "width": 16, "heads": 2, "positions": 9}


@torch.inference_mode()
def test_attention_sees_distances_not_positions():
    torch.manual_seed(0)
    attention = RotaryAttention(16, heads=2, dropout=0.0, base=100.0).eval()
    x = torch.randn(1, 1, 6, 8)
    placed = attention.placed(x)
    later = attention.placed(torch.cat([torch.zeros(1, 1, 3, 8), x], dim=2))[:, :, 3:]
    products = [p @ p.transpose(-1, -2) for p in (placed, later)]
    torch.testing.assert_close(*products)
    assert not torch.allclose(placed, later, atol=1e-2)
    assert not torch.allclose(products[0], x @ x.transpose(-1, -2), atol=1e-2)


@torch.inference_mode()
def test_longer_sequences_than_those_of_training_may_be_scored():
    decoder = RotaryDecoder(**{**SIZES, "outputs": 7}, stretch=4).eval()
    model = AnomalyModel(decoder=decoder, objective=SoftCrossEntropy())
    assert model.max_len == 37
    losses, _ = model(torch.randn(1, 37, 7))
    assert losses.isfinite().all()
    SequencePolicy(max_len=37).check(distribution=model)
    with pytest.raises(ConfigError, match="at most 37 windows"):
        SequencePolicy(max_len=38).check(distribution=model)


def test_sizes_without_meaning():
    with pytest.raises(ValueError, match="a multiple of 2 \\* heads = 4, got 18"):
        RotaryDecoder(**{**SIZES, "width": 18})
    with pytest.raises(ValueError, match="stretch must be >= 1"):
        RotaryDecoder(**SIZES, stretch=0)


def test_earth_mover_counts_the_frames_by_which_probability_moves():
    certain = 50 * torch.eye(7)
    losses = EarthMover().step_losses(certain[[2, 2, 2]], certain[[2, 3, 6]])
    torch.testing.assert_close(losses, torch.tensor([0.0, 1.0, 4.0]), atol=1e-4, rtol=0)
