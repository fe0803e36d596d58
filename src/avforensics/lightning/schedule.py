"""Training steps and learning rate schedules."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def total_steps(trainer: pl.Trainer) -> int:
    """Count the optimiser steps in the whole training, from ``max_epochs`` and ``max_steps``.

    Lightning's ``estimated_stepping_batches`` assumes epochs of equal length. In
    ``configure_optimizers``, it also creates the training iterator before a resumed run knows its
    position.
    """
    if trainer.max_epochs is None or trainer.max_epochs < 0:
        return trainer.max_steps
    accumulate, steps = trainer.accumulate_grad_batches, 0
    for epoch in range(trainer.max_epochs):
        steps += -(-batches_of(trainer, epoch) // accumulate)
    return min(steps, trainer.max_steps) if trainer.max_steps > 0 else steps


def batches_of(trainer: pl.Trainer, epoch: int) -> int:
    """Count the batches of an epoch, with ``limit_train_batches``."""
    count, limit = trainer.datamodule.batches(epoch), trainer.limit_train_batches
    return int(count * limit) if isinstance(limit, float) else min(count, limit)


def scheduled(optimizer: Optimizer, scheduler: Callable | None, module: pl.LightningModule) -> Any:
    """Make the return value of ``configure_optimizers``, with or without a schedule."""
    if scheduler is None:
        return optimizer
    schedule = scheduler(optimizer, total_steps=total_steps(module.trainer))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def warmup_cosine(
    optimizer: Optimizer, *, total_steps: int, warmup: float = 0.05, final: float = 0.0
) -> LambdaLR:
    """Make a schedule: linear warm-up, then a cosine down to ``final`` (method Sec. 4).

    Parameters
    ----------
    optimizer : Optimizer
        Optimiser whose learning rate is the peak of the schedule.
    total_steps : int
        Number of steps in the whole training.
    warmup : float
        Share of the steps used for warm-up.
    final : float
        Final learning rate as a fraction of the peak.

    Raises
    ------
    ValueError
        ``warmup`` or ``final`` is out of range.
    """
    if not (0 <= warmup < 1 and 0 <= final <= 1):
        raise ValueError(
            f"warmup must be within [0, 1) and final within 0..1, got {warmup} and {final}"
        )
    rise = round(warmup * total_steps)

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / (rise + 1)
        passed = min((step - rise) / max(total_steps - rise, 1), 1.0)
        return final + (1 - final) * (1 + math.cos(math.pi * passed)) / 2

    return LambdaLR(optimizer, factor)
