"""A visual encoder with attention within each frame, then within each window.

This is a small vision transformer (Dosovitskiy et al. 2021) with factorised attention as in ViViT
(Arnab et al. 2021). Each frame is encoded once, however many windows contain it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from avforensics.models.fusion import FusionBlock
from avforensics.models.registered import register
from avforensics.models.visual import WINDOW_FRAMES


@register
class MouthTransformer(nn.Module):
    """Encode small square crops such as mouths; see `VisualProtocol`.

    Parameters
    ----------
    size : int
        Side of the frames in pixels, a multiple of ``patch * pool``.
    patch : int
        Side of a patch in pixels.
    width, heads : int
        Width of tokens and of the output (C), and number of attention heads.
    frame_depth, time_depth : int
        Blocks within a frame and within a window.
    pool : int
        Side, in patches, of the squares that are merged after the frame blocks; the output has
        ``size / patch / pool`` positions per side.
    """

    pad_time = False

    def __init__(
        self,
        *,
        size: int = 64,
        patch: int = 8,
        width: int = 128,
        heads: int = 4,
        frame_depth: int = 2,
        time_depth: int = 1,
        pool: int = 4,
    ) -> None:
        super().__init__()
        if size % (patch * pool) or width % heads:
            raise ValueError(
                f"size must be a multiple of patch * pool = {patch * pool} and width a "
                f"multiple of heads = {heads}, got size {size} and width {width}"
            )
        side = size // patch
        self.side = side
        self.to_patches = nn.Conv2d(3, width, patch, patch)
        self.place = nn.Parameter(0.02 * torch.randn(1, side * side, width))
        self.moment = nn.Parameter(0.02 * torch.randn(1, WINDOW_FRAMES, 1, width))
        self.frame_blocks = nn.ModuleList(
            FusionBlock(width, heads=heads) for _ in range(frame_depth)
        )
        self.pool = nn.Conv2d(width, width, pool, pool)
        self.time_blocks = nn.ModuleList(FusionBlock(width, heads=heads) for _ in range(time_depth))
        self.norm = nn.LayerNorm(width)

    def frames(self, frames: Tensor) -> Tensor:
        """Encode single frames, (T, 3, H, W) RGB in 0..255 -> (T, C, h, w)."""
        x = self.to_patches(frames / 127.5 - 1).flatten(2).transpose(1, 2) + self.place
        for block in self.frame_blocks:
            x = block(x)
        return self.pool(x.transpose(1, 2).unflatten(2, (self.side, self.side)))

    def windows(self, windows: Tensor) -> Tensor:
        """Encode every window of a run, (B, C, T, h, w) -> (B, C, T - 4, h, w).

        All positions of the five frames attend to each other; the frames are then averaged.
        """
        batch, _, _, height, width = windows.shape
        x = windows.unfold(2, WINDOW_FRAMES, 1)  # (B, C, N, h, w, 5)
        count = x.shape[2]
        x = x.permute(0, 2, 5, 3, 4, 1).flatten(0, 1).flatten(2, 3) + self.moment  # (B N, 5, hw, C)
        x = x.flatten(1, 2)
        for block in self.time_blocks:
            x = block(x)
        x = self.norm(x).unflatten(1, (WINDOW_FRAMES, height * width)).mean(1)  # (B N, hw, C)
        return x.view(batch, count, height, width, -1).permute(0, 4, 1, 2, 3)
