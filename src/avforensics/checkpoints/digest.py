"""Hash that identifies a network."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def network_digest(network: nn.Module) -> str:
    """Return the SHA-256 of the names, types, shapes and values of all tensors of a network."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
