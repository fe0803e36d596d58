"""A tiny network with the paper's structure, and one with the compact structure."""

from collections.abc import Callable

import pytest
import torch
from tiny_network import tiny_published

from avforensics.checkpoints import Models
from avforensics.models.audio import AudioEncoder
from avforensics.models.decoder import PublishedDecoder
from avforensics.models.fusion import CosineFusion
from avforensics.models.projection import Projection
from avforensics.models.sync import SyncNetwork
from avforensics.models.visual import VisualEncoder


def valid_network() -> SyncNetwork:
    """One 3-D block without padding in time and two towers; 32 px."""
    visual = VisualEncoder(
        widths=(4, 8, 8, 16), depths=(1, 1, 1, 1), first_temporal_stage=3, pad_time=False
    )
    fusion = CosineFusion(video_width=16, audio_width=16, plane=2, width=16)
    audio = AudioEncoder(widths=(8, 8, 8, 8, 8, 16, 16))
    return SyncNetwork(visual=visual, audio=audio, fusion=fusion, size=32)


def randomise(network: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Set random weights and batch-norm statistics, so that no value is 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator)
            tensor.copy_(noise.abs() + 0.5 if "running_var" in name else noise * 0.3)
    return network.eval()


@pytest.fixture(params=[tiny_published, valid_network], ids=["padded", "valid"])
def network(request) -> SyncNetwork:
    return randomise(request.param(), seed=1)


@pytest.fixture
def models() -> Models:
    projection = randomise(Projection(inputs=32, outputs=31), seed=2)
    return Models(
        sync=randomise(tiny_published(), seed=1),
        distribution=randomise(PublishedDecoder(width=32, heads=4), seed=3),
        activation=randomise(PublishedDecoder(width=32, heads=4), seed=4),
        projection=projection,
    )


@pytest.fixture
def long_models(models) -> Callable[[int], Models]:
    """Return a function that makes models for sequences of a given length."""

    def make(max_len: int) -> Models:
        sizes = {"width": 32, "heads": 4, "positions": max_len - 1}
        models.distribution = randomise(PublishedDecoder(**sizes), seed=3)
        models.activation = randomise(PublishedDecoder(**sizes), seed=4)
        return models

    return make
