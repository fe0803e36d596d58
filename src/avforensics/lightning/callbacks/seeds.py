"""Random numbers that depend only on the run's seed and the position in training."""

from __future__ import annotations

import hashlib
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback


class StepSeeds(Callback):
    """Reseed torch before every batch, so that dropout is the same in a resumed run.

    Saving the state of every random generator of every process in checkpoints would have the same
    effect, but would be more error-prone.
    """

    def __init__(self, *, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, index: int
    ) -> None:
        """Derive the seed from the run's seed, the epoch, the batch and the process."""
        place = f"{self.seed} {trainer.current_epoch} {index} {trainer.global_rank}"
        torch.manual_seed(int.from_bytes(hashlib.sha256(place.encode()).digest()[:8], "big"))
