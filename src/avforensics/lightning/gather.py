"""Gather tensors from all processes, with gradients that flow back to each process."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


class _Gather(torch.autograd.Function):
    """Replacement for torch's all_gather, which on gloo corrupts non-contiguous gradients."""

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
    """Return the tensors of all processes in rank order, (...) -> (world, ...).

    In the backward pass, each process gets the sum of the gradients of all processes' losses with
    respect to its own tensor. Requires an initialised process group and tensors of equal shape.
    """
    return _Gather.apply(tensor.contiguous())
