"""Tensors of all processes, with gradients that come back to the process they belong to."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


class _Gather(torch.autograd.Function):
    """torch's own all_gather gives wrong gradients on gloo where these are not contiguous."""

    @staticmethod
    def forward(ctx, tensor: Tensor) -> Tensor:
        parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, tensor)
        return torch.stack(parts)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(gradient)
        return gradient[dist.get_rank()]


def gather(tensor: Tensor) -> Tensor:
    """The tensors of all processes in the order of ranks, (...) -> (world, ...).

    Backward, a process gets the sum of what all processes' losses say of its own tensor. Needs an
    initialised process group and tensors of one shape.
    """
    return _Gather.apply(tensor.contiguous())
