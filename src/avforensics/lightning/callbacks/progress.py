"""Progress of training, as log lines or as a bar."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, ProgressBar, RichProgressBar
from pytorch_lightning.utilities import rank_zero_only

from avforensics.lightning.schedule import total_steps
from avforensics.progress import duration

log = logging.getLogger(__name__)


class Progress(Callback):
    """Log a line every ``every_n_steps`` steps and a line for every validation.

    Parameters
    ----------
    every_n_steps : int
        Number of steps between lines; the first line comes after a tenth of that number.
    """

    def __init__(self, *, every_n_steps: int = 50) -> None:
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, got {every_n_steps}")
        self.every_n_steps = every_n_steps

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Start the clock."""
        self._start, self._first = time.monotonic(), trainer.global_step
        self._steps = total_steps(trainer)

    @rank_zero_only
    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Log the step, the loss and the time left."""
        done = trainer.global_step - self._first
        if done != max(self.every_n_steps // 10, 1) and done % self.every_n_steps:
            return
        seconds = (time.monotonic() - self._start) / max(done, 1)
        left = self._steps - trainer.global_step
        loss = trainer.callback_metrics.get("train/loss")
        log.info(
            "step %d, epoch %d: loss %.4f, %.2f s per step, %s left",
            trainer.global_step,
            trainer.current_epoch,
            float("nan") if loss is None else float(loss),
            seconds,
            duration(seconds * left),
        )

    @rank_zero_only
    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Log the measures of the validation."""
        measured = {k: v for k, v in trainer.callback_metrics.items() if k.startswith("val/")}
        if not trainer.sanity_checking and measured:
            text = ", ".join(f"{name[4:]} {float(value):.4f}" for name, value in measured.items())
            log.info("validation after epoch %d: %s", trainer.current_epoch, text)


def bar() -> ProgressBar | None:
    """Return a progress bar if stdout is a terminal, else None."""
    return RichProgressBar(leave=True) if sys.stdout.isatty() else None
