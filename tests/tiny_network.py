"""The smallest synchronisation networks: of the compact and of the published structure."""

import torch

from avforensics.models.audio import AudioEncoder
from avforensics.models.fusion import CosineFusion, FusionTransformer
from avforensics.models.sync import SyncNetwork
from avforensics.models.visual import VisualEncoder


def tiny_sync(
    *, tau: int = 15, size: int = 32, width: int = 10, plane: int = 2, seed: int = 0
) -> SyncNetwork:
    """Make a network with random weights, 2 * tau + 1 delays and activations of 2 * width numbers.

    ``plane`` is the side of the visual encoder's output: 2 for 32 pixels, 4 for 64.
    """
    torch.manual_seed(seed)
    return SyncNetwork(
        visual=VisualEncoder(widths=(4, 6, 8), depths=(1, 1, 1), strides=(1, 2, 2), pad_time=False),
        audio=AudioEncoder(widths=(4, 4, 4, 4, 4, 8, 12)),
        fusion=CosineFusion(video_width=8, audio_width=12, plane=plane, width=width),
        size=size,
        max_delay=tau,
    ).eval()


def tiny_published(*, tau: int = 15, size: int = 32, plane: int = 2) -> SyncNetwork:
    """Make a network with two padded stages in time and a transformer; see `tiny_sync`."""
    return SyncNetwork(
        visual=VisualEncoder(widths=(4, 6, 8, 16), depths=(1, 2, 1, 1)),
        audio=AudioEncoder(widths=(4, 4, 4, 4, 4, 8, 16)),
        fusion=FusionTransformer(width=16, plane=plane, depth=2, heads=2),
        size=size,
        max_delay=tau,
    )
