"""Make networks faster: fold batch norms, and keep channels last in memory."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from avforensics.models.audio import AudioEncoder
from avforensics.models.motion import MotionEncoder, StridedAudioEncoder
from avforensics.models.sync import SyncNetwork
from avforensics.models.visual import FrameBlock, TimeBlock, VisualEncoder


def fold_batch_norms(network: SyncNetwork) -> SyncNetwork:
    """Return a copy of a network in evaluation mode, with batch norms folded into convolutions.

    Parameters
    ----------
    network : SyncNetwork
        Network to copy; it is not modified.
    """
    folded = copy.deepcopy(network).eval().requires_grad_(False)
    for module in folded.modules():
        if isinstance(module, FrameBlock | TimeBlock):
            _fold(module, "conv1", "bn1")
            _fold(module, "conv2", "bn2")
            if isinstance(module.shortcut, nn.Sequential):
                _fold(module.shortcut, "0", "1")
        elif isinstance(module, VisualEncoder | MotionEncoder):
            _fold(module, "conv1", "bn1")
        elif isinstance(module, AudioEncoder):
            for index, norm in enumerate(module.norms):
                module.convs[index] = fuse_conv_bn_eval(module.convs[index], norm)
                module.norms[index] = nn.Identity()
        elif isinstance(module, StridedAudioEncoder):
            for index in range(0, len(module.layers), 3):
                _fold(module.layers, str(index), str(index + 1))
    return folded


def keep_channels_last(network: nn.Module) -> None:
    """Keep the channels of 2-D convolutions last in memory, in place.

    This is faster on most processors, and outputs differ only in their last digits. 3-D
    convolutions do not become faster.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)


def _fold(parent: nn.Module, conv: str, norm: str) -> None:
    with torch.no_grad():
        setattr(parent, conv, fuse_conv_bn_eval(getattr(parent, conv), getattr(parent, norm)))
    setattr(parent, norm, nn.Identity())
