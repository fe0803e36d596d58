"""Encoders for CPUs, which process motion first and audio in few steps.

The published visual network processes single frames first and time last. A small network with this
order spends most of its capacity on how a mouth looks and has little left for its motion.
`MotionEncoder` begins with all five frames, like SyncNet (Chung and Zisserman, "Out of time",
ACCV-W 2016, Sec. 2.2) and lip-reading networks (Stafylakis and Tzimiropoulos, 2017).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from avforensics.models.registered import register
from avforensics.models.visual import WINDOW_FRAMES, FrameBlock

LUMA = (0.299, 0.587, 0.114)  # BT.601


@register
class MotionEncoder(nn.Module):
    """Encode grey frames with one convolution over all five frames, then a 2-D ResNet.

    The output has one time step per window. All windows of a run are encoded in one pass.

    Parameters
    ----------
    stem : int
        Channels of the first convolution, which is 5 x 5 x 5 with a spatial stride of 2.
    widths, depths, strides : sequence of int
        Channels, blocks and first spatial stride of each stage.
    dropout : float
        Probability that a channel of the output is zeroed during training.
    """

    pad_time = False

    def __init__(
        self,
        *,
        stem: int = 32,
        widths: Sequence[int] = (48, 96, 160),
        depths: Sequence[int] = (1, 1, 1),
        strides: Sequence[int] = (1, 2, 2),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not len(widths) == len(depths) == len(strides):
            raise ValueError(
                "widths, depths and strides must have one entry for each stage, got "
                f"{len(widths)}, {len(depths)} and {len(strides)}"
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be within [0, 1), got {dropout}")
        self.width = widths[-1]
        self.register_buffer("luma", torch.tensor(LUMA).view(1, 3, 1, 1), persistent=False)
        # A 3-D convolution over all frames of a window equals a 2-D convolution of stacked frames.
        self.conv1 = nn.Conv2d(WINDOW_FRAMES, stem, 5, 2, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.pool = nn.MaxPool2d(3, 2, 1)
        blocks, inputs = [], stem
        for width, depth, stride in zip(widths, depths, strides, strict=True):
            for index in range(depth):
                blocks.append(FrameBlock(inputs, width, stride=1 if index else stride))
                inputs = width
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout2d(dropout)

    def frames(self, frames: Tensor) -> Tensor:
        """Convert RGB in 0..255 to grey levels around 0, (T, 3, H, W) -> (T, 1, H, W)."""
        return (frames * self.luma).sum(dim=1, keepdim=True) / 64 - 2

    def windows(self, windows: Tensor) -> Tensor:
        """Encode runs of frames, (B, 1, T, H, W) -> (B, C, T - 4, h, w)."""
        batch = len(windows)
        stacks = windows[:, 0].unfold(1, WINDOW_FRAMES, 1).permute(0, 1, 4, 2, 3).flatten(0, 1)
        encoded = self.pool(self.bn1(self.conv1(stacks)).relu_())
        return self.dropout(self.blocks(encoded)).unflatten(0, (batch, -1)).transpose(1, 2)


@register
class StridedAudioEncoder(nn.Module):
    """Encode the log-mel crop of five frames into five steps, with strides instead of pooling.

    This costs about half as much as `AudioEncoder` at the same widths.

    Parameters
    ----------
    widths : sequence of 5 int
        Channels of the five convolutions.
    dropout : float
        Probability that a channel of the output is zeroed during training.
    """

    def __init__(
        self, *, widths: Sequence[int] = (32, 64, 96, 128, 128), dropout: float = 0.0
    ) -> None:
        super().__init__()
        if len(widths) != 5:
            raise ValueError(f"widths must have 5 entries, got {len(widths)}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be within [0, 1), got {dropout}")
        self.width = 5 * widths[-1]
        kernels = [(5, 3), 3, 3, 3, 3]
        strides = [(2, 1), 2, (2, 1), 2, 1]
        pads = [(2, 1), 1, 1, 1, 1]
        layers, inputs = [], 1
        for width, kernel, stride, pad in zip(widths, kernels, strides, pads, strict=True):
            layers += [
                nn.Conv2d(inputs, width, kernel, stride, pad, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            inputs = width
        self.layers = nn.Sequential(*layers)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Encode crops, (B, 1, 80, 20) -> (B, 5 C, 5): 5 bands of C channels, 5 steps."""
        return self.dropout(self.layers(log_mel)).flatten(1, 2)
