"""The transformer over mouth crops replaces the ResNet."""

import pytest
import torch

from avforensics.models.vit import MouthTransformer

SIZES = {"size": 32, "patch": 8, "width": 8, "heads": 2, "pool": 2}


@torch.inference_mode()
def test_the_order_of_frames_and_the_place_of_patches_matter():
    torch.manual_seed(0)
    frames, visual = torch.rand(5, 3, 32, 32) * 255, MouthTransformer(**SIZES).eval()

    def encoded(frames):
        return visual.windows(visual.frames(frames).transpose(0, 1).unsqueeze(0))

    assert encoded(frames).shape == (1, 8, 1, 2, 2)
    assert not torch.allclose(encoded(frames), encoded(frames.flip(0)), atol=1e-4)
    assert not torch.allclose(encoded(frames), encoded(frames.flip(3)).flip(4), atol=1e-4)


def test_sizes_without_meaning():
    with pytest.raises(ValueError, match="multiple of patch \\* pool = 16"):
        MouthTransformer(**{**SIZES, "size": 40})
