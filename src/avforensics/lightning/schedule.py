"""Learning rate over a training."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def warmup_cosine(
    optimizer: Optimizer, *, total_steps: int, warmup: float = 0.05, final: float = 0.0
) -> LambdaLR:
    """Linear warm-up, then a cosine down to ``final`` (method Sec. 4, anomaly model).

    Parameters
    ----------
    optimizer : Optimizer
        Its learning rate is the highest one.
    total_steps : int
        Steps of the whole training.
    warmup : float
        Part of the steps that warms up.
    final : float
        Last learning rate as a part of the highest.

    Raises
    ------
    ValueError
        A part is outside 0..1.
    """
    if not (0 <= warmup < 1 and 0 <= final <= 1):
        raise ValueError(f"warmup and final are parts of a whole, not {warmup} and {final}")
    rise = round(warmup * total_steps)

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / (rise + 1)
        passed = min((step - rise) / max(total_steps - rise, 1), 1.0)
        return final + (1 - final) * (1 + math.cos(math.pi * passed)) / 2

    return LambdaLR(optimizer, factor)
