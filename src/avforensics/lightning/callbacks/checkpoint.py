"""Save the latest training state, so that an interrupted run can be resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint


class PeriodicCheckpoint(Checkpoint):
    """Write ``last.ckpt`` every ``every_n_steps`` steps and at the end of every epoch.

    No checkpoint is written right after the last batch of an epoch: a run resumed there would skip
    the validation that follows, and the curve would miss a point.
    """

    def __init__(self, *, folder: str | Path, every_n_steps: int = 200) -> None:
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, got {every_n_steps}")
        self.path = Path(folder) / "last.ckpt"
        self.every_n_steps = every_n_steps
        self._saved = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Save between the batches of an epoch."""
        step = trainer.global_step
        due = step % self.every_n_steps == 0 and step != self._saved
        accumulating = trainer.fit_loop._should_accumulate()
        if due and not accumulating and not trainer.is_last_batch:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Save after the validation of an epoch."""
        self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        self._saved = trainer.global_step
        if not trainer.fast_dev_run:
            trainer.save_checkpoint(self.path)
