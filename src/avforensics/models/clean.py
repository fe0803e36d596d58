"""A decoder without the released decoder's quirks: standard layer norms, scale and attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from avforensics.models.decoder import RowDecoder
from avforensics.models.registered import register


class CleanAttention(nn.Module):
    """Causal self-attention, scaled by the width of a head.

    With ``sink``, a learnt key and value precede the sequence, as in the released decoder.
    """

    def __init__(self, width: int, *, heads: int, dropout: float, sink: bool) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.to_out = nn.Linear(width, width)
        self.sink = nn.Parameter(torch.zeros(2, 1, 1, width)) if sink else None

    def forward(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        q, k, v = self.to_qkv(x).chunk(3, dim=-1)
        mask = None
        if self.sink is not None:
            k, v = (
                torch.cat([first.expand(batch, -1, -1), t], dim=1)
                for first, t in zip(self.sink, (k, v), strict=True)
            )
            mask = torch.ones(length, length + 1, dtype=torch.bool, device=x.device).tril(1)
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (q, k, v))
        q, k = self.placed(q), self.placed(k)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=dropout, is_causal=mask is None
        )
        return self.to_out(mixed.transpose(1, 2).flatten(2))

    def placed(self, x: Tensor) -> Tensor:
        """Return queries or keys, (B, heads, N, d), unchanged: rows already contain positions."""
        return x


class CleanBlock(nn.Module):
    """Post-norm block with a separate norm for each residual."""

    def __init__(self, width: int, *, attention: nn.Module, dropout: float) -> None:
        super().__init__()
        self.attention = attention
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width)
        )
        self.feed_forward_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        h = self.attention_norm(x + self.dropout(self.attention(x)))
        return self.feed_forward_norm(h + self.dropout(self.feed_forward(h)))


@register
class CleanDecoder(RowDecoder):
    """The published decoder with standard parts.

    Each block has two norms with the biased standard deviation, attention that is scaled by the
    head width and computed by ``scaled_dot_product_attention``, and dropout inside the residuals.
    The class cannot load published weights.

    Parameters
    ----------
    sink : bool
        Prepend a learnt key and value, so that attention can ignore all windows. PyTorch's fast
        causal attention is then unavailable, which matters only for long sequences.
    """

    spread = 0.02

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
        sink: bool = False,
    ) -> None:
        self.sink = sink
        super().__init__(
            inputs=inputs,
            outputs=outputs,
            width=width,
            heads=heads,
            depth=depth,
            positions=positions,
            dropout=dropout,
        )

    def block(self, width: int, heads: int, dropout: float) -> CleanBlock:
        """Create a block with standard norms and attention."""
        attention = CleanAttention(width, heads=heads, dropout=dropout, sink=self.sink)
        return CleanBlock(width, attention=attention, dropout=dropout)
