"""Audio encoder: a VGG-M-like network on the log-mel spectrogram of five frames of audio."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from avforensics.models.registered import register


@register
class AudioEncoder(nn.Module):
    """Encode log-mel crops (B, 1, 80, 20) as features (B, C, 4): four time steps of 40 ms.

    Parameters
    ----------
    widths : sequence of 7 int
        Channels of the seven convolutions.
    """

    def __init__(self, *, widths: Sequence[int] = (64, 192, 384, 256, 256, 512, 512)) -> None:
        super().__init__()
        if len(widths) != 7:
            raise ValueError(f"widths must have 7 entries, got {len(widths)}")
        self.width = widths[-1]
        kernels = [3, 3, 3, 3, 3, (4, 3), 1]
        strides = [(2, 1), 1, 1, 1, 1, 1, 1]
        pads = [1, 1, 1, 1, 1, (0, 1), 0]
        inputs = [1, *widths[:-1]]
        self.convs = nn.ModuleList(
            nn.Conv2d(*shape) for shape in zip(inputs, widths, kernels, strides, pads, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths[:-1])

    def forward(self, log_mel: Tensor) -> Tensor:
        """Encode log-mel crops, (B, 1, 80, 20) -> (B, C, 4)."""
        x = log_mel
        for index, norm in enumerate(self.norms):
            x = norm(self.convs[index](x)).relu_()
            if index == 0:
                x = F.max_pool2d(x, (3, 1), (2, 1))  # (B, C, 19, 20)
            elif index == 1:
                x = F.max_pool2d(x, 3, 2)  # (B, C, 9, 9)
            elif index == 4:
                x = F.max_pool2d(x, (2, 3), (2, 2))  # (B, C, 4, 4)
        return self.convs[6](x).squeeze(2)
