"""Stop training if the loss is not finite, and name the clips."""

from __future__ import annotations

from collections.abc import Mapping

import pytorch_lightning as pl
from torch import Tensor

from avforensics.data.manifest import shorten
from avforensics.errors import TrainingError


def require_finite(
    module: pl.LightningModule, loss: Tensor, batch: Mapping[str, Tensor], batch_idx: int
) -> None:
    """Stop training in all processes if the loss of any process is not finite.

    Parameters
    ----------
    module : LightningModule
        Module that is trained; its data module must have ``rows``.
    loss : tensor, ()
    batch : mapping
        ``index`` holds the row numbers of the batch's clips.

    Raises
    ------
    TrainingError
        A loss is not finite; the message names this process's clips.
    """
    trainer = module.trainer
    if trainer.strategy.reduce_boolean_decision(bool(loss.isfinite()), all=True):
        return
    rows = trainer.datamodule.rows
    clips = [rows[index].path for index in batch["index"].tolist()]
    raise TrainingError(
        f"the loss of step {module.global_step} (batch {batch_idx} of epoch "
        f"{module.current_epoch}) is {loss.item()}; its clips are {shorten(clips, most=8)}; a "
        "smaller optimizer.lr or trainer.gradient_clip_val=1 may help"
    )
