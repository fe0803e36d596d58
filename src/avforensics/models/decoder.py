"""Autoregressive decoder over rows of delay logits or activation features, as released.

Feng, Chen, Owens (CVPR 2023), Sec. 3.2. The released weights need the quirks below.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from avforensics.models.registered import register


class SharedNorm(nn.Module):
    """Layer norm that divides by (unbiased std + 1e-6), unlike ``nn.LayerNorm``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        std = x.std(-1, keepdim=True)
        return self.weight * (x - x.mean(-1, keepdim=True)) / (std + 1e-6) + self.bias


class CausalAttention(nn.Module):
    """Causal self-attention with a learnt null key and value before the sequence.

    Quirks: the scale is width^-0.5 instead of (width / heads)^-0.5, and the released file contains
    a convolution for compressed memory, which is unused at compression factor 1. The convolution is
    kept as a buffer so that the file can be written back unchanged.
    """

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = width**-0.5
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.to_out = nn.Linear(width, width)
        self.null_key = nn.Parameter(torch.zeros(1, 1, width))
        self.null_value = nn.Parameter(torch.zeros(1, 1, width))
        self.register_buffer("compression_weight", torch.zeros(width, width // heads, 1))
        self.register_buffer("compression_bias", torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        q, k, v = self.to_qkv(x).chunk(3, dim=-1)
        k = torch.cat([self.null_key.expand(batch, -1, -1), k], dim=1)
        v = torch.cat([self.null_value.expand(batch, -1, -1), v], dim=1)
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (q, k, v))
        # row t attends to the null token and positions 0..t
        seen = torch.ones(length, length + 1, dtype=torch.bool, device=x.device).tril(1)
        logits = (q @ k.transpose(-1, -2) * self.scale).masked_fill(~seen, -torch.inf)
        return self.to_out((logits.softmax(-1) @ v).transpose(1, 2).flatten(2))


class DecoderBlock(nn.Module):
    """Post-norm block in which both residuals share one norm."""

    def __init__(self, width: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = CausalAttention(width, heads=heads)
        self.norm = SharedNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        h = self.dropout(self.norm(self.attention(x) + x))
        return self.dropout(self.norm(h + self.feed_forward(h)))


class RowDecoder(nn.Module, ABC):
    """Base class of attention decoders, (B, N, inputs) -> (B, N, outputs).

    Subclasses create the blocks. ``spread`` is the initial standard deviation of the learnt
    position table; 0 = no table, because the blocks encode positions themselves.

    Parameters
    ----------
    inputs, outputs : int
        Lengths of a row and of its prediction.
    positions : int
        Maximum input length; the longest sequence has one more window.
    """

    spread = 1.0

    def __init__(
        self,
        *,
        inputs: int = 31,
        outputs: int = 31,
        width: int = 256,
        heads: int = 16,
        depth: int = 2,
        positions: int = 49,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width must be a multiple of heads = {heads}, got {width}")
        if positions < 1 or depth < 1:
            raise ValueError(f"positions and depth must be >= 1, got {positions} and {depth}")
        self.row_width = inputs
        self.max_len = positions + 1  # windows of the longest sequence
        self.to_width = nn.Linear(inputs, width)
        self.position = None
        if self.spread:
            self.position = nn.Parameter(self.spread * torch.randn(1, positions, width))
        self.blocks = nn.ModuleList(self.block(width, heads, dropout) for _ in range(depth))
        self.to_row = nn.Linear(width, outputs)

    @abstractmethod
    def block(self, width: int, heads: int, dropout: float) -> nn.Module:
        """Create a block."""

    def forward(self, rows: Tensor) -> Tensor:
        """Predict rows: the output at step t predicts row t + 1 and depends only on rows 0..t."""
        x = self.to_width(rows).relu()
        if self.position is not None:
            x = x + self.position[:, : rows.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.to_row(x)


@register
class PublishedDecoder(RowDecoder):
    """The released decoder, by default for rows of 31 delays and sequences of 50 windows."""

    def block(self, width: int, heads: int, dropout: float) -> DecoderBlock:
        """Create a block with the quirks of the released weights."""
        return DecoderBlock(width, heads=heads, dropout=dropout)
