"""Random numbers that depend only on the position in training."""

from __future__ import annotations

import hashlib
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback


class StepSeeds(Callback):
    """Reseed torch before every batch, so that a resumed run drops out the same units.

    Keeping the states of all random generators of all processes in checkpoints would do the same,
    but more could go wrong.
    """

    def __init__(self, *, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, index: int
    ) -> None:
        """Seed from the run's seed, epoch, batch and process."""
        place = f"{self.seed} {trainer.current_epoch} {index} {trainer.global_rank}"
        torch.manual_seed(int.from_bytes(hashlib.sha256(place.encode()).digest()[:8], "big"))
