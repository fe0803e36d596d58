"""Tensors of all processes, whose gradients return to the process that they belong to."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


class _Gather(torch.autograd.Function):
    """Replaces torch's all_gather, whose gradients are wrong on gloo if not contiguous."""

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

    Backward, a process gets the sum of the gradients of all processes' losses with respect to its
    own tensor. Needs an initialised process group and tensors of one shape.
    """
    return _Gather.apply(tensor.contiguous())
