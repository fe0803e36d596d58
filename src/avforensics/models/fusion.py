"""Fusion networks: a logit phi(V, A) of how well a window and an audio crop match."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from avforensics.models.registered import register


class Attention(nn.Module):
    """Multi-head self-attention without a bias in the input projection, (B, T, D) -> (B, T', D)."""

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(width, 3 * width, bias=False)
        self.to_out = nn.Linear(width, width)

    def forward(self, x: Tensor, *, queries: int | None = None) -> Tensor:
        """Attend from the first ``queries`` tokens (default: all of them) to every token."""
        width = x.shape[-1]
        weight_q, weight_kv = self.to_qkv.weight.split((width, 2 * width))
        q = F.linear(x[:, :queries], weight_q).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        kv = F.linear(x, weight_kv).unflatten(-1, (2, self.heads, -1))  # (B, T, 2, heads, d)
        k, v = kv.permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v)  # scale d^-0.5
        return self.to_out(y.transpose(1, 2).flatten(2))


class FusionBlock(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads=heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, x: Tensor, *, queries: int | None = None) -> Tensor:
        x = x[:, :queries] + self.attention(self.norm1(x), queries=queries)
        return x + self.mlp(self.norm2(x))


@register
class FusionTransformer(nn.Module):
    """The published fusion: a small transformer over [cls, audio tokens, video tokens].

    Quirk of the released weights: features (B, C, T) are *reshaped*, not transposed, to (B, T, C),
    which mixes channels and time.

    Parameters
    ----------
    width : int
        Channels of the encoders' outputs and of the tokens.
    plane : int
        Side of the visual feature map.
    video_steps, audio_steps : int
        Time steps per window in the encoders' outputs.
    """

    def __init__(
        self,
        *,
        width: int = 512,
        plane: int = 14,
        depth: int = 3,
        heads: int = 4,
        video_steps: int = 5,
        audio_steps: int = 4,
    ) -> None:
        super().__init__()
        self.width = width
        self.position = nn.Parameter(torch.randn(1, width, 1, plane, plane) * 0.02)
        self.video_modality = nn.Parameter(torch.randn(1, width, 1) * 0.02)
        self.audio_modality = nn.Parameter(torch.randn(1, width, 1) * 0.02)
        self.video_time = nn.Parameter(torch.randn(1, width, video_steps) * 0.02)
        self.audio_time = nn.Parameter(torch.randn(1, width, audio_steps) * 0.02)
        self.cls = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.blocks = nn.ModuleList(FusionBlock(width, heads=heads) for _ in range(depth))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1))

    def video_tokens(self, features: Tensor) -> Tensor:
        """Convert visual feature maps (B, C, T, h, w) to tokens (B, T, C)."""
        x = (features + self.position).amax(dim=(3, 4))
        x = x + self.video_time + self.video_modality
        return x.reshape(x.shape[0], x.shape[2], x.shape[1])

    def audio_tokens(self, features: Tensor) -> Tensor:
        """Convert audio features (B, C, T) to tokens (B, T, C)."""
        x = features + self.audio_time + self.audio_modality
        return x.reshape(x.shape[0], x.shape[2], x.shape[1])

    def forward(self, video: Tensor, audio: Tensor) -> Tensor:
        """Compute the logits of pairs, (P, Tv, C) and (P, Ta, C) -> (P,)."""
        x = torch.cat([self.cls.expand(len(video), -1, -1), audio, video], dim=1)
        for block in self.blocks[:-1]:
            x = block(x)
        x = self.blocks[-1](x, queries=1)  # only the cls row is read
        return self.head(x[:, 0]).squeeze(-1)

    def all_pairs(
        self, video: Tensor, audio: Tensor, *, chunk: int = 256, recompute: bool = False
    ) -> Tensor:
        """Compute the logits of all pairs of a window and a crop in the same group.

        Parameters
        ----------
        video : Tensor, (G, N, Tv, C)
        audio : Tensor, (G, M, Ta, C)
        chunk : int
            Pairs per pass of the transformer.
        recompute : bool
            Recompute each chunk in the backward pass. This takes a third longer, but needs memory
            for only one chunk of pairs.

        Returns
        -------
        Tensor, (G, N, M)
        """
        groups, n, m = len(video), video.shape[1], audio.shape[1]
        video, audio = video.flatten(0, 1), audio.flatten(0, 1)
        logits = []
        for pair in torch.arange(groups * n * m, device=video.device).split(chunk):
            window = pair // m
            operands = video[window], audio[window // n * m + pair % m]
            logits.append(
                checkpoint(self, *operands, use_reentrant=False) if recompute else self(*operands)
            )
        return torch.cat(logits).view(groups, n, m)


@register
class CosineFusion(nn.Module):
    """Two-tower fusion: the scaled cosine similarity of a window vector and a crop vector.

    This is not the paper's fusion. Each pair costs one dot product, so a small network can use all
    other windows of a clip as negatives, even on a CPU.

    Parameters
    ----------
    video_width, audio_width : int
        Channels of the encoders' outputs.
    plane : int
        Side of the visual feature map.
    width : int
        Length of the vectors.
    video_steps, audio_steps : int
        Time steps per window in the encoders' outputs.
    temperature : float
        Initial value of the learnt temperature.
    """

    def __init__(
        self,
        *,
        video_width: int,
        audio_width: int,
        plane: int,
        width: int = 128,
        video_steps: int = 1,
        audio_steps: int = 4,
        temperature: float = 0.07,
    ) -> None:
        super().__init__()
        self.width = width
        self.to_video = nn.Linear(video_width * video_steps * plane * plane, width)
        self.to_audio = nn.Linear(audio_width * audio_steps, width)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    def video_tokens(self, features: Tensor) -> Tensor:
        """Convert visual feature maps (B, C, T, h, w) to one token (B, 1, D)."""
        return self.to_video(features.flatten(1)).unsqueeze(1)

    def audio_tokens(self, features: Tensor) -> Tensor:
        """Convert audio features (B, C, T) to one token (B, 1, D)."""
        return self.to_audio(features.flatten(1)).unsqueeze(1)

    def forward(self, video: Tensor, audio: Tensor) -> Tensor:
        """Compute the logits of pairs, (P, 1, D) and (P, 1, D) -> (P,)."""
        return self.scale * F.cosine_similarity(video, audio, dim=-1).squeeze(-1)

    def all_pairs(
        self, video: Tensor, audio: Tensor, *, chunk: int = 256, recompute: bool = False
    ) -> Tensor:
        """Compute the logits of all pairs in each group with one matrix product.

        Parameters
        ----------
        video : Tensor, (G, N, 1, D)
        audio : Tensor, (G, M, 1, D)
        chunk, recompute
            Unused; see `FusionTransformer.all_pairs`.

        Returns
        -------
        Tensor, (G, N, M)
        """
        video, audio = (F.normalize(x.squeeze(2), dim=-1, eps=1e-8) for x in (video, audio))
        return self.scale * video @ audio.transpose(1, 2)

    @property
    def scale(self) -> Tensor:
        """Inverse temperature, at most 100 to keep the loss finite."""
        return self.log_scale.exp().clamp(max=100.0)
