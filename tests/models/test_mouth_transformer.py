"""The transformer over mouth crops takes the place of the ResNet."""

import pytest
import torch

from avforensics.models.audio import AudioEncoder
from avforensics.models.fusion import CosineFusion
from avforensics.models.sync import SyncNetwork
from avforensics.models.vit import MouthTransformer

SIZES = {"size": 32, "patch": 8, "width": 8, "heads": 2, "pool": 2}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return SyncNetwork(
        visual=MouthTransformer(**SIZES),
        audio=AudioEncoder(widths=(4, 4, 4, 4, 4, 4, 4)),
        fusion=CosineFusion(video_width=8, audio_width=4, plane=2, width=6),
        size=32,
        max_delay=2,
    ).eval()


@torch.inference_mode()
def test_windows_of_a_run_are_those_encoded_alone(network):
    frames = torch.rand(8, 3, 32, 32) * 255
    features = network.visual.frames(frames)
    assert features.shape == (8, 8, 2, 2)
    together = network.video_tokens(features)
    assert together.shape == (4, 1, 6)
    crops = torch.randn(4, 3200) * 1000
    alone = network(torch.stack([frames[k : k + 5] for k in range(4)]), crops)
    pairs = network.fusion(together, network.audio_tokens(crops))
    torch.testing.assert_close(alone, pairs)


@torch.inference_mode()
def test_the_order_of_frames_and_the_place_of_patches_matter(network):
    frames = torch.rand(5, 3, 32, 32) * 255
    visual = network.visual

    def encoded(frames):
        return visual.windows(visual.frames(frames).transpose(0, 1).unsqueeze(0))

    assert encoded(frames).shape == (1, 8, 1, 2, 2)
    assert not torch.allclose(encoded(frames), encoded(frames.flip(0)), atol=1e-4)
    assert not torch.allclose(encoded(frames), encoded(frames.flip(3)).flip(4), atol=1e-4)


def test_sizes_without_meaning():
    with pytest.raises(ValueError, match="multiple of patch \\* pool = 16"):
        MouthTransformer(**{**SIZES, "size": 40})
