"""A decoder whose positions are rotations (Su et al. 2021): it reads longer sequences than it saw.

A learnt table of positions ends where training ended. Here each query and key is turned by an
angle that grows with its position, so attention sees only how far apart two windows are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from avforensics.models.clean import CleanAttention, CleanBlock


class RotaryAttention(CleanAttention):
    """Causal self-attention of turned queries and keys, without a sink."""

    def __init__(self, width: int, *, heads: int, dropout: float, base: float) -> None:
        super().__init__(width, heads=heads, dropout=dropout, sink=False)
        half = width // heads // 2
        speed = base ** (-torch.arange(half) / half)  # radians a window, fast to slow
        self.register_buffer("speed", speed, persistent=False)

    def placed(self, x: Tensor) -> Tensor:
        """Turn pairs of numbers by position times speed, (B, heads, N, d) -> the same."""
        angle = torch.arange(x.shape[-2], device=x.device)[:, None] * self.speed  # (N, d / 2)
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        first, second = x.chunk(2, dim=-1)
        return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


class RotaryDecoder(nn.Module):
    """Predict the next row from the rows so far, (B, N, inputs) -> (B, N, outputs).

    `CleanDecoder` with rotary positions in place of learnt ones.

    Parameters
    ----------
    inputs, outputs : int
        Length of a row and of its prediction.
    width, heads, depth : int
        A head has ``width / heads`` numbers, which must be even.
    positions : int
        Longest input of training, one less than the longest sequence.
    stretch : int
        Sequences up to so many times as long may be scored.
    base : float
        The slowest pair turns by about one radian in so many windows.
    """

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
        super().__init__()
        if width % (2 * heads):
            raise ValueError(f"width must be a multiple of 2 * heads = {2 * heads}, got {width}")
        if positions < 1 or depth < 1 or stretch < 1:
            raise ValueError("positions, depth and stretch must be at least 1")
        self.architecture = {
            "inputs": inputs,
            "outputs": outputs,
            "width": width,
            "heads": heads,
            "depth": depth,
            "positions": positions,
            "stretch": stretch,
            "dropout": dropout,
            "base": base,
        }
        self.row_width = inputs
        self.max_len = stretch * positions + 1
        self.to_width = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(
            CleanBlock(
                width,
                attention=RotaryAttention(width, heads=heads, dropout=dropout, base=base),
                dropout=dropout,
            )
            for _ in range(depth)
        )
        self.to_row = nn.Linear(width, outputs)

    def forward(self, rows: Tensor) -> Tensor:
        """Outputs at step t depend on rows 0..t only and predict row t + 1."""
        x = self.to_width(rows).relu()
        for block in self.blocks:
            x = block(x)
        return self.to_row(x)
