"""Visual encoder: a ResNet with 2-D stages within frames and 3-D stages over time.

Feng, Chen, Owens, "Self-Supervised Video Forensics by Audio-Visual Anomaly Detection" (CVPR 2023),
Sec. 3.1: a 2D+3D ResNet-18 on five-frame windows.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from avforensics.models.registered import register

WINDOW_FRAMES = 5


class FrameBlock(nn.Module):
    """Residual block of two 3x3 convolutions within a frame, (B, C, H, W)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv1(x)).relu_()
        return (self.bn2(self.conv2(y)) + self.shortcut(x)).relu_()


class TimeBlock(nn.Module):
    """Residual block of two 3x3x3 convolutions over frames, (B, C, T, H, W).

    With ``pad_time``, time is zero-padded and T is kept (as in the published network). Without it,
    each convolution drops a frame at either end: T becomes T - 4.
    """

    def __init__(
        self, inputs: int, outputs: int, *, stride: int = 1, pad_time: bool = True
    ) -> None:
        super().__init__()
        pad = (int(pad_time), 1, 1)
        self.pad_time = pad_time
        self.conv1 = nn.Conv3d(inputs, outputs, 3, (1, stride, stride), pad, bias=False)
        self.bn1 = nn.BatchNorm3d(outputs)
        self.conv2 = nn.Conv3d(outputs, outputs, 3, 1, pad, bias=False)
        self.bn2 = nn.BatchNorm3d(outputs)
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv3d(inputs, outputs, 1, (1, stride, stride), bias=False),
                nn.BatchNorm3d(outputs),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv1(x)).relu_()
        kept = x if self.pad_time else x[:, :, 2:-2]
        return (self.bn2(self.conv2(y)) + self.shortcut(kept)).relu_()


@register
class VisualEncoder(nn.Module):
    """ResNet in two parts: ``frames`` runs once per frame, ``windows`` once per window.

    Parameters
    ----------
    widths : sequence of int
        Channels of each stage.
    depths : sequence of int
        Blocks in each stage.
    strides : sequence of int
        Spatial stride of each stage's first block.
    first_temporal_stage : int
        Stages before this one are 2-D and belong to ``frames``; the others are 3-D.
    pad_time : bool
        Zero-pad time in the 3-D stages (as in the published network). If False, the 3-D part must
        be one stage of one block, which maps five frames to one; a run of frames can then be
        encoded in one pass.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (64, 128, 256, 512),
        depths: Sequence[int] = (2, 2, 2, 2),
        strides: Sequence[int] = (1, 2, 2, 1),
        first_temporal_stage: int = 2,
        pad_time: bool = True,
    ) -> None:
        super().__init__()
        if not len(widths) == len(depths) == len(strides):
            raise ValueError(
                "widths, depths and strides must have one entry for each stage, got "
                f"{len(widths)}, {len(depths)} and {len(strides)}"
            )
        if not 0 < first_temporal_stage < len(widths):
            raise ValueError(
                f"first_temporal_stage must be within 1..{len(widths) - 1}, got "
                f"{first_temporal_stage}"
            )
        if not pad_time and sum(depths[first_temporal_stage:]) != 1:
            raise ValueError(
                "with pad_time=False, the 3-D stages must have one block in total, got "
                f"{sum(depths[first_temporal_stage:])}"
            )
        self.pad_time = pad_time
        self.width = widths[-1]
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.pool = nn.MaxPool2d(3, 2, 1)
        frame_stages, time_stages = [], []
        inputs = widths[0]
        for index, (width, depth, stride) in enumerate(zip(widths, depths, strides, strict=True)):
            sizes = [(inputs, width, stride)] + [(width, width, 1)] * (depth - 1)
            if index < first_temporal_stage:
                frame_stages.append(
                    nn.Sequential(*(FrameBlock(i, o, stride=s) for i, o, s in sizes))
                )
            else:
                time_stages.append(
                    nn.Sequential(
                        *(TimeBlock(i, o, stride=s, pad_time=pad_time) for i, o, s in sizes)
                    )
                )
            inputs = width
        self.frame_stages = nn.Sequential(*frame_stages)
        self.time_stages = nn.Sequential(*time_stages)

    def frames(self, frames: Tensor) -> Tensor:
        """Encode single frames.

        Parameters
        ----------
        frames : float tensor, (T, 3, H, W), RGB in 0..255, not normalised

        Returns
        -------
        Tensor, (T, C, H / 8, W / 8) for the published strides
        """
        return self.frame_stages(self.pool(self.bn1(self.conv1(frames)).relu_()))

    def windows(self, windows: Tensor) -> Tensor:
        """Encode windows of frame features, (B, C, T, h, w) -> (B, C', T', h', w').

        T' = T with ``pad_time``, else T - 4.
        """
        return self.time_stages(windows)
