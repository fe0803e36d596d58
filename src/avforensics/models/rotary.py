"""A decoder with rotary positions (Su et al. 2021), for sequences longer than in training.

A learnt table of positions is only as long as the longest training sequence. This decoder instead
rotates queries and keys by angles proportional to position, so that attention depends only on
distances.
"""

from __future__ import annotations

import torch
from torch import Tensor

from avforensics.models.clean import CleanAttention, CleanBlock
from avforensics.models.decoder import RowDecoder
from avforensics.models.registered import register


class RotaryAttention(CleanAttention):
    """Causal self-attention with rotated queries and keys, without a sink."""

    def __init__(self, width: int, *, heads: int, dropout: float, base: float) -> None:
        super().__init__(width, heads=heads, dropout=dropout, sink=False)
        half = width // heads // 2
        speed = base ** (-torch.arange(half) / half)  # radians per window, fast to slow
        self.register_buffer("speed", speed, persistent=False)

    def placed(self, x: Tensor) -> Tensor:
        """Rotate pairs of values in queries or keys by position times speed, (B, heads, N, d)."""
        angle = torch.arange(x.shape[-2], device=x.device)[:, None] * self.speed  # (N, d / 2)
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        first, second = x.chunk(2, dim=-1)
        return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


@register
class RotaryDecoder(RowDecoder):
    """`CleanDecoder` with rotary instead of learnt positions.

    Parameters
    ----------
    width, heads : int
        Width of tokens and number of attention heads; ``width / heads`` must be even.
    positions : int
        Maximum input length in training; the longest training sequence has one more window.
    stretch : int
        Factor by which scored sequences may be longer than training ones.
    base : float
        Number of windows over which the slowest pair rotates by about one radian.
    """

    spread = 0.0

    def __init__(
        self,
        *,
        inputs: int = 31,
        outputs: int = 31,
        width: int = 256,
        heads: int = 16,
        depth: int = 2,
        positions: int = 49,
        stretch: int = 8,
        dropout: float = 0.1,
        base: float = 1000.0,
    ) -> None:
        if width % (2 * heads):
            raise ValueError(f"width must be a multiple of 2 * heads = {2 * heads}, got {width}")
        if stretch < 1:
            raise ValueError(f"stretch must be >= 1, got {stretch}")

        self.base = base
        super().__init__(
            inputs=inputs,
            outputs=outputs,
            width=width,
            heads=heads,
            depth=depth,
            positions=positions,
            dropout=dropout,
        )
        self.max_len = stretch * positions + 1

    def block(self, width: int, heads: int, dropout: float) -> CleanBlock:
        """Create a block with rotary attention."""
        attention = RotaryAttention(width, heads=heads, dropout=dropout, base=self.base)
        return CleanBlock(width, attention=attention, dropout=dropout)
